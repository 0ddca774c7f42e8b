"""Tables of values by pattern for results of many columns, looked up column by column."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray

from .._kernels import column_lookup
from .lookup import Fill, Groups, Tables

# Patterns of one batch of trees: within a level-2 cache. Sums of one block of rows: they are passed
# over once a batch of trees, the tables once a block of rows.
PATTERN_BYTES = 1 << 17
SUMS_BYTES = 1 << 22
MOST_ROWS = 2048
# Measured: nanoseconds that the tables of a tree take beside their entries.
TREE_COST = 1e5


@dataclass(frozen=True, eq=False)
class ColumnGroups(Groups):
    """Groups whose tables have a column for each value, not for each feature.

    Parameters
    ----------
    sizes : tuple of int
        Size of the interactions of each layer.
    slower : float
        How many times as long as path-dependent ones an entry of the tables takes.
    """

    sizes: tuple[int, ...] = ()
    slower: float = 1.0

    @cached_property
    def width(self) -> NDArray[np.int64]:
        """At most so many columns has a group of each number of bits."""
        most = int(self.bits.max(initial=0))
        # Only groups are asked for, and those have few bits.
        return np.array(
            [sum(comb(min(bits, 16), s) for s in self.sizes) for bits in range(most + 1)], np.int64
        )

    @cached_property
    def build_cost(self) -> NDArray[np.float64]:
        """Rough nanoseconds that building each tree's tables takes."""
        ensemble = self.paths.ensemble
        distinct = np.minimum(self.paths.most_of_tree(self.paths.distinct), 16)
        leaves = np.add.reduceat(ensemble.feature < 0, ensemble.tree_offsets[:-1], dtype=float)
        entries = 80.0 + 0.18 * 2.0**self.max_bits + 0.9 * 2.0**distinct
        cost: NDArray[np.float64] = leaves * self.width[distinct] * entries
        return TREE_COST + self.slower * cost

    @cached_property
    def n_columns(self) -> NDArray[np.int64]:
        """At most so many table columns has each tree, for leaves of one value."""
        roots, tree = self._roots
        counts = np.zeros(self.paths.ensemble.n_trees, np.int64)
        np.add.at(counts, tree, self.width[self.bits[roots]])
        return np.maximum(counts, 1)

    @cached_property
    def n_entries(self) -> NDArray[np.int64]:
        """At most so many table entries has each tree."""
        roots, tree = self._roots
        bits = self.bits[roots]
        entries = np.zeros(self.paths.ensemble.n_trees, np.int64)
        np.add.at(entries, tree, self.paths.ensemble.values.shape[1] * self.width[bits] << bits)
        return np.maximum(entries, 1)


class ColumnTables:
    """The tables of some trees, and what each column of the result takes from them.

    Parameters
    ----------
    groups : Groups
    trees : sequence of int
    fill : Fill
    n_threads, n_columns : int
    """

    def __init__(
        self,
        groups: Groups,
        trees: Sequence[int],
        fill: Fill,
        n_threads: int,
        n_columns: int,
    ) -> None:
        self.groups = groups
        self.trees = np.asarray(trees, np.int64)
        self.built = built = Tables(groups, self.trees, fill, n_threads)
        self.table = built.table
        ensemble = groups.paths.ensemble
        n_outputs, width = ensemble.n_outputs, ensemble.values.shape[1]
        row_bytes = 8 * n_columns * n_outputs
        self.at_once = int(np.clip(SUMS_BYTES // max(1, row_bytes), 8, MOST_ROWS))
        # Batches of trees, and each group's number within its batch.
        counts = groups.n_groups[self.trees]
        most = max(1, PATTERN_BYTES // (2 * self.at_once))
        ends = np.cumsum(counts)
        batch = (ends - 1) // most
        self.batch_trees = np.append(np.unique(batch, return_index=True)[1], len(counts))
        before = np.append(0, ends)[self.batch_trees]
        which = np.repeat(np.arange(len(before) - 1), np.diff(self.batch_trees))
        self.tree_group = ends - counts - before[which]
        self.n_groups = int(np.diff(before).max())
        # One entry for each table column: which sum it adds to, and where it begins.
        tree = np.repeat(np.arange(len(counts)), counts)
        row = np.arange(ends[-1]) + tree  # each tree's groups have one end more
        n_entries = (built.group_columns[row + 1] - built.group_columns[row]) * width
        of = np.repeat(np.arange(len(row)), n_entries)
        inside = np.arange(len(of)) - np.repeat(np.cumsum(n_entries) - n_entries, n_entries)
        size = (built.group_offsets[row + 1] - built.group_offsets[row]) // np.maximum(n_entries, 1)
        column = built.columns[built.group_columns[row][of] + inside // width]
        output = ensemble.tree_outputs[self.trees][tree[of]] + inside % width
        target = column * n_outputs + output
        number = which[tree[of]]
        # Stable, so that a run keeps the order of the groups.
        order = np.lexsort((target, number))
        target, number = target[order], number[order]
        new = np.ones(len(order), bool)
        new[1:] = (target[1:] != target[:-1]) | (number[1:] != number[:-1])
        starts = np.flatnonzero(new)
        self.run_sum = target[starts]
        self.run_start = np.append(starts, len(order))
        self.batch_runs = np.searchsorted(number[starts], np.arange(len(before)))
        self.size = size[of][order].astype(np.int32)
        self.at = (built.group_offsets[row][of] + inside * size[of])[order]
        self.group = (np.arange(ends[-1]) - before[which[tree]])[of][order].astype(np.int32)

    def explain(
        self, columns: NDArray[np.float64], n_rows_at_once: int, out: NDArray[np.float64]
    ) -> None:
        """Add the values of prepared rows to ``out`` (rows by columns by outputs)."""
        codes = self.groups.codes
        column_lookup.explain(
            self.trees,
            columns,
            codes.of(columns),
            codes.tests,
            self.tree_group,
            self.batch_trees,
            self.batch_runs,
            self.run_sum,
            self.run_start,
            self.at,
            self.group,
            self.size,
            self.table,
            self.n_groups,
            self.at_once,
            out,
        )
