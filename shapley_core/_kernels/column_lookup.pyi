import numpy as np
from numpy.typing import NDArray

from .group_tests import GroupTests

def explain(
    trees: NDArray[np.int64],
    columns: NDArray[np.float64],
    codes: NDArray[np.uint16],
    tests: GroupTests,
    first_group: NDArray[np.int64],
    batch_trees: NDArray[np.int64],
    batch_runs: NDArray[np.int64],
    run_sum: NDArray[np.int64],
    run_start: NDArray[np.int64],
    at: NDArray[np.int64],
    group: NDArray[np.int32],
    size: NDArray[np.int32],
    table: NDArray[np.float64],
    n_groups: int,
    n_rows_at_once: int,
    out: NDArray[np.float64],
) -> None: ...
