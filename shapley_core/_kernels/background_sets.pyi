import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

def find(
    forest: Forest,
    tree: int,
    columns: NDArray[np.float64],
    weight: NDArray[np.int64],
    paths: Paths,
    n_levels: int,
    start: NDArray[np.int64],
    words: NDArray[np.uint64],
    total: NDArray[np.int64],
    steps: NDArray[np.uint8],
    passing: NDArray[np.uint64],
    group_words: NDArray[np.uint64],
    group_weight: NDArray[np.float64],
    group_bin: NDArray[np.int32],
    bins: NDArray[np.uint64],
) -> tuple[int, int, int, int]: ...
