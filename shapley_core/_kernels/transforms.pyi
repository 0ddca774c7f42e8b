import numpy as np
from numpy.typing import NDArray

def butterflies_low(
    matrix: NDArray[np.float64],
    start: int,
    stop: int,
    n_bits: int,
    kind: int,
    table: NDArray[np.float64],
) -> None: ...
def butterflies_high(
    matrix: NDArray[np.float64],
    start: int,
    first_bit: int,
    n_bits: int,
    width: int,
    kind: int,
    table: NDArray[np.float64],
) -> None: ...
def weigh(
    values: NDArray[np.float64],
    offset: float,
    sixteen: NDArray[np.float64],
    start: int,
    stop: int,
    out: NDArray[np.float64],
) -> None: ...
def add_weighed(
    values: NDArray[np.float64],
    sixteen: NDArray[np.float64],
    start: int,
    stop: int,
    out: NDArray[np.float64],
) -> None: ...
def fold(
    values: NDArray[np.float64],
    offset: float,
    sixteen: NDArray[np.float64],
    sizes: NDArray[np.uint8],
    counts: NDArray[np.int64],
    order: int,
    n_low: int,
    n_bits: int,
    chunk: int,
    out: NDArray[np.float64],
) -> None: ...
def fold_games(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    members: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None: ...
