"""Bankruptcy games: what an estate leaves to a coalition when all others are paid first."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..indices.tables import as_integers
from ._counting import AbsenteeSums, by_present
from .base import TypedGame, Weights, as_floats, exact_numbers


class Bankruptcy(TypedGame):
    """A coalition is worth what is left of the estate once all others have their claims, or 0.

    ``v(S) = max(0, E - sum of the claims outside S)`` (O'Neill 1982, A problem of rights
    arbitration from the Talmud; Aumann and Maschler 1985). Exact values come from a count of the
    absent claims by size and sum: a table of ``(n + 1) * (E + 1)`` cells when estate and claims
    are over their common denominator.

    Parameters
    ----------
    estate : float
        What there is to divide, at least 0 and at most the sum of the claims.
    claims : list of float
        One number per player, at least 0.
    player_names : list of str, optional
        Names of the players.

    Raises
    ------
    InputError
        If a claim or the estate is negative or not finite, or the estate exceeds the claims.
    """

    def __init__(
        self, estate: float, claims: Iterable[Any], player_names: Iterable[Any] | None = None
    ) -> None:
        exact = exact_numbers(claims, "claims", "claims must be at least 0")
        total = exact_numbers([estate], "estate", "the estate must be at least 0")[0]
        self._estate = float(as_floats([total])[0])
        if total > sum(exact):
            raise InputError(
                f"the estate {estate} is more than the claims together, {float(sum(exact))}: "
                "nobody is bankrupt"
            )
        units, self._scale = as_integers([*exact, total])
        super().__init__([(claim,) for claim in units[:-1]], player_names)
        self._units = units[-1]
        self._claims = as_floats(exact)

    @property
    def estate(self) -> float:
        """What there is to divide."""
        return self._estate

    @property
    def claims(self) -> NDArray[np.float64]:
        """Claims of the players, shape (n_players,)."""
        return self._claims.copy()

    def _worths(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        paid = (~coalitions).astype(np.float64) @ self._claims
        left: NDArray[np.float64] = np.maximum(0.0, self._estate - paid)
        return left

    def _present_sums(self, size: int) -> Iterator[tuple[tuple[Any, ...], list[list[Any]]]]:
        n = self._n_players
        left = AbsenteeSums([self._units], self._types, n, worth_is_rest=True)
        for key, sums_at in left.without_each(self._combinations(size), lambda claim: claim):
            sums = []
            for present in range(1 << size):
                absent = sum(one[0] for j, one in enumerate(key) if not present >> j & 1)
                sums.append(by_present(sums_at([self._units - absent]), n - size))
            yield key, sums

    def _values_of_size(self, size: int, weights: Weights) -> Iterable[Any]:
        return (Fraction(x, self._scale) for x in super()._values_of_size(size, weights))

    def __repr__(self) -> str:
        return f"Bankruptcy({self._n_players} players, estate {self._estate:g})"
