"""What one tree keeps of a background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._kernels import alive_rows, alive_sets, background_sets
from .lookup import Groups
from .tree import LEAF

NO_PLAYERS = np.empty(0, np.int64)
NO_STEPS = np.empty((0, alive_sets.STEP_BYTES), np.uint8)


@dataclass(frozen=True, eq=False)
class Told:
    """What the kernel of alive_sets.pyx wants of a tree and a background.

    Parameters
    ----------
    steps : uint8 (n_nodes, STEP_BYTES)
        The nodes in the order of the walk.
    players : int64 (n_players,)
        Of the tree, ascending; the steps number them.
    passing : uint64
        For leaves, small subtrees and some of the other nodes, player by player of the path, a bit
        for each set of the node: whether it does not hold the player.
    words, weight, bin : uint64, float64, int32 (n_group_sets,)
        The sets at each small subtree: without the players that it tests too, their weights, and
        of which bin they are.
    bins : uint64 (n_bins,)
        What the sets of one bin have in common, see bins.h.
    most_bins : int
        Of one subtree.
    """

    steps: NDArray[np.uint8]
    players: NDArray[np.int64]
    passing: NDArray[np.uint64]
    words: NDArray[np.uint64]
    weight: NDArray[np.float64]
    bin: NDArray[np.int32]
    bins: NDArray[np.uint64]
    most_bins: int

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        arrays = (
            self.steps,
            self.players,
            self.passing,
            self.words,
            self.weight,
            self.bin,
            self.bins,
        )
        return sum(array.nbytes for array in arrays)


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
    told : Told, or None
        Of trees with leaves that have no tables.
    """

    tree: int
    start: NDArray[np.int64]
    words: NDArray[np.uint64]
    count: NDArray[np.int64]
    whole: int
    told: Told | None = None

    @property
    def total(self) -> NDArray[np.float64]:
        """Share of the background of each set; sums to one at each leaf."""
        return self.count / self.whole

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        told = 0 if self.told is None else self.told.nbytes
        return self.start.nbytes + self.words.nbytes + self.count.nbytes + told


@dataclass(frozen=True, eq=False)
class TreeRows:
    """Which rows of a small background pass the tests of one tree that has deep leaves.

    Parameters
    ----------
    tree : int
    passing : uint64 (n_nodes, n_words)
        For each node, in the order of the walk, a bit for each row: whether it passes all tests on
        the way there of the player that the edge into the node tests.
    steps : uint8 (n_nodes, STEP_BYTES)
        The nodes as the kernels want them.
    players : int64 (n_players,)
        Of the tree, ascending; the steps number them.
    sets : TreePatterns, or None
        Of trees with tables for some leaves.
    """

    tree: int
    passing: NDArray[np.uint64]
    steps: NDArray[np.uint8]
    players: NDArray[np.int64]
    sets: TreePatterns | None

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        sets = 0 if self.sets is None else self.sets.nbytes
        return self.passing.nbytes + self.steps.nbytes + self.players.nbytes + sets


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
    steps, players = NO_STEPS, NO_PLAYERS
    if tells:
        steps, players = _pack(groups, tree, alive_sets.GROUP_TESTS)
    start = np.empty(n_leaves + 1, np.int64)
    # Mostly enough; memory that is not written to costs nothing.
    most = n_leaves * min(n_rows, 16 * int(n_rows**0.5))
    room = [most, *(3 * [most] if tells else [0, 0, 0])]
    while True:
        words = np.empty((room[0], int(groups.n_words[tree])), np.uint64)
        count = np.empty(room[0], np.int64)
        passing = np.empty(room[1], np.uint64)
        told = np.empty(room[2], np.uint64), np.empty(room[2]), np.empty(room[2], np.int32)
        bins = np.empty(room[3], np.uint64)
        used = background_sets.find(
            paths.ensemble.kernel,
            tree,
            columns,
            weight,
            paths.kernel,
            int(groups.n_levels[tree]),
            start,
            words,
            count,
            steps,
            passing,
            *told,
            bins,
        )
        if all(some <= there for some, there in zip(used, room, strict=True)):
            break
        room = [max(some, there) for some, there in zip(used, room, strict=True)]
    # Only what was needed stays in memory.
    kept = words[: used[0]].copy(), count[: used[0]].copy(), whole
    if not tells:
        return TreePatterns(tree, start, *kept)
    spare = np.zeros(alive_sets.SPARE_WORDS, np.uint64)
    bits = np.append(passing[: used[1]], spare)
    group_words, group_weight, group_bin = (array[: used[2]].copy() for array in told)
    most_bins = int(group_bin.max(initial=0)) + 1
    rest = group_words, group_weight, group_bin, bins[: used[3]].copy(), most_bins
    return TreePatterns(tree, start, *kept, Told(steps, players, bits, *rest))


def tell_rows(
    groups: Groups,
    tree: int,
    columns: NDArray[np.float64],
    weight: NDArray[np.int64],
    whole: int,
) -> TreeRows:
    """Find which rows pass the tests of a tree."""
    steps, players = _pack(groups, tree, alive_sets.MERGED_TESTS)
    passing = np.empty((len(steps), -(-columns.shape[1] // 64)), np.uint64)
    forest = groups.paths.ensemble.kernel
    alive_rows.tell(forest, columns, int(groups.n_levels[tree]), steps, passing)
    sets = None
    if groups.max_bits[tree]:
        sets = sort_rows(groups, tree, columns, weight, whole, False)
    return TreeRows(tree, passing, steps, players, sets)


def _pack(
    groups: Groups, tree: int, most_tests: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The steps of a tree, and its players."""
    paths = groups.paths
    nodes = paths.order[slice(*paths.ensemble.tree_offsets[tree : tree + 2])]
    # Nodes above deep leaves: the others are in tables.
    deep = (paths.ensemble.feature[nodes] == LEAF) & groups.is_deep[nodes]
    leaves_before = np.concatenate([[0], np.cumsum(deep)])
    end = np.arange(len(nodes)) + groups.subtree[nodes]
    nodes_before = np.concatenate([[0], np.cumsum(leaves_before[end] > leaves_before[:-1])])
    player = paths.player[nodes]
    players = np.unique(player[(player >= 0) & (np.diff(nodes_before) > 0)])
    steps = np.empty((int(nodes_before[-1]), alive_sets.STEP_BYTES), np.uint8)
    alive_sets.pack(
        paths.ensemble.kernel,
        tree,
        paths.kernel,
        groups.subtree,
        np.searchsorted(players, player),
        leaves_before,
        nodes_before,
        most_tests,
        steps,
    )
    return steps, players


def in_order(
    columns: NDArray[np.float64], weight: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sort the rows of a small background, so that their order in the table cannot be seen."""
    weights = weight if len(weight) else np.ones(columns.shape[1], np.int64)
    order = np.lexsort((weights, *columns))
    return np.ascontiguousarray(columns[:, order]), weights[order]
