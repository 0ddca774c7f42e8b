"""How values of interactions are computed: the stages of engines.py, for any index and order.

A column of the result is an interaction of one layer (indices/parts.py). At every leaf the kernels
of leaf_games.pyx compute the values of all layers, by the rows' patterns or by tables of all
patterns, in the same order of summation: the values do not depend on which, bit for bit.
"""

from collections.abc import Iterator, Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray

from .._kernels import interaction_rows, interaction_tables, leaf_games
from ..memory import check_memory, human_count
from ..threads import go_on
from .column_tables import ColumnGroups, ColumnTables
from .engines import NO_FLOATS, NO_WORDS, Interventional, PathDependent
from .lookup import Fill
from .occurring import Occurring, leaves_of, players_of_leaves, subsets
from .paths import Paths
from .stages import MANY_ROWS, NO_NUMBERS, Lookup, Stage, TableStages
from .tree_patterns import TreePatterns, TreeRows

# Places of the leaves' values among the columns: of all trees together, if so many, else by batch.
MOST_PLACES = 1 << 26
# Entries of one leaf for one block of rows, and products of a path's lanes.
ENTRY_BYTES = 1 << 24
LANE_BYTES = 1 << 18
OCTET = 8
AT_ONCE = 8
# How many times as long as path-dependent ones tables beside a background take to build: measured,
# 1 to 5, by the model.
BESIDE_BACKGROUND = 2.0


class Columns:
    """Which column each value of each leaf adds to.

    Parameters
    ----------
    paths : Paths
    occurring : Occurring
    sizes : sequence of int
        Size of the interactions of each layer; layers stand one behind the other.
    """

    def __init__(self, paths: Paths, occurring: Occurring, sizes: Sequence[int]) -> None:
        self.paths = paths
        self.occurring = occurring
        self.sizes = tuple(sizes)
        counts = [1 if size == 0 else occurring.counts[size - 1] for size in self.sizes]
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.n_columns = int(self.starts[-1])
        self.leaves, self.first_leaf = leaves_of(paths)
        distinct = paths.distinct[self.leaves]
        width = [
            sum(comb(d, s) for s in self.sizes) for d in range(int(distinct.max(initial=0)) + 1)
        ]
        # As floats: their sums may be beyond int64 where nothing fits any more.
        per_leaf = np.array(width, np.float64)[distinct]
        self.per_tree = (
            np.add.reduceat(per_leaf, self.first_leaf[:-1]) if len(per_leaf) else per_leaf
        )
        self._all: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None
        most = int(self.per_tree.max(initial=0))
        check_memory(
            16 * most,
            f"a tree whose paths hold {human_count(most)} interactions",
            "Ask for a lower order",
        )

    def batches(self, trees: Sequence[int]) -> Iterator[list[int]]:
        """Cut trees into batches whose places fit in memory together."""
        if self.per_tree.sum() <= MOST_PLACES:
            yield list(trees)
            return
        ends = np.cumsum(self.per_tree[list(trees)]) // MOST_PLACES
        for end in np.unique(ends):
            yield np.asarray(trees)[ends == end].tolist()

    def of(self, trees: Sequence[int]) -> dict[int, tuple[NDArray[np.int64], NDArray[np.int32]]]:
        """By tree, where each leaf's columns begin (in the order of the walk), and the columns."""
        first = self.first_leaf
        if self.per_tree.sum() <= MOST_PLACES:
            if self._all is None:
                self._all = self._find(self.leaves)
            starts, columns = self._all
            return {tree: (starts[first[tree] : first[tree + 1]], columns) for tree in trees}
        return {tree: self._find(self.leaves[first[tree] : first[tree + 1]]) for tree in trees}

    def _find(self, leaves: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        starts = np.zeros(len(leaves), np.int64)
        distinct = self.paths.distinct[leaves]
        # At least one, so that the kernels have an address.
        parts, end = [np.zeros(1, np.int32)], 1
        for d in np.unique(distinct):
            at = np.flatnonzero(distinct == d)
            # Leaves beside each other are on the same path but for its last turn.
            sequences, which = np.unique(
                players_of_leaves(self.paths, leaves[at]), axis=0, return_inverse=True
            )
            places = [self._places(sequences, size) for size in self.sizes]
            joined = np.concatenate(
                [place + start for place, start in zip(places, self.starts, strict=False)], axis=1
            ).astype(np.int32)
            starts[at] = end + which.reshape(-1) * joined.shape[1]
            parts.append(joined.ravel())
            end += joined.size
        return starts, np.concatenate(parts)

    def _places(self, sequences: NDArray[np.int32], size: int) -> NDArray[np.int64]:
        n, d = sequences.shape
        if size == 0:
            return np.zeros((n, 1), np.int64)
        if size > d:
            return np.zeros((n, 0), np.int64)
        members = sequences[:, subsets(d, size)].reshape(-1, size)
        if size > 1:
            members = np.sort(members, axis=1)
        return self.occurring.ranks(members).reshape(n, -1)


class ColumnStages(TableStages):
    """Stages of tables with a column for each value, looked up column by column."""

    few_rows = 32
    # Beside what the model took, listing its interactions.
    setup_cost = 9e6, 2500.0

    def __init__(self, groups: ColumnGroups, n_columns: int) -> None:
        super().__init__(groups)
        self.n_columns = n_columns

    def _build(self, trees: tuple[int, ...], fill: Fill, n_threads: int) -> Lookup:
        return ColumnTables(self.groups, trees, fill, n_threads, self.n_columns)


def _sets(
    found: TreePatterns | None,
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.float64]]:
    """What the kernels take of a background."""
    if found is None:
        return NO_NUMBERS, NO_WORDS, NO_FLOATS
    return found.start, found.words, found.total


class Interactions:
    """The values of some layers, in either game.

    Parameters
    ----------
    engine : PathDependent or Interventional
        The game.
    columns : Columns
    weights : float64 (n_layers, side, side)
        The layers' tables, side - 1 the most players of a path.
    """

    def __init__(
        self,
        engine: PathDependent | Interventional,
        columns: Columns,
        weights: NDArray[np.float64],
    ) -> None:
        self.paths = engine.paths
        self.columns = columns
        self.share = NO_FLOATS
        self.background = None
        if isinstance(engine, PathDependent):
            self.share = engine.shares.share
        else:
            self.background = engine.background
        side, most = weights.shape[1], max(columns.sizes)
        binomial = [[min(comb(i, j), 1 << 62) for j in range(most + 2)] for i in range(side + 1)]
        self.layers = leaf_games.Layers(
            np.array(columns.sizes, np.int64), weights, np.array(binomial, np.int64)
        )
        plain = engine.groups
        self.groups = ColumnGroups(
            plain.paths,
            plain.subtree,
            plain.bits,
            sizes=columns.sizes,
            slower=1.0 if self.background is None else BESIDE_BACKGROUND,
        )
        self.tables = ColumnStages(self.groups, columns.n_columns)
        self.deepest = self.paths.most_of_tree(self.paths.distinct)

    def stages(self, n_rows: int, n_threads: int) -> Iterator[Stage]:
        """Yield what explains that many rows, in an order that depends on the model alone."""
        if self.background is None:
            found: dict[int, TreePatterns | None] = dict.fromkeys(range(len(self.deepest)))
            yield from self._stages(found, n_rows, n_threads, True)
            return
        keep = self.background.is_kept
        for batch in self.background.batches(n_threads):
            rows = [found for found in batch if isinstance(found, TreeRows)]
            parts: list[list[TreePatterns] | list[TreeRows]]
            parts = [[found for found in batch if isinstance(found, TreePatterns)]]
            # Their sets take more memory: a few trees at a time.
            parts += [rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE)]
            for part in parts:
                sets = map(self.background.sets_of, part)
                some: dict[int, TreePatterns | None] = {found.tree: found for found in sets}
                yield from self._stages(some, n_rows, n_threads, keep)

    def _stages(
        self,
        patterns: dict[int, TreePatterns | None],
        n_rows: int,
        n_threads: int,
        keep: bool,
    ) -> Iterator[Stage]:
        for batch in self.columns.batches(list(patterns)):
            shallow = [tree for tree in batch if self.groups.has_tables[tree]]
            for trees in self.tables.split(shallow) if shallow else []:
                row_cost = sum(self._row_cost(tree, patterns[tree]) for tree in trees)
                if self.tables.pays(trees, n_rows, row_cost):
                    yield self.tables.stage(trees, self._fill(trees, patterns), n_threads, keep)
                else:
                    yield self._rows(trees, patterns, n_rows, n_threads)
            deep = [tree for tree in batch if not self.groups.has_tables[tree]]
            if deep:
                yield self._rows(deep, patterns, n_rows, n_threads)

    def _row_cost(self, tree: int, found: TreePatterns | None) -> float:
        """Rough nanoseconds that a row takes without tables."""
        values = float(self.columns.per_tree[tree])
        return 6.0 * values if found is None else 3.3 * values + len(found.count)

    def _fill(self, trees: Sequence[int], patterns: dict[int, TreePatterns | None]) -> Fill:
        columns, groups = self.columns.of(trees), self.groups

        def fill(
            tree: int,
            group_offsets: NDArray[np.int64],
            group_columns: NDArray[np.int64],
            group_column: NDArray[np.int64],
            table: NDArray[np.float64],
        ) -> None:
            interaction_tables.build(
                self.paths.ensemble.kernel,
                tree,
                self.paths.kernel,
                groups.subtree,
                groups.bits,
                int(groups.max_bits[tree]),
                self.layers,
                self.share,
                *_sets(patterns[tree]),
                *columns[tree],
                self.columns.n_columns,
                group_offsets,
                group_columns,
                group_column,
                table,
            )

        return fill

    def _rows(
        self,
        trees: Sequence[int],
        patterns: dict[int, TreePatterns | None],
        n_rows: int,
        n_threads: int,
    ) -> Stage:
        columns, groups = self.columns.of(trees), self.groups
        sets = {tree: _sets(patterns[tree]) for tree in trees}
        deepest = int(self.deepest[list(trees)].max())
        entries = sum(comb(deepest, size) for size in self.columns.sizes)
        most_lanes = LANE_BYTES // (8 * (deepest + 1) * (deepest + 2) // 2)
        n_lanes = int(np.clip(most_lanes // OCTET * OCTET, OCTET, 64))

        def add(rows: NDArray[np.float64], out: NDArray[np.float64]) -> None:
            for tree in trees:
                go_on()
                interaction_rows.explain(
                    self.paths.ensemble.kernel,
                    tree,
                    rows,
                    self.paths.kernel,
                    groups.subtree,
                    groups.bits,
                    int(groups.max_bits[tree]),
                    self.layers,
                    self.share,
                    *sets[tree],
                    *columns[tree],
                    n_lanes,
                    out,
                )

        # The more rows at once, the fewer different patterns a row.
        most = int(np.clip(ENTRY_BYTES // (8 * max(1, entries)), OCTET, MANY_ROWS))
        return Stage(len(trees), max(OCTET, min(most, -(-n_rows // n_threads))), add)
