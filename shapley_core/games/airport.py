"""Airport games: a coalition pays for its most expensive member."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate, combinations, pairwise
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..indices.tables import as_integers
from .base import AnalyticGame, Weights, as_floats, exact_numbers


class Airport(AnalyticGame):
    """A coalition costs as much as its most expensive player: ``v(S) = max_{i in S} c_i``.

    With the costs in ascending order the game is a sum of steps: the k-th adds
    ``c_k - c_{k-1}`` for every coalition with one of the players from k on. The Shapley value
    shares each step equally among them (Littlechild and Owen 1973, A simple expression for the
    Shapley value in a special case); other indices weigh the steps by the index of
    such a step, at a cost of ``n`` terms for each of them.

    Parameters
    ----------
    costs : list of float
        One number per player, at least 0.
    player_names : list of str, optional
        Names of the players.

    Raises
    ------
    InputError
        If a cost is negative or not finite.
    """

    def __init__(self, costs: Iterable[Any], player_names: Iterable[Any] | None = None) -> None:
        exact = exact_numbers(costs, "costs", "costs must be at least 0")
        super().__init__(len(exact), player_names)
        self._costs = as_floats(exact)
        self._units, self._scale = as_integers(exact)

    @property
    def costs(self) -> NDArray[np.float64]:
        """Costs of the players, shape (n_players,)."""
        return self._costs.copy()

    def _worths(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        dearest: NDArray[np.float64] = np.where(coalitions, self._costs, 0.0).max(axis=1)
        return dearest

    def _values_of_size(self, size: int, weights: Weights) -> Iterable[Any]:
        n = self._n_players
        ascending = sorted(range(n), key=self._units.__getitem__)
        rank = {player: k for k, player in enumerate(ascending)}
        steps = [b - a for a, b in pairwise([0, *(self._units[i] for i in ascending)])]
        # What the coalitions weigh together that miss a step: those among k cheaper players.
        missing = weights.missing
        if size == 0:
            hit = sum(d * (missing[n] - m) for d, m in zip(steps, missing, strict=False))
            yield Fraction(hit, self._scale)
            return
        sign = -1 if size % 2 == 0 else 1
        # An interaction within the players of a step has +-missing for it; another has nothing.
        upto = list(accumulate(d * m for d, m in zip(steps, missing, strict=False)))
        # A block adds the steps up to its dearest player to coalitions that miss them: sums over
        # the first steps, when 0, 1, .. of the cheaper players are in the block.
        within = [
            list(accumulate(map(mul, steps, [0] * below + missing), initial=0))
            for below in range(size if weights.joins else 0)
        ]
        for players in combinations(range(n), size):
            ranks = sorted(rank[i] for i in players)
            if not weights.joins:
                yield Fraction(sign * upto[ranks[0]], self._scale)
                continue
            total = 0
            first = 0
            for sums, rank_of in zip(within, ranks, strict=True):
                total += sums[rank_of + 1] - sums[first]
                first = rank_of + 1
            yield Fraction(total, self._scale)

    def __repr__(self) -> str:
        return f"Airport({self._n_players} players, costs up to {self._costs.max():g})"
