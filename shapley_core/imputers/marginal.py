"""Absent features from other rows, whatever the present ones are: baseline and marginal."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import check_integer
from ..errors import InputError
from .base import Filled, Filler, Imputer, check_weights
from .rows import Mixer, Pairs, Rows


class Marginal(Imputer):
    """v(S) = Σ_z w_z f(x_S, z_-S) / Σ_z w_z: absent features from each row z of the background.

    The interventional or marginal game (Janzing, Minorics, Bloebaum 2020, "Feature relevance
    quantification in explainable AI: a causal problem"), over *all* rows unless a number of them
    is asked for.

    Parameters
    ----------
    n_rows : int, optional
        So many rows of the background, drawn without replacement, instead of all.
    weights : float array (n_background,), optional
        Non-negative weights of the background rows; equal by default.
    random_state : int
        Seed of the draw.
    """

    def __init__(
        self, n_rows: int | None = None, weights: Any = None, random_state: int = 0
    ) -> None:
        self.n_rows = None if n_rows is None else check_integer(n_rows, "n_rows", 1)
        self.weights = weights
        self.random_state = check_integer(random_state, "random_state", 0)

    @property
    def game(self) -> str:
        """The game that it defines, in words."""
        which = "every row" if self.n_rows is None else f"{self.n_rows} sampled rows"
        return f"mean of f over {which} z of the background, with the present features of x"

    def fit(self, background: Rows) -> "MarginalFiller":
        """Draw the rows."""
        weights = check_weights(self.weights, background.n_rows)
        chosen = self.chosen(weights)
        if len(chosen) < background.n_rows:
            background = background.like(background.take(chosen), "the background")
        return MarginalFiller(background, weights[chosen])

    def chosen(self, weights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Which rows of a background, with these weights, take part."""
        if self.n_rows is None:
            return np.flatnonzero(weights)
        if self.n_rows > len(weights):
            raise InputError(f"n_rows is {self.n_rows}, but the background has {len(weights)} rows")
        generator = np.random.default_rng(self.random_state)
        drawn = generator.choice(len(weights), self.n_rows, replace=False)
        chosen = np.sort(drawn[weights[drawn] > 0])
        if not len(chosen):
            raise InputError("every sampled row of the background has weight 0")
        return chosen

    def __repr__(self) -> str:
        return f"Marginal({'' if self.n_rows is None else f'n_rows={self.n_rows}'})"


class Baseline(Imputer):
    """v(S) = f(x_S, z_-S): absent features from one row z.

    Sundararajan and Najmi (2020), "The many Shapley values for model explanation", section 2. The
    background is that row, as a table of one row.
    """

    @property
    def game(self) -> str:
        """The game that it defines, in words."""
        return "f of the baseline row, with the present features of x"

    def fit(self, background: Rows) -> "MarginalFiller":
        """Check that there is one row."""
        if background.n_rows != 1:
            raise InputError(
                f"a baseline is one row, but the background has {background.n_rows}; choose one "
                "(background[:1], or a table of medians and commonest labels), or take "
                "imputer='marginal'"
            )
        return MarginalFiller(background, np.ones(1))

    def __repr__(self) -> str:
        return "Baseline()"


class MarginalFiller(Filler):
    """Rows of the background, each with its weight."""

    splits = True

    def __init__(
        self, background: Rows, weights: NDArray[np.float64], rows: Rows | None = None
    ) -> None:
        self.n_donors = self.n_nothing = background.n_rows
        self.row_bytes = background.row_bytes
        self.rows = background
        self.donor_weights: NDArray[np.float64] = weights
        self._bound = rows

    def bind(self, rows: Rows) -> "MarginalFiller":
        """See `Filler`."""
        return MarginalFiller(self.rows, self.donor_weights, rows)

    def fill(
        self, rows: NDArray[np.int64], masks: NDArray[np.bool_], donors: slice, n_threads: int
    ) -> Filled:
        """See `Filler`."""
        assert self._bound is not None
        table = self._bound.mix(rows, masks, self.rows, donors, n_threads)
        return table, self.donor_weights[None, donors]

    def differing(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """See `Filler`."""
        assert self._bound is not None
        return self._bound.differing(rows, self.rows)

    def differing_donors(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See `Filler`."""
        assert self._bound is not None
        return self._bound.differing_donors(rows, self.rows)

    def mixer(self, pairs: Pairs, n_threads: int) -> Mixer:
        """See `Filler`."""
        assert self._bound is not None
        return self._bound.mixer(pairs, self.rows, n_threads)

    def nothing(self, donors: slice) -> Filled:
        """See `Filler`."""
        return self.rows.take(donors), self.donor_weights[None, donors]
