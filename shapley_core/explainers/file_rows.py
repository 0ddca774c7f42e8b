"""Rows of files as tables of the background's kind, with its types."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..imputers.rows import Rows

# What kinds of entries a column can hold that are not made of one another: families. A file's
# column goes into a background's column of its own family, whole and unchanged, or not at all;
# those of None are left to what the library of the table says.
TEXT, NUMBER, BOOL, NOTHING = "text", "numbers", "true and false", "nothing"
Family = str | None


class AsKind:
    """Makes tables of the background's kind, with its types, of arrow tables from files.

    Parameters
    ----------
    background : Rows
    """

    def __init__(self, background: Rows) -> None:
        self._like = background.take(slice(0, 0))
        self._names = background.names
        self._missing: list[Any] = []
        if isinstance(self._like, np.ndarray):
            families = [_family_of_numpy(self._like.dtype)] * background.n_features
            make: Callable[[Any], Any] = self._array
        else:
            library = type(self._like).__module__.partition(".")[0]
            families = {"pandas": _pandas_families, "polars": _polars_families}.get(
                library, _arrow_families
            )(self._like)
            make = {"pandas": self._pandas, "polars": self._polars}.get(library, self._arrow)
        self._make = make
        for at, family in enumerate(families):
            self._missing.append(None)
            if family == "objects":
                families[at], self._missing[at] = _family_of(background.labels(at), self._name(at))
        self._families = families

    def _name(self, at: int) -> str:
        return f"column {at}" if self._names is None else f"column {self._names[at]!r}"

    def __call__(self, rows: Any) -> Any:
        """Make the table, of one from a file; others are what they are.

        Raises
        ------
        InputError
            If the rows hold what the background's types cannot.
        """
        if type(rows).__module__.partition(".")[0] != "pyarrow":
            return rows
        for at, name in enumerate(rows.column_names):
            place = at if self._names is None else _place(self._names, name)
            if place is None or place >= len(self._families):
                continue
            held, wanted = _arrow_family(rows.schema.field(at).type), self._families[place]
            if held in (NOTHING, wanted) or wanted is None or (held, wanted) == (BOOL, NUMBER):
                continue
            raise InputError(
                f"column {name!r} of X holds {held or rows.schema.field(at).type}, the "
                f"background's {wanted}: give both the same kind of entries"
            )
        return self._make(rows)

    def _array(self, rows: Any) -> NDArray[Any]:
        import pyarrow as pa

        dtype = self._like.dtype
        out = np.empty((rows.num_rows, rows.num_columns), dtype)
        for at, name in enumerate(rows.column_names):
            column = rows.column(at)
            if dtype.kind in "fiub":
                if pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
                    column = column.cast(pa.float64())
                given = column.to_pandas().to_numpy()
                if given.dtype.kind not in "fiub":
                    raise InputError(
                        f"column {name!r} of X misses entries, the background's {dtype} none"
                    )
            else:
                missing = self._missing[at] if at < len(self._missing) else None
                entries = [missing if entry is None else entry for entry in column.to_pylist()]
                given = np.empty(len(entries), object)
                given[:] = entries
            out[:, at] = given
            if dtype.kind in "US":
                changed = out[:, at] != given
                if changed.any():
                    raise InputError(
                        f"column {name!r} of X holds {given[changed][0]!r}, for which the "
                        f"background's dtype {dtype} has no room: give the background as objects"
                    )
            _check_kept(given, out[:, at], name, dtype)
        return out

    def _pandas(self, rows: Any) -> Any:
        import pandas as pd

        like, columns = self._like, {}
        for name in rows.column_names:
            if name not in like.columns:
                columns[name] = rows.column(name).to_pandas()
            else:
                columns[name] = _pandas_column(rows.column(name), like[name].dtype, name)
        return pd.DataFrame(columns, columns=rows.column_names)

    def _polars(self, rows: Any) -> Any:
        import polars as pl

        columns = []
        for column in pl.from_arrow(rows).get_columns():
            wanted = self._like.schema.get(column.name, column.dtype)
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

    def _arrow(self, rows: Any) -> Any:
        import pyarrow as pa

        columns = []
        for name in rows.column_names:
            column = rows.column(name)
            at = self._like.schema.get_field_index(name)
            wanted = column.type if at < 0 else self._like.schema.field(at).type
            rounded = _is_rounded(pa.types.is_floating(column.type), pa.types.is_floating(wanted))
            try:
                if pa.types.is_dictionary(wanted) and wanted != column.type:
                    column = column.cast(wanted.value_type).dictionary_encode()
                columns.append(column.cast(wanted, safe=not rounded))
            except pa.ArrowException as error:
                raise _not_made(name, wanted, error) from error
        return pa.table(columns, names=rows.column_names)


def _pandas_column(column: Any, dtype: Any, name: str) -> Any:
    import pandas as pd
    import pyarrow as pa

    arrow = getattr(dtype, "pyarrow_dtype", None)
    if arrow is None and dtype.kind in "fiub" and hasattr(dtype, "numpy_dtype"):
        arrow = pa.from_numpy_dtype(dtype.numpy_dtype)
    try:
        if arrow is not None:
            # A type that can miss entries: through numpy whole numbers would become floats.
            rounded = _is_rounded(pa.types.is_floating(column.type), pa.types.is_floating(arrow))
            return pd.Series(dtype.__from_arrow__(column.cast(arrow, safe=not rounded)))
        series = column.to_pandas()
        if series.dtype == dtype:
            return series
        if hasattr(dtype, "categories"):
            lost = series.notna() & ~series.isin(dtype.categories)
            if lost.any():
                raise InputError(
                    f"column {name!r} of X holds {series[lost].iloc[0]!r}, which is not among "
                    "the background's categories"
                )
        if getattr(dtype, "kind", "O") == "b" and series.isna().any():
            raise InputError(f"column {name!r} of X misses entries, the background's {dtype} none")
        cast = series.astype(dtype)
    except InputError:
        raise
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise _not_made(name, dtype, error) from error
    if getattr(series.dtype, "kind", "O") in "fiub" and isinstance(dtype, np.dtype):
        _check_kept(series.to_numpy(), cast.to_numpy(), name, dtype)
    return cast


def _place(names: tuple[str, ...], name: str) -> int | None:
    return names.index(name) if name in names else None


def _family_of(labels: list[Any], where: str) -> tuple[Family, Any]:
    """The family of a column of Python objects, and what it holds for a missing entry."""
    missing = [one for one in labels if one is None or one != one]
    kinds = {type(one) for one in labels if not (one is None or one != one)}
    texts = {kind for kind in kinds if issubclass(kind, str)}
    if texts and texts != kinds:
        raise InputError(
            f"{where} of the background holds both text and other things; of a file's entries "
            "nobody can say which they are: give the background all of one kind"
        )
    family: Family = None
    if texts:
        family = TEXT
    elif kinds and all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        family = BOOL
    elif kinds and all(issubclass(kind, (int, float, np.number)) for kind in kinds):
        family = NUMBER
    return family, missing[0] if missing else None


def _family_of_numpy(dtype: Any) -> Family:
    kind = getattr(dtype, "kind", "O")
    return {"O": "objects", "U": TEXT, "S": TEXT, "b": BOOL, "f": NUMBER, "i": NUMBER}.get(
        kind, NUMBER if kind == "u" else None
    )


def _pandas_families(like: Any) -> list[Family]:
    found: list[Family] = []
    for dtype in like.dtypes:
        if dtype.name == "category":
            found.append(None)
        elif "string" in dtype.name or dtype.name == "str":
            found.append(TEXT)
        elif hasattr(dtype, "pyarrow_dtype"):
            found.append(_arrow_family(dtype.pyarrow_dtype))
        else:
            found.append(_family_of_numpy(dtype))
    return found


def _polars_families(like: Any) -> list[Family]:
    import polars as pl

    return [
        NUMBER
        if dtype.is_numeric()
        else {pl.Boolean: BOOL, pl.String: TEXT, pl.Categorical: TEXT, pl.Enum: TEXT}.get(
            dtype.base_type()
        )
        for dtype in like.dtypes
    ]


def _arrow_families(like: Any) -> list[Family]:
    return [_arrow_family(kind) for kind in like.schema.types]


def _arrow_family(kind: Any) -> Family:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return TEXT if _arrow_family(kind.value_type) == TEXT else None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return TEXT
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return NUMBER
    if pa.types.is_boolean(kind):
        return BOOL
    return NOTHING if pa.types.is_null(kind) else None


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
