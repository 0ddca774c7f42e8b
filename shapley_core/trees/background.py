"""The interventional game of trees: a row that misses a feature takes it from the background."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import forest, pattern_counts
from ..threads import row_blocks, run_blocks
from .lookup import Groups
from .paths import Paths
from .tree import LEAF
from .tree_patterns import (
    TreePatterns,
    TreeRows,
    in_order,
    leaves_of_tree,
    sort_rows,
    tell_rows,
)

KEPT_BYTES = 1 << 30
# Counts of the trees that are counted together, and how many other trees are searched together;
# fixed, so that what is kept does not depend on the number of threads.
COUNTS_BYTES = 1 << 27
STEP = 8
# Rows are read so many blocks at a time, and counted so many bytes of patterns at a time.
BLOCKS = 4
PATTERN_BYTES = 1 << 17
# In trees without tables the rows of a background of at most so many are met one by one, and of
# more in trees of many leaves, where hardly two rows fail the same: measured.
FEW_ROWS = 128
FEW_ROWS_OF_LARGE, LARGE_LEAVES = 384, 4096
# Trees of which so many leaves or more are shallow have tables for these, beside backgrounds whose
# rows are met one by one, and beside larger ones: below, walking them all is as fast; measured.
COVERED_BESIDE_ROWS, COVERED_BESIDE_SETS = 0.95, 0.75
# Kept of the sets that such a background fails, which interactions ask for.
SETS_BYTES = 1 << 28


@dataclass(frozen=True)
class BackgroundRows:
    """The rows of a background, read some at a time.

    Parameters
    ----------
    n_rows : int
    weight : int64 (n_rows,), or (0,) where all weigh 1
        Whole numbers, so that they add up to the same in any order.
    read : callable of (start, stop)
        Those rows as `TreeEnsemble.columns` prepares them.
    block_rows : int
        How many to read at a time.
    """

    n_rows: int
    weight: NDArray[np.int64]
    read: Callable[[int, int], NDArray[np.float64]]
    block_rows: int

    @property
    def whole(self) -> int:
        """Sum of the weights."""
        return int(self.weight.sum()) if len(self.weight) else self.n_rows

    def columns(self, start: int, stop: int, n_threads: int) -> NDArray[np.float64]:
        """Read rows on several threads: float64 (n_features, stop - start)."""
        blocks = row_blocks(stop - start, self.block_rows)
        first = self.read(start + blocks[0][0], start + blocks[0][1])
        if len(blocks) == 1:
            return first
        columns = np.empty((len(first), stop - start))
        columns[:, : first.shape[1]] = first

        def work(block: tuple[int, int]) -> None:
            columns[:, block[0] : block[1]] = self.read(start + block[0], start + block[1])

        run_blocks(work, blocks[1:], n_threads)
        return columns


def are_few(paths: Paths, n_rows: int) -> NDArray[np.bool_]:
    """Whether rows of a background are met one by one: bool (n_trees,), of trees without tables."""
    n_leaves = np.diff(paths.ensemble.tree_offsets) // 2 + 1
    few: NDArray[np.bool_] = n_rows <= np.where(
        n_leaves < LARGE_LEAVES, FEW_ROWS, FEW_ROWS_OF_LARGE
    )
    return few


def whole_weights(weight: NDArray[np.float64]) -> NDArray[np.int64]:
    """Turn weights into whole numbers: empty if they are all equal.

    Weights are scaled by a power of two, so that their sum is between 2^61 and 2^62: those above
    2^-8 of it are kept exactly, the others to 2^-62 of it.
    """
    if (weight == weight[0]).all():
        return np.empty(0, np.int64)
    relative = np.ldexp(weight, -int(np.frexp(weight.max())[1]))
    exponent = int(np.frexp(relative.sum())[1])
    whole: NDArray[np.float64] = np.rint(np.ldexp(relative, 62 - exponent))
    return whole.astype(np.int64)


class Background:
    """A background table as the trees see it.

    Its patterns are found once and kept up to ``KEPT_BYTES``; what is beyond is found again in
    each call, a gigabyte at a time, from the columns. Of trees with tables they are counted group
    by group, in a time that is that of a look-up; of others, and where there are fewer rows than
    it takes to fill the counts, the rows are sorted into their sets node by node; unless they are
    met one by one.

    Parameters
    ----------
    groups : Groups
    rows : BackgroundRows
    n_threads : int
    """

    def __init__(self, groups: Groups, rows: BackgroundRows, n_threads: int) -> None:
        self.groups = groups
        self.paths = paths = groups.paths
        ensemble = paths.ensemble
        self.weight = rows.weight
        self.n_rows = rows.n_rows
        self.block_rows = rows.block_rows
        self.whole = rows.whole
        self.counted = groups.has_tables & (16 * rows.n_rows >= 1 << groups.max_bits)
        self.columns: NDArray[np.float64] | None = None
        if not self.counted.all() or 16 * self._most_sets() > KEPT_BYTES:
            self.columns = rows.columns(0, rows.n_rows, n_threads)
        # Rows that reach each leaf.
        self._reached = np.zeros(ensemble.n_nodes, np.int64)
        self.by_row = ~groups.has_tables & are_few(paths, rows.n_rows)
        self.few: tuple[NDArray[np.float64], NDArray[np.int64]] | None = None
        self._sets: dict[int, TreePatterns] = {}
        if self.by_row.any():
            assert self.columns is not None
            self.few = in_order(self.columns, self.weight)
            self._route(*self.few)
        self.kept, self.first_rest = self._find(0, n_threads, rows)
        for _ in self._rest(n_threads):
            pass  # Only for the rows that reach their leaves.
        if self.first_rest == ensemble.n_trees:
            self.columns = None
        leaves = np.flatnonzero(ensemble.feature == LEAF)
        tree = np.searchsorted(ensemble.tree_offsets, leaves, side="right") - 1
        self.expected = ensemble.base.copy()
        for k in range(ensemble.values.shape[1]):
            sums = np.zeros(ensemble.n_outputs)
            weighted = self._reached[leaves] * ensemble.values[leaves, k]
            np.add.at(sums, ensemble.tree_outputs[tree] + k, weighted)
            self.expected += sums / self.whole

    @property
    def is_kept(self) -> bool:
        """Whether all trees' patterns are in memory."""
        return self.columns is None

    def contents(self) -> tuple[Any, ...]:
        """All that values depend on: patterns, and columns to find others in."""
        rest = None if self.columns is None else (self.columns, self.weight)
        return self.whole, self.kept, self.few, rest

    def sets_of(self, found: TreePatterns | TreeRows) -> TreePatterns:
        """Sort the rows of a small background into their sets, if that was not done."""
        if isinstance(found, TreePatterns):
            return found
        if found.sets is not None:
            return found.sets
        sets = self._sets.get(found.tree)
        if sets is None:
            assert self.few is not None
            sets = sort_rows(self.groups, found.tree, *self.few, self.whole, False)
            if sum(some.nbytes for some in list(self._sets.values())) < SETS_BYTES:
                self._sets[found.tree] = sets
        return sets

    def batches(self, n_threads: int) -> Iterator[list[TreePatterns | TreeRows]]:
        """Yield the patterns of all trees, a bounded number at a time."""
        yield self.kept
        yield from self._rest(n_threads)

    def _rest(self, n_threads: int) -> Iterator[list[TreePatterns | TreeRows]]:
        first = self.first_rest
        while first < self.paths.ensemble.n_trees:
            batch, first = self._find(first, n_threads)
            yield batch

    def _most_sets(self) -> int:
        """At most so many sets are found."""
        ensemble = self.paths.ensemble
        distinct = np.minimum(self.paths.distinct[ensemble.feature == LEAF], 62)
        return int(np.minimum(np.int64(1) << distinct, self.n_rows).sum())

    def _find(
        self, first: int, n_threads: int, rows: BackgroundRows | None = None
    ) -> tuple[list[TreePatterns | TreeRows], int]:
        """Find the patterns of trees from ``first`` on, until they fill the memory."""
        found: list[TreePatterns | TreeRows] = []
        size = 0
        cost = np.where(self.counted, 8 * self.groups.n_patterns / COUNTS_BYTES, 1 / STEP)
        while first < self.paths.ensemble.n_trees and size < KEPT_BYTES:
            n_trees = int(np.searchsorted(np.cumsum(cost[first:]), 1.0, side="right"))
            trees = range(first, first + max(1, n_trees))
            counts = self._count([tree for tree in trees if self.counted[tree]], n_threads, rows)
            some: dict[int, TreePatterns | TreeRows] = {}

            def work(
                tree: int,
                some: dict[int, TreePatterns | TreeRows] = some,
                counts: dict[int, NDArray[np.int64]] = counts,
            ) -> None:
                if self.by_row[tree]:
                    assert self.few is not None
                    some[tree] = tell_rows(self.groups, tree, *self.few, self.whole)
                    return
                found = self._list(tree, counts[tree]) if tree in counts else self._sort(tree)
                self._reach(found)
                some[tree] = found

            run_blocks(work, trees, n_threads)
            found.extend(some[tree] for tree in trees)
            size += sum(some[tree].nbytes for tree in trees)
            first = trees.stop
        return found, first

    def _route(self, columns: NDArray[np.float64], weight: NDArray[np.int64]) -> None:
        """Find the leaves of the trees whose rows are met one by one."""
        ensemble = self.paths.ensemble
        leaf = np.empty((len(weight), ensemble.n_trees), np.int64)
        forest.apply(ensemble.kernel, columns, leaf)
        leaf += ensemble.tree_offsets[:-1]
        np.add.at(self._reached, leaf[:, self.by_row], weight[:, None])

    def _reach(self, found: TreePatterns) -> None:
        leaves = leaves_of_tree(self.groups, found.tree)
        nothing = np.flatnonzero(~found.words.any(axis=1))
        at = np.searchsorted(found.start, nothing, side="right") - 1
        self._reached[leaves[at]] = found.count[nothing]

    def _count(
        self, trees: list[int], n_threads: int, rows: BackgroundRows | None
    ) -> dict[int, NDArray[np.int64]]:
        """Count the patterns of each tree's groups over all rows."""
        if not trees:
            return {}
        groups = self.groups
        numbers = np.array(trees, np.int64)
        ends = np.cumsum(groups.n_patterns[numbers])
        starts = ends - groups.n_patterns[numbers]
        counts = np.zeros(ends[-1], np.int64)
        codes = groups.codes
        # Every task has trees of its own and goes through all rows.
        parts = np.array_split(np.arange(len(numbers)), min(len(numbers), 4 * n_threads))
        places = max(1, int(groups.n_groups[numbers].max()))
        at_once = int(np.clip(PATTERN_BYTES // (2 * places), 64, 2048))
        step = BLOCKS * self.block_rows
        for start, stop in row_blocks(self.n_rows, step):
            if self.columns is not None:
                columns, first = self.columns, start
            else:
                assert rows is not None
                columns, first = rows.columns(start, stop, n_threads), 0
            last, weight = first + stop - start, self.weight[start:stop]
            lines = codes.of(columns, first, last, n_threads)

            def work(
                part: NDArray[np.int64],
                columns: NDArray[np.float64] = columns,
                lines: NDArray[np.uint16] = lines,
                first: int = first,
                last: int = last,
                weight: NDArray[np.int64] = weight,
            ) -> None:
                pattern_counts.count(
                    numbers[part],
                    columns,
                    lines,
                    first,
                    last,
                    weight,
                    codes.tests,
                    groups.n_patterns,
                    at_once,
                    counts[starts[part[0]] : ends[part[-1]]],
                )

            run_blocks(work, parts, n_threads)
        return {
            tree: counts[start:end] for tree, start, end in zip(trees, starts, ends, strict=True)
        }

    def _list(self, tree: int, counts: NDArray[np.int64]) -> TreePatterns:
        """List the sets of each leaf from the counts of the groups."""
        paths, groups = self.paths, self.groups
        leaf = paths.distinct[leaves_of_tree(groups, tree)]
        start = np.empty(len(leaf) + 1, np.int64)
        room = int((1 << leaf).sum())
        words = np.empty((room, 1), np.uint64)
        total = np.empty(room, np.int64)
        used = pattern_counts.failed_sets(
            paths.ensemble.kernel,
            tree,
            paths.kernel,
            groups.subtree,
            groups.bits,
            int(groups.max_bits[tree]),
            counts,
            start,
            words,
            total,
        )
        kept = words[:used].copy(), total[:used].copy()
        return TreePatterns(tree, start, *kept, self.whole)

    def _sort(self, tree: int) -> TreePatterns:
        """Sort the rows into their sets, node by node."""
        assert self.columns is not None
        tells = not self.groups.has_tables[tree]
        return sort_rows(self.groups, tree, self.columns, self.weight, self.whole, tells)


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
