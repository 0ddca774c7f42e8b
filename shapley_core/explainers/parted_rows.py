"""Values of rows of a marginal game, each a mean over the games of its parts: some donors each.

Beside donors from which a row differs in few players values are exact. The other donors are dealt
out into parts, and each part is asked about coalitions of its own: at the same number of masked
rows more coalitions are seen than where all donors share them, and errors average out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..estimators.stopping import Progress, as_rule
from ..indices import IndexSpec
from ..threads import row_blocks
from .donor_games import DonorGames, Parts, add_values, dealt, equal_players
from .many_games import (
    COPIES,
    ManyValues,
    RowValues,
    estimated_values,
    exact_values,
    shared_estimator,
)
from .masked_games import RowGames
from .varying import rounded_players

Array = NDArray[np.float64]

# Parts that the donors of a row are dealt into: of more, errors are no longer independent.
_PARTS = 16
# A part has a donor for so many coalitions at least: to solve for the values of a game takes a
# time that grows with their square, to evaluate them one that grows with them and the donors.
_COALITIONS = 128
# Where all donors together differ from a row in so many times the players that one does, parts are
# smaller, and as many as there are: those of few donors have few players.
_WIDE, _WIDE_COALITIONS = 1.5, 512
# By how much errors of two parts of a row are correlated: their games are alike. Of 150 tables and
# models two standard errors then cover 0.98, at least 0.91 in any; without, 0.96 and 0.84.
_ALIKE = 0.04
# Worths of parts that are found at once: so few that they stay in the cache, but more of games that
# are solved by the same matrices, which are read each time.
_WORTHS, _SOLVED_WORTHS = 1 << 16, 1 << 18
# Bytes of what tells rows and donors apart, and arrays as large as a block's values.
_PAIR_BYTES, _DIFFERING_BYTES, _SUMS = 64, 1 << 26, 8
# Rounds up to the second have so many times the coalitions of the first, which has at least 64. A
# row then takes 2.7 times the coalitions that would do, were that known before; of others more.
_GROWTH, _FIRST_ROUND = 4, 64


def donors_dealt(bound: RowGames) -> int:
    """Over how many donors the games are means that can be told apart in the memory given, or 0."""
    weights = bound.filler.donor_weights
    if bound.games.link is not None or weights is None:
        return 0
    fit = len(weights) * (bound.n_players + _PAIR_BYTES) <= bound.games.memory // 4
    return len(weights) if fit else 0


def put_parted_values(
    bound: RowGames,
    spec: IndexSpec,
    order: int,
    budget: int,
    seed: int,
    tolerance: Any,
    out: RowValues,
    progress: Callable[[int], object],
) -> None:
    """Values of all rows, of an index that ignores null players.

    With a tolerance there are rounds, each an estimate of its own of what those before have left:
    of rows that are not done, beside donors that are not exact.

    Parameters
    ----------
    bound : RowGames
        With `donors_dealt`.
    budget : int
        The most coalitions that are asked for beside each donor.
    tolerance : float or StoppingRule, optional
        When a row is done; of no use where all values are exact.
    progress : callable
        Called with the number of rows done.
    """
    n = bound.n_players
    least = min(order, n)
    asking = _Asking(DonorGames(bound), spec, order, seed)
    rule = None if out.std_error is None else as_rule(tolerance)
    rounds = [budget] if rule is None else _rounds(budget, asking.least_budget(budget))
    began = time.monotonic()
    out.baseline[:] = 0.0 if spec.has_constant else bound.nothing
    memory = bound.games.memory // 4
    of_pairs = len(asking.games.weights) * (n + _PAIR_BYTES)
    at_once = min(_DIFFERING_BYTES, memory) // of_pairs
    at_once = min(at_once, memory // (8 * _SUMS * out.values[0].size))
    for start, stop in row_blocks(bound.n_rows, max(1, at_once)):
        here = out.part(start, stop)
        evaluations = here.n_evaluations
        assert evaluations is not None
        differs = asking.games.differing(np.arange(start, stop))
        counts = np.maximum(differs.sum(axis=2), least)
        # Neither nothing nor everything is shown.
        planned = np.minimum(1 << np.minimum(counts, budget.bit_length()), budget) - 2
        asking.games.shown = _Shown(start, stop - start, int(planned.sum()), progress)
        left = np.ones(counts.shape, np.bool_)
        for step in rounds:
            few = left & (counts < step.bit_length())
            left &= ~few
            sums = asking.round(start, differs, few, left, step, here)
            evaluations += sums.n_evaluations
            going = np.zeros(stop - start, np.bool_)
            if rule is not None and step != rounds[-1]:
                seconds, error = time.monotonic() - began, sums.error()
                for row in np.flatnonzero(left.any(axis=1)).tolist():
                    spent, values = int(evaluations[row]), here.values[row] + sums.values[row]
                    going[row] = not rule(Progress(spent, budget, seconds, values.T, error[row].T))
            # Of rows that were done before there are no sums in this round.
            sums.add_to(here, ~going)
            left &= going[:, None]
            if not left.any():
                break


def _rounds(budget: int, least: int) -> list[int]:
    """Budgets of the rounds, which sum to the whole: no round knows the coalitions of another."""
    rounds = [budget]
    # Standard errors of the least budget say little: begin with twice as much.
    while rounds[0] // _GROWTH >= max(_FIRST_ROUND, 2 * least):
        first = rounds[0] // _GROWTH
        rounds[:1] = [first, rounds[0] - first]
    return rounds


def _rounded(n: int, least: int, budget: int, count: int) -> int:
    return rounded_players(max(count, least), n, budget)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over parts of rows: of values, of their standard errors, and roots of sums of squares.

    Roots, for squares of large errors overflow, and those of small ones vanish.
    """

    values: Array
    baseline: Array
    n_evaluations: NDArray[np.int64]
    std_error: Array | None = None
    roots: Array | None = None

    @classmethod
    def empty(cls, shape: tuple[int, ...], n_evaluations: NDArray[np.int64]) -> "_Sums":
        """Sums of nothing, (n_rows, n_interactions, n_outputs)."""
        baseline = np.zeros((shape[0], shape[2]))
        return cls(np.zeros(shape), baseline, n_evaluations, np.zeros(shape), np.zeros(shape))

    def add_to(self, out: RowValues, rows: NDArray[np.bool_]) -> None:
        """Add what there is of some of the rows to their values."""
        out.values[rows] += self.values[rows]
        out.baseline[rows] += self.baseline[rows]
        if out.std_error is not None:
            out.std_error[rows] += self.error()[rows]

    def error(self) -> Array:
        """Standard errors of the values of the rows."""
        assert self.std_error is not None and self.roots is not None
        alike, apart = sqrt(_ALIKE) * self.std_error, sqrt(1 - _ALIKE) * self.roots
        found: Array = np.hypot(alike, apart)
        return found


@dataclass(frozen=True, eq=False)
class _Asking:
    """What parts of the games of rows are asked for, and how."""

    games: DonorGames
    spec: IndexSpec
    order: int
    seed: int

    def least_budget(self, budget: int) -> int:
        """The least budget for parts of all players."""
        n = self.games.bound.n_players
        estimator = self._estimator(n, budget)
        least: int = estimator.least_budget(n, self.spec, self.order)
        return least

    def round(
        self,
        start: int,
        differs: NDArray[np.bool_],
        few: NDArray[np.bool_],
        others: NDArray[np.bool_],
        budget: int,
        exactly: RowValues,
    ) -> _Sums:
        """Ask once about pairs of rows, which are counted from ``start`` on, and donors.

        Parameters
        ----------
        differs : bool (n_rows, n_donors, n_players)
        few, others : bool (n_rows, n_donors)
            The pairs that are exact with the budget, and those that are dealt into parts.
        budget : int
        exactly : RowValues
            What the values of exact pairs are added to.

        Returns
        -------
        _Sums
            Of the parts; with the evaluations of all.
        """
        n, least = self.games.bound.n_players, min(self.order, self.games.bound.n_players)
        spent = np.zeros(len(differs), np.int64)
        sums = _Sums.empty(exactly.values.shape, spent)
        numbers = _numbers_of_parts(differs, others, budget)
        rounded = partial(_rounded, n, least, budget)
        # Those of most players first: if the budget is too small for them nothing is lost.
        for parts in reversed(dealt(differs, others, numbers, rounded, self.seed)):
            self._estimate(parts, start, budget, sums)
        for parts in equal_players(differs, few, least):
            self._evaluate(parts, start, _Sums(exactly.values, exactly.baseline, spent))
        return sums

    def _estimator(self, n_players: int, budget: int) -> Any:
        n_donors = len(self.games.weights)
        return shared_estimator(self.spec, self.order, n_players, budget, n_donors)

    def _at_once(self, most: int, n_coalitions: int) -> int:
        """Parts whose worths may be held at once."""
        bound = self.games.bound
        room = bound.games.memory // 2 // (8 * COPIES)
        return int(max(1, min(most, room) // (n_coalitions * bound.n_outputs)))

    def _estimate(self, parts: Parts, start: int, budget: int, into: _Sums) -> None:
        """Add estimated values of parts of rows, which are counted from ``start`` on."""
        estimator = self._estimator(parts.n_players, budget)
        for some in parts.blocks(self._at_once(_SOLVED_WORTHS, budget)):
            found = estimated_values(
                partial(_worths, self.games, some.after(start)),
                parts.n_players,
                len(some),
                self.games.bound.n_outputs,
                estimator=estimator,
                budget=budget,
                index=self.spec,
                order=self.order,
                seed=self.seed,
                tolerance=None,
            )
            self._add(some, found, into)

    def _evaluate(self, parts: Parts, start: int, into: _Sums) -> None:
        """Add exact values."""
        size = 1 << parts.n_players
        for some in parts.blocks(self._at_once(_WORTHS, size)):
            table = self.games.worths(some.after(start), sets.all_coalitions(parts.n_players))
            found = exact_values(table.reshape(size, -1), self.spec, self.order)
            self._add(some, found, into)

    def _add(self, parts: Parts, found: ManyValues, into: _Sums) -> None:
        """Add values of parts, by their shares, to their rows'; and errors, in both ways."""
        shares, n = self.games.shares(parts), self.games.bound.n_players
        add_values(parts, found.values, shares, into.values, self.order, n)
        if found.std_error is not None and into.std_error is not None:
            assert into.roots is not None
            add_values(parts, found.std_error, shares, into.std_error, self.order, n)
            add_values(parts, found.std_error, shares, into.roots, self.order, n, np.hypot)
        if self.spec.has_constant:
            baseline = found.baseline.reshape(len(parts), -1) * shares[:, None]
            np.add.at(into.baseline, parts.rows, baseline)
        evaluations = found.n_evaluations.reshape(len(parts), -1)[:, 0]
        np.maximum.at(into.n_evaluations, parts.rows, evaluations)


@dataclass
class _Shown:
    """Tells how many rows are done, by the number of masked rows that were shown."""

    first: int
    n_rows: int
    planned: int
    progress: Callable[[int], object]
    done: int = 0

    def __call__(self, rows: int) -> None:
        self.done += rows
        self.progress(self.first + self.n_rows * min(self.done, self.planned) // self.planned)


def _worths(
    games: DonorGames, parts: Parts, coalitions: NDArray[np.bool_], every: NDArray[np.int64]
) -> NDArray[np.float64]:
    return games.worths(parts, coalitions)


def _numbers_of_parts(
    differs: NDArray[np.bool_], of: NDArray[np.bool_], budget: int
) -> NDArray[np.int64]:
    """How many parts the wanted pairs of each row are dealt into, int64 (n_rows,)."""
    donors = np.maximum(of.sum(axis=1), 1)
    together = (differs & of[:, :, None]).any(axis=1).sum(axis=1)
    on_average = (differs.sum(axis=2) * of).sum(axis=1) / donors
    number = np.clip(donors // max(1, budget // _COALITIONS), 1, _PARTS)
    small = donors // max(1, budget // _WIDE_COALITIONS)
    found: NDArray[np.int64] = np.where(together > _WIDE * on_average, np.maximum(small, 1), number)
    return found
