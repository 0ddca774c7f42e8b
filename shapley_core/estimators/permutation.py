"""Averages along random orders of the players."""

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .. import indices
from .._kernels import permutations as kernels
from ..arrays import is_one_of
from ..errors import InputError
from ..indices import IndexSpec, PointLaw
from .base import Design, Estimates, Estimator, Task, estimates_of_sizes
from .registry import register
from .replicates import (
    Matrix,
    Rows,
    Words,
    ends,
    mean_and_error,
    replicates_within,
    weighted_mean_and_error,
)
from .stopping import StoppingRule

Orders = NDArray[np.int32]
Second = Literal["none", "reverse", "complement"]

_SCHEMES = ("balanced", "antithetic", "plain")
# With fewer rings than these their spread says too little, and pairs of orders are taken.
_LEAST_RINGS = 2
# The fewest pairs of orders that are taken beside rings: one alone shows no spread.
_LEAST_PAIRS = 2
# Numbers of streams, away from those of other designs of the same seed.
_STREAM = 1 << 40
_PAIR_STREAM = 1 << 42


@dataclass(frozen=True, eq=False)
class Orderings(Design):
    """Coalitions along random orders.

    Attributes
    ----------
    orders : int32 array of shape (n_replicates, n_players)
        The random order of each replicate.
    rows : int64 array of shape (n_replicates, c)
        The rows of its coalitions in ``words``.
    rings : bool
        Whether these are all runs of neighbours around a ring, or walks from the empty coalition.
    second : "none", "reverse" or "complement"
        What the second walk of a replicate is.
    beside : Orderings, optional
        Pairs of orders, of the same words, for what rings leave of the budget.
    """

    orders: Orders
    rows: Rows
    rings: bool
    second: Second
    beside: "Orderings | None" = None


@register
@dataclass(frozen=True)
class Permutation(Estimator):
    """Discrete derivatives at the predecessors in random orders of the players.

    In a random order, the players before the first member of S are a random coalition T outside
    S, and the mean of Δ_S(T), weighed by what the index gives to coalitions of its size against
    how often that size comes up, is the value of S. One order serves all interactions.

    Parameters
    ----------
    scheme : "balanced", "antithetic" or "plain"
        *plain*: independent orders (Castro, Gómez and Tejada 2009). *antithetic*: each order
        together with its reverse (interactions of order 2 and more: with the complements of its
        coalitions, where that suits the index better), which is exact on games without
        interactions beyond pairs. *balanced*, for order 1: the players stand in a ring, and all n
        starting points and both directions are averaged, from n (n - 1) evaluations, half of what
        as many orders would take; each player meets each size equally often, so semivalues need
        no importance weights. What is left of the budget goes to pairs of orders, if it pays two.
        Below 2 rings, and for higher orders, it is antithetic.

    Notes
    -----
    Standard errors come from the spread of the replicates: orders, pairs of orders, rings.
    Shapley values sum to v(N) - v(∅), as do Shapley-Taylor values.
    """

    scheme: str = "balanced"

    # Orders are drawn with replacement.
    consistent = False

    def __post_init__(self) -> None:
        if not is_one_of(self.scheme, _SCHEMES):
            raise InputError(f"scheme must be one of {', '.join(_SCHEMES)}; got {self.scheme!r}")

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        if spec.family != "derivative" or spec.has_constant:
            return False
        laws = [spec.law_of(size, order) for size in range(1, order + 1)]
        # The indices of Moebius and the like are known from few coalitions, none of them random.
        known = isinstance(laws[-1], PointLaw) and laws[-1].at in (0, 1)
        return not known and (order == 1 or None not in laws)

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return 2 + 2 * self._cost(n_players, order)

    def _cost(self, n_players: int, order: int) -> int:
        """Coalitions of a replicate of walks, but for the empty and the grand one."""
        walk = sets.n_interactions(n_players, order) - 1
        return walk if self.scheme == "plain" else 2 * walk

    def _takes_rings(self, task: Task) -> bool:
        n = task.n_players
        return (
            self.scheme == "balanced"
            and task.order == 1
            and n > 2
            and task.budget >= 2 + _LEAST_RINGS * n * (n - 1)
        )

    def _rounds(self, task: Task, rule: StoppingRule | None) -> list[int]:
        rounds = super()._rounds(task, rule)
        if not self._takes_rings(task):
            return rounds
        # No round before the last has pairs of orders: a later one of more rings need not have
        # room for them.
        ring = task.n_players * (task.n_players - 1)
        whole = [2 + ring * ((budget - 2) // ring) for budget in rounds[:-1]]
        return [*(b for b in whole if b >= 2 + _LEAST_RINGS * ring), rounds[-1]]

    def _design(self, task: Task) -> Design:
        n = task.n_players
        if not self._takes_rings(task):
            second: Second = "none" if self.scheme == "plain" else _second_walk(task)
            return self._orderings(task, ends(n), False, second)
        found = self._orderings(task, ends(n), True, "none")
        cost = self._cost(n, task.order)
        # A budget of whole rings is for rings alone, also where some of their coalitions coincide.
        tail = (task.budget - 2) % (n * (n - 1)) > 0
        if not tail or task.budget - len(found.words) < _LEAST_PAIRS * cost:
            return found
        pairs = self._orderings(task, found.words, False, _second_walk(task))
        return replace(found, words=pairs.words, beside=pairs)

    def _orderings(self, task: Task, start: Words, rings: bool, second: Second) -> Orderings:
        """Rings or walks for what the budget leaves beside ``start``."""
        n = task.n_players
        orders = np.zeros((0, n), dtype=np.int32)

        def draw(count: int) -> Words:
            nonlocal orders
            orders = np.empty((count, n), dtype=np.int32)
            kernels.shuffled(task.seed, _STREAM if len(start) == 2 else _PAIR_STREAM, orders)
            if rings:
                return _runs(orders, n)[:, 1:-1].reshape(count, n * (n - 1), -1)
            return _replicate_words(orders, task.order, second)

        cost = n * (n - 1) if rings else self._cost(n, task.order)
        words, rows = replicates_within(draw, start, cost, task.budget)
        return Orderings(words, orders[: len(rows)], rows, rings, second)

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, Orderings)
        if design.rings:
            samples = [_around(task, design, worths)]
            costs = [design.rows.size]
            if design.beside is not None:
                samples.append(_along(task, design.beside, worths, 1))
                costs.append(design.beside.rows.size)
            return estimates_of_sizes([weighted_mean_and_error(samples, costs)])
        parts = []
        for size in range(1, task.order + 1):
            law = task.spec.law_of(size, task.order)
            if isinstance(law, PointLaw) and law.at == 0:
                parts.append(_at_the_empty_set(task, design, worths, size))
            else:
                parts.append(mean_and_error(_along(task, design, worths, size)))
        return estimates_of_sizes(parts)


def _runs(orders: Orders, n_starts: int) -> Words:
    """Coalitions of l neighbours from each start, shape (count, n + 1, n_starts, n_words)."""
    count, n = orders.shape
    out = np.empty((count, n + 1, n_starts, -(-n // sets.WORD)), dtype=np.uint64)
    kernels.arcs(orders, n_starts, out)
    return out


def _around(task: Task, design: Orderings, worths: Matrix) -> Matrix:
    """Each ring's mean marginal contributions, in both directions, weighed by size."""
    n, count = task.n_players, len(design.orders)
    weights = indices.size_weights(task.spec, n, 1, 1) / 2
    inner = worths[design.rows].reshape(count, n - 1, n, -1)
    shape = (count, n, worths.shape[1])
    by_length = [np.broadcast_to(worths[0], shape), *inner.swapaxes(0, 1)]
    by_length.append(np.broadcast_to(worths[1], shape))
    total = np.zeros(shape)
    for size, weight in enumerate(weights):
        # The player at place p joins the run that ends before it, and the run that starts after.
        before = by_length[size + 1] - by_length[size]
        total += weight * np.roll(before, size, axis=1)
        total += weight * (by_length[size + 1] - np.roll(by_length[size], -1, axis=1))
    out = np.empty_like(total)
    np.put_along_axis(out, design.orders[:, :, None].astype(np.int64), total, axis=1)
    return out


# --- walks ------------------------------------------------------------------------------------
#
# The coalitions of a walk are T_j ∪ L, where T_j are the first j players of the order and L, of
# fewer players than the order of the index, come after place j. (j, L) is a set of places whose
# first is j, so there is one coalition for each set of 1 .. order places; and the grand one.


@dataclass(frozen=True, eq=False)
class _Walk:
    places: list[NDArray[np.int32]]
    # For each size: sets of places, and for each the rows of v(T ∪ L), L ⊆ S, with their signs.
    terms: list[tuple[NDArray[np.int32], Rows, NDArray[np.float64]]]


@lru_cache(maxsize=8)
def _walk(n_players: int, order: int) -> _Walk:
    places = [sets.interactions_of_size(n_players, size) for size in range(1, order + 1)]
    starts = np.cumsum([0, *map(len, places)])
    terms = []
    for size, members in enumerate(places, 1):
        rows, signs = [], []
        others = range(1, size)
        for chosen in (c for length in range(size) for c in combinations(others, length)):
            for joined in (0, 1):
                rows.append(_row(members[:, 0] + joined, members[:, list(chosen)], starts))
                signs.append((-1.0) ** (size - len(chosen) - joined))
        terms.append((members, np.stack(rows, axis=1), np.array(signs)))
    return _Walk(places, terms)


def _row(first: NDArray[np.int32], others: NDArray[np.int32], starts: Rows) -> Rows:
    """The row of T_first ∪ others; those that follow right upon T belong to a longer T."""
    n_players = int(starts[1])
    count, width = others.shape
    absorbed = np.zeros(count, dtype=np.int64)
    running = np.ones(count, dtype=np.bool_)
    for column in range(width):
        running &= others[:, column] == first + column
        absorbed += running
    out = np.full(count, starts[-1], dtype=np.int64)
    for taken in range(width + 1):
        here = (absorbed == taken) & (first + taken < n_players)
        key = np.column_stack([first[here] + taken, others[here, taken:]]).astype(np.int32)
        out[here] = starts[width - taken] + sets.ranks(key, n_players)
    return out


def _second_walk(task: Task) -> Second:
    """Whether the complements of a walk or its reverse leave the more even weights."""
    law, both = _laws(task.n_players, task.order)
    wanted = indices.size_weights(task.spec, task.n_players, task.order, task.order)
    return "complement" if (wanted**2 / both).sum() <= (wanted**2 / law).sum() else "reverse"


def _laws(n_players: int, size: int) -> tuple[Matrix, Matrix]:
    """P(|T| = t) at the first member of S, and the mean of that and of its mirror image."""
    ways = [comb(n_players - 1 - t, size - 1) for t in range(n_players - size + 1)]
    law = np.array([way / comb(n_players, size) for way in ways])
    return law, (law + law[::-1]) / 2


def _replicate_words(orders: Orders, order: int, second: Second) -> Words:
    first = _walk_words(orders, order)
    if second == "none":
        return first
    if second == "reverse":
        other = _walk_words(np.ascontiguousarray(orders[:, ::-1]), order)
    else:
        other = first ^ first[:, -1:]
    return np.concatenate([first, other], axis=1)


def _walk_words(orders: Orders, order: int) -> Words:
    """Coalitions of a walk along each order, the last the grand one."""
    n = orders.shape[1]
    prefixes = _runs(orders, 1)[:, :, 0]
    bits = sets.pack(np.eye(n, dtype=np.bool_))
    parts = []
    for places in _walk(n, order).places:
        part = prefixes[:, places[:, 0]]
        for column in range(1, places.shape[1]):
            part = part | bits[orders[:, places[:, column]]]
        parts.append(part)
    return np.concatenate([*parts, prefixes[:, -1:]], axis=1)


def _along(task: Task, design: Orderings, worths: Matrix, size: int) -> Matrix:
    """Each replicate's values of one size, shape (count, C(n, size), n_games)."""
    n = task.n_players
    wanted = indices.size_weights(task.spec, n, size, task.order)
    alone, both = _laws(n, size)
    likely = both if design.second == "complement" else alone
    weights = np.divide(wanted, likely)
    places, terms, signs = _walk(n, task.order).terms[size - 1]
    count, n_walks = len(design.orders), 1 if design.second == "none" else 2
    rows = design.rows.reshape(count, n_walks, -1)
    gains = np.zeros((n_walks, count, len(places), worths.shape[1]))
    for walk in range(n_walks):
        mirrored = walk == 1 and design.second == "complement"
        orders = design.orders[:, ::-1] if walk and not mirrored else design.orders
        at = _ranks(orders, places, n)
        for column, sign in zip(terms.T, signs, strict=True):
            # Of complements, S joins what is outside: the terms come in the opposite order.
            turned = -sign if mirrored and size % 2 else sign
            gains[walk][np.arange(count)[:, None], at] += turned * worths[rows[:, walk, column]]
    if np.ptp(weights) <= 1e-12 * abs(weights[0]):
        return np.asarray(weights[0] * gains.mean(axis=0))
    by_walk = np.empty((n_walks, count, len(places), 1))
    for walk in range(n_walks):
        mirrored = walk == 1 and design.second == "complement"
        orders = design.orders[:, ::-1] if walk and not mirrored else design.orders
        there = weights[n - size - places[:, 0]] if mirrored else weights[places[:, 0]]
        by_walk[walk][np.arange(count)[:, None], _ranks(orders, places, n), 0] = there
    # What all orders but this one say is subtracted before the weights apply, and added as it
    # should be: weights vary, and a common part would vary with them.
    mean = gains.mean(axis=0)
    others = (mean.sum(axis=0) - mean) / (count - 1)
    return np.asarray(wanted.sum() * others + (by_walk * (gains - others)).mean(axis=0))


def _ranks(orders: Orders, places: NDArray[np.int32], n_players: int) -> Rows:
    """For each order the ranks of the interactions that stand at the places."""
    players = np.sort(orders[:, places], axis=2)
    flat = players.reshape(-1, places.shape[1])
    return sets.ranks(flat, n_players).reshape(len(orders), -1)


def _at_the_empty_set(
    task: Task, design: Orderings, worths: Matrix, size: int
) -> tuple[Matrix, Matrix]:
    """Δ_S(∅): every walk holds all coalitions of fewer players than the order."""
    n = task.n_players
    walk = _walk(n, task.order)
    starts = np.cumsum([0, *map(len, walk.places)])
    members = walk.places[size - 1]
    rows = design.rows[0].reshape(-1, starts[-1] + 1)[0]
    out = np.zeros((len(members), worths.shape[1]))
    at = _ranks(design.orders[:1], members, n)[0]
    nowhere = np.zeros(len(members), dtype=np.int32)
    for length in range(size + 1):
        for chosen in combinations(range(size), length):
            found = _row(nowhere, members[:, list(chosen)], starts)
            out[at] += (-1.0) ** (size - length) * worths[rows[found]]
    return out, np.zeros_like(out)
