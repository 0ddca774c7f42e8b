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
    share: NDArray[np.float64],
    rule: NDArray[np.int64],
    rule_offsets: NDArray[np.int64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
