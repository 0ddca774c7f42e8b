"""Rows of arrays of one type: mixed as bytes, by a kernel."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import masking
from ..arrays import cast_times, rounded
from ..errors import InputError
from ..frames import NUMERIC_KINDS
from ..tables import WANTED, is_pandas
from ..threads import row_blocks, run_blocks
from .codes import Codes
from .rows import Donors, Mixer, Pairs, Rows, differing_bits, differing_pairs, distinct
from .scratch import TASK_BYTES, Scratch


def checked_array(X: Any, what: str) -> NDArray[Any]:
    """A 2-D array that is no copy of an array given."""
    if X is None or isinstance(X, (str, bytes, dict, set)):
        raise InputError(f"{what} is a {type(X).__name__}; {WANTED}")
    if isinstance(X, np.ma.MaskedArray):
        raise InputError(f"{what} is a masked array; X.filled(numpy.nan) gives a plain one")
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise InputError(
            f"{what} cannot be made an array ({error}); its rows must have equal lengths"
        ) from error
    if array.dtype.names is not None or array.dtype.kind in "cV":
        raise InputError(f"{what} has dtype {array.dtype}; {WANTED}")
    if array.ndim != 2:
        raise InputError(
            f"{what} has shape {array.shape}; wanted (n_rows, n_features): a single row becomes a "
            f"table by {what}.reshape(1, -1)"
        )
    if array.shape[1] == 0:
        raise InputError(f"{what} has no columns")
    return array


def no_wrap(matrix: NDArray[Any]) -> Any:
    """What a numpy array is shown to the model as: itself."""
    return matrix


class ArrayRows(Rows):
    """Rows of a 2-D array of one type; ``wrap`` makes the user's table of such an array."""

    def __init__(
        self,
        array: NDArray[Any],
        names: tuple[str, ...] | None = None,
        wrap: Callable[[NDArray[Any]], Any] = no_wrap,
        reader: Callable[[Any, str], NDArray[Any]] | None = None,
    ) -> None:
        self.array = array
        self.n_rows, self.n_features = array.shape
        self.names = names
        self.row_bytes = array.dtype.itemsize * self.n_features
        if wrap is no_wrap:
            # What a model makes of so many is still in the cache when it goes on with it.
            self.batch_rows = 1 << 14
        self._wrap = wrap
        self._reader = reader
        self._scratch = Scratch()
        self._codes: Codes | None = None  # of objects, as donors

    def like(self, X: Any, what: str) -> Rows:
        """See `Rows`."""
        if self._reader is not None:
            array = self._reader(X, what)
        else:
            library = type(X).__module__.partition(".")[0]
            if is_pandas(X) or library in ("pandas", "polars", "pyarrow", "narwhals"):
                raise InputError(
                    f"{what} is a {library} {type(X).__name__}, the "
                    "background an array: give both as one kind of table, that which the model "
                    "was trained on"
                )
            array = checked_array(X, what)
        if array.shape[1] != self.n_features:
            raise InputError(
                f"{what} has {array.shape[1]} columns (shape {array.shape}); the background has "
                f"{self.n_features}"
            )
        mine = self.array.dtype
        if array.dtype != mine:
            # Text of another length is text all the same; the longer type holds both.
            if array.dtype.kind == mine.kind and mine.kind in "US":
                longer = np.promote_types(array.dtype, mine)
                if longer != mine:
                    raise InputError(
                        f"{what} has text of dtype {array.dtype}, the background {mine}, too short "
                        f"for it: give the background as {longer} or object"
                    )
            elif not _holds(mine, array.dtype):
                raise InputError(
                    f"{what} has dtype {array.dtype}, the background {mine}; convert one of them "
                    "with .astype, so that masked rows can be made of both"
                )
            times = array.dtype.kind in "mM" and mine.kind in "mM"
            given, array = array, cast_times(array, mine) if times else array.astype(mine)
            lost = _lost(given, array)
            if lost.any():
                raise InputError(
                    f"{what} holds {given[lost][0]}, which the background's dtype {mine} cannot"
                )
        return ArrayRows(array, self.names, self._wrap, self._reader)

    def take(self, rows: slice | NDArray[np.int64]) -> Any:
        """See `Rows`."""
        return self._wrap(np.array(self.array[rows], order="C"))

    def mix(
        self,
        rows: NDArray[np.int64],
        masks: NDArray[np.bool_],
        donors: Rows,
        which: Donors,
        n_threads: int,
    ) -> Any:
        """See `Rows`."""
        assert isinstance(donors, ArrayRows)
        count = self.n_mixed(rows, masks, which)
        own, other, pool = self.array[rows], donors.array, None
        if isinstance(which, slice):
            other = other[which]
        if own.dtype.hasobject:
            if not isinstance(which, slice):
                used, which = distinct(which)
                other = other[used]
            own, other, pool = _places(own, other)
        dtype = own.dtype
        out = self._scratch.array((count, self.n_features), dtype)
        raw_out, raw_own, absent = out.view(np.uint8), _bytes(own), _bytes(other)
        present = np.ascontiguousarray(masks).view(np.uint8)
        each = len(out) // max(len(masks), 1)

        def work(block: tuple[int, int]) -> None:
            start, stop = block
            target = raw_out[start * each : stop * each]
            if isinstance(which, slice):
                masking.mix(present[start:stop], raw_own, absent, dtype.itemsize, target)
            else:
                masking.mix_chosen(
                    present[start:stop],
                    raw_own,
                    absent,
                    which[start:stop],
                    dtype.itemsize,
                    target,
                )

        step = max(1, TASK_BYTES // max(each * raw_out.shape[1], 1))
        run_blocks(work, row_blocks(len(masks), step), n_threads)
        return self._wrap(out if pool is None else pool.take(out))

    def differing(self, rows: NDArray[np.int64], donors: Rows) -> NDArray[np.bool_]:
        """See `Rows`."""
        return differing_bits(*self._comparable(rows, donors))

    def differing_donors(self, rows: NDArray[np.int64], donors: Rows) -> NDArray[np.bool_]:
        """See `Rows`."""
        return differing_pairs(*self._comparable(rows, donors))

    def _comparable(
        self, rows: NDArray[np.int64], donors: Rows
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Entries of rows, and all of the donors: the same where their bits are."""
        assert isinstance(donors, ArrayRows)
        own = self.array[rows]
        if not own.dtype.hasobject:
            return own, donors.array
        if donors._codes is None:
            donors._codes = Codes(donors.array.reshape(-1).tolist())
        codes = donors._codes
        return (
            codes.of(own.reshape(-1).tolist()).reshape(own.shape),
            codes.numbers.reshape(donors.array.shape),
        )

    def mixer(self, pairs: Pairs, donors: Rows, n_threads: int) -> Mixer:
        """See `Rows`."""
        assert isinstance(donors, ArrayRows)
        own, other = self.array[pairs.rows], donors.array[pairs.donors]
        pool = None
        if own.dtype.hasobject:
            own, other, pool = _places(own, other)
        (each, n), dtype = own.shape, own.dtype
        rows = _bytes(own), _bytes(other), pairs.players, *pairs.features, dtype.itemsize, False
        step = max(1, TASK_BYTES // max(own.nbytes, 1))

        def mixed(masks: NDArray[np.bool_]) -> Any:
            out = self._scratch.array((len(masks) * each, n), dtype)
            present, raw_out = np.ascontiguousarray(masks).view(np.uint8), out.view(np.uint8)
            run_blocks(
                lambda block: masking.mix_pairs(
                    present[slice(*block)], *rows, raw_out[block[0] * each : block[1] * each]
                ),
                row_blocks(len(masks), step),
                n_threads,
            )
            return self._wrap(out if pool is None else pool.take(out))

        return mixed

    def numbers(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """See `Rows`."""
        if self.array.dtype.kind in NUMERIC_KINDS:
            return self.array.astype(np.float64, order="C"), np.ones(self.n_features, np.bool_)
        return np.full(self.array.shape, np.nan), np.zeros(self.n_features, np.bool_)

    def labels(self, feature: int) -> list[Any]:
        """See `Rows`."""
        found: list[Any] = self.array[:, feature].tolist()
        return found

    def of_numbers(self, matrix: NDArray[np.float64]) -> Any:
        """See `Rows`."""
        single = self.array.dtype == np.float32
        return self._wrap(matrix.astype(np.float32) if single else matrix)


def _holds(mine: np.dtype[Any], its: np.dtype[Any]) -> bool:
    """Whether entries of a type are what they are in another one too, but for what is `_lost`."""
    # To numpy numbers are text and lengths of time as well: 4.0 would be the label "4.0".
    alike = mine.kind == its.kind or mine.hasobject
    alike |= mine.kind in NUMERIC_KINDS and its.kind in NUMERIC_KINDS
    return alike and np.can_cast(its, mine, "safe")


def _lost(given: NDArray[Any], made: NDArray[Any]) -> NDArray[np.bool_]:
    """Where entries have become others in another type that may hold them."""
    if given.dtype.kind in "mM":
        if made.dtype.hasobject:
            # What Python's own times cannot say becomes an integer.
            return np.array([isinstance(one, int) for one in made.flat]).reshape(made.shape)
        missing: NDArray[np.bool_] = np.isnat(made) & ~np.isnat(given)
        return missing
    return rounded(given, made)


def _places(
    own: NDArray[Any], other: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Places of the entries of two arrays of objects, which can be mixed, and what is there."""
    pool = np.concatenate([own, other])
    places = np.arange(pool.size).reshape(pool.shape)
    return places[: len(own)], places[len(own) :], pool.reshape(-1)


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The rows of an array as bytes, without a copy where they lie one after the other."""
    return np.ascontiguousarray(array).view(np.uint8)
