"""Values of many games of the same players at once: exact, or estimated row by row until good."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .. import indices
from .._kernels import transforms
from ..estimators.regression import KernelRegression
from ..estimators.stopping import Progress, as_rule
from ..estimators.symmetric import SymmetricProcess, most_pairs
from ..exact import exact, values_by_folds
from ..game import TableGame
from ..indices import IndexSpec, ProbabilisticValue

Array = NDArray[np.float64]

# Arrays as large as the worths of games, while values are made of them.
COPIES = 10
# The matrices of SymmetricProcess: beyond, they cost more than they bring.
_MOST_PLAYERS, _MOST_COLUMNS = 300, 1 << 22
# Where no regression gives the index, fewer parts bring less than to learn from the games which
# players matter, and so where they have more values.
_MANY_DONORS, _MOST_VALUES = 8, 300

# Above so many additions for each worth, the transforms of one game after the other are shorter.
_MOST_FOLDED = 4096
# Each round has so many times the evaluations of the one before; the first has at least 64.
_GROWTH, _FIRST_ROUND = 1.5, 64


@dataclass(frozen=True, eq=False)
class ManyValues:
    """Values of many games: values, std_error (n_interactions, n_games); baseline (n_games,).

    ``std_error`` is None where the values are exact.
    """

    values: Array
    std_error: Array | None
    baseline: Array
    n_evaluations: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RowValues:
    """Values of the games of all rows of a table, to be filled in.

    Attributes
    ----------
    values, std_error : float64 (n_rows, n_interactions, n_outputs)
        ``std_error`` is None where all values are exact.
    baseline : float64 (n_rows, n_outputs)
    n_evaluations : int64 (n_rows,), or None
    """

    values: Array
    std_error: Array | None
    baseline: Array
    n_evaluations: NDArray[np.int64] | None

    @classmethod
    def empty(cls, n_rows: int, count: int, n_outputs: int, is_exact: bool) -> "RowValues":
        """Values of 0."""
        shape = (n_rows, count, n_outputs)
        error = None if is_exact else np.zeros(shape)
        baseline, evaluations = np.zeros((n_rows, n_outputs)), np.zeros(n_rows, np.int64)
        return cls(np.zeros(shape), error, baseline, evaluations)

    def part(self, start: int, stop: int) -> "RowValues":
        """Those of some of the rows, in the same memory."""
        some = slice(start, stop)
        error = None if self.std_error is None else self.std_error[some]
        evaluations = None if self.n_evaluations is None else self.n_evaluations[some]
        return RowValues(self.values[some], error, self.baseline[some], evaluations)


def shared_estimator(spec: Any, order: int, n_players: int, budget: int, n_donors: int = 1) -> Any:
    """The estimator whose work many games share best, or None where they are learnt from better.

    ``n_donors`` : of whom the games are means over parts, with coalitions of their own.
    """
    process, kernel = SymmetricProcess(), KernelRegression()
    regresses, count = kernel.supports(spec, order), sets.n_interactions(n_players, order)
    columns = count * min(budget // 2, most_pairs(n_players, order))
    small = n_players <= _MOST_PLAYERS and columns <= _MOST_COLUMNS
    many_parts = n_donors >= _MANY_DONORS and count <= _MOST_VALUES
    if process.supports(spec, order) and small and (regresses or many_parts):
        return process
    return kernel if regresses else None


def exact_values(table: Array, spec: IndexSpec | ProbabilisticValue, order: int) -> ManyValues:
    """Exact values of all interactions of 1 to ``order`` players, for each column of a table.

    Parameters
    ----------
    table : float64 (2**n_players, n_games)
        Worths by position.
    spec, order
        Index and order, which exist for that many players.

    Notes
    -----
    The folds of ``shapley_core.exact``, along whole rows of the table: the additions of a game are
    the same ones in the same order however many games stand beside it.
    """
    n = len(table).bit_length() - 1
    evaluations = np.full(table.shape[1], len(table))
    one_by_one = isinstance(spec, ProbabilisticValue) or (
        n > 3 and sets.n_interactions(n, order) * 4 * (order + 1) > max(_MOST_FOLDED, 1 << n)
    )
    if one_by_one:
        games = [exact(TableGame(column), spec, order, n_threads=1) for column in table.T]
        values = np.stack([game.values for game in games], axis=1)
        return ManyValues(values, None, np.array([g.baseline for g in games]), evaluations)
    assert isinstance(spec, IndexSpec)
    out = values_by_folds(partial(_fold, table), spec, n, order)
    baseline = table[0].copy()
    if spec.has_constant:
        baseline += _fold(table, indices.fold_weights(spec, n, 0, order), 0)[0, 0]
    values = np.concatenate([out[size] for size in range(1, order + 1)])
    return ManyValues(values, None, baseline, evaluations)


def _fold(table: Array, weights: Array, size: int) -> Array:
    """Sums over the supersets of every set of ``size`` players, (n_weights, C(n, size), G)."""
    n = len(table).bit_length() - 1
    members = sets.interaction_positions(sets.interactions_of_size(n, size))
    out = np.zeros((len(weights), len(members), table.shape[1]))
    transforms.fold_games(table, np.ascontiguousarray(weights), members, out)
    return out


Worths = Callable[[NDArray[np.bool_], NDArray[np.int64]], Array]


class _SpentError(Exception):
    """The next round asks for more than the budget has left."""


def estimated_values(
    worths: Worths,
    n_players: int,
    n_rows: int,
    n_outputs: int,
    *,
    estimator: Any,
    budget: int,
    index: Any,
    order: int,
    seed: int,
    tolerance: Any,
) -> ManyValues:
    """Estimated values of the games of many rows, ``n_outputs`` games to a row.

    Parameters
    ----------
    worths : callable
        ``worths(coalitions, rows)`` gives (m, len(rows), n_outputs).
    tolerance : float or StoppingRule, optional
        A row whose standard errors have reached it is not asked about in further rounds.

    Returns
    -------
    ManyValues
        Games ordered by row, then output.
    """
    every = np.arange(n_rows)
    if tolerance is None:
        found = estimator.estimate_batch(
            lambda coalitions: worths(coalitions, every).reshape(len(coalitions), -1),
            n_players,
            budget,
            index=index,
            order=order,
            random_state=seed,
        )
        evaluations = np.full(n_rows * n_outputs, found.n_evaluations)
        error = None if found.is_exact else found.std_error.T
        return ManyValues(found.values.T, error, found.baseline, evaluations)
    rule = as_rule(tolerance)
    assert rule is not None
    store = _Store(worths, n_players, n_rows, n_outputs, budget)
    count = sets.n_interactions(n_players, order)
    shape = (n_rows, n_outputs, count)
    values, error = np.zeros(shape), np.zeros(shape)
    baseline, evaluations = np.zeros(shape[:2]), np.zeros(shape[:2], np.int64)
    start = time.monotonic()
    for step in _rounds(budget, estimator.least_budget(n_players, index, order)):
        rows = store.rows
        try:
            found = estimator.estimate_batch(
                store.ask, n_players, step, index=index, order=order, random_state=seed
            )
        except _SpentError:
            break
        values[rows] = found.values.reshape(len(rows), n_outputs, -1)
        error[rows] = found.std_error.reshape(len(rows), n_outputs, -1)
        baseline[rows] = found.baseline.reshape(len(rows), n_outputs)
        evaluations[rows] = store.n_evaluations
        seconds = time.monotonic() - start
        going_on = [
            not rule(Progress(store.n_evaluations, budget, seconds, values[row], error[row]))
            for row in rows.tolist()
        ]
        store.keep(np.array(going_on))
        if not len(store.rows):
            break
    return ManyValues(
        values.reshape(-1, count).T,
        error.reshape(-1, count).T,
        baseline.ravel(),
        evaluations.ravel(),
    )


def _rounds(budget: int, least: int) -> list[int]:
    """Budgets of the rounds, the last the whole."""
    rounds = [budget]
    # Standard errors of the least budget say little: begin with twice as much.
    while rounds[-1] / _GROWTH >= max(_FIRST_ROUND, 2 * least):
        rounds.append(int(rounds[-1] / _GROWTH))
    return rounds[::-1]


class _Store:
    """Worths found so far, of the rows that are still asked about; none is asked for twice."""

    def __init__(
        self, worths: Worths, n_players: int, n_rows: int, n_outputs: int, budget: int
    ) -> None:
        self.rows = np.arange(n_rows)
        self._worths = worths
        self._budget = budget
        self._places: dict[bytes, int] = {}
        self._known = np.zeros((0, n_rows, n_outputs))

    @property
    def n_evaluations(self) -> int:
        """Coalitions evaluated so far."""
        return len(self._places)

    def ask(self, coalitions: NDArray[np.bool_]) -> Array:
        """Worths (m, n_games) of the rows still asked about."""
        keys = [row.tobytes() for row in np.packbits(coalitions, axis=1)]
        new = [at for at, key in enumerate(keys) if key not in self._places]
        if len(self._places) + len(new) > self._budget:
            raise _SpentError
        if new:
            for at in new:
                self._places[keys[at]] = len(self._places)
            found = self._worths(coalitions[new], self.rows)
            self._known = np.concatenate([self._known, found])
        places = np.array([self._places[key] for key in keys])
        wanted: Array = self._known[places].reshape(len(keys), -1)
        return wanted

    def keep(self, going_on: NDArray[np.bool_]) -> None:
        """Drop the rows that are done."""
        self.rows = self.rows[going_on]
        self._known = self._known[:, going_on]
