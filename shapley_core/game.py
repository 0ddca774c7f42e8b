"""Games: worths in a table, or behind a function that is asked for many coalitions at once."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from . import coalitions as sets
from .arrays import check_integer, real_numbers
from .errors import InputError, MemoryLimitError
from .memory import check_memory, human_bytes

# A table of 2**MAX_TABLE_PLAYERS worths is 8 GiB.
MAX_TABLE_PLAYERS = 30
# Coalitions handed to a function at once.
BATCH_SIZE = 16384

_ADVICE = "Use an estimator, or a game whose structure gives the values (shapley_core.games)"

Worth = Callable[[NDArray[np.bool_]], Any]


@runtime_checkable
class Game(Protocol):
    """A cooperative game: what every engine and estimator asks of one.

    The worth of the empty coalition need not be 0; it is the *baseline*. Every index here is
    invariant to subtracting it, but for those that expand the game and have a constant term of
    their own: Fourier and FBII.
    """

    @property
    def n_players(self) -> int:
        """Number of players."""

    @property
    def player_names(self) -> tuple[str, ...] | None:
        """Names of the players, if they have any."""

    def __call__(self, coalitions: NDArray[np.bool_], /) -> NDArray[np.float64]:
        """Worths, shape (m,), of the coalitions, a bool matrix of shape (m, n_players)."""


class TableGame:
    """A game given by the worths of all its coalitions.

    Parameters
    ----------
    values : array of shape (2**n_players,)
        Worths; player ``i`` is in the coalition at position ``p`` if bit ``i`` of ``p`` is set.
        A contiguous float64 array is not copied (tables are large): don't change it afterwards.
    player_names : list of str, optional
        Names of the players.

    Raises
    ------
    InputError
        If the length is not a power of two (at least 2), or a worth is not finite.
    """

    def __init__(self, values: Any, player_names: Iterable[Any] | None = None) -> None:
        given = real_numbers(values, "values")
        if given.ndim != 1:
            raise InputError(
                "values must be a one-dimensional array of 2**n_players real numbers; got shape "
                f"{given.shape}"
            )
        length = given.shape[0]
        if length < 2 or length & (length - 1):
            raise InputError(
                f"values has {length} worths; a table has one for each coalition, so 2, 4, 8, ... "
                "2**n_players of them"
            )
        table = np.ascontiguousarray(given).view()
        table.flags.writeable = False
        # Minimum and maximum pass a NaN on, and need no array of bools beside a large table.
        if not (np.isfinite(table.min()) and np.isfinite(table.max())):
            at = int(np.flatnonzero(~np.isfinite(table))[0])
            players = sets.players_of(sets.from_positions(np.array([at]), length.bit_length() - 1))
            raise InputError(
                f"the worth of coalition {sets.describe(players)} (position {at}) is {table[at]}; "
                "worths must be finite"
            )
        self._values: NDArray[np.float64] = table
        self._n_players = int(length).bit_length() - 1
        self._player_names = sets.check_names(player_names, self._n_players)

    @property
    def values(self) -> NDArray[np.float64]:
        """Worths of all coalitions, shape (2**n_players,), read-only."""
        return self._values

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self._n_players

    @property
    def player_names(self) -> tuple[str, ...] | None:
        """Names of the players, if they have any."""
        return self._player_names

    @property
    def baseline(self) -> float:
        """Worth of the empty coalition."""
        return float(self._values[0])

    @property
    def grand_worth(self) -> float:
        """Worth of the coalition of all players."""
        return float(self._values[-1])

    def __call__(self, coalitions: Any, /) -> NDArray[np.float64]:
        """Worths, shape (m,), of the coalitions, a bool matrix of shape (m, n_players)."""
        matrix = sets.as_matrix(coalitions, self._n_players)
        return self._values[sets.positions(matrix)]

    def __repr__(self) -> str:
        return (
            f"TableGame({self._n_players} players, baseline {self.baseline:g}, "
            f"grand worth {self.grand_worth:g})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return TableGame, (self._values, self._player_names)


class CallableGame:
    """A game behind a function of many coalitions.

    Parameters
    ----------
    worth : callable
        ``worth(coalitions: bool[m, n_players]) -> m real numbers`` (bool and integers welcome).
        What it raises is passed on untouched.
    n_players : int
        Number of players; any number.
    player_names : list of str, optional
        Names of the players.
    batch_size : int
        The most coalitions handed to ``worth`` at once.
    cache : bool
        Whether to keep every worth and never ask for a coalition twice. Makes a random worth a
        definite game; costs about 200 bytes a coalition.

    Attributes
    ----------
    n_evaluations : int
        Coalitions that ``worth`` was asked for so far.
    """

    def __init__(
        self,
        worth: Worth,
        n_players: int,
        player_names: Iterable[Any] | None = None,
        batch_size: int = BATCH_SIZE,
        cache: bool = False,
    ) -> None:
        if not callable(worth):
            raise TypeError(f"worth must be a function of coalitions, not {type(worth).__name__}")
        self.batch_size = check_integer(batch_size, "batch_size", 1)
        self._worth = worth
        self._n_players = sets.check_n_players(n_players)
        self._player_names = sets.check_names(player_names, self._n_players)
        self._cache: dict[bytes, float] | None = {} if cache else None
        self.n_evaluations = 0

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self._n_players

    @property
    def player_names(self) -> tuple[str, ...] | None:
        """Names of the players, if they have any."""
        return self._player_names

    def __call__(self, coalitions: Any, /) -> NDArray[np.float64]:
        """Worths, shape (m,), of the coalitions, a bool matrix of shape (m, n_players).

        Raises
        ------
        InputError
            If ``worth`` returns another number of values than it was given coalitions, or a
            value that is not a finite real number; the message names the coalition.
        """
        matrix = sets.as_matrix(coalitions, self._n_players)
        if self._cache is None:
            return self._evaluate(matrix)
        keys = [row.tobytes() for row in np.packbits(matrix, axis=1)]
        first = {key: at for at, key in reversed(list(enumerate(keys))) if key not in self._cache}
        new = sorted(first.values())
        for at, value in zip(new, self._evaluate(matrix[new]).tolist(), strict=True):
            self._cache[keys[at]] = value
        return np.fromiter((self._cache[key] for key in keys), np.float64, len(keys))

    def _evaluate(self, matrix: NDArray[np.bool_]) -> NDArray[np.float64]:
        out = np.empty(matrix.shape[0])
        for start in range(0, matrix.shape[0], self.batch_size):
            # A copy: what the function does to its argument must not reach the caller's array.
            batch = matrix[start : start + self.batch_size].copy()
            self.n_evaluations += len(batch)
            answer = self._worth(batch)
            out[start : start + len(batch)] = self._checked(answer, matrix, start, len(batch))
        return out

    def _checked(
        self, answer: Any, matrix: NDArray[np.bool_], start: int, count: int
    ) -> NDArray[np.float64]:
        floats = real_numbers(answer, f"what worth returns for {count} coalitions")
        if floats.shape == (count, 1):
            floats = floats[:, 0]
        if floats.shape != (count,):
            raise InputError(
                f"worth was given {count} coalitions and must return an array of shape ({count},); "
                f"it returned shape {floats.shape}"
            )
        wrong = np.flatnonzero(~np.isfinite(floats))
        if len(wrong):
            players = sets.players_of(matrix[start + wrong[0]])
            raise InputError(
                f"worth returned {floats[wrong[0]]} for coalition "
                f"{sets.describe(players, self._player_names)}; worths must be finite"
            )
        return floats

    def table(self) -> TableGame:
        """The same game as a table, from ``2**n_players`` evaluations.

        Raises
        ------
        MemoryLimitError
            If the table would not fit.
        """
        check_table_size(self._n_players)
        values = np.empty(1 << self._n_players)
        for start in range(0, len(values), self.batch_size):
            stop = min(start + self.batch_size, len(values))
            values[start:stop] = self(sets.all_coalitions(self._n_players, start, stop))
        return TableGame(values, self._player_names)

    def __repr__(self) -> str:
        return f"CallableGame({self._n_players} players, {self.n_evaluations} evaluations so far)"


def check_table_size(n_players: int) -> None:
    """Raise a MemoryLimitError if a table for that many players is out of the question."""
    if n_players > MAX_TABLE_PLAYERS:
        raise MemoryLimitError(
            f"a table of {n_players} players holds 2**{n_players} worths, "
            f"{human_bytes(8 << n_players)}; the most is {MAX_TABLE_PLAYERS} players. {_ADVICE}"
        )
    check_memory(8 << n_players, f"a table of {n_players} players", _ADVICE)


def checked_game(game: Any, batch_size: int = BATCH_SIZE) -> TableGame | CallableGame:
    """The game with its worths checked as they come: itself, or wrapped.

    Parameters
    ----------
    game : Game
    batch_size : int
        The most coalitions that a wrapped game is asked for at once.

    Raises
    ------
    TypeError
        If it is no game.
    """
    if isinstance(game, TableGame | CallableGame):
        return game
    if not isinstance(game, Game):
        raise TypeError(
            "a game is wanted (TableGame, CallableGame, one of shapley_core.games, or any object "
            f"with n_players, player_names and a call), not {type(game).__name__}; "
            "TableGame(values) makes one of a table, CallableGame(worth, n_players) of a function"
        )
    return CallableGame(game, game.n_players, game.player_names, batch_size)


def as_table(game: Any) -> TableGame:
    """The game as a table: itself, or all its worths asked for.

    Raises
    ------
    TypeError
        If it is no game.
    MemoryLimitError
        If the table would not fit.
    """
    checked = checked_game(game)
    return checked if isinstance(checked, TableGame) else checked.table()
