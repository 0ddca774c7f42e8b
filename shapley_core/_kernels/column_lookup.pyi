import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

def explain(
    forest: Forest,
    trees: NDArray[np.int64],
    columns: NDArray[np.float64],
    paths: Paths,
    subtree: NDArray[np.int64],
    bits: NDArray[np.int64],
    max_bits: NDArray[np.int64],
    n_levels: int,
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
