"""Asymmetric Shapley values: orders of the players that respect a precedence."""

from collections.abc import Iterable
from operator import index as as_int
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..arrays import is_listed
from ..errors import InputError, MemoryLimitError
from ..game import Game, checked_game
from ..indices import StructureName
from ..result import InteractionValues
from ._values import player_values

_MAX_STEPS = 2**28


def asymmetric_shapley(game: Game, precedence: Iterable[tuple[int, int]]) -> InteractionValues:
    """Asymmetric Shapley value for a precedence order.

    The average marginal contribution over all orders of the players in which the first player of
    each pair comes before the second. Efficient; without pairs it is the Shapley value.

    Only the coalitions that are closed under the precedence (its ideals) matter: with ``up(S)``
    orders that lead to S and ``down(S)`` that lead on from it, the value is
    ``sum_S up(S) down(S + i) [v(S + i) - v(S)] / down(empty)``. Counts are kept as float64 and
    scaled level by level; they are sums of positive numbers, so nothing cancels.

    Parameters
    ----------
    game : Game
        Any game; it is asked for every ideal once. A total order has ``n + 1`` ideals, no
        precedence at all ``2**n``.
    precedence : list of (before, after)
        Pairs of players; transitive pairs need not be listed.

    Returns
    -------
    InteractionValues
        Order 1, index ``"AsymmetricSV"``, one value a player.

    Raises
    ------
    InputError
        If a pair is not two players, or the pairs form a cycle.
    MemoryLimitError
        If the ideals and the steps between them are more than 2**28.

    References
    ----------
    Frye, Rowat, Feige (2020), Asymmetric Shapley values: incorporating causal knowledge into
    model-agnostic explainability, NeurIPS 33, with the uniform distribution over consistent
    orders; Weber (1988) calls such averages random-order values.
    """
    checked = checked_game(game)
    n = checked.n_players
    before = _before(precedence, n)
    levels = _ideals(before)
    worths = [checked(sets.unpack(level.words, n)) for level in levels]
    up = np.ones(1)
    downs = [np.ones(1)]
    for level in reversed(levels[:-1]):
        counts = np.bincount(level.source, downs[-1][level.target], minlength=len(level.words))
        downs.append(counts / counts.max())
    downs.reverse()
    values = np.zeros(n)
    for size, level in enumerate(levels[:-1]):
        orders = up[level.source] * downs[size + 1][level.target]
        # What overflows is refused with the values.
        with np.errstate(over="ignore", invalid="ignore"):
            gains = worths[size + 1][level.target] - worths[size][level.source]
            # Every order takes one step of each size, so the steps of a size share all of them.
            values += np.bincount(level.player, orders * gains, minlength=n) / orders.sum()
        reached = len(levels[size + 1].words)
        counts = np.bincount(level.target, up[level.source], minlength=reached)
        up = counts / counts.max()
    n_ideals = sum(len(level.words) for level in levels)
    name = StructureName("AsymmetricSV", np.packbits(_closed(before)).tobytes())
    return player_values(values, checked, name, float(worths[0][0]), n_ideals)


class _Level(NamedTuple):
    """The ideals of one size, packed, and the steps to those of the next size."""

    words: NDArray[np.uint64]
    source: NDArray[np.int64]
    player: NDArray[np.int64]
    target: NDArray[np.int64]


def _ideals(before: NDArray[np.bool_]) -> list[_Level]:
    """All coalitions closed under ``before`` (before[i, j]: j precedes i), size by size."""
    n = len(before)
    bits = sets.pack(np.eye(n, dtype=np.bool_))
    needed = before.astype(np.float32)
    words = sets.pack(np.zeros((1, n), dtype=np.bool_))
    levels: list[_Level] = []
    steps = 0
    for _ in range(n):
        members = sets.unpack(words, n)
        missing = (~members).astype(np.float32) @ needed.T
        source, player = np.nonzero(~members & (missing == 0))
        steps += len(source)
        if steps > _MAX_STEPS:
            raise MemoryLimitError(
                f"the precedence leaves more than {_MAX_STEPS} steps between coalitions: add "
                "pairs, or estimate by sampling orders"
            )
        if len(source) == 0:
            stuck = np.flatnonzero(~members[0]).tolist()
            raise InputError(
                f"the precedence has a cycle; no order can place the players "
                f"{sets.describe(stuck)}: remove one of its pairs"
            )
        grown = words[source] | bits[player]
        if grown.shape[1] == 1:
            following, target = np.unique(grown[:, 0], return_inverse=True)
            following = following[:, None]
        else:
            following, target = np.unique(grown, axis=0, return_inverse=True)
        levels.append(_Level(words, source, player, target.reshape(-1)))
        words = following
    nothing = np.zeros(0, dtype=np.int64)
    return [*levels, _Level(words, nothing, nothing, nothing)]


def _closed(before: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pairs with all that follow from them."""
    while True:
        steps = before.astype(np.float32)
        longer = before | (steps @ steps > 0)
        if (longer == before).all():
            return before
        before = longer


def _before(precedence: Iterable[Any], n_players: int) -> NDArray[np.bool_]:
    """The matrix of the pairs: [i, j] is set if player j comes before player i."""
    if not is_listed(precedence):
        raise TypeError(
            f"precedence must be a list of pairs (before, after) of player numbers, not "
            f"{precedence!r}"
        )
    before = np.zeros((n_players, n_players), dtype=np.bool_)
    for pair in precedence:
        try:
            first, second = (as_int(player) for player in pair)
        except (TypeError, ValueError):
            raise InputError(
                f"precedence must hold pairs (before, after) of player numbers; got {pair!r}"
            ) from None
        for player in (first, second):
            if not 0 <= player < n_players:
                raise InputError(f"{pair!r} names player {player}; players are 0..{n_players - 1}")
        if first == second:
            raise InputError(f"{pair!r}: a player cannot come before itself")
        before[second, first] = True
    return before
