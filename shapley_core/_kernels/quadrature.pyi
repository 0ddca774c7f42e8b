import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

def path_dependent(
    forest: Forest,
    trees: NDArray[np.int64],
    columns: NDArray[np.float64],
    paths: Paths,
    ratio: NDArray[np.float64],
    share: NDArray[np.float64],
    rule: NDArray[np.int64],
    rule_offsets: NDArray[np.int64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    tree_depth: NDArray[np.int64],
    n_rows_at_once: int,
    out: NDArray[np.float64],
) -> None: ...
