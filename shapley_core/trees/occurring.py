"""Which interactions can be anything but 0: those within the players of one path."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..coalitions import InteractionSet
from ..memory import check_memory, human_count
from .paths import Paths
from .tree import LEAF

Members = NDArray[np.int32]
# Interactions of paths listed at once, before equal ones are joined.
AT_ONCE = 1 << 22
# Bytes that listing those of one path takes for each of their players: three arrays of int64.
LISTED_BYTES = 24
ADVICE = "Explain fewer rows a call, ask for a lower order, or for the largest of each row by top="


def leaves_of(paths: Paths) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All leaves in the order of the walk, and where each tree's begin (n_trees + 1,)."""
    is_leaf = paths.ensemble.feature[paths.order] == LEAF
    counts = np.concatenate([[0], np.cumsum(is_leaf)])
    return paths.order[is_leaf], counts[paths.ensemble.tree_offsets]


def players_of_leaves(paths: Paths, leaves: NDArray[np.int64]) -> Members:
    """The players on each leaf's path by slot: int32 (n_leaves, most), -1 behind the last."""
    out = np.full((len(leaves), int(paths.distinct[leaves].max(initial=0))), -1, np.int32)
    rows, nodes = np.arange(len(leaves)), leaves
    while True:
        inner = paths.parent[nodes] >= 0
        rows, nodes = rows[inner], nodes[inner]
        if not len(rows):
            return out
        out[rows, paths.slot[nodes]] = paths.player[nodes]
        nodes = paths.parent[nodes]


@lru_cache(maxsize=256)
def subsets(n: int, size: int) -> NDArray[np.int64]:
    """All subsets of range(n) of a size, colexicographic: (C(n, size), size)."""
    # Of n - 1 - i the lexicographic order, read backwards in both directions.
    count = comb(n, size)
    members = chain.from_iterable(combinations(range(n), size))
    rows = np.fromiter(members, np.int64, count * size).reshape(count, size)
    out = np.ascontiguousarray((n - 1 - rows)[::-1, ::-1])
    out.setflags(write=False)
    return out


class Occurring:
    """The interactions of at most ``order`` players that lie on some path; all single players.

    Of an interaction without its last player, which occurs too, the rank among those of its size
    and the last player make a key; sorted, the keys are in lexicographic order.

    Parameters
    ----------
    paths : Paths
    n_players, order : int
    column_bytes : int
        What each interaction takes in the result, to refuse in time what does not fit.

    Raises
    ------
    MemoryLimitError
        If the values of those found so far would not fit.
    """

    def __init__(self, paths: Paths, n_players: int, order: int, column_bytes: int) -> None:
        self.n_players = n_players
        self._keys: list[NDArray[np.int64]] = []
        self.blocks: list[NDArray[np.int32]] = [np.arange(n_players, dtype=np.int32)[:, None]]
        sets = _different_sets(paths)
        deepest = int(paths.distinct.max(initial=0))
        for size in range(2, order + 1):
            # Those of the longest path all occur, and are listed together.
            least = comb(deepest, size)
            check_memory(
                (column_bytes + LISTED_BYTES * size) * least,
                f"listing {human_count(least)} interactions of size {size} of one path",
                ADVICE,
            )
        for size in range(2, order + 1):
            known = np.empty(0, np.int64)
            for some in sets:
                for part in _parts(some, size):
                    keys = self._keys_of(part)
                    known = np.union1d(known, keys)
                    check_memory(
                        column_bytes * (len(known) + sum(map(len, self.blocks))),
                        f"the values of {human_count(len(known))} interactions or more of size "
                        f"{size}",
                        ADVICE,
                    )
            self._keys.append(known)
            prefix, last = np.divmod(known, n_players)
            self.blocks.append(
                np.column_stack([self.blocks[-1][prefix], last]).astype(np.int32)
                if len(known)
                else np.empty((0, size), np.int32)
            )
        self.counts = [len(block) for block in self.blocks]

    def _keys_of(self, members: Members) -> NDArray[np.int64]:
        """Keys of sorted rows whose first players all occur together."""
        ranks = self.ranks(members[:, :-1])
        keys: NDArray[np.int64] = ranks * self.n_players + members[:, -1]
        return keys

    def ranks(self, members: Members) -> NDArray[np.int64]:
        """Rank of each row (sorted players) among those of its size, -1 where it does not occur."""
        size = members.shape[1]
        if size == 1:
            return members[:, 0].astype(np.int64)
        before = self.ranks(members[:, :-1])
        keys = before * self.n_players + members[:, -1]
        known = self._keys[size - 2]
        if not len(known):
            return np.full(len(members), -1, np.int64)
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where((known[at] == keys) & (before >= 0), at, -1)

    def as_set(self) -> InteractionSet:
        """The same as an InteractionSet."""
        blocks: dict[int, Any] = {1: None}
        for size, block in enumerate(self.blocks[1:], start=2):
            full = len(block) == comb(self.n_players, size)
            blocks[size] = None if full else block
        return InteractionSet(self.n_players, blocks)


def _different_sets(paths: Paths) -> list[Members]:
    """The different sets of players of the paths, sorted rows, by their number."""
    leaves, _ = leaves_of(paths)
    distinct = paths.distinct[leaves]
    found = []
    for d in np.unique(distinct):
        if d < 2:
            continue
        some = leaves[distinct == d]
        step = max(1, AT_ONCE // int(d))
        parts = [
            np.unique(np.sort(players_of_leaves(paths, chunk), axis=1), axis=0)
            for chunk in np.split(some, range(step, len(some), step))
        ]
        found.append(np.unique(np.concatenate(parts), axis=0) if len(parts) > 1 else parts[0])
    return found


def _parts(sets: Members, size: int) -> Iterator[Members]:
    """All subsets of a size of some sets of players, a bounded number at a time."""
    d = sets.shape[1]
    if d < size:
        return
    chosen = subsets(d, size)
    step = max(1, AT_ONCE // (len(chosen) * size))
    for start in range(0, len(sets), step):
        yield sets[start : start + step][:, chosen].reshape(-1, size)
