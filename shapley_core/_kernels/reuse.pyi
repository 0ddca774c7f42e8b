import numpy as np
from numpy.typing import NDArray

def add_strata(
    words: NDArray[np.uint64],
    step: int,
    n_players: int,
    size: int,
    sizes: NDArray[np.int64],
    counts: NDArray[np.int64],
    missing: NDArray[np.float64],
    weights: NDArray[np.float64],
    worths: NDArray[np.float64],
    values: NDArray[np.float64],
    variance: NDArray[np.float64],
) -> None: ...
