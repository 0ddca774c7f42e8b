"""Values of a game as a normal process: the posterior mean, and its standard deviation."""

from dataclasses import dataclass, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from ..arrays import check_number
from ..errors import InputError
from ..indices import IndexSpec
from . import covariance
from .base import Design, Estimates, Estimator, Task
from .covariance import Prior
from .heldout import HeldOut, can_hold_out
from .pairs import PairedDesign
from .posterior import blocks, estimates, parities_of, values_under
from .process_sizes import for_any_index
from .registry import register
from .sample import Sample

Matrix = NDArray[np.float64]


@register
@dataclass(frozen=True)
class GaussianProcess(Estimator):
    """Values under a normal process on the coalitions, whose covariance the worths choose.

    The game is held to be a draw from a normal process: interactions of all sizes, which fade
    with their size and with how little their players matter (``covariance.py``). Its parameters
    maximise the likelihood of the worths. Values are linear in the game, so their posterior means
    and variances are closed forms. What the process does not explain of the worths that were seen
    counts as it is, so with all coalitions the values are exact.

    Coalitions are drawn in pairs with their complements, sizes in proportion to
    1 / √(t (n - t)), and to their weights in the index where that hangs on few of them; a value of
    an index with a symmetric mixing law depends on the odd or the even part of the game alone (SV
    on the odd part, SII of pairs on the even one).

    It estimates every index that is linear in discrete derivatives, of any order: SV, BV, SII, BII,
    k-SII, STII, FSII, FBII, CHII, weighted Banzhaf and beta-Shapley values and the others.

    Parameters
    ----------
    least_noise : float
        The least share of the worths' variance that is held to have no structure.

    Notes
    -----
    After Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.2 and 5.4.1.
    Standard errors are posterior standard deviations, raised where the worths, each predicted
    from the others, are further off than the process says, and by an allowance for the parameters
    (n + 5 from m pairs: √(1 + 3 (n + 5) / m)). Games of few different worths, as votes, can be
    explained without rest, and wrongly, by a few of their players; there the errors are raised
    by as much as those of worths that were held out (``heldout.py``).
    """

    least_noise: float = 0.0

    def __post_init__(self) -> None:
        check_number(self.least_noise, "least_noise")
        if not 0.0 <= self.least_noise < 1.0:
            raise InputError(
                f"least_noise must be at least 0 and less than 1, not {self.least_noise}"
            )

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.family == "derivative"

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return n_players + 4

    def _design(self, task: Task) -> PairedDesign:
        return for_any_index(task)

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        sample = Sample.of(task, design, worths)
        return estimates(task, sample, *self._values(task, sample))

    def _values(self, task: Task, sample: Sample) -> tuple[Matrix, Matrix]:
        """Values and standard errors as ``values_under`` gives them."""
        return self._raised(task, sample, self.prior(task, sample))

    def _raised(self, task: Task, sample: Sample, prior: Prior) -> tuple[Matrix, Matrix]:
        """Values and standard errors, these checked where worths repeat."""
        values, errors = values_under(prior, task, sample)
        if sample.few_worths and can_hold_out(sample):
            check = HeldOut.of(task, sample, (self,), parities_of(task))
            alone = np.ones(1)
            for readout, here in blocks(task):
                seen = check.calibration(readout.parities(), alone)
                errors[:, here] *= np.sqrt(np.maximum(1.0, seen))[:, None]
        return values, errors

    def prior(self, task: Task, sample: Sample) -> Prior:
        """The parameters that the worths choose."""
        start = Prior.start(task.n_players)
        if self.least_noise > 0.0:
            start = replace(start, log_nugget=log(4 * self.least_noise))
        return self._learnt(start, sample)

    def _learnt(self, prior: Prior, sample: Sample) -> Prior:
        least = log(self.least_noise) if self.least_noise > 0.0 else covariance.LEAST_NUGGET
        return sample.learn(prior, least)
