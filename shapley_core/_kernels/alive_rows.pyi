import numpy as np
from numpy.typing import NDArray

from .forest import Forest

def tell(
    forest: Forest,
    columns: NDArray[np.float64],
    n_levels: int,
    steps: NDArray[np.uint8],
    out: NDArray[np.uint64],
) -> None: ...
def explain(
    forest: Forest,
    tree: int,
    columns: NDArray[np.float64],
    n_levels: int,
    n_players: int,
    players: NDArray[np.int64],
    steps: NDArray[np.uint8],
    passing: NDArray[np.uint64],
    weight: NDArray[np.float64],
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    n_rows_at_once: int,
    out: NDArray[np.float64],
) -> None: ...
