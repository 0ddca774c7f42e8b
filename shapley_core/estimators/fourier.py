"""Values by regression on parities: a normal process, and single terms that stand out of it."""

from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, exp, log, log2, sqrt

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..transforms import transform
from .base import Task
from .covariance import ODD, Prior, Terms, characters, signs
from .gaussian import GaussianProcess
from .posterior import blocks, parities_of
from .readout import Readout
from .registry import register
from .sample import Sample

Matrix = NDArray[np.float64]
Term = tuple[int, ...]

# All terms of so many players are looked at in every step: of those that matter most.
_LATTICE = 16
# Triples are looked at up to so many players; larger terms once a part of them is in.
_TRIPLES = 128
# Terms that are compared exactly in a step, and at most taken, of the rows and in all: a game that
# seems to have more is none of a few terms.
_CANDIDATES, _SHARE, _MOST_TERMS = 64, 0.4, 600
_ROUNDS = 3
# Of more rows than these, terms are first looked for in so many.
_MANY_ROWS, _FEW_ROWS = 2048, 1500
# Players that may join a term: these, and those of the terms that are in, up to so many.
_MOST_JOINING = 40
# By how much the likelihood must rise beyond the choice among the terms of a size.
_PENALTY = 3.0
# Bits beyond those that name the terms.
_SURELY = 10.0
# A fit to this, relative, with half as many terms as different rows, is the game itself.
_EXACT = 1e-10
# Rows beyond those that would tell that terms do not fit.
_TO_SPARE = 64


@register
@dataclass(frozen=True)
class FourierRegression(GaussianProcess):
    """Values by Bayesian regression on parities, with a selection of terms.

    Every game is a sum of parities, v(T) = Σ_U F(U) (-1)^|T ∩ U|. The prior of the
    ``GaussianProcess`` gives each coefficient a variance by its players and its size. Terms that
    stand out are given a variance of their own: a term is taken where the likelihood of the
    worths rises by more than the logarithm of the number of terms of its size. All terms of the
    16 players that matter most are looked at (by a fast transform), and beyond these, those of
    two or three players and what two more players make of a term that is in. The parameters are
    learnt again after each round.

    If few terms fit all worths exactly, many fewer than there are different rows, they are taken
    for the game itself: sparse games are recovered exactly.

    Values of a symmetric index depend on the terms of the same parity as their size (OddSHAP,
    Fumagalli et al. 2026, uses so the odd ones for Shapley values); I(S) =
    (-2)^s Σ_{U ⊇ S} F(U) E[(1 - 2x)^(u-s)].

    Notes
    -----
    Greedy selection by marginal likelihood is that of Tipping and Faul (2003), Fast marginal
    likelihood maximisation for sparse Bayesian models.
    """

    def _values(self, task: Task, sample: Sample) -> tuple[Matrix, Matrix]:
        found = [self._game(task, one) for one in sample.games()]
        return np.concatenate([v for v, _ in found]), np.concatenate([e for _, e in found])

    def prior(self, task: Task, sample: Sample) -> Prior:
        """The parameters and the terms that the worths choose; of one game."""
        prior = super().prior(task, sample)
        if len(sample.train) > _MANY_ROWS:
            # What stands out far is seen in a part of the rows; all are for what does less.
            prior = self._with_terms(prior, task, sample.thinned(_FEW_ROWS))
        return self._with_terms(prior, task, sample)

    def _with_terms(self, prior: Prior, task: Task, sample: Sample) -> Prior:
        for _ in range(_ROUNDS):
            chosen = {parity: select(prior, sample, parity) for parity in parities_of(task)}
            if not any(chosen.values()):
                break
            terms = tuple(prior.terms[p] + chosen.get(p, ()) for p in (0, 1))
            prior = self._learnt(replace(prior, terms=(terms[0], terms[1])), sample)
        return prior

    def _game(self, task: Task, sample: Sample) -> tuple[Matrix, Matrix]:
        prior = self.prior(task, sample)
        exact = recovered(prior, task, sample)
        if all(exact.values()):
            return exact_values(task, exact)
        values, errors = self._raised(task, sample, prior)
        put_exact(task, exact, values, errors)
        return values, errors


def recovered(prior: Prior, task: Task, sample: Sample) -> dict[int, "Exact | None"]:
    """The parts that the values depend on, where few terms fit all worths."""
    return {parity: recover(prior, sample, parity) for parity in parities_of(task)}


def put_exact(task: Task, exact: dict[int, "Exact | None"], values: Matrix, errors: Matrix) -> None:
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


def exact_values(task: Task, exact: dict[int, "Exact | None"]) -> tuple[Matrix, Matrix]:
    """Values and standard errors of one game, all of whose parts are fitted exactly."""
    values = np.zeros((1, task.spec.has_constant + len(task.interactions)))
    errors = np.zeros_like(values)
    put_exact(task, exact, values, errors)
    return values, errors


def select(prior: Prior, sample: Sample, parity: int) -> Terms:
    """Terms of one parity that the likelihood wants in, best first."""
    z, y = sample.z, sample.target(parity)[:, 0]
    room = min(int(_SHARE * len(z)), _MOST_TERMS) - len(prior.terms[parity])
    if room <= 0:
        return ()
    known = sample.factored(prior, parity)
    # Of the inverse, less what the terms take off that were chosen.
    alpha, trace = known.solve(y), len(z) * float(known.precisions().mean())
    down = np.zeros((0, len(z)))
    joining = np.sort(np.argsort(-prior.log_b, kind="stable")[:_LATTICE])
    candidates = _Candidates(sample.inside[sample.train], parity, prior.terms[parity], joining)
    chosen: list[Term] = []
    while len(chosen) < room:
        terms = candidates.best(alpha, trace)
        if not terms:
            break
        penalty = np.array([_penalty(prior.n_players, len(term)) for term in terms])
        chi = characters(terms, z)
        solved = known.solve(chi)
        solved -= down.T @ (down @ chi)
        gram, projected = chi.T @ solved, y @ solved
        first = 0.0
        taken: list[int] = []
        less: list[Matrix] = []
        while len(chosen) + len(taken) < room:
            gain, variance = _gains(gram.diagonal(), projected)
            gain -= penalty
            gain[taken] = -np.inf
            at = int(np.argmax(gain))
            # The others of the list are the best there are only as long as they are nearly so.
            if gain[at] <= max(0.0, 0.3 * first):
                break
            first = max(first, float(gain[at]))
            taken.append(at)
            share = variance[at] / (1 + variance[at] * gram[at, at])
            less.append(sqrt(share) * solved[:, at])
            projected = projected - share * projected[at] * gram[at]
            solved -= share * np.outer(solved[:, at], gram[at])
            gram = gram - share * np.outer(gram[:, at], gram[at])
        if not taken:
            break
        more = np.stack(less)
        down = np.concatenate([down, more])
        alpha -= more.T @ (more @ y)
        trace -= float((more**2).sum())
        chosen += [terms[at] for at in taken]
        candidates.add([terms[at] for at in taken])
    return tuple(chosen)


def _penalty(n_players: int, size: int) -> float:
    return _PENALTY + log(comb(n_players, size))


def _gains(precision: Matrix, projected: Matrix) -> tuple[Matrix, Matrix]:
    """Rise of the log-likelihood from a term with its most likely variance, and that variance."""
    precision = np.maximum(precision, 1e-300)
    strength = projected**2 / precision
    variance = np.maximum(strength - 1, 0.0) / precision
    gain = np.where(strength > 1, (strength - 1 - np.log(np.maximum(strength, 1e-300))) / 2, 0.0)
    return gain, variance


class _Candidates:
    """The terms of one parity that may come in."""

    def __init__(
        self,
        inside: NDArray[np.bool_],
        parity: int,
        have: Terms,
        players: NDArray[np.int64],
    ) -> None:
        self.inside, self.parity, self.n = inside, parity, inside.shape[1]
        self.z = signs(inside)
        self.players, self.joining = players, players.tolist()
        self.have: set[Term] = set()
        # Terms that are in, and how many of ``joining`` may join them.
        self.parents: list[tuple[Term, int]] = []
        # Parities of these, and of the pairs of players that may join.
        self.of_parents, self.of_pairs = np.zeros((0, len(inside))), np.zeros((len(inside), 0))
        self.add(list(have))
        self.sizes = sets.sizes_by_position(len(players)).astype(np.int64)
        self.penalty = np.array([_penalty(self.n, d) for d in range(len(players) + 1)])[self.sizes]
        # What every part has anyway is no candidate.
        self.penalty[(self.sizes % 2 != parity) | (self.sizes < 2)] = np.inf

    def add(self, terms: list[Term]) -> None:
        """Take terms as in; what two more players make of them may come in."""
        self.have.update(terms)
        if self.n <= _LATTICE:
            return
        new = [i for i in dict.fromkeys(sum(terms, ())) if i not in self.joining]
        self.joining = [*self.joining, *new][:_MOST_JOINING]
        self.parents += [(term, len(self.joining)) for term in terms]
        self.of_parents = np.concatenate([self.of_parents, characters(terms, self.z).T])

    def best(self, alpha: Matrix, precision: float) -> list[Term]:
        """The most promising, all with the same guess of their precision."""
        sums = _lattice_sums(self.inside, alpha, self.players)
        score = sums**2 / (2 * precision) - self.penalty
        order = np.argpartition(-score, min(2 * _CANDIDATES, len(score) - 1))[: 2 * _CANDIDATES]
        order = order[np.isfinite(score[order])]
        found = {_players(int(at), self.players): float(score[at]) for at in order}
        if self.n > _LATTICE:
            terms, more = self._pool(alpha)
            for term, value in zip(terms, more.tolist(), strict=True):
                found[term] = value**2 / (2 * precision) - _penalty(self.n, len(term))
            found |= self._children(alpha, precision)
        terms = sorted(found, key=lambda term: -found[term])
        return [term for term in terms if term not in self.have][:_CANDIDATES]

    def _pool(self, alpha: Matrix) -> tuple[list[Term], Matrix]:
        weighted = self.z * alpha[:, None]
        terms: list[Term] = []
        scores: list[Matrix] = []
        if self.parity != ODD:
            first, second = np.triu_indices(self.n, 1)
            sums = (weighted.T @ self.z)[first, second]
            _keep(terms, scores, np.stack([first, second], axis=1), sums)
        elif self.n <= _TRIPLES:
            for i in range(self.n - 2):
                rest = self.z[:, i + 1 :]
                first, second = np.triu_indices(self.n - i - 1, 1)
                sums = ((rest * weighted[:, i : i + 1]).T @ rest)[first, second]
                members = np.stack([np.full(len(first), i), first + i + 1, second + i + 1], axis=1)
                _keep(terms, scores, members, sums)
        return terms, np.concatenate([*scores, np.zeros(0)])

    def _children(self, alpha: Matrix, precision: float) -> dict[Term, float]:
        """The most promising of what two more players make of a term that is in."""
        if not self.parents:
            return {}
        joining = np.array(self.joining)
        first, second = np.triu_indices(len(joining), 1)
        if self.of_pairs.shape[1] != len(first):
            self.of_pairs = self.z[:, joining[first]] * self.z[:, joining[second]]
        # One product of matrices for all: hundreds of parents, each with hundreds of pairs.
        score = (self.of_parents * alpha) @ self.of_pairs
        score **= 2
        score /= 2 * precision
        score -= np.array([_penalty(self.n, len(term) + 2) for term, _ in self.parents])[:, None]
        for at, (term, count) in enumerate(self.parents):
            own = np.isin(joining, term) | (np.arange(len(joining)) >= count)
            score[at, own[first] | own[second]] = -np.inf
        flat = score.ravel()
        most = 4 * _CANDIDATES
        while True:
            # Parents may share a child, and it may be in already.
            most = min(most, len(flat))
            order = np.argpartition(-flat, most - 1)[:most] if most else np.zeros(0, dtype=int)
            order = order[np.isfinite(flat[order])]
            parent, pair = np.divmod(order, max(1, len(first)))
            found: dict[Term, float] = {}
            for at, here in zip(parent.tolist(), pair.tolist(), strict=True):
                two = int(joining[first[here]]), int(joining[second[here]])
                child = tuple(sorted((*self.parents[at][0], *two)))
                if child not in self.have:
                    found[child] = float(score[at, here])
            if len(found) >= _CANDIDATES or most == len(flat):
                return found
            most *= 2


def _keep(
    terms: list[Term], scores: list[Matrix], members: NDArray[np.int64], sums: Matrix
) -> None:
    """The best of many terms of one kind."""
    most = min(2 * _CANDIDATES, len(sums))
    order = np.argpartition(-np.abs(sums), most - 1)[:most] if most else np.zeros(0, dtype=int)
    terms += [tuple(row) for row in members[order].tolist()]
    scores.append(sums[order])


def _players(position: int, players: NDArray[np.int64]) -> Term:
    return tuple(int(i) for at, i in enumerate(players) if position >> at & 1)


def _lattice_sums(inside: NDArray[np.bool_], alpha: Matrix, players: NDArray[np.int64]) -> Matrix:
    """Σ_r alpha_r (-1)^|T_r ∩ U| for every term U of some players, by position."""
    table = np.zeros(1 << len(players))
    np.add.at(table, sets.positions(np.ascontiguousarray(inside[:, players])), alpha)
    transform(table, "walsh", 1)
    return table


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
    players = np.sort(np.argsort(-prior.log_b, kind="stable")[:_LATTICE])
    sums = _lattice_sums(sample.inside[sample.train], alpha, players)
    variance = np.full(1, level)
    for i in players:
        variance = np.concatenate([variance, variance * fade[i]])
    counts = sets.sizes_by_position(len(players)).astype(np.int64)
    size = np.where((counts % 2 == parity) & (counts > 0), np.abs(sums) * variance, 0.0)
    best = np.argsort(-size)[: len(z) // 2]
    sizes = {_players(int(at), players): float(size[at]) for at in best if size[at] > 0}
    own = [(term, exp(prior.log_term)) for term in prior.terms[parity]]
    own += [((i,), exp(prior.log_main)) for i in range(n)] if parity == ODD else []
    for term, variance_of in own:
        more = variance_of * abs(float(characters([term], z)[:, 0] @ alpha))
        sizes[term] = sizes.get(term, 0.0) + more
    return sorted(sizes, key=lambda term: -sizes[term])
