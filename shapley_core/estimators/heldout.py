"""A check on worths that were held out: which of some processes predicts them best, and how well.

The pairs are dealt into folds; each process learns its parameters, and its terms, from all folds
but one, and predicts that one. Leave-one-out predictions would cost nothing, but they take the
parameters for known: games of few different worths (votes) can be explained without rest, and
wrongly, by a few of their players, and then the likelihood has no bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import covariance
from .base import Task
from .covariance import Prior
from .gaussian import GaussianProcess, Posterior, Sample, predictions

Matrix = NDArray[np.float64]

FOLDS = 4
# Pairs that are left out one fold after the other; of more, fewer folds are looked at.
_ENOUGH = 200
# The first process keeps its whole weight unless another mixture errs less than this part.
_CLEARLY = 0.97


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions of pairs from others.

    Attributes
    ----------
    truth : dict of parity to float64 array of shape (m,)
        One part of the game at the pairs that were left out.
    mean, variance : dict of parity to float64 array of shape (n_processes, m)
        What each process says of them.
    """

    truth: dict[int, Matrix]
    mean: dict[int, Matrix]
    variance: dict[int, Matrix]

    @classmethod
    def of(
        cls,
        task: Task,
        sample: Sample,
        processes: Sequence[GaussianProcess],
        parities: Sequence[int],
    ) -> "HeldOut":
        """Of one game."""
        truth: dict[int, list[Matrix]] = {parity: [] for parity in parities}
        mean: dict[int, list[Matrix]] = {parity: [] for parity in parities}
        variance: dict[int, list[Matrix]] = {parity: [] for parity in parities}
        for part, held in sample.folds(FOLDS)[: max(1, FOLDS * _ENOUGH // len(sample.inside))]:
            there = covariance.signs(sample.inside[held])
            priors = [process.prior(task, part) for process in processes]
            for parity in parities:
                truth[parity].append(sample.parts[parity][held, 0])
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
    def one_by_one(
        cls, sample: Sample, priors: Sequence[Prior], parities: Sequence[int]
    ) -> "HeldOut":
        """Of one game, each pair from all others, with parameters that were learnt from all."""
        truth, mean, variance = {}, {}, {}
        for parity in parities:
            parts = [Posterior.of(prior, sample, parity) for prior in priors]
            truth[parity] = sample.target(parity)[:, 0]
            mean[parity] = truth[parity] - np.array([part.left_out[:, 0] for part in parts])
            variance[parity] = np.array([part.left_out_variance for part in parts])
        return cls(truth, mean, variance)

    def weights(self, parities: Sequence[int]) -> Matrix:
        """Weights of one or two processes that predict the given parts best, with sum 1."""
        if len(self.mean[parities[0]]) == 1:
            return np.ones(1)
        truth = np.concatenate([self.truth[parity] for parity in parities])
        first, second = np.concatenate([self.mean[parity] for parity in parities], axis=1)
        apart = first - second
        spread = float(apart @ apart)
        if spread == 0.0:
            return np.array([1.0, 0.0])
        share = float(np.clip(apart @ (truth - second) / spread, 0.0, 1.0))
        off = truth - second - share * apart
        if float(off @ off) > _CLEARLY * float((truth - first) @ (truth - first)):
            share = 1.0
        return np.array([share, 1.0 - share])

    def calibration(self, parities: Sequence[int], weights: Matrix) -> float:
        """Mean square of the mixture's errors, each over the variance that it has of itself."""
        ratios = []
        for parity in parities:
            off = self.truth[parity] - weights @ self.mean[parity]
            said = weights @ np.sqrt(self.variance[parity])
            ratios.append(off**2 / said**2)
        return float(np.mean(np.concatenate(ratios)))
