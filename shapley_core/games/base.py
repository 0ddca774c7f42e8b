"""What analytic games share: exact values of every index whose weights depend on sizes alone.

Such an index is ``I(S) = sum_t p_t D_S(t)``, where ``D_S(t)`` sums over the coalitions T of t
players outside S the discrete derivative of S at T, or what S adds when it joins T as a block. A
family of games has a closed form or a dynamic program for these sums, in integers; the weights
``p_t`` come from the description of the index, in fractions; one division ends the computation.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import combinations, combinations_with_replacement, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .. import indices
from ..arrays import check_integer, is_listed
from ..coalitions import Interaction, InteractionSet
from ..errors import InputError, MemoryLimitError, UnknownIndexError
from ..indices import IndexSpec
from ..indices.tables import as_integers, exact_weights
from ..memory import human_count
from ..result import InteractionValues

_MAX_INTERACTIONS = 2**24


class AnalyticGame(ABC):
    """A game whose form gives its values exactly, without a table of worths.

    Subclasses say what a coalition is worth (``_worths``) and give the values of all interactions
    of one size (``_values_of_size``).
    """

    _empty_worth = Fraction(0)

    def __init__(self, n_players: int, player_names: Iterable[Any] | None) -> None:
        self._n_players = sets.check_n_players(n_players)
        self._player_names = sets.check_names(player_names, self._n_players)

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self._n_players

    @property
    def player_names(self) -> tuple[str, ...] | None:
        """Names of the players, if they have any."""
        return self._player_names

    def __call__(self, coalitions: Any, /) -> NDArray[np.float64]:
        """Worths, shape (m,), of the coalitions, a bool matrix of shape (m, n_players)."""
        matrix = sets.as_matrix(coalitions, self._n_players)
        with np.errstate(over="ignore", invalid="ignore"):
            worths = self._worths(matrix)
        wrong = np.flatnonzero(~np.isfinite(worths))
        if len(wrong):
            players = sets.describe(sets.players_of(matrix[wrong[0]]), self._player_names)
            raise InputError(
                f"the worth of coalition {players}, or a sum on the way to it, exceeds float64: "
                "divide the numbers of the game by a common one"
            )
        return worths

    def exact(self, index: str | IndexSpec = "SV", order: int = 1) -> InteractionValues:
        """Exact values of an index, for any number of players.

        Parameters
        ----------
        index : str or IndexSpec
            Any index of ``shapley_core.indices`` (SV, BV, SII, k-SII, JointSV, WBV(p), ...).
        order : int
            The largest size of an interaction.

        Returns
        -------
        InteractionValues
            Interactions of 1 to ``order`` players; each value is a fraction rounded once.

        Raises
        ------
        UnknownIndexError
            If there is no such index, or its weights do not depend on sizes alone.
        InputError
            If a value exceeds float64; ``exact_fractions`` has it.
        MemoryLimitError
            If there are more than 2**24 interactions, or the form needs too large a table.
        """
        spec, order = self._checked(index, order)
        sizes = range(1, order + 1)
        return InteractionValues(
            as_floats(value for size in sizes for value in self._all(spec, size, order)),
            InteractionSet.complete(self._n_players, order),
            index=spec.name,
            order=order,
            n_players=self._n_players,
            baseline=as_floats([self._baseline(spec, order)])[0],
            player_names=self._player_names,
        )

    def exact_fractions(
        self, index: str | IndexSpec = "SV", order: int = 1
    ) -> dict[Interaction, Fraction]:
        """The same values as fractions, by interaction; the baseline is that of ``()``.

        Numbers of the game that are float64 count as just that: give fractions for others.

        Parameters
        ----------
        index : str or IndexSpec
            Any index of ``shapley_core.indices``.
        order : int
            The largest size of an interaction.

        Returns
        -------
        dict
            From each interaction, a sorted tuple of players, to its value.

        Raises
        ------
        UnknownIndexError, MemoryLimitError
            As ``exact``.
        """
        spec, order = self._checked(index, order)
        found: dict[Interaction, Fraction] = {(): self._baseline(spec, order)}
        for size in range(1, order + 1):
            players = combinations(range(self._n_players), size)
            found.update(zip(players, self._all(spec, size, order), strict=True))
        return found

    @abstractmethod
    def _worths(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Worths of the rows of a checked matrix."""

    @abstractmethod
    def _values_of_size(self, size: int, weights: "Weights") -> Iterable[Any]:
        """Value of each interaction of a size, in lexicographic order, times the denominator."""

    def _all(self, spec: IndexSpec, size: int, order: int) -> Iterator[Fraction]:
        weights = Weights(spec, self._n_players, size, order)
        for value in self._values_of_size(size, weights):
            yield Fraction(value) / weights.denominator

    def _baseline(self, spec: IndexSpec, order: int) -> Fraction:
        """Worth of the empty coalition, or the constant term of an index that has its own."""
        if spec.has_constant:
            return next(iter(self._all(spec, 0, order)))
        return self._empty_worth

    def _checked(self, index: Any, order: Any) -> tuple[IndexSpec, int]:
        if not isinstance(index, str | IndexSpec):
            raise UnknownIndexError(
                f"{type(self).__name__} gives the indices whose weights depend on sizes alone "
                f"({', '.join(indices.names())}, WBV(p), ...), not {index!r}; for few players "
                "shapley_core.exact(game, index) takes it"
            )
        spec = indices.get(index)
        order = check_integer(order, "order")
        spec.check(self._n_players, order)
        count = sets.n_interactions(self._n_players, order)
        if count > _MAX_INTERACTIONS:
            raise MemoryLimitError(
                f"{self._n_players} players have {human_count(count)} interactions of up to "
                f"{order} players; the most is {_MAX_INTERACTIONS}: ask for a smaller order"
            )
        return spec, order


class Weights:
    """The weights ``p_t`` of an index for interactions of one size, as integers.

    Attributes
    ----------
    joins : bool
        Whether they weigh what S adds as a block, instead of discrete derivatives.
    numerators : list of int
        ``p_t * denominator`` for t = 0 .. n - s.
    denominator : int
        Their common denominator.
    """

    def __init__(self, spec: IndexSpec, n_players: int, size: int, order: int) -> None:
        weights = exact_weights(spec, n_players, size, order)
        self.joins = spec.family == "generalised"
        self.numerators, self.denominator = as_integers(weights)

    @cached_property
    def missing(self) -> list[int]:
        """Total weight of the coalitions among k given players outside S, for k = 0 .. n - s."""
        return self._ends[0]

    @cached_property
    def moments(self) -> list[int]:
        """Total weight of the coalitions that hold m given players outside S, m = 0 .. n - s."""
        return self._ends[1]

    @cached_property
    def _ends(self) -> tuple[list[int], list[int]]:
        # Row k of the triangle of sums holds sum_j C(k, j) p_(i+j) at i.
        row = self.numerators
        first, last = [], []
        while row:
            first.append(row[0])
            last.append(row[-1])
            row = [a + b for a, b in pairwise(row)]
        return first, last[::-1]


class TypedGame(AnalyticGame):
    """A game in which players of one type are interchangeable.

    Interactions are computed once for each combination of types. Subclasses give
    ``_present_sums``.
    """

    def __init__(self, types: Sequence[Any], player_names: Iterable[Any] | None) -> None:
        super().__init__(len(types), player_names)
        self._types = list(types)

    @abstractmethod
    def _present_sums(self, size: int) -> Iterator[tuple[tuple[Any, ...], list[list[Any]]]]:
        """For each combination of types ``S`` of ``size`` players, the sums ``P[R][t]``.

        ``P[R][t]`` sums ``v(T + R)`` over the coalitions T of t players outside S, where bit j of
        R says that the j-th player of S is in.
        """

    def _combinations(self, size: int) -> Iterator[tuple[Any, ...]]:
        """The combinations of types that so many players can have, in lexicographic order."""
        available = {one: self._types.count(one) for one in set(self._types)}
        for key in combinations_with_replacement(sorted(available), size):
            if all(key.count(one) <= available[one] for one in key):
                yield key

    def _values_of_size(self, size: int, weights: Weights) -> Iterable[Any]:
        full = (1 << size) - 1
        values = {}
        for key, sums in self._present_sums(size):
            if weights.joins:
                gains = [a - b for a, b in zip(sums[full], sums[0], strict=True)]
            else:
                gains = [
                    sum(-x if (size - r.bit_count()) % 2 else x for r, x in enumerate(column))
                    for column in zip(*sums, strict=True)
                ]
            values[key] = sum(p * gain for p, gain in zip(weights.numerators, gains, strict=True))
        for players in combinations(range(self._n_players), size):
            yield values[tuple(sorted(self._types[i] for i in players))]


def exact_numbers(given: Any, what: str, positive: str | None = None) -> list[Fraction]:
    """A list of finite numbers as the fractions that they are, at least 0 if ``positive``.

    Raises
    ------
    InputError
        If there is no number, or one is not finite, or negative where ``positive`` says why not.
    """
    if not is_listed(given):
        raise InputError(f"{what} must be a list of numbers, not {given!r}")
    numbers = []
    for at, value in enumerate(given):
        if isinstance(value, np.generic):
            value = value.item()
        try:
            if isinstance(value, bool | str):
                raise TypeError
            number = Fraction(value)
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"{what}[{at}] is {value!r}; finite numbers are wanted (at least one)"
            ) from None
        if positive is not None and number < 0:
            raise InputError(f"{what}[{at}] is {value}; {positive}")
        numbers.append(number)
    if not numbers:
        raise InputError(f"{what} is empty; a game has at least one player")
    return numbers


def as_floats(numbers: Iterable[Fraction]) -> NDArray[np.float64]:
    """The numbers as float64, rounded once.

    Raises
    ------
    InputError
        If one is beyond the range of float64.
    """
    try:
        return np.array([float(number) for number in numbers])
    except OverflowError:
        raise InputError(
            "a number exceeds float64, whose largest is 1.8e308: divide the numbers of the game "
            "by a common one; for the values themselves, exact_fractions has no such limit"
        ) from None
