import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .group_tests import GroupTests
from .paths import Paths

def build(
    forest: Forest,
    tree: int,
    paths: Paths,
    subtree: NDArray[np.int64],
    bits: NDArray[np.int64],
    max_bits: int,
    share: NDArray[np.float64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    start: NDArray[np.int64],
    words: NDArray[np.uint64],
    count: NDArray[np.int64],
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    group_offsets: NDArray[np.int64],
    group_columns: NDArray[np.int64],
    columns: NDArray[np.int64],
    table: NDArray[np.float64],
) -> None: ...
def explain(
    trees: NDArray[np.int64],
    columns: NDArray[np.float64],
    codes: NDArray[np.uint16],
    tests: GroupTests,
    first_column: NDArray[np.int64],
    column_target: NDArray[np.int64],
    column_group: NDArray[np.int32],
    column_offset: NDArray[np.int64],
    table: NDArray[np.float64],
    n_rows_at_once: int,
    out: NDArray[np.float64],
) -> None: ...
