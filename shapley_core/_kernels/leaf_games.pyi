import numpy as np
from numpy.typing import NDArray

class Layers:
    n_layers: int
    def __init__(
        self,
        size: NDArray[np.int64],
        weight: NDArray[np.float64],
        binomial: NDArray[np.int64],
    ) -> None: ...
