import numpy as np
from numpy.typing import NDArray

class Forest:
    n_nodes: int
    def __init__(
        self,
        tree_offsets: NDArray[np.int64],
        tree_outputs: NDArray[np.int64],
        feature: NDArray[np.int32],
        threshold: NDArray[np.float64],
        flags: NDArray[np.uint8],
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        set_number: NDArray[np.int64],
        set_offsets: NDArray[np.int64],
        set_words: NDArray[np.uint64],
        values: NDArray[np.float64],
    ) -> None: ...

def predict(forest: Forest, columns: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def apply(forest: Forest, columns: NDArray[np.float64], out: NDArray[np.int64]) -> None: ...
