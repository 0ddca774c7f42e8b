import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

STEP_BYTES: int
SPARE_WORDS: int
GROUP_TESTS: int
MERGED_TESTS: int

def pack(
    forest: Forest,
    tree: int,
    paths: Paths,
    subtree: NDArray[np.int64],
    player: NDArray[np.int64],
    leaves_before: NDArray[np.int64],
    nodes_before: NDArray[np.int64],
    most_tests: int,
    out: NDArray[np.uint8],
) -> None: ...
def explain(
    forest: Forest,
    tree: int,
    columns: NDArray[np.float64],
    n_levels: int,
    n_players: int,
    players: NDArray[np.int64],
    steps: NDArray[np.uint8],
    words: NDArray[np.uint64],
    count: NDArray[np.int64],
    passing: NDArray[np.uint64],
    group_words: NDArray[np.uint64],
    group_weight: NDArray[np.float64],
    group_bin: NDArray[np.int32],
    bins: NDArray[np.uint64],
    most_sets: int,
    most_bins: int,
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    n_rows_at_once: int,
    out: NDArray[np.float64],
) -> None: ...
