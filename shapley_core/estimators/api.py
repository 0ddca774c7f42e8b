"""``estimate`` and ``estimate_batch``: any estimator by name."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..result import InteractionValues
from .base import Report
from .batch import BatchEstimates
from .registry import resolve


def estimate(
    game: Any,
    budget: int,
    index: Any = "SV",
    order: int = 1,
    estimator: Any = "auto",
    random_state: Any = 0,
    tolerance: Any = None,
    progress: Report | None = None,
    batch_size: int | None = None,
) -> InteractionValues:
    """Estimated values of all interactions of 1 to ``order`` players, with standard errors.

    Parameters
    ----------
    game : Game
        A ``CallableGame``, or any other game; it is asked for many coalitions at once.
    budget : int
        The most coalitions that may be evaluated. With 2**n_players or more the result is exact.
    index : str or IndexSpec
        ``indices.names()`` lists the names.
    order : int
        Largest size of an interaction.
    estimator : str or Estimator
        ``estimators.names()`` lists the names; "auto" chooses by index, budget and players.
    random_state : int, numpy Generator or None
        The seed; equal seeds give equal results. None for a fresh one.
    tolerance : float or StoppingRule, optional
        Stop before the budget, as soon as every standard error is at most this fraction of the
        range of the values; or a rule of ``estimators.stopping``.
    progress : callable, optional
        ``progress(n_evaluations, budget)``, called after every batch.
    batch_size : int, optional
        Coalitions asked for at once; the result does not depend on it.

    Returns
    -------
    InteractionValues
        With ``std_error`` and ``n_evaluations``; ``is_exact`` if all coalitions were evaluated.

    Raises
    ------
    BudgetError
        If the budget is too small for the estimator; the message names the least.
    UnknownIndexError
        If the estimator does not give the index; the message names those that do.
    InputError
        If a worth is not finite, or another argument is out of its range.
    """
    return resolve(estimator).estimate(
        game,
        budget,
        index=index,
        order=order,
        random_state=random_state,
        tolerance=tolerance,
        progress=progress,
        batch_size=batch_size,
    )


def estimate_batch(
    worth: Callable[[NDArray[np.bool_]], Any],
    n_players: int,
    budget: int,
    index: Any = "SV",
    order: int = 1,
    estimator: Any = "auto",
    random_state: Any = 0,
    tolerance: Any = None,
    progress: Report | None = None,
    batch_size: int | None = None,
) -> BatchEstimates:
    """The same for many games of the same players at once, from one design of coalitions.

    Parameters
    ----------
    worth : callable
        ``worth(coalitions: bool[m, n_players]) -> float[m, n_games]``.
    n_players : int
        Number of players.
    budget : int
        The most coalitions that ``worth`` may be asked for.
    index, order, estimator, random_state, tolerance, progress, batch_size
        As ``estimate`` takes them; a tolerance must hold for every game.

    Returns
    -------
    BatchEstimates
        Arrays of shape (n_games, n_interactions); ``[g]`` is game g as InteractionValues.

    Raises
    ------
    BudgetError, UnknownIndexError, InputError
        As ``estimate``.
    """
    return resolve(estimator).estimate_batch(
        worth,
        n_players,
        budget,
        index=index,
        order=order,
        random_state=random_state,
        tolerance=tolerance,
        progress=progress,
        batch_size=batch_size,
    )
