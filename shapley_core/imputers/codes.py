"""Entries that are Python objects, as numbers that are equal only where they are the same."""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What compares equal may still be shown to a model as something else: 1, 1.0 and True, 0.0 and
# -0.0. Of these types equal ones are the same.
_PLAIN = (str, bytes, int, bool, type(None))


class Codes:
    """A number for each of some entries, and those of others among them.

    Attributes
    ----------
    numbers : int64 (n_entries,)
        Of an entry that cannot be told from others of its kind a number that `of` never gives.
    """

    def __init__(self, entries: list[Any]) -> None:
        self._known: dict[Any, int] = {}
        keys = [_key(entry) for entry in entries]
        self.numbers = np.array(
            [-2 if key is None else self._known.setdefault(key, len(self._known)) for key in keys],
            np.int64,
        )

    def of(self, entries: list[Any]) -> NDArray[np.int64]:
        """Numbers of other entries, -1 for those that are not the same as any."""
        return np.array([self._known.get(_key(entry), -1) for entry in entries], np.int64)


def _key(entry: Any) -> Any:
    """What only entries that are the same have in common; None where that cannot be told."""
    kind = type(entry)
    if kind in _PLAIN:
        return kind, entry
    if kind is float:
        return kind, struct.pack("d", entry)
    if isinstance(entry, np.generic) and not entry.dtype.hasobject:
        return entry.dtype, entry.tobytes()
    # There is one of each.
    return kind if kind.__name__ in ("NAType", "NaTType") else None
