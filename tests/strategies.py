"""Hypothesis strategies for games, and small helpers to build games out of others."""

from itertools import combinations

import numpy as np
from hypothesis import strategies as st

from shapley_core import indices

PARAMETRISED = ["WBV(0.25)", "WBII(0.75)", "WBII(1/3)", "BetaShapley(2, 3)"]


def worths(min_players=1, max_players=5, bound=9):
    """Tables of small integers: exact in float64, and in fractions."""

    def table(n):
        return st.lists(st.integers(-bound, bound), min_size=1 << n, max_size=1 << n)

    return st.integers(min_players, max_players).flatmap(table)


def orders(name, n_players, most=None):
    """The orders that an index has in a game."""
    limit = indices.get(name).max_order or n_players
    return range(1, min(limit, most or n_players, n_players) + 1)


def all_indices():
    return [*indices.names(), *PARAMETRISED]


def with_axiom(axiom):
    return [name for name in all_indices() if axiom in indices.get(name).axioms]


def mask(players):
    return sum(1 << player for player in players)


def relabel(values, to):
    """The game in which player ``i`` is called ``to[i]``."""
    values = np.asarray(values)
    n = len(to)
    at = np.array([mask(to[i] for i in range(n) if m >> i & 1) for m in range(1 << n)])
    out = np.empty_like(values)
    out[at] = values
    return out


def without_player(position, player):
    """The position of a coalition among the others, one player being struck off the list."""
    low = position & ((1 << player) - 1)
    return low | (position >> (player + 1) << player)


def with_null(values, player, adds=0):
    """The game with one more player, who adds the same to every coalition."""
    size = 2 * len(values)
    return np.array(
        [values[without_player(m, player)] + adds * (m >> player & 1) for m in range(size)],
        dtype=float,
    )


def halves(values, player):
    """The games of the others, with the player absent and with it present."""
    cut = np.asarray(values).reshape(-1, 2, 1 << player)
    return cut[:, 0].ravel(), cut[:, 1].ravel()


def merged(values, members):
    """The game in which ``members`` are one player, who comes last."""
    values = np.asarray(values)
    n = len(values).bit_length() - 1
    others = [i for i in range(n) if i not in members]
    out = np.empty(1 << (len(others) + 1))
    for m in range(len(out)):
        at = mask(others[i] for i in range(len(others)) if m >> i & 1)
        out[m] = values[at | (mask(members) if m >> len(others) else 0)]
    return out


def additive_up_to(dividends, order):
    """The game of the given Moebius coefficients (by position), those beyond an order dropped."""
    size = len(dividends)
    kept = [d if m.bit_count() <= order else 0 for m, d in enumerate(dividends)]
    return [sum(kept[t] for t in range(size) if t & m == t) for m in range(size)]


def interactions(n, order):
    return [S for size in range(1, order + 1) for S in combinations(range(n), size)]
