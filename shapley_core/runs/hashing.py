"""Hashes of what values depend on, so that a later run can tell whether it is the same."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from ..tables import Table
from ..threads import row_blocks

BLOCK_ROWS = 1 << 12


def hash_of(*things: Any) -> str:
    """Hash arrays, numbers, text, None, and sequences, mappings and dataclasses of these."""
    digest = hashlib.blake2b(digest_size=16)
    for thing in things:
        _add(digest, thing)
    return digest.hexdigest()


def hash_of_table(table: Table) -> str:
    """Hash the numbers in a table, whatever holds them."""
    digest = hashlib.blake2b(digest_size=16)
    for start, stop in row_blocks(table.n_rows, BLOCK_ROWS):
        _add(digest, np.asarray(table.block(start, stop), np.float64))
    return digest.hexdigest()


def _add(digest: Any, thing: Any) -> None:
    # Each with its kind and length, so that no two different things run together to the same.
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "fiubcSU":
        digest.update(f"array {thing.dtype.str} {thing.shape};".encode())
        digest.update(np.ascontiguousarray(thing).data.cast("B") if thing.size else b"")
    elif is_dataclass(thing):
        digest.update(f"{type(thing).__name__};".encode())
        _add(digest, {field.name: getattr(thing, field.name) for field in fields(thing)})
    elif isinstance(thing, Mapping):
        digest.update(f"mapping {len(thing)};".encode())
        for key, value in thing.items():
            _add(digest, key)
            _add(digest, value)
    elif isinstance(thing, (list, tuple, np.ndarray)):
        digest.update(f"sequence {len(thing)};".encode())
        for one in thing:
            _add(digest, one)
    elif thing is None or isinstance(thing, (bool, int, float, str, bytes, np.generic)):
        plain = thing.item() if isinstance(thing, np.generic) else thing
        text = repr(plain)
        digest.update(f"{type(plain).__name__} {len(text)} {text};".encode())
    else:
        raise TypeError(f"there is no hash of a {type(thing).__name__}")
