"""Absent features from the background rows that are nearest in the present ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import check_integer, check_number, is_listed, is_one_of, smallest
from ..errors import InputError
from ..frames import is_missing
from ..threads import row_blocks
from .base import Filled, Filler, Imputer, check_weights, mean_and_correlation, product
from .rows import Rows

_SINGULAR, _ROUNDING = 1e-10, 1e-12
# Of the distances of a block of rows from the background, and what one takes while the nearest are
# chosen: itself twice, what compares it with the others, its place.
_DISTANCE_BYTES, _BYTES_OF_ONE = 1 << 24, 40


class Nearest(Imputer):
    """v(S) = Σ_z w_z f(x_S, z_-S) / Σ_z w_z over the k background rows nearest to x in S.

    The empirical conditional game of Aas, Jullum and Loland (2021), "Explaining individual
    predictions when features are dependent", section 3.3. The squared distance is
    (D_S + H_S) / |S|: D_S the squared Mahalanobis distance of the present numbers (their
    covariance, or their variances alone), H_S how many present labels differ; a number that one
    row has and the other misses counts as a differing label. Of rows equally far, the earlier one
    is taken. v(∅) is the mean over the whole background.

    Parameters
    ----------
    k : int
        How many rows; all of them where the background has fewer.
    bandwidth : float, optional
        With one, w_z = exp(-distance^2 / (2 bandwidth^2)); otherwise all weigh the same.
    metric : "mahalanobis" or "euclidean"
        Whether correlations count; both measure in standard deviations.
    categorical : sequence of int or str, optional
        Columns whose numbers are codes of labels.
    """

    def __init__(
        self,
        k: int = 20,
        bandwidth: float | None = None,
        metric: str = "mahalanobis",
        categorical: Any = (),
    ) -> None:
        self.k = check_integer(k, "k", 1)
        if bandwidth is not None:
            check_number(bandwidth, "bandwidth")
            if not 0 < bandwidth < np.inf:
                raise InputError(f"bandwidth must be positive, not {bandwidth}")
        if not is_one_of(metric, ("mahalanobis", "euclidean")):
            raise InputError(f"metric must be 'mahalanobis' or 'euclidean', not {metric!r}")
        self.bandwidth = bandwidth
        self.metric = metric
        if not is_listed(categorical):
            raise InputError(f"categorical must list columns, as [{categorical!r}]")
        self.categorical = tuple(categorical)

    @property
    def game(self) -> str:
        """The game that it defines, in words."""
        weighted = "" if self.bandwidth is None else "weighted "
        return (
            f"{weighted}mean of f over the {self.k} rows of the background nearest to x in the "
            f"present features ({self.metric}), with the present features of x"
        )

    def fit(self, background: Rows) -> "NearestFiller":
        """Estimate the covariance and number the labels."""
        return NearestFiller(background, self)

    def __repr__(self) -> str:
        return f"Nearest(k={self.k})"


class NearestFiller(Filler):
    """The background, coded for distances."""

    def __init__(self, background: Rows, imputer: Nearest) -> None:
        self.n_donors = min(imputer.k, background.n_rows)
        self.n_nothing = background.n_rows
        self.row_bytes = background.row_bytes
        self._background = background
        self._bandwidth = imputer.bandwidth
        self._weights = check_weights(None, background.n_rows)
        data, numeric = background.numbers()
        for column in imputer.categorical:
            numeric[_position(background, column)] = False
        self._numeric = numeric
        self._codes: dict[int, dict[Any, int]] = {}
        for feature in np.flatnonzero(~numeric).tolist():
            try:
                seen = dict.fromkeys(map(_label, background.labels(feature)))
            except TypeError as error:
                name = feature if background.names is None else repr(background.names[feature])
                raise InputError(
                    f"column {name} of the background holds lists or other things that are "
                    "neither numbers nor labels; they have no distance"
                ) from error
            self._codes[feature] = {label: code for code, label in enumerate(seen)}
        with np.errstate(all="ignore"):
            self._centre = np.array(
                [np.median(c[~np.isnan(c)]) if (~np.isnan(c)).any() else 0.0 for c in data.T]
            )
        self._z, self._z_labels = self._coded(background)
        self._scale, self._correlation = np.ones(len(numeric)), np.eye(len(numeric))
        if len(self._z) > 1:
            _, self._scale, self._correlation = mean_and_correlation(self._z)
        if imputer.metric == "euclidean":
            self._correlation = np.diag(np.diag(self._correlation))
        # Where it is, so are its blocks, whose eigenvalues lie between its own.
        sizes = np.linalg.eigvalsh(self._correlation)
        self._regular = bool(sizes[0] > _SINGULAR * max(float(sizes[-1]), 1.0))
        self._rows: Rows = background
        self._x, self._x_labels = self._z[:0], self._z_labels[:0]
        self._with_labels: NDArray[np.bool_] = np.zeros(len(numeric), np.bool_)

    def _coded(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Numbers, missing ones as the median; and labels, 0 of a number, -2 of a missing one."""
        data, _ = rows.numbers()
        if np.isinf(data).any():
            raise InputError("infinite values have no distance; replace them, or mark them missing")
        labels = np.where(np.isnan(data), -2.0, 0.0)
        for feature, codes in self._codes.items():
            # A label that the background has not differs from all of its labels.
            labels[:, feature] = [codes.get(_label(one), -1) for one in rows.labels(feature)]
            data[:, feature] = 0.0
        return np.where(np.isnan(data), self._centre, data), labels

    def bind(self, rows: Rows) -> "NearestFiller":
        """See `Filler`."""
        bound = object.__new__(NearestFiller)
        bound.__dict__.update(self.__dict__)
        bound._rows = rows
        bound._x, bound._x_labels = self._coded(rows)
        # Elsewhere all have numbers, none of which counts as a differing label.
        labels = np.concatenate([bound._x_labels, self._z_labels])
        bound._with_labels = (labels != 0).any(axis=0)
        return bound

    def fill(
        self, rows: NDArray[np.int64], masks: NDArray[np.bool_], donors: slice, n_threads: int
    ) -> Filled:
        """See `Filler`."""
        chosen = np.empty((len(masks), len(rows), self.n_donors), np.int64)
        weights = np.ones((len(masks), len(rows), self.n_donors))
        step = max(1, _DISTANCE_BYTES // (_BYTES_OF_ONE * len(self._z)))
        for at, mask in enumerate(masks):
            distances = self._distances(mask)
            for start, stop in row_blocks(len(rows), step):
                distance = distances(rows[start:stop])
                its = chosen[at, start:stop]
                # What is equally far may come out a rounding apart.
                its[:] = smallest(distance, self.n_donors, _ROUNDING)
                if self._bandwidth is not None:
                    near = np.take_along_axis(distance, its, axis=1)
                    # The nearest weighs 1, so that no row is left without weights by underflow.
                    near -= near.min(axis=1, keepdims=True)
                    with np.errstate(over="ignore"):
                        near = near / self._bandwidth / self._bandwidth
                    weights[at, start:stop] = np.exp(near / -2.0)
        table = self._rows.mix(rows, masks, self._background, chosen, n_threads)
        return table, weights.reshape(-1, self.n_donors)

    def nothing(self, donors: slice) -> Filled:
        """See `Filler`."""
        return self._background.take(donors), self._weights[None, donors]

    def _distances(
        self, mask: NDArray[np.bool_]
    ) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
        """What gives the distances of rows from the background, given the present features."""
        from scipy.spatial.distance import cdist

        numbers = mask & self._numeric
        root = self._whitening(numbers) if numbers.any() else np.zeros((0, 0))
        its = product(self._z[:, numbers], root)

        def of(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            total = np.zeros((len(rows), len(self._z)))
            if root.shape[1]:
                total += cdist(product(self._x[np.ix_(rows, numbers)], root), its, "sqeuclidean")
            for feature in np.flatnonzero(mask & self._with_labels):
                labels = self._z_labels[:, feature]
                total += self._x_labels[rows, feature][:, None] != labels
            total /= mask.sum()
            return total

        return of

    def _whitening(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        from scipy.linalg import solve_triangular

        correlation, scale = self._correlation[np.ix_(mask, mask)], self._scale[mask]
        if self._regular:
            lower = np.linalg.cholesky(correlation)
            inverse = solve_triangular(lower, np.eye(len(lower)), lower=True, check_finite=False)
            return np.asarray(inverse.T / scale[:, None])
        sizes, axes = np.linalg.eigh(correlation)
        kept = sizes > _SINGULAR * max(float(sizes[-1]), 1.0)
        return np.asarray(axes[:, kept] / np.sqrt(sizes[kept]) / scale[:, None])


def _position(rows: Rows, column: Any) -> int:
    if isinstance(column, str):
        if rows.names is None or column not in rows.names:
            raise InputError(f"categorical names {column!r}, which is no column of the background")
        return rows.names.index(column)
    at = check_integer(column, "a categorical column without a name")
    if not 0 <= at < rows.n_features:
        raise InputError(f"categorical names column {at} of {rows.n_features}")
    return at


def _label(entry: Any) -> Any:
    """A label to look up; all that is missing is one."""
    return None if is_missing(entry) else entry
