import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

def lay_out(
    forest: Forest,
    trees: NDArray[np.int64],
    paths: Paths,
    subtree: NDArray[np.int64],
    bits: NDArray[np.int64],
    max_bits: NDArray[np.int64],
    first_test: NDArray[np.int32],
    first_group: NDArray[np.int32],
    test_feature: NDArray[np.int32],
    test_threshold: NDArray[np.float64],
    test_kind: NDArray[np.uint8],
    test_node: NDArray[np.int64],
    groups: NDArray[np.int32],
    edge_test: NDArray[np.int32],
    edge_bit: NDArray[np.int32],
) -> None: ...
def turn(
    table: NDArray[np.float64],
    offset: NDArray[np.int64],
    first_column: NDArray[np.int32],
    turned_offset: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None: ...
def explain(
    forest: Forest,
    first_test: NDArray[np.int32],
    first_group: NDArray[np.int32],
    test_feature: NDArray[np.int32],
    test_threshold: NDArray[np.float64],
    test_kind: NDArray[np.uint8],
    test_node: NDArray[np.int64],
    groups: NDArray[np.int32],
    edge_test: NDArray[np.int32],
    edge_bit: NDArray[np.int32],
    first_column: NDArray[np.int32],
    target: NDArray[np.int32],
    offset: NDArray[np.int64],
    table: NDArray[np.float64],
    columns: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
