import numpy as np
from numpy.typing import NDArray

def mix(
    masks: NDArray[np.uint8],
    rows: NDArray[np.uint8],
    donors: NDArray[np.uint8],
    itemsize: int,
    out: NDArray[np.uint8],
) -> None: ...
def mix_chosen(
    masks: NDArray[np.uint8],
    rows: NDArray[np.uint8],
    donors: NDArray[np.uint8],
    chosen: NDArray[np.int64],
    itemsize: int,
    out: NDArray[np.uint8],
) -> None: ...
def mix_pairs(
    masks: NDArray[np.uint8],
    rows: NDArray[np.uint8],
    donors: NDArray[np.uint8],
    players: NDArray[np.int32],
    features: NDArray[np.int64],
    starts: NDArray[np.int64],
    itemsize: int,
    by_column: bool,
    out: NDArray[np.uint8],
) -> None: ...
def add_means(
    outputs: NDArray[np.float64],
    weights: NDArray[np.float64],
    out: NDArray[np.float64],
) -> bool: ...
def add_parts(
    outputs: NDArray[np.float64],
    weights: NDArray[np.float64],
    starts: NDArray[np.int64],
    rows: NDArray[np.int64],
    out: NDArray[np.float64],
) -> bool: ...
