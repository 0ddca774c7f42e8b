"""What every estimator is and does: a design of coalitions, then values from their worths."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .. import indices
from ..arrays import check_integer
from ..coalitions import InteractionSet
from ..errors import BudgetError, InputError, UnknownIndexError
from ..exact import exact
from ..game import TableGame, checked_game
from ..indices import IndexSpec
from ..memory import check_memory, human_count
from ..result import InteractionValues
from . import registry
from .batch import BatchEstimates
from .evaluation import Evaluator, ask_game, ask_games
from .randomness import seed_of
from .stopping import Progress, StoppingRule, as_rule
from .units import moderate

Matrix = NDArray[np.float64]
Report = Callable[[int, int], object]

# Each round of an estimate with a tolerance has so many times the evaluations of the one before.
_GROWTH = 1.5


@dataclass(frozen=True)
class Task:
    """What is asked, without the game: n_players, index, order, budget, and the seed."""

    n_players: int
    spec: IndexSpec
    order: int
    budget: int
    seed: int

    @property
    def interactions(self) -> InteractionSet:
        """The interactions whose values are wanted: all of 1 to ``order`` players."""
        return InteractionSet.complete(self.n_players, self.order)


@dataclass(frozen=True, eq=False)
class Design:
    """The coalitions to be evaluated, at most ``budget`` of them; subclasses add what they know.

    Attributes
    ----------
    words : uint64 array of shape (m, n_words)
        Packed coalitions in the order in which they are asked for. The first is the empty one.
    """

    words: NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Estimates:
    """Values of all interactions of a task, for each game.

    Attributes
    ----------
    values, std_error : float64 arrays of shape (n_games, n_interactions)
        Values beside ``task.interactions``, and their standard errors.
    constant : float64 array of shape (n_games,), optional
        The constant term of an index that has one (FBII, Fourier), of the game less v(∅).
    estimator : str, optional
        Who gave the values, where it is not the estimator itself.
    """

    values: Matrix
    std_error: Matrix
    constant: NDArray[np.float64] | None = None
    estimator: str | None = None


class Estimator(ABC):
    """Values of a game from evaluations of some of its coalitions.

    An estimator holds parameters only: it can be used again, shared and pickled. A subclass says
    which coalitions are to be evaluated and how values follow from their worths; this class does
    the rest: arguments, evaluation in batches, budget, rounds, results.
    """

    #: Whether the values at a design of all coalitions are exact.
    consistent = True

    @abstractmethod
    def _supports(self, spec: IndexSpec, order: int) -> bool:
        """Whether it estimates that index at that order."""

    @abstractmethod
    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        """The smallest budget it works with, where that is less than all coalitions."""

    @abstractmethod
    def _design(self, task: Task) -> Design:
        """The coalitions to evaluate; wherever possible a larger budget adds to a smaller one's."""

    @abstractmethod
    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        """Values from worths less v(∅), shape (m, n_games), beside ``design.words``."""

    def supports(self, index: Any = "SV", order: int = 1) -> bool:
        """Whether this estimator gives that index at that order.

        Parameters
        ----------
        index : str or IndexSpec
            ``indices.names()`` lists the names.
        order : int
            Largest size of an interaction.
        """
        spec = indices.get(index)
        order = check_integer(order, "order")
        if order < 1 or (spec.max_order is not None and order > spec.max_order):
            return False
        return self._supports(spec, order)

    def least_budget(self, n_players: int, index: Any = "SV", order: int = 1) -> int:
        """The smallest budget that ``estimate`` accepts, 2**n_players at the most."""
        n = sets.check_n_players(n_players)
        spec, order = self._checked(n, index, order)
        least = self._least_budget(n, spec, order)
        # Not by 2**n: with thousands of players that is a number of thousands of digits.
        return min(least, 1 << n) if n <= least.bit_length() else least

    def estimate(
        self,
        game: Any,
        budget: int,
        *,
        index: Any = "SV",
        order: int = 1,
        random_state: Any = 0,
        tolerance: Any = None,
        progress: Report | None = None,
        batch_size: int | None = None,
    ) -> InteractionValues:
        """Estimated values of all interactions of 1 to ``order`` players, with standard errors.

        Parameters, result and errors are those of `shapley_core.estimate`.
        """
        # The evaluator makes batches of its own.
        asked = checked_game(game, batch_size=1 << 62)
        task = self._task(asked.n_players, budget, index, order, random_state)
        evaluator = Evaluator(ask_game(asked), task.n_players, task.budget, batch_size, progress)
        found = self._run(task, evaluator, as_rule(tolerance))
        return replace(found, player_names=asked.player_names)[0]

    def estimate_batch(
        self,
        worth: Callable[[NDArray[np.bool_]], Any],
        n_players: int,
        budget: int,
        *,
        index: Any = "SV",
        order: int = 1,
        random_state: Any = 0,
        tolerance: Any = None,
        progress: Report | None = None,
        batch_size: int | None = None,
    ) -> BatchEstimates:
        """The same for many games of the same players at once, from one design of coalitions.

        Parameters, result and errors are those of `shapley_core.estimate_batch`.
        """
        task = self._task(n_players, budget, index, order, random_state)
        evaluator = Evaluator(ask_games(worth), task.n_players, task.budget, batch_size, progress)
        return self._run(task, evaluator, as_rule(tolerance))

    def _checked(self, n_players: int, index: Any, order: Any) -> tuple[IndexSpec, int]:
        spec = indices.get(index)
        order = check_integer(order, "order")
        spec.check(n_players, order)
        if not self._supports(spec, order):
            others = registry.supporting(spec, order)
            advice = f"these do: {', '.join(others)}" if others else "no estimator here does"
            raise UnknownIndexError(
                f"{type(self).__name__} does not estimate {spec.name} of order {order}; {advice}"
            )
        return spec, order

    def _task(self, n_players: Any, budget: Any, index: Any, order: Any, random_state: Any) -> Task:
        n = sets.check_n_players(n_players)
        spec, order = self._checked(n, index, order)
        count = sets.n_interactions(n, order)
        check_memory(
            24 * count,
            f"the result, {human_count(count)} interactions of up to {order} of {n} players,",
            "Ask for a lower order",
        )
        budget = check_integer(budget, "budget")
        least = self.least_budget(n, spec, order)
        if budget < least:
            raise BudgetError(
                f"{type(self).__name__} needs a budget of at least {least} evaluations for "
                f"{spec.name} of order {order} of {n} players; got {budget}"
            )
        return Task(n, spec, order, budget, seed_of(random_state))

    def _run(self, task: Task, evaluator: Evaluator, rule: StoppingRule | None) -> BatchEstimates:
        start = time.monotonic()
        best: BatchEstimates | None = None
        for budget in self._rounds(task, rule):
            step = replace(task, budget=budget)
            found = self._round(step, evaluator)
            if found is None:
                break
            best = found
            if found.is_exact:
                break
            if rule is not None and rule(
                Progress(
                    evaluator.n_evaluations,
                    task.budget,
                    time.monotonic() - start,
                    found.values,
                    found.std_error,
                )
            ):
                break
        if best is None:
            raise InputError(
                f"{type(self).__name__}._design gives more than the {budget} coalitions of the "
                "budget: a fault of the estimator"
            )
        return replace(best, n_evaluations=evaluator.n_evaluations)

    def _rounds(self, task: Task, rule: StoppingRule | None) -> list[int]:
        """Budgets of the rounds, the last the whole."""
        rounds = [min(task.budget, 1 << task.n_players) if is_complete(task) else task.budget]
        # Standard errors of the least budget say little: begin with twice as much.
        least = max(64, 2 * self._least_budget(task.n_players, task.spec, task.order))
        while rule is not None and rounds[-1] / _GROWTH >= least:
            rounds.append(int(rounds[-1] / _GROWTH))
        return rounds[::-1]

    def _holds_a_game(self) -> bool:
        """Whether a parameter is a game, such as a control: it is in the unit of the worths."""
        parameters = getattr(self, "__dict__", {}).values()
        return any(callable(one) and hasattr(one, "n_players") for one in parameters)

    def _round(self, task: Task, evaluator: Evaluator) -> BatchEstimates | None:
        """The estimates of one budget, or None if what it asks for anew is too much."""
        if is_complete(task):
            return _exact(task, evaluator.table())
        design = self._design(task)
        worths = evaluator.worths_of(design.words)
        if worths is None:
            return None
        if self._holds_a_game():
            found = self._solve(task, design, worths - worths[0])
            _check(type(self).__name__, task, worths, found)
        else:
            differences, exponents = moderate(worths)
            found = self._solve(task, design, differences)
            _check(type(self).__name__, task, worths, found)
            found = _in_unit(found, exponents)
        baseline = worths[0].copy()
        if found.constant is not None:
            baseline += found.constant
        if not (np.isfinite(found.values).all() and np.isfinite(baseline).all()):
            raise InputError(
                f"the worths, from {worths.min():g} to {worths.max():g}, are so large that the "
                "values overflow float64: divide them all by one number"
            )
        return BatchEstimates(
            found.values,
            found.std_error,
            baseline,
            task.interactions,
            index=task.spec.name,
            order=task.order,
            n_players=task.n_players,
            n_evaluations=evaluator.n_evaluations,
            is_exact=False,
            estimator=found.estimator or type(self).__name__,
        )


def estimates_of_sizes(parts: list[tuple[Matrix, Matrix]]) -> Estimates:
    """Estimates from values and standard errors of each size, (n_interactions, n_games) each."""
    values, errors = (np.concatenate(some).T.copy() for some in zip(*parts, strict=True))
    return Estimates(values, errors)


def is_complete(task: Task) -> bool:
    """Whether the budget covers all coalitions."""
    return task.n_players < task.budget.bit_length()


def _check(name: str, task: Task, worths: Matrix, found: Estimates) -> None:
    """Refuse what an estimator must not give; an infinite error says that a value is open."""
    shape = worths.shape[1], len(task.interactions)
    parts = {"values": found.values, "std_error": found.std_error}
    if found.constant is not None:
        parts["constant"] = found.constant
    for what, numbers in parts.items():
        wanted = shape[:1] if what == "constant" else shape
        if np.shape(numbers) != wanted:
            wrong = f"of shape {np.shape(numbers)}, not {wanted}"
        elif what == "std_error" and not (numbers >= 0.0).all():
            wrong = "with NaN or negative numbers"
        elif what != "std_error" and not np.isfinite(numbers).all():
            wrong = "with numbers that are not finite"
        else:
            continue
        raise InputError(
            f"{name}._solve gives {what} {wrong} for {task.spec.name} of order {task.order} of "
            f"{task.n_players} players: a fault of the estimator"
        )


def _in_unit(found: Estimates, exponents: NDArray[np.int32]) -> Estimates:
    """Estimates of games that were divided by powers of two."""
    if not exponents.any():
        return found
    # What overflows is seen by the caller.
    with np.errstate(over="ignore"):
        values = np.ldexp(found.values, exponents[:, None])
        error = np.ldexp(found.std_error, exponents[:, None])
        constant = None if found.constant is None else np.ldexp(found.constant, exponents)
    return replace(found, values=values, std_error=error, constant=constant)


def _exact(task: Task, worths: Matrix) -> BatchEstimates:
    """Exact values of each game from all worths."""
    games = [exact(TableGame(column), task.spec, task.order) for column in worths.T]
    values = np.stack([game.values for game in games])
    return BatchEstimates(
        values,
        np.zeros_like(values),
        np.array([game.baseline for game in games]),
        task.interactions,
        index=task.spec.name,
        order=task.order,
        n_players=task.n_players,
        n_evaluations=len(worths),
        is_exact=True,
    )
