"""The estimator that chooses one: by the index, the players, the budget, and the worths."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..indices import IndexSpec
from . import registry
from .base import Design, Estimates, Estimator, Task
from .covariance import Prior
from .fourier import FourierRegression, parities_of, readout_of, recover_sizes
from .gaussian import GaussianProcess, Posterior, Sample, values_under
from .heldout import FOLDS, HeldOut
from .pairs import PairedDesign

Matrix = NDArray[np.float64]

# With so many games the parameters are learnt once for all of them.
_MANY_GAMES = 4
# Beyond so many players the covariance of a normal process costs more than it brings.
_MOST_PLAYERS = 300
# Least share of noise that the careful process sees in the worths.
_LEAST_NOISE = 0.05
# A mean square of leave-one-out predictions' errors that needs no check, relative to the worths'.
_CLEAR = 0.01
# Pairs of worths; of more nothing is held out.
_MOST_CHECKED = 5000
# Who is asked, in this order, where an index is no mixture of weighted Banzhaf values.
_PREFERRED = ("JointSampling", "KernelRegression", "KernelSHAPIQ")


@registry.register
@dataclass(frozen=True)
class Auto(Estimator):
    """Chooses an estimator; ``result.estimator`` says which.

    For one game under an index that is linear in discrete derivatives (SV, BV, SII, k-SII, FSII,
    ...) these are ``FourierRegression``, which weighs by the likelihood of the worths how smooth
    the game is, which players matter, and which single terms there are; and a cautious
    ``GaussianProcess``, which holds a part of the worths to be noise. Where the first does not
    explain the worths far better than the second, both predict pairs of worths that were held out,
    and the values are of the mixture that predicts best (``heldout.py``). For many games
    at once it is ``GaussianProcess``, which learns from all of them together. For other indices, or
    too many players, it is the first estimator that gives the index within the budget.
    """

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return bool(self._able(spec, order))

    def _able(self, spec: IndexSpec, order: int) -> list[Estimator]:
        names = [name for name in registry.names() if name != type(self).__name__]
        ahead = [name for name in _PREFERRED if name in names]
        ordered = [*ahead, *(name for name in names if name not in ahead)]
        every = [registry.get(name)() for name in ordered]
        return [one for one in every if one.supports(spec, order)]

    def _choices(self, n_players: int, spec: IndexSpec, order: int) -> list[Estimator]:
        """Who may be asked, the best first."""
        if n_players <= _MOST_PLAYERS and FourierRegression().supports(spec, order):
            return [FourierRegression()]
        able = self._able(spec, order)
        process = (FourierRegression, GaussianProcess)
        return [one for one in able if not isinstance(one, process)] or able

    def _choice(self, task: Task) -> Estimator:
        able = self._choices(task.n_players, task.spec, task.order)
        least = [one.least_budget(task.n_players, task.spec, task.order) for one in able]
        return next(one for one, need in zip(able, least, strict=True) if need <= task.budget)

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        able = self._choices(n_players, spec, order)
        return min(one.least_budget(n_players, spec, order) for one in able)

    def _design(self, task: Task) -> Design:
        return self._choice(task)._design(task)

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        chosen = self._choice(task)
        if isinstance(chosen, FourierRegression):
            if worths.shape[1] <= _MANY_GAMES:
                assert isinstance(design, PairedDesign)
                return _mixed(task, Sample.of(task, design, worths))
            chosen = GaussianProcess()
        found = chosen._solve(task, design, worths)
        return replace(found, estimator=found.estimator or type(chosen).__name__)


def _mixed(task: Task, sample: Sample) -> Estimates:
    """Each game by the mixture of processes that predicts it best."""
    found = [_of_game(task, one) for one in sample.games()]
    scales = sample.scales[:, None]
    names = list(dict.fromkeys(name for _, _, name in found))
    return Estimates(
        np.concatenate([values for values, _, _ in found]) * scales,
        np.concatenate([errors for _, errors, _ in found]) * scales,
        estimator=", ".join(names),
    )


def _of_game(task: Task, sample: Sample) -> tuple[Matrix, Matrix, str]:
    bold, careful = FourierRegression(), GaussianProcess(least_noise=_LEAST_NOISE)
    prior = bold.prior(task, sample)
    values, errors = values_under(prior, task, sample)
    shares = np.ones(task.order)
    if not _sure(task, sample, prior):
        other = careful.prior(task, sample)
        also, its = values_under(other, task, sample)
        if sample.few_worths:
            check = HeldOut.of(task, sample, (bold, careful), parities_of(task))
        else:
            check = HeldOut.one_by_one(sample, (prior, other), parities_of(task))
        for size in range(1, task.order + 1):
            here = task.interactions.slice_of(size)
            parities = readout_of(task, size).parities()
            weights = check.weights(parities)
            raised = max(1.0, check.calibration(parities, weights))
            values[:, here] = weights[0] * values[:, here] + weights[1] * also[:, here]
            mixed = weights[0] * errors[:, here] + weights[1] * its[:, here]
            errors[:, here] = mixed * np.sqrt(raised)
            shares[size - 1] = weights[0]
    recover_sizes(task, sample, prior, values, errors)
    return values, errors, str([round(float(x), 2) for x in shares])


def _sure(task: Task, sample: Sample, prior: Prior) -> bool:
    """Whether nothing is to be checked: too few worths, too many, or all as good as explained."""
    m = len(sample.inside)
    if not 2 * FOLDS <= m <= _MOST_CHECKED:
        return True
    if sample.few_worths:
        return False
    for parity in parities_of(task):
        off = Posterior.of(prior, sample, parity).left_out
        if np.mean(off**2) > _CLEAR * np.mean(sample.parts[parity] ** 2):
            return False
    return True
