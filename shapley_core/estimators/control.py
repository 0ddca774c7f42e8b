"""A control variate: an additive game near the sampled one, whose values are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..indices import IndexSpec
from .incidence import meeting_chances
from .reuse import scaled_weights

Matrix = NDArray[np.float64]

_FOLDS = 5
# Penalties, as fractions of the mean square of a column; the first is only there for singular fits.
_PENALTIES = (1e-11, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True, eq=False)
class Control:
    """Games f(T) = Σ_{i ∈ T} c_i + d t (n - t) / n² + e t (n - t) (2t - n) / n³, one for each fold.

    Attributes
    ----------
    fold : int array of shape (n_pairs,)
        The fold of each pair of the design; its f was fitted to the pairs of the others, so the
        residuals of a fold are those of a game that knows nothing of them.
    players : array of shape (folds, n_players, n_games)
        c_i.
    sizes : array of shape (folds, 2, n_games)
        d and e.
    """

    fold: NDArray[np.int64]
    players: Matrix
    sizes: Matrix

    def residuals(self, inside: Matrix, first: Matrix, second: Matrix) -> tuple[Matrix, Matrix]:
        """Worths less f, of the first coalition of each pair and of its complement."""
        n = inside.shape[1]
        first, second = first.copy(), second.copy()
        count = inside.sum(axis=1)
        for fold in range(len(self.players)):
            rows = self.fold == fold
            held = inside[rows] @ self.players[fold]
            even, odd = _size_terms(count[rows], n)
            by_size = np.outer(even, self.sizes[fold, 0])
            by_turn = np.outer(odd, self.sizes[fold, 1])
            first[rows] -= held + by_size + by_turn
            second[rows] -= self.players[fold].sum(axis=0) - held + by_size - by_turn
        return first, second

    def values(self, spec: IndexSpec, size: int, order: int, sampled: NDArray[np.bool_]) -> Matrix:
        """What the coalitions of the ``sampled`` sizes add to the values of f (mean of the folds).

        Parameters
        ----------
        sampled : bool array of shape (n_players + 1,)
            By size.

        Returns
        -------
        array of shape (C(n, size), n_games)
        """
        players, sizes = self.players.mean(axis=0), self.sizes.mean(axis=0)
        n = len(players)
        ways = np.array([1.0, *np.cumprod([(size - r) / (r + 1) for r in range(size)])])
        # Of the coalitions of u players, by r: chance times weight, summed over the meetings.
        weights = scaled_weights(spec, n, size, order) * meeting_chances(n, size) * ways
        weights = weights * sampled[:, None]
        u, r = np.arange(n + 1)[:, None], np.arange(size + 1)
        own = float((weights * r).sum() / size)
        other = float((weights * (u - r)).sum() / (n - size)) if n > size else 0.0
        even, odd = _size_terms(np.arange(n + 1.0), n)
        members = sets.interactions_of_size(n, size)
        held = players[members].sum(axis=1)
        common = other * players.sum(axis=0) + weights.sum(axis=1) @ np.outer(even, sizes[0])
        common = common + weights.sum(axis=1) @ np.outer(odd, sizes[1])
        values: Matrix = (own - other) * held + common
        return values


def _size_terms(count: Matrix, n_players: int) -> tuple[Matrix, Matrix]:
    even = count * (n_players - count) / n_players**2
    return even, even * (2 * count - n_players) / n_players


def fit_control(inside: Matrix, grand: Matrix, first: Matrix, second: Matrix) -> Control:
    """Fit a control variate to worths less v(∅).

    Parameters
    ----------
    inside : array of shape (n_pairs, n_players)
        The first coalition of each.
    grand : array of shape (n_games,)
        v(N).
    first, second : arrays of shape (n_pairs, n_games)
        Worths of the first coalition of each pair and of its complement.
    """
    n_pairs, n = inside.shape
    fold = np.arange(n_pairs) % _FOLDS
    count = inside.sum(axis=1)
    even, odd = _size_terms(count, n)
    # What is odd under taking complements: players and e; what is even: d. Both apart.
    columns = np.column_stack([inside - (count / n)[:, None], odd])
    half_sum = (first + second - grand) / 2
    half_difference = (first - second - np.outer(2 * count / n - 1, grand)) / 2
    players = np.empty((_FOLDS, n, first.shape[1]))
    sizes = np.empty((_FOLDS, 2, first.shape[1]))
    fits, misses = [], np.zeros((len(_PENALTIES), first.shape[1]))
    gram, right = columns.T @ columns, columns.T @ half_difference
    for at in range(_FOLDS):
        out = fold == at
        squares = even[~out] @ even[~out]
        sizes[at, 0] = even[~out] @ half_sum[~out] / squares if squares else 0.0
        left = columns[out]
        others, target = gram - left.T @ left, right - left.T @ half_difference[out]
        unit = np.eye(n + 1) * max(float(np.trace(others)) / (n + 1), 1e-300)
        fits.append([np.linalg.solve(others + p * unit, target) for p in _PENALTIES])
        for step, fit in enumerate(fits[-1]):
            misses[step] += ((half_difference[out] - left @ fit) ** 2).sum(axis=0)
    best = misses.argmin(axis=0)
    for at in range(_FOLDS):
        chosen = np.stack([fits[at][step][:, game] for game, step in enumerate(best)], axis=1)
        players[at] = grand / n + chosen[:n] - chosen[:n].mean(axis=0)
        sizes[at, 1] = chosen[n]
    return Control(fold, players, sizes)
