"""Sums of unanimity games, and additive games."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import combinations
from operator import index as as_int
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..coalitions import Interaction
from ..errors import InputError
from .base import AnalyticGame, Weights, as_floats, exact_numbers


class SumOfUnanimity(AnalyticGame):
    """A game given by its Moebius coefficients: ``v(S) = sum of a(T) over the T inside S``.

    Every index is a sum over the coefficients, with a weight that depends on the sizes of T and
    of what they share with the interaction (Fujimoto, Kojadinovic and Marichal 2006, Axiomatic
    characterizations of probabilistic and cardinal-probabilistic interaction indices).

    Parameters
    ----------
    coefficients : dict
        From coalitions, as tuples of players in any order, to finite numbers; that of ``()`` is
        the worth of the empty coalition.
    n_players : int
        Number of players; any number.
    player_names : list of str, optional
        Names of the players.

    Raises
    ------
    InputError
        If a coalition holds a player twice, or one outside ``0 .. n_players - 1``, or is given
        twice, or a coefficient is not finite.
    """

    def __init__(
        self,
        coefficients: Mapping[Any, Any],
        n_players: int,
        player_names: Iterable[Any] | None = None,
    ) -> None:
        super().__init__(n_players, player_names)
        if not isinstance(coefficients, Mapping):
            raise TypeError(
                "coefficients must be a dict from tuples of players to numbers, not "
                f"{type(coefficients).__name__}"
            )
        self._terms: dict[Interaction, Fraction] = {}
        for coalition, value in coefficients.items():
            try:
                players = tuple(sorted(as_int(player) for player in coalition))
            except TypeError:
                raise InputError(f"a coalition is a tuple of players, not {coalition!r}") from None
            if players and not (players[0] >= 0 and players[-1] < self._n_players):
                raise InputError(f"{coalition!r}: players are 0..{self._n_players - 1}")
            if len(set(players)) < len(players) or players in self._terms:
                raise InputError(f"{coalition!r} holds a player twice, or is given twice")
            self._terms[players] = exact_numbers([value], f"the coefficient of {coalition!r}")[0]
        self._empty_worth = self._terms.get((), Fraction(0))

    @property
    def coefficients(self) -> dict[Interaction, float]:
        """Moebius coefficients by coalition, those that were given."""
        return dict(zip(self._terms, as_floats(self._terms.values()).tolist(), strict=True))

    def _worths(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        worths = np.zeros(len(coalitions))
        for players, value in self.coefficients.items():
            worths += value * coalitions[:, list(players)].all(axis=1)
        return worths

    def _values_of_size(self, size: int, weights: Weights) -> Iterable[Any]:
        everyone = list(combinations(range(self._n_players), size))
        values: dict[Interaction, Fraction] = dict.fromkeys(everyone, Fraction(0))
        for players, value in self._terms.items():
            if weights.joins:
                for some in everyone:
                    rest = len(set(players).difference(some))
                    if rest < len(players):
                        values[some] += value * weights.moments[rest]
            elif len(players) >= size:
                share = value * weights.moments[len(players) - size]
                for some in combinations(players, size):
                    values[some] += share
        return values.values()

    def __repr__(self) -> str:
        return f"SumOfUnanimity({self._n_players} players, {len(self._terms)} coefficients)"


class Additive(AnalyticGame):
    """A game without interactions: ``v(S) = offset + sum of the weights in S``.

    Parameters
    ----------
    weights : list of float
        What each player adds.
    offset : float
        Worth of the empty coalition.
    player_names : list of str, optional
        Names of the players.

    Raises
    ------
    InputError
        If a number is not finite.
    """

    def __init__(
        self,
        weights: Iterable[Any],
        offset: float = 0.0,
        player_names: Iterable[Any] | None = None,
    ) -> None:
        self._exact = exact_numbers(weights, "weights")
        super().__init__(len(self._exact), player_names)
        self._empty_worth = exact_numbers([offset], "offset")[0]

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each player adds, shape (n_players,)."""
        return as_floats(self._exact)

    def _worths(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        offset = as_floats([self._empty_worth])
        worths: NDArray[np.float64] = coalitions.astype(np.float64) @ self.weights + offset
        return worths

    def _values_of_size(self, size: int, weights: Weights) -> Iterable[Any]:
        if size == 0:
            total = sum(self._exact, Fraction(0))
            yield self._empty_worth * weights.moments[0] + total * weights.moments[1]
        elif weights.joins or size == 1:
            moment = weights.moments[0]
            for players in combinations(range(self._n_players), size):
                yield moment * sum((self._exact[i] for i in players), Fraction(0))
        else:
            yield from (Fraction(0) for _ in sets.interactions_of_size(self._n_players, size))

    def __repr__(self) -> str:
        return f"Additive({self._n_players} players)"
