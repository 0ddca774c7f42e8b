"""KernelSHAP-IQ: the Shapley interaction index by one regression for each order."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import comb, log

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..errors import InputError
from ..indices import IndexSpec
from ..indices.built_in import bernoulli
from ..memory import check_memory, human_count
from .base import Design, Estimates, Estimator, Task
from .incidence import sums_over_subsets
from .pairs import PairedDesign, paired_design
from .parity import ParityFit, Terms, parity_sums, terms_of_parity
from .registry import register
from .regression import SPARE_ROWS, Part, linearised_error

Matrix = NDArray[np.float64]

# Log weight of the sizes that are enumerated, so high that any accepted budget fills them.
_ALL = 100.0


@register
@dataclass(frozen=True)
class KernelSHAPIQ(Estimator):
    """SII of any order by successive weighted least squares on pairs of coalitions.

    For s = 1, 2, .. the SII of the sets of s players minimise Σ_T μ_s(t) (r(T) - f_s(T))², r
    being what the orders before leave of v, with

        f_s(T) = Σ_{|S|=s} I(S) λ(s, |T ∩ S|),   λ(s, r) = Σ_{j=1..r} C(r, j) B_{s-j},
        μ_s(t) = 1 / ((n - 2s + 1) C(n - 2s, t - s)) for s <= t <= n - s, else infinite

    (Fumagalli et al. 2024, KernelSHAP-IQ; B are the Bernoulli numbers, B_1 = -1/2). Here the sum
    is over all coalitions of infinite weight and a sample of the others, in pairs with their
    complements, each weighted by the inverse of the probability that it is in.

    What the coalitions of infinite weight tell is, for each R of s - 1 players,

        Σ_{i ∉ R} I(R ∪ i) = Δ_R(N∖R) - Δ_R(∅),

    which for s = 1 is efficiency. These sums are eliminated, so they hold to rounding. (From s = 3
    no f_s meets all these coalitions, and they count with their share in the definition of the
    index; that is the same.) On what is left free f_s is (-1/2)^s Σ_S I(S) (-1)^|T ∩ S|, so each
    order sees the half sums or the half differences of the pairs alone, and all sizes from s to
    n - s have the same leverage: they are sampled alike.

    Parameters
    ----------
    ridge : float
        What is added to the diagonal of the normal matrix from order 2 on, as a fraction of its
        mean, where there are as many unknowns as rows; else less, by the square of their ratio
        and by the fraction of all coalitions that is in. It keeps values of small budgets from
        being far off, for a small bias towards equal shares of the sums above. With 0 games
        without interactions of more than two players are found exactly at order 2.

    Notes
    -----
    Standard errors are of the linearised estimate of each order under the sampling design: strata
    of sizes, without replacement, residuals corrected for the leverage of their row, and of the
    bias by the ridge.
    """

    ridge: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.ridge < float("inf"):
            raise InputError(f"ridge must be a finite number of at least 0, not {self.ridge}")

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.name == "SII"

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        n = n_players
        if n < 2 * order:
            # All sizes are of infinite weight.
            return 1 << n
        free = [_n_border(n, s) + comb(n, s) - comb(n, s - 1) for s in range(1, order + 1)]
        return 2 + 2 * (max(free) + SPARE_ROWS)

    def _design(self, task: Task) -> PairedDesign:
        n, order = task.n_players, task.order
        n_terms = comb(n, order)
        check_memory(
            6 * 8 * n_terms**2,
            f"a regression on {human_count(n_terms)} interactions of {order} of {n} players",
            "Ask for a lower order, or use another estimator",
        )
        law = np.zeros(n // 2)
        law[: order - 1] = _ALL
        return paired_design(task, law)

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        n = task.n_players
        values, errors = [], []
        rest: dict[int, _Rest] = {}
        for size in range(1, task.order + 1):
            parity = size % 2
            if parity not in rest:
                rest[parity] = _Rest(n, parity, design, worths)
            found, error = _one_order(rest[parity], size, self.ridge)
            values.append(found)
            errors.append(error)
        return Estimates(np.concatenate(values).T, np.concatenate(errors).T)


class _Rest:
    """What is left to explain of the half differences (parity 1) or half sums (0) of the pairs.

    Attributes
    ----------
    empty : float64 array of shape (n_games,)
        That of the pair of the empty and the full coalition.
    rows : float64 array of shape (n_pairs, n_games)
        Those of the others.
    """

    def __init__(self, n_players: int, parity: int, design: PairedDesign, worths: Matrix) -> None:
        self.n_players = n_players
        self.parity = parity
        self.design = design
        self.words = design.words[2:]
        sign = -1.0 if parity else 1.0
        halves: Matrix = (worths[::2] + sign * worths[1::2]) / 2
        # No order has a constant: half sums are from that of the empty coalition.
        if not parity:
            halves = halves - halves[0]
        self.empty: Matrix = halves[0]
        self.rows: Matrix = halves[1:]

    def subtract(self, terms: Terms, coefficients: Matrix) -> None:
        """Take Σ_U coefficient_U χ_U off."""
        self.rows = self.rows - parity_sums(self.words, 2, terms, coefficients)
        self.empty = self.empty - coefficients.sum(axis=0)

    def of_size(self, size: int) -> Matrix:
        """That of all coalitions of a size, which are in the design, lexicographic."""
        n, design = self.n_players, self.design
        if size == 0:
            return self.empty[None]
        at = min(size, n - size) - 1
        stop = int(design.counts[: at + 1].sum())
        start = stop - int(design.counts[at])
        inside = sets.unpack(self.words[2 * start : 2 * stop], n)
        there = np.flatnonzero(inside.sum(axis=1) == size)
        members = np.nonzero(inside[there])[1].reshape(-1, size).astype(np.int32)
        # The second of a pair has the half difference of the first with the other sign.
        sign = np.where((there % 2 == 1) & (self.parity == 1), -1.0, 1.0)
        out = np.empty((comb(n, size), self.rows.shape[1]))
        out[sets.ranks(members, n)] = sign[:, None] * self.rows[start + there // 2]
        return out


def _one_order(rest: _Rest, size: int, ridge: float) -> tuple[Matrix, Matrix]:
    """Values of one size and their errors, (n_values, n_games) each; their fit is taken off."""
    n, design = rest.n_players, rest.design
    members = sets.interactions_of_size(n, size)
    below = _incidence(members, n, size - 1)
    sums = _known_sums(rest, size)
    if n < 2 * size:
        # They determine all.
        every: Matrix = np.asarray(np.linalg.lstsq(below, sums, rcond=None)[0], dtype=np.float64)
        rest.subtract(*_fitted(n, size, every))
        return every, np.zeros_like(every)
    known, triangle = np.linalg.qr(below.T)
    found: Matrix = known @ np.linalg.solve(triangle.T, sums)
    rest.subtract(*_fitted(n, size, found))
    weights = _weights(n, size, design)
    share = ridge * _scarcity(design, weights, len(members) - known.shape[1]) if size > 1 else 0.0
    fit = ParityFit(rest.words, 2, design.counts, weights, members, False, share, known)
    scale = (-2.0) ** size
    part = Part(fit, scale * np.eye(len(members)), rest.rows, None)
    # What the ridge takes off is a bias; it counts as an error.
    bias = scale * share * fit.weights.sum() * (fit.inverse @ part.coefficients)
    error = np.hypot(linearised_error([part], design, design.counts), bias)
    error[fit.lost] = np.inf
    rest.subtract(members, part.coefficients)
    return found + part.values, error


def _scarcity(design: PairedDesign, weights: Matrix, n_free: int) -> float:
    """Square of unknowns over rows, times the fraction of the rows' strata that is not in."""
    rows = np.where(weights > 0.0, design.counts, 0)
    missing = float(design.missing @ rows / rows.sum())
    return missing * (n_free / float(rows.sum())) ** 2


def _known_sums(rest: _Rest, size: int) -> Matrix:
    """Δ_R(N∖R) - Δ_R(∅) = 2 (-1)^s Σ_{L ⊆ R} (-1)^|L| r(L) for each R of size - 1 players."""
    signs = [2.0 * (-1.0) ** (size + smaller) for smaller in range(size)]
    levels = [sign * rest.of_size(smaller) for smaller, sign in enumerate(signs)]
    return sums_over_subsets(rest.n_players, size - 1, levels)


def _incidence(members: Terms, n_players: int, size: int) -> Matrix:
    """1 where the set of the row, of ``size`` players, is within that of the column."""
    out = np.zeros((comb(n_players, size), len(members)))
    for columns in combinations(range(members.shape[1]), size):
        inner = np.ascontiguousarray(members[:, list(columns)])
        out[sets.ranks(inner, n_players), np.arange(len(members))] = 1.0
    return out


def _fitted(n_players: int, size: int, values: Matrix) -> tuple[Terms, Matrix]:
    """f_s as terms and coefficients of parities, without the constant where s is odd.

    A product over j players is 2^-j Σ_U (-1)^|U| χ_U over their subsets U, so U has
    Σ_{S ⊇ U} I(S) times (-1)^|U| Σ_j C(s - |U|, j - |U|) B_{s-j} 2^-j, nothing if s - |U| is odd.
    """
    terms = terms_of_parity(n_players, size, size % 2)
    members = sets.interactions_of_size(n_players, size)
    parts = []
    for smaller in range(size % 2, size + 1, 2):
        weight = sum(
            comb(size - smaller, j - smaller)
            * bernoulli(size - j)
            / Fraction((-1) ** smaller * 2**j)
            for j in range(max(smaller, 1), size + 1)
        )
        parts.append(float(weight) * (_incidence(members, n_players, smaller) @ values))
    return terms, np.concatenate(parts)


def _n_border(n_players: int, size: int) -> int:
    """Number of pairs with a coalition of less than ``size`` players, but of the empty one."""
    return sum(comb(n_players, t) for t in range(1, size))


def _weights(n_players: int, size: int, design: PairedDesign) -> Matrix:
    """The weight of each stratum's pairs: μ_s over the probability that they are in.

    Up to a factor for all, C(n, t) μ_s(t) is the product of 1 / ((t - i) (n - t - i)), i < s.
    """
    t = design.sizes.astype(np.float64)
    log_total = np.where(2 * design.sizes == n_players, 0.0, log(2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(size):
            log_total += 2 * log(n_players) - np.log(t - i) - np.log(n_players - t - i)
        weights = np.exp(log_total - np.log(design.expected))
    return np.where((t >= size) & (design.counts > 0), weights, 0.0)
