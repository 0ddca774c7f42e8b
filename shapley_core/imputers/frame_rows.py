"""Rows of data frames: mixed column by column, with the types and categories that they have."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frames import align, listed
from .rows import Donors, Pairs, Rows, differing_bits, differing_pairs

# Makes the user's kind of column of mixed entries.
Finish = Callable[[NDArray[Any]], Any]


class PlainColumn:
    """A column that is an array of numbers, codes or objects, and what makes a column of such."""

    def __init__(self, values: NDArray[Any], finish: Finish) -> None:
        self.values = values
        self.finish = finish
        self.itemsize = values.dtype.itemsize

    def mix(
        self, rows: NDArray[np.int64], present: NDArray[np.bool_], donors: Any, which: Donors
    ) -> Any:
        """The mixed column, as its library has it: of the rows where they are ``present``.

        ``rows``, ``present`` and ``which`` are broadcast; a slice is the last axis.
        """
        mixed = np.where(present, self.values[rows], donors.values[which])
        return self.finish(mixed.reshape(-1))


class TakenColumn:
    """A column of a type of its library's own: ``gather(mine, its, at)`` takes from both as one."""

    itemsize = 16

    def __init__(self, values: Any, gather: Callable[[Any, Any, NDArray[np.int64]], Any]) -> None:
        self.values = values
        self.gather = gather

    def mix(
        self, rows: NDArray[np.int64], present: NDArray[np.bool_], donors: Any, which: Donors
    ) -> Any:
        """See `PlainColumn`."""
        pool = donors.values
        other: NDArray[np.int64]
        if isinstance(which, slice):
            pool = pool[which]
            other = np.arange(len(pool))
        else:
            other = which
        own = np.arange(rows.size).reshape(rows.shape)
        at = np.where(present, own, other + rows.size).reshape(-1)
        return self.gather(self.values[rows.reshape(-1)], pool, at)


Column = PlainColumn | TakenColumn


class FrameRows(Rows):
    """Rows of a frame, column by column.

    Parameters
    ----------
    columns : list of Column
    names : tuple of str
    n_rows : int
    build : callable
        Makes a frame of the user's kind of finished columns, and of a float64 matrix.
    reader : callable
        ``reader(X, what)`` reads another frame as columns that can be mixed with these.
    number, label : callable
        One column as numbers (None where it holds labels), and as Python objects.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        names: tuple[str, ...],
        n_rows: int,
        build: Callable[[Any], Any],
        reader: Callable[[Any, str], "FrameRows"],
        number: Callable[[int], NDArray[np.float64] | None],
        label: Callable[[int], list[Any]],
    ) -> None:
        self.columns = columns
        self.names = names
        self.n_rows, self.n_features = n_rows, len(columns)
        self.row_bytes = sum(column.itemsize for column in columns)
        self._build = build
        self._reader = reader
        self._number = number
        self._label = label

    def like(self, X: Any, what: str) -> Rows:
        """See `Rows`."""
        return self._reader(X, what)

    def take(self, rows: slice | NDArray[np.int64]) -> Any:
        """See `Rows`."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.n_rows))
        everything = np.ones((1, self.n_features), np.bool_)
        return self.mix(rows, everything, self, slice(0, 1), 1)

    def mix(
        self,
        rows: NDArray[np.int64],
        masks: NDArray[np.bool_],
        donors: Rows,
        which: Donors,
        n_threads: int,
    ) -> Any:
        """See `Rows`."""
        present, rows = masks.T[:, :, None, None], rows[:, None]
        columns = zip(self._columns_with(donors), present, strict=True)
        return self._build([mine.mix(rows, at, its, which) for (mine, its), at in columns])

    def mix_pairs(
        self, pairs: Pairs, masks: NDArray[np.bool_], donors: Rows, n_threads: int
    ) -> Any:
        """See `Rows`."""
        present = np.moveaxis(pairs.present_features(masks), 2, 0)
        columns = zip(self._columns_with(donors), present, strict=True)
        return self._build(
            [mine.mix(pairs.rows, at, its, pairs.donors) for (mine, its), at in columns]
        )

    def _columns_with(self, donors: Rows) -> Iterator[tuple[Any, Any]]:
        """Columns beside those of the donors, of one kind each."""
        assert isinstance(donors, FrameRows)
        for mine, its in zip(self.columns, donors.columns, strict=True):
            # Missing values may have made one of them a column of the library's own.
            if isinstance(mine, TakenColumn) and isinstance(its, PlainColumn):
                yield mine, TakenColumn(its.finish(its.values), mine.gather)
            elif isinstance(mine, PlainColumn) and isinstance(its, TakenColumn):
                yield TakenColumn(mine.finish(mine.values), its.gather), its
            else:
                yield mine, its

    def differing_donors(self, rows: NDArray[np.int64], donors: Rows) -> NDArray[np.bool_]:
        """See `Rows`."""
        assert isinstance(donors, FrameRows)
        found = np.ones((len(rows), donors.n_rows, self.n_features), np.bool_)
        for at, (mine, its) in enumerate(zip(self.columns, donors.columns, strict=True)):
            if _same_bits_are_same(mine, its):
                pairs = differing_pairs(mine.values[rows][:, None], its.values[:, None])
                found[:, :, at] = pairs[:, :, 0]
                continue
            labels = donors.labels(at)
            # What compares equal may be shown to the model in another way, but not text.
            if all(type(label) is str for label in labels):
                codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
                every = self.labels(at)
                own = np.array([codes.get(every[row], -1) for row in rows.tolist()])
                found[:, :, at] = own[:, None] != np.array([codes[label] for label in labels])
        return found

    def differing(self, rows: NDArray[np.int64], donors: Rows) -> NDArray[np.bool_] | None:
        """See `Rows`."""
        assert isinstance(donors, FrameRows)
        found = np.ones((len(rows), self.n_features), np.bool_)
        for at, (mine, its) in enumerate(zip(self.columns, donors.columns, strict=True)):
            if _same_bits_are_same(mine, its):
                own, other = mine.values[rows], its.values
                found[:, at] = differing_bits(own[:, None], other[:, None])[:, 0]
                continue
            labels = donors.labels(at)
            # What compares equal may be shown to the model in another way, but not text.
            if all(type(label) is str and label == labels[0] for label in labels):
                every = self.labels(at)
                found[:, at] = [every[row] != labels[0] for row in rows.tolist()]
        return found

    def numbers(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """See `Rows`."""
        out = np.full((self.n_rows, self.n_features), np.nan)
        numeric = np.zeros(self.n_features, np.bool_)
        for feature in range(self.n_features):
            found = self._number(feature)
            if found is not None:
                out[:, feature] = found
                numeric[feature] = True
        return out, numeric

    def labels(self, feature: int) -> list[Any]:
        """See `Rows`."""
        return self._label(feature)

    def of_numbers(self, matrix: NDArray[np.float64]) -> Any:
        """See `Rows`."""
        return self._build(matrix)


def _same_bits_are_same(mine: Column, its: Column) -> bool:
    """Whether entries of two columns can be compared by their bits."""
    if isinstance(mine, TakenColumn) or isinstance(its, TakenColumn):
        return False
    return mine.values.dtype == its.values.dtype and not mine.values.dtype.hasobject


def checked_names(columns: Sequence[Any], what: str) -> tuple[str, ...]:
    """Names of columns as text; InputError where two are the same, or there are none."""
    names = tuple(str(name) for name in columns)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{what} has more than one column named {listed(repeated)}")
    if not names:
        raise InputError(f"{what} has no columns")
    return names


def positions(
    X: Any, columns: Sequence[Any], module: str, names: tuple[str, ...], what: str
) -> list[int]:
    """Where a second frame has the columns of the first."""
    if type(X).__module__.partition(".")[0] != module or not len(columns):
        raise InputError(
            f"{what} is a {type(X).__name__}, the background a {module} frame: give both as one "
            "kind of table, that which the model was trained on"
        )
    return align(checked_names(list(columns), what), names, what)


def differing_types(name: str, what: str, dtype: Any, wanted: Any) -> InputError:
    """The error of a column that cannot be had in the background's type."""
    return InputError(
        f"column {name!r} of {what} has dtype {dtype}, that of the background {wanted}; convert "
        "one of them, so that masked rows can be made of both"
    )
