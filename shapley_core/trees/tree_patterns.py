"""What one tree keeps of a background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._kernels import alive_rows, alive_sets, background_sets
from .lookup import Groups
from .tree import LEAF

NO_PASSING = np.empty(0, np.uint64)
NO_STEPS = np.empty((0, alive_sets.STEP_BYTES), np.uint8)


@dataclass(frozen=True, eq=False)
class TreePatterns:
    """Which sets of path features the background fails at each leaf of one tree.

    Parameters
    ----------
    tree : int
    start : int64 (n_leaves + 1,)
        Where each leaf's sets begin, leaves in the order of the walk.
    words : uint64 (n_sets, n_words)
        The sets; bit ``slot & 63`` of word ``slot >> 6``; ascending at each leaf.
    count : int64 (n_sets,)
        Background weight of each set; sums to ``whole`` at each leaf.
    whole : int
    passing : uint64
        Of trees without tables, for leaves and some of the inner nodes, player by player of the
        path, a bit for each set of the node: whether it does not hold the player.
    steps : uint8 (n_nodes, STEP_BYTES)
        Of trees without tables, the nodes in the order of the walk, as the kernels want them.
    """

    tree: int
    start: NDArray[np.int64]
    words: NDArray[np.uint64]
    count: NDArray[np.int64]
    whole: int
    passing: NDArray[np.uint64]
    steps: NDArray[np.uint8]

    @property
    def total(self) -> NDArray[np.float64]:
        """Share of the background of each set; sums to one at each leaf."""
        return self.count / self.whole

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        arrays = (self.start, self.words, self.count, self.passing, self.steps)
        return sum(array.nbytes for array in arrays)


@dataclass(frozen=True, eq=False)
class TreeRows:
    """Which rows of a small background pass the tests of one tree without tables.

    Parameters
    ----------
    tree : int
    passing : uint64 (n_nodes, n_words)
        For each node, in the order of the walk, a bit for each row: whether it passes all tests on
        the way there of the player that the edge into the node tests.
    steps : uint8 (n_nodes, STEP_BYTES)
        The nodes as the kernels want them.
    """

    tree: int
    passing: NDArray[np.uint64]
    steps: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self.passing.nbytes + self.steps.nbytes


def leaves_of_tree(groups: Groups, tree: int) -> NDArray[np.int64]:
    """Leaves of a tree, in the order of the walk."""
    ensemble = groups.paths.ensemble
    nodes = groups.paths.order[ensemble.tree_offsets[tree] : ensemble.tree_offsets[tree + 1]]
    leaves: NDArray[np.int64] = nodes[ensemble.feature[nodes] == LEAF]
    return leaves


def sort_rows(
    groups: Groups,
    tree: int,
    columns: NDArray[np.float64],
    weight: NDArray[np.int64],
    whole: int,
    tells: bool,
) -> TreePatterns:
    """Sort the rows of a background into their sets, node by node.

    ``tells``: what passes is wanted, and the steps.
    """
    paths = groups.paths
    n_rows, n_leaves = columns.shape[1], len(leaves_of_tree(groups, tree))
    n_nodes = 2 * n_leaves - 1 if tells else 0
    start = np.empty(n_leaves + 1, np.int64)
    n_sets, passing_start = np.empty((2, n_nodes), np.int64)
    # Mostly enough; memory that is not written to costs nothing.
    room = n_leaves * min(n_rows, 16 * int(n_rows**0.5))
    room_passing = room if tells else 0
    while True:
        words = np.empty((room, int(groups.n_words[tree])), np.uint64)
        count = np.empty(room, np.int64)
        passing = np.empty(room_passing, np.uint64)
        used, used_passing = background_sets.find(
            paths.ensemble.kernel,
            tree,
            columns,
            weight,
            paths.kernel,
            int(groups.n_levels[tree]),
            start,
            words,
            count,
            n_sets,
            passing_start,
            passing,
        )
        if used <= room and used_passing <= room_passing:
            break
        room, room_passing = max(room, used), max(room_passing, used_passing)
    # Only what was needed stays in memory.
    spare = np.zeros(alive_sets.SPARE_WORDS if tells else 0, np.uint64)
    told = np.append(passing[:used_passing], spare)
    kept = words[:used].copy(), count[:used].copy(), whole, told
    steps = _pack(groups, tree, start, n_sets, passing_start) if tells else NO_STEPS
    return TreePatterns(tree, start, *kept, steps)


def tell_rows(groups: Groups, tree: int, columns: NDArray[np.float64]) -> TreeRows:
    """Find which rows pass the tests of a tree."""
    n_nodes = 2 * len(leaves_of_tree(groups, tree)) - 1
    steps = _pack(groups, tree, *np.zeros((3, n_nodes), np.int64))
    passing = np.empty((n_nodes, -(-columns.shape[1] // 64)), np.uint64)
    forest = groups.paths.ensemble.kernel
    alive_rows.tell(forest, columns, int(groups.n_levels[tree]), steps, passing)
    return TreeRows(tree, passing, steps)


def _pack(
    groups: Groups,
    tree: int,
    start: NDArray[np.int64],
    n_sets: NDArray[np.int64],
    passing_start: NDArray[np.int64],
) -> NDArray[np.uint8]:
    paths = groups.paths
    steps = np.empty((len(n_sets), alive_sets.STEP_BYTES), np.uint8)
    alive_sets.pack(
        paths.ensemble.kernel,
        tree,
        paths.kernel,
        groups.subtree,
        start,
        n_sets,
        passing_start,
        steps,
    )
    return steps


def in_order(
    columns: NDArray[np.float64], weight: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sort the rows of a small background, so that their order in the table cannot be seen."""
    weights = weight if len(weight) else np.ones(columns.shape[1], np.int64)
    order = np.lexsort((weights, *columns))
    return np.ascontiguousarray(columns[:, order]), weights[order]
