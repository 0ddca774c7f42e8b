"""Absent numbers from their law given the present ones, all being jointly normal."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import check_integer
from ..errors import InputError
from ..memory import check_memory
from .base import Filled, Filler, Imputer, mean_and_correlation, product
from .rows import Rows

# Directions in which correlated features do not vary are left out of what is conditioned on.
_SINGULAR = 1e-10


class Gaussian(Imputer):
    """v(S) = E f(x_S, Z), Z drawn from the normal law of the absent features given x_S.

    Mean and covariance are those of the background. Draws are exact for that law, in pairs of
    opposite sign, and the same standard normal numbers serve all coalitions and rows. Aas, Jullum
    and Loland (2021), "Explaining individual predictions when features are dependent", section
    3.1. Columns must be numbers without missing values; the model is shown floats.

    Parameters
    ----------
    n_draws : int
        Rows shown to the model for a coalition; even.
    random_state : int
        Seed of the draws.
    """

    def __init__(self, n_draws: int = 64, random_state: int = 0) -> None:
        self.n_draws = check_integer(n_draws, "n_draws", 2)
        if self.n_draws % 2:
            raise InputError(f"n_draws must be even (draws come in pairs), not {n_draws}")
        self.random_state = check_integer(random_state, "random_state", 0)

    @property
    def game(self) -> str:
        """The game that it defines, in words."""
        return (
            f"mean of f over {self.n_draws} draws of the absent features from their normal law "
            "given the present ones"
        )

    def fit(self, background: Rows) -> "GaussianFiller":
        """Estimate mean and covariance, and draw standard normal numbers."""
        # Half of the draws, and all of them.
        size = 12 * self.n_draws * background.n_features
        check_memory(size, "the table of draws", "Give a smaller n_draws")
        half = np.random.default_rng(self.random_state).standard_normal(
            (self.n_draws // 2, background.n_features)
        )
        return GaussianFiller(background, np.concatenate([half, -half]))

    def __repr__(self) -> str:
        return f"Gaussian(n_draws={self.n_draws})"


class ConditionalMean(Imputer):
    """v(S) = f(x_S, E[Z]), with the mean of the absent features given x_S, under a normal law.

    One row a coalition. For a model that is not linear this is *not* the mean of its predictions,
    which `Gaussian` estimates. Otherwise as `Gaussian`.
    """

    @property
    def game(self) -> str:
        """The game that it defines, in words."""
        return "f of the mean of the absent features given the present ones, under a normal law"

    def fit(self, background: Rows) -> "GaussianFiller":
        """Estimate mean and covariance."""
        return GaussianFiller(background, np.zeros((1, background.n_features)))

    def __repr__(self) -> str:
        return "ConditionalMean()"


class GaussianFiller(Filler):
    """A normal law, and the standard normal numbers that draws are made of."""

    def __init__(self, background: Rows, draws: NDArray[np.float64]) -> None:
        data = numbers_alone(background, "the background")
        if len(data) < 2:
            raise InputError(
                f"the background has {len(data)} row; a covariance takes two, and means something "
                "from many"
            )
        self.n_donors = self.n_nothing = len(draws)
        self.row_bytes = 8 * background.n_features
        self._background = background
        self._draws = draws
        # On the scale of correlations, so that units do not decide what is singular.
        self._mean, self._scale, self._correlation = mean_and_correlation(data)
        # Eigenvalues of its blocks lie between its own, so where these are large enough, so are
        # those: nothing is left out for any coalition.
        sizes = np.linalg.eigvalsh(self._correlation)
        self._regular = bool(sizes[0] > _SINGULAR * sizes[-1])
        self._weights = np.ones((1, len(draws)))
        self._x: NDArray[np.float64] = data[:0]

    def bind(self, rows: Rows) -> "GaussianFiller":
        """See `Filler`."""
        bound = object.__new__(GaussianFiller)
        bound.__dict__.update(self.__dict__)
        bound._x = numbers_alone(rows, "X")
        return bound

    def fill(
        self, rows: NDArray[np.int64], masks: NDArray[np.bool_], donors: slice, n_threads: int
    ) -> Filled:
        """See `Filler`."""
        x = self._x[rows]
        out = np.empty((len(masks), len(rows), self.n_donors, x.shape[1]))
        for made, mask in zip(out, masks, strict=True):
            here, absent = np.flatnonzero(mask), np.flatnonzero(~mask)
            slopes, left = self._given(here, absent)
            centre = self._mean[absent] + product(x[:, here] - self._mean[here], slopes.T)
            made[:, :, here] = x[:, None, here]
            made[:, :, absent] = centre[:, None, :] + self._noise(absent, left)
        return self._background.of_numbers(out.reshape(-1, x.shape[1])), self._weights

    def nothing(self, donors: slice) -> Filled:
        """See `Filler`."""
        every = np.arange(len(self._mean))
        drawn = self._mean + self._noise(every, self._correlation)[donors]
        return self._background.of_numbers(drawn), self._weights[:, donors]

    def _given(
        self, here: NDArray[np.int64], absent: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Slopes of the absent features on those here, and what correlation is left of them."""
        within = self._correlation[absent[:, None], absent]
        present = self._correlation[here[:, None], here]
        across = self._correlation[absent[:, None], here]
        if self._regular:
            slopes = np.linalg.solve(present, across.T).T
        else:
            slopes = across @ np.linalg.pinv(present, rcond=_SINGULAR, hermitian=True)
        own = self._scale[absent, None]
        return own * slopes / self._scale[here], within - slopes @ across.T

    def _noise(self, absent: NDArray[np.int64], left: NDArray[np.float64]) -> NDArray[np.float64]:
        """Draws of the absent features about their mean."""
        if not self._draws.any():
            return np.zeros((len(self._draws), len(absent)))
        sizes, axes = np.linalg.eigh((left + left.T) / 2)
        root = self._scale[absent, None] * axes * np.sqrt(np.maximum(sizes, 0.0))
        return product(self._draws[:, absent], root.T)


def numbers_alone(rows: Rows, what: str) -> NDArray[np.float64]:
    """The rows as float64, or an error: no labels, nothing missing."""
    found, numeric = rows.numbers()

    def name(feature: Any) -> str:
        return repr(rows.names[feature]) if rows.names else str(feature)

    if not numeric.all():
        raise InputError(
            f"column {name(int(np.argmin(numeric)))} of {what} holds labels, of which there is no "
            "normal law; imputer='nearest' takes labels, and 'marginal' anything"
        )
    bad = ~np.isfinite(found).all(axis=0)
    if bad.any():
        raise InputError(
            f"column {name(int(np.argmax(bad)))} of {what} has missing or infinite values, which a "
            "normal law has no place for; imputer='nearest' and 'marginal' take missing values"
        )
    return found
