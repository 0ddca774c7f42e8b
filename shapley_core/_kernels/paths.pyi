import numpy as np
from numpy.typing import NDArray

from .forest import Forest

class Paths:
    def __init__(
        self,
        order: NDArray[np.int64],
        parent: NDArray[np.int64],
        previous: NDArray[np.int64],
        distinct: NDArray[np.int64],
        slot: NDArray[np.int64],
        player: NDArray[np.int64],
        depth: NDArray[np.int64],
    ) -> None: ...

def describe(
    forest: Forest,
    player_of: NDArray[np.int64],
    n_players: int,
    order: NDArray[np.int64],
    parent: NDArray[np.int64],
    previous: NDArray[np.int64],
    distinct: NDArray[np.int64],
    slot: NDArray[np.int64],
    player: NDArray[np.int64],
) -> None: ...
