"""How a sample of coalitions meets interactions: chances, and sums over what they hold."""

from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets

Matrix = NDArray[np.float64]


@lru_cache(maxsize=64)
def meeting_chances(n_players: int, size: int) -> Matrix:
    """C(n-s, u-r) / C(n, u), shape (n + 1, s + 1).

    The probability that a random coalition of u players meets S in one given set of r players.
    """
    out = np.zeros((n_players + 1, size + 1))
    for u in range(n_players + 1):
        for r in range(max(0, u - n_players + size), min(size, u) + 1):
            out[u, r] = comb(n_players - size, u - r) / comb(n_players, u)
    out.flags.writeable = False
    return out


def superset_sums(inside: Matrix, by_level: list[Matrix]) -> list[Matrix]:
    """For each R of l players, Σ_j by_level[l][j] over the rows j that hold all of R.

    Parameters
    ----------
    inside : array of shape (m, n_players)
        1 where a player is in, else 0.
    by_level : list of arrays of shape (m, k_l)
        Columns to sum, for l = 0, 1, ...

    Returns
    -------
    list of arrays of shape (C(n, l), k_l)
        Sets in lexicographic order.
    """
    n = inside.shape[1]
    out = [by_level[0].sum(axis=0)[None]]
    if len(by_level) > 1:
        out.append(inside.T @ by_level[1])
    for columns in by_level[2:]:
        parts = [
            _pair_sums(inside[rows][:, first:], columns[rows])
            for rows, first in _prefixes(inside, len(out) - 2)
        ]
        out.append(np.concatenate(parts) if parts else np.zeros((comb(n, len(out)), 0)))
    return out


def _prefixes(inside: Matrix, length: int) -> list[tuple[NDArray[np.intp], int]]:
    """For each set of ``length`` players the rows that hold it, and the first player behind it."""
    found = []
    for players in combinations(range(inside.shape[1]), length):
        rows = np.flatnonzero(inside[:, list(players)].all(axis=1))
        found.append((rows, players[-1] + 1 if players else 0))
    return found


def _pair_sums(inside: Matrix, columns: Matrix) -> Matrix:
    """Sums of each column over the rows that hold each pair of the players."""
    above = np.triu_indices(inside.shape[1], 1)
    out = np.empty((len(above[0]), columns.shape[1]))
    for at, column in enumerate(columns.T):
        out[:, at] = ((inside * column[:, None]).T @ inside)[above]
    return out


def sums_over_subsets(n_players: int, size: int, by_level: list[Matrix]) -> Matrix:
    """Σ_{R ⊆ S} by_level[|R|][R] for each S of one size, shape (C(n, size), k)."""
    members = sets.interactions_of_size(n_players, size)
    out = np.zeros((len(members), by_level[0].shape[1]))
    for level in range(size + 1):
        for chosen in combinations(range(size), level):
            out += by_level[level][sets.ranks(members[:, list(chosen)], n_players)]
    return out
