"""The interventional game of trees: a row that misses a feature takes it from the background."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._kernels import patterns as kernel
from ..threads import run_blocks
from .ensemble import LEAF
from .paths import Paths

KEPT_BYTES = 1 << 30
# Trees found together; fixed, so that what is kept does not depend on the number of threads.
STEP = 8


@dataclass(frozen=True, eq=False)
class TreePatterns:
    """Which sets of path features the background fails at each leaf of one tree.

    Parameters
    ----------
    tree : int
    start : int64 (n_leaves + 1,)
        Where each leaf's groups begin, leaves in the order of the walk.
    words : uint64 (n_groups, n_words)
        The sets; bit ``slot & 63`` of word ``slot >> 6``.
    total : float64 (n_groups,)
        Background weight of each group; sums to one at each leaf.
    """

    tree: int
    start: NDArray[np.int64]
    words: NDArray[np.uint64]
    total: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self.start.nbytes + self.words.nbytes + self.total.nbytes


class Background:
    """A background table as the trees see it.

    Its patterns are found once and kept up to ``KEPT_BYTES``; what is beyond is found again in
    each call, a gigabyte at a time, from the columns.

    Parameters
    ----------
    paths : Paths
    columns : float64 (n_features, n_background)
        As `TreeEnsemble.columns` prepares them.
    weight : float64 (n_background,)
        Not negative, not all zero.
    n_threads : int
    """

    def __init__(
        self,
        paths: Paths,
        columns: NDArray[np.float64],
        weight: NDArray[np.float64],
        n_threads: int,
    ) -> None:
        self.paths = paths
        self.columns: NDArray[np.float64] | None = columns
        self.weight = weight
        self.whole = weight.sum()
        self.levels = paths.most_of_tree(paths.ensemble.depth) + 1
        self.n_words = np.maximum(1, -(-paths.most_of_tree(paths.distinct) // 64))
        self.kept, rest = self._find(0, n_threads)
        self.first_rest = rest
        if rest == paths.ensemble.n_trees:
            self.columns = None

    @property
    def is_kept(self) -> bool:
        """Whether all trees' patterns are in memory."""
        return self.columns is None

    def batches(self, n_threads: int) -> Iterator[list[TreePatterns]]:
        """Yield the patterns of all trees, a bounded number at a time."""
        yield self.kept
        first = self.first_rest
        while first < self.paths.ensemble.n_trees:
            batch, first = self._find(first, n_threads)
            yield batch

    def _find(self, first: int, n_threads: int) -> tuple[list[TreePatterns], int]:
        """Find the patterns of trees from ``first`` on, until they fill the memory."""
        found: list[TreePatterns] = []
        size = 0
        while first < self.paths.ensemble.n_trees and size < KEPT_BYTES:
            trees = range(first, min(first + STEP, self.paths.ensemble.n_trees))
            some: dict[int, TreePatterns] = {}

            def work(tree: int, some: dict[int, TreePatterns] = some) -> None:
                some[tree] = self._of_tree(tree)

            run_blocks(work, trees, n_threads)
            found.extend(some[tree] for tree in trees)
            size += sum(some[tree].nbytes for tree in trees)
            first = trees.stop
        return found, first

    def _of_tree(self, tree: int) -> TreePatterns:
        paths, ensemble = self.paths, self.paths.ensemble
        assert self.columns is not None
        nodes = slice(ensemble.tree_offsets[tree], ensemble.tree_offsets[tree + 1])
        n_leaves = int(np.count_nonzero(ensemble.feature[nodes] == LEAF))
        start = np.empty(n_leaves + 1, np.int64)
        room = 16 * n_leaves
        while True:
            words = np.empty((room, self.n_words[tree]), np.uint64)
            total = np.empty(room)
            used = kernel.background(
                ensemble.kernel,
                tree,
                self.columns,
                self.weight,
                paths.kernel,
                int(self.levels[tree]),
                start,
                words,
                total,
            )
            if used <= room:
                return TreePatterns(tree, start, words[:used].copy(), total[:used] / self.whole)
            room = used


def cube_shares(most_players: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shapley values of the cube game with b players that must be in and f that must be out.

    Returns
    -------
    gain, loss : float64 (most_players + 1, most_players + 1)
        At ``[b, f]``: ``(b - 1)! f! / (b + f)!`` for each of the b players and
        ``-b! (f - 1)! / (b + f)!`` for each of the f; 0 where there is no such player.
    """
    side = most_players + 1
    gain = np.zeros((side + 1, side))
    f = np.arange(side)
    gain[1] = 1.0 / (f + 1)
    for b in range(1, side):
        gain[b + 1] = gain[b] * b / (b + f + 1)
    loss = np.zeros((side, side))
    loss[:, 1:] = -gain[1:, :-1]
    return np.ascontiguousarray(gain[:-1]), loss
