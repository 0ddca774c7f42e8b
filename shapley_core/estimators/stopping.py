"""When to stop: rules that look at the estimates so far, and combine with ``|`` and ``&``."""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import is_number
from ..errors import InputError


@dataclass(frozen=True, eq=False)
class Progress:
    """How far an estimate has come.

    Attributes
    ----------
    n_evaluations, budget : int
        Evaluations of the game so far, and the most there may be.
    seconds : float
        Time since the start.
    values, std_error : array of shape (n_games, n_interactions)
        The estimates and their standard errors.
    """

    n_evaluations: int
    budget: int
    seconds: float
    values: NDArray[np.float64]
    std_error: NDArray[np.float64]


class StoppingRule:
    """Says whether to stop; ``a | b`` stops when one of two does, ``a & b`` when both do."""

    def __call__(self, progress: Progress) -> bool:
        """Whether to stop here."""
        raise NotImplementedError

    def __or__(self, other: "StoppingRule") -> "StoppingRule":
        return AnyOf(self, _checked(other))

    def __and__(self, other: "StoppingRule") -> "StoppingRule":
        return AllOf(self, _checked(other))


@dataclass(frozen=True)
class AnyOf(StoppingRule):
    """Stops when one of two rules does."""

    first: StoppingRule
    second: StoppingRule

    def __call__(self, progress: Progress) -> bool:
        """Whether to stop here."""
        return self.first(progress) or self.second(progress)


@dataclass(frozen=True)
class AllOf(StoppingRule):
    """Stops when both of two rules do."""

    first: StoppingRule
    second: StoppingRule

    def __call__(self, progress: Progress) -> bool:
        """Whether to stop here."""
        return self.first(progress) and self.second(progress)


@dataclass(frozen=True)
class BudgetSpent(StoppingRule):
    """Stops at the budget, as every estimator does anyway."""

    def __call__(self, progress: Progress) -> bool:
        """Whether to stop here."""
        return progress.n_evaluations >= progress.budget


@dataclass(frozen=True)
class StdErrorBelow(StoppingRule):
    """Stops when no standard error is larger than ``bound``, in the unit of the worths."""

    bound: float

    def __post_init__(self) -> None:
        # A float: arrays cannot be compared with integers beyond 64 bits.
        object.__setattr__(self, "bound", _positive(self.bound, "bound"))

    def __call__(self, progress: Progress) -> bool:
        """Whether to stop here."""
        return bool((progress.std_error <= self.bound).all())


@dataclass(frozen=True)
class RelativeStdErrorBelow(StoppingRule):
    """Stops when no standard error is larger than ``bound`` times the range of the values.

    The range, of the values of one game, is the largest less the smallest, 0 being among them.
    """

    bound: float

    def __post_init__(self) -> None:
        # A float: arrays cannot be compared with integers beyond 64 bits.
        object.__setattr__(self, "bound", _positive(self.bound, "bound"))

    def __call__(self, progress: Progress) -> bool:
        """Whether to stop here."""
        largest = np.maximum(progress.values.max(axis=1), 0.0)
        smallest = np.minimum(progress.values.min(axis=1), 0.0)
        return bool((progress.std_error.max(axis=1) <= self.bound * (largest - smallest)).all())


@dataclass(frozen=True)
class TimeSpent(StoppingRule):
    """Stops after ``seconds``, looked at between rounds; the result then depends on the machine."""

    seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "seconds", _positive(self.seconds, "seconds"))

    def __call__(self, progress: Progress) -> bool:
        """Whether to stop here."""
        return progress.seconds >= self.seconds


def as_rule(tolerance: Any) -> StoppingRule | None:
    """The rule that a ``tolerance`` argument stands for: a number is short for the relative one."""
    if tolerance is None or isinstance(tolerance, StoppingRule):
        return tolerance
    if not is_number(tolerance):
        raise TypeError(
            "tolerance must be a number (relative to the range of the values), a rule of "
            f"estimators.stopping or None, not {type(tolerance).__name__}"
        )
    return RelativeStdErrorBelow(tolerance)


def _checked(rule: Any) -> StoppingRule:
    if not isinstance(rule, StoppingRule):
        raise TypeError(f"a stopping rule combines with another, not {type(rule).__name__}")
    return rule


def _positive(value: Any, what: str) -> float:
    if not is_number(value):
        raise TypeError(f"{what} must be a positive number, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if not 0.0 < number < inf:
        raise InputError(f"{what} must be a positive number, not {value!r}")
    return number
