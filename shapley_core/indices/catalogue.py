"""The indices: each described once, and the one place that knows their names."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fractions import Fraction
from functools import cache, lru_cache
from math import comb
from typing import Any

import numpy as np

from ..errors import InputError, UnknownIndexError
from .spec import BetaLaw, IndexName, IndexSpec, Law, PointLaw

Number = int | float | str | Fraction

ONE = Fraction(1)
HALF = PointLaw(Fraction(1, 2))
UNIFORM = BetaLaw(ONE, ONE)
_DERIVATIVE = frozenset({"linearity", "symmetry", "null", "dummy"})
_GENERALISED = frozenset({"linearity", "symmetry", "joint-null"})


@cache
def bernoulli(j: int) -> Fraction:
    """Bernoulli numbers with B_1 = -1/2."""
    if j == 0:
        return ONE
    return -sum((comb(j + 1, i) * bernoulli(i) for i in range(j)), Fraction(0)) / (j + 1)


def _k_sii(s: int, t: int, k: int) -> Fraction:
    if t <= k:
        return Fraction(t == s)
    terms = (comb(t - s, j) * bernoulli(j) / (t - s - j + 1) for j in range(k - s + 1))
    return sum(terms, Fraction(0))


@lru_cache(maxsize=4096)
def _fsii(s: int, t: int, k: int) -> Fraction:
    if t <= k:
        return Fraction(t == s)
    above = (-1) ** (k - s) * s * comb(k, s) * comb(t - 1, k)
    return Fraction(above, (k + s) * comb(t + k - 1, k + s))


def _fbii(s: int, t: int, k: int) -> Fraction:
    if t <= k:
        return Fraction(t == s)
    return Fraction((-1) ** (k - s) * comb(t - s - 1, k - s), 2 ** (t - s))


def _kadd_shap(s: int, t: int, k: int) -> Fraction:
    terms = (comb(t - s, u - s) * _fsii(u, t, k) / (u - s + 1) for u in range(s, min(k, t) + 1))
    return sum(terms, Fraction(0))


def _stii_law(s: int, k: int) -> Law:
    return BetaLaw(ONE, Fraction(k)) if s == k else PointLaw(Fraction(0))


@lru_cache(maxsize=256)
def _joint_weights(n: int, k: int) -> list[Fraction]:
    """The q of Harris, Pymar and Rowat: only positive terms, so exact and stable."""
    q: list[Fraction] = [Fraction(1, sum(comb(n, i) for i in range(1, k + 1)))]
    for r in range(1, n):
        arrived = sum((comb(r, s) * q[s] for s in range(max(0, r - k), r)), Fraction(0))
        q.append(arrived / sum(comb(n - r, s) for s in range(1, min(k, n - r) + 1)))
    return q


def _joint(n: int, s: int, k: int) -> list[Fraction]:
    return _joint_weights(n, k)[: n - s + 1]


_SPECS = [
    IndexSpec(
        "SV",
        "derivative",
        "Shapley (1953), A value for n-person games",
        _DERIVATIVE | {"efficiency", "self-duality", "surrogate"},
        law=lambda s, k: UNIFORM,
        max_order=1,
    ),
    IndexSpec(
        "BV",
        "derivative",
        "Banzhaf (1965), Weighted voting doesn't work; Dubey and Shapley (1979)",
        _DERIVATIVE | {"2-efficiency", "self-duality"},
        law=lambda s, k: HALF,
        max_order=1,
    ),
    IndexSpec(
        "SII",
        "derivative",
        "Grabisch and Roubens (1999), An axiomatic approach to the concept of interaction",
        _DERIVATIVE | {"recursion", "self-duality", "reduced-partnership"},
        law=lambda s, k: UNIFORM,
    ),
    IndexSpec(
        "BII",
        "derivative",
        "Grabisch and Roubens (1999), An axiomatic approach to the concept of interaction",
        _DERIVATIVE | {"recursion", "2-efficiency", "self-duality", "reduced-partnership"},
        law=lambda s, k: HALF,
    ),
    IndexSpec(
        "CHII",
        "derivative",
        "Marichal and Roubens (1999), The chaining interaction index among players",
        _DERIVATIVE | {"partnership-allocation"},
        law=lambda s, k: BetaLaw(Fraction(s), ONE),
    ),
    IndexSpec(
        "k-SII",
        "derivative",
        "Bordt and von Luxburg (2023), From Shapley values to generalized additive models, "
        "Definition 7 (n-Shapley values)",
        _DERIVATIVE | {"efficiency", "surrogate", "interpolation"},
        law=lambda s, k: UNIFORM if s == k else None,
        moebius=_k_sii,
        adds_up=True,
    ),
    IndexSpec(
        "STII",
        "derivative",
        "Sundararajan, Dhamdhere and Agarwal (2020), The Shapley Taylor interaction index",
        _DERIVATIVE | {"efficiency", "surrogate", "interpolation"},
        law=_stii_law,
        adds_up=True,
    ),
    IndexSpec(
        "FSII",
        "derivative",
        "Tsai, Yeh and Ravikumar (2023), Faith-Shap: the faithful Shapley interaction index",
        _DERIVATIVE | {"efficiency", "surrogate", "interpolation"},
        law=lambda s, k: BetaLaw(Fraction(k), Fraction(k)) if s == k else None,
        moebius=_fsii,
        adds_up=True,
    ),
    IndexSpec(
        "FBII",
        "derivative",
        "Tsai, Yeh and Ravikumar (2023), Faith-Shap (Faith-Banzhaf); Hammer and Holzman (1992)",
        _DERIVATIVE | {"interpolation"},
        law=lambda s, k: HALF if s == k else None,
        moebius=_fbii,
        adds_up=True,
        has_constant=True,
    ),
    IndexSpec(
        "kADD-SHAP",
        "derivative",
        "Pelegrina, Duarte and Grabisch (2023), A k-additive Choquet integral-based approach",
        _DERIVATIVE,
        moebius=_kadd_shap,
    ),
    IndexSpec(
        "Moebius",
        "derivative",
        "Harsanyi (1963), dividends; Grabisch, Marichal and Roubens (2000)",
        _DERIVATIVE | {"recursion", "interpolation", "reduced-partnership"},
        law=lambda s, k: PointLaw(Fraction(0)),
        adds_up=True,
    ),
    IndexSpec(
        "Co-Moebius",
        "derivative",
        "Grabisch, Marichal and Roubens (2000), Equivalent representations of set functions",
        _DERIVATIVE | {"recursion", "reduced-partnership"},
        law=lambda s, k: PointLaw(ONE),
    ),
    IndexSpec(
        "Fourier",
        "derivative",
        "The Walsh-Hadamard coefficients 2^-n Σ_S (-1)^|S ∩ T| v(S)",
        frozenset({"linearity", "symmetry", "null"}),
        moebius=lambda s, t, k: Fraction((-1) ** s, 2**t),
        adds_up=True,
        has_constant=True,
    ),
    IndexSpec(
        "SGV",
        "generalised",
        "Marichal, Kojadinovic and Fujimoto (2007), Axiomatic characterizations of generalized "
        "values (Shapley generalized value)",
        _GENERALISED | {"merged-player"},
        law=lambda s, k: UNIFORM,
    ),
    IndexSpec(
        "BGV",
        "generalised",
        "Marichal, Kojadinovic and Fujimoto (2007) (Banzhaf generalized value)",
        _GENERALISED | {"merged-player"},
        law=lambda s, k: HALF,
    ),
    IndexSpec(
        "CHGV",
        "generalised",
        "Marichal, Kojadinovic and Fujimoto (2007) (chaining generalized value)",
        _GENERALISED,
        law=lambda s, k: BetaLaw(Fraction(s), ONE),
    ),
    IndexSpec(
        "JointSV",
        "generalised",
        "Harris, Pymar and Rowat (2022), Joint Shapley values, Theorem 1",
        _GENERALISED | {"efficiency"},
        weights=_joint,
        adds_up=True,
    ),
]
_BY_NAME = {spec.name: spec.built_in() for spec in _SPECS}


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
        _DERIVATIVE | (frozenset() if max_order else {"recursion", "reduced-partnership"}),
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
        _DERIVATIVE,
        # The law is Beta(beta, alpha): alpha is the exponent of the players that are absent.
        law=lambda s, k: BetaLaw(b, a),
        max_order=1,
    ).built_in()


def Semivalue(weights: Sequence[Number]) -> IndexSpec:
    """The semivalue with the given p_t, t = 0 .. n - 1, the weight of each coalition of size t.

    They are at least 0, and Σ_t C(n-1, t) p_t = 1. Serves games of ``len(weights)`` players.
    """
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
        _DERIVATIVE,
        weights=lambda n, s, k: list(exact),
        max_order=1,
        n_players=len(exact),
    ).built_in()


_PARAMETRISED: dict[str, tuple[Callable[..., IndexSpec], int]] = {
    "WBV": (WBV, 1),
    "WBII": (WBII, 1),
    "BetaShapley": (BetaShapley, 2),
}


_CALL = re.compile(r"(\w+)\((.*)\)")


def names() -> list[str]:
    """Names of the indices without parameters."""
    return list(_BY_NAME)


def get(index: Any) -> IndexSpec:
    """The index of a name (``"SII"``, ``"WBV(0.3)"``), or the IndexSpec itself.

    The name that an IndexSpec of one's own has, ``spec.name``, leads to it; an equal text does not.

    Raises
    ------
    UnknownIndexError
        If there is none of that name, or not with these parameters.
    InputError
        If an IndexSpec of one's own has the name of a built-in index.
    """
    if isinstance(index, IndexName):
        index = index.spec
    if isinstance(index, IndexSpec):
        if not index.is_built_in and _is_taken(index.name):
            raise InputError(
                f"{index.name} is the name of a built-in index, and this IndexSpec is not that "
                "one: give it a name of its own"
            )
        return index
    if not isinstance(index, str):
        raise TypeError(f"index must be a name or an IndexSpec, not {type(index).__name__}")
    if index in _BY_NAME:
        return _BY_NAME[index]
    call = _CALL.fullmatch(index.strip())
    if call:
        arguments: list[Number] = [part.strip() for part in call[2].split(",") if part.strip()]
        if call[1] == "Semivalue":
            return Semivalue(arguments)
        if call[1] in _PARAMETRISED and len(arguments) == _PARAMETRISED[call[1]][1]:
            return _PARAMETRISED[call[1]][0](*arguments)
    close = get_close_matches(index.lower(), [name.lower() for name in _BY_NAME], 1, 0.6)
    hint = next((f"; did you mean {n}?" for n in _BY_NAME if close and n.lower() == close[0]), "")
    raise UnknownIndexError(
        f"unknown index {index!r}{hint}; known are {', '.join(_BY_NAME)}, and with parameters "
        "WBV(p), WBII(p), BetaShapley(alpha, beta), Semivalue(p_0, ..., p_(n-1)). An index of your "
        "own is known by its IndexSpec, not by a text: give that (a file holds the text alone)"
    )


def _is_taken(name: str) -> bool:
    """Whether a name is that of a built-in index, whatever its parameters."""
    call = _CALL.fullmatch(name.strip())
    return name in _BY_NAME or (call is not None and call[1] in {*_PARAMETRISED, "Semivalue"})


def adds_up(name: str) -> bool:
    """Whether the values of all sizes of that index together describe the game.

    Raises
    ------
    UnknownIndexError
        If the name tells of no index, so that nobody knows.
    """
    return get(name).adds_up


def check_shared(name: str) -> None:
    """Refuse to share values out among players where each is that of a coalition as a whole."""
    spec = get(name)
    if spec.family == "generalised" and not spec.adds_up:
        raise InputError(
            f"{spec.name} values a coalition as a whole, which cannot be shared out among its "
            "members. Use values beside interactions"
        )
