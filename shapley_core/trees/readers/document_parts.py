"""Parts of a decoded XGBoost document, each checked to be of the kind that belongs there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError

# Far above any model, far below what a damaged count could make us allocate.
MAX_COUNT = (1 << 31) - 1


def part_of(parent: dict[str, Any], key: str, kind: type) -> Any:
    """Take an entry of a kind."""
    value = parent.get(key)
    if not isinstance(value, kind):
        raise ModelFileError(f"the model is damaged: there is no {key!r} where one belongs")
    return value


def text_of(parent: dict[str, Any], key: str) -> str:
    """Take a text."""
    text: str = part_of(parent, key, str)
    return text


def count_of(parent: dict[str, Any], key: str, default: int | None = None) -> int:
    """Read a count, which XGBoost saves as text."""
    text = parent.get(key, default)
    count = -1
    if isinstance(text, int) or (isinstance(text, str) and len(text) < 12 and text.isdecimal()):
        count = int(text)
    if not 0 <= count <= MAX_COUNT:
        raise ModelFileError(f"the model is damaged: {key} is {text!r}")
    return count


def arrays_of(
    parents: list[dict[str, Any]], key: str, kinds: str, dtype: Any, sizes: list[int]
) -> NDArray[Any]:
    """Read an array of each, one after the other."""
    parts = [
        _numbers(parent, key, kinds, size) for parent, size in zip(parents, sizes, strict=True)
    ]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.concatenate([np.empty(0, dtype), *parts], dtype=dtype, casting="unsafe")


def array_of(
    parent: dict[str, Any], key: str, kinds: str, dtype: Any, size: int | None = None
) -> NDArray[Any]:
    """Read an array of numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _numbers(parent, key, kinds, size).astype(dtype)


def _numbers(parent: dict[str, Any], key: str, kinds: str, size: int | None) -> NDArray[Any]:
    """Find an array of numbers: a list, or what a typed array of UBJ became."""
    value = parent.get(key)
    if isinstance(value, list):
        try:
            value = np.array(value)
        except (ValueError, OverflowError):
            value = None
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise ModelFileError(f"the model is damaged: {key} is not an array of numbers")
    if value.size and value.dtype.kind not in kinds:
        raise ModelFileError(f"the model is damaged: {key} holds values of another kind")
    if size is not None and value.size != size:
        raise ModelFileError(f"the model is damaged: {key} has {value.size} values, not {size}")
    return value
