"""Rows of pandas frames."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import rounded
from ..errors import InputError
from ..frames import NUMERIC_KINDS, is_missing
from .array_rows import ArrayRows
from .frame_rows import (
    Column,
    FrameRows,
    PlainColumn,
    TakenColumn,
    checked_names,
    differing_types,
    positions,
)
from .rows import Rows


def pandas_rows(X: Any, what: str) -> Rows:
    """Rows of a pandas frame; all columns as one array where they are of one type of numbers."""
    import pandas as pd

    names = checked_names(list(X.columns), what)
    labels = X.columns
    dtypes = list(X.dtypes)
    first = dtypes[0]
    if isinstance(first, np.dtype) and first.kind in NUMERIC_KINDS and len(set(dtypes)) == 1:

        def read_array(Y: Any, of: str) -> NDArray[Any]:
            at = positions(Y, getattr(Y, "columns", ()), "pandas", names, of)
            parts = [_pandas_like(Y.iloc[:, i], first, names[k], of) for k, i in enumerate(at)]
            return np.stack([part.to_numpy() for part in parts], axis=1)

        def wrap(matrix: NDArray[Any]) -> Any:
            return pd.DataFrame(matrix, columns=labels, copy=False)

        return ArrayRows(X.to_numpy(), names, wrap, read_array)

    def build(columns: Any) -> Any:
        if isinstance(columns, np.ndarray):
            return pd.DataFrame(columns, columns=labels, copy=False)
        frame = pd.DataFrame(dict(enumerate(columns)), copy=False)
        frame.columns = labels
        return frame

    def read(Y: Any, of: str) -> FrameRows:
        at = positions(Y, getattr(Y, "columns", ()), "pandas", names, of)
        series = [_pandas_like(Y.iloc[:, i], dtypes[k], names[k], of) for k, i in enumerate(at)]

        def number(feature: int) -> NDArray[np.float64] | None:
            one = series[feature]
            if getattr(one.dtype, "kind", "O") not in NUMERIC_KINDS or one.dtype.name == "category":
                return None
            found: NDArray[np.float64] = one.to_numpy(np.float64, na_value=np.nan)
            return found

        return FrameRows(
            [_pandas_column(one) for one in series],
            names,
            len(Y),
            build,
            read,
            number,
            lambda feature: series[feature].tolist(),
        )

    return read(X, what)


def _pandas_column(series: Any) -> Column:
    import pandas as pd

    dtype, array = series.dtype, series.array
    if dtype.name == "category":
        return PlainColumn(
            np.asarray(array.codes),
            lambda codes: pd.Categorical.from_codes(codes, dtype=dtype, validate=False),
        )
    if isinstance(dtype, np.dtype) and dtype.hasobject:
        # Of an array pandas 3 would make a column of text.
        return PlainColumn(
            series.to_numpy(), lambda values: pd.Series(values, dtype=object, copy=False)
        )
    if isinstance(dtype, np.dtype):
        return PlainColumn(series.to_numpy(), lambda values: values)
    return TakenColumn(array, lambda mine, its: type(array)._concat_same_type([mine, its]).take)


def _pandas_like(series: Any, wanted: Any, name: str, what: str) -> Any:
    """A column in the type of the background's, without loss."""
    dtype = series.dtype
    if dtype == wanted and dtype.name != "category":
        return series
    if wanted.name == "category" and dtype.name == "category":
        if not dtype.categories.equals(wanted.categories):
            # A label without a place would become a missing value without a word.
            used = series.cat.remove_unused_categories().cat.categories
            unseen = [label for label in used if label not in wanted.categories]
            if unseen:
                raise InputError(
                    f"column {name!r} of {what} holds {unseen[0]!r}, which is not among the "
                    f"{len(wanted.categories)} categories of the background's column; give both "
                    "the categories that the model knows"
                )
        # To astype, the same categories in another order are the same type: codes would stay.
        return series.cat.set_categories(wanted.categories, ordered=bool(wanted.ordered))
    if isinstance(dtype, np.dtype) and isinstance(wanted, np.dtype):
        numbers = dtype.kind in NUMERIC_KINDS and wanted.kind in NUMERIC_KINDS
        if numbers and np.can_cast(dtype, wanted, "safe"):
            cast = series.astype(wanted)
            lost = rounded(series.to_numpy(), cast.to_numpy())
            if lost.any():
                raise InputError(
                    f"column {name!r} of {what} holds {series[lost].iloc[0]}, which the "
                    f"background's dtype {wanted} cannot"
                )
            return cast
    if _is_text(dtype) and _is_text(wanted):
        if dtype.name == "object":
            # To astype anything is text.
            odd = [one for one in series if not (isinstance(one, str) or is_missing(one))]
            if odd:
                raise InputError(
                    f"column {name!r} of {what} holds {odd[0]!r}, that of the background text"
                )
        return series.astype(wanted)
    raise differing_types(name, what, dtype, wanted)


def _is_text(dtype: Any) -> bool:
    return dtype.name in ("object", "str") or "string" in dtype.name
