"""What a long run of any model is made of: rows as the background's kind, and the settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
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


def as_kind(rows: Any, background: Rows) -> Any:
    """Make a table of the background's kind, with its types, of an arrow table from a file.

    Raises
    ------
    InputError
        If the background is no numpy array and no pandas frame, or the rows hold what its types
        cannot.
    """
    if type(rows).__module__.partition(".")[0] != "pyarrow":
        return rows
    like = background.take(slice(0, 0))
    if isinstance(like, np.ndarray):
        return _array(rows, like.dtype)
    if type(like).__module__.partition(".")[0] != "pandas":
        raise InputError(
            f"the background is a {type(like).__module__.partition('.')[0]} frame; to explain "
            "files, give it as a numpy array or a pandas frame"
        )
    frame = rows.to_pandas()
    for name in frame.columns:
        if name in like.columns and frame[name].dtype != like[name].dtype:
            frame[name] = _cast(frame[name], like[name].dtype)
    return frame


def _array(rows: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    out = np.empty((rows.num_rows, rows.num_columns), dtype)
    for at, name in enumerate(rows.column_names):
        column = rows.column(at).to_pandas().to_numpy()
        if dtype.kind not in "OUS" and column.dtype.kind not in "fiub":
            raise InputError(f"column {name!r} of X holds {column.dtype}, not numbers")
        out[:, at] = column
        _check_kept(column, out[:, at], name, dtype)
    return out


def _cast(column: Any, dtype: Any) -> Any:
    if hasattr(dtype, "categories"):
        lost = column.notna() & ~column.isin(dtype.categories)
        if lost.any():
            raise InputError(
                f"column {column.name!r} of X holds {column[lost].iloc[0]!r}, which is not among "
                "the background's categories"
            )
    try:
        cast = column.astype(dtype)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"column {column.name!r} of X cannot be made the background's {dtype}: {error}"
        ) from error
    if getattr(column.dtype, "kind", "O") in "fiub" and getattr(dtype, "kind", "O") in "iub":
        _check_kept(column.to_numpy(), cast.to_numpy(), column.name, dtype)
    return cast


def _check_kept(given: NDArray[Any], kept: NDArray[Any], name: Any, dtype: Any) -> None:
    """Refuse whole numbers made of others; a float32 of a float64 is rounded, as always."""
    if getattr(dtype, "kind", "O") not in "iub":
        return
    changed = ~(given == kept)
    if changed.any():
        raise InputError(
            f"column {name!r} of X holds {given[changed][0]}, the background {dtype}; give the "
            "background as floats"
        )
