"""Designs of coalitions in pairs with their complements, drawn without replacement.

The pairs (T, N∖T) with |T| = t <= n/2 are the stratum t. How many pairs a stratum gets follows from
the weights of the sizes; a stratum that would get more than it has is enumerated. Within a
stratum the pairs are a simple random sample, so the probability that a pair is in is known: the
number of pairs drawn over the number there are (Musco and Witter 2025, Provably accurate Shapley
value estimation via leverage score sampling, draw each coalition with that probability).
"""

from dataclasses import dataclass
from math import comb, lgamma, log

import numpy as np
from numpy.typing import NDArray

from .._kernels import sampling as kernels
from ..coalitions import WORD
from .base import Design, Task

Array = NDArray[np.float64]

# Beyond, strata are as good as endless: no budget comes near.
_ENDLESS = 1 << 62
_OFFSETS = 1 << 63  # number of the stream of random offsets; strata use 1 .. n/2


@dataclass(frozen=True, eq=False)
class PairedDesign(Design):
    """The empty coalition, the full one, then pairs: rows 2k and 2k + 1 are complements.

    Attributes
    ----------
    sizes, counts : int64 arrays of shape (n_strata,)
        t = 1 .. n/2, and the number of pairs of each, in the order of the rows.
    expected : float64 array of shape (n_strata,)
        The number of pairs that the weights give: the count itself, but where that is below one.
    log_capacity : float64 array of shape (n_strata,)
        Logarithm of the number of pairs there are. The probability that a pair is in is
        expected / exp(log_capacity).
    complete : bool array of shape (n_strata,)
        Whether all pairs are in.
    """

    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    expected: Array
    log_capacity: Array
    complete: NDArray[np.bool_]

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return int(self.counts.sum())

    @property
    def missing(self) -> Array:
        """The fraction of each stratum that is not in: what sampling leaves of its variance."""
        with np.errstate(divide="ignore"):
            return 1.0 - np.exp(np.log(self.expected) - self.log_capacity)

    @property
    def strata(self) -> NDArray[np.int64]:
        """The place in ``sizes`` of each pair's stratum, shape (n_pairs,)."""
        return np.repeat(np.arange(len(self.sizes)), self.counts)


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
    capacities = [capacity(n, t) for t in sizes.tolist()]
    # Of the size n/2 both coalitions of a pair are in one weight, elsewhere there are two.
    halves = np.where(2 * sizes == n, log(0.5), 0.0)
    counts, expected = allocate((task.budget - 2) // 2, capacities, log_weights + halves, task.seed)
    words = np.zeros((2 + 2 * int(counts.sum()), -(-n // WORD)), dtype=np.uint64)
    words[1] = full_words(n)
    kernels.paired(n, task.seed, sizes, counts, words[2:])
    return PairedDesign(
        words,
        sizes,
        counts,
        expected,
        np.array([log_pairs(n, t) for t in sizes.tolist()]),
        np.array([count == most for count, most in zip(counts.tolist(), capacities, strict=True)]),
    )


def full_words(n_players: int) -> NDArray[np.uint64]:
    """The coalition of all players, shape (n_words,)."""
    words = np.full(-(-n_players // WORD), ~np.uint64(0))
    if n_players % WORD:
        words[-1] = np.uint64((1 << n_players % WORD) - 1)
    return words


def capacity(n_players: int, size: int) -> int:
    """Number of pairs in a stratum, 2**62 if there are more."""
    # The middle size holds each pair twice.
    smaller = min(size, 64)
    if comb(n_players - 1, smaller - 1) >= _ENDLESS:
        return _ENDLESS
    pairs = comb(n_players, size)
    return min(pairs // 2 if 2 * size == n_players else pairs, _ENDLESS)


def log_pairs(n_players: int, size: int) -> float:
    """Logarithm of the number of pairs in a stratum."""
    log_count = lgamma(n_players + 1) - lgamma(size + 1) - lgamma(n_players - size + 1)
    return log_count - log(2) * (2 * size == n_players)


def allocate(
    n_pairs: int, capacities: list[int], log_weights: Array, seed: int
) -> tuple[NDArray[np.int64], Array]:
    """How many pairs each stratum gets, and how many it was to get.

    A stratum of weight w gets min(floor(c w + u), capacity) with one c for all, that makes them
    sum to ``n_pairs``, and a random u in [0, 1) of its own. So no count falls when ``n_pairs``
    grows, and counts are on average as the weights say even where these give less than one.
    """
    n_strata = len(capacities)
    counts = np.zeros(n_strata, dtype=np.int64)
    open_strata = np.flatnonzero(np.isfinite(log_weights))
    total = sum(capacities[at] for at in open_strata)
    if n_pairs >= total:
        counts[open_strata] = [capacities[at] for at in open_strata]
        return counts, counts.astype(np.float64)
    room = np.array([float(most) for most in capacities])
    weights = np.zeros(n_strata)
    weights[open_strata] = np.exp(log_weights[open_strata] - log_weights[open_strata].max())
    expected = _level(float(n_pairs), room, weights)
    offsets = np.empty(n_strata)
    kernels.uniform(seed, _OFFSETS, offsets)
    counts = _rounded(n_pairs, room, weights, offsets)
    # With at least one pair the count itself is what the stratum's pairs were drawn with.
    sure = (expected >= 1.0) & (counts > 0)
    return counts, np.where(sure, counts, expected)


def _level(total: float, room: Array, weights: Array) -> Array:
    """min(c w, room) for the c that makes them sum to a total."""
    with np.errstate(divide="ignore"):
        ends = np.where(weights > 0, room / weights, np.inf)
    order = np.argsort(ends, kind="stable")
    left_room = total - np.concatenate([[0.0], np.cumsum(room[order])[:-1]])
    left_weight = np.cumsum(weights[order][::-1])[::-1]
    # The first stratum, by the c at which it is full, that the c of the rest does not fill.
    with np.errstate(divide="ignore", invalid="ignore"):
        level = left_room / left_weight
    first = int(np.argmax(level < ends[order]))
    counts: Array = np.minimum(level[first] * weights, room)
    return counts


def _rounded(n_pairs: int, room: Array, weights: Array, offsets: Array) -> NDArray[np.int64]:
    """Counts min(floor(c w + u), room) that sum to ``n_pairs``."""

    def at(c: float) -> Array:
        return np.minimum(np.floor(c * weights + offsets), room)

    low, high = 0.0, 1.0
    while at(high).sum() < n_pairs:
        high *= 2.0
    # Until the counts at both ends differ in a few strata, by one.
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if at(middle).sum() <= n_pairs else (low, middle)
    counts: NDArray[np.int64] = at(low).astype(np.int64)
    for _ in range(n_pairs - int(counts.sum())):
        # The next to step up, by the c at which it does.
        with np.errstate(divide="ignore"):
            steps = np.where(
                (counts < room) & (weights > 0), (counts + 1 - offsets) / weights, np.inf
            )
        counts[np.argmin(steps)] += 1
    return counts
