"""Codes of rows: each value's place among the thresholds that the groups' tests compare it with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import group_tests as kernel
from ..threads import row_blocks, run_blocks
from .paths import Paths
from .tree import CATEGORICAL, LEAF, ZERO_IS_MISSING

# Codes are 16-bit words: 0, and one more than there are thresholds.
MOST_THRESHOLDS = (1 << 16) - 2
# Lines of one task.
BLOCK_LINES = 128


class RowCodes:
    """The tests of the groups of some trees, on codes.

    Parameters
    ----------
    paths : Paths
    subtree, bits : int64 (n_nodes,)
    max_bits : int64 (n_trees,)
        As those of `Groups`.

    Attributes
    ----------
    tests : kernel.GroupTests
        Finds patterns from the codes, and where a test is no comparison from the rows.
    """

    def __init__(
        self,
        paths: Paths,
        subtree: NDArray[np.int64],
        bits: NDArray[np.int64],
        max_bits: NDArray[np.int64],
    ) -> None:
        ensemble = paths.ensemble
        in_groups = np.repeat(max_bits > 0, np.diff(ensemble.tree_offsets))
        threshold = ensemble.inclusive_threshold
        compares = (ensemble.flags & (CATEGORICAL | ZERO_IS_MISSING) == 0) & ~np.isnan(threshold)
        nodes = np.flatnonzero((ensemble.feature != LEAF) & in_groups & compares)
        # By feature and threshold; a negative zero is a zero.
        nodes = nodes[np.lexsort((threshold[nodes] + 0.0, ensemble.feature[nodes]))]
        new = self._new(ensemble.feature[nodes], threshold[nodes])
        counts = np.bincount(ensemble.feature[nodes[new]], minlength=ensemble.n_features)
        kept = counts[ensemble.feature[nodes]] <= MOST_THRESHOLDS
        nodes, new = nodes[kept], new[kept]
        feature = ensemble.feature[nodes]
        counts[counts > MOST_THRESHOLDS] = 0
        self._coded = np.flatnonzero(counts)
        self._start = np.concatenate([[0], np.cumsum(counts[self._coded])])
        self._threshold = threshold[nodes[new]] + 0.0
        place = np.full(ensemble.n_features, -1, np.int64)
        place[self._coded] = np.arange(len(self._coded))
        rank = np.zeros(ensemble.n_nodes, np.int64)
        rank[nodes] = np.cumsum(new) - self._start[place[feature]]
        self.tests = kernel.GroupTests(
            ensemble.kernel, paths.kernel, subtree, bits, max_bits, rank, place, len(self._coded)
        )

    @staticmethod
    def _new(feature: NDArray[Any], threshold: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Mark the first of each run of equal tests."""
        new = np.ones(len(feature), np.bool_)
        new[1:] = (feature[1:] != feature[:-1]) | (threshold[1:] != threshold[:-1])
        return new

    def of(
        self,
        columns: NDArray[np.float64],
        first: int = 0,
        last: int | None = None,
        n_threads: int = 1,
    ) -> NDArray[np.uint16]:
        """Codes of prepared rows: lines of rows by features with codes by rows of a line."""
        n_rows = (columns.shape[1] if last is None else last) - first
        lines = -(-n_rows // kernel.ROWS)
        codes = np.empty((lines, len(self._coded), kernel.ROWS), np.uint16)

        def work(block: tuple[int, int]) -> None:
            start, stop = block
            row = first + start * kernel.ROWS
            kernel.encode(
                columns, row, self._coded, self._start, self._threshold, codes[start:stop]
            )

        run_blocks(work, row_blocks(lines, BLOCK_LINES), n_threads)
        return codes
