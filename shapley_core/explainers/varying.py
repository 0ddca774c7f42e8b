"""Rows by the players that matter to them: a feature that a row shares with all donors has none.

Masked rows are the same with and without such a feature, to the bit, so its player is null: its
interactions are 0, and the others what they are without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .many_games import ManyValues, RowValues
from .masked_games import RowGames


@dataclass(frozen=True, eq=False)
class Group:
    """Rows with equally many players each.

    Attributes
    ----------
    rows : int64 (n_rows,)
    players : int64 (n_rows, k)
        The players of each row, ascending.
    n_in_all : int
        The number of players of the whole game.
    """

    rows: NDArray[np.int64]
    players: NDArray[np.int64]
    n_in_all: int

    @property
    def n_players(self) -> int:
        """Players of each of the rows."""
        return int(self.players.shape[1])

    def worths(
        self, bound: RowGames, coalitions: NDArray[np.bool_], some: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Worths (m, len(some), n_outputs) of coalitions of their players, of some of the rows."""
        if self.n_players == self.n_in_all:
            return bound.worths(coalitions, self.rows[some])
        sets_of_players, which = np.unique(self.players[some], axis=0, return_inverse=True)
        which = which.reshape(-1)
        out = np.empty((len(coalitions), len(some), bound.n_outputs))
        for number, players in enumerate(sets_of_players):
            # Null players may be in or not; so the whole set of the others is that of all.
            whole = np.repeat(coalitions[:, :1], self.n_in_all, axis=1)
            whole[:, players] = coalitions
            here = which == number
            out[:, here] = bound.worths(whole, self.rows[some[here]])
        return out

    def put(self, found: ManyValues, out: RowValues, order: int) -> None:
        """Put values of the games of its rows where they belong."""
        self._put(found.values, out.values, order)
        if out.std_error is not None and found.std_error is not None:
            self._put(found.std_error, out.std_error, order)
        n_outputs = out.baseline.shape[1]
        out.baseline[self.rows] = found.baseline.reshape(-1, n_outputs)
        assert out.n_evaluations is not None
        out.n_evaluations[self.rows] = found.n_evaluations.reshape(-1, n_outputs)[:, 0]

    def _put(self, found: NDArray[np.float64], out: NDArray[np.float64], order: int) -> None:
        """Put values of their players, (n_interactions, n_rows * n_outputs), where they belong.

        ``out`` has the shape (n_rows in all, n_interactions in all, n_outputs).
        """
        by_row = found.reshape(len(found), len(self.rows), -1).transpose(1, 0, 2)
        if self.n_players == self.n_in_all:
            out[self.rows] = by_row
        else:
            out[self.rows[:, None], places(self.players, self.n_in_all, order)] = by_row


def groups_of(
    matter: NDArray[np.bool_] | None, rows: NDArray[np.int64], n: int, budget: int, order: int
) -> Iterator[Group]:
    """Some rows in groups, by how many of the n players matter to each, as ``matter`` says."""
    if matter is None or matter.all():
        yield Group(rows, np.broadcast_to(np.arange(n), (len(rows), n)), n)
        return
    counts = np.maximum(matter.sum(axis=1), min(order, n))
    wanted = np.array([rounded_players(count, n, budget) for count in counts.tolist()])
    for here, players in by_count(matter, wanted):
        yield Group(rows[here], players, n)


def by_count(
    matter: NDArray[np.bool_], wanted: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Rows that want equally many players, ascending: which, and the players of each, ascending.

    Parameters
    ----------
    matter : bool (n_rows, n_players)
        Players that each has to have.
    wanted : int64 (n_rows,)
    """
    # Those that matter first, and as many of the others as are wanted.
    ranked = np.argsort(~matter, axis=1, kind="stable")
    for count in np.unique(wanted).tolist():
        here = wanted == count
        yield here, np.sort(ranked[here, :count], axis=1)


def places(players: NDArray[Any], n_players: int, order: int) -> NDArray[np.int64]:
    """Where the interactions of each row's players, (n_rows, k), stand among those of all players.

    Those of k players, by (size, lexicographic) of their places in the row: (n_rows,
    n_interactions). The players of a row may be in any order.
    """
    found, before = [], 0
    for size in range(1, order + 1):
        at: NDArray[Any] = players
        if size > 1:
            members = sets.interactions_of_size(players.shape[1], size)
            named = np.sort(players[:, members], axis=2)
            at = sets.ranks(named.reshape(-1, size), n_players).reshape(len(players), -1)
        found.append(before + at.astype(np.int64))
        before += sets.n_interactions(n_players, size, size)
    return np.concatenate(found, axis=1)


def rounded_players(count: int, most: int, budget: int) -> int:
    """A number of players that other rows are likely to share: the matrices are made for each."""
    if count < budget.bit_length():
        return count
    step = 1 << max(2, count.bit_length() - 4)
    return min(-(-count // step) * step, most)
