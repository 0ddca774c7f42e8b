"""How a sample of coalitions meets interactions: chances, and sums over what they hold."""

from functools import lru_cache, partial
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import incidence as kernels
from ..threads import available_threads, row_blocks, run_blocks

Matrix = NDArray[np.float64]

# Columns that one thread sums.
_COLUMNS = 16


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


def superset_sums(
    words: NDArray[np.uint64], step: int, n_players: int, by_level: list[Matrix]
) -> list[Matrix]:
    """For each R of l players, Σ_j by_level[l][j] over the coalitions j that hold all of R.

    Parameters
    ----------
    words : uint64 array of shape (at least step * m, n_words)
        Coalition j is row ``step * j``.
    step, n_players : int
    by_level : list of arrays of shape (m, k_l)
        Columns to sum, for l = 0, 1, ...

    Returns
    -------
    list of arrays of shape (C(n, l), k_l)
        Sets in lexicographic order.
    """
    out = [by_level[0].sum(axis=0)[None]]
    for size, level in enumerate(by_level[1:], 1):
        columns = np.ascontiguousarray(level.T)
        sums = np.zeros((len(columns), comb(n_players, size)))

        def add(block: tuple[int, int], size: int, columns: Matrix, sums: Matrix) -> None:
            here = slice(*block)
            kernels.held_sums(words, step, n_players, size, columns[here], sums[here])

        work = partial(add, size=size, columns=columns, sums=sums)
        run_blocks(work, row_blocks(len(columns), _COLUMNS), available_threads())
        out.append(sums.T)
    return out


def sums_over_subsets(n_players: int, size: int, by_level: list[Matrix]) -> Matrix:
    """Σ_{R ⊆ S} by_level[|R|][R] for each S of one size, shape (C(n, size), k)."""
    out = np.tile(by_level[0], (comb(n_players, size), 1))
    for places, at in subset_ranks(n_players, size):
        if 0 < len(places) < size:
            out += by_level[len(places)][at]
    if size:
        out += by_level[size]
    return out


def sums_by_meeting(
    words: NDArray[np.uint64], step: int, n_players: int, by_meeting: Matrix
) -> Matrix:
    """Σ_j by_meeting[j, |S ∩ T_j|] for each S of one size.

    Parameters
    ----------
    words : uint64 array of shape (at least step * m, n_words)
        Coalition T_j is row ``step * j``.
    step, n_players : int
    by_meeting : array of shape (m, s + 1, k)

    Returns
    -------
    array of shape (C(n, s), k)
    """
    size = by_meeting.shape[1] - 1
    levels = []
    for _ in range(size + 1):
        levels.append(by_meeting[:, 0])
        by_meeting = np.diff(by_meeting, axis=1)
    return sums_over_subsets(n_players, size, superset_sums(words, step, n_players, levels))


def common_players(inside: NDArray[np.bool_], members: NDArray[Any]) -> NDArray[np.int64]:
    """|T ∩ S| of coalitions (m, n_players) and interactions (k, s): shape (m, k)."""
    common = np.zeros((len(inside), len(members)), dtype=np.int64)
    for column in members.T:
        common += inside[:, column]
    return common


@lru_cache(maxsize=4)
def subset_ranks(n_players: int, size: int) -> list[tuple[tuple[int, ...], NDArray[np.int64]]]:
    """For each choice of places in S the rank of the players there, for all S of one size."""
    members = sets.interactions_of_size(n_players, size)
    return [
        (places, sets.ranks(members[:, list(places)], n_players))
        for level in range(size + 1)
        for places in combinations(range(size), level)
    ]
