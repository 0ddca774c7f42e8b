"""A prior on games: how alike the worths of two coalitions are held to be, learnt from the worths.

A game is a normal process on the coalitions, z ∈ {-1, +1}^n. Its smooth part has the covariance

    k(z, z') = A exp(Σ_i b_i (z_i z'_i - 1) + c Σ_i (z_i + z'_i) / 2),

a product over the players. By its Fourier expansion the coefficient of a set U has a variance in
proportion to Π_{i ∈ U} tanh b_i (at c = 0): interactions fade with their size, faster among
players that matter less; c lets worths vary more among the larger coalitions or the smaller. To
that come a part that the number of players alone decides (covariance B exp(-(u - u')² / 2 l²),
u = Σ_i z_i / n), a variance τ of each player's own effect, a variance of each term that was
selected, and a part without structure, of variance η at each coalition. The likelihood of the
worths chooses all of them.

A game splits into its odd part (v(T) - v(N∖T)) / 2 and its even part (v(T) + v(N∖T)) / 2. Both
are known at a pair of complements, and they are held to be independent, so each takes a matrix
with a row a pair. They share b, A, c, B, l and η.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Terms = tuple[tuple[int, ...], ...]

ODD, EVEN = 1, 0

# The least log η.
LEAST_NUGGET = -22.0
# The power of τ in the hyperprior.
_AWAY_FROM_0 = 0.5
# Parameters beside b.
_OTHERS = 7
# Added to the diagonal, relative to it, so that the factorisation exists.
JITTER = 1e-11
# Variance of the mean of the worths, relative to their mean square about it.
LEVEL = 100.0
# Pairs that the likelihood is computed on, and steps of the search: first on few of them.
_HYPER_ROWS, _STEPS = 300, 15
_FEW_ROWS, _FIRST_STEPS = 120, 40
# The search ends where a step gains less than this part of the loss: measured, further ones do not
# make values better.
_ENOUGH = 1e-3
# Numbers in a work array.
_CELLS = 1 << 18
# Exponentials of minus twice as much do not vanish.
_MODERATE = 300.0


@dataclass(frozen=True, eq=False)
class Prior:
    """The parameters of the covariance, of games with a mean square of 1.

    Attributes
    ----------
    log_b : float64 array of shape (n,)
        Logarithms of b.
    log_scale, log_main, log_nugget, log_term : float
        Logarithms of A, τ, η (of either part), and the variance of the selected terms.
    slope : float
        c.
    log_alike, log_reach : float
        Logarithms of B and l.
    terms : pair of tuples of tuples of players
        The selected terms of the even and of the odd part.
    """

    log_b: Matrix
    log_scale: float
    log_main: float
    log_nugget: float
    log_term: float
    slope: float
    log_alike: float
    log_reach: float
    terms: tuple[Terms, Terms] = ((), ())

    @classmethod
    def start(cls, n_players: int) -> "Prior":
        """Where the search begins."""
        n = n_players
        rest = 0.0, -log(n), log(1e-4), log(1e-2), 0.5 / n, log(0.1), log(0.7)
        return cls(np.full(n, log(0.5 / n)), *rest)

    def vector(self) -> Matrix:
        """The parameters as one vector, for the search."""
        rest = [self.log_scale, self.log_main, self.log_nugget, self.log_term, self.slope]
        rest += [self.log_alike, self.log_reach]
        found: Matrix = np.concatenate([np.asarray(self.log_b), rest])
        return found

    def at(self, vector: Matrix) -> "Prior":
        """The same terms with other parameters."""
        rest = [float(x) for x in vector[-_OTHERS:]]
        return replace(
            self,
            log_b=vector[:-_OTHERS],
            log_scale=rest[0],
            log_main=rest[1],
            log_nugget=rest[2],
            log_term=rest[3],
            slope=rest[4],
            log_alike=rest[5],
            log_reach=rest[6],
        )

    @property
    def n_players(self) -> int:
        """Number of players."""
        return len(self.log_b)


def signs(coalitions: NDArray[np.bool_]) -> Matrix:
    """+1 for a player that is in, -1 for one that is not."""
    return np.where(coalitions, 1.0, -1.0)


def characters(terms: Sequence[tuple[int, ...]], z: Matrix) -> Matrix:
    """Π_{i ∈ U} z_i for each term U, shape (m, n_terms)."""
    # A row a player and a term, so that what is multiplied lies side by side.
    rows = np.ascontiguousarray(z.T) if len(terms) > 1 else z.T
    out = np.empty((len(terms), len(z)))
    for at, term in enumerate(terms):
        out[at] = rows[list(term)].prod(axis=0) if len(term) != 1 else rows[term[0]]
    return np.ascontiguousarray(out.T)


def smooth(prior: Prior, parity: int, z: Matrix, other: Matrix) -> Matrix:
    """The odd or the even part of k between two lists of coalitions, shape (m, m')."""
    same, opposite = _exponentials(prior, z, other)
    if prior.slope > 0.0:
        half = prior.slope / 2 * (2 * np.arange(prior.n_players + 1) - prior.n_players)
        sizes, others = sizes_of(z), sizes_of(other)
        same *= _of_sizes(np.cosh(np.add.outer(half, half)), sizes, others)
        opposite *= _of_sizes(np.cosh(np.subtract.outer(half, half)), sizes, others)
    return np.subtract(same, opposite, same) if parity == ODD else np.add(same, opposite, same)


def structured(prior: Prior, parity: int, z: Matrix, other: Matrix) -> Matrix:
    """The covariance of one part without the nugget, shape (m, m')."""
    terms = prior.terms[parity]
    return _structured(prior, parity, z, other, characters(terms, z), characters(terms, other))


def upper(prior: Prior, parity: int, z: Matrix) -> Matrix:
    """``structured`` of all of z, on the diagonal and above; below there is anything."""
    chi = characters(prior.terms[parity], z)
    out = np.zeros((len(z), len(z)))
    # Arrays of a few rows stay in the cache.
    step = max(1, _CELLS // len(z))
    for start in range(0, len(z), step):
        some, rest = slice(start, start + step), slice(start, None)
        out[some, rest] = _structured(prior, parity, z[some], z[rest], chi[some], chi[rest])
    return out


def _structured(
    prior: Prior, parity: int, z: Matrix, other: Matrix, chi: Matrix, other_chi: Matrix
) -> Matrix:
    part = smooth(prior, parity, z, other)
    table = _of_sizes(by_size(prior)[parity], sizes_of(z), sizes_of(other))
    return _whole(prior, parity, part, z @ other.T, table, chi, other_chi)


def _of_sizes(table: Matrix, sizes: NDArray[np.int64], others: NDArray[np.int64]) -> Matrix:
    """What a table holds for the sizes of two lists of coalitions, shape (m, m')."""
    found: Matrix = table[sizes].take(others, axis=1)
    return found


def _whole(
    prior: Prior,
    parity: int,
    part: Matrix,
    products: Matrix,
    of_sizes: Matrix,
    chi: Matrix,
    other_chi: Matrix,
) -> Matrix:
    total: Matrix = part + of_sizes
    total += exp(prior.log_main) * products if parity == ODD else LEVEL
    if prior.terms[parity]:
        total += exp(prior.log_term) * (chi @ other_chi.T)
    return total


def variances(prior: Prior, parity: int, z: Matrix) -> Matrix:
    """The diagonal of ``structured``, shape (m,)."""
    sizes = sizes_of(z)
    slope = prior.slope * z.sum(axis=1)
    opposite = exp(-2 * float(np.exp(prior.log_b).sum()))
    sign = -1.0 if parity == ODD else 1.0
    part = exp(prior.log_scale) / 2 * (np.cosh(slope) + sign * opposite)
    total = part + by_size(prior)[parity].diagonal()[sizes]
    total += exp(prior.log_main) * prior.n_players if parity == ODD else LEVEL
    found: Matrix = total + exp(prior.log_term) * len(prior.terms[parity])
    return found


def sizes_of(z: Matrix) -> NDArray[np.int64]:
    """Sizes of coalitions that are given as signs."""
    found: NDArray[np.int64] = (z > 0).sum(axis=1)
    return found


def by_size(prior: Prior) -> tuple[Matrix, Matrix]:
    """The even and the odd part of what the sizes decide, between sizes, shapes (n+1, n+1)."""
    near, far, _, _ = _near_and_far(prior)
    return near + far, near - far


def _near_and_far(prior: Prior) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Half the covariance of sizes t and t', of t and n - t', and their squared distances / l²."""
    u = np.linspace(-1.0, 1.0, prior.n_players + 1) * exp(-prior.log_reach)
    near, far = np.subtract.outer(u, u) ** 2, np.add.outer(u, u) ** 2
    half = exp(prior.log_alike) / 2
    return half * np.exp(-near / 2), half * np.exp(-far / 2), near, far


def _exponentials(prior: Prior, z: Matrix, other: Matrix) -> tuple[Matrix, Matrix]:
    """Half of A exp(± Σ_i b_i z_i z'_i - Σ_i b_i)."""
    b = np.exp(prior.log_b)
    total, half = float(b.sum()), exp(prior.log_scale) / 2
    same = (z * b) @ other.T
    same -= total
    if total < _MODERATE:
        # A division takes a fraction of the time of another exponential.
        np.exp(same, same)
        opposite = np.divide(half * exp(-2 * total), same)
    else:
        opposite = half * np.exp(-2 * total - same)
        np.exp(same, same)
    same *= half
    return same, opposite


def _amplitudes(prior: Prior, z: Matrix) -> Matrix:
    found: Matrix = np.exp(prior.slope / 2 * z.sum(axis=1))
    return found


def learn(
    prior: Prior,
    z: Matrix,
    parts: tuple[Matrix, Matrix],
    rows: NDArray[np.int64],
    least_nugget: float = LEAST_NUGGET,
) -> Prior:
    """The most likely parameters, from the given rows, beginning with those of ``prior``.

    Parameters
    ----------
    prior : Prior
        Its terms are kept.
    z : float64 array of shape (m, n)
        One coalition of each pair, as signs.
    parts : pair of float64 arrays of shape (m, n_games)
        The even and the odd part of each game there, with a mean square of about 1.
    rows : int64 array
        The pairs to look at.
    least_nugget : float
        The least log η.
    """
    from scipy.optimize import minimize

    n = prior.n_players
    bounds = [(-12.0, 1.5)] * n
    bounds += [(-25.0, 12.0), (-14.0, 8.0), (least_nugget, 3.0), (-20.0, 8.0), (0.0, 15.0 / n)]
    bounds += [(-20.0, 8.0), (log(0.1), log(3.0))]
    few = rows[:_FEW_ROWS]
    searches = [(few, _FIRST_STEPS)]
    if len(rows) > len(few):
        # Terms were added to what is learnt already: the first rows would say nothing new.
        searches = [(rows, _STEPS)] if any(prior.terms) else [*searches, (rows, _STEPS)]
    for some, steps in searches:
        at_rows, there = z[some], (parts[0][some], parts[1][some])
        features = (characters(prior.terms[0], at_rows), characters(prior.terms[1], at_rows))

        def loss(vector: Matrix) -> tuple[float, Matrix]:
            return _loss(prior.at(vector), at_rows, there, features)  # noqa: B023

        found: Any = minimize(
            loss,
            prior.vector(),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": steps, "ftol": _ENOUGH},
        )
        prior = prior.at(found.x)
    return prior


def hyper_rows(n_rows: int, uniform: Matrix) -> NDArray[np.int64]:
    """The rows for ``learn``: the first, and others by random numbers, one for each row."""
    if n_rows <= _HYPER_ROWS:
        return np.arange(n_rows)
    return np.concatenate([[0], 1 + np.argsort(uniform[1:])[: _HYPER_ROWS - 1]])


def factor(filled: Callable[[], Matrix]) -> tuple[Matrix, float]:
    """Lower Cholesky factor, and by what part of it the diagonal was raised until there was one.

    Parameters
    ----------
    filled : callable
        Gives the matrix on the diagonal and above, in an array that the factor may be put into.

    Returns
    -------
    lower : float64 array in Fortran order
        Above the diagonal there is anything.
    rise : float
    """
    from scipy.linalg import lapack

    rise = JITTER
    while True:
        matrix = filled()
        matrix[np.diag_indices(len(matrix))] *= 1 + rise
        lower, info = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
        if info == 0:
            return np.asarray(lower), rise
        if rise > 1:
            raise np.linalg.LinAlgError("the covariance of the worths is not positive definite")
        rise *= 100


def inverted(lower: Matrix) -> Matrix:
    """The inverse of L Lᵀ."""
    from scipy.linalg import lapack

    half = np.tril(lapack.dpotri(lower, lower=1)[0])
    whole: Matrix = half + half.T
    whole[np.diag_indices(len(whole))] /= 2
    return whole


def _loss(
    prior: Prior, z: Matrix, parts: tuple[Matrix, Matrix], features: tuple[Matrix, Matrix]
) -> tuple[float, Matrix]:
    """Minus the logarithm of the posterior density of the parameters, and its gradient."""
    n, m = prior.n_players, len(z)
    b, main, nugget = np.exp(prior.log_b), exp(prior.log_main), exp(prior.log_nugget)
    per_term = exp(prior.log_term)
    same, opposite = _exponentials(prior, z, z)
    by_slope = by_slope_opposite = None
    if prior.slope > 0.0:
        up = _amplitudes(prior, z)
        both, apart = np.outer(up, up) / 2, np.outer(up, 1 / up) / 2
        less, rest = np.outer(1 / up, 1 / up) / 2, np.outer(1 / up, up) / 2
        by_slope, by_slope_opposite = same * (both - less), opposite * (apart - rest)
        same *= both + less
        opposite *= apart + rest
    loss, gradient = _hyperprior(prior)
    near, far, near_by, far_by = _near_and_far(prior)
    products, sizes = z @ z.T, sizes_of(z)
    member = np.zeros((m, n + 1))
    member[np.arange(m), sizes] = 1.0
    for parity in (EVEN, ODD):
        sign = -1.0 if parity == ODD else 1.0
        part = same + sign * opposite
        chi, table = features[parity], (near + sign * far)[np.ix_(sizes, sizes)]
        covariance = _whole(prior, parity, part, products, table, chi, chi)
        covariance[np.diag_indices(m)] += nugget
        lower, _ = factor(covariance.copy)
        inverse = inverted(lower)
        alpha = inverse @ parts[parity]
        n_games = alpha.shape[1]
        loss += 0.5 * float((parts[parity] * alpha).sum()) / n_games
        loss += float(np.log(lower.diagonal()).sum())
        # Of the covariance's change D the loss changes by the trace of slack D.
        slack = (inverse - alpha @ alpha.T / n_games) / 2
        inner = slack * (same - sign * opposite)
        total = float(np.vdot(slack, part))
        gradient[:n] += b * (np.einsum("ij,ij->j", z, inner @ z) - total)
        gradient[n] += total
        if parity == ODD:
            gradient[n + 1] += main * float(((slack @ z) * z).sum())
        gradient[n + 2] += nugget * float(np.trace(slack))
        if prior.terms[parity]:
            gradient[n + 3] += per_term * float(((slack @ chi) * chi).sum())
        if by_slope is not None and by_slope_opposite is not None:
            # Times the sum, or the difference, of the two coalitions' Σ_i z_i / 2.
            by_slope_here = np.einsum("ij,ij->i", slack, by_slope)
            by_slope_here += sign * np.einsum("ij,ij->i", slack, by_slope_opposite)
            gradient[n + 4] += float(by_slope_here @ z.sum(axis=1))
        slack = member.T @ slack @ member
        gradient[n + 5] += float((slack * (near + sign * far)).sum())
        gradient[n + 6] += float((slack * (near * near_by + sign * far * far_by)).sum())
    return loss, gradient


def _hyperprior(prior: Prior) -> tuple[float, Matrix]:
    """Wide normal laws: log b about their mean, that about log(1 / 2n), and c about 0.

    And τ, to a power: the most likely τ of few worths is often 0, which would be sure that players
    are alike (Chung et al. 2013, A nondegenerate penalized likelihood estimator).
    """
    n = prior.n_players
    mean = float(prior.log_b.mean())
    away, off = prior.log_b - mean, mean - log(0.5 / n)
    width = (5.0 / n) ** 2
    gradient = np.zeros(n + _OTHERS)
    gradient[:n] = away / 4 + off / (4 * n)
    gradient[n + 1] = -_AWAY_FROM_0
    gradient[n + 4] = prior.slope / width
    loss = float(away @ away / 8 + off**2 / 8 + prior.slope**2 / (2 * width))
    return loss - _AWAY_FROM_0 * prior.log_main, gradient
