import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

def describe(
    forest: Forest,
    trees: NDArray[np.int64],
    paths: Paths,
    subtree: NDArray[np.int64],
    most_bits: int,
    bits: NDArray[np.int64],
    n_columns: NDArray[np.int64],
    bit: NDArray[np.int8],
    above: NDArray[np.int8],
    column: NDArray[np.int8],
) -> None: ...

class SubtreeSums:
    def __init__(
        self,
        forest: Forest,
        paths: Paths,
        subtree: NDArray[np.int64],
        ratio: NDArray[np.float64],
        share: NDArray[np.float64],
        bits: NDArray[np.int64],
        n_columns: NDArray[np.int64],
        bit: NDArray[np.int8],
        above: NDArray[np.int8],
        column: NDArray[np.int8],
        offset: NDArray[np.int64],
    ) -> None: ...
    def build(
        self,
        tree: int,
        points: NDArray[np.float64],
        weights: NDArray[np.float64],
        table: NDArray[np.float64],
    ) -> None: ...
    def explain(
        self,
        trees: NDArray[np.int64],
        columns: NDArray[np.float64],
        rule: NDArray[np.int64],
        rule_offsets: NDArray[np.int64],
        points: NDArray[np.float64],
        weights: NDArray[np.float64],
        n_levels: int,
        first_entry: NDArray[np.int64],
        table: NDArray[np.float64],
        n_rows_at_once: int,
        out: NDArray[np.float64],
    ) -> None: ...
