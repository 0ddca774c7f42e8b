import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .leaf_games import Layers
from .paths import Paths

def explain(
    forest: Forest,
    tree: int,
    columns: NDArray[np.float64],
    paths: Paths,
    subtree: NDArray[np.int64],
    bits: NDArray[np.int64],
    max_bits: int,
    layers: Layers,
    share: NDArray[np.float64],
    start: NDArray[np.int64],
    words: NDArray[np.uint64],
    total: NDArray[np.float64],
    leaf_offsets: NDArray[np.int64],
    leaf_columns: NDArray[np.int32],
    n_lanes: int,
    out: NDArray[np.float64],
) -> None: ...
