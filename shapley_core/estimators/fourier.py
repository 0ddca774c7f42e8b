"""Values by regression on parities: a normal process, and single terms that stand out of it."""

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from .base import Task
from .candidates import LATTICE, Candidates, Term, penalty_of
from .covariance import Prior, Terms, characters
from .gaussian import GaussianProcess
from .posterior import parities_of
from .recovery import exact_values, put_exact, recovered
from .registry import register
from .sample import Sample

Matrix = NDArray[np.float64]

# Terms that are at most taken, of the rows; and in all where worths repeat: votes seem to have
# thousands, of which none is much.
_SHARE, _MOST_OF_VOTES = 0.4, 600
_ROUNDS = 3


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


def select(prior: Prior, sample: Sample, parity: int) -> Terms:
    """Terms of one parity that the likelihood wants in, best first."""
    z, y = sample.z, sample.target(parity)[:, 0]
    room = int(_SHARE * len(z))
    if room > _MOST_OF_VOTES and sample.few_worths:
        room = _MOST_OF_VOTES
    room -= len(prior.terms[parity])
    if room <= 0:
        return ()
    known = sample.factored(prior, parity)
    # Of the inverse, less what the terms take off that were chosen.
    alpha, trace = known.solve(y), len(z) * float(known.precisions().mean())
    down = np.zeros((0, len(z)))
    joining = np.sort(np.argsort(-prior.log_b, kind="stable")[:LATTICE])
    candidates = Candidates(sample.inside[sample.train], parity, prior.terms[parity], joining)
    chosen: list[Term] = []
    while len(chosen) < room:
        terms = candidates.best(alpha, trace)
        if not terms:
            break
        penalty = np.array([penalty_of(prior.n_players, len(term)) for term in terms])
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


def _gains(precision: Matrix, projected: Matrix) -> tuple[Matrix, Matrix]:
    """Rise of the log-likelihood from a term with its most likely variance, and that variance."""
    precision = np.maximum(precision, 1e-300)
    strength = projected**2 / precision
    variance = np.maximum(strength - 1, 0.0) / precision
    gain = np.where(strength > 1, (strength - 1 - np.log(np.maximum(strength, 1e-300))) / 2, 0.0)
    return gain, variance
