"""A check on worths that were held out: which of some processes predicts them best, and how well.

The pairs are dealt into folds; each process learns its parameters, and its terms, from all folds
but one, and predicts that one. Leave-one-out predictions would cost nothing, but they take the
parameters for known: games of few different worths (votes) can be explained without rest, and
wrongly, by a few of their players, and then the likelihood has no bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from . import covariance
from .base import Task
from .covariance import Prior
from .posterior import Posterior, predictions
from .sample import Sample

Matrix = NDArray[np.float64]
# Of each parity the errors (m, n_games) of predictions of each pair, and their variances (m,).
LeftOut = dict[int, tuple[Matrix, Matrix]]

_FOLDS = 4
# Pairs of worths; of more nothing is held out.
_MOST_CHECKED = 5000
# Pairs that are left out one fold after the other; of more, fewer folds are looked at.
_ENOUGH = 200
# The first process keeps its whole weight unless another mixture errs less than this part.
_CLEARLY = 0.97


class Process(Protocol):
    """What learns the parameters of a normal process from worths."""

    def prior(self, task: Task, sample: Sample) -> Prior:
        """The parameters, and terms, that the worths choose."""


def left_out_of(known: dict[int, Posterior]) -> LeftOut:
    """What posteriors say of each pair left out, without the matrices that they hold."""
    return {parity: (one.left_out, one.left_out_variance) for parity, one in known.items()}


def can_hold_out(sample: Sample) -> bool:
    """Whether there are worths enough, and not too many."""
    return 2 * _FOLDS <= len(sample.inside) <= _MOST_CHECKED


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions of pairs from others.

    Attributes
    ----------
    truth : dict of parity to float64 array of shape (m, n_games)
        One part of the games at the pairs that were left out.
    mean : dict of parity to float64 array of shape (n_processes, m, n_games)
        What each process says of them.
    variance : dict of parity to float64 array of shape (n_processes, m)
        And how sure it is.
    """

    truth: dict[int, Matrix]
    mean: dict[int, Matrix]
    variance: dict[int, Matrix]

    @classmethod
    def of(
        cls,
        task: Task,
        sample: Sample,
        processes: Sequence[Process],
        parities: Sequence[int],
    ) -> "HeldOut":
        """Predictions of each fold from the others, everything learnt anew."""
        truth: dict[int, list[Matrix]] = {parity: [] for parity in parities}
        mean: dict[int, list[Matrix]] = {parity: [] for parity in parities}
        variance: dict[int, list[Matrix]] = {parity: [] for parity in parities}
        for part, held in sample.folds(_FOLDS)[: max(1, _FOLDS * _ENOUGH // len(sample.inside))]:
            there = covariance.signs(sample.inside[held])
            priors = [process.prior(task, part) for process in processes]
            for parity in parities:
                truth[parity].append(sample.parts[parity][held])
                said = [
                    predictions(prior, Posterior.of(prior, part, parity), part, there)
                    for prior in priors
                ]
                mean[parity].append(np.array([one[0] for one in said]))
                variance[parity].append(np.array([one[1] for one in said]))
        return cls(
            {parity: np.concatenate(found) for parity, found in truth.items()},
            {parity: np.concatenate(found, axis=1) for parity, found in mean.items()},
            {parity: np.concatenate(found, axis=1) for parity, found in variance.items()},
        )

    @classmethod
    def one_by_one(cls, sample: Sample, left_out: Sequence[LeftOut]) -> "HeldOut":
        """Predictions of pairs from all others, with parameters that were learnt from all.

        ``left_out`` holds of each process what `left_out_of` gives.
        """
        truth = {
            parity: sample.target(parity)[-len(off) :] for parity, (off, _) in left_out[0].items()
        }
        mean = {
            parity: target - np.array([one[parity][0] for one in left_out])
            for parity, target in truth.items()
        }
        variance = {parity: np.array([one[parity][1] for one in left_out]) for parity in truth}
        return cls(truth, mean, variance)

    def weights(self, parities: Sequence[int]) -> Matrix:
        """Weights of one or two processes that predict the first game best, with sum 1."""
        if len(self.mean[parities[0]]) == 1:
            return np.ones(1)
        truth = np.concatenate([self.truth[parity][:, 0] for parity in parities])
        means = np.concatenate([self.mean[parity][:, :, 0] for parity in parities], axis=1)
        first, second = means
        apart = first - second
        spread = float(apart @ apart)
        if spread == 0.0:
            return np.array([1.0, 0.0])
        share = float(np.clip(apart @ (truth - second) / spread, 0.0, 1.0))
        off = truth - second - share * apart
        if float(off @ off) > _CLEARLY * float((truth - first) @ (truth - first)):
            share = 1.0
        return np.array([share, 1.0 - share])

    def calibration(self, parities: Sequence[int], weights: Matrix) -> Matrix:
        """Mean square of a mixture's errors over its own variance, shape (n_games,)."""
        ratios = []
        for parity in parities:
            off = self.truth[parity] - np.tensordot(weights, self.mean[parity], 1)
            said = weights @ np.sqrt(self.variance[parity])
            ratios.append(off**2 / said[:, None] ** 2)
        found: Matrix = np.concatenate(ratios).mean(axis=0)
        return found
