"""Layers: any index of a leaf's game as weights on cubes, by the size of an interaction.

A layer of size r answers the cube game of b players that must be in and f that must be out with
I(R) = (-1)^|R ∩ F| C[b - |R ∩ B|, f - |R ∩ F|]. An index of the family *derivative* is one layer
for each size. One of the family *generalised* values T by a sum over its non-empty parts,

    φ_T = Σ_{U ∩ T ≠ ∅} a(U) μ_|U ∖ T| = Σ_{∅ ≠ R ⊆ T} Σ_{U ⊇ R} a(U) m_t(r, |U|),
    m_t(r, u) = Σ_{l=1}^{r} (-1)^(r-l) C(r, l) μ_(u-l),

and each pair (r, t) is a layer: with C_t the cube table of size t, its own is
C[P, Q] = C_t[P, Q + r] - (-1)^r C_t[P + r, Q].
"""

from fractions import Fraction
from itertools import pairwise
from math import comb

import numpy as np

from .spec import IndexSpec
from .tables import Table, cube_weights, exact_moments, exact_weights

# The size of a layer's interactions, the size of the T that they are parts of, its weights.
Layer = tuple[int, int, Table]


def layers(spec: IndexSpec, n_players: int, order: int, depth: int) -> list[Layer]:
    """The layers of an index, for leaves of at most ``depth`` players.

    Returns
    -------
    list of (r, t, C)
        C is float64 (depth + 1, depth + 1), 0 where P + Q > depth - r. Family derivative: t = r,
        and r = t = 0 comes last where the index has a constant of its own.
    """
    if spec.family == "generalised":
        return [
            (r, t, table)
            for t in range(1, order + 1)
            for r, table in enumerate(_parts(spec, n_players, t, order, depth), start=1)
        ]
    sizes = [*range(1, order + 1), *([0] if spec.has_constant else [])]
    out = []
    for s in sizes:
        # Null players change nothing, unless the weights are by the number of players.
        n = n_players if _by_number(spec, s, order) else depth + order
        table = cube_weights(spec, n, s, order, max(0, depth - s))
        out.append((s, s, _padded(table, depth)))
    return out


def _by_number(spec: IndexSpec, size: int, order: int) -> bool:
    return spec.law_of(size, order) is None and spec.moebius is None


def _padded(table: Table, depth: int) -> Table:
    out = np.zeros((depth + 1, depth + 1))
    out[: len(table), : len(table)] = table
    return out


def _parts(spec: IndexSpec, n_players: int, t: int, order: int, depth: int) -> list[Table]:
    if _by_number(spec, t, order):
        weights = list(exact_weights(spec, n_players, t, order))
        while len(weights) <= depth:
            weights = _extended(weights)
        total = len(weights) - 1
        moments = tuple(
            sum((comb(total - m, j) * weights[m + j] for j in range(total - m + 1)), Fraction(0))
            for m in range(depth + 1)
        )
    else:
        moments = exact_moments(spec, depth + t, t, order, depth + 1)
    rows = [list(moments)]  # rows[Q][P] = C_t[P, Q]
    while len(rows[-1]) > 1:
        rows.append([a - b for a, b in pairwise(rows[-1])])
    out = []
    for r in range(1, t + 1):
        table = np.zeros((depth + 1, depth + 1))
        for q in range(depth - r + 1):
            for p in range(depth - r - q + 1):
                table[p, q] = float(rows[q + r][p] - (-1) ** r * rows[q][p + r])
        out.append(table)
    return out


def _extended(weights: list[Fraction]) -> list[Fraction]:
    """Weights p'_0 .. p'_(m+1) with p'_t + p'_(t+1) = p_t: as if there were one player more.

    Any such weights do: what they add beyond the players there are cancels. They start from the
    smallest weight, from where on the others grow, so that none of them is large.
    """
    least = min(range(len(weights)), key=lambda at: weights[at])
    out = [Fraction(0)] * (len(weights) + 1)
    out[least] = out[least + 1] = weights[least] / 2
    for at in range(least + 1, len(weights)):
        out[at + 1] = weights[at] - out[at]
    for at in range(least - 1, -1, -1):
        out[at] = weights[at] - out[at + 1]
    return out
