"""Interventional values of deep trees beside a small background: its rows are met one by one.

The game of a leaf is that of alive_sets.pyx. An explained row carries down the tree a bit for each
background row: whether it passes all tests of the players that the explained row has failed. An
edge whose player it passes changes nothing; else the bits are and-ed with those of the background
rows that pass all of the path's tests of this player. Where none is left, nothing below counts.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from .bits cimport count_bits
from .deep_walk cimport (
    Rows, Step, allocate_rows, begin_rows, decide_rows, enter,
    group_leaf, release_rows, share_given,
)
from .forest cimport LEAF, Forest, Nodes
from .group_patterns cimport decide
from .merged_rows cimport merge_rows, part_rows
from .row_values cimport add_leaf, end_rows


cdef extern from "alive_rows.h" nogil:
    int64_t keep_alive(
        const uint64_t*, const uint64_t*, const int32_t*, const uint16_t*, int64_t, int, int64_t,
        int64_t, const uint64_t*, int64_t, uint64_t*, uint64_t*, int32_t*
    )
    void gather_sets(const uint64_t**, int64_t, int64_t, int64_t, uint64_t*)
    int64_t list_rows(
        const uint64_t*, int64_t, const uint64_t**, int64_t, int64_t, const uint64_t*,
        const double*, const double*, const double*, uint64_t*, int32_t*, double*, double*
    )


# The sets of all background rows at a leaf are gathered together where so many explained ones
# meet them.
cdef enum:
    MANY = 32


def tell(
    Forest forest,
    const double[:, ::1] columns,
    int64_t n_levels,
    const uint8_t[:, ::1] steps,
    uint64_t[:, ::1] out,
):
    """Write which background rows pass all tests of an edge's player on the path (nodes by words).

    steps : of the tree, see `pack` in alive_sets.pyx
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef const Step* step
    cdef int64_t n = columns.shape[1]
    cdef int64_t i, k, level
    cdef uint16_t* left = NULL
    cdef const uint16_t* above
    cdef int64_t* path = NULL
    cdef int status = 0
    with nogil:
        left = <uint16_t*>malloc(n_levels * n * sizeof(uint16_t))
        path = <int64_t*>malloc(n_levels * sizeof(int64_t))
        if left == NULL or path == NULL:
            status = -1
        for i in range(0 if status else steps.shape[0]):
            step = <const Step*>&steps[i, 0]
            path[step.level] = i
            memset(&out[i, 0], 0, out.shape[1] * sizeof(uint64_t))
            if step.level:
                above = left + (step.level - 1) * n
                for k in range(n):
                    out[i, k >> 6] |= <uint64_t>(above[k] == step.is_left) << (k & 63)
            if step.again:
                level = step.level - 1
                while (<const Step*>&steps[path[level], 0]).slot != step.slot:
                    level -= 1
                for k in range(out.shape[1]):
                    out[i, k] &= out[path[level], k]
            if step.feature != LEAF:
                decide(nodes, step.node, &columns[step.feature, 0], left + step.level * n, n)
        free(left)
        free(path)
    if status:
        raise MemoryError("no memory for the background of one tree")


def explain(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    int64_t n_levels,
    int64_t n_players,
    const int64_t[::1] players,
    const uint8_t[:, ::1] steps,
    const uint64_t[:, ::1] passing,
    const double[::1] weight,
    const double[:, ::1] gain,
    const double[:, ::1] loss,
    int64_t n_rows_at_once,
    double[:, :, ::1] out,
):
    """Add one tree's values of all rows to ``out`` (rows by players by outputs).

    n_players : most on a path
    players : of the whole tree, ascending
    steps   : of the tree, see `pack` in alive_sets.pyx
    passing : which background rows pass each edge's player, see `tell`
    weight  : of the background rows
    gain, loss : what each of b players that must be in gets beside f that must be out, at [f, b],
                 and what each of the latter gets
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef const Step* step
    cdef Rows rows
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t size = passing.shape[1]
    cdef int64_t n_words = max(<int64_t>1, (n_players + 63) // 64)
    cdef int64_t at_once = min(n_rows_at_once, n_rows)
    cdef int64_t first = 0
    cdef int64_t i, j, k, w, f, n_alive, level
    cdef double lost
    cdef double* values = NULL
    cdef const uint64_t* failed
    cdef uint64_t* alive = NULL          # levels x rows x words
    cdef const uint64_t** path = NULL    # levels: the edge's bits
    cdef int64_t* slot = NULL            # levels: its slot
    cdef const uint64_t** of_slot = NULL
    cdef uint64_t* sets = NULL
    cdef uint64_t* list_ = NULL
    cdef int32_t* place = NULL
    cdef double* given = NULL
    cdef int status
    if not n_rows or not players.shape[0]:
        return
    with nogil:
        status = allocate_rows(
            &rows, n_levels, at_once, n_words, n_players, players.shape[0], nodes.width
        )
        alive = <uint64_t*>malloc(n_levels * at_once * size * sizeof(uint64_t))
        path = <const uint64_t**>malloc(n_levels * sizeof(uint64_t*))
        slot = <int64_t*>malloc(n_levels * sizeof(int64_t))
        of_slot = <const uint64_t**>calloc(64 * n_words, sizeof(uint64_t*))
        sets = <uint64_t*>malloc(64 * size * n_words * sizeof(uint64_t))
        list_ = <uint64_t*>malloc(64 * size * n_words * sizeof(uint64_t))
        place = <int32_t*>malloc(64 * size * sizeof(int32_t))
        given = <double*>malloc(64 * size * sizeof(double))
        if (alive == NULL or path == NULL or slot == NULL or of_slot == NULL or sets == NULL
                or list_ == NULL or place == NULL or given == NULL):
            status = -1
        i = steps.shape[0]
        while not status:
            if i == rows.merged.end:
                part_rows(&rows, nodes.width)
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
                for j in range(rows.n[0]):
                    for k in range(size):
                        alive[j * size + k] = ~<uint64_t>0
                    if weight.shape[0] & 63:
                        alive[j * size + size - 1] = (
                            (<uint64_t>1 << (weight.shape[0] & 63)) - 1
                        )
                values = &out[first, 0, nodes.tree_outputs[tree]]
                first += rows.n[0]
                i = 0
            step = <const Step*>&steps[i, 0]
            level = step.level
            if level:
                enter(&rows, step)
                path[level] = &passing[i, 0]
                slot[level] = step.slot
                rows.kept[level] = rows.room + level * at_once
                rows.n[level] = keep_alive(
                    rows.failed + (level - 1) * at_once * n_words,
                    alive + (level - 1) * at_once * size, rows.kept[level - 1],
                    rows.left + (level - 1) * at_once, rows.n[level - 1], step.is_left, n_words,
                    step.slot, path[level], size, rows.failed + level * at_once * n_words,
                    alive + level * at_once * size, rows.kept[level],
                )
                if not rows.n[level]:
                    i += step.subtree
                    continue
            i += 1
            if step.feature != LEAF:
                if step.bit == 0:
                    k = merge_rows(nodes, step, &rows)
                    rows.merged.end = i - 1 + step.subtree
                    for j in range(k):
                        for w in range(size):
                            alive[(level * at_once + j) * size + w] = (
                                alive[(level * at_once + rows.merged.first[j]) * size + w]
                            )
                decide_rows(nodes, step, &rows)
                continue
            k = group_leaf(&rows, step)
            if k < 0:
                status = -1
                break
            # The lowest edge of a player tells of all of them.
            for j in range(1, level + 1):
                of_slot[slot[j]] = path[j]
            if k >= MANY:
                gather_sets(of_slot, step.n_players, size, n_words, sets)
            for j in range(k):
                failed = rows.failed + (level * at_once + rows.first[j]) * n_words
                f = 0
                for w in range(n_words):
                    f += count_bits(failed[w])
                n_alive = list_rows(
                    alive + (level * at_once + rows.first[j]) * size, size, of_slot,
                    step.n_players, n_words, sets if k >= MANY else NULL, &weight[0], &gain[f, 0],
                    &loss[f, 0], list_, place, given, &lost,
                )
                share_given(
                    &rows, step, j, sets if k >= MANY else list_, place, given, n_alive, lost
                )
            add_leaf(nodes, step, &rows, k)
        release_rows(&rows)
        free(alive)
        free(path)
        free(slot)
        free(of_slot)
        free(sets)
        free(list_)
        free(place)
        free(given)
    if status:
        raise MemoryError("no memory for the values of one tree")
