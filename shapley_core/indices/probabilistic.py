"""Probabilistic values: a law of one's own over the coalitions that each player joins."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import real_numbers
from ..errors import InputError, UnknownIndexError
from .catalogue import is_taken


class ProbabilisticValue:
    """The value φ_i = Σ_{T ⊆ N∖i} w[i, T] (v(T ∪ i) - v(T)) with given weights.

    Of order 1, without symmetry between players: there is no table by sizes, and only the exact
    engine takes it.

    Parameters
    ----------
    weights : array of shape (n_players, 2**n_players)
        ``weights[i, T]``, T as the position of a coalition in a table: at least 0, 0 where T
        holds i, each row with sum 1.
    name : str
        What the result is called; the names of the built-in indices are taken.

    References
    ----------
    Weber (1988), Probabilistic values for games.
    """

    def __init__(self, weights: Any, name: str = "ProbabilisticValue") -> None:
        if not isinstance(name, str) or not name:
            raise InputError(f"name must be a text, not {name!r}")
        if is_taken(name):
            raise InputError(f"{name} is the name of a built-in index: give this one another")
        table = np.array(real_numbers(weights, "weights"))
        if table.ndim != 2 or table.shape[1] != 1 << table.shape[0]:
            raise InputError(
                f"weights must have shape (n_players, 2**n_players); got {table.shape}"
            )
        if not np.isfinite(table).all() or (table < 0).any():
            raise InputError("weights must be finite and at least 0")
        for player, row in enumerate(table):
            if row.reshape(-1, 2, 1 << player)[:, 1].any():
                raise InputError(f"weights of player {player} must be 0 for coalitions with it")
            if abs(row.sum() - 1.0) > 1e-9:
                raise InputError(f"weights of player {player} must sum to 1, not {row.sum():.10g}")
        table.flags.writeable = False
        self.weights: NDArray[np.float64] = table
        self.name = name

    @property
    def n_players(self) -> int:
        """Number of players."""
        return len(self.weights)

    def check(self, n_players: int, order: int) -> None:
        """Raise an UnknownIndexError unless it is made for that many players, and order 1."""
        if order != 1 or n_players != self.n_players:
            raise UnknownIndexError(
                f"{self.name} has order 1 and {self.n_players} players; got order {order} and "
                f"{n_players} players"
            )

    def __repr__(self) -> str:
        return f"<index {self.name} of {self.n_players} players>"
