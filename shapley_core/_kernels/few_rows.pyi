import numpy as np
from numpy.typing import NDArray

from .forest import Forest

def explain(
    forest: Forest,
    trees: NDArray[np.int64],
    columns: NDArray[np.float64],
    order: NDArray[np.int64],
    parent: NDArray[np.int64],
    previous: NDArray[np.int64],
    slot: NDArray[np.int64],
    depth: NDArray[np.int64],
    distinct: NDArray[np.int64],
    subtree: NDArray[np.int64],
    bits: NDArray[np.int64],
    max_bits: NDArray[np.int64],
    share: NDArray[np.float64],
    rule: NDArray[np.int64],
    rule_offsets: NDArray[np.int64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    passed_offsets: NDArray[np.int64],
    passed_shares: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
