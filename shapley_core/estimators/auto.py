"""The estimator that chooses one: by the index, the players, the budget, and the worths."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..indices import IndexSpec
from . import registry
from .base import Design, Estimates, Estimator, Task
from .fourier import FourierRegression
from .gaussian import GaussianProcess

Matrix = NDArray[np.float64]

# With so many games the parameters are learnt once for all of them.
_MANY_GAMES = 4
# Beyond so many players the covariance of a normal process costs more than it brings.
_MOST_PLAYERS = 300
# Who is asked, in this order, where an index is no mixture of weighted Banzhaf values.
_PREFERRED = ("JointSampling", "KernelRegression", "KernelSHAPIQ")


@registry.register
@dataclass(frozen=True)
class Auto(Estimator):
    """Chooses an estimator; ``result.estimator`` says which.

    For one game under an index that is a mixture of weighted Banzhaf values (SV, BV, SII, BII,
    ...) it is ``FourierRegression``, which weighs by the likelihood of the worths how smooth the
    game is, which players matter, and which single terms there are; for many games
    at once, ``GaussianProcess``, which learns from all of them together. For other indices, or
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
        able = self._able(spec, order)
        process = (FourierRegression, GaussianProcess)
        if n_players <= _MOST_PLAYERS and FourierRegression().supports(spec, order):
            return [FourierRegression()]
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
        if isinstance(chosen, FourierRegression) and worths.shape[1] > _MANY_GAMES:
            chosen = GaussianProcess()
        found = chosen._solve(task, design, worths)
        return replace(found, estimator=found.estimator or type(chosen).__name__)
