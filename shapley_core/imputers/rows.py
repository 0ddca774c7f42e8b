"""Tables whose rows can be mixed, and that stay what they are: a model is shown its own kind.

A mixed row has the values of an explained row in some columns, of a donor row in the others. Mixed
rows are ordered by coalition, then explained row, then donor.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Donors = slice | NDArray[np.int64]
# The features of one player after the other, and where each one's begin, and the last one's end.
FeatureLists = tuple[NDArray[np.int64], NDArray[np.int64]]
# Makes a table of n_coalitions * n_pairs rows, from bool (n_coalitions, k): whether players of a
# pair are taken from its row.
Mixer = Callable[[NDArray[np.bool_]], Any]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a row and a donor, each with players of its own.

    Attributes
    ----------
    rows, donors : int64 (n_pairs,)
    players : int32 (n_pairs, k)
        Those that columns of coalitions are about; in the features of the others a pair agrees.
    features : FeatureLists
        Of every player of the game.
    """

    rows: NDArray[np.int64]
    donors: NDArray[np.int64]
    players: NDArray[np.int32]
    features: FeatureLists


class Rows(ABC):
    """Rows of a user's table; made by `any_rows.rows_of`.

    Attributes
    ----------
    n_rows, n_features : int
    names : tuple of str, or None
        Names of the columns, where the table has them.
    row_bytes : int
        What a mixed row takes, roughly, for columns of objects without the objects.
    batch_rows : int
        The most rows that a model is shown at once where the user does not say.
    """

    # Frames take long to make and to read, of however few rows.
    batch_rows = 1 << 15

    n_rows: int
    n_features: int
    names: tuple[str, ...] | None
    row_bytes: int

    def __reduce__(self) -> tuple[Callable[[Any, str], "Rows"], tuple[Any, str]]:
        """As the user's table, which is read again."""
        from .any_rows import rows_of

        return rows_of, (self.take(slice(None)), "the background")

    @abstractmethod
    def like(self, X: Any, what: str) -> "Rows":
        """Another table as rows that can be mixed with these; InputError where it cannot be."""

    @abstractmethod
    def take(self, rows: slice | NDArray[np.int64]) -> Any:
        """Some rows as a fresh table of the user's kind."""

    @abstractmethod
    def mix(
        self,
        rows: NDArray[np.int64],
        masks: NDArray[np.bool_],
        donors: "Rows",
        which: Donors,
        n_threads: int,
    ) -> Any:
        """Mixed rows as a fresh table of the user's kind.

        Parameters
        ----------
        rows : int64 (n_rows,)
            Which of these rows.
        masks : bool (n_coalitions, n_features)
            Columns that are taken from them; the others are the donor's.
        donors : Rows
            From `like`, or that `like` was called on.
        which : slice, or int64 (n_coalitions, n_rows, n_donors)
            Donors of every coalition and row, or each one's own.
        n_threads : int

        Returns
        -------
        table of n_coalitions * n_rows * n_donors rows
        """

    @abstractmethod
    def mixer(self, pairs: Pairs, donors: "Rows", n_threads: int) -> Mixer:
        """What makes mixed rows of pairs of one of these rows and a donor.

        Parameters
        ----------
        pairs : Pairs
        donors : Rows
            From `like`, or that `like` was called on.
        n_threads : int
        """

    @abstractmethod
    def differing_donors(self, rows: NDArray[np.int64], donors: "Rows") -> NDArray[np.bool_]:
        """Where rows are not the same, to the bit, as each donor: (n_rows, n_donors, n_features).

        True where that cannot be seen.
        """

    @abstractmethod
    def differing(self, rows: NDArray[np.int64], donors: "Rows") -> NDArray[np.bool_]:
        """Where rows are not the same, to the bit, as every donor: (n_rows, n_features).

        True where that cannot be seen.
        """

    @abstractmethod
    def numbers(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Columns as float64 (n_rows, n_features), and which of them hold numbers.

        Missing values are NaN; so is every entry of a column that holds labels.
        """

    @abstractmethod
    def labels(self, feature: int) -> list[Any]:
        """The entries of one column as Python objects."""

    @abstractmethod
    def of_numbers(self, matrix: NDArray[np.float64]) -> Any:
        """A table of the user's kind with these columns, float32 where all of its were that."""

    def n_mixed(self, rows: NDArray[np.int64], masks: NDArray[np.bool_], which: Donors) -> int:
        """How many rows `mix` makes."""
        each = which.stop - which.start if isinstance(which, slice) else which.shape[2]
        return int(len(rows) * len(masks) * each)


def distinct(which: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those donors that are chosen, each once, and the places among them of ``which``."""
    used, at = np.unique(which, return_inverse=True)
    return used, at.reshape(which.shape)


def differing_bits(own: NDArray[Any], donors: NDArray[Any]) -> NDArray[np.bool_]:
    """Where rows are not the same, to the bit, as every donor.

    Parameters
    ----------
    own, donors : arrays of one type without objects, (n_rows, n_features), (n_donors, n_features)
    """
    mine, its = _words(own), _words(donors)
    varying = (its != its[0]).any(axis=(0, 2))
    found: NDArray[np.bool_] = varying | (mine != its[0]).any(axis=2)
    return found


def differing_pairs(own: NDArray[Any], donors: NDArray[Any]) -> NDArray[np.bool_]:
    """Where rows are not the same, to the bit, as each donor: (n_rows, n_donors, n_features)."""
    mine, its = _words(own), _words(donors)
    found: NDArray[np.bool_] = mine[:, None, :, 0] != its[None, :, :, 0]
    for word in range(1, mine.shape[2]):
        found |= mine[:, None, :, word] != its[None, :, :, word]
    return found


def _words(array: NDArray[Any]) -> NDArray[Any]:
    """Entries as one unsigned integer each, or as bytes: (n_rows, n_features, words)."""
    size = array.dtype.itemsize
    word = np.dtype(f"u{size}" if size in (1, 2, 4, 8) else np.uint8)
    return np.ascontiguousarray(array).view(word).reshape(*array.shape, -1)
