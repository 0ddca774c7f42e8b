"""Sums and multiples of InteractionValues, and whether two can be set against each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .indices import same_index


def why_different(one: Any, other: Any) -> str | None:
    """Why the values of two are not of one kind, or None if they are.

    Where only one has names for its players, the other's are taken to be the same.
    """
    for what in ("index", "order", "n_players"):
        mine, its = getattr(one, what), getattr(other, what)
        if mine != its:
            return f"{what} {mine!r} and {its!r}"
    if not same_index(one.index, other.index, one.n_players, one.order):
        return f"two different indices, both of the name {one.index!r}"
    structures = [getattr(each.index, "structure", None) for each in (one, other)]
    if None not in structures and structures[0] != structures[1]:
        return f"{one.index} values of players in two different structures"
    if None not in (one.player_names, other.player_names):
        for player, names in enumerate(zip(one.player_names, other.player_names, strict=True)):
            if names[0] != names[1]:
                return f"player_names that differ: player {player} is {names[0]!r} and {names[1]!r}"
    return None if one.interaction_set == other.interaction_set else "different interactions"


def added(one: Any, other: Any) -> dict[str, Any]:
    """What changes from ``one`` to the sum of both."""
    reason = why_different(one, other)
    if reason is not None:
        raise InputError(f"values can be added only when they are of one kind; got {reason}")
    errors = None
    if one.std_error is not None or other.std_error is not None:
        # Estimates of different runs are independent; an exact part adds no error.
        mine = 0.0 if one.std_error is None else one.std_error
        its = 0.0 if other.std_error is None else other.std_error
        errors = np.hypot(mine, its)
    counts = (one.n_evaluations, other.n_evaluations)
    with np.errstate(over="ignore"):
        values = one.values + other.values
    return {
        "values": _finite(values, "sum"),
        "baseline": float(_finite(one.baseline + other.baseline, "sum")),
        "std_error": errors,
        # One that leads back to its index or structure, rather than a plain name.
        "index": other.index if type(one.index) is str else one.index,
        "player_names": other.player_names if one.player_names is None else one.player_names,
        "n_evaluations": None if None in counts else sum(filter(None, counts)),
        "is_exact": one.is_exact and other.is_exact,
        "absent_is_zero": one.absent_is_zero and other.absent_is_zero,
        "estimator": one.estimator if one.estimator == other.estimator else None,
    }


def scaled(one: Any, factor: float, divide: bool = False) -> dict[str, Any]:
    """What changes from ``one`` to a multiple of it, or to its quotient."""
    if divide and factor == 0:
        raise ZeroDivisionError("values divided by zero")

    def by(numbers: Any, number: float) -> Any:
        # Not times 1 / number: that overflows before the quotient does.
        return numbers / number if divide else number * numbers

    what = f"{'quotient by' if divide else 'product with'} {factor:g}"
    with np.errstate(over="ignore", invalid="ignore"):
        errors = None if one.std_error is None else by(one.std_error, abs(factor))
        if errors is not None and factor == 0:
            # Not 0 times infinity, the error of what is not known.
            errors = np.zeros_like(errors)
        values = by(one.values, factor)
    return {
        "values": _finite(values, what),
        "baseline": float(_finite(by(one.baseline, factor), what)),
        "std_error": errors,
    }


def real_factor(given: Any) -> float | None:
    """A real number as a float, or None where it is something else.

    Raises
    ------
    InputError
        If it is not finite, or beyond the range of float64.
    """
    if isinstance(given, bool) or not isinstance(given, int | float | np.integer | np.floating):
        return None
    try:
        factor = float(given)
    except OverflowError:
        factor = float("inf")
    if not np.isfinite(factor):
        raise InputError("values can be multiplied and divided by finite float64 numbers only")
    return factor


def _finite(numbers: Any, what: str) -> NDArray[np.float64]:
    if not np.isfinite(numbers).all():
        raise InputError(f"the {what} exceeds float64: scale the values down first")
    checked: NDArray[np.float64] = np.asarray(numbers)
    return checked
