"""Weighted means over rows that come block by block, with their standard errors."""

import numpy as np
from numpy.typing import NDArray

# Of a number that is 0 in all rows: below that of any other.
_OF_ZERO = -2000


class Moments:
    """Sums from which a weighted mean and its standard error follow.

    The mean is sum(w y) / sum(w). Its variance over samples of rows is estimated by
    n / (n - 1) * sum(w^2 (y - mean)^2) / sum(w)^2 (the linearised ratio), n the number of rows
    whose weight is not zero; with equal weights that is s^2 / n.

    Each number has a unit, a power of two that grows with the rows: squares of large ones overflow,
    and those of small ones vanish.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.n_rows = 0
        self.weight = 0.0
        self._squares = 0.0
        # Deviations are from the mean of the first block: sums of squares of large values that
        # differ little would lose all digits.
        self._pivot: NDArray[np.float64] | None = None
        self._exponent = np.full(shape, _OF_ZERO, np.int32)
        self._first = np.zeros(shape)
        self._tilted = np.zeros(shape)
        self._second = np.zeros(shape)

    def add(self, rows: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        """Add rows, float64 (n_rows, ...), with their weights (n_rows,)."""
        used = weights > 0
        if not used.all():
            rows, weights = rows[used], weights[used]
        if not len(rows):
            return
        self._enlarge(rows)
        rows = np.ldexp(rows, -self._exponent)
        if self._pivot is None:
            self._pivot = np.tensordot(weights, rows, 1) / weights.sum()
        apart = rows - self._pivot
        squares = weights * weights
        self.n_rows += len(rows)
        self.weight += float(weights.sum())
        self._squares += float(squares.sum())
        self._first += np.tensordot(weights, apart, 1)
        self._tilted += np.tensordot(squares, apart, 1)
        self._second += np.tensordot(squares, apart * apart, 1)

    def _enlarge(self, rows: NDArray[np.float64]) -> None:
        """Take units that suit these rows too."""
        most = np.abs(rows).max(axis=0)
        exponent = np.where(most > 0, np.frexp(most)[1], _OF_ZERO)
        exponent = np.maximum(self._exponent, exponent).astype(np.int32)
        smaller = self._exponent - exponent
        if self._pivot is not None and smaller.any():
            self._pivot = np.ldexp(self._pivot, smaller)
            self._first = np.ldexp(self._first, smaller)
            self._tilted = np.ldexp(self._tilted, smaller)
            self._second = np.ldexp(self._second, 2 * smaller)
        self._exponent = exponent

    @property
    def mean(self) -> NDArray[np.float64]:
        """Weighted mean; there must be rows."""
        assert self._pivot is not None
        mean = self._pivot + self._first / self.weight
        return np.asarray(np.ldexp(mean, self._exponent))

    @property
    def std_error(self) -> NDArray[np.float64]:
        """Standard error of the mean; NaN where a single row tells nothing of it."""
        if self.n_rows < 2:
            return np.full(self._first.shape, np.nan)
        shift = self._first / self.weight
        total = self._second - 2 * shift * self._tilted + shift * shift * self._squares
        ratio = self.n_rows / (self.n_rows - 1)
        error = np.sqrt(ratio * np.maximum(total, 0.0)) / self.weight
        return np.asarray(np.ldexp(error, self._exponent))
