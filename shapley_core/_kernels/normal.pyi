import numpy as np
from numpy.typing import NDArray

def parity_products(
    words: NDArray[np.uint64],
    step: int,
    counts: NDArray[np.int64],
    weights: NDArray[np.float64],
    terms: NDArray[np.int32],
    out: NDArray[np.float64],
) -> None: ...
def parities(
    words: NDArray[np.uint64],
    step: int,
    start: int,
    terms: NDArray[np.int32],
    out: NDArray[np.float64],
) -> None: ...
