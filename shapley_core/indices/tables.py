"""The tables of weights that engines, estimators and trees work with, derived from an IndexSpec.

Each is computed in integers and fractions and rounded to float64 once: the alternating sums
behind them lose everything in floating point. All are cached and read-only.

Notation: n players, S of size s, order k, p_t the weights of the IndexSpec.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import comb, lcm

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .spec import BetaLaw, IndexSpec

Table = NDArray[np.float64]


def _frozen(rows: list[list[Fraction]] | list[Fraction]) -> Table:
    table = np.array(
        [[float(x) for x in row] if isinstance(row, list) else float(row) for row in rows],
        dtype=np.float64,
    )
    table.flags.writeable = False
    return table


@lru_cache(maxsize=512)
def exact_moments(
    spec: IndexSpec, n_players: int, size: int, order: int, count: int
) -> tuple[Fraction, ...]:
    """μ_m = Σ_j C(n-s-m, j) p_(m+j) for m = 0 .. count - 1: the weights on Moebius coefficients.

    Family derivative: I(S) = Σ_{T ⊇ S} a(T) μ_(t-s). Family generalised:
    I(S) = Σ_{T ∩ S ≠ ∅} a(T) μ_|T ∖ S|. With a mixing law, μ_m = E[x^m].
    """
    if not 0 < count <= n_players - size + 1:
        raise InputError(f"there are {n_players - size + 1} moments, not {count}")
    law = spec.law_of(size, order)
    if law is not None:
        return tuple(law.moments(count))
    if spec.moebius is not None:
        return tuple(spec.moebius_of(size, size + m, order) for m in range(count))
    weights, scale = as_integers(spec.weights_of(n_players, size, order))
    rest = n_players - size
    return tuple(
        Fraction(sum(comb(rest - m, j) * weights[m + j] for j in range(rest - m + 1)), scale)
        for m in range(count)
    )


@lru_cache(maxsize=512)
def exact_weights(spec: IndexSpec, n_players: int, size: int, order: int) -> tuple[Fraction, ...]:
    """p_t for t = 0 .. n - s, exactly."""
    rest = n_players - size
    law = spec.law_of(size, order)
    if law is not None:
        return tuple(law.weights(rest))
    if spec.moebius is None:
        return spec.weights_of(n_players, size, order)
    row, scale = as_integers(exact_moments(spec, n_players, size, order, rest + 1))
    # Row Q of the difference triangle holds E[x^P (1-x)^Q]; its last entry is p_(n-s-Q).
    out = []
    for _ in range(rest + 1):
        out.append(Fraction(row[-1], scale))
        row = [a - b for a, b in pairwise(row)]
    return tuple(reversed(out))


def as_integers(fractions: Sequence[Fraction]) -> tuple[list[int], int]:
    """The numbers over their least common denominator, and that: differences are integers' then."""
    scale = lcm(*(x.denominator for x in fractions))
    return [x.numerator * (scale // x.denominator) for x in fractions], scale


@lru_cache(maxsize=512)
def moebius_weights(spec: IndexSpec, n_players: int, size: int, order: int) -> Table:
    """μ_m for m = 0 .. n - s, shape (n - s + 1,); see ``exact_moments``."""
    return _frozen(list(exact_moments(spec, n_players, size, order, n_players - size + 1)))


@lru_cache(maxsize=512)
def derivative_weights(spec: IndexSpec, n_players: int, size: int, order: int) -> Table:
    """p_t for t = 0 .. n - s, shape (n - s + 1,).

    For large n these underflow (1 / C(n-1, t) does from n = 1030 on); ``size_weights`` do not.
    """
    return _frozen(list(exact_weights(spec, n_players, size, order)))


@lru_cache(maxsize=512)
def size_weights(spec: IndexSpec, n_players: int, size: int, order: int) -> Table:
    """C(n-s, t) p_t for t = 0 .. n - s: the weight of all coalitions T of one size together.

    For a semivalue these are probabilities, with sum 1.
    """
    weights = exact_weights(spec, n_players, size, order)
    return _frozen([comb(n_players - size, t) * p for t, p in enumerate(weights)])


@lru_cache(maxsize=512)
def coalition_weights(spec: IndexSpec, n_players: int, size: int, order: int) -> Table:
    """γ(t, r), shape (n + 1, s + 1): I(S) = Σ_T v(T) γ(|T|, |T ∩ S|).

    Entries for sizes that no coalition has are 0.
    """
    weights = exact_weights(spec, n_players, size, order)
    table = np.zeros((n_players + 1, size + 1))
    for t, p in enumerate(weights):
        if spec.family == "generalised":
            table[t + size, size] += float(p)
            table[t, 0] -= float(p)
        else:
            for r in range(size + 1):
                table[t + r, r] = float(p if (size - r) % 2 == 0 else -p)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=512)
def fold_weights(spec: IndexSpec, n_players: int, size: int, order: int) -> Table:
    """c_l(t), shape (s + 1, n + 1): I(S) = Σ_{R ⊆ S} Σ_{T ⊇ R} c_|R|(|T|) v(T).

    The finite differences Δ^l γ(t, r) in r, at r = 0: what the superset fold needs.
    """
    weights = exact_weights(spec, n_players, size, order)

    def p(t: int) -> Fraction:
        return weights[t] if 0 <= t < len(weights) else Fraction(0)

    rows: list[list[Fraction]] = []
    for level in range(size + 1):
        sign = (-1) ** (size - level)
        if spec.family == "generalised":
            sign = (-1) ** (level + 1)
            row = [sign * p(t) for t in range(n_players + 1)]
            if level == size:
                row = [x + p(t - size) for t, x in enumerate(row)]
        else:
            row = [
                sign * sum((comb(level, j) * p(t - j) for j in range(level + 1)), Fraction(0))
                for t in range(n_players + 1)
            ]
        rows.append(row)
    return _frozen(rows)


@lru_cache(maxsize=512)
def cube_weights(spec: IndexSpec, n_players: int, size: int, order: int, depth: int) -> Table:
    """C[P, Q] for P + Q <= depth, shape (depth + 1, depth + 1); the rest is 0.

    C[P, Q] = Σ_j C(n-s-P-Q, j) p_(P+j), with a mixing law E[x^P (1-x)^Q]. It answers a leaf of a
    tree, g(T) = 1[P0 ⊆ T] 1[Q0 ∩ T = ∅], |P0| = p, |Q0| = q; with a = |S ∩ P0|, b = |S ∩ Q0|:

    family derivative: I(S) = (-1)^b C[p - a, q - b] if S ⊆ P0 ∪ Q0, else 0;
    family generalised: I(S) = 1[b = 0] C[p - a, q] - 1[a = 0] C[p, q - b].
    """
    if not 0 <= depth <= n_players - size:
        raise InputError(f"depth must be 0 to n - s = {n_players - size}, not {depth}")
    row, scale = as_integers(exact_moments(spec, n_players, size, order, depth + 1))
    table = np.zeros((depth + 1, depth + 1))
    for q in range(depth + 1):
        for p, value in enumerate(row):
            table[p, q] = value / scale
        row = [a - b for a, b in pairwise(row)]
    table.flags.writeable = False
    return table


@lru_cache(maxsize=512)
def fourier_weights(spec: IndexSpec, n_players: int, size: int, order: int) -> Table:
    """ν_m for m = 0 .. n - s: I(S) = Σ_{T ⊇ S} F(T) ν_(t-s), F the Fourier coefficients.

    Family derivative only: ν_m = Σ_j (-2)^(s+j) C(m, j) μ_j.
    """
    if spec.family != "derivative":
        raise InputError(f"{spec.name} is not a sum over the Fourier coefficients of supersets")
    rest = n_players - size
    row, scale = as_integers(exact_moments(spec, n_players, size, order, rest + 1))
    out = []
    # Differences again, of (-2)^j μ_j: ν_m / (-2)^s is its m-th "binomial transform".
    row = [(-2) ** j * x for j, x in enumerate(row)]
    for _ in range(rest + 1):
        out.append(Fraction((-2) ** size * row[0], scale))
        row = [a + b for a, b in pairwise(row)]
    return _frozen(out)


def same_index(one: str, other: str, n_players: int, order: int) -> bool:
    """Whether two names mean one index, in games of so many players.

    Names that lead to indices of the user's own must lead to the same weights. A plain name, as
    files hold it, is taken at its word.
    """
    mine, its = getattr(one, "spec", None), getattr(other, "spec", None)
    if one != other or mine is its or mine is None or its is None:
        return one == other
    kinds = ((spec.family, spec.adds_up, spec.has_constant) for spec in (mine, its))
    sizes = range(0 if mine.has_constant else 1, order + 1)
    return next(kinds) == next(kinds) and all(
        exact_weights(mine, n_players, size, order) == exact_weights(its, n_players, size, order)
        for size in sizes
    )


def quadrature(spec: IndexSpec, size: int, order: int, degree: int) -> tuple[Table, Table] | None:
    """Nodes in [0, 1] and weights that integrate the mixing law exactly up to a degree.

    I(S) = Σ_q weights[q] WB(S; nodes[q]), the weighted Banzhaf index (family derivative; the
    generalised one likewise), needs degree n - s. None where the index has no mixing law.
    """
    law = spec.law_of(size, order)
    if law is None:
        return None
    if not isinstance(law, BetaLaw):
        return np.array([float(law.at)]), np.ones(1)
    n_nodes = degree // 2 + 1
    if law.a == law.b == 1:
        nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    else:
        from scipy.special import roots_jacobi

        nodes, weights = roots_jacobi(n_nodes, float(law.b) - 1.0, float(law.a) - 1.0)
    return (nodes + 1.0) / 2.0, weights / weights.sum()
