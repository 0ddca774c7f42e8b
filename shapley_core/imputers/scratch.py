"""Memory for the tables that a model is shown one after the other."""

from sys import getrefcount
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Bytes of masked rows that one thread makes at a time: less takes no longer than starting a thread.
TASK_BYTES = 1 << 23


class Scratch:
    """Arrays in one piece of memory, as long as nobody holds the one before.

    New memory of such a size costs more than masking: the system clears each page of it.
    """

    def __init__(self) -> None:
        self._memory: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._lock = Lock()

    def array(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
        """An array that is not filled; what was given before is not touched while it is in use."""
        n_bytes = shape[0] * shape[1] * dtype.itemsize
        # Every array made of it refers to it, and so does whatever a model has made of such. Only
        # this object and the call itself do if there is none. Two threads may ask at once.
        with self._lock:
            if n_bytes > len(self._memory) or getrefcount(self._memory) > 2:
                self._memory = np.empty(n_bytes, np.uint8)
            return self._memory[:n_bytes].view(dtype).reshape(shape)
