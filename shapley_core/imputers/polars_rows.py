"""Rows of polars frames."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frames import NUMERIC_KINDS
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


def polars_rows(X: Any, what: str) -> Rows:
    """Rows of a polars frame."""
    import polars as pl

    if not isinstance(X, pl.DataFrame):
        raise InputError(f"{what} is a polars {type(X).__name__}; call .collect() first")
    names = checked_names(X.columns, what)
    dtypes = list(X.dtypes)

    def build(columns: Any) -> Any:
        if isinstance(columns, np.ndarray):
            return pl.DataFrame(columns, schema=list(names))
        return pl.DataFrame(
            [column.alias(name) for column, name in zip(columns, names, strict=True)]
        )

    def read(Y: Any, of: str) -> FrameRows:
        if isinstance(Y, pl.LazyFrame):
            raise InputError(f"{of} is a polars LazyFrame; call .collect() first")
        at = positions(Y, getattr(Y, "columns", ()), "polars", names, of)
        series = [_polars_like(Y.to_series(i), dtypes[k], names[k], of) for k, i in enumerate(at)]

        def number(feature: int) -> NDArray[np.float64] | None:
            one = series[feature]
            if not (one.dtype.is_numeric() or one.dtype == pl.Boolean):
                return None
            return np.array([np.nan if x is None else x for x in one.to_list()], np.float64)

        return FrameRows(
            [_polars_column(one) for one in series],
            names,
            len(Y),
            build,
            read,
            number,
            lambda feature: series[feature].to_list(),
        )

    return read(X, what)


def _polars_column(series: Any) -> Column:
    import polars as pl

    dtype = series.dtype
    # Of integers of 128 bits there are no arrays.
    plain = dtype.is_float() or (dtype.is_integer() and "128" not in str(dtype))
    if plain and not series.null_count():
        values = series.to_numpy()
        if values.dtype.kind in NUMERIC_KINDS:
            return PlainColumn(values, lambda mixed: pl.Series(mixed, dtype=dtype))
    return TakenColumn(series, lambda mine, its: pl.concat([mine, its]).gather)


def _polars_like(series: Any, wanted: Any, name: str, what: str) -> Any:
    dtype = series.dtype
    if dtype == wanted:
        return series
    import polars as pl

    labels = (pl.Enum, pl.Categorical, pl.String)
    numbers = dtype.is_integer() and wanted.is_numeric()
    if (dtype in labels and wanted in labels) or numbers or dtype == pl.Null:
        try:
            cast = series.cast(wanted, strict=True)
            kept = not wanted.is_float() or cast.cast(dtype, strict=True).eq_missing(series).all()
        except pl.exceptions.PolarsError as error:
            raise InputError(f"column {name!r} of {what}: {error}") from error
        if kept:
            return cast
    raise differing_types(name, what, dtype, wanted)
