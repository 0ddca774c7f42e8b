"""Interventional values of deep trees: rows meet the background's sets that are still alive.

For an explained row that fails the players F of a leaf's path and a background row that fails B,
the leaf's game is w where every player of B is in the coalition and none of F is: nothing at all
if F and B meet, else the cube game with |B| players that must be in and |F| that must be out. For
each player of a node's path there is a bit for each of the background's sets B, whether it passes;
those of F and-ed are the sets that are alive. At deep leaves these are few. Where none is alive at
an inner node, nothing below needs a look.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from .deep_walk cimport (
    MOST_TESTS, Rows, Step, allocate_rows, begin_rows, decide_rows, enter,
    group_leaf, number_failed, release_rows, share_given,
)
from .forest cimport DEFAULT_LEFT, LEAF, Forest, Nodes
from .group_patterns cimport FEW, is_plain
from .meeting cimport (
    COUNT_BITS, Meeting, Met, allocate_met, list_failed, meet_group, release_met,
)
from .merged_rows cimport merge_rows, part_rows
from .paths cimport Paths
from .row_values cimport add_leaf, end_rows
from .small_groups cimport BIN_PLAYERS


cdef extern from "alive_sets.h" nogil:
    bint is_any_alive(const Meeting*)
    int64_t list_alive(const Meeting*, const double*, const double*, int32_t*, double*, double*)
    enum:
        AT_ONCE
    void fail_rows(const uint64_t*, const uint16_t*, int, int, uint64_t*, int64_t)


STEP_BYTES = sizeof(Step)
# Most tests of a small subtree whose rows and sets are met together.
GROUP_TESTS = BIN_PLAYERS
# Of one whose rows alone are.
MERGED_TESTS = MOST_TESTS
# Words that ``passing`` must have beyond its end.
SPARE_WORDS = AT_ONCE - 1


def pack(
    Forest forest,
    int64_t tree,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] player,
    const int64_t[::1] leaves_before,
    const int64_t[::1] nodes_before,
    int64_t most_tests,
    uint8_t[:, ::1] out,
):
    """Write what the kernels need of those nodes of a tree that are walked (nodes by STEP_BYTES).

    player : of the edge into each of the tree's nodes, in the order of the walk, as a number among
        those of the tree
    leaves_before, nodes_before : for each of the tree's nodes, in the order of the walk, and the
        end: of those before it, the leaves and all nodes that are walked
    most_tests : of a subtree whose rows are merged
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t n_nodes = nodes_before.shape[0] - 1
    cdef int64_t i, at, last, node, most = 0, end = 0, n_tests = 0
    cdef Step step
    with nogil:
        for i in range(n_nodes):
            most = max(most, paths.distinct[first + i])
        for i in range(n_nodes):
            node = paths.order[first + i]
            at = nodes_before[i]
            last = i + subtree[node]
            if nodes_before[i + 1] == at:
                continue
            memset(&step, 0, sizeof(Step))
            step.again = paths.previous[node] != -1
            step.threshold = nodes.threshold[node]
            step.node = node
            step.n_players = <int32_t>paths.distinct[node]
            step.subtree = <int32_t>(nodes_before[last] - at)
            step.level = <int32_t>paths.depth[node]
            step.feature = nodes.feature[node]
            step.player = <int32_t>player[i]
            step.slot = <int32_t>paths.slot[node]
            step.is_left = paths.parent[node] != -1 and nodes.left[paths.parent[node]] == node
            if is_plain(nodes, node):
                step.plain = 2 if nodes.flags[node] & DEFAULT_LEFT else 1
            step.bit = 255
            # Subtrees of few tests, if all that is known of a row fits a word.
            step.n_tests = step.subtree - <int32_t>(leaves_before[last] - leaves_before[i])
            if (i >= end and step.n_tests <= most_tests
                    and most + most_tests + COUNT_BITS <= 64):
                end = last
                n_tests = 0
                step.is_root = True
            if i < end and step.feature != LEAF:
                step.bit = <uint8_t>n_tests
                n_tests += 1
            memcpy(&out[at, 0], &step, sizeof(Step))


cdef inline void descend(Rows* rows, const Step* step) noexcept nogil:
    """Follow an edge: rows that go the other way fail its player."""
    cdef int64_t above = step.level - 1
    cdef int64_t i, n = rows.n[above], size = rows.n_words
    cdef const uint16_t* left = rows.left + above * rows.most
    cdef const uint64_t* before = rows.failed + above * rows.most * size
    cdef uint64_t* here = rows.failed + step.level * rows.most * size
    cdef int shift = step.slot & 63
    rows.n[step.level] = n
    rows.kept[step.level] = rows.kept[above]
    if size == 1:
        if n > FEW:
            fail_rows(before, left, step.is_left, shift, here, n)
            return
        for i in range(n):
            here[i] = before[i] | <uint64_t>(left[i] != step.is_left) << shift
        return
    memcpy(here, before, n * size * sizeof(uint64_t))
    for i in range(n):
        here[i * size + (step.slot >> 6)] |= <uint64_t>(left[i] != step.is_left) << shift


cdef inline void drop_rows(
    Rows* rows, const Step* step, Meeting* meeting, int32_t* slots
) noexcept nogil:
    """Go on without the rows that no set of the background survives."""
    cdef int64_t level = step.level, size = rows.n_words
    cdef uint64_t* words = rows.failed + level * rows.most * size
    cdef const int32_t* kept = rows.kept[level]
    cdef int32_t* room = rows.room + level * rows.most
    cdef int64_t i, k, n = 0
    cdef int64_t n_sets = number_failed(rows, step)
    for i in range(n_sets):
        list_failed(meeting, words + rows.first[i] * size, slots)
        rows.lives[i] = is_any_alive(meeting)
        n += rows.lives[i]
    if n == n_sets:
        return
    n = 0
    for i in range(rows.n[level]):
        for k in range(size):
            words[n * size + k] = words[i * size + k]
        room[n] = kept[i]
        n += rows.lives[rows.number[i]]
    rows.n[level] = n
    rows.kept[level] = room


def explain(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    int64_t n_levels,
    int64_t n_players,
    const int64_t[::1] players,
    const uint8_t[:, ::1] steps,
    const uint64_t[:, ::1] words,
    const int64_t[::1] count,
    const uint64_t[::1] passing,
    const uint64_t[::1] group_words,
    const double[::1] group_weight,
    const int32_t[::1] group_bin,
    const uint64_t[::1] bins,
    int64_t most_sets,
    int64_t most_bins,
    const double[:, ::1] gain,
    const double[:, ::1] loss,
    int64_t n_rows_at_once,
    double[:, :, ::1] out,
):
    """Add one tree's values of all rows to ``out`` (rows by players by outputs).

    n_players : most on a path
    players : of the whole tree, ascending
    steps : see `pack`
    words, count, passing : of the background, see background_sets.pyx
    group_words, group_weight, group_bin, bins : of its small subtrees
    most_sets, most_bins : at most so many of them has a leaf, and a subtree
    gain, loss : what each of b players that must be in gets beside f that must be out, at [f, b],
                 and what each of the latter gets
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef const Step* step
    cdef Rows rows
    cdef Met met
    cdef Meeting* meeting = &met.meeting
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t at_once = min(n_rows_at_once, n_rows)
    cdef int64_t first = 0
    cdef int64_t i, j, k, n_alive
    cdef double lost
    cdef const uint64_t* failed
    cdef const uint64_t* bits = &passing[0] if passing.shape[0] else NULL
    cdef double* values = NULL
    cdef int32_t* alive = NULL
    cdef double* given = NULL
    cdef int status
    if not n_rows or not players.shape[0]:
        return
    with nogil:
        status = allocate_rows(
            &rows, n_levels, at_once, words.shape[1], n_players, players.shape[0],
            nodes.width,
        )
        if allocate_met(
            &met, at_once, most_bins, words.shape[1], n_players, nodes.width
        ) < 0:
            status = -1
        met.gain = &gain[0, 0]
        met.loss = &loss[0, 0]
        met.side = gain.shape[1]
        alive = <int32_t*>malloc(most_sets * sizeof(int32_t))
        given = <double*>malloc(most_sets * sizeof(double))
        if alive == NULL or given == NULL:
            status = -1
        i = steps.shape[0]
        while not status:
            if i == steps.shape[0]:
                if first:
                    end_rows(
                        &rows, &players[0], nodes.width, values, out.shape[1], out.shape[2]
                    )
                if first == n_rows:
                    break
                begin_rows(
                    &rows, &columns[0, first], columns.shape[1], min(at_once, n_rows - first)
                )
                values = &out[first, 0, nodes.tree_outputs[tree]]
                first += rows.n[0]
                i = 0
            step = <const Step*>&steps[i, 0]
            if step.level:
                enter(&rows, step)
                descend(&rows, step)
            meeting.n_sets = step.n_sets
            meeting.passing = bits + step.passing_start
            if step.is_root:
                merge_rows(nodes, step, &rows)
                meeting.words = &group_words[step.set_start]
                met.weight = &group_weight[step.set_start]
                met.bin = &group_bin[step.set_start]
                met.bins = &bins[step.bin_start]
                met.n_bins = step.n_bins
                status = meet_group(nodes, step, &rows, &met)
                part_rows(&rows, nodes.width)
                i += step.subtree
                continue
            if step.feature != LEAF:
                if step.n_sets:
                    drop_rows(&rows, step, meeting, met.slots)
                    if not rows.n[step.level]:
                        i += step.subtree
                        continue
                decide_rows(nodes, step, &rows)
                i += 1
                continue
            # The tree has paths of more players than fit a word beside the outcomes of tests.
            meeting.words = &words[step.set_start, 0]
            meeting.count = &count[step.set_start]
            k = group_leaf(&rows, step)
            if k < 0:
                status = -1
            failed = rows.failed + step.level * rows.most * rows.n_words
            for j in range(k):
                list_failed(meeting, failed + rows.first[j] * rows.n_words, met.slots)
                n_alive = list_alive(
                    meeting, &gain[meeting.n_failed, 0], &loss[meeting.n_failed, 0], alive, given,
                    &lost,
                )
                share_given(&rows, step, j, meeting.words, alive, given, n_alive, lost)
            if not status:
                add_leaf(nodes, step, &rows, k)
            i += 1
        release_rows(&rows)
        release_met(&met)
        free(alive)
        free(given)
    if status:
        raise MemoryError("no memory for the values of one tree")
