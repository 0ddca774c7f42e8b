"""Interventional values of deep trees: rows meet the background's sets that are still alive.

For an explained row that fails the players F of a leaf's path and a background row that fails B,
the leaf's game is w where every player of B is in the coalition and none of F is: nothing at all
if F and B meet, else the cube game with |B| players that must be in and |F| that must be out. For
each player of a node's path there is a bit for each of the background's sets B, whether it passes;
those of F and-ed are the sets that are alive. At deep leaves these are few. Where none is alive at
an inner node, nothing below needs a look.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from .bits cimport lowest_bit
from .forest cimport DEFAULT_LEFT, LEAF, Forest, Nodes, goes_left
from .group_patterns cimport FEW, decide, is_plain
from .paths cimport Paths
from .set_numbers cimport number_sets, places_for


cdef extern from "alive.h" nogil:
    enum:
        CHUNK

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
    void sum_given(const Meeting*, const int32_t*, const double*, int64_t, int64_t, double*)
    void fail_rows(const uint64_t*, const uint16_t*, int, int, uint64_t*, int64_t)


cdef struct Step:
    # What the walk needs of a node, in the order of the walk: nodes lie in memory as the library
    # numbers them, and a few rows would mostly wait for it.
    double threshold
    int64_t node
    int64_t set_start      # where a leaf's sets begin
    int64_t passing_start
    int32_t n_sets         # that bits tell of; 0 for none
    int32_t n_players      # of the path
    int32_t subtree
    int32_t level
    int32_t feature        # tested here, or LEAF
    int32_t player         # of the edge into the node
    int32_t slot
    uint8_t is_left
    uint8_t is_plain
    uint8_t missing_left


STEP_BYTES = sizeof(Step)


cdef struct Rows:
    # The rows of one block that are not dropped, by level of the path.
    int64_t n_all
    int64_t n_words
    const double* data     # features ``stride`` apart
    int64_t stride
    int64_t* n             # levels
    int32_t** kept         # levels: which they are, where rows were dropped; else as above
    int32_t* room          # levels x rows: for them
    uint64_t* failed       # levels x rows x words: what each kept row fails
    uint16_t* left         # levels x rows: which way each kept row goes


cdef struct Scratch:
    int32_t* failed        # the players of one set
    int32_t* set           # of the background, alive
    double* given
    int64_t n_sets
    double* shares         # sets of rows by players
    int64_t n_shares
    uint8_t* lives         # sets of rows
    int32_t* first
    int32_t* number
    int32_t* table
    int64_t* player        # of each slot of the path


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
    cdef int64_t i, node, leaf = 0
    cdef Step step
    with nogil:
        for i in range(out.shape[0]):
            node = paths.order[first + i]
            memset(&step, 0, sizeof(Step))
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
            step.is_plain = is_plain(nodes, node)
            step.missing_left = nodes.flags[node] & DEFAULT_LEFT
            memcpy(&out[i, 0], &step, sizeof(Step))
            leaf += step.feature == LEAF


cdef inline void decide_rows(
    const Nodes* nodes, const Step* step, Rows* rows
) noexcept nogil:
    """Find which way the rows go."""
    cdef const double* x = rows.data + step.feature * rows.stride
    cdef uint16_t* left = rows.left + step.level * rows.n_all
    cdef const int32_t* kept = rows.kept[step.level]
    cdef int64_t n = rows.n[step.level]
    cdef int64_t i
    cdef double value
    if kept == rows.room and n > FEW:
        decide(nodes, step.node, x, left, n)
    elif step.is_plain:
        for i in range(n):
            value = x[kept[i]]
            left[i] = (value <= step.threshold) | ((value != value) & step.missing_left)
    else:
        for i in range(n):
            left[i] = goes_left(nodes, step.node, x[kept[i]])


cdef inline void descend(Rows* rows, const Step* step) noexcept nogil:
    """Follow an edge: rows that go the other way fail its player."""
    cdef int64_t above = step.level - 1
    cdef int64_t i, n = rows.n[above], size = rows.n_words
    cdef const uint16_t* left = rows.left + above * rows.n_all
    cdef const uint64_t* before = rows.failed + above * rows.n_all * size
    cdef uint64_t* here = rows.failed + step.level * rows.n_all * size
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
    Meeting* meeting, const uint64_t* words, int32_t* failed
) noexcept nogil:
    cdef int64_t k, n = 0
    cdef uint64_t word
    for k in range(meeting.n_words):
        word = words[k]
        while word:
            failed[n] = <int32_t>(64 * k + lowest_bit(word))
            n += 1
            word &= word - 1
    meeting.n_failed = n
    meeting.failed = failed


cdef inline void drop_rows(
    Rows* rows, int64_t level, Meeting* meeting, int32_t* failed
) noexcept nogil:
    """Go on without the rows that no set of the background survives."""
    cdef uint64_t* words = rows.failed + level * rows.n_all * rows.n_words
    cdef const int32_t* kept = rows.kept[level]
    cdef int32_t* room = rows.room + level * rows.n_all
    cdef int64_t i, k, n = 0, size = rows.n_words
    for i in range(rows.n[level]):
        list_failed(meeting, words + i * size, failed)
        if not is_any_alive(meeting):
            continue
        for k in range(size):
            words[n * size + k] = words[i * size + k]
        room[n] = kept[i]
        n += 1
    if n < rows.n[level]:
        rows.n[level] = n
        rows.kept[level] = room


cdef int meet_leaf(
    const Nodes* nodes,
    const Step* step,
    Rows* rows,
    Meeting* meeting,
    Scratch* scratch,
    const double* gain,
    const double* loss,
    int64_t side,
    double* out,
    int64_t n_players,
    int64_t n_outputs,
) noexcept nogil:
    """Add the values of a leaf; -1 without memory."""
    cdef int64_t n = rows.n[step.level]
    cdef const uint64_t* words = rows.failed + step.level * rows.n_all * rows.n_words
    cdef const double* value = nodes.values + step.node * nodes.width
    cdef int64_t stride = max(1, (step.n_players + CHUNK - 1) // CHUNK) * CHUNK
    cdef int64_t count = n
    cdef int64_t i, j, k, n_alive
    cdef double lost
    cdef double* target
    cdef double* shares
    if n > FEW:
        count = number_sets(
            words, n, rows.n_words, scratch.table, places_for(n), scratch.first, scratch.number
        )
    else:
        for i in range(n):
            scratch.first[i] = scratch.number[i] = <int32_t>i
    if step.n_sets > scratch.n_sets:
        scratch.n_sets = 2 * step.n_sets
        free(scratch.set)
        free(scratch.given)
        scratch.set = <int32_t*>malloc(scratch.n_sets * sizeof(int32_t))
        scratch.given = <double*>malloc(scratch.n_sets * sizeof(double))
    if count * stride > scratch.n_shares:
        scratch.n_shares = 2 * count * stride
        free(scratch.shares)
        scratch.shares = <double*>malloc(scratch.n_shares * sizeof(double))
    if scratch.set == NULL or scratch.given == NULL or scratch.shares == NULL:
        return -1
    for i in range(count):
        list_failed(meeting, words + scratch.first[i] * rows.n_words, scratch.failed)
        n_alive = list_alive(
            meeting, gain + meeting.n_failed * side, loss + meeting.n_failed * side,
            scratch.set, scratch.given, &lost,
        )
        scratch.lives[i] = n_alive > 0
        if not n_alive:
            continue
        shares = scratch.shares + i * stride
        for j in range(stride // CHUNK):
            sum_given(meeting, scratch.set, scratch.given, n_alive, j, shares + j * CHUNK)
        for j in range(meeting.n_failed):
            shares[scratch.failed[j]] = lost
    for i in range(n):
        if not scratch.lives[scratch.number[i]]:
            continue
        shares = scratch.shares + scratch.number[i] * stride
        target = out + rows.kept[step.level][i] * n_players * n_outputs
        for j in range(step.n_players):
            for k in range(nodes.width):
                target[scratch.player[j] * n_outputs + k] += value[k] * shares[j]
    return 0


cdef int walk(
    const Nodes* nodes,
    const Step* steps,
    int64_t n_steps,
    Rows* rows,
    Meeting* meeting,
    const uint64_t* words,
    const int64_t* count,
    const uint64_t* passing,
    Scratch* scratch,
    const double* gain,
    const double* loss,
    int64_t side,
    double* out,
    int64_t n_players,
    int64_t n_outputs,
) noexcept nogil:
    """Take the rows down the tree; -1 without memory."""
    cdef int64_t i = 0
    cdef const Step* step
    while i < n_steps:
        step = steps + i
        if step.level:
            scratch.player[step.slot] = step.player
            descend(rows, step)
        meeting.n_sets = step.n_sets
        meeting.passing = passing + step.passing_start
        if step.feature == LEAF:
            meeting.words = words + step.set_start * rows.n_words
            meeting.count = count + step.set_start
            if meet_leaf(
                nodes, step, rows, meeting, scratch, gain, loss, side, out, n_players, n_outputs
            ) < 0:
                return -1
            i += 1
            continue
        if step.n_sets:
            drop_rows(rows, step.level, meeting, scratch.failed)
            if not rows.n[step.level]:
                i += step.subtree
                continue
        decide_rows(nodes, step, rows)
        i += 1
    return 0


def explain(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    int64_t n_levels,
    const uint8_t[:, ::1] steps,
    const uint64_t[:, ::1] words,
    const int64_t[::1] count,
    const uint64_t[::1] passing,
    const double[:, ::1] gain,
    const double[:, ::1] loss,
    int64_t n_rows_at_once,
    double[:, :, ::1] out,
):
    """Add one tree's values of all rows to ``out`` (rows by players by outputs).

    steps : see `pack`
    words, count, passing : of the background, see background_sets.pyx
    gain, loss : what each of b players that must be in gets beside f that must be out, at [f, b],
                 and what each of the latter gets
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef Rows rows
    cdef Meeting meeting
    cdef Scratch scratch
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t at_once = min(n_rows_at_once, n_rows)
    cdef int64_t first, i, most
    cdef int status = 0
    if not n_rows or not out.shape[1]:
        return
    memset(&meeting, 0, sizeof(Meeting))
    memset(&scratch, 0, sizeof(Scratch))
    rows.n_words = meeting.n_words = words.shape[1]
    rows.stride = columns.shape[1]
    most = 64 * rows.n_words
    rows.n = <int64_t*>malloc(n_levels * sizeof(int64_t))
    rows.kept = <int32_t**>malloc(n_levels * sizeof(int32_t*))
    rows.room = <int32_t*>malloc(n_levels * at_once * sizeof(int32_t))
    rows.failed = <uint64_t*>malloc(n_levels * at_once * rows.n_words * sizeof(uint64_t))
    rows.left = <uint16_t*>malloc(n_levels * at_once * sizeof(uint16_t))
    scratch.failed = <int32_t*>malloc(most * sizeof(int32_t))
    scratch.player = <int64_t*>malloc(most * sizeof(int64_t))
    scratch.lives = <uint8_t*>malloc(at_once)
    scratch.first = <int32_t*>malloc(at_once * sizeof(int32_t))
    scratch.number = <int32_t*>malloc(at_once * sizeof(int32_t))
    scratch.table = <int32_t*>malloc(places_for(at_once) * sizeof(int32_t))
    if (rows.n == NULL or rows.kept == NULL or rows.room == NULL or rows.failed == NULL
            or rows.left == NULL or scratch.failed == NULL or scratch.player == NULL
            or scratch.lives == NULL or scratch.first == NULL or scratch.number == NULL
            or scratch.table == NULL):
        status = -1
    with nogil:
        first = 0
        while first < n_rows and not status:
            rows.n_all = min(at_once, n_rows - first)
            rows.data = &columns[0, first]
            rows.n[0] = rows.n_all
            rows.kept[0] = rows.room
            for i in range(rows.n_all):
                rows.room[i] = <int32_t>i
            memset(rows.failed, 0, rows.n_all * rows.n_words * sizeof(uint64_t))
            status = walk(
                nodes, <const Step*>&steps[0, 0], steps.shape[0], &rows, &meeting, &words[0, 0],
                &count[0], &passing[0] if passing.shape[0] else NULL, &scratch, &gain[0, 0],
                &loss[0, 0], gain.shape[1], &out[first, 0, nodes.tree_outputs[tree]],
                out.shape[1], out.shape[2],
            )
            first += rows.n_all
        free(rows.n)
        free(rows.kept)
        free(rows.room)
        free(rows.failed)
        free(rows.left)
        free(scratch.failed)
        free(scratch.set)
        free(scratch.given)
        free(scratch.shares)
        free(scratch.lives)
        free(scratch.first)
        free(scratch.number)
        free(scratch.table)
        free(scratch.player)
    if status:
        raise MemoryError("no memory for the values of one tree")
