"""Tables of values by pattern once more, laid out for calls of a few rows."""

import numpy as np
from numpy.typing import NDArray

from .._kernels import row_lookup
from .lookup import Groups, Tables
from .tree import LEAF


class RowTables:
    """The tables of some trees by pattern, all columns of one side by side, and their tests.

    Parameters
    ----------
    groups : Groups
    trees : int64 array
    built : Tables
        The same tables column by column.
    """

    def __init__(self, groups: Groups, trees: NDArray[np.int64], built: Tables) -> None:
        paths = groups.paths
        ensemble = paths.ensemble
        self._forest = ensemble.kernel
        width, n_outputs = ensemble.values.shape[1], ensemble.n_outputs
        nodes = _ranges(ensemble.tree_offsets[trees], np.diff(ensemble.tree_offsets)[trees])
        n_tests = int(np.count_nonzero(ensemble.feature[nodes] != LEAF))
        n_groups = int(groups.n_groups[trees].sum())
        n_edges = int(groups.n_edges[trees].sum())
        self._tests = (
            np.empty(len(trees) + 1, np.int32),
            np.empty(len(trees) + 1, np.int32),
            np.empty(n_tests, np.int32),
            np.empty(n_tests),
            np.empty(n_tests, np.uint8),
            np.empty(n_tests, np.int64),
            np.empty((n_groups + 1, 4), np.int32),
            np.empty(n_edges, np.int32),
            np.empty(n_edges, np.int32),
        )
        row_lookup.lay_out(
            self._forest,
            trees,
            paths.kernel,
            groups.subtree,
            groups.bits,
            groups.max_bits,
            *self._tests,
        )
        # Of a tree there is one end more than it has groups.
        tree = np.repeat(np.arange(len(trees)), groups.n_groups[trees])
        row = np.arange(n_groups) + tree
        start = built.group_columns[row]
        counts = built.group_columns[row + 1] - start
        size = built.group_offsets[row + 1] - built.group_offsets[row]
        column = np.repeat(built.columns[_ranges(start, counts)], width)
        output = np.repeat(ensemble.tree_outputs[trees][tree], width * counts)
        output += np.arange(len(column)) % width
        self._target = (column * n_outputs + output).astype(np.int32)
        self._first_column = _starts(width * counts).astype(np.int32)
        offset = _starts(size)
        self._offset = offset
        self.table = np.empty(int(offset[-1]))
        row_lookup.turn(
            built.table, built.group_offsets[row], self._first_column, offset, self.table
        )

    def explain(self, columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        """Add the values of prepared rows to ``out`` (rows by columns by outputs)."""
        row_lookup.explain(
            self._forest,
            *self._tests,
            self._first_column,
            self._target,
            self._offset,
            self.table,
            columns,
            out,
        )


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of some runs begins, and the end."""
    return np.concatenate([[0], np.cumsum(counts)])


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """All numbers of the ranges start .. start + count - 1, one range behind the other."""
    firsts = np.cumsum(counts) - counts
    inside: NDArray[np.int64] = np.arange(int(counts.sum())) - np.repeat(firsts - starts, counts)
    return inside
