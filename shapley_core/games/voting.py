"""Weighted voting games: who wins is decided by one quota or by several at once."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import is_listed
from ..errors import InputError
from ._counting import AbsenteeSums, by_present
from .base import TypedGame, as_floats, exact_numbers


class WeightedVoting(TypedGame):
    """A coalition is worth 1 if its weight reaches the quota, else 0.

    With several criteria it must reach the quota of each: the EU Council under the treaty of Nice
    has votes, a majority of members, and population. The Shapley value of the game is the
    Shapley-Shubik power index, its Banzhaf value the absolute Banzhaf index.

    Exact values come from a count of coalitions by size and weight (Mann and Shapley 1962, Values
    of large games VI; Lucas 1983 for the Banzhaf index), in integers of any length: a table of
    ``(n + 1) * prod(W_c - q_c + 1)`` cells over the criteria c with total weight ``W_c`` and
    quota ``q_c``; criteria with equal weights take no cells.

    Parameters
    ----------
    weights : list of int, or list of lists of int
        One non-negative integer per player; or one such list per criterion.
    quota : int, or list of int
        What a winning coalition reaches, more than 0 and at most the total; one per criterion.
    player_names : list of str, optional
        Names of the players.

    Raises
    ------
    InputError
        If a weight is negative or not an integer, a quota is out of range, or the lists do not
        match.

    Examples
    --------
    >>> game = WeightedVoting([4, 4, 4, 2, 2, 1], quota=12)
    >>> game.exact("SV")[0]
    0.23333333333333334
    """

    def __init__(self, weights: Any, quota: Any, player_names: Iterable[Any] | None = None) -> None:
        criteria, quotas = _criteria(weights, quota)
        super().__init__(list(zip(*criteria, strict=True)), player_names)
        self._criteria = criteria
        self._quotas = quotas

    @property
    def weights(self) -> list[list[int]]:
        """Weights of the players, one list per criterion."""
        return [list(row) for row in self._criteria]

    @property
    def quota(self) -> list[int]:
        """The quota of each criterion."""
        return list(self._quotas)

    def _worths(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        # Sums of integers below 2**53 (checked) are exact in float64, where products are fast.
        totals = coalitions.astype(np.float64) @ np.array(self._criteria, dtype=np.float64).T
        reached = totals >= np.array(self._quotas, dtype=np.float64)
        return np.asarray(reached.all(axis=1), dtype=np.float64)

    def _present_sums(self, size: int) -> Iterator[tuple[tuple[Any, ...], list[list[Any]]]]:
        n = self._n_players
        spare = [sum(row) - q for row, q in zip(self._criteria, self._quotas, strict=True)]
        # Equal weights count players: such a criterion bounds the number of absentees.
        equal = [(s, row[0]) for s, row in zip(spare, self._criteria, strict=True) if _equal(row)]
        max_absent = min([n, *(s // weight for s, weight in equal)])
        boxed = [c for c, row in enumerate(self._criteria) if not _equal(row)]
        budget = tuple(spare[c] for c in boxed)

        def box(one: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(one[c] for c in boxed)

        counts = AbsenteeSums(budget, [box(one) for one in self._types], max_absent)
        for key, sums_at in counts.without_each(self._combinations(size), box):
            sums = []
            for present in range(1 << size):
                absent = [box(one) for j, one in enumerate(key) if not present >> j & 1]
                left = [b - sum(one[c] for one in absent) for c, b in enumerate(budget)]
                by_absent = sums_at(left)[: max(0, max_absent + 1 - len(absent))]
                sums.append(by_present(by_absent, n - size))
            yield key, sums

    def __repr__(self) -> str:
        return f"WeightedVoting({self._n_players} players, quota {self._quotas})"


def _equal(row: list[int]) -> bool:
    return row[0] > 0 and all(a == b for a, b in pairwise(row))


def _criteria(weights: Any, quota: Any) -> tuple[list[list[int]], list[int]]:
    """The checked weights, a list per criterion, and the quotas."""
    one = not is_listed(quota)
    if not one and not is_listed(weights):
        raise InputError(f"weights must be a list of numbers for each quota, not {weights!r}")
    rows = [weights] if one else list(weights)
    quotas = exact_numbers([quota] if one else list(quota), "quota")
    if len(rows) != len(quotas):
        raise InputError(f"{len(rows)} lists of weights were given for {len(quotas)} quotas")
    criteria = []
    for row, q in zip(rows, quotas, strict=True):
        exact = exact_numbers(row, "weights", "weights must be at least 0")
        wrong = next((x for x in [*exact, q] if x.denominator != 1), None)
        if wrong is not None:
            raise InputError(
                f"{as_floats([wrong])[0]} is not an integer: scale weights and quota to whole "
                "numbers (percentages to thousandths, say)"
            )
        if not 0 < q <= sum(exact):
            raise InputError(f"the quota must be more than 0 and at most {sum(exact)}, not {q}")
        if sum(exact) >= 2**53:
            raise InputError(f"the weights sum to {sum(exact)}; their total must be below 2**53")
        criteria.append([int(x) for x in exact])
    if len({len(row) for row in criteria}) > 1:
        raise InputError(f"the criteria have {[len(row) for row in criteria]} weights each")
    return criteria, [int(q) for q in quotas]
