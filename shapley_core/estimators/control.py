"""A control variate: an additive game near the sampled one, whose values are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..indices import IndexSpec
from ..threads import row_blocks
from .incidence import meeting_chances
from .reuse import scaled_weights

Matrix = NDArray[np.float64]

_FOLDS = 5
# Pairs taken at once, whole rounds of the folds: they stay in the second cache.
_ROWS = 200 * _FOLDS
# Penalties, as fractions of the mean square of a column; the first is only there for singular fits.
_PENALTIES = (1e-11, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True, eq=False)
class Control:
    """Games f(T) = Σ_{i ∈ T} c_i + d t (n - t) / n² + e t (n - t) (2t - n) / n³, one for each fold.

    Pair j is of the fold j mod 5. Its f was fitted to the pairs of the other folds, so the
    residuals of a fold are those of a game that knows nothing of them.

    Attributes
    ----------
    players : array of shape (folds, n_players, n_games)
        c_i.
    sizes : array of shape (folds, 2, n_games)
        d and e.
    """

    players: Matrix
    sizes: Matrix

    def residuals(
        self, inside: NDArray[np.bool_], first: Matrix, second: Matrix
    ) -> tuple[Matrix, Matrix]:
        """Worths less f, of the first coalition of each pair and of its complement."""
        first, second = first.copy(), second.copy()
        for start, stop in row_blocks(len(inside), _ROWS):
            block = inside[start:stop].astype(np.float64)
            even, odd = _size_terms(block.sum(axis=1), block.shape[1])
            for fold in range(_FOLDS):
                rows, here = slice(fold, None, _FOLDS), slice(start + fold, stop, _FOLDS)
                held = block[rows] @ self.players[fold]
                by_size = np.outer(even[rows], self.sizes[fold, 0])
                by_turn = np.outer(odd[rows], self.sizes[fold, 1])
                first[here] -= held + by_size + by_turn
                second[here] -= self.players[fold].sum(axis=0) - held + by_size - by_turn
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


def fit_control(inside: NDArray[np.bool_], grand: Matrix, first: Matrix, second: Matrix) -> Control:
    """Fit a control variate to worths less v(∅).

    Parameters
    ----------
    inside : bool array of shape (n_pairs, n_players)
        The first coalition of each.
    grand : array of shape (n_games,)
        v(N).
    first, second : arrays of shape (n_pairs, n_games)
        Worths of the first coalition of each pair and of its complement.
    """
    n, n_games = inside.shape[1], first.shape[1]
    # What is odd under taking complements, the players and e, and what is even, d, apart: sums of
    # products of columns with each other and with worths, by fold.
    grams, rights = np.zeros((_FOLDS, n + 1, n + 1)), np.zeros((_FOLDS, n + 1, n_games))
    norms = np.zeros((_FOLDS, n_games))
    squares, products = np.zeros((_FOLDS, 1)), np.zeros((_FOLDS, n_games))
    for start, stop in row_blocks(len(inside), _ROWS):
        block = inside[start:stop].astype(np.float64)
        count = block.sum(axis=1)
        even, odd = _size_terms(count, n)
        columns = np.column_stack([block - (count / n)[:, None], odd])
        half_sum = (first[start:stop] + second[start:stop] - grand) / 2
        turned = first[start:stop] - second[start:stop] - np.outer(2 * count / n - 1, grand)
        for fold in range(_FOLDS):
            rows = slice(fold, None, _FOLDS)
            part, target = columns[rows], turned[rows] / 2
            grams[fold] += part.T @ part
            rights[fold] += part.T @ target
            norms[fold] += (target**2).sum(axis=0)
            squares[fold] += even[rows] @ even[rows]
            products[fold] += even[rows] @ half_sum[rows]
    players, sizes = np.empty((_FOLDS, n, n_games)), np.zeros((_FOLDS, 2, n_games))
    other = squares.sum(axis=0) - squares
    np.divide(products.sum(axis=0) - products, other, out=sizes[:, 0], where=other > 0)
    fits, misses = [], np.zeros((len(_PENALTIES), n_games))
    for gram, right, norm in zip(grams, rights, norms, strict=True):
        others, target = grams.sum(axis=0) - gram, rights.sum(axis=0) - right
        unit = np.eye(n + 1) * max(float(np.trace(others)) / (n + 1), 1e-300)
        fits.append([np.linalg.solve(others + p * unit, target) for p in _PENALTIES])
        for step, fit in enumerate(fits[-1]):
            misses[step] += norm + (fit * (gram @ fit - 2 * right)).sum(axis=0)
    best = misses.argmin(axis=0)
    for at in range(_FOLDS):
        chosen = np.stack([fits[at][step][:, game] for game, step in enumerate(best)], axis=1)
        players[at] = grand / n + chosen[:n] - chosen[:n].mean(axis=0)
        sizes[at, 1] = chosen[n]
    return Control(players, sizes)
