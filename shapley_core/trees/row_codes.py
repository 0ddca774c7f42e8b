"""Codes of rows: each value's place among the thresholds that the groups' tests compare it with.

A category's code is its number.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import group_tests as kernel
from ..threads import row_blocks, run_blocks
from .ensemble import TreeEnsemble
from .paths import Paths
from .tree import CATEGORICAL, LEAF, TRUNCATES, ZERO_IS_MISSING

# Codes are 16-bit words: 0, and one more than there are thresholds.
MOST_THRESHOLDS = (1 << 16) - 2
# Numbers of categories that have codes are below this.
MOST_LABELS = kernel.LABELS
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
        self._find_labels(ensemble, in_groups)
        label_place = np.full(ensemble.n_features, -1, np.int64)
        label_place[self._labelled] = len(self._coded) + np.arange(len(self._labelled))
        self._n_places = len(self._coded) + len(self._labelled)
        self.tests = kernel.GroupTests(
            ensemble.kernel,
            paths.kernel,
            subtree,
            bits,
            max_bits,
            rank,
            place,
            label_place,
            self._n_places,
        )

    def _find_labels(self, ensemble: TreeEnsemble, in_groups: NDArray[np.bool_]) -> None:
        """List the features whose categories have codes, and how many numbers their sets hold."""
        is_set = (ensemble.feature != LEAF) & in_groups & (ensemble.flags & CATEGORICAL != 0)
        nodes = np.flatnonzero(is_set)
        feature = ensemble.feature[nodes]
        n_labels = np.zeros(ensemble.n_features, np.int64)
        sets = ensemble.set_number[nodes]
        np.maximum.at(n_labels, feature, 64 * np.diff(ensemble.set_offsets)[sets])
        # Whether fractions are cut off is all tests' way to read a feature, or it has no codes.
        cut = ensemble.flags[nodes] & TRUNCATES != 0
        n_cut = np.bincount(feature, cut, ensemble.n_features)
        n_tests = np.bincount(feature, minlength=ensemble.n_features)
        alike = (n_cut == 0) | (n_cut == n_tests)
        self._labelled = np.flatnonzero((n_tests > 0) & alike & (n_labels <= MOST_LABELS))
        self._n_labels = n_labels[self._labelled]
        self._truncates = (n_cut[self._labelled] > 0).astype(np.uint8)

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
        codes = np.empty((lines, self._n_places, kernel.ROWS), np.uint16)

        def work(block: tuple[int, int]) -> None:
            start, stop = block
            row = first + start * kernel.ROWS
            kernel.encode(
                columns,
                row,
                self._coded,
                self._start,
                self._threshold,
                self._labelled,
                self._n_labels,
                self._truncates,
                codes[start:stop],
            )

        run_blocks(work, row_blocks(lines, BLOCK_LINES), n_threads)
        return codes
