"""Rows of data frames: mixed column by column, with the types and categories that they have."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import masking
from ..errors import InputError
from ..frames import align, listed
from ..tables import is_pandas
from ..threads import row_blocks, run_blocks
from .codes import Codes
from .rows import Donors, Mixer, Pairs, Rows, differing_bits, differing_pairs, distinct
from .scratch import TASK_BYTES, Scratch

# Makes the user's kind of column of mixed entries.
Finish = Callable[[NDArray[Any]], Any]


@dataclass(frozen=True, eq=False)
class Mixable:
    """Entries of rows and of donors as numbers of one type, and what makes a column of such."""

    own: NDArray[Any]
    other: NDArray[Any]
    finish: Finish

    @classmethod
    def of_places(cls, n_own: int, n_other: int, take: Finish) -> "Mixable":
        """Of entries that are taken by their places: those of the rows, then those of donors."""
        places = np.arange(n_own + n_other)
        return cls(places[:n_own], places[n_own:], take)


class PlainColumn:
    """A column that is an array of numbers, codes or objects, and what makes a column of such."""

    def __init__(self, values: NDArray[Any], finish: Finish) -> None:
        self.values = values
        self.finish = finish
        self.itemsize = values.dtype.itemsize

    def beside(self, rows: NDArray[np.int64], donors: Any, which: NDArray[np.int64]) -> Mixable:
        """Some entries, and some of the donors' column."""
        own, other = self.values[rows], donors.values[which]
        if own.dtype == other.dtype and not own.dtype.hasobject:
            return Mixable(own, other, self.finish)
        pool = np.concatenate([own, other])
        return Mixable.of_places(len(own), len(other), lambda at: self.finish(pool.take(at)))


class TakenColumn:
    """A column of a type of its library's own: ``join(mine, its)`` takes from both as one."""

    itemsize = 16

    def __init__(self, values: Any, join: Callable[[Any, Any], Finish]) -> None:
        self.values = values
        self.join = join

    def beside(self, rows: NDArray[np.int64], donors: Any, which: NDArray[np.int64]) -> Mixable:
        """See `PlainColumn`."""
        take = self.join(self.values[rows], donors.values[which])
        return Mixable.of_places(len(rows), len(which), take)


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
        self._scratch: defaultdict[int, Scratch] = defaultdict(Scratch)
        # Entries that are no plain numbers, as donors; and as rows, beside those donors.
        self._codes: dict[int, Codes] = {}
        self._own: dict[int, tuple[Codes, NDArray[np.int64]]] = {}
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
        at: Any = slice(None)
        if isinstance(which, slice):
            used = np.arange(which.start, which.stop)
        else:
            used, at = distinct(which)
        mixed = []
        for column, present in zip(self._beside(rows, donors, used), masks.T, strict=True):
            own = column.own[:, None]
            entries = np.where(present[:, None, None], own, column.other[at])
            mixed.append(column.finish(entries.reshape(-1)))
        return self._build(mixed)

    def mixer(self, pairs: Pairs, donors: Rows, n_threads: int) -> Mixer:
        """See `Rows`."""
        both = self._beside(pairs.rows, donors, pairs.donors)
        sizes = np.array([one.own.itemsize for one in both])
        alike = [
            _ColumnMixer(pairs, np.flatnonzero(sizes == size), both, self._scratch[size])
            for size in sorted(set(sizes.tolist()))
        ]

        def mixed(masks: NDArray[np.bool_]) -> Any:
            present = np.ascontiguousarray(masks).view(np.uint8)
            columns: list[Any] = [None] * len(both)
            for some in alike:
                for feature, entries in some(present, n_threads):
                    columns[feature] = both[feature].finish(entries)
            return self._build(columns)

        return mixed

    def _beside(
        self, rows: NDArray[np.int64], donors: Rows, which: NDArray[np.int64]
    ) -> list[Mixable]:
        """Entries of some of the rows and of the donors, column by column."""
        assert isinstance(donors, FrameRows)
        found = []
        for mine, its in zip(self.columns, donors.columns, strict=True):
            # Missing values may have made one of them a column of the library's own.
            if isinstance(mine, TakenColumn) and isinstance(its, PlainColumn):
                its = TakenColumn(its.finish(its.values), mine.join)
            elif isinstance(mine, PlainColumn) and isinstance(its, TakenColumn):
                mine = TakenColumn(mine.finish(mine.values), its.join)
            found.append(mine.beside(rows, its, which))
        return found

    def differing_donors(self, rows: NDArray[np.int64], donors: Rows) -> NDArray[np.bool_]:
        """See `Rows`."""
        found = np.empty((len(rows), donors.n_rows, self.n_features), np.bool_)
        for at, (own, its) in enumerate(self._comparable(rows, donors)):
            found[:, :, at] = differing_pairs(own[:, None], its[:, None])[:, :, 0]
        return found

    def differing(self, rows: NDArray[np.int64], donors: Rows) -> NDArray[np.bool_]:
        """See `Rows`."""
        found = np.empty((len(rows), self.n_features), np.bool_)
        for at, (own, its) in enumerate(self._comparable(rows, donors)):
            found[:, at] = differing_bits(own[:, None], its[:, None])[:, 0]
        return found

    def _comparable(
        self, rows: NDArray[np.int64], donors: Rows
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Of each column entries of rows, and all of the donors: the same where their bits are."""
        assert isinstance(donors, FrameRows)
        for at, (mine, its) in enumerate(zip(self.columns, donors.columns, strict=True)):
            if _same_bits_are_same(mine, its):
                yield mine.values[rows], its.values
                continue
            if at not in donors._codes:
                donors._codes[at] = Codes(donors.labels(at))
            codes = donors._codes[at]
            if at not in self._own or self._own[at][0] is not codes:
                self._own[at] = codes, codes.of(self.labels(at))
            yield self._own[at][1][rows], codes.numbers

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


class _ColumnMixer:
    """Mixes those columns of pairs whose entries take equally many bytes, one after the other."""

    def __init__(
        self, pairs: Pairs, features: NDArray[np.intp], columns: list[Mixable], scratch: Scratch
    ) -> None:
        self._features = features.tolist()
        self._dtypes = [columns[feature].own.dtype for feature in self._features]
        self._scratch = scratch
        own = np.stack([columns[feature].own.view(np.uint8) for feature in self._features])
        other = np.stack([columns[feature].other.view(np.uint8) for feature in self._features])
        # Those of each player among these, by their places.
        order, starts = pairs.features
        held = np.isin(order, features)
        before = np.append(0, np.cumsum(held))
        lists = np.searchsorted(features, order[held]), before[starts]
        self._n_pairs = len(pairs.rows)
        self._size = self._dtypes[0].itemsize
        self._given = own, other, pairs.players, *lists, self._size, True

    def __call__(
        self, present: NDArray[np.uint8], n_threads: int
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Mixed entries of each of the columns, by coalition, then pair."""
        each = self._n_pairs * self._size
        out = self._scratch.array((len(self._features), len(present) * each), np.dtype(np.uint8))
        run_blocks(
            lambda block: masking.mix_pairs(
                present[slice(*block)],
                *self._given,
                out[:, block[0] * each : block[1] * each],
            ),
            row_blocks(len(present), max(1, TASK_BYTES // max(len(self._features) * each, 1))),
            n_threads,
        )
        for feature, dtype, entries in zip(self._features, self._dtypes, out, strict=True):
            yield feature, entries.view(dtype)


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
    # Frames of pandas may be of a class of the user's own.
    alike = is_pandas(X) if module == "pandas" else type(X).__module__.partition(".")[0] == module
    if not alike or not len(columns):
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
