import numpy as np
from numpy.typing import NDArray

def find(
    words: NDArray[np.uint64],
    differs: NDArray[np.uint64],
    number: NDArray[np.int32],
    starts: NDArray[np.int64],
    donors: NDArray[np.int64],
) -> None: ...
def add_means(
    outputs: NDArray[np.float64],
    number: NDArray[np.int32],
    weights: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
