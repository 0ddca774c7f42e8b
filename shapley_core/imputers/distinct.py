"""The distinct masked rows of one explained row: coalitions that agree where a donor differs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import distinct as kernels
from .rows import ArrayRows

# Shorter rows are shown again in less time than it takes to see that they are the same.
_LEAST_BYTES = 256
# Fewer differing features than this, on average, and there are rows that repeat.
_MOST_DIFFERING = 24
# The part of the rows that must be distinct at most, for the others to be worth the trouble.
_MOST_DISTINCT = 0.75


@dataclass(frozen=True, eq=False)
class Distinct:
    """Masked rows in the order of coalitions, then donors, each at its first coalition alone.

    Attributes
    ----------
    number : int32 (n_coalitions, n_donors)
        The number of each donor's row.
    starts : int64 (n_coalitions + 1,)
        Rows from ``starts[c]`` to ``starts[c + 1]`` are coalition c's.
    donors : int64 (n_distinct,)
    """

    rows: ArrayRows
    row: int
    background: ArrayRows
    masks: NDArray[np.bool_]
    number: NDArray[np.int32]
    starts: NDArray[np.int64]
    donors: NDArray[np.int64]

    @classmethod
    def of(
        cls, rows: ArrayRows, row: int, background: ArrayRows, masks: NDArray[np.bool_]
    ) -> "Distinct | None":
        """Those of one of the rows; None where few rows repeat, or it is not worth looking."""
        n_donors = background.n_rows
        if n_donors < 2 or background.row_bytes < _LEAST_BYTES or not len(masks):
            return None
        differs = rows.differing_donors(row, background)
        if differs is None or differs.sum() > _MOST_DIFFERING * n_donors:
            return None
        number = np.empty((len(masks), n_donors), np.int32)
        starts = np.empty(len(masks) + 1, np.int64)
        donors = np.empty(number.size, np.int64)
        kernels.find(sets.pack(masks), sets.pack(differs), number, starts, donors)
        count = int(starts[-1])
        if count > _MOST_DISTINCT * number.size:
            return None
        return cls(rows, row, background, masks, number, starts, donors[:count])

    def blocks(self, most: int) -> list[tuple[int, int]]:
        """Ranges of coalitions with at most so many rows, or one coalition."""
        found, first = [], 0
        n = len(self.masks)
        while first < n:
            last = int(np.searchsorted(self.starts, self.starts[first] + most, side="right")) - 1
            last = min(max(last, first + 1), n)
            found.append((first, last))
            first = last
        return found

    def table(self, first: int, last: int) -> Any:
        """The rows of a range of coalitions, as a fresh table of the user's kind."""
        start, stop = self.starts[first], self.starts[last]
        return self.rows.mix_ragged(
            self.row,
            self.masks[first:last],
            self.background,
            self.starts[first : last + 1] - start,
            self.donors[start:stop],
        )

    def sums(
        self, outputs: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Weighted sums over the donors, (n_coalitions, n_outputs), of outputs of all rows."""
        sums = np.zeros((len(self.masks), outputs.shape[1]))
        kernels.add_means(outputs, self.number, np.ascontiguousarray(weights), sums)
        return sums
