import numpy as np
from numpy.typing import NDArray

def held_sums(
    words: NDArray[np.uint64],
    step: int,
    n_players: int,
    size: int,
    columns: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
