import numpy as np
from numpy.typing import NDArray

def uniform(seed: int, stream: int, out: NDArray[np.float64]) -> None: ...
def strata(
    n_players: int,
    seed: int,
    sizes: NDArray[np.int64],
    counts: NDArray[np.int64],
    step: int,
    out: NDArray[np.uint64],
) -> None: ...
def first_places(
    known: NDArray[np.uint64], words: NDArray[np.uint64], out: NDArray[np.int64]
) -> None: ...
