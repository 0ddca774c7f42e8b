import numpy as np
from numpy.typing import NDArray

def product(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
