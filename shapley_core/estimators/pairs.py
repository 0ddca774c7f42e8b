"""Designs of coalitions, in pairs with their complements or singly, drawn without replacement.

The pairs (T, N∖T) with |T| = t <= n/2, or the coalitions of size t, are the stratum t. How many
draws a stratum gets follows from the weights of the sizes; one that would get more than it has is
enumerated. Within a stratum the draws are a simple random sample, so the probability that one is
in is known: the number of draws over the number there are (Musco and Witter 2025, Provably
accurate Shapley value estimation via leverage score sampling, draw each coalition with that
probability).
"""

from dataclasses import dataclass
from math import comb, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import sampling as kernels
from ..coalitions import WORD
from .base import Design, Task
from .incidence import meeting_chances
from .laws import log_binomial
from .replicates import effective_number, ends

Array = NDArray[np.float64]

# Beyond, strata are as good as endless: no budget comes near.
_ENDLESS = 1 << 62
_OFFSETS = 1 << 63  # number of the stream of random offsets; strata use 1 .. n - 1


@dataclass(frozen=True, eq=False)
class StratifiedDesign(Design):
    """The empty coalition, the full one, then draws without replacement from strata of sizes.

    Attributes
    ----------
    sizes, counts : int64 arrays of shape (n_strata,)
        The size and the number of draws of each stratum, in the order of the rows.
    expected : float64 array of shape (n_strata,)
        The number of draws that the weights give: the count itself, but where that is below one.
    log_capacity : float64 array of shape (n_strata,)
        Logarithm of the number of draws there are. The probability that one is in is
        expected / exp(log_capacity).
    complete : bool array of shape (n_strata,)
        Whether all are in.
    """

    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    expected: Array
    log_capacity: Array
    complete: NDArray[np.bool_]

    @property
    def missing(self) -> Array:
        """The fraction of each stratum that is not in: what sampling leaves of its variance."""
        with np.errstate(divide="ignore"):
            fraction = 1.0 - np.exp(np.log(self.expected) - self.log_capacity)
        return np.where(self.complete, 0.0, fraction)

    @property
    def strata(self) -> NDArray[np.int64]:
        """The place in ``sizes`` of each draw's stratum, shape (n_draws,)."""
        return np.repeat(np.arange(len(self.sizes)), self.counts)


@dataclass(frozen=True, eq=False)
class PairedDesign(StratifiedDesign):
    """Draws are pairs, of sizes 1 .. n // 2: rows 2k and 2k + 1 are complements."""

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return int(self.counts.sum())


@dataclass(frozen=True, eq=False)
class SizedDesign(StratifiedDesign):
    """Draws are single coalitions, of sizes 1 .. n - 1."""


def paired_design(task: Task, log_weights: Array) -> PairedDesign:
    """Pairs by a law of sizes.

    Parameters
    ----------
    task : Task
        Its budget is for both of each pair and for the empty and the full coalition.
    log_weights : float64 array of shape (n // 2,)
        Logarithms of the weights of the sizes t = 1 .. n/2 (all coalitions of a size together),
        up to a constant; -inf for a size that is left out. That of n - t is the same.
    """
    n = task.n_players
    sizes = np.arange(1, n // 2 + 1, dtype=np.int64)
    # Of the size n/2 both coalitions of a pair are in one weight, elsewhere there are two.
    halves = np.where(2 * sizes == n, log(0.5), 0.0)
    return PairedDesign(*_drawn(task, sizes, log_weights + halves, 2))


def sized_design(task: Task, log_weights: Array) -> SizedDesign:
    """Single coalitions by a law of sizes: ``paired_design`` for t = 1 .. n - 1."""
    return SizedDesign(*_drawn(task, np.arange(1, task.n_players), log_weights, 1))


def _drawn(task: Task, sizes: NDArray[np.int64], log_weights: Array, step: int) -> tuple[Any, ...]:
    n = task.n_players
    capacities = [capacity(n, t, step) for t in sizes.tolist()]
    counts, expected = allocate((task.budget - 2) // step, capacities, log_weights, task.seed)
    words = np.zeros((2 + step * int(counts.sum()), -(-n // WORD)), dtype=np.uint64)
    words[:2] = ends(n)
    kernels.strata(n, task.seed, sizes, counts, step, words[2:])
    logs = np.array([log_capacity(n, t, step) for t in sizes.tolist()])
    complete = [count == most for count, most in zip(counts.tolist(), capacities, strict=True)]
    return words, sizes, counts, expected, logs, np.array(complete, dtype=np.bool_)


def degrees_of_draws(
    design: StratifiedDesign,
    n_players: int,
    draws: NDArray[np.float64],
    rows: NDArray[np.intp] | slice = slice(None),
) -> Array:
    """Degrees of freedom of the variances of sums over the draws, for a value on average.

    A value sees only the draws that count for it: few, where it hangs on few coalitions, as a
    Moebius coefficient does; less than one, where most values see none of theirs, and nothing but
    the others tells of their error.

    Parameters
    ----------
    design : StratifiedDesign
    n_players : int
    draws : array of shape (m, s + 1, n_games)
        What each draw adds to the value of an S that it meets in r players.
    rows : optional
        Which draws of the design these are, by default all.

    Returns
    -------
    array of shape (n_games,)
    """
    size = draws.shape[1] - 1
    ways = np.array([float(comb(size, r)) for r in range(size + 1)])
    chances = meeting_chances(n_players, size)[design.sizes] * ways
    of = design.strata[rows]
    parts = design.missing[of][:, None, None] * draws**2
    # Each row stands for as many values as meet its coalition so.
    return effective_number(parts.reshape(-1, parts.shape[2]), chances[of].reshape(-1, 1))


def capacity(n_players: int, size: int, step: int) -> int:
    """Number of pairs (``step`` 2) or coalitions (1) of a size, 2**62 if there are more."""
    smaller = min(size, n_players - size)
    # Not to count what has hundreds of digits.
    if comb(n_players - 1, min(smaller, 64) - 1) >= _ENDLESS:
        return _ENDLESS
    # The middle size holds each pair twice.
    return min(comb(n_players, size) // _doubles(n_players, size, step), _ENDLESS)


def log_capacity(n_players: int, size: int, step: int) -> float:
    """Logarithm of the number of pairs (``step`` 2) or coalitions (1) of a size."""
    return log_binomial(n_players, size) - log(_doubles(n_players, size, step))


def _doubles(n_players: int, size: int, step: int) -> int:
    return 2 if step == 2 and 2 * size == n_players else 1


def allocate(
    n_draws: int, capacities: list[int], log_weights: Array, seed: int
) -> tuple[NDArray[np.int64], Array]:
    """How many draws each stratum gets, and how many it was to get.

    A stratum of weight w gets min(floor(c w + u), capacity) with one c for all, that makes them
    sum to ``n_draws``, and a random u in [0, 1) of its own. So no count falls when ``n_draws``
    grows, and counts are on average as the weights say even where these give less than one.
    """
    n_strata = len(capacities)
    counts = np.zeros(n_strata, dtype=np.int64)
    weights = np.exp(log_weights - np.max(log_weights, initial=-np.inf))
    weights = np.nan_to_num(weights)  # all left out
    open_strata = np.flatnonzero(weights > 0.0)
    total = sum(capacities[at] for at in open_strata)
    if n_draws >= total:
        counts[open_strata] = [capacities[at] for at in open_strata]
        return counts, counts.astype(np.float64)
    room = np.array([float(most) for most in capacities])
    expected = _level(float(n_draws), room, weights)
    offsets = np.empty(n_strata)
    kernels.uniform(seed, _OFFSETS, offsets)
    counts = _rounded(n_draws, room, weights, offsets)
    # With at least one draw the count itself is what the stratum was drawn with.
    sure = (expected >= 1.0) & (counts > 0)
    return counts, np.where(sure, counts, expected)


def _level(total: float, room: Array, weights: Array) -> Array:
    """min(c w, room) for the c that makes them sum to a total."""
    # The weight of a size may be next to nothing: it is full at a c beyond all numbers.
    with np.errstate(divide="ignore", over="ignore"):
        ends = np.where(weights > 0, room / weights, np.inf)
    order = np.argsort(ends, kind="stable")
    left_room = total - np.concatenate([[0.0], np.cumsum(room[order])[:-1]])
    left_weight = np.cumsum(weights[order][::-1])[::-1]
    # The first stratum, by the c at which it is full, that the c of the rest does not fill.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        level = left_room / left_weight
    first = int(np.argmax(level < ends[order]))
    counts: Array = np.minimum(level[first] * weights, room)
    return counts


def _rounded(n_draws: int, room: Array, weights: Array, offsets: Array) -> NDArray[np.int64]:
    """Counts min(floor(c w + u), room) that sum to ``n_draws``."""

    def at(c: float) -> Array:
        return np.minimum(np.floor(c * weights + offsets), room)

    low, high = 0.0, 1.0
    while at(high).sum() < n_draws:
        high *= 2.0
    # Until the counts at both ends differ in a few strata, by one.
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if at(middle).sum() <= n_draws else (low, middle)
    counts: NDArray[np.int64] = at(low).astype(np.int64)
    for _ in range(n_draws - int(counts.sum())):
        # The next to step up, by the c at which it does.
        with np.errstate(divide="ignore", over="ignore"):
            steps = np.where(
                (counts < room) & (weights > 0), (counts + 1 - offsets) / weights, np.inf
            )
        counts[np.argmin(steps)] += 1
    return counts
