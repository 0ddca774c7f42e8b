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
    too many players, it is the first estimator that gives the index.
    """

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return bool(self._able(spec, order))

    def _able(self, spec: IndexSpec, order: int) -> list[Estimator]:
        names = [name for name in registry.names() if name != type(self).__name__]
        ahead = [name for name in _PREFERRED if name in names]
        ordered = [*ahead, *(name for name in names if name not in ahead)]
        every = [registry.get(name)() for name in ordered]
        return [one for one in every if one.supports(spec, order)]

    def _choice(self, n_players: int, spec: IndexSpec, order: int) -> Estimator:
        if FourierRegression().supports(spec, order) and n_players <= _MOST_PLAYERS:
            return FourierRegression()
        return self._able(spec, order)[0]

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return self._choice(n_players, spec, order).least_budget(n_players, spec, order)

    def _design(self, task: Task) -> Design:
        return self._choice(task.n_players, task.spec, task.order)._design(task)

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        chosen = self._choice(task.n_players, task.spec, task.order)
        if isinstance(chosen, FourierRegression) and worths.shape[1] > _MANY_GAMES:
            chosen = GaussianProcess()
        found = chosen._solve(task, design, worths)
        return replace(found, estimator=found.estimator or type(chosen).__name__)
