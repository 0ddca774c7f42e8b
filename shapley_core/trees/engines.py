"""How the values of many rows are computed: in stages, each a kernel over some of the trees.

Trees of moderate depth go through tables of values by pattern (lookup.py), deeper ones through
tables of another kind in the path-dependent game (subtree_sums.py). In the interventional one their
shallow leaves may have tables, and the others are walked.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import (
    alive_rows,
    alive_sets,
    few_rows,
    pattern_tables,
    patterns,
    single_rows,
)
from ..threads import go_on
from . import background
from .background import Background, BackgroundRows, cube_shares
from .lookup import Groups
from .paths import CoverShares, Paths, Quadrature
from .stages import MANY_ROWS, NO_NUMBERS, Stage, SubtreeStages, TableStages
from .subtree_sums import SubtreeSums
from .tree_patterns import TreePatterns, TreeRows, leaves_of_tree

# Measured: with more players on a path, the path-dependent game is faster by subtree sums.
MOST_PLAYERS = 8
# Unless a tree's tables are no larger than that.
SMALL_ENTRIES = 1 << 17
# Measured: fewer rows than these are faster by the slots of a path than side by side.
SINGLE_ROWS = 8

# Nanoseconds that a call takes at a leaf without its table, beside what its rows take: measured.
LEAF_COST = 250.0

# What a kernel keeps of the rows that go down a deep tree together, where they meet a background
# row by row and as sets, and at most how many: of those that fail the same one stands for all.
ROWS_BYTES_BY_ROW, ROWS_BYTES_BY_SET = 1 << 24, 1 << 26
DEEP_ROWS = 1 << 15

NO_FLOATS = np.empty(0)
NO_WORDS = np.empty((0, 1), np.uint64)
NO_SHARES = np.empty((0, 0))


class PathDependent:
    """The game in which a row that misses a feature is split by cover."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.shares = CoverShares.of(paths)
        self.expected = self.shares.expected
        self.rules = Quadrature.of(paths)
        self.groups = Groups.of(paths)
        self.tables = TableStages(self.groups)
        small = self.groups.n_entries <= SMALL_ENTRIES
        few = paths.most_of_tree(paths.distinct) <= MOST_PLAYERS
        shallow = self.groups.has_tables & (few | small)
        self.n_points = np.diff(self.rules.offsets)[self.rules.rule]
        some = np.flatnonzero(shallow).tolist()
        self._shallow = [self._costs(trees) for trees in self.tables.split(some)] if some else []
        rest = np.flatnonzero(~shallow)
        self.sums = SubtreeStages(SubtreeSums(self.groups, self.shares, rest))
        self._deep = self.sums.split(rest.tolist()) if len(rest) else []

    def _costs(self, trees: tuple[int, ...]) -> tuple[tuple[int, ...], float, float]:
        """Trees of a stage, with the nanoseconds of a call and of a row without tables."""
        numbers = np.array(trees, np.int64)
        nodes = np.diff(self.paths.ensemble.tree_offsets)[numbers]
        row_cost = float((nodes * (1 + 1.5 * self.n_points[numbers])).sum())
        return trees, float(40 * nodes.sum()), row_cost

    @cached_property
    def _passed(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The share of a passed feature at each edge and point, and where each tree's begin."""
        rules, offsets = self.rules, self.paths.ensemble.tree_offsets
        n_points = np.repeat(self.n_points, np.diff(offsets))
        ends = np.concatenate([[0], np.cumsum(n_points)])
        first = np.repeat(rules.offsets[rules.rule], np.diff(offsets))
        point = np.arange(ends[-1]) + np.repeat(first - ends[:-1], n_points)
        z, t = np.repeat(self.shares.share, n_points), rules.points[point]
        return ends[offsets[:-1]], (1.0 - z) / (z * (1.0 - t) + t)

    def stages(self, n_rows: int, n_threads: int) -> Iterator[Stage]:
        """Yield the stages: shallow trees, then deep ones."""
        for trees, call_cost, row_cost in self._shallow:
            if self.tables.pays(trees, n_rows, row_cost + call_cost / max(n_rows, 1)):
                yield self.tables.stage(trees, self._fill, n_threads, keep=True)
            else:
                yield self._few(np.array(trees, np.int64))
        yield from self.sums.stages(self._deep, n_rows, n_threads)

    def _fill(
        self,
        tree: int,
        group_offsets: NDArray[np.int64],
        group_columns: NDArray[np.int64],
        columns: NDArray[np.int64],
        table: NDArray[np.float64],
    ) -> None:
        paths, groups = self.paths, self.groups
        pattern_tables.build(
            paths.ensemble.kernel,
            tree,
            paths.kernel,
            groups.subtree,
            groups.bits,
            int(groups.max_bits[tree]),
            self.shares.share,
            self.rules.points_of(tree),
            self.rules.weights_of(tree),
            NO_NUMBERS,
            NO_WORDS,
            NO_NUMBERS,
            NO_SHARES,
            NO_SHARES,
            group_offsets,
            group_columns,
            columns,
            table,
        )

    def _few(self, trees: NDArray[np.int64]) -> Stage:
        paths, groups, rules = self.paths, self.groups, self.rules

        def add(columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
            given = (
                paths.ensemble.kernel,
                trees,
                columns,
                paths.kernel,
                groups.subtree,
                groups.bits,
                groups.max_bits,
                self.shares.share,
                rules.rule,
                rules.offsets,
                rules.points,
                rules.weights,
            )
            if len(out) < SINGLE_ROWS:
                single_rows.explain(*given, out)
            else:
                few_rows.explain(*given, *self._passed, out)

        return Stage(len(trees), 64, add)


class Interventional:
    """The game in which a row that misses a feature takes it from the background."""

    def __init__(
        self,
        paths: Paths,
        rows: BackgroundRows,
        n_threads: int,
    ) -> None:
        self.paths = paths
        by_row = background.are_few(paths, rows.n_rows)
        covered = np.where(by_row, background.COVERED_BESIDE_ROWS, background.COVERED_BESIDE_SETS)
        self.groups = Groups.of(paths, covered)
        self.tables = TableStages(self.groups)
        self._met_of: dict[int, tuple[int, int]] = {}
        self.background = Background(self.groups, rows, n_threads)
        self.expected = self.background.expected
        gain, loss = cube_shares(int(paths.distinct.max(initial=0)))
        self.gain, self.loss = gain / rows.whole, loss / rows.whole
        self.gain_by_failed = np.ascontiguousarray(self.gain.T)
        self.loss_by_failed = np.ascontiguousarray(self.loss.T)
        few = self.background.few
        self.background_weight = NO_FLOATS if few is None else few[1].astype(np.float64)

    def stages(self, n_rows: int, n_threads: int) -> Iterator[Stage]:
        """Yield the stages: of each batch of patterns the tables, then the deep leaves."""
        shallow = self.groups.has_tables
        keep = self.background.is_kept
        for batch in self.background.batches(n_threads):
            of_tree: dict[int, TreePatterns] = {}
            for found in batch:
                sets = found.sets if isinstance(found, TreeRows) else found
                if sets is not None and self.groups.max_bits[found.tree]:
                    of_tree[found.tree] = sets

            def fill(tree: int, *arrays: Any, of_tree: dict[int, TreePatterns] = of_tree) -> None:
                self._fill(of_tree[tree], *arrays)

            some = list(of_tree)
            for trees in self.tables.split(some) if some else []:
                # Each leaf's sets are met by every row; beside a background the tables take up to
                # twice as long to build.
                n_leaves, n_sets = np.sum([self._met(of_tree[tree]) for tree in trees], axis=0)
                row_cost = n_sets + LEAF_COST * n_leaves / max(n_rows, 1)
                if self.tables.pays(trees, n_rows, row_cost):
                    yield self.tables.stage(trees, fill, n_threads, keep)
                else:
                    yield self._meet([of_tree[tree] for tree in trees], n_rows, n_threads)
            deep = [found for found in batch if not shallow[found.tree]]
            if deep:
                yield self._meet_alive(deep, n_rows, n_threads)

    def _met(self, found: TreePatterns) -> tuple[int, int]:
        """How many leaves have tables, and sets."""
        met = self._met_of.get(found.tree)
        if met is None:
            shallow = ~self.groups.is_deep[leaves_of_tree(self.groups, found.tree)]
            met = int(np.count_nonzero(shallow)), int(np.diff(found.start)[shallow].sum())
            self._met_of[found.tree] = met
        return met

    def _fill(
        self,
        found: TreePatterns,
        group_offsets: NDArray[np.int64],
        group_columns: NDArray[np.int64],
        columns: NDArray[np.int64],
        table: NDArray[np.float64],
    ) -> None:
        paths, groups = self.paths, self.groups
        pattern_tables.build(
            paths.ensemble.kernel,
            found.tree,
            paths.kernel,
            groups.subtree,
            groups.bits,
            int(groups.max_bits[found.tree]),
            NO_FLOATS,
            NO_FLOATS,
            NO_FLOATS,
            found.start,
            found.words,
            found.count,
            self.gain,
            self.loss,
            group_offsets,
            group_columns,
            columns,
            table,
        )

    def _meet(self, batch: list[TreePatterns], n_rows: int, n_threads: int) -> Stage:
        paths, groups = self.paths, self.groups

        def add(columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
            for found in batch:
                go_on()
                patterns.interventional(
                    paths.ensemble.kernel,
                    found.tree,
                    columns,
                    paths.kernel,
                    groups.subtree,
                    groups.bits,
                    int(groups.max_bits[found.tree]),
                    int(groups.n_levels[found.tree]),
                    found.start,
                    found.words,
                    found.count,
                    self.gain,
                    self.loss,
                    out,
                )

        # The more rows meet the groups at once, the fewer meetings a row.
        return Stage(len(batch), max(64, min(MANY_ROWS, -(-n_rows // n_threads))), add)

    def _meet_alive(
        self, batch: list[TreePatterns | TreeRows], n_rows: int, n_threads: int
    ) -> Stage:
        forest, groups = self.paths.ensemble.kernel, self.groups
        gain, loss = self.gain_by_failed, self.loss_by_failed
        width: int = self.paths.ensemble.values.shape[1]

        def at_once(tree: int, words: int, n_players: int, room: int) -> int:
            words += int(groups.n_words[tree])
            level_bytes = 8 * words + 6
            value_bytes = 8 * width * (int(groups.n_players[tree]) + 16 + n_players)
            return max(8, room // (int(groups.n_levels[tree]) * level_bytes + value_bytes))

        def add(columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
            for found in batch:
                go_on()
                n_levels = int(groups.n_levels[found.tree])
                n_players = int(groups.n_players[found.tree])
                if isinstance(found, TreeRows):
                    n_words, n_all = found.passing.shape[1], len(found.players)
                    alive_rows.explain(
                        forest,
                        found.tree,
                        columns,
                        n_levels,
                        n_players,
                        found.players,
                        found.steps,
                        found.passing,
                        self.background_weight,
                        gain,
                        loss,
                        at_once(found.tree, n_words, n_all, ROWS_BYTES_BY_ROW),
                        out,
                    )
                    continue
                told = found.told
                assert told is not None
                alive_sets.explain(
                    forest,
                    found.tree,
                    columns,
                    n_levels,
                    n_players,
                    told.players,
                    told.steps,
                    found.words,
                    found.count,
                    told.passing,
                    told.words,
                    told.weight,
                    told.bin,
                    told.bins,
                    int(np.diff(found.start).max()),
                    told.most_bins,
                    gain,
                    loss,
                    at_once(found.tree, 5, len(told.players), ROWS_BYTES_BY_SET),
                    out,
                )

        return Stage(len(batch), max(64, min(DEEP_ROWS, -(-n_rows // n_threads))), add)
