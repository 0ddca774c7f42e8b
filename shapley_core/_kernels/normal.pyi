import numpy as np
from numpy.typing import NDArray

def common_players(
    words: NDArray[np.uint64],
    step: int,
    counts: NDArray[np.int64],
    weights: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def player_sums(
    words: NDArray[np.uint64],
    step: int,
    values: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
