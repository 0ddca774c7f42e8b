"""What a long run of any model is made of: rows as the background's kind, and the settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..imputers.base import Imputer
from ..imputers.rows import Rows
from ..runs import RowSource, TableSource, file_source, is_file
from ..runs.hashing import hash_of
from .predictor import Predictor

# A model behind a function is known by what it says of so many rows of the background.
PROBED_ROWS = 64
DIGITS = 6


def hash_of_rows(rows: Rows) -> str:
    """Hash all that rows hold: numbers, and labels by how Python shows them."""
    numbers, is_number = rows.numbers()
    labels = [
        [repr(label) for label in rows.labels(int(feature))]
        for feature in np.flatnonzero(~is_number)
    ]
    return hash_of(numbers, is_number, labels, rows.names)


def hash_of_model(predictor: Predictor, background: Rows) -> str:
    """Hash what a function answers, to six digits: other machines may differ in the last few."""
    n_rows = min(PROBED_ROWS, background.n_rows)
    answers = predictor(background.take(slice(0, n_rows)), n_rows)
    return hash_of([[f"{x:.{DIGITS - 1}e}" for x in row] for row in (answers + 0.0).tolist()])


def hash_of_imputer(imputer: Imputer) -> str:
    """Name an imputer, with a hash of its parameters."""
    held = {
        name: value if np.ndim(value) == 0 else np.asarray(value)
        for name, value in sorted(vars(imputer).items())
    }
    return f"{type(imputer).__name__} {hash_of(held)}"


def row_source_like(X: Any, background: Rows) -> RowSource:
    """Make a source of rows of a table of the background's kind, or of files."""
    if not is_file(X):
        rows = background.like(X, "X")
        return TableSource(X, rows.n_rows, lambda: hash_of_rows(rows))
    names = background.names
    _, is_number = background.numbers()
    known = {
        name: sorted({label for label in background.labels(at) if isinstance(label, str)})
        for at, name in enumerate(names or ())
        if not is_number[at]
    }

    def labels(columns: Sequence[str]) -> Mapping[str, Sequence[Any]]:
        return {name: known[name] for name in columns if known.get(name)}

    return file_source(X, labels, names is not None)
