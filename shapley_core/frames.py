"""Columns of data frames: found by name, labels translated, read block by block."""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, UnknownColumnsError

# Reads rows start .. stop - 1 of one column as numbers, missing values as NaN.
Reader = Callable[[int, int], NDArray[Any]]
# Beside it, whether tree libraries take such a column themselves.
Column = tuple[Reader, bool]

NUMERIC_KINDS = "fiub"


def align(columns: Sequence[str], names: Sequence[str], what: str) -> list[int]:
    """Find the column of each of the model's names; refuse any that is missing or left over."""
    position = {name: number for number, name in enumerate(columns)}
    # LightGBM stores names with every blank replaced.
    for number, name in enumerate(columns):
        position.setdefault(name.replace(" ", "_"), number)
    missing = [name for name in names if name not in position]
    order = [position[name] for name in names if name in position]
    unexpected = [name for number, name in enumerate(columns) if number not in set(order)]
    if missing or unexpected or len(set(order)) != len(order):
        told = [f"lacks {listed(missing)}"] if missing else []
        told += [f"has {listed(unexpected)}, which the model does not know"] if unexpected else []
        told = told or ["has columns that stand for the same feature"]
        kind = UnknownColumnsError if unexpected else InputError
        raise kind(
            f"the columns of {what} are not the model's {len(names)} features: {what} "
            + " and ".join(told)
        )
    return order


def listed(names: Sequence[Any], at_most: int = 5) -> str:
    """List the first few names for a message."""
    shown = ", ".join(repr(name) for name in names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"


def pandas_column(
    series: Any,
    name: str,
    labels: Sequence[Any] | None,
    unseen: str,
    what: str,
    categorical: str = "codes",
) -> Column:
    """Return the reader of a pandas series; ``labels`` are the model's, if it has any."""
    dtype, array = series.dtype, series.array
    kind = getattr(dtype, "kind", "O")
    if dtype.name == "category":
        codes = array.codes
        if labels is None and categorical == "codes":
            return lambda start, stop: _codes(codes[start:stop]), True
        if labels is None and categorical != "values":
            raise _no_labels(name, what, categorical)
        if labels is None:
            numbers = array.categories.dtype.kind in NUMERIC_KINDS
            _refuse_unless_numbers(numbers, name, array.categories.dtype, labels, what)
            values = np.append(array.categories.to_numpy(np.float64), np.nan)
            return lambda start, stop: values[codes[start:stop]], True
        # One more entry, so that code -1 finds the missing value.
        translate = _Translation(labels, unseen, name, what)
        known = np.append(translate.lookup(list(array.categories)), np.nan)

        def read_codes(start: int, stop: int) -> NDArray[np.float64]:
            found = known[codes[start:stop]]
            return translate.settle(found, lambda row: array[start + row])

        # XGBoost refuses a column that could hold an unseen label, whether or not a row does.
        return read_codes, unseen == "missing" or not (known == -1.0).any()
    is_text = dtype.name in ("object", "str") or "string" in dtype.name
    if labels is not None and (is_text or (categorical == "labels" and kind in "iu")):
        translate = _Translation(labels, unseen, name, what)
        return lambda start, stop: translate(array[start:stop].to_numpy(object).tolist()), False
    _refuse_unless_numbers(kind in NUMERIC_KINDS and not is_text, name, dtype, labels, what)
    if dtype.name.startswith("Sparse"):
        return lambda start, stop: np.asarray(array[start:stop], np.float64), False
    if isinstance(dtype, np.dtype):
        plain = series.to_numpy()
        return lambda start, stop: plain[start:stop], dtype.isnative and dtype.itemsize <= 8

    def read(start: int, stop: int) -> NDArray[np.float64]:
        rows: NDArray[np.float64] = array[start:stop].to_numpy(np.float64, na_value=np.nan)
        return rows

    return read, not dtype.name.endswith("[pyarrow]")


def _codes(codes: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(codes < 0, np.nan, codes)


def narwhals_frame(X: Any, what: str) -> Any:
    """Wrap a polars or pyarrow table, or one of another library that narwhals knows."""
    try:
        import narwhals
    except ImportError as error:
        raise InputError(
            f"{what} is a {type(X).__module__.partition('.')[0]} {type(X).__name__}; to read it, "
            "install narwhals: pip install 'shapley_core[tables]'"
        ) from error
    try:
        frame = narwhals.from_native(X)
    except Exception as error:
        # narwhals has exceptions of its own for repeated columns and foreign objects.
        raise InputError(
            f"{what} cannot be read as a table: {error}; wanted an array, a sparse matrix, or a "
            "pandas, polars or pyarrow table"
        ) from error
    if not isinstance(frame, narwhals.DataFrame):
        raise InputError(f"{what} is a lazy frame; call .collect() first")
    return frame


def narwhals_column(
    series: Any,
    labels: Sequence[Any] | None,
    unseen: str,
    what: str,
    categorical: str = "codes",
) -> Column:
    """Return the reader of a narwhals series; ``labels`` are the model's, if it has any."""
    import narwhals

    name, dtype = series.name, series.dtype
    # By name: narwhals 1.20 has no is_integer.
    integer = str(dtype).startswith(("Int", "UInt"))
    if labels is not None and categorical == "labels" and integer:
        translate = _Translation(labels, unseen, name, what)
        return lambda start, stop: translate(series[start:stop].to_list()), False
    if dtype in (narwhals.Categorical, narwhals.Enum, narwhals.String):
        if labels is None and dtype != narwhals.String:
            raise _no_labels(name, what, categorical)
        if labels is not None:
            translate = _Translation(labels, unseen, name, what)
            return lambda start, stop: translate(series[start:stop].to_list()), False
    if series.null_count() == len(series):
        return lambda start, stop: np.full(stop - start, np.nan), False
    numbers = dtype.is_numeric() or dtype == narwhals.Boolean
    _refuse_unless_numbers(numbers, name, dtype, labels, what)

    # pyarrow refuses to cast integers beyond 2^53, but gives them as they are.
    decimal = dtype == narwhals.Decimal
    castable = decimal or dtype in (narwhals.Boolean, narwhals.Float32, narwhals.Float64)

    def read(start: int, stop: int) -> NDArray[Any]:
        part = series[start:stop]
        return np.asarray((part.cast(narwhals.Float64) if castable else part).to_numpy())

    return read, not decimal


def _no_labels(name: str, what: str, categorical: str) -> InputError:
    """A categorical column's codes, or its values: either guess can be silently wrong."""
    told = "the model has no labels for it; give the codes as numbers"
    if categorical != "codes":
        told = "the model knows it as plain numbers; convert it to these, as in training"
    return InputError(f"column {name!r} of {what} is categorical, but {told}")


def _refuse_unless_numbers(
    numbers: bool, name: str, dtype: Any, labels: Sequence[Any] | None, what: str
) -> None:
    if not numbers:
        raise InputError(
            f"column {name!r} of {what} has dtype {dtype}, and the model has no labels to "
            "translate it by; convert it to numbers as in training"
        )
    if labels is not None:
        # Codes or labels? Where labels are numbers, either guess can be silently wrong.
        raise InputError(
            f"column {name!r} of {what} has dtype {dtype}, but the model knows this feature by "
            f"its labels ({listed(list(labels), 3)}); make it categorical (in pandas "
            ".astype('category')), or pass a numpy array that holds the codes"
        )


class _Translation:
    """Labels of one column to the model's codes; -1 stands for an unseen one until `settle`."""

    def __init__(self, labels: Sequence[Any], unseen: str, name: str, what: str) -> None:
        self.code = {label: float(code) for code, label in enumerate(labels)}
        self.code.update({None: np.nan, np.nan: np.nan})
        self.labels = labels
        self.unseen = unseen
        self.name = name
        self.what = what

    def lookup(self, labels: list[Any]) -> NDArray[np.float64]:
        found = np.fromiter(map(self.code.get, labels, repeat(-1.0)), np.float64, len(labels))
        for row in np.flatnonzero(found == -1.0):
            if is_missing(labels[row]):
                found[row] = np.nan
        return found

    def settle(
        self, found: NDArray[np.float64], label_of: Callable[[int], Any]
    ) -> NDArray[np.float64]:
        unseen = found == -1.0
        if unseen.any():
            if self.unseen == "error":
                raise InputError(
                    f"column {self.name!r} of {self.what} holds {label_of(int(unseen.argmax()))!r},"
                    f" which is not among the model's {len(self.labels)} categories "
                    f"({listed(list(self.labels))})"
                )
            found[unseen] = np.nan
        return found

    def __call__(self, labels: list[Any]) -> NDArray[np.float64]:
        return self.settle(self.lookup(labels), lambda row: labels[row])


def is_missing(label: Any) -> bool:
    """Tell whether a Python object is None, NaN, NaT or NA."""
    # pandas.NA is equal to nothing in a boolean context, so it goes by name.
    if label is None or type(label).__name__ == "NAType":
        return True
    # Of an array that is another array.
    different = label != label
    return isinstance(different, (bool, np.bool_)) and bool(different)
