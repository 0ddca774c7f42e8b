import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

def interventional(
    forest: Forest,
    tree: int,
    columns: NDArray[np.float64],
    paths: Paths,
    subtree: NDArray[np.int64],
    bits: NDArray[np.int64],
    max_bits: int,
    n_levels: int,
    start: NDArray[np.int64],
    words: NDArray[np.uint64],
    count: NDArray[np.int64],
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
