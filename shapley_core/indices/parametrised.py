"""The indices with parameters: a function for each, which describes it."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb

import numpy as np

from ..arrays import is_listed
from ..errors import UnknownIndexError
from .built_in import DERIVATIVE
from .spec import BetaLaw, IndexSpec, PointLaw

Number = int | float | str | Fraction


def _fraction(value: Number, what: str) -> Fraction:
    """The exact rational that is meant: a float is the decimal it is written as, 0.3 is 3/10."""
    given = value.item() if isinstance(value, np.generic) else value
    try:
        if isinstance(given, bool):
            raise TypeError
        exact = Fraction(repr(given) if isinstance(given, float) else given)
        float(exact)
        return exact
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise UnknownIndexError(f"{what} must be a finite number, not {value!r}") from None


def _shown(value: Fraction) -> str:
    """A number in a name: short, and read back to the same value."""
    short = repr(float(value))
    return short if Fraction(short) == value else str(value)


def WBV(p: Number) -> IndexSpec:
    """Weighted Banzhaf value: every other player is there with probability p, 0 <= p <= 1.

    A float is the decimal it is written as: 0.3, "0.3" and Fraction(3, 10) are one.
    """
    return _weighted(_probability(p), "WBV", 1)


def WBII(p: Number) -> IndexSpec:
    """Weighted Banzhaf interaction index of any order, 0 <= p <= 1."""
    return _weighted(_probability(p), "WBII", None)


def _probability(p: Number) -> Fraction:
    exact = _fraction(p, "p")
    if not 0 <= exact <= 1:
        raise UnknownIndexError(f"p must be in [0, 1], not {p}")
    return exact


@lru_cache(maxsize=128)
def _weighted(p: Fraction, name: str, max_order: int | None) -> IndexSpec:
    return IndexSpec(
        f"{name}({_shown(p)})",
        "derivative",
        "Marichal and Mathonet (2011), Weighted Banzhaf power and interaction indexes",
        DERIVATIVE | (frozenset() if max_order else {"recursion", "reduced-partnership"}),
        law=lambda s, k: PointLaw(p),
        max_order=max_order,
    ).built_in()


def BetaShapley(alpha: Number, beta: Number) -> IndexSpec:
    """Beta-Shapley value (Kwon and Zou, 2022); (16, 1) puts its weight on small coalitions."""
    a, b = _fraction(alpha, "alpha"), _fraction(beta, "beta")
    if a <= 0 or b <= 0:
        raise UnknownIndexError(f"alpha and beta must be positive, not {alpha} and {beta}")
    return _beta_shapley(a, b)


@lru_cache(maxsize=128)
def _beta_shapley(a: Fraction, b: Fraction) -> IndexSpec:
    return IndexSpec(
        f"BetaShapley({_shown(a)}, {_shown(b)})",
        "derivative",
        "Kwon and Zou (2022), Beta Shapley: a unified and noise-reduced data valuation framework",
        DERIVATIVE,
        # The law is Beta(beta, alpha): alpha is the exponent of the players that are absent.
        law=lambda s, k: BetaLaw(b, a),
        max_order=1,
    ).built_in()


def Semivalue(weights: Sequence[Number]) -> IndexSpec:
    """The semivalue with the given p_t, t = 0 .. n - 1, the weight of each coalition of size t.

    They are at least 0, and Σ_t C(n-1, t) p_t = 1. Serves games of ``len(weights)`` players.
    """
    if not is_listed(weights):
        raise TypeError(f"weights must be a list of numbers, not {weights!r}")
    exact = tuple(_fraction(weight, "a weight") for weight in weights)
    n = len(exact)
    if n < 1:
        raise UnknownIndexError("a semivalue needs one weight for each size 0 .. n - 1")
    if min(exact) < 0:
        raise UnknownIndexError(f"weights must be at least 0; got {float(min(exact))}")
    total = sum((comb(n - 1, t) * p for t, p in enumerate(exact)), Fraction(0))
    if abs(total - 1) > Fraction(1, 10**9):
        raise UnknownIndexError(
            f"Σ_t C(n-1, t) weights[t] must be 1, with n = {n} weights; it is {float(total):.10g}"
        )
    return _semivalue(exact)


@lru_cache(maxsize=128)
def _semivalue(exact: tuple[Fraction, ...]) -> IndexSpec:
    return IndexSpec(
        f"Semivalue({', '.join(map(_shown, exact))})",
        "derivative",
        "Dubey, Neyman and Weber (1981), Value theory without efficiency",
        # Weights rounded to float64 sum to 1 only nearly; a dummy then gets nearly its worth.
        DERIVATIVE,
        weights=lambda n, s, k: list(exact),
        max_order=1,
        n_players=len(exact),
    ).built_in()
