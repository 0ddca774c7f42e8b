"""Rows of files as tables of the background's kind, with its types."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..imputers.rows import Rows


def as_kind(rows: Any, background: Rows) -> Any:
    """Make a table of the background's kind, with its types, of an arrow table from a file.

    Raises
    ------
    InputError
        If the rows hold what the background's types cannot.
    """
    if type(rows).__module__.partition(".")[0] != "pyarrow":
        return rows
    like = background.take(slice(0, 0))
    if isinstance(like, np.ndarray):
        return _array(rows, like.dtype)
    make: dict[str, Callable[[Any, Any], Any]] = {
        "pandas": _pandas,
        "polars": _polars,
        "pyarrow": _arrow,
    }
    return make[type(like).__module__.partition(".")[0]](rows, like)


def _pandas(rows: Any, like: Any) -> Any:
    frame = rows.to_pandas()
    for name in frame.columns:
        if name in like.columns and frame[name].dtype != like[name].dtype:
            frame[name] = _cast(frame[name], like[name].dtype)
    return frame


def _polars(rows: Any, like: Any) -> Any:
    import polars as pl

    columns = []
    for column in pl.from_arrow(rows).get_columns():
        wanted = like.schema.get(column.name, column.dtype)
        try:
            # Labels go by their text, whatever a file numbers them by.
            plain = column.cast(pl.String) if column.dtype == pl.Categorical else column
            cast = plain.cast(wanted, strict=True)
            kept = (
                _is_rounded(column.dtype.is_float(), wanted.is_float())
                or plain.eq_missing(cast.cast(plain.dtype)).all()
            )
        except pl.exceptions.PolarsError as error:
            raise _not_made(column.name, wanted, error) from error
        if not kept:
            raise _not_kept(column.name, wanted)
        columns.append(cast)
    return pl.DataFrame(columns)


def _arrow(rows: Any, like: Any) -> Any:
    import pyarrow as pa

    columns = []
    for name in rows.column_names:
        column = rows.column(name)
        at = like.schema.get_field_index(name)
        wanted = column.type if at < 0 else like.schema.field(at).type
        rounded = _is_rounded(pa.types.is_floating(column.type), pa.types.is_floating(wanted))
        try:
            if pa.types.is_dictionary(wanted) and wanted != column.type:
                column = column.cast(wanted.value_type).dictionary_encode()
            columns.append(column.cast(wanted, safe=not rounded))
        except pa.ArrowException as error:
            raise _not_made(name, wanted, error) from error
    return pa.table(columns, names=rows.column_names)


def _is_rounded(given_float: bool, wanted_float: bool) -> bool:
    """Whether a float becomes another: that is rounded, as always."""
    return given_float and wanted_float


def _not_made(name: Any, wanted: Any, error: Exception) -> InputError:
    return InputError(f"column {name!r} of X cannot be made the background's {wanted}: {error}")


def _not_kept(name: Any, wanted: Any) -> InputError:
    return InputError(
        f"column {name!r} of X holds what the background's {wanted} cannot; give the background "
        "in a type that can"
    )


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
        raise _not_made(column.name, dtype, error) from error
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
