"""Estimators that repeat one small experiment: how often a budget pays it, and its spread."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import sampling as kernels

Words = NDArray[np.uint64]
Rows = NDArray[np.int64]
Matrix = NDArray[np.float64]

# Where few coalitions exist, later replicates find all of theirs evaluated; some end there must be.
_MOST_PER_PAID = 32
_PRIOR = 2


def ends(n_players: int) -> Words:
    """The words of the empty and of the grand coalition."""
    out = np.zeros((2, n_players), dtype=np.bool_)
    out[1] = True
    return sets.pack(out)


def replicates_within(
    draw: Callable[[int], Words], start: Words, cost: int, budget: int
) -> tuple[Words, Rows]:
    """As many replicates as a budget pays, coalitions that coincide being evaluated once.

    The number of replicates depends on their coalitions, but not on which player is which:
    relabelling changes no coincidence. So each permutation is as likely as any other, given the
    number, and estimates that are unbiased for a fixed number stay so.

    Parameters
    ----------
    draw : callable
        ``draw(count)`` gives the coalitions of the first ``count`` replicates, shape
        (count, c, n_words).
    start : array of shape (s, n_words)
        Distinct coalitions that are evaluated before.
    cost : int
        Coalitions of a replicate that are not among these.
    budget : int
        The most coalitions.

    Returns
    -------
    words : array of shape (m, n_words)
        Distinct coalitions, those of ``start`` first.
    rows : array of shape (count, c)
        For each coalition of each replicate its row in ``words``.
    """
    paid = max(1, (budget - len(start)) // cost)
    count = paid + 1
    while True:
        drawn = draw(count)
        flat = drawn.reshape(-1, drawn.shape[-1])
        places = np.empty(len(flat), dtype=np.int64)
        kernels.first_places(start, flat, places)
        new = places == np.arange(len(start), len(start) + len(flat))
        spent = len(start) + new.reshape(count, -1).sum(axis=1).cumsum()
        kept = int(np.searchsorted(spent, budget, side="right"))
        if kept < count or count > _MOST_PER_PAID * paid:
            break
        count *= 2
    new, places = new[: kept * drawn.shape[1]], places[: kept * drawn.shape[1]]
    # From the row of the first equal coalition to its place among the distinct ones.
    number = np.concatenate([np.arange(len(start)), len(start) - 1 + new.cumsum()])
    words = np.concatenate([start, flat[: len(new)][new]])
    return words, number[places].reshape(kept, -1)


def mean_and_error(replicates: Matrix) -> tuple[Matrix, Matrix]:
    """Mean over the first axis, of arrays of shape (count, n_values, n_games), and its error."""
    count = len(replicates)
    variance = replicates.var(axis=0, ddof=1) / count
    return replicates.mean(axis=0), error_of_sum(variance, count - 1)


def weighted_mean_and_error(kinds: list[Matrix], costs: list[int]) -> tuple[Matrix, Matrix]:
    """Mean of replicates of several kinds, each kind weighed by its cost, and its error.

    Weights that do not look at the worths keep the mean unbiased.
    """
    weights = np.array(costs) / sum(costs)
    means = [weight * some.mean(axis=0) for weight, some in zip(weights, kinds, strict=True)]
    parts = np.stack(
        [
            weight**2 * some.var(axis=0, ddof=1) / len(some)
            for weight, some in zip(weights, kinds, strict=True)
        ]
    )
    freedom = np.array([len(some) - 1 for some in kinds])[:, None]
    error = error_of_sum(parts.sum(axis=0), degrees_of_sum(parts, freedom))
    return np.sum(means, axis=0), error


def degrees_of_sum(parts: Matrix, degrees: Matrix) -> Matrix:
    """Degrees of freedom of a sum of variances (Satterthwaite 1946), of the values together.

    Parameters
    ----------
    parts : array of shape (n_parts, n_values, n_games)
        The variances.
    degrees : array of shape (n_parts, n_games or 1)
        Their degrees of freedom, more than 0.
    """
    each = parts.mean(axis=1)
    squares = (each**2 / degrees).sum(axis=0)
    found: Matrix = np.full(each.shape[1], degrees.sum(axis=0), dtype=np.float64)
    np.divide(each.sum(axis=0) ** 2, squares, out=found, where=squares > 0)
    return found


def error_of_sum(variance: Matrix, degrees: Any, prior: int = _PRIOR) -> Matrix:
    """Standard errors of estimates, from the variances that were found for them.

    Of little data a value's own variance says little, and often by luck nothing: where a player
    matters in few coalitions only. So it is moderated by the mean variance of all values, which
    counts as ``prior`` degrees of freedom (Smyth 2004, Linear models and empirical Bayes
    methods); and the error is widened by Student's factor, so that two of them cover 95 % whatever
    the amount of data.

    Parameters
    ----------
    variance : array of shape (n_values, n_games)
        Of each estimate.
    degrees : float or array of shape (n_games,)
        Degrees of freedom of each variance.
    prior : int
        Those of their mean.
    """
    from scipy.special import ndtr, stdtrit

    total = degrees + prior
    moderated = (degrees * variance + prior * variance.mean(axis=0)) / total
    error: Matrix = np.sqrt(moderated) * (stdtrit(total, float(ndtr(2.0))) / 2.0)
    return error


def effective_number(parts: Matrix, shares: Any = 1.0) -> Matrix:
    """How many equal parts would vary as much as these, down the rows, each there to a share."""
    # Of any unit: squares neither overflow nor vanish.
    parts = parts / np.maximum(parts.max(axis=0, initial=0.0), 1e-300)
    squares = (shares * parts**2).sum(axis=0)
    number: Matrix = np.ones(parts.shape[1:])
    np.divide((shares * parts).sum(axis=0) ** 2, squares, out=number, where=squares > 0)
    return number
