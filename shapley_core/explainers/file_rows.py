"""Rows of files as tables of the background's kind, with its types."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MOST_EXACT, cast_times, rounded
from ..errors import InputError
from ..frames import is_missing
from ..imputers.rows import Rows

# What kinds of entries a column can hold that are not made of one another: families. A file's
# column goes into a background's column of its own family, whole and unchanged, or not at all;
# those of None are left to what the library of the table says.
TEXT, NUMBER, BOOL, NOTHING = "text", "numbers", "true and false", "nothing"
TIME, DURATION = "dates or times", "lengths of time"
# Of Python objects: which it is, the entries say.
OBJECTS = "objects"
Family = str | None
# Of so many rows of the background it is seen whether a column holds integers.
HEAD_ROWS = 64


class AsKind:
    """Makes tables of the background's kind, with its types, of arrow tables from files.

    Parameters
    ----------
    background : Rows
    """

    def __init__(self, background: Rows) -> None:
        self._like = background.take(slice(0, 0))
        self._names = background.names
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
        # By the names of columns, those of an array by their places; so are missing entries.
        self._families: dict[Any, Family] = {}
        self._missing: dict[Any, Any] = {}
        self._integers: set[Any] = set()
        head = background.like(background.take(slice(0, HEAD_ROWS)), "the background")
        for at, family in enumerate(families):
            key = at if self._names is None else self._names[at]
            if family == OBJECTS:
                family, self._missing[key] = _family_of(background.labels(at), f"column {key!r}")
            self._families[key] = family
            if family in (NUMBER, None) and _are_integers(head.labels(at)):
                self._integers.add(key)

    def __call__(self, rows: Any) -> Any:
        """Make the table, of one from a file; others are what they are.

        Raises
        ------
        InputError
            If the rows hold what the background's types cannot.
        """
        if type(rows).__module__.partition(".")[0] != "pyarrow":
            return rows
        for at, field in enumerate(rows.schema):
            key = at if self._names is None else field.name
            wanted = self._families.get(key)
            held = _arrow_family(field.type)
            if key in self._integers:
                _check_not_rounded(rows.column(at), field.name)
            if held in (NOTHING, wanted) or wanted is None or (held, wanted) == (BOOL, NUMBER):
                continue
            raise InputError(
                f"column {field.name!r} of X holds {held or field.type}, the background's "
                f"{wanted}: give both the same kind of entries"
            )
        return self._make(rows)

    def _array(self, rows: Any) -> NDArray[Any]:
        dtype = self._like.dtype
        out = np.empty((rows.num_rows, rows.num_columns), dtype)
        for at, name in enumerate(rows.column_names):
            if dtype.kind in "fiub":
                given = _numbers(rows.column(at), name, dtype)
            elif dtype.kind in "mM":
                given = rows.column(at).to_numpy()
            else:
                given = _objects(rows.column(at), self._missing.get(at))
            times = given.dtype.kind in "mM"
            out[:, at] = cast_times(given, dtype) if times else given
            if dtype.kind in "US" and (changed := out[:, at] != given).any():
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
                missing = self._missing.get(name)
                columns[name] = _pandas_column(rows.column(name), like[name].dtype, name, missing)
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


def _numbers(column: Any, name: str, dtype: Any) -> NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    given: NDArray[Any] = _to_pandas(column, name, dtype).to_numpy()
    if given.dtype.kind not in "fiub":
        raise InputError(f"column {name!r} of X misses entries, the background's {dtype} none")
    return given


def _objects(column: Any, missing: Any) -> NDArray[Any]:
    given = np.empty(len(column), object)
    given[:] = [missing if entry is None else entry for entry in column.to_pylist()]
    return given


def _to_pandas(column: Any, name: Any, wanted: Any) -> Any:
    """A column as pandas has it; integers beside missing entries as floats that are the same."""
    import pyarrow as pa

    if pa.types.is_integer(column.type) and column.null_count:
        try:
            column = column.cast(pa.float64())
        except pa.ArrowException as error:
            raise _not_made(name, wanted, error) from error
    return column.to_pandas()


def _pandas_column(column: Any, dtype: Any, name: str, missing: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    objects = isinstance(dtype, np.dtype) and dtype.hasobject
    if objects and _arrow_family(column.type) in (TEXT, NUMBER, BOOL):
        # Through numpy whole numbers would become floats beside missing ones.
        return pd.Series(_objects(column, missing), dtype=object)

    arrow = getattr(dtype, "pyarrow_dtype", None)
    if arrow is None and dtype.kind in "fiub" and hasattr(dtype, "numpy_dtype"):
        arrow = pa.from_numpy_dtype(dtype.numpy_dtype)
    if arrow is not None:
        # A type that can miss entries: through numpy whole numbers would become floats.
        rounded = _is_rounded(pa.types.is_floating(column.type), pa.types.is_floating(arrow))
        try:
            return pd.Series(dtype.__from_arrow__(column.cast(arrow, safe=not rounded)))
        except pa.ArrowException as error:
            raise _not_made(name, dtype, error) from error
    series = _to_pandas(column, name, dtype)
    if series.dtype == dtype:
        return series
    kind = getattr(series.dtype, "kind", "O")
    if hasattr(dtype, "categories"):
        kinds = {kind, getattr(dtype.categories.dtype, "kind", "O")}
        # True is equal to 1, and yet no label that is looked up as 1.
        other = "b" in kinds and kinds & {*"iuf"}
        lost = series.notna() & (bool(other) | ~series.isin(dtype.categories))
        if lost.any():
            raise InputError(
                f"column {name!r} of X holds {series[lost].tolist()[0]!r}, which is not among "
                "the background's categories"
            )
    if dtype.kind == "b" and series.isna().any():
        raise InputError(f"column {name!r} of X misses entries, the background's {dtype} none")
    try:
        cast = series.astype(dtype)
    except (ValueError, TypeError) as error:
        raise _not_made(name, dtype, error) from error
    if kind in "fiub" and isinstance(dtype, np.dtype):
        _check_kept(series.to_numpy(), cast.to_numpy(), name, dtype)
    elif kind in "mM" and (series.notna() & (cast.astype(series.dtype) != series)).any():
        raise _not_kept(name, dtype)
    return cast


def _family_of(labels: list[Any], where: str) -> tuple[Family, Any]:
    """The family of a column of Python objects, and what it holds for a missing entry."""
    missing = [one for one in labels if is_missing(one)]
    kinds = {type(one) for one in labels if not is_missing(one)}
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


def _are_integers(labels: list[Any]) -> bool:
    """Whether a column of numbers, or of their categories, holds integers alone."""
    held = [one for one in labels if isinstance(one, (int, float, np.number)) and one == one]
    return bool(held) and all(isinstance(one, (int, np.integer)) for one in held)


def _check_not_rounded(column: Any, name: Any) -> None:
    """Refuse floats that may be other integers than the file held: of CSV, all are floats."""
    import pyarrow as pa

    if not pa.types.is_floating(column.type):
        return
    given = column.to_numpy()
    large = (np.abs(given) >= MOST_EXACT) & np.isfinite(given)
    if large.any():
        raise InputError(
            f"column {name!r} of X holds {given[large][0]:.0f} as a float, of which not every "
            "integer so large is one; the background holds integers: give X in a Parquet file with "
            "integers, or the background as floats"
        )


def _family_of_numpy(dtype: Any) -> Family:
    kind = getattr(dtype, "kind", "O")
    return {
        **{"O": OBJECTS, "U": TEXT, "S": TEXT, "b": BOOL, "M": TIME, "m": DURATION},
        **dict.fromkeys("fiu", NUMBER),
    }.get(kind)


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
        else {
            **{pl.Boolean: BOOL, pl.String: TEXT, pl.Categorical: TEXT, pl.Enum: TEXT},
            **{pl.Date: TIME, pl.Datetime: TIME, pl.Duration: DURATION},
        }.get(dtype.base_type())
        for dtype in like.dtypes
    ]


def _arrow_families(like: Any) -> list[Family]:
    return [_arrow_family(kind) for kind in like.schema.types]


def _arrow_family(kind: Any) -> Family:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return TEXT if _arrow_family(kind.value_type) == TEXT else None
    # By name: pyarrow 14 has no views.
    if str(kind) in ("string", "large_string", "string_view"):
        return TEXT
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return NUMBER
    if pa.types.is_boolean(kind):
        return BOOL
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return TIME
    if pa.types.is_duration(kind):
        return DURATION
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
    """Refuse numbers and times made of others; a float32 of a float64 is rounded."""
    times = dtype.kind in "mM" and given.dtype.kind in "mM"
    if times and (np.isnat(kept) & ~np.isnat(given)).any():
        raise _not_kept(name, dtype)
    if rounded(given, kept).any():
        raise _not_kept(name, dtype)
    if dtype.kind not in "iub":
        return
    changed = ~(given == kept)
    if changed.any():
        raise InputError(
            f"column {name!r} of X holds {given[changed][0]}, the background {dtype}; give the "
            "background as floats"
        )
