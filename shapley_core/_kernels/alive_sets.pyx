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

from .bits cimport lowest_bit
from .deep_walk cimport (
    MOST_TESTS, Rows, Step, add_leaf, allocate_rows, begin_rows, decide_rows, enter, group_leaf,
    leaf_stride, leave, release_rows, share_given,
)
from .forest cimport DEFAULT_LEFT, LEAF, Forest, Nodes
from .group_patterns cimport FEW, is_plain
from .merged_rows cimport merge_rows, part_rows
from .paths cimport Paths


cdef extern from "alive_sets.h" nogil:
    ctypedef struct Meeting:
        const uint64_t* passing
        int64_t n_sets
        int64_t n_words
        const uint64_t* words
        const int64_t* count
        int64_t n_failed
        const int32_t* failed

    bint is_any_alive(const Meeting*)
    int64_t list_alive(const Meeting*, const double*, const double*, int32_t*, double*, double*)
    int64_t sum_alive(
        const Meeting*, uint64_t, const double*, const double*, int64_t, double*
    )
    enum:
        AT_ONCE
        MOST_QUADS
    void fail_rows(const uint64_t*, const uint16_t*, int, int, uint64_t*, int64_t)


STEP_BYTES = sizeof(Step)
# Words that ``passing`` must have beyond its end.
SPARE_WORDS = AT_ONCE - 1


def pack(
    Forest forest,
    int64_t tree,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] start,
    const int64_t[::1] n_sets,
    const int64_t[::1] passing_start,
    uint8_t[:, ::1] out,
):
    """Write what `explain` needs of a tree's nodes (nodes by STEP_BYTES).

    start, n_sets, passing_start : see background_sets.pyx
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t i, node, leaf = 0, most = 0, end = 0, n_tests = 0
    cdef Step step
    with nogil:
        for i in range(out.shape[0]):
            most = max(most, paths.distinct[first + i])
        for i in range(out.shape[0]):
            node = paths.order[first + i]
            memset(&step, 0, sizeof(Step))
            step.again = paths.previous[node] != -1
            step.threshold = nodes.threshold[node]
            step.node = node
            step.set_start = start[leaf]
            step.passing_start = passing_start[i]
            step.n_sets = <int32_t>n_sets[i]
            step.n_players = <int32_t>paths.distinct[node]
            step.subtree = <int32_t>subtree[node]
            step.level = <int32_t>paths.depth[node]
            step.feature = nodes.feature[node]
            step.player = <int32_t>paths.player[node]
            step.slot = <int32_t>paths.slot[node]
            step.is_left = paths.parent[node] != -1 and nodes.left[paths.parent[node]] == node
            if is_plain(nodes, node):
                step.plain = 2 if nodes.flags[node] & DEFAULT_LEFT else 1
            step.bit = 255
            # Subtrees of few tests, if all that is known of a row fits a word.
            if (i >= end and step.feature != LEAF and step.subtree <= 2 * MOST_TESTS + 1
                    and most + MOST_TESTS <= 64):
                end = i + step.subtree
                n_tests = 0
            if i < end and step.feature != LEAF:
                step.bit = <uint8_t>n_tests
                n_tests += 1
            memcpy(&out[i, 0], &step, sizeof(Step))
            leaf += step.feature == LEAF


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


cdef inline void list_failed(
    Meeting* meeting, const uint64_t* words, int32_t* slots
) noexcept nogil:
    cdef int64_t k, n = 0
    cdef uint64_t word
    for k in range(meeting.n_words):
        word = words[k]
        while word:
            slots[n] = <int32_t>(64 * k + lowest_bit(word))
            n += 1
            word &= word - 1
    meeting.n_failed = n
    meeting.failed = slots


cdef inline void drop_rows(
    Rows* rows, int64_t level, Meeting* meeting, int32_t* slots
) noexcept nogil:
    """Go on without the rows that no set of the background survives."""
    cdef uint64_t* words = rows.failed + level * rows.most * rows.n_words
    cdef const int32_t* kept = rows.kept[level]
    cdef int32_t* room = rows.room + level * rows.most
    cdef int64_t i, k, n = 0, size = rows.n_words
    for i in range(rows.n[level]):
        list_failed(meeting, words + i * size, slots)
        if not is_any_alive(meeting):
            continue
        for k in range(size):
            words[n * size + k] = words[i * size + k]
        room[n] = kept[i]
        n += 1
    if n < rows.n[level]:
        rows.n[level] = n
        rows.kept[level] = room


def explain(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    int64_t n_levels,
    int64_t n_players,
    const uint8_t[:, ::1] steps,
    const uint64_t[:, ::1] words,
    const int64_t[::1] count,
    const uint64_t[::1] passing,
    int64_t most_sets,
    const double[:, ::1] gain,
    const double[:, ::1] loss,
    int64_t n_rows_at_once,
    double[:, :, ::1] out,
):
    """Add one tree's values of all rows to ``out`` (rows by players by outputs).

    n_players : most on a path
    steps : see `pack`
    words, count, passing : of the background, see background_sets.pyx
    most_sets : at most so many of them has a leaf
    gain, loss : what each of b players that must be in gets beside f that must be out, at [f, b],
                 and what each of the latter gets
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef const Step* step
    cdef Rows rows
    cdef Meeting meeting
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t at_once = min(n_rows_at_once, n_rows)
    cdef int64_t first = 0
    cdef int64_t i, j, k, n_alive
    cdef double lost
    cdef const uint64_t* failed
    cdef const uint64_t* bits = &passing[0] if passing.shape[0] else NULL
    cdef double* values = NULL
    cdef int32_t* slots = NULL
    cdef int32_t* alive = NULL
    cdef double* given = NULL
    cdef int status
    if not n_rows or not out.shape[1]:
        return
    meeting.n_words = words.shape[1]
    with nogil:
        status = allocate_rows(
            &rows, n_levels, at_once, words.shape[1], n_players, nodes.width
        )
        slots = <int32_t*>malloc(64 * words.shape[1] * sizeof(int32_t))
        alive = <int32_t*>malloc(most_sets * sizeof(int32_t))
        given = <double*>malloc(most_sets * sizeof(double))
        if alive == NULL or given == NULL or slots == NULL:
            status = -1
        i = steps.shape[0]
        while not status:
            if i == rows.merged.end:
                part_rows(&rows, nodes.width, values, out.shape[1], out.shape[2])
            if i == steps.shape[0]:
                if first:
                    leave(&rows, 0, nodes.width, values, out.shape[1], out.shape[2])
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
                leave(&rows, step.level - 1, nodes.width, values, out.shape[1], out.shape[2])
                enter(&rows, step)
                descend(&rows, step)
            meeting.n_sets = step.n_sets
            meeting.passing = bits + step.passing_start
            if step.feature != LEAF:
                if step.n_sets:
                    drop_rows(&rows, step.level, &meeting, slots)
                    if not rows.n[step.level]:
                        i += step.subtree
                        continue
                if step.bit == 0:
                    merge_rows(nodes, step, &rows)
                    rows.merged.end = i + step.subtree
                decide_rows(nodes, step, &rows)
                i += 1
                continue
            meeting.words = &words[step.set_start, 0]
            meeting.count = &count[step.set_start]
            k = group_leaf(&rows, step)
            if k < 0:
                status = -1
            failed = rows.failed + step.level * rows.most * rows.n_words
            for j in range(k):
                list_failed(&meeting, failed + rows.first[j] * rows.n_words, slots)
                if rows.n_words == 1 and step.n_players <= 4 * MOST_QUADS:
                    rows.lives[j] = sum_alive(
                        &meeting, failed[rows.first[j]], &gain[meeting.n_failed, 0],
                        &loss[meeting.n_failed, 0], max(1, (step.n_players + 3) // 4),
                        rows.shares + j * leaf_stride(step),
                    ) > 0
                    continue
                n_alive = list_alive(
                    &meeting, &gain[meeting.n_failed, 0], &loss[meeting.n_failed, 0], alive, given,
                    &lost,
                )
                share_given(&rows, step, j, meeting.words, alive, given, n_alive, lost)
            if not status:
                add_leaf(nodes, step, &rows)
            i += 1
        release_rows(&rows)
        free(slots)
        free(alive)
        free(given)
    if status:
        raise MemoryError("no memory for the values of one tree")
