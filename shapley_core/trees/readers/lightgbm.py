"""Reader of lightgbm models."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ensemble import TreeEnsemble


def recognises(model: Any) -> bool:
    """Tell whether a live object is one of this library's models, without importing it."""
    return False


def recognises_file(content: bytes) -> bool:
    """Tell whether the bytes of a file look like one of this library's models."""
    raise NotImplementedError


def read(model: Any, *, iteration_range: tuple[int, int] | None = None) -> TreeEnsemble:
    """Read a live model."""
    raise NotImplementedError


def read_file(
    content: bytes, name: str, *, iteration_range: tuple[int, int] | None = None
) -> TreeEnsemble:
    """Read the bytes of a saved model; ``name`` is for messages."""
    raise NotImplementedError


def predict_raw(
    model: Any, X: Any, *, iteration_range: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """Ask the live model itself for its raw prediction, (n_rows,) or (n_rows, n_outputs).

    ``X`` is the user's own table or array. The additivity check compares with this.
    """
    raise NotImplementedError
