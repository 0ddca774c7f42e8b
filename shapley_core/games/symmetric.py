"""Games of interchangeable players, and the glove game with two kinds of them."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import check_integer
from ..errors import InputError
from ..indices.tables import as_integers
from ..memory import check_memory
from .base import TypedGame, as_floats, exact_numbers

# Lists of all players' gloves, while the kinds of players are found.
BYTES_A_PLAYER = 64


class Symmetric(TypedGame):
    """A game whose worths depend on the number of players alone.

    Majority, AND, OR, parity and threshold games are of this kind.

    Parameters
    ----------
    worth_of_size : list of float
        Worths of coalitions of 0, 1, ..., n players; ``n + 1`` numbers.
    player_names : list of str, optional
        Names of the players.

    Raises
    ------
    InputError
        If a worth is not finite, or there are fewer than two.
    """

    def __init__(
        self, worth_of_size: Iterable[Any], player_names: Iterable[Any] | None = None
    ) -> None:
        exact = exact_numbers(worth_of_size, "worth_of_size")
        if len(exact) < 2:
            raise InputError("worth_of_size needs n_players + 1 numbers, from size 0 on; got 1")
        super().__init__([0] * (len(exact) - 1), player_names)
        self._empty_worth = exact[0]
        self._by_size = as_floats(exact)
        self._units, self._scale = as_integers(exact)

    @property
    def worth_of_size(self) -> NDArray[np.float64]:
        """Worths by the number of players, shape (n_players + 1,)."""
        return self._by_size.copy()

    def _worths(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        worths: NDArray[np.float64] = self._by_size[coalitions.sum(axis=1)]
        return worths

    def _present_sums(self, size: int) -> Iterator[tuple[tuple[Any, ...], list[list[Any]]]]:
        others = self._n_players - size
        sums = [
            [
                Fraction(comb(others, t) * self._units[t + present.bit_count()], self._scale)
                for t in range(others + 1)
            ]
            for present in range(1 << size)
        ]
        yield (0,) * size, sums

    def __repr__(self) -> str:
        return f"Symmetric({self._n_players} players)"


class Glove(TypedGame):
    """A coalition is worth its pairs of gloves: the lesser of its left and its right ones.

    Players 0 .. left - 1 have one left glove each, the others one right glove (the shoe game of
    Castro, Gomez and Tejada 2009 is ``Glove(50, 50)``).

    Parameters
    ----------
    left, right : int
        Numbers of players with a left and with a right glove, at least 1 in all.
    player_names : list of str, optional
        Names of the players.

    Raises
    ------
    InputError
        If a number is negative, or both are 0.
    """

    def __init__(self, left: int, right: int, player_names: Iterable[Any] | None = None) -> None:
        left, right = check_integer(left, "left"), check_integer(right, "right")
        if min(left, right) < 0:
            raise InputError(f"left and right must be at least 0, not {left} and {right}")
        if left + right < 1:
            raise InputError("a glove game has at least one player; left and right are 0")
        check_memory(BYTES_A_PLAYER * (left + right), "the game", "Give it fewer players")
        super().__init__([0] * left + [1] * right, player_names)
        self._left = left

    @property
    def left(self) -> int:
        """Number of players with a left glove."""
        return self._left

    @property
    def right(self) -> int:
        """Number of players with a right glove."""
        return self._n_players - self._left

    def _worths(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        left = coalitions[:, : self._left].sum(axis=1)
        right = coalitions[:, self._left :].sum(axis=1)
        return np.asarray(np.minimum(left, right), dtype=np.float64)

    def _present_sums(self, size: int) -> Iterator[tuple[tuple[Any, ...], list[list[Any]]]]:
        for key in self._combinations(size):
            lefts = self._left - key.count(0)
            rights = self.right - key.count(1)
            of_left = [comb(lefts, x) for x in range(lefts + 1)]
            of_right = [comb(rights, y) for y in range(rights + 1)]
            ways = [
                [
                    (x, of_left[x] * of_right[t - x])
                    for x in range(max(0, t - rights), min(t, lefts) + 1)
                ]
                for t in range(self._n_players - size + 1)
            ]
            sums = []
            for present in range(1 << size):
                a = sum(one == 0 for j, one in enumerate(key) if present >> j & 1)
                b = present.bit_count() - a
                sums.append(
                    [
                        sum(way * min(x + a, t - x + b) for x, way in row)
                        for t, row in enumerate(ways)
                    ]
                )
            yield key, sums

    def __repr__(self) -> str:
        return f"Glove({self._left}, {self.right})"
