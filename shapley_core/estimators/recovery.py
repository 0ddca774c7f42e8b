"""Parts of a game that few terms fit exactly: they are taken for the game itself."""

from dataclasses import dataclass
from itertools import combinations
from math import comb, exp, log2

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .base import Task
from .candidates import LATTICE, Term, lattice_sums, players_at
from .covariance import ODD, Prior, characters
from .posterior import blocks, parities_of
from .readout import Readout
from .sample import Sample

Matrix = NDArray[np.float64]

# Bits beyond those that name the terms.
_SURELY = 10.0
# A fit to this, relative, with half as many terms as different rows, is the game itself.
_EXACT = 1e-10
# Rows beyond those that would tell that terms do not fit.
_TO_SPARE = 64


@dataclass(frozen=True, eq=False)
class Exact:
    """A part of a game as a sum of few terms that fits all worths."""

    terms: list[Term]
    beta: Matrix
    residual: float

    def values(self, readout: Readout) -> Matrix:
        """The values of one size."""
        out = np.zeros(len(readout.members))
        for term, beta in zip(self.terms, self.beta, strict=True):
            if len(term) >= readout.size:
                out[readout.within(term)] += beta * readout.of_term(len(term))
        return out


def recover(prior: Prior, sample: Sample, parity: int) -> Exact | None:
    """The part itself, where few terms explain it."""
    plain = _plain(sample, parity)
    if plain is not None:
        return plain
    z, y = sample.z, sample.target(parity)[:, 0]
    terms = _ranked(prior, sample, parity)
    constant: list[Term] = [()] if parity != ODD else []
    most = [*constant, *terms][: len(z) // 2]
    # What all cannot fit, no part of them can.
    if _surely_left(most, z, y):
        return None
    count = 1
    while True:
        some = [*constant, *terms[:count]]
        if 2 * len(some) > len(z):
            return None
        fit = _fit(some, z, y)
        if fit is not None and _proven(sample, parity, some):
            return fit
        if count >= len(terms):
            return None
        count += max(1, count // 3)


def _plain(sample: Sample, parity: int) -> Exact | None:
    """The part as single players, or as pairs: one model, so a few rows to spare will do."""
    n, z = sample.inside.shape[1], sample.z
    terms: list[Term] = [(), *combinations(range(n), 2)]
    if parity == ODD:
        terms = [(i,) for i in range(n)]
    if len(terms) + 3 > len(z):
        return None
    return _fit(terms, z, sample.target(parity)[:, 0])


def _fit(terms: list[Term], z: Matrix, y: Matrix) -> Exact | None:
    """Least squares, if it leaves nothing."""
    if _surely_left(terms, z, y):
        return None
    chi = characters(terms, z)
    beta, _, rank, _ = np.linalg.lstsq(chi, y, rcond=1e-9)
    residual = float(np.abs(y - chi @ beta).max())
    if residual > _EXACT or rank < len(terms):
        return None
    return Exact(terms, np.asarray(beta, dtype=np.float64), max(residual, 1e-15))


def _surely_left(terms: list[Term], z: Matrix, y: Matrix) -> bool:
    """Whether least squares leave something, where that can be seen in a fraction of their time.

    In a part of the rows, first: what fits all of them fits these.
    """
    from scipy.linalg import cho_solve, solve_triangular

    enough = 5 * len(terms) // 4 + _TO_SPARE
    if enough < len(z):
        few = np.linspace(0, len(z) - 1, enough).astype(np.int64)
        if _surely_left(terms, z[few], y[few]):
            return True
    chi = characters(terms, z)
    try:
        lower = np.linalg.cholesky(chi.T @ chi)
    except np.linalg.LinAlgError:
        return False
    rest = y - chi @ cho_solve((lower, True), chi.T @ y, check_finite=False)
    # By the normal equations alone another fit might leave less: by so much, in squares.
    less = solve_triangular(lower, chi.T @ rest, lower=True, check_finite=False)
    squares, explained = float(rest @ rest), float(less @ less)
    return explained < squares / 4 and squares > 4 * len(y) * _EXACT**2


def _proven(sample: Sample, parity: int, terms: list[Term]) -> bool:
    """Whether so few terms that fit all rows cannot be chance.

    What groups of players do that share no term adds up, so a row tells of each group what it
    tells of its players alone. Each must show twice as many different rows as it has terms, or
    all that it can; and all together, too. That will do for real numbers; where worths repeat, the
    rows must also say more, in bits, than it takes to name the terms.
    """
    different = _different(sample, terms)
    if 2 * len(terms) > different:
        return False
    groups: list[set[int]] = []
    for term in terms:
        apart = [group for group in groups if group.isdisjoint(term)]
        groups = [*apart, set(term).union(*(group for group in groups if group not in apart))]
    for group in groups:
        own = [term for term in terms if group.issuperset(term)]
        shown = _different(sample, own)
        if 2 * len(own) > shown and shown.bit_length() < len(group):
            return False
    if not sample.few_worths:
        return True
    n, worths = sample.inside.shape[1], np.unique(np.round(sample.target(parity), 9))
    naming = sum(log2(comb(n, len(term))) for term in terms)
    return (different - len(terms)) * log2(max(2, len(worths))) >= naming + _SURELY


def _different(sample: Sample, terms: list[Term]) -> int:
    """How many of the rows these terms tell apart; a coalition and its complement are one."""
    players = sorted(set().union(*terms))
    if not players:
        return 1
    rows = sample.inside[sample.train][:, players]
    return len(np.unique(sets.pack(rows ^ rows[:, :1]), axis=0))


def _ranked(prior: Prior, sample: Sample, parity: int) -> list[Term]:
    """Terms by the size of their expected coefficients, largest first."""
    z, y = sample.z, sample.target(parity)[:, 0]
    alpha = sample.factored(prior, parity).solve(y)
    n = prior.n_players
    fade = np.tanh(np.exp(prior.log_b))
    level = exp(prior.log_scale) * float(np.prod((1 + np.exp(-2 * np.exp(prior.log_b))) / 2))
    players = np.sort(np.argsort(-prior.log_b, kind="stable")[:LATTICE])
    sums = lattice_sums(sample.inside[sample.train], alpha, players)
    variance = np.full(1, level)
    for i in players:
        variance = np.concatenate([variance, variance * fade[i]])
    counts = sets.sizes_by_position(len(players)).astype(np.int64)
    size = np.where((counts % 2 == parity) & (counts > 0), np.abs(sums) * variance, 0.0)
    best = np.argsort(-size)[: len(z) // 2]
    sizes = {players_at(int(at), players): float(size[at]) for at in best if size[at] > 0}
    own = [(term, exp(prior.log_term)) for term in prior.terms[parity]]
    own += [((i,), exp(prior.log_main)) for i in range(n)] if parity == ODD else []
    for term, variance_of in own:
        more = variance_of * abs(float(characters([term], z)[:, 0] @ alpha))
        sizes[term] = sizes.get(term, 0.0) + more
    return sorted(sizes, key=lambda term: -sizes[term])


def recovered(prior: Prior, task: Task, sample: Sample) -> dict[int, Exact | None]:
    """The parts that the values depend on, where few terms fit all worths."""
    return {parity: recover(prior, sample, parity) for parity in parities_of(task)}


def put_exact(task: Task, exact: dict[int, Exact | None], values: Matrix, errors: Matrix) -> None:
    """Put in the values of those sizes whose parts of the game few terms fit exactly."""
    for readout, here in blocks(task):
        fits = [exact[parity] for parity in readout.parities()]
        if any(fit is None for fit in fits):
            continue
        values[:, here], errors[:, here] = 0.0, 0.0
        for fit in fits:
            assert fit is not None
            values[0, here] += fit.values(readout)
            errors[0, here] += fit.residual


def exact_values(task: Task, exact: dict[int, Exact | None]) -> tuple[Matrix, Matrix]:
    """Values and standard errors of one game, all of whose parts are fitted exactly."""
    values = np.zeros((1, task.spec.has_constant + len(task.interactions)))
    errors = np.zeros_like(values)
    put_exact(task, exact, values, errors)
    return values, errors
