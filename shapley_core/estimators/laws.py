"""Laws of coalition sizes: how much each size matters to a regression."""

from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_kernel(n_players: int, size: int, banzhaf: bool) -> float:
    """Logarithm of the kernel's weight of all coalitions of a size together.

    The Shapley kernel 1 / (C(n, t) t (n - t)), 0 < t < n, or equal weights 2^-n.
    """
    if banzhaf:
        return log_binomial(n_players, size) - n_players * log(2.0)
    return -log(size * (n_players - size))


def kernel_law(n_players: int, banzhaf: bool) -> Array:
    """Logarithms of the kernel's weights of the sizes 1 .. n // 2."""
    return np.array([log_kernel(n_players, t, banzhaf) for t in range(1, n_players // 2 + 1)])


def root_kernel_law(n_players: int) -> Array:
    """Logarithms of the roots of the Shapley kernel's weights of the sizes 1 .. n // 2."""
    sizes = np.arange(1, n_players // 2 + 1, dtype=np.float64)
    law: Array = -0.5 * np.log(sizes * (n_players - sizes))
    return law


def leverage_law(n_players: int, degree: int, banzhaf: bool) -> Array:
    """Logarithms of the leverage scores of the sizes 1 .. n // 2 in a regression of all coalitions.

    The regression is on all games without interactions of more than ``degree`` players, under the
    Shapley kernel (those that are 0 at ∅ and N) or equal weights. All coalitions of a size have one
    leverage score, by symmetry; the law is of their sum. The games fall into parts that the
    symmetric group does not mix: for each j <= degree, C(n, j) - C(n, j-1) copies of the
    polynomials p(t) of degree at most degree - j, weighed with C(n-2j, t-j) w_t (the norm on the
    slice of size t of a harmonic polynomial of degree j; Filmus 2016, An orthogonal basis for
    functions over a slice of the Boolean hypercube). So each part is a regression on polynomials.
    """
    n = n_players
    sizes = np.arange(0, n + 1)
    total = np.zeros(n + 1)
    copies_before = 0.0
    for j in range(min(degree, n // 2) + 1):
        copies = float(np.exp(log_binomial(n, j)))
        log_weights = np.array(
            [
                log_kernel(n, t, banzhaf) + log_binomial(n - 2 * j, t - j) - log_binomial(n, t)
                if j <= t <= n - j and (banzhaf or 0 < t < n)
                else -np.inf
                for t in sizes.tolist()
            ]
        )
        # Under the Shapley kernel the part j = 0 vanishes at 0 and n: two degrees less.
        dimension = degree - j + 1 - (2 if j == 0 and not banzhaf else 0)
        if dimension > 0 and np.isfinite(log_weights).any():
            weights = np.exp((log_weights - log_weights.max()) / 2)
            if j == 0 and not banzhaf:
                weights = weights * sizes * (n - sizes)
            total += (copies - copies_before) * _leverage(sizes, weights, dimension)
        copies_before = copies
    with np.errstate(divide="ignore"):
        return np.log(total[1 : n // 2 + 1])


def _leverage(sizes: NDArray[np.int64], weights: Array, dimension: int) -> Array:
    """Leverage of each size in a regression on polynomials, from the square roots of weights."""
    used = np.flatnonzero(weights > 1e-150)
    middle = 2.0 * sizes[used] / sizes[-1] - 1.0
    basis = np.polynomial.legendre.legvander(middle, min(dimension, len(used)) - 1)
    orthogonal, _ = np.linalg.qr(weights[used, None] * basis)
    out = np.zeros(len(sizes))
    out[used] = (orthogonal**2).sum(axis=1)
    return out


def log_binomial(n: int, k: int) -> float:
    """Logarithm of C(n, k)."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
