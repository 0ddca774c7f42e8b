"""A user's table, of whatever kind, as rows that can be mixed."""

from typing import Any

import numpy as np

from ..errors import InputError
from ..tables import is_pandas
from .array_rows import ArrayRows, checked_array
from .rows import Rows


def rows_of(X: Any, what: str) -> Rows:
    """Check a user's table and make its rows ready to be mixed.

    Numpy arrays of any type of numbers, text or objects; pandas and polars frames, pyarrow tables.
    """
    library = type(X).__module__.partition(".")[0]
    if is_pandas(X):
        from .pandas_rows import pandas_rows

        return pandas_rows(X, what)
    if library == "polars" and type(X).__name__ != "Series":
        from .polars_rows import polars_rows

        return polars_rows(X, what)
    if library == "pyarrow":
        from .arrow_rows import arrow_rows

        return arrow_rows(X, what)
    if library in ("scipy", "narwhals"):
        advice = {"scipy": "X.toarray()", "narwhals": "X.to_native()"}
        raise InputError(
            f"{what} is a {library} {type(X).__name__}; a masked row is made of two rows, and can "
            "be a numpy array, a pandas or polars frame or a pyarrow table: "
            f"{advice[library]} gives one"
        )
    return ArrayRows(checked_array(X, what))


def own_rows_of(X: Any, what: str) -> Rows:
    """Rows of a table that stay what they are where its owner writes to it later."""
    rows = rows_of(X, what)
    if isinstance(rows, ArrayRows) and rows.names is None:
        return ArrayRows(np.array(rows.array))
    # Columns of polars, and of pandas where arrow holds them, may lie in an array of the user's own
    # which a copy of the frame has too.
    return rows.like(rows.take(slice(None)), what) if rows.n_rows else rows
