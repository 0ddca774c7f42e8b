"""Users' tables as libraries take them that want arrays: dense, in the model's order."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError

ROWS_AT_ONCE = 4096


def shallow_copy(model: Any, *, names: bool) -> Any:
    """Copy a fitted model; without names of features, it takes arrays and does not warn.

    A copy is silent: forests with ``verbose`` print when they predict.
    """
    copy = object.__new__(type(model))
    copy.__dict__.update(model.__dict__)
    copy.verbose = 0
    if not names:
        copy.__dict__.pop("feature_names_in_", None)
    return copy


def column_names(X: Any) -> list[str] | None:
    """Return the names of a frame's columns; None for arrays."""
    names = getattr(X, "column_names", getattr(X, "columns", None))
    return None if names is None else [str(name) for name in names]


def positions(found: Sequence[str], names: Sequence[str] | None) -> list[int]:
    """Find the columns of a frame that the model's features are, in their order."""
    if names is None:
        return list(range(len(found)))
    place = {name: number for number, name in enumerate(found)}
    absent = [name for name in names if name not in place]
    if absent:
        raise InputError(f"X lacks columns {absent[:5]} of the model; it has {list(found)[:20]}")
    return [place[name] for name in names]


def dense_blocks(X: Any, n_features: int, names: Sequence[str] | None) -> Iterator[NDArray[Any]]:
    """Read a table, frames and sparse matrices block by block, as dense arrays."""
    found = column_names(X)
    if found is None and not hasattr(X, "tocsr"):
        rows = X if hasattr(X, "dtype") else np.asarray(X)
        check_columns(rows.shape, n_features)
        yield np.ma.filled(rows.astype(np.float64), np.nan) if np.ma.isMA(rows) else rows
        return
    if found is None:
        check_columns(X.shape, n_features)
        csr = X.tocsr()
        for start in range(0, X.shape[0], ROWS_AT_ONCE):
            yield csr[start : start + ROWS_AT_ONCE].toarray()
        return
    order = positions(found, names)
    check_columns((len(X), len(order)), n_features)
    columns = [_column(X, number) for number in order]
    for start in range(0, len(X), ROWS_AT_ONCE):
        yield np.stack([column[start : start + ROWS_AT_ONCE] for column in columns], axis=1)


def check_columns(shape: tuple[int, ...], n_features: int) -> None:
    """Refuse what has not one column for each feature."""
    if len(shape) != 2 or shape[1] != n_features:
        raise InputError(f"X has shape {tuple(shape)}; the model wants {n_features} columns")


def _column(X: Any, number: int) -> NDArray[np.float64]:
    """Read one column of a frame as numbers, missing ones NaN."""
    if hasattr(X, "iloc"):
        column = X.iloc[:, number]
        if column.dtype.name == "category":
            column = column.astype(object)
        values: NDArray[np.float64] = column.to_numpy(np.float64, na_value=np.nan)
        return values
    column = X.column(number) if hasattr(X, "column_names") else X.to_series(number)
    if hasattr(X, "column_names"):
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
    return np.asarray(column.to_numpy(), np.float64)
