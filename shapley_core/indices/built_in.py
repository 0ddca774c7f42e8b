"""The indices without parameters, each described once."""

from fractions import Fraction
from functools import cache, lru_cache
from math import comb

from .spec import BetaLaw, IndexSpec, Law, PointLaw

ONE = Fraction(1)
HALF = PointLaw(Fraction(1, 2))
UNIFORM = BetaLaw(ONE, ONE)
# The axioms of every index of a family.
DERIVATIVE = frozenset({"linearity", "symmetry", "null", "dummy"})
GENERALISED = frozenset({"linearity", "symmetry", "joint-null"})


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


SPECS = [
    IndexSpec(
        "SV",
        "derivative",
        "Shapley (1953), A value for n-person games",
        DERIVATIVE | {"efficiency", "self-duality", "surrogate"},
        law=lambda s, k: UNIFORM,
        max_order=1,
    ),
    IndexSpec(
        "BV",
        "derivative",
        "Banzhaf (1965), Weighted voting doesn't work; Dubey and Shapley (1979)",
        DERIVATIVE | {"2-efficiency", "self-duality"},
        law=lambda s, k: HALF,
        max_order=1,
    ),
    IndexSpec(
        "SII",
        "derivative",
        "Grabisch and Roubens (1999), An axiomatic approach to the concept of interaction",
        DERIVATIVE | {"recursion", "self-duality", "reduced-partnership"},
        law=lambda s, k: UNIFORM,
    ),
    IndexSpec(
        "BII",
        "derivative",
        "Grabisch and Roubens (1999), An axiomatic approach to the concept of interaction",
        DERIVATIVE | {"recursion", "2-efficiency", "self-duality", "reduced-partnership"},
        law=lambda s, k: HALF,
    ),
    IndexSpec(
        "CHII",
        "derivative",
        "Marichal and Roubens (1999), The chaining interaction index among players",
        DERIVATIVE | {"partnership-allocation"},
        law=lambda s, k: BetaLaw(Fraction(s), ONE),
    ),
    IndexSpec(
        "k-SII",
        "derivative",
        "Bordt and von Luxburg (2023), From Shapley values to generalized additive models, "
        "Definition 7 (n-Shapley values)",
        DERIVATIVE | {"efficiency", "surrogate", "interpolation"},
        law=lambda s, k: UNIFORM if s == k else None,
        moebius=_k_sii,
        adds_up=True,
    ),
    IndexSpec(
        "STII",
        "derivative",
        "Sundararajan, Dhamdhere and Agarwal (2020), The Shapley Taylor interaction index",
        DERIVATIVE | {"efficiency", "surrogate", "interpolation"},
        law=_stii_law,
        adds_up=True,
    ),
    IndexSpec(
        "FSII",
        "derivative",
        "Tsai, Yeh and Ravikumar (2023), Faith-Shap: the faithful Shapley interaction index",
        DERIVATIVE | {"efficiency", "surrogate", "interpolation"},
        law=lambda s, k: BetaLaw(Fraction(k), Fraction(k)) if s == k else None,
        moebius=_fsii,
        adds_up=True,
    ),
    IndexSpec(
        "FBII",
        "derivative",
        "Tsai, Yeh and Ravikumar (2023), Faith-Shap (Faith-Banzhaf); Hammer and Holzman (1992)",
        DERIVATIVE | {"interpolation"},
        law=lambda s, k: HALF if s == k else None,
        moebius=_fbii,
        adds_up=True,
        has_constant=True,
    ),
    IndexSpec(
        "kADD-SHAP",
        "derivative",
        "Pelegrina, Duarte and Grabisch (2023), A k-additive Choquet integral-based approach",
        DERIVATIVE,
        moebius=_kadd_shap,
    ),
    IndexSpec(
        "Moebius",
        "derivative",
        "Harsanyi (1963), dividends; Grabisch, Marichal and Roubens (2000)",
        DERIVATIVE | {"recursion", "interpolation", "reduced-partnership"},
        law=lambda s, k: PointLaw(Fraction(0)),
        adds_up=True,
    ),
    IndexSpec(
        "Co-Moebius",
        "derivative",
        "Grabisch, Marichal and Roubens (2000), Equivalent representations of set functions",
        DERIVATIVE | {"recursion", "reduced-partnership"},
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
        GENERALISED | {"merged-player"},
        law=lambda s, k: UNIFORM,
    ),
    IndexSpec(
        "BGV",
        "generalised",
        "Marichal, Kojadinovic and Fujimoto (2007) (Banzhaf generalized value)",
        GENERALISED | {"merged-player"},
        law=lambda s, k: HALF,
    ),
    IndexSpec(
        "CHGV",
        "generalised",
        "Marichal, Kojadinovic and Fujimoto (2007) (chaining generalized value)",
        GENERALISED,
        law=lambda s, k: BetaLaw(Fraction(s), ONE),
    ),
    IndexSpec(
        "JointSV",
        "generalised",
        "Harris, Pymar and Rowat (2022), Joint Shapley values, Theorem 1",
        GENERALISED | {"efficiency"},
        weights=_joint,
        adds_up=True,
    ),
]
