"""Tables of values by pattern: the fast way through trees of moderate depth for many rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import pattern_tables as kernel
from ..threads import run_blocks
from .paths import Paths
from .row_codes import RowCodes
from .tree import LEAF

# Patterns are 16-bit words, and a table of 2^12 rows still fits a cache.
MOST_BITS = 12
# Of trees that have deeper leaves too: bits at least, bytes at most of one tree and of all.
LEAST_BITS = 8
PART_BYTES = 1 << 26
PARTS_BYTES = 3 << 28
# Measured: nanoseconds that the tables of a tree take beside their entries.
TREE_COST = 4e4


@dataclass(frozen=True, eq=False)
class Groups:
    """How trees fall into groups: topmost nodes whose pattern has few enough bits.

    Parameters
    ----------
    paths : Paths
    subtree : int64 (n_nodes,)
        Number of nodes of the subtree, itself included.
    bits : int64 (n_nodes,)
        Distinct features on the path and tests below: the bits of the pattern if the node were a
        group.
    covered : float, or float64 (n_trees,)
        Trees that are too deep for tables of all leaves have some for the shallow ones, if these
        are at least that share of them.
    """

    paths: Paths
    subtree: NDArray[np.int64]
    bits: NDArray[np.int64]
    covered: float | NDArray[np.float64] = 1.0

    @classmethod
    def of(cls, paths: Paths, covered: float | NDArray[np.float64] = 1.0) -> "Groups":
        """Count the nodes below each node."""
        ensemble = paths.ensemble
        subtree = np.ones(ensemble.n_nodes, np.int64)
        inner = (ensemble.feature != LEAF).astype(np.int64)
        by_level = np.argsort(ensemble.depth, kind="stable")
        ends = np.cumsum(np.bincount(ensemble.depth, minlength=1))
        for level in range(len(ends) - 1, 0, -1):
            nodes = by_level[ends[level - 1] : ends[level]]
            np.add.at(subtree, paths.parent[nodes], subtree[nodes])
            np.add.at(inner, paths.parent[nodes], inner[nodes])
        return cls(paths, subtree, paths.distinct + inner, covered)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived; the kernels' tests cannot be pickled."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @cached_property
    def codes(self) -> RowCodes:
        """The groups' tests, and the codes of rows that they are made on."""
        return RowCodes(self.paths, self.subtree, self.bits, self.max_bits)

    @cached_property
    def n_levels(self) -> NDArray[np.int64]:
        """Nodes on the longest path of each tree."""
        return self.paths.most_of_tree(self.paths.ensemble.depth) + 1

    @cached_property
    def n_words(self) -> NDArray[np.int64]:
        """Words of a set of features of one path, by tree."""
        return np.maximum(1, -(-self.n_players // 64))

    @cached_property
    def n_players(self) -> NDArray[np.int64]:
        """Most players on a path of each tree."""
        return self.paths.most_of_tree(self.paths.distinct)

    @cached_property
    def max_bits(self) -> NDArray[np.int64]:
        """Bits allowed in each tree: int64 (n_trees,), 0 for trees without tables."""
        distinct = self.paths.most_of_tree(self.paths.distinct)
        # Measured: one or two bits more than the path has make the fewest additions a byte.
        wanted = np.maximum(8, distinct + np.where(distinct <= 8, 2, 1))
        bits = np.where(self.has_tables, np.minimum(wanted, MOST_BITS), 0)
        return self._bits_of_parts(bits) if np.any(np.less(self.covered, 1.0)) else bits

    def _bits_of_parts(self, bits: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of trees with none, as many as there is room for, if that covers most leaves."""
        n_trees = len(bits)
        room = min(PART_BYTES, PARTS_BYTES // max(1, n_trees))
        leaves = np.flatnonzero(self.paths.ensemble.feature == LEAF)
        tree = self._tree[leaves]
        n_leaves = np.bincount(tree, minlength=n_trees)
        for few in range(MOST_BITS, LEAST_BITS - 1, -1):
            size = 8 * self._entries_of(np.full(n_trees, few))
            shallow = np.bincount(tree, self.paths.distinct[leaves] <= few, n_trees)
            some = (self.n_players > MOST_BITS) & (self.n_words == 1) & (size <= room)
            bits = np.where(some & (shallow >= self.covered * n_leaves) & (bits == 0), few, bits)
        return bits

    @cached_property
    def has_tables(self) -> NDArray[np.bool_]:
        """Which trees are shallow enough for tables of all leaves: bool (n_trees,)."""
        return self.n_players <= MOST_BITS

    @cached_property
    def build_cost(self) -> NDArray[np.float64]:
        """Rough nanoseconds that building each tree's tables takes."""
        ensemble = self.paths.ensemble
        distinct = np.minimum(self.paths.most_of_tree(self.paths.distinct), self.max_bits)
        is_leaf = (ensemble.feature == LEAF) & ~self.is_deep
        leaves = np.add.reduceat(is_leaf, ensemble.tree_offsets[:-1], dtype=float)
        entries = distinct * (0.3 * 2.0**self.max_bits + 0.4 * 2.0**distinct)
        cost: NDArray[np.float64] = TREE_COST + leaves * (500.0 + entries)
        return cost

    @cached_property
    def _roots(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The groups' nodes, in the order of nodes, and their trees."""
        return self._roots_of(self.max_bits)

    def _roots_of(self, max_bits: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        parent, tree = self.paths.parent, self._tree
        small = self.bits <= max_bits[tree]
        roots = np.flatnonzero(small & ((parent == -1) | ~small[parent]))
        return roots, tree[roots]

    @cached_property
    def _tree(self) -> NDArray[np.int64]:
        """The tree of each node."""
        ensemble = self.paths.ensemble
        return np.repeat(np.arange(ensemble.n_trees), np.diff(ensemble.tree_offsets))

    @cached_property
    def is_deep(self) -> NDArray[np.bool_]:
        """Which nodes' paths have too many features for their tree's tables: bool (n_nodes,)."""
        most = np.where(self.max_bits > 0, self.max_bits, -1)
        return self.paths.distinct > most[self._tree]

    @cached_property
    def n_groups(self) -> NDArray[np.int64]:
        """Number of groups of each tree."""
        counts: NDArray[np.int64] = np.bincount(
            self._roots[1], minlength=self.paths.ensemble.n_trees
        )
        return counts

    @cached_property
    def n_edges(self) -> NDArray[np.int64]:
        """Number of edges of each tree on the ways to its groups, each way by itself."""
        roots, tree = self._roots
        counts = np.zeros(self.paths.ensemble.n_trees, np.int64)
        np.add.at(counts, tree, self.paths.ensemble.depth[roots])
        return counts

    @cached_property
    def n_patterns(self) -> NDArray[np.int64]:
        """Number of patterns of each tree's groups together."""
        roots, tree = self._roots
        counts = np.zeros(self.paths.ensemble.n_trees, np.int64)
        np.add.at(counts, tree, np.int64(1) << self.bits[roots])
        return counts

    @cached_property
    def n_columns(self) -> NDArray[np.int64]:
        """At most so many table columns has each tree, for leaves of one value."""
        roots, tree = self._roots
        n_trees = self.paths.ensemble.n_trees
        counts: NDArray[np.int64] = np.bincount(tree, self.bits[roots], n_trees).astype(np.int64)
        return counts

    @cached_property
    def n_entries(self) -> NDArray[np.int64]:
        """At most so many table entries has each tree."""
        return self._entries_of(self.max_bits)

    def _entries_of(self, max_bits: NDArray[np.int64]) -> NDArray[np.int64]:
        roots, tree = self._roots_of(max_bits)
        size = self.bits[roots] << self.bits[roots]
        size *= self.paths.ensemble.values.shape[1]
        entries = np.zeros(self.paths.ensemble.n_trees, np.int64)
        np.add.at(entries, tree, size)
        return entries


# Fills one tree's tables: (tree, group_offsets, group_columns, columns, table).
Fill = Callable[
    [int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]], None
]


class Tables:
    """The tables of some trees, as their groups have them.

    Parameters
    ----------
    groups : Groups
    trees : sequence of int
    fill : callable
        Fills the tables of one tree.
    n_threads : int

    Attributes
    ----------
    counts, first_group : int64 (n_trees,)
        Number of entries that each tree has in the next two, one more than it has groups, and the
        first of them.
    group_offsets, group_columns : int64
        Where each group's table begins in ``table`` and its columns in ``columns``, and the end.
    columns : int64
        What each column holds the values of.
    table : float64
    """

    def __init__(
        self, groups: Groups, trees: NDArray[np.int64], fill: Fill, n_threads: int
    ) -> None:
        self.counts = counts = groups.n_groups[trees] + 1
        self.first_group = first_group = np.cumsum(counts) - counts
        columns_end = np.cumsum(groups.n_columns[trees])
        entries_end = np.cumsum(groups.n_entries[trees])
        self.group_offsets = np.empty(int(counts.sum()), np.int64)
        self.group_columns = np.empty(int(counts.sum()), np.int64)
        self.columns = np.empty(int(columns_end[-1]), np.int64)
        self.table = np.empty(int(entries_end[-1]))

        def work(number: int) -> None:
            tree = int(trees[number])
            first = first_group[number]
            group = slice(first, first + counts[number])
            columns_start = columns_end[number] - groups.n_columns[tree]
            entries_start = entries_end[number] - groups.n_entries[tree]
            fill(
                tree,
                self.group_offsets[group],
                self.group_columns[group],
                self.columns[columns_start : columns_end[number]],
                self.table[entries_start : entries_end[number]],
            )
            self.group_offsets[group] += entries_start
            self.group_columns[group] += columns_start

        run_blocks(work, range(len(trees)), n_threads)


class LookupTables:
    """The tables of some trees, ready to explain rows.

    Parameters
    ----------
    groups : Groups
    trees : sequence of int
    fill : callable
        Fills the tables of one tree.
    n_targets : int
        Columns of the result, which the tables' columns number.
    n_threads : int
    """

    def __init__(
        self, groups: Groups, trees: Sequence[int], fill: Fill, n_targets: int, n_threads: int
    ) -> None:
        self.groups = groups
        self.trees = np.asarray(trees, np.int64)
        self.built = built = Tables(groups, self.trees, fill, n_threads)
        self.table = built.table
        counts, first_group = built.counts, built.first_group
        group_offsets, group_columns = built.group_offsets, built.group_columns

        # Put the columns of a tree that add to the same sums side by side, group after group.
        ensemble = groups.paths.ensemble
        width = ensemble.values.shape[1]
        number = np.repeat(np.arange(len(self.trees)), counts - 1)
        group = np.delete(np.arange(len(group_offsets)), first_group + counts - 1)
        n_columns = width * (group_columns[group + 1] - group_columns[group])
        size = (group_offsets[group + 1] - group_offsets[group]) // np.maximum(n_columns, 1)
        which = np.repeat(np.arange(len(group)), n_columns)
        place = np.arange(len(which)) - np.repeat(np.cumsum(n_columns) - n_columns, n_columns)
        tree = number[which]
        output = ensemble.tree_outputs[self.trees[tree]] + place % width
        target = built.columns[group_columns[group[which]] + place // width] + n_targets * output
        order = np.lexsort((target, tree))
        self.first_column = np.searchsorted(tree, np.arange(len(self.trees) + 1))
        self.column_target = target[order]
        self.column_group = (group[which] - first_group[tree])[order].astype(np.int32)
        self.column_offset = (group_offsets[group[which]] + place * size[which])[order]

    def explain(
        self, columns: NDArray[np.float64], n_rows_at_once: int, out: NDArray[np.float64]
    ) -> None:
        """Add the values of prepared rows to ``out`` (rows by features by outputs)."""
        codes = self.groups.codes
        kernel.explain(
            self.trees,
            columns,
            codes.of(columns),
            codes.tests,
            self.first_column,
            self.column_target,
            self.column_group,
            self.column_offset,
            self.table,
            n_rows_at_once,
            out,
        )
