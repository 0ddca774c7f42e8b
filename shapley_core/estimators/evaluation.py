"""Asking a game for worths: in batches, each coalition once, never beyond the budget."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import sampling as kernels
from ..arrays import check_integer, real_numbers
from ..errors import InputError
from ..game import CallableGame, TableGame, check_table_size
from ..threads import check_progress

Words = NDArray[np.uint64]
Matrix = NDArray[np.float64]
Ask = Callable[[NDArray[np.bool_]], Matrix]

# Bytes of one batch, as a bool matrix, where the caller does not say how many coalitions.
_BATCH_BYTES = 1 << 22


class Evaluator:
    """The worths of one game, or of many games at once, as far as they were asked for.

    Parameters
    ----------
    ask : callable
        From coalitions, a bool matrix of shape (m, n_players), to worths, shape (m, n_games).
    n_players : int
        Number of players.
    budget : int
        The most coalitions that may be asked for.
    batch_size : int or None
        Coalitions asked for at once; by default as many as 4 MiB hold, at least 64.
    progress : callable or None
        ``progress(n_evaluations, budget)``, called after every batch.
    """

    def __init__(
        self,
        ask: Ask,
        n_players: int,
        budget: int,
        batch_size: Any = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        if batch_size is not None:
            check_integer(batch_size, "batch_size", 1)
        check_progress(progress, "progress(n_evaluations, budget)")
        self._ask = ask
        self._n_players = n_players
        self._budget = budget
        self._batch = max(64, _BATCH_BYTES // n_players) if batch_size is None else int(batch_size)
        self._progress = progress
        self._words: Words = np.zeros((0, -(-n_players // sets.WORD)), dtype=np.uint64)
        self._worths: Matrix = np.zeros((0, 0))

    @property
    def n_evaluations(self) -> int:
        """Coalitions asked for so far."""
        return len(self._words)

    def worths_of(self, words: Words) -> Matrix | None:
        """Worths, shape (m, n_games), or None if the budget does not reach; asks for what is new.

        New coalitions are asked for in the order in which they stand.
        """
        places = np.empty(len(words), dtype=np.int64)
        kernels.first_places(self._words, words, places)
        n_known = len(self._words)
        new = np.flatnonzero(places == np.arange(n_known, n_known + len(words)))
        if n_known + len(new) > self._budget:
            return None
        if len(new):
            self._add(words if len(new) == len(words) else words[new])
        # A new coalition's number was its row among ``words``; now it is its place in the store.
        if len(new) < len(words):
            place = np.concatenate([np.arange(n_known), np.zeros(len(words), dtype=np.int64)])
            place[n_known + new] = np.arange(n_known, n_known + len(new))
            places = place[places]
        found: Matrix = self._worths[places]
        return found

    def table(self) -> Matrix:
        """Worths of all coalitions, shape (2**n_players, n_games), by position."""
        check_table_size(self._n_players)
        every = np.arange(1 << self._n_players, dtype=np.uint64)[:, None]
        found = self.worths_of(every)
        assert found is not None, "the budget is checked before"
        return found

    def _add(self, new: Words) -> None:
        parts = [self._worths] if len(self._words) else []
        done = len(self._words)
        for start in range(0, len(new), self._batch):
            batch = new[start : start + self._batch]
            parts.append(self._ask(sets.unpack(batch, self._n_players)))
            done += len(batch)
            if self._progress is not None:
                self._progress(done, self._budget)
        self._worths = np.concatenate(parts) if len(parts) > 1 else parts[0]
        self._words = np.concatenate([self._words, new]) if len(self._words) else new


def ask_game(game: TableGame | CallableGame) -> Ask:
    """The worths of one game as a matrix of one column."""
    return lambda coalitions: game(coalitions)[:, None]


def ask_games(worth: Any) -> Ask:
    """The worths of many games from a function of coalitions, checked."""
    if not callable(worth):
        raise TypeError(f"worth must be a function of coalitions, not {type(worth).__name__}")
    n_games: list[int] = []

    def ask(coalitions: NDArray[np.bool_]) -> Matrix:
        count = len(coalitions)
        answer = real_numbers(worth(coalitions), f"what worth returns for {count} coalitions")
        if answer.ndim != 2 or answer.shape[0] != count or answer.shape[1] < 1:
            raise InputError(
                f"worth was given {count} coalitions and must return an array of shape ({count}, "
                f"n_games); it returned shape {answer.shape}"
            )
        n_games.append(answer.shape[1])
        if n_games[-1] != n_games[0]:
            raise InputError(f"worth returned {n_games[0]} games first, now {n_games[-1]}")
        if not np.isfinite(answer).all():
            row, game = np.argwhere(~np.isfinite(answer))[0]
            players = sets.describe(sets.players_of(coalitions[row]))
            raise InputError(
                f"worth returned {answer[row, game]} for coalition {players} of game {game}; "
                "worths must be finite"
            )
        return answer

    return ask
