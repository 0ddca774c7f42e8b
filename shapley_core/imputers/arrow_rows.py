"""Rows of pyarrow tables, column by column, with the types that they have."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .frame_rows import (
    Column,
    Finish,
    FrameRows,
    PlainColumn,
    TakenColumn,
    checked_names,
    differing_types,
    positions,
)
from .rows import Rows


class Entries:
    """A pyarrow array that is indexed as other columns are."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, which: slice | NDArray[np.int64]) -> "Entries":
        return Entries(self.array[which] if isinstance(which, slice) else self.array.take(which))


def arrow_rows(X: Any, what: str) -> Rows:
    """Rows of a pyarrow table."""
    import pyarrow as pa

    if isinstance(X, pa.RecordBatch):
        X = pa.Table.from_batches([X])
    if not isinstance(X, pa.Table):
        raise InputError(f"{what} is a pyarrow {type(X).__name__}; give a pyarrow.Table")
    names, types = checked_names(X.column_names, what), list(X.schema.types)

    def build(columns: Any) -> Any:
        if isinstance(columns, np.ndarray):
            return pa.table(list(columns.T), names=list(names))
        return pa.table([column.array for column in columns], names=list(names))

    def read(Y: Any, of: str) -> FrameRows:
        if isinstance(Y, pa.RecordBatch):
            Y = pa.Table.from_batches([Y])
        # What the columns are called is asked of the names; `columns` are data here.
        at = positions(Y, getattr(Y, "column_names", ()), "pyarrow", names, of)
        arrays = [_like(Y.column(i), types[k], names[k], of) for k, i in enumerate(at)]
        return FrameRows(
            [_column(one) for one in arrays],
            names,
            Y.num_rows,
            build,
            read,
            lambda feature: _numbers(arrays[feature]),
            lambda feature: list(arrays[feature].to_pylist()),
        )

    return read(X, what)


def _column(array: Any) -> Column:
    import pyarrow as pa

    kind = array.type
    plain = pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)
    if plain and not array.null_count:
        return PlainColumn(array.to_numpy(), lambda mixed: Entries(pa.array(mixed, kind)))

    def join(mine: Entries, its: Entries) -> Finish:
        both = pa.chunked_array([mine.array, its.array], kind).unify_dictionaries()
        return Entries(both.combine_chunks()).__getitem__

    return TakenColumn(Entries(array), join)


def _numbers(array: Any) -> NDArray[np.float64] | None:
    import pyarrow as pa

    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return None
    found: NDArray[np.float64] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return found


def _like(column: Any, wanted: Any, name: str, what: str) -> Any:
    """A column as one array in the type of the background's, without loss."""
    import pyarrow as pa

    kind = column.type
    if kind != wanted:
        labels = _holds_text(kind) and _holds_text(wanted)
        numbers = pa.types.is_integer(kind) and (
            pa.types.is_integer(wanted) or pa.types.is_floating(wanted)
        )
        wider = pa.types.is_float32(kind) and pa.types.is_float64(wanted)
        if not (labels or numbers or wider or pa.types.is_null(kind)):
            raise differing_types(name, what, kind, wanted)
        try:
            if pa.types.is_dictionary(wanted):
                column = column.cast(wanted.value_type).dictionary_encode()
            column = column.cast(wanted)
        except pa.ArrowInvalid as error:
            raise InputError(f"column {name!r} of {what}: {error}") from error
    try:
        whole = pa.chunked_array(column.chunks, wanted).unify_dictionaries().combine_chunks()
        whole.take(pa.array([], pa.int64()))
    except pa.ArrowNotImplementedError as error:
        raise InputError(
            f"column {name!r} of {what} has type {wanted}, of which pyarrow takes no rows; cast it "
            "to another, such as string"
        ) from error
    return whole


def _holds_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
