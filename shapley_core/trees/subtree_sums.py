"""Deep trees in the path-dependent game: quadrature, with tables of the sums of small subtrees."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import subtree_sums as kernel
from ..threads import run_blocks
from .lookup import Groups
from .paths import CoverShares, Paths, Quadrature
from .tree import LEAF

# Bits of a subtree's pattern: the more, the fewer subtrees, and the longer it takes to build them.
MOST_BITS = 6
# Sums of one block of rows, without tables and with them: the latter are read once a block.
FEW_BYTES = 1 << 17
MANY_BYTES = 1 << 21
NO_TABLE = np.empty(0)


class SubtreeSums:
    """The subtrees of some trees, and what to do with them.

    Parameters
    ----------
    groups : Groups
        For the sizes of all subtrees.
    shares : CoverShares
    trees : int64 array

    Attributes
    ----------
    n_entries, build_cost : (n_trees,)
        Size of each tree's tables, and rough nanoseconds that building them takes; 0 for trees
        that are none of these.
    few_cost, look_up_cost : float64 (n_trees,)
        Rough nanoseconds a row without tables and with them.
    """

    def __init__(self, groups: Groups, shares: CoverShares, trees: NDArray[np.int64]) -> None:
        self.paths: Paths = groups.paths
        ensemble = self.paths.ensemble
        n_nodes, n_trees = ensemble.n_nodes, ensemble.n_trees
        self.rules = Quadrature.of(self.paths, even=True)
        self.depth = self.paths.most_of_tree(ensemble.depth)
        bits = np.full(n_nodes, -1, np.int64)
        n_columns = np.zeros(n_nodes, np.int64)
        bit, above, column = (np.full(n_nodes, -1, np.int8) for _ in range(3))
        kernel.describe(
            ensemble.kernel,
            trees,
            self.paths.kernel,
            groups.subtree,
            MOST_BITS,
            bits,
            n_columns,
            bit,
            above,
            column,
        )
        tree = np.repeat(np.arange(n_trees), np.diff(ensemble.tree_offsets))
        roots = np.flatnonzero((bits >= 0) & (ensemble.feature != LEAF))
        n_points = np.diff(self.rules.offsets)[self.rules.rule]
        patterns = np.int64(1) << bits[roots]
        size = (patterns * n_points[tree[roots]] * ((n_columns[roots] + 4) // 4 * 4)) * (
            ensemble.values.shape[1]
        )
        ends = np.cumsum(size)
        self.n_entries = np.zeros(n_trees, np.int64)
        np.add.at(self.n_entries, tree[roots], size)
        offset = np.zeros(n_nodes, np.int64)
        offset[roots] = ends - size - (np.cumsum(self.n_entries) - self.n_entries)[tree[roots]]
        self._costs(tree, roots, groups.subtree, patterns, n_columns, n_points)
        self._arrays = (
            groups.subtree,
            shares.ratio,
            shares.share,
            bits,
            n_columns,
            bit,
            above,
            column,
            offset,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the kernel's view, which cannot be pickled."""
        return {name: value for name, value in self.__dict__.items() if name != "kernel"}

    @cached_property
    def kernel(self) -> kernel.SubtreeSums:
        """The subtrees as the kernels take them."""
        return kernel.SubtreeSums(self.paths.ensemble.kernel, self.paths.kernel, *self._arrays)

    def _costs(
        self,
        tree: NDArray[np.int64],
        roots: NDArray[np.int64],
        subtree: NDArray[np.int64],
        patterns: NDArray[np.int64],
        n_columns: NDArray[np.int64],
        n_points: NDArray[np.int64],
    ) -> None:
        """Estimate the nanoseconds of each way."""
        n_trees = len(n_points)
        inside = np.bincount(tree[roots], subtree[roots], n_trees)
        width = self.paths.ensemble.values.shape[1]
        edge = width * (2.0 + 0.7 * n_points)
        # New memory takes longer than the sums that are written to it.
        built = np.bincount(tree[roots], subtree[roots] * patterns, n_trees)
        self.build_cost = 1.5 * edge * built + 4.0 * self.n_entries
        outside = np.bincount(tree, minlength=n_trees) - inside
        self.few_cost = edge * (inside + outside)
        self.look_up_cost = 1.4 * edge * outside + 1.4 * width * np.bincount(
            tree[roots], 5.0 + n_columns[roots] * (0.5 + 0.2 * n_points[tree[roots]]), n_trees
        )

    def tables(self, trees: Sequence[int], n_threads: int) -> "SubtreeTables":
        """Build the tables of some trees."""
        return SubtreeTables(self, trees, n_threads)

    def explain(
        self,
        trees: NDArray[np.int64],
        first_entry: NDArray[np.int64],
        table: NDArray[np.float64],
        columns: NDArray[np.float64],
        out: NDArray[np.float64],
    ) -> None:
        """Add the values of prepared rows to ``out``; without tables where there are none."""
        rules = self.rules
        n_levels = int(self.depth[trees].max(initial=0)) + 1
        most = int(np.diff(rules.offsets)[rules.rule[trees]].max(initial=1))
        row_bytes = 24 * n_levels * most
        at_once = (MANY_BYTES if len(table) else FEW_BYTES) // row_bytes
        self.kernel.explain(
            trees,
            columns,
            rules.rule,
            rules.offsets,
            rules.points,
            rules.weights,
            n_levels,
            first_entry,
            table,
            max(4, at_once),
            out,
        )


class SubtreeTables:
    """The tables of some trees, ready to explain rows."""

    built: None = None

    def __init__(self, sums: SubtreeSums, trees: Sequence[int], n_threads: int) -> None:
        self.sums = sums
        self.trees = np.asarray(trees, np.int64)
        sizes = sums.n_entries[self.trees]
        ends = np.cumsum(sizes)
        self.first_entry = ends - sizes
        self.table = np.empty(int(ends[-1]))

        def work(number: int) -> None:
            tree = int(self.trees[number])
            sums.kernel.build(
                tree,
                sums.rules.points_of(tree),
                sums.rules.weights_of(tree),
                self.table[self.first_entry[number] : ends[number]],
            )

        run_blocks(work, range(len(self.trees)), n_threads)

    def explain(
        self, columns: NDArray[np.float64], n_rows_at_once: int, out: NDArray[np.float64]
    ) -> None:
        """Add the values of prepared rows to ``out`` (rows by columns by outputs)."""
        self.sums.explain(self.trees, self.first_entry, self.table, columns, out)
