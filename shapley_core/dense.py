"""Dense symmetric arrays of the values of interactions."""

from collections.abc import Sequence
from itertools import permutations
from math import factorial, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import indices
from .arrays import check_integer
from .coalitions import Interaction, InteractionSet
from .errors import InputError
from .memory import check_memory


def checked_order(given: Any, highest: int) -> int:
    """The order of an array of values of orders up to ``highest``, which is the default."""
    order = highest if given is None else check_integer(given, "order")
    if not 1 <= order <= max(1, highest):
        raise InputError(f"these values are of order {highest}: no array of order {order}")
    return order


def dense_array(
    values: NDArray[np.float64],
    interactions: Sequence[Interaction],
    n_players: int,
    order: int,
    index: str,
    advice: str,
) -> NDArray[np.float64]:
    """The values of many games as arrays over ``order`` players.

    Order 2 holds half of each pair's value in each of its two places, and on the diagonal what is
    left, so that rows sum to the players' values of order 1. Of an index whose values of all sizes
    together describe the game the values of size 1 are what is left. Other orders hold the
    interactions of that size alone, each divided equally over its ``order!`` places.

    Parameters
    ----------
    values : float64 (n_games, n_interactions[, n_outputs])
    interactions : sequence of tuples of players
        Beside axis 1 of ``values``.
    n_players, order : int
    index : str
        Name of the index.
    advice : str
        What to do where the array would not fit.

    Returns
    -------
    float64 (n_games,) + (n_players,) * order [+ (n_outputs,)]
        0 where no value is held.

    Raises
    ------
    InputError
        Above order 1, if the values are generalised values of coalitions, of which the players'
        values are no sum, or the name of the index tells of none.
    MemoryLimitError
        If the array would not fit.
    """
    if order > 1:
        indices.check_shared(index)
    shape = (len(values),) + (n_players,) * order + values.shape[2:]
    games = prod(values.shape[:1] + values.shape[2:])
    # Not the shape, which at a high order is long.
    what = f"a dense array of {games} x {n_players}**{order} numbers"
    check_memory(8 * prod(shape), what, advice)
    out = np.zeros(shape)
    members, at = _of_size(interactions, order)
    share = values[:, at] / factorial(order)
    for axes in permutations(range(order)):
        place: tuple[Any, ...] = (slice(None), *(members[:, axis] for axis in axes))
        out[place] = share
    if order == 2:
        left = dense_array(values, interactions, n_players, 1, index, advice)
        if not indices.adds_up(index):
            left = left - out.sum(axis=2)
        diagonal = np.arange(n_players)
        out[:, diagonal, diagonal] = left
    return out


def _of_size(
    interactions: Sequence[Interaction], size: int
) -> tuple[NDArray[Any], slice | list[int]]:
    """The interactions of a size, int (m, size), and where they stand."""
    if isinstance(interactions, InteractionSet):
        return interactions.block(size), interactions.slice_of(size)
    at = [place for place, one in enumerate(interactions) if len(one) == size]
    return np.array([interactions[place] for place in at], np.int64).reshape(len(at), size), at
