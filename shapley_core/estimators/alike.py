"""Normal processes under which all players are alike: their matrices follow from a design alone.

The covariance of two coalitions depends on the number of players in which they differ, and that of
a value and a coalition on the number of players inside and outside of its interaction.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import comb, log

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..indices import IndexSpec
from . import covariance
from .base import Task
from .covariance import EVEN, ODD, Prior
from .incidence import common_players, meeting_chances
from .posterior import blocks
from .readout import Readout
from .regression import SPARE_ROWS
from .reuse import scaled_weights

Matrix = NDArray[np.float64]
Inside = NDArray[np.bool_]


@dataclass(frozen=True)
class Law:
    """The parameters of a process.

    Attributes
    ----------
    reach : float
        s of the covariance exp(-2 s d / n) of coalitions that differ in d players.
    nugget : float
        Variance of what each coalition does by itself.
    own : float, optional
        Variance of the terms of at most ``order`` players, of all of one size together. None for
        terms of any size, as in a regression.
    freed : bool
        Whether terms are of any size where there are pairs enough to see them.
    """

    reach: float
    nugget: float
    own: float | None
    freed: bool = False


# Of 31 laws those whose average erred least on games of models of tables, of 8 to 91 players, and
# on noise; and a regression, which is exact where no interaction is larger. What is left of a game
# that is nearly a sum of terms can be as smooth as others are: so the first law frees them, too.
LAWS = (
    Law(1.0, 1e-4, 30.0, freed=True),
    Law(2.5, 1e-4, 3.0),
    Law(6.0, 1.0, 3.0),
    Law(1.0, 1.0, None),
)
# Variance of the mean of the worths, of which most is taken off before.
_LEVEL = 3.0
# A law frees its terms from so many pairs a term on: measured, with fewer that makes values worse.
_ROWS_A_TERM = 2
# Laws are weighed by what they say of so many pairs, at regular distances: by all, errors are
# the same, and the work is four times as much.
_CHECKED = 64
# Least share of a row's variance that the others must leave open for it to check a regression.
_LEAST_OPEN = 1e-8


@dataclass(frozen=True, eq=False)
class Terms:
    """What a regression takes of the games: terms, their coefficients of worths, their values."""

    members: list[tuple[int, ...]]
    coefficients: Matrix  # (n_terms, m)
    values: Matrix  # (n_terms, n_values)


@dataclass(frozen=True, eq=False)
class Solution:
    """What a law makes of one part of games, given y at the pairs of a design.

    Attributes
    ----------
    inverse : float64 array of shape (m, m)
        inverse y = alpha, from which predictions follow; y_j less its prediction from the others
        is alpha_j / inverse_jj, of the variance 1 / inverse_jj. Of a law that is not to predict,
        the rows of the pairs that are checked alone.
    readout : float64 array of shape (m, n_values)
        readoutᵀ y are the values of the whole: they count what the law does not explain of the
        worths seen.
    variance : float64 array of shape (n_values,)
        Of the values of the whole, given the worths.
    structured : float64 array of shape (m, n_values), optional
        structuredᵀ alpha are the values of what it predicts, less those of the terms; None of a
        law that is not to predict.
    """

    law: Law
    parity: int
    inside: Inside
    inverse: Matrix
    readout: Matrix
    variance: Matrix
    structured: Matrix | None
    terms: Terms | None

    def values(self, y: Matrix, alpha: Matrix) -> Matrix:
        """Values of what it predicts, (n_games, n_values), from arrays of shape (n_games, m)."""
        assert self.structured is not None
        found: Matrix = alpha @ self.structured
        if self.terms is not None:
            found += (y @ self.terms.coefficients.T) @ self.terms.values
        return found

    def predicted(
        self, order: int, y: Matrix, alpha: Matrix, there: Inside, agreeing: NDArray[np.intp]
    ) -> Matrix:
        """The part at other coalitions, (n_games, len(there)), from arrays of shape (n_games, m).

        ``agreeing``, of shape (len(there), m), is what `agreeing_players` gives.
        """
        table = _kernel(there.shape[1], order, self.law, self.parity)
        found: Matrix = alpha @ table[agreeing].T
        if self.terms is not None:
            chi = covariance.characters(self.terms.members, covariance.signs(there))
            found += (y @ self.terms.coefficients.T) @ chi.T
        return found


@dataclass(frozen=True, eq=False)
class Laws:
    """One part of games under each law that the coalitions suffice for, in arrays.

    Attributes
    ----------
    inverses : float64 array of shape (n_laws, k, m)
        Rows of the inverses: those of the pairs by which the laws are weighed.
    diagonals : float64 array of shape (n_laws, k)
        The diagonals' entries there.
    readouts : float64 array of shape (n_laws, n_values, m)
    variances : float64 array of shape (n_laws, n_values)
    """

    solutions: list[Solution]
    inverses: Matrix
    diagonals: Matrix
    readouts: Matrix
    variances: Matrix

    @classmethod
    def of(cls, task: Task, parity: int, inside: Inside, whole: bool) -> "Laws":
        """At some coalitions, the first of them empty.

        ``whole`` says that no more than the values of the whole is wanted; otherwise laws predict.
        """
        agreeing = agreeing_players(inside, inside)
        every = (_of_law(task, law, parity, inside, agreeing, whole) for law in LAWS)
        found = [one for one in every if one is not None]
        checked = every_so_many(len(inside), _CHECKED)
        inverses = np.stack([one.inverse[checked] for one in found])
        return cls(
            [replace(one, inverse=one.inverse[checked]) for one in found] if whole else found,
            inverses,
            inverses[:, np.arange(len(checked)), checked],
            np.stack([one.readout.T for one in found]),
            np.stack([one.variance for one in found]),
        )

    def values(self, y: Matrix) -> Matrix:
        """Values of the whole under each law, shape (n_laws, n_values, n_games)."""
        flat: Matrix = self.readouts.reshape(-1, len(y)) @ y
        return flat.reshape(len(self.readouts), -1, y.shape[1])


def every_so_many(m: int, most: int) -> NDArray[np.int64]:
    """At most so many of m pairs, at regular distances; the first is the empty coalition's."""
    return np.unique(np.linspace(0, m - 1, min(m, most)).astype(np.int64))


def _of_law(
    task: Task, law: Law, parity: int, inside: Inside, agreeing: NDArray[np.intp], whole: bool
) -> Solution | None:
    found = None
    n_terms = sum(comb(task.n_players, d) for d in _degrees(task.n_players, task.order, parity))
    if law.freed and len(inside) >= _ROWS_A_TERM * n_terms + SPARE_ROWS:
        found = _solution(task, replace(law, own=None), parity, inside, agreeing, whole)
    return found or _solution(task, law, parity, inside, agreeing, whole)


def _solution(
    task: Task, law: Law, parity: int, inside: Inside, agreeing: NDArray[np.intp], whole: bool
) -> Solution | None:
    n, m = task.n_players, len(inside)
    members: list[tuple[int, ...]] = []
    if law.own is None:
        degrees = _degrees(n, task.order, parity)
        if sum(comb(n, d) for d in degrees) + SPARE_ROWS > m:
            return None
        members = [tuple(u) for d in degrees for u in sets.interactions_of_size(n, d).tolist()]
    total = _kernel(n, task.order, law, parity)[agreeing]
    total[np.diag_indices(m)] += law.nugget
    inverse = covariance.inverted(_factor(total))
    cross, structured, prior = _of_values(task, law, parity, inside, whole)
    chi = covariance.characters(members, covariance.signs(inside))
    readout = inverse @ cross
    # An inverse rounds by the condition of the matrix; so it is one step from right.
    readout += inverse @ (cross - total @ readout)
    variance = prior - np.einsum("ij,ij->j", cross, readout)
    terms = None
    if members:
        before = inverse.diagonal().copy()
        solved = inverse @ chi
        gram = chi.T @ solved
        # Coalitions may leave terms undetermined.
        if np.linalg.cond(gram) * 1e-12 > 1.0:
            return None
        coefficients = np.asarray(np.linalg.solve(gram, solved.T), np.float64)
        inverse -= solved @ coefficients
        if (inverse.diagonal() < _LEAST_OPEN * before).any():
            return None
        wanted = _of_terms(task, parity, members)
        rest = wanted - chi.T @ readout
        readout += coefficients.T @ rest
        variance += np.einsum("ij,ij->j", rest, np.linalg.solve(gram, rest))
        terms = Terms(members, coefficients, wanted)
    # Differences of large numbers: below this they are rounding.
    variance = np.maximum(variance, 1e-13 * prior)
    return Solution(law, parity, inside, inverse, readout, variance, structured, terms)


def _factor(total: Matrix) -> Matrix:
    """Lower Cholesky factor: the least nugget keeps the matrix far enough from singular."""
    from scipy.linalg import cholesky

    return np.asarray(cholesky(total, lower=True, check_finite=False))


def _degrees(n_players: int, order: int, parity: int) -> list[int]:
    """Sizes of the terms that have a variance of their own; the constant has one anyway."""
    return [d for d in range(1, min(order, n_players) + 1) if d % 2 == parity]


def agreeing_players(inside: Inside, other: Inside) -> NDArray[np.intp]:
    """In how many players coalitions agree, shape (m, m')."""
    n = inside.shape[1]
    products = covariance.signs(inside) @ covariance.signs(other).T
    products += n
    products /= 2
    return products.astype(np.intp)


def _kernel(n: int, order: int, law: Law, parity: int) -> Matrix:
    """The covariance of one part of two coalitions that agree in 0, 1, ..., n players."""
    share = 2.0 * np.arange(n + 1) / n - 1.0
    same, opposite = np.exp(law.reach * (share - 1)) / 2, np.exp(law.reach * (-share - 1)) / 2
    table: Matrix = same - opposite if parity == ODD else same + opposite + _LEVEL
    if law.own is not None:
        for d in _degrees(n, order, parity):
            table += law.own / comb(n, d) * _sums_of_terms(n, d)[::-1]
    return table


def _sums_of_terms(n: int, d: int) -> Matrix:
    """Σ Π_{i ∈ U} z_i over all U of d players where 0, 1, ..., n of the z_i are -1, the rest 1.

    The Krawtchouk polynomials.
    """
    return np.array(
        [
            float(sum((-1) ** j * comb(x, j) * comb(n - x, d - j) for j in range(d + 1)))
            for x in range(n + 1)
        ]
    )


def _of_values(
    task: Task, law: Law, parity: int, inside: Inside, whole: bool
) -> tuple[Matrix, Matrix | None, Matrix]:
    """Covariances of values and coalitions, (m, n_values), and variances of values, (n_values,).

    Between them, unless that of the whole is all that is wanted, the covariances of the structure.
    """
    columns, structures, variances = [], [], []
    for readout, _ in blocks(task):
        members = readout.members
        if parity not in readout.parities():
            columns.append(np.zeros((len(inside), len(members))))
            structures.append(columns[-1])
            variances.append(np.zeros(len(members)))
            continue
        of_size = (readout.spec, readout.order, readout.n_players, readout.size)
        structured, own, variance = _by_meeting(*of_size, law, parity)
        variances.append(np.full(len(members), variance))
        at = inside.sum(axis=1)[:, None], common_players(inside, members)
        columns.append((structured + own)[at])
        if not whole:
            structures.append(structured[at])
    structure = None if whole else np.hstack(structures)
    return np.hstack(columns), structure, np.concatenate(variances)


@lru_cache(maxsize=128)
def _by_meeting(
    spec: IndexSpec, order: int, n: int, s: int, law: Law, parity: int
) -> tuple[Matrix, Matrix, float]:
    """Cov(I(S), part at T) by |T| and |T ∩ S|, shapes (n + 1, s + 1), and the variance of I(S).

    The covariance of the structure, and of what each coalition does by itself.
    """
    one = Readout(spec, order, n, np.arange(s, dtype=np.int64)[None])
    t, r = (grid.ravel() for grid in np.mgrid[: n + 1, : s + 1])
    there = (r <= t) & (t - r <= n - s)
    t, r = t[there], r[there]
    # A coalition of each kind, S being the first players.
    player = np.arange(n)
    inside = np.where(player < s, player < r[:, None], player - s < (t - r)[:, None])
    some = slice(None)
    smooth = one.covariances(_prior(n, law), covariance.signs(inside), parity, some)[:, 0]
    if s == 0 and parity == EVEN:
        smooth += one.of_term(0) * _LEVEL
    if law.own is not None:
        for d in _degrees(n, order, parity):
            if d >= s:
                sums = _sums_of_terms(n - s, d - s)[n - s - (t - r)] * (-1.0) ** (s - r)
                smooth += law.own / comb(n, d) * one.of_term(d) * sums
    structured, rest = np.zeros((n + 1, s + 1)), np.zeros((n + 1, s + 1))
    structured[t, r] = smooth
    rest[t, r] = law.nugget * one.of_nugget(inside, parity, some)[:, 0]
    # I(S) is a sum over coalitions: so many have so much weight.
    ways = np.array([float(comb(s, k)) for k in range(s + 1)])
    weights = scaled_weights(spec, n, s, order) * meeting_chances(n, s) * ways
    return structured, rest, max(float((weights * (structured + rest)).sum()), 0.0)


def _prior(n: int, law: Law) -> Prior:
    """The smooth part of a law."""
    none = -700.0
    b = np.full(n, log(law.reach / n))
    return Prior(b, 0.0, none, none, none, 0.0, none, 0.0)


def _of_terms(task: Task, parity: int, members: list[tuple[int, ...]]) -> Matrix:
    """Values of Π_{i ∈ U} z_i, shape (n_terms, n_values)."""
    n = task.n_players
    held = np.zeros((len(members), n), np.bool_)
    for row, term in enumerate(members):
        held[row, list(term)] = True
    sizes = held.sum(axis=1)
    columns = []
    for readout, _ in blocks(task):
        out = np.zeros((len(members), len(readout.members)))
        if parity in readout.parities():
            for size in set(sizes[sizes >= readout.size].tolist()):
                some = np.flatnonzero(sizes == size)
                whole = held[some][:, readout.members].all(axis=2)
                out[some] = whole * readout.of_term(size)
        columns.append(out)
    return np.hstack(columns)
