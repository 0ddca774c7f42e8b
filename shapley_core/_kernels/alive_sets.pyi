import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

def explain(
    forest: Forest,
    tree: int,
    columns: NDArray[np.float64],
    paths: Paths,
    subtree: NDArray[np.int64],
    n_levels: int,
    start: NDArray[np.int64],
    words: NDArray[np.uint64],
    count: NDArray[np.int64],
    n_sets: NDArray[np.int64],
    passing_start: NDArray[np.int64],
    passing: NDArray[np.uint64],
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
