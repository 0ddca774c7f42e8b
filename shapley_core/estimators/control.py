"""A control variate: an additive game near the sampled one, whose values are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..indices import IndexSpec
from ..threads import row_blocks
from .incidence import meeting_chances
from .pairs import PairedDesign
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

    Pair j is of the fold j mod 5. Its f was fitted to the pairs of the other folds, so f knows
    nothing of it; but neither can it come up again, as pairs are drawn without replacement. Of a
    stratum of N pairs the others of the sample thus count for themselves, and those of the fold for
    the rest, N less the others. Taken together over the folds, with the weights of their shares of
    the stratum, that is a sum in which each pair counts N over the number drawn, as it should, and
    what is subtracted from it is

        (1 - π) f + π f̄,

    π being the fraction of the stratum that is in, and f̄ the mean of the folds' f by their shares;
    and f̄ is what is added again.

    Attributes
    ----------
    players : array of shape (folds, n_players, n_games)
        c_i.
    sizes : array of shape (folds, 2, n_games)
        d and e.
    design : PairedDesign
        The sample.
    """

    players: Matrix
    sizes: Matrix
    design: PairedDesign

    def residuals(
        self, inside: NDArray[np.bool_], first: Matrix, second: Matrix
    ) -> tuple[Matrix, Matrix]:
        """Worths less f, of the first coalition of each pair and of its complement.

        Sizes that are complete need no f, and keep their worths.
        """
        first, second = first.copy(), second.copy()
        design = self.design
        ends = np.cumsum(design.counts)
        for stratum in np.flatnonzero(~design.complete & (design.counts > 0)):
            players, sizes = self._subtracted(int(stratum))
            start, end = int(ends[stratum] - design.counts[stratum]), int(ends[stratum])
            even, odd = _size_terms(np.array([float(design.sizes[stratum])]), inside.shape[1])
            by_size, by_turn = even * sizes[:, 0], odd * sizes[:, 1]
            total = players.sum(axis=1)
            for low, high in row_blocks(end - start, _ROWS):
                block = inside[start + low : start + high].astype(np.float64)
                for fold in range(_FOLDS):
                    skip = (fold - start - low) % _FOLDS
                    held = block[skip::_FOLDS] @ players[fold]
                    here = slice(start + low + skip, start + high, _FOLDS)
                    first[here] -= held + (by_size[fold] + by_turn[fold])
                    second[here] -= total[fold] - held + (by_size[fold] - by_turn[fold])
        return first, second

    def _subtracted(self, stratum: int) -> tuple[Matrix, Matrix]:
        """What is subtracted from each fold's pairs of a stratum: ``players`` and ``sizes``."""
        share = self._shares()[stratum]
        seen = 1.0 - float(self.design.missing[stratum])
        own, both = self.players, self.sizes
        mean, mean_of_sizes = np.tensordot(share, own, 1), np.tensordot(share, both, 1)
        return own + seen * (mean - own), both + seen * (mean_of_sizes - both)

    def _shares(self) -> Matrix:
        """The share of each fold in the pairs of each stratum, shape (n_strata, folds)."""
        design = self.design
        folds = np.arange(design.n_pairs) % _FOLDS
        counts = np.zeros((len(design.sizes), _FOLDS))
        np.add.at(counts, (design.strata, folds), 1.0)
        # Where there are none, all are as good.
        counts[design.counts == 0] = 1.0
        shares: Matrix = counts / counts.sum(axis=1, keepdims=True)
        return shares

    def values(self, spec: IndexSpec, size: int, order: int) -> Matrix:
        """What the coalitions of the sizes that are not complete add to the values of f̄.

        Returns
        -------
        array of shape (C(n, size), n_games)
        """
        n, design = self.players.shape[1], self.design
        ways = np.array([1.0, *np.cumprod([(size - r) / (r + 1) for r in range(size)])])
        # Of the coalitions of u players, by r: chance times weight, summed over the meetings.
        weights = scaled_weights(spec, n, size, order) * meeting_chances(n, size) * ways
        shares = np.zeros((n + 1, _FOLDS))
        by_stratum = np.where(design.complete[:, None], 0.0, self._shares())
        shares[design.sizes] = shares[n - design.sizes] = by_stratum
        members = sets.interactions_of_size(n, size)
        values = np.zeros((len(members), self.players.shape[2]))
        for share, players, sizes in zip(shares.T, self.players, self.sizes, strict=True):
            values += _of_one(weights * share[:, None], members, players, sizes)
        return values


def _of_one(weights: Matrix, members: NDArray[np.int32], players: Matrix, sizes: Matrix) -> Matrix:
    """Values of one f under weights of shape (n + 1, s + 1)."""
    n, size = len(players), members.shape[1]
    u, r = np.arange(n + 1)[:, None], np.arange(size + 1)
    own = float((weights * r).sum() / size)
    other = float((weights * (u - r)).sum() / (n - size)) if n > size else 0.0
    even, odd = _size_terms(np.arange(n + 1.0), n)
    held = players[members].sum(axis=1)
    common = other * players.sum(axis=0) + weights.sum(axis=1) @ np.outer(even, sizes[0])
    common = common + weights.sum(axis=1) @ np.outer(odd, sizes[1])
    values: Matrix = (own - other) * held + common
    return values


def _size_terms(count: Matrix, n_players: int) -> tuple[Matrix, Matrix]:
    even = count * (n_players - count) / n_players**2
    return even, even * (2 * count - n_players) / n_players


def fit_control(
    design: PairedDesign,
    inside: NDArray[np.bool_],
    grand: Matrix,
    first: Matrix,
    second: Matrix,
) -> Control:
    """Fit a control variate to worths less v(∅).

    Parameters
    ----------
    design : PairedDesign
        The sample.
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
    return Control(players, sizes, design)
