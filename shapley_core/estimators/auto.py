"""The estimator that chooses one: by the index, the players, the budget, and the worths."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..indices import IndexSpec
from . import registry
from .base import Design, Estimates, Estimator, Task
from .covariance import Prior
from .fourier import FourierRegression
from .gaussian import GaussianProcess
from .heldout import HeldOut, LeftOut, can_hold_out, left_out_of
from .pairs import PairedDesign
from .posterior import allowance, blocks, estimates, parities_of, posteriors_of, values_under
from .recovery import exact_values, put_exact, recovered
from .reuse import SampleReuse
from .sample import Sample

Matrix = NDArray[np.float64]

# With so many games the parameters are learnt once for all of them.
_MANY_GAMES = 4
# Beyond so many players the covariance of a normal process costs more than it brings.
_MOST_PLAYERS = 300
# Least share of noise that the careful process sees in the worths.
_LEAST_NOISE = 0.05
# A mean square of leave-one-out predictions' errors that needs no check, relative to the worths'.
_CLEAR = 0.01
# Pairs for each parameter below which the check learns the parameters anew.
_FEW_PAIRS = 6
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
    too many players, it is the first estimator that gives the index within the budget. Where that
    pays all coalitions that the index asks for, as of Moebius coefficients, these are summed up:
    ``SampleReuse`` is exact there.
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
        if SampleReuse().sees_all(task):
            return SampleReuse()
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
    values, errors = (np.concatenate([one[at] for one in found]) for at in (0, 1))
    names = dict.fromkeys(name for _, _, name in found)
    return estimates(task, sample, values, errors, "; ".join(names))


def _of_game(task: Task, sample: Sample) -> tuple[Matrix, Matrix, str]:
    bold = FourierRegression()
    processes: list[GaussianProcess] = [bold]
    prior = bold.prior(task, sample)
    exact = recovered(prior, task, sample)
    if all(exact.values()):
        return *exact_values(task, exact), type(bold).__name__
    found, left_out = _under(prior, task, sample)
    means, deviations, every = [found[0]], [found[1]], [left_out]
    few_worths = sample.few_worths
    anew = few_worths or len(sample.inside) <= _FEW_PAIRS * (task.n_players + 5)
    if few_worths or not _explained(sample, left_out):
        processes.append(GaussianProcess(least_noise=_LEAST_NOISE))
        found, left_out = _under(processes[1].prior(task, sample), task, sample)
        means.append(found[0])
        deviations.append(found[1])
        every.append(left_out)
    values, errors = means[0].copy(), deviations[0].copy()
    shares = {1.0}
    if (anew or len(processes) > 1) and can_hold_out(sample):
        # What a process says of pairs after learning from three quarters of few is worse than what
        # it knows: good for the errors, but only where worths repeat for the choice.
        choice = check = HeldOut.one_by_one(sample, every)
        if anew:
            check = HeldOut.of(task, sample, processes, parities_of(task))
        if few_worths:
            choice = check
        # The allowance is for what the check sees itself; steps are further from normal.
        allowed = 1.0 if few_worths else allowance(task, sample)
        shares = set()
        for readout, here in blocks(task):
            weights = choice.weights(readout.parities())
            raised = max(1.0, float(check.calibration(readout.parities(), weights)[0]) / allowed)
            values[:, here] = np.tensordot(weights, [one[:, here] for one in means], 1)
            mixed = np.tensordot(weights, [one[:, here] for one in deviations], 1)
            errors[:, here] = mixed * np.sqrt(raised)
            shares.add(float(weights[0]))
    put_exact(task, exact, values, errors)
    return values, errors, _named(shares)


def _named(shares: set[float]) -> str:
    """Who gave the values, by the bold process's shares in the sizes."""
    bold, careful = "FourierRegression", f"GaussianProcess(least_noise={_LEAST_NOISE})"
    if shares in ({1.0}, {0.0}):
        return bold if shares == {1.0} else careful
    some = " to ".join(dict.fromkeys(f"{share:.0%}" for share in (min(shares), max(shares))))
    return f"{some} {bold}, rest {careful}"


def _under(prior: Prior, task: Task, sample: Sample) -> tuple[tuple[Matrix, Matrix], LeftOut]:
    """Values and standard errors, and predictions of each pair left out."""
    known = posteriors_of(prior, task, sample)
    return values_under(prior, task, sample, known), left_out_of(known)


def _explained(sample: Sample, left_out: LeftOut) -> bool:
    """Whether each pair follows from the others, all but exactly."""
    return all(
        np.mean(off**2) <= _CLEAR * np.mean(sample.parts[parity] ** 2)
        for parity, (off, _) in left_out.items()
    )
