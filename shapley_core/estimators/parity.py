"""Least squares on parities χ_U(T) = (-1)^|T ∩ U|, from coalitions in pairs.

Of a pair T, N∖T the half difference of the worths is seen by odd U alone and the half sum by even
U alone, as χ_U(N∖T) = (-1)^|U| χ_U(T). With one weight for both, a regression on all U falls into
two, each with one row a pair.
"""

from math import comb

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import normal as kernels
from ..indices import IndexSpec
from ..indices.tables import exact_moments
from ..threads import row_blocks

Matrix = NDArray[np.float64]
Terms = NDArray[np.int32]

# Numbers in one block of parities: they stay in the second cache.
_BLOCK = 1 << 16
# Directions of the normal matrix that are as good as zero.
_CUT = 1e-9


def terms_of_parity(n_players: int, degree: int, parity: int) -> Terms:
    """All sets of at most ``degree`` players, their number even (0) or odd (1), padded with -1."""
    blocks = []
    for size in range(parity, degree + 1, 2):
        block = np.full((comb(n_players, size), max(degree, 1)), -1, dtype=np.int32)
        block[:, :size] = sets.interactions_of_size(n_players, size)
        blocks.append(block)
    return np.concatenate(blocks)


def parity_sums(words: NDArray[np.uint64], step: int, terms: Terms, coefficients: Matrix) -> Matrix:
    """Σ_U coefficient_U χ_U at every ``step``-th coalition, shape (n_rows, n_games)."""
    out = np.empty((len(words) // step, coefficients.shape[1]))
    block_rows = max(64, _BLOCK // len(terms))
    for start in range(0, len(out), block_rows):
        chi = np.empty((min(block_rows, len(out) - start), len(terms)))
        kernels.parities(words, step, start, terms, chi)
        out[start : start + len(chi)] = chi @ coefficients
    return out


class ParityFit:
    """Weighted least squares of some targets on the parities of some terms.

    Parameters
    ----------
    words : uint64 array of shape (m, n_words)
        Coalitions; the rows of the regression are every ``step``-th of them.
    step : int
        2 for the first ones of pairs.
    counts, weights : arrays of shape (n_strata,)
        The first ``counts[0]`` rows have the weight ``weights[0]``, and so on.
    terms : int32 array of shape (n_terms, width)
        Sets of players, padded with -1.
    sum_known : bool
        Whether the coefficients have a sum that is given: the worth of the empty coalition.
    ridge : float
        What is added to the diagonal of the normal matrix, as a fraction of its mean there.
    known : float64 array of shape (n_terms, k), optional
        Instead of the sum: an orthonormal basis of the directions that the coefficients lack.

    Attributes
    ----------
    inverse : float64 array of shape (n_terms, n_terms)
        Pseudo-inverse of the normal matrix, within the coefficients of sum 0 if the sum is known,
        or those without the known directions.
    lost : bool array of shape (n_terms,)
        The terms whose coefficients the rows do not determine.
    """

    def __init__(
        self,
        words: NDArray[np.uint64],
        step: int,
        counts: NDArray[np.int64],
        weights: Matrix,
        terms: Terms,
        sum_known: bool,
        ridge: float = 0.0,
        known: Matrix | None = None,
    ) -> None:
        self.words = words
        self.step = step
        self.terms = np.ascontiguousarray(terms)
        self.sum_known = sum_known
        self.weights = np.repeat(weights, counts)
        self.n_rows = int(counts.sum())
        self.block_rows = max(64, _BLOCK // len(terms))
        gram = np.zeros((len(terms), len(terms)))
        if self.n_rows:
            kernels.parity_products(words, step, counts, weights, self.terms, gram)
        gram += np.tril(gram, -1).T
        self._sums = gram.sum(axis=1)
        gram += np.diag(ridge * gram.diagonal())
        if sum_known:
            known = np.full((len(terms), 1), len(terms) ** -0.5)
        self.inverse, self.lost = _inverse(gram, known)

    def parities(self, start: int, stop: int) -> Matrix:
        """χ of rows start to stop, shape (stop - start, n_terms)."""
        out = np.empty((stop - start, len(self.terms)))
        kernels.parities(self.words, self.step, start, self.terms, out)
        return out

    def residuals(self, coefficients: Matrix, targets: Matrix) -> tuple[Matrix, Matrix]:
        """Residuals of each row, and from the fit without it, shape (n_rows, n_games) each.

        Rows without a weight are in no fit anyway.
        """
        left, outside = np.empty_like(targets), np.empty_like(targets)
        for start, stop in row_blocks(self.n_rows, self.block_rows):
            rows = self.parities(start, stop)
            own = np.einsum("ij,ij->i", rows @ self.inverse, rows)
            rest = np.maximum(1.0 - self.weights[start:stop] * own, 1e-9)
            left[start:stop] = targets[start:stop] - rows @ coefficients
            outside[start:stop] = left[start:stop] / rest[:, None]
        return left, outside

    def coefficients(self, targets: Matrix, total: Matrix | None = None) -> Matrix:
        """Coefficients, shape (n_terms, n_games), of targets of shape (n_rows, n_games).

        ``total``, of shape (n_games,), is their sum where it is known.
        """
        right = np.zeros((len(self.terms), targets.shape[1]))
        for start, stop in row_blocks(self.n_rows, self.block_rows):
            right += self.parities(start, stop).T @ (
                self.weights[start:stop, None] * targets[start:stop]
            )
        # An equal share of the sum for each; the rest sums to 0.
        share = 0.0 if total is None else total / len(self.terms)
        found: Matrix = self.inverse @ (right - self._sums[:, None] * share) + share
        return found


def _inverse(gram: Matrix, known: Matrix | None) -> tuple[Matrix, NDArray[np.bool_]]:
    n = len(gram)
    if known is None:
        known = np.zeros((n, 0))
    gram = gram - known @ (known.T @ gram)
    gram -= (gram @ known) @ known.T
    scale = np.trace(gram) / n
    if not scale > 0.0:
        # Nothing is seen; what lies within the known directions is known all the same.
        return np.zeros((n, n)), (known**2).sum(axis=1) < 1.0 - 1e-8
    # The known directions, gone from the matrix, get the size of the rest, and are taken off the
    # inverse again.
    gram += (scale * known) @ known.T
    back = (known / scale) @ known.T
    try:
        if np.linalg.cholesky(gram).diagonal().min() ** 2 > _CUT * scale:
            return np.linalg.inv(gram) - back, np.zeros(n, dtype=bool)
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(gram)
    kept = values > _CUT * scale
    vectors = vectors[:, kept]
    away = 1.0 - (vectors**2).sum(axis=1)
    return (vectors / values[kept]) @ vectors.T - back, away > 1e-8


def readout(terms: Terms, spec: IndexSpec, n_players: int, order: int) -> Matrix:
    """ν, shape (n_terms, 1 + n_interactions): I(S) = Σ_U ν[U, S] F(U), the first column S = ∅.

    The values of an index of a game from its Fourier coefficients F: a weight for each U ⊇ S that
    depends on the sizes, ν_m = Σ_j (-2)^(s+j) C(m, j) μ_j with m = |U∖S|.
    """
    sizes = (terms >= 0).sum(axis=1)
    starts = np.cumsum([0, *(comb(n_players, size) for size in range(order + 1))])
    out = np.zeros((len(terms), starts[-1]))
    for size in range(order + 1):
        if size == 0 and not spec.has_constant:
            continue
        for larger in np.unique(sizes[sizes >= size]).tolist():
            moments = exact_moments(spec, n_players, size, order, larger - size + 1)
            weight = sum(
                (-2) ** (size + j) * comb(larger - size, j) * mu for j, mu in enumerate(moments)
            )
            at = np.flatnonzero(sizes == larger)
            members = terms[at, :larger]
            for columns in sets.interactions_of_size(larger, size):
                ranks = sets.ranks(np.ascontiguousarray(members[:, columns]), n_players)
                out[at, starts[size] + ranks] = float(weight)
    return out
