import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

STEP_BYTES: int
SPARE_WORDS: int

def pack(
    forest: Forest,
    tree: int,
    paths: Paths,
    subtree: NDArray[np.int64],
    start: NDArray[np.int64],
    n_sets: NDArray[np.int64],
    passing_start: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None: ...
def explain(
    forest: Forest,
    tree: int,
    columns: NDArray[np.float64],
    n_levels: int,
    n_players: int,
    steps: NDArray[np.uint8],
    words: NDArray[np.uint64],
    count: NDArray[np.int64],
    passing: NDArray[np.uint64],
    most_sets: int,
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    n_rows_at_once: int,
    out: NDArray[np.float64],
) -> None: ...
