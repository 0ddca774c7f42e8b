"""Values of the parts of a normal process: integrals over the mixing law of an index.

A cardinal-probabilistic index is I(S) = E[∂^S f(x, ..., x)] of the multilinear extension f, with x
from the mixing law of the index. A covariance that is a product over the players has a product
for its extension, so I of it is a sum over the nodes of a quadrature. An index that has no law is a
linear functional of the polynomial g_S(x) = ∂^S f(x, ..., x) all the same (k-SII of single players
at k = 2 is ∫ g - (g(1) - g(0)) / 2, after Euler and Maclaurin): it is given by its values on x^m,
the moments of the index, and a quadrature with weights of either sign serves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import comb, exp

import numpy as np
from numpy.typing import NDArray

from ..indices import IndexSpec, tables
from ..indices.spec import PointLaw
from ..threads import row_blocks
from .covariance import Prior
from .incidence import common_players

Matrix = NDArray[np.float64]

# An integrand is a product of n linear factors; with so many nodes it is integrated to rounding.
_MOST_NODES = 32
# A functional without a law is exact on polynomials of a degree below the number of its nodes.
_MOST_SIGNED_NODES = 64
# Cells of a work array, and of one that is to stay in the cache.
_CELLS, _CACHED = 1 << 22, 1 << 14


@dataclass(frozen=True, eq=False)
class Readout:
    """One size of interactions under one index."""

    spec: IndexSpec
    order: int
    n_players: int
    members: NDArray[np.int64]  # (n_interactions, size)

    @property
    def size(self) -> int:
        """Size of the interactions."""
        return int(self.members.shape[1])

    def parities(self) -> tuple[int, ...]:
        """The parts of a game that the values depend on: 1 odd, 0 even."""
        found = _on_legendre(self.spec, self.n_players, self.size, self.order)
        if not any(found[1::2]):
            return (self.size % 2,)
        return (0, 1) if any(found[0::2]) else (1 - self.size % 2,)

    def nodes(self) -> tuple[Matrix, Matrix]:
        """Points and weights of the quadrature."""
        law = self.spec.law_of(self.size, self.order)
        if law is None:
            return _signed_nodes(self.spec, self.n_players, self.size, self.order)
        if isinstance(law, PointLaw):
            return np.array([float(law.at)]), np.ones(1)
        count = min((self.n_players - self.size) // 2 + 1, _MOST_NODES)
        return _jacobi(count, float(law.a), float(law.b))

    def of_smooth(self, prior: Prior, z: Matrix, parity: int, weights: Matrix) -> Matrix:
        """Values of Σ_r weights_r k_parity(., z_r), shape (n_interactions, n_games)."""
        out = np.zeros((len(self.members), weights.shape[1]))
        for mass, ratio in self._sides(prior, z, parity):
            for game in range(weights.shape[1]):
                out[:, game] += self._sums(ratio, mass * weights[:, game])
        return out

    def covariances(self, prior: Prior, z: Matrix, parity: int, some: slice) -> Matrix:
        """Cov(I(S), part of the game at z) under k, shape (m, interactions in ``some``)."""
        members = self.members[some]
        # A row for each interaction: those of its players are copied whole, and a few at once stay
        # in the cache.
        out = np.zeros((len(members), len(z)))
        blocks = row_blocks(len(members), max(1, _CACHED // len(z)))
        for mass, ratio in self._sides(prior, z, parity):
            of_players = np.ascontiguousarray(ratio.T)
            for start, stop in blocks:
                product = np.broadcast_to(mass, (stop - start, len(z)))
                for column in members[start:stop].T:
                    product = product * of_players[column]
                out[start:stop] += product
        return out.T

    def variances(self, prior: Prior) -> Matrix:
        """Var(I(S)) under k, shape (n_interactions,)."""
        points, weights = self.nodes()
        b, c = np.exp(prior.log_b), prior.slope
        # The covariance of one player's factor at in and in, out and out, in and out.
        inner, outer, across = exp(c), exp(-c), np.exp(-2 * b)
        slope = inner + outer - 2 * across
        out = np.zeros(len(self.members))
        for x, at_x in zip(points, weights, strict=True):
            y = points[:, None]
            level = x * y * inner + (1 - x) * (1 - y) * outer + (x + y - 2 * x * y) * across
            mass = at_x * weights * level.prod(axis=1)
            out += self._sums(slope / level, mass)
        return out * exp(prior.log_scale)

    def of_term(self, size: int) -> float:
        """I(S) of Π_{i ∈ U} z_i for S within U, u = |U|: 2^s E[(2x - 1)^(u - s)]."""
        points, weights = self.nodes()
        return float(2.0**self.size * (weights @ (2 * points - 1) ** (size - self.size)))

    def within(self, term: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which of the interactions lie within a term."""
        inside = np.zeros(self.n_players, dtype=bool)
        inside[list(term)] = True
        return np.asarray(inside[self.members].all(axis=1))

    def sizes(self) -> Matrix:
        """q, shape (n + 1,): I(S) = Σ_t q_t g(t) of a game g(|T|) that the sizes decide."""
        weights = tables.size_weights(self.spec, self.n_players, self.size, self.order)
        for _ in range(self.size):
            # Differences g(t + 1) - g(t) instead of g(t).
            weights = np.append(0.0, weights) - np.append(weights, 0.0)
        return weights

    def coalition_weights(self) -> Matrix:
        """γ(t, r), shape (n + 1, size + 1): I(S) = Σ_T v(T) γ(|T|, |T ∩ S|)."""
        return tables.coalition_weights(self.spec, self.n_players, self.size, self.order)

    def of_worths(self, inside: NDArray[np.bool_], worths: Matrix) -> Matrix:
        """Σ_T worth(T) γ(|T|, |T ∩ S|) over the coalitions given, (n_interactions, n_games)."""
        table = self.coalition_weights()
        sizes = inside.sum(axis=1)
        out = np.empty((len(self.members), worths.shape[1]))
        step = max(1, _CELLS // max(1, len(inside)))
        for start in range(0, len(self.members), step):
            some = self.members[start : start + step]
            out[start : start + step] = self._gamma(table, inside, sizes, some).T @ worths
        return out

    def of_nugget(self, inside: NDArray[np.bool_], parity: int, some: slice) -> Matrix:
        """γ(T) ∓ γ(N∖T) of each pair, shape (m, interactions in ``some``)."""
        table, sizes, members = self.coalition_weights(), inside.sum(axis=1), self.members[some]
        sign = -1.0 if parity else 1.0
        other = self._gamma(table, ~inside, self.n_players - sizes, members)
        return self._gamma(table, inside, sizes, members) + sign * other

    def nugget_variance(self) -> float:
        """Σ_T γ(|T|, |T ∩ S|)², the same for each S."""
        n, s = self.n_players, self.size
        weights = tables.size_weights(self.spec, n, s, self.order)
        total = 0.0
        for t, weight in enumerate(weights.tolist()):
            if weight:
                count = comb(n - s, t)
                total += weight * float(weight / count if count < 1 << 1000 else 0.0)
        return 2.0**s * total

    @staticmethod
    def _gamma(
        table: Matrix,
        inside: NDArray[np.bool_],
        sizes: NDArray[np.int64],
        members: NDArray[np.int64],
    ) -> Matrix:
        gamma: Matrix = table[sizes[:, None], common_players(inside, members)]
        return gamma

    def _sides(self, prior: Prior, z: Matrix, parity: int) -> Iterator[tuple[Matrix, Matrix]]:
        """The products of z and of its complement, as one part of k takes them."""
        priors = [prior]
        if len(self.parities()) == 2 and prior.slope > 0.0:
            # k alone is odd or even in no argument; with either sign of the slope it is.
            priors.append(replace(prior, slope=-prior.slope))
        for one in priors:
            for sign in (1.0, -1.0):
                share = (0.5 if sign > 0 or parity == 0 else -0.5) / len(priors)
                for mass, ratio in self._products(one, sign * z):
                    yield share * mass, ratio

    def _products(self, prior: Prior, z: Matrix) -> Iterator[tuple[Matrix, Matrix]]:
        """For each node: weight times the product of all factors, and ∂factor / factor."""
        b, c = np.exp(prior.log_b), prior.slope
        present = np.exp(b * (z - 1) + c / 2 * (1 + z))
        absent = np.exp(-b * (z + 1) + c / 2 * (z - 1))
        step = present - absent
        scale = exp(prior.log_scale)
        for x, weight in zip(*self.nodes(), strict=True):
            level = absent + x * step
            yield scale * weight * level.prod(axis=1), step / level

    def _sums(self, ratio: Matrix, mass: Matrix) -> Matrix:
        """Σ_r mass_r Π_{i ∈ S} ratio_ri for each S."""
        if self.size == 0:
            return np.array([mass.sum()])
        if self.size == 1:
            result: Matrix = (mass @ ratio)[self.members[:, 0]]
            return result
        if self.size == 2:
            square = (ratio * mass[:, None]).T @ ratio
            return square[self.members[:, 0], self.members[:, 1]]
        out = np.empty(len(self.members))
        step = max(1, _CELLS // len(ratio))
        for start in range(0, len(out), step):
            some = self.members[start : start + step]
            product = ratio[:, some[:, 0]] * mass[:, None]
            for column in some.T[1:]:
                product *= ratio[:, column]
            out[start : start + step] = product.sum(axis=0)
        return out


@lru_cache(maxsize=512)
def _jacobi(count: int, a: float, b: float) -> tuple[Matrix, Matrix]:
    """Points and weights of the law Beta(a, b)."""
    from scipy.special import roots_jacobi

    points, weights = roots_jacobi(count, b - 1, a - 1)
    return (1 + points) / 2, weights / weights.sum()


@lru_cache(maxsize=512)
def _on_legendre(spec: IndexSpec, n_players: int, size: int, order: int) -> tuple[Fraction, ...]:
    """The functional of the polynomials P_j(2x - 1), exactly; those with even j are symmetric."""
    count = min(n_players - size + 1, _MOST_SIGNED_NODES)
    moments = tables.exact_moments(spec, n_players, size, order, count)
    return tuple(
        sum((-1) ** (j + m) * comb(j, m) * comb(j + m, m) * moments[m] for m in range(j + 1))
        + Fraction(0)
        for j in range(count)
    )


@lru_cache(maxsize=512)
def _signed_nodes(spec: IndexSpec, n_players: int, size: int, order: int) -> tuple[Matrix, Matrix]:
    """Points and weights, of either sign, that are the functional on polynomials."""
    found = np.array([float(x) for x in _on_legendre(spec, n_players, size, order)])
    points, weights = np.polynomial.legendre.leggauss(len(found))
    series = np.polynomial.legendre.legval(points, (2 * np.arange(len(found)) + 1) * found)
    return (1 + points) / 2, weights / 2 * series
