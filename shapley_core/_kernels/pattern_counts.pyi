import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .group_tests import GroupTests
from .paths import Paths

def count(
    trees: NDArray[np.int64],
    columns: NDArray[np.float64],
    codes: NDArray[np.uint16],
    first_row: int,
    last_row: int,
    weight: NDArray[np.int64],
    tests: GroupTests,
    n_patterns: NDArray[np.int64],
    n_rows_at_once: int,
    out: NDArray[np.int64],
) -> None: ...
def failed_sets(
    forest: Forest,
    tree: int,
    paths: Paths,
    subtree: NDArray[np.int64],
    bits: NDArray[np.int64],
    max_bits: int,
    counts: NDArray[np.int64],
    start: NDArray[np.int64],
    words: NDArray[np.uint64],
    total: NDArray[np.int64],
) -> int: ...
