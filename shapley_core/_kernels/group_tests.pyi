import numpy as np
from numpy.typing import NDArray

from .forest import Forest
from .paths import Paths

ROWS: int
LABELS: int

class GroupTests:
    def __init__(
        self,
        forest: Forest,
        paths: Paths,
        subtree: NDArray[np.int64],
        bits: NDArray[np.int64],
        max_bits: NDArray[np.int64],
        rank: NDArray[np.int64],
        place: NDArray[np.int64],
        label_place: NDArray[np.int64],
        n_coded: int,
    ) -> None: ...

def encode(
    columns: NDArray[np.float64],
    first: int,
    coded: NDArray[np.int64],
    start: NDArray[np.int64],
    threshold: NDArray[np.float64],
    labelled: NDArray[np.int64],
    n_labels: NDArray[np.int64],
    truncates: NDArray[np.uint8],
    out: NDArray[np.uint16],
) -> None: ...
