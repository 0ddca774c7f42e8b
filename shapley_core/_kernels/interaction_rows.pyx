"""Values of interactions row by row: at each leaf the rows are grouped by the players they fail.

No table is built. A leaf's values are computed once for each group of rows (leaf_games.pyx) and
added leaf by leaf, then group by group, in the order in which interaction_tables.pyx sums them:
both ways give the same bits.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from .forest cimport LEAF, Forest, Nodes, goes_left
from .leaf_games cimport (
    OCTET, Layers, Scratch, allocate, background_leaf, n_entries, product_leaf, release
)
from .paths cimport Paths
from .set_numbers cimport number_sets, places_for


cdef extern from "scatter.h" nogil:
    void add_lanes(const double*, const int32_t*, double, double*, int64_t)


cdef struct Rows:
    # The rows of one block on their way down one tree: at each level which players each has failed
    # and which way it goes; at a leaf, the different sets of failed players.
    int64_t n_rows
    int64_t n_words
    uint64_t* failed   # levels x rows x words
    uint8_t* left      # levels x rows
    int32_t* lane      # rows: number of the row's set
    int32_t* first     # sets: a row that has it
    int32_t* table     # hash table of sets, 1 + number, 0 where empty
    int64_t n_places   # a power of 2


cdef void descend(
    Rows* rows, int64_t level, uint8_t side, int64_t slot
) noexcept nogil:
    """Follow an edge: rows that go the other way fail its player."""
    cdef int64_t row, n = rows.n_words, word = slot >> 6
    cdef const uint8_t* left = rows.left + (level - 1) * rows.n_rows
    cdef const uint64_t* above = rows.failed + (level - 1) * rows.n_rows * n
    cdef uint64_t* here = rows.failed + level * rows.n_rows * n
    cdef int shift = slot & 63
    if n == 1:
        for row in range(rows.n_rows):
            here[row] = above[row] | (<uint64_t>(left[row] != side) << shift)
        return
    memcpy(here, above, rows.n_rows * n * sizeof(uint64_t))
    for row in range(rows.n_rows):
        here[row * n + word] |= <uint64_t>(left[row] != side) << shift


def explain(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    int64_t max_bits,
    Layers layers,
    const double[::1] share,
    const int64_t[::1] start,
    const uint64_t[:, ::1] words,
    const double[::1] total,
    const int64_t[::1] leaf_offsets,
    const int32_t[::1] leaf_columns,
    int64_t n_lanes,
    double[:, :, ::1] out,
):
    """Add one tree's values of all rows to ``out`` (rows by columns by outputs).

    With ``share`` (cover shares of the nodes) the values are path-dependent, else those of the
    background sets ``start, words, total`` (see patterns.pyx).

    leaf_offsets : where in ``leaf_columns`` the columns of a leaf's values begin, by leaf in the
                   order of the walk
    n_lanes      : sets of failed players at once, whole octets (path-dependent)
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i, j, k, c, e, row, node, up, level, d, count, lanes, entries, stride, at
    cdef int64_t n = out.shape[0]
    cdef int64_t n_columns = out.shape[1]
    cdef int64_t output = nodes.tree_outputs[tree]
    cdef int64_t width = nodes.width
    cdef int64_t leaf = 0, end = first, n_local = 0, room = 0, entry_room = 0, most = 0
    cdef int64_t n_levels = 1
    cdef int64_t n_alive, found
    cdef bint by_cover = share.shape[0] > 0
    cdef int status = 0
    cdef Rows rows
    cdef Scratch scratch
    cdef const uint64_t* set_words
    cdef const int32_t* column
    cdef int32_t* place = NULL
    cdef int32_t* local = NULL
    cdef double* passed = NULL
    cdef double* z = NULL
    cdef double* entry = NULL
    cdef double* sums = NULL
    cdef double* grown
    cdef void* moved
    if not n or not n_columns:
        return
    for i in range(first, last):
        most = max(most, paths.distinct[i])
        n_levels = max(n_levels, paths.depth[i] + 1)
    memset(&rows, 0, sizeof(Rows))
    rows.n_rows = n
    rows.n_words = max(1, (most + 63) // 64)
    rows.n_places = places_for(n)
    rows.failed = <uint64_t*>calloc(n_levels * n * rows.n_words, sizeof(uint64_t))
    rows.left = <uint8_t*>malloc(n_levels * n)
    rows.lane = <int32_t*>malloc(n * sizeof(int32_t))
    rows.first = <int32_t*>malloc(n * sizeof(int32_t))
    rows.table = <int32_t*>malloc(rows.n_places * sizeof(int32_t))
    place = <int32_t*>calloc(n_columns, sizeof(int32_t))
    z = <double*>malloc((most + 1) * sizeof(double))
    passed = <double*>malloc((most + 1) * max(n_lanes, 1) * sizeof(double))
    if (allocate(layers, most, n_lanes if by_cover else 0, &scratch) < 0 or rows.failed == NULL
            or rows.left == NULL or rows.lane == NULL or rows.first == NULL or rows.table == NULL
            or place == NULL or z == NULL or passed == NULL):
        status = -1
    with nogil:
        for i in range(first, last):
            if status:
                break
            node = paths.order[i]
            level = paths.depth[node]
            if level:
                descend(
                    &rows, level, nodes.left[paths.parent[node]] == node, paths.slot[node]
                )
            if i >= end and bits[node] <= max_bits:
                end = i + subtree[node]
            if nodes.feature[node] != LEAF:
                for row in range(n):
                    rows.left[level * n + row] = goes_left(
                        nodes, node, columns[nodes.feature[node], row]
                    )
                continue
            if i >= end:
                end = i + 1
            d = paths.distinct[node]
            entries = n_entries(layers, d)
            column = &leaf_columns[0] + leaf_offsets[leaf]
            count = number_sets(
                rows.failed + level * n * rows.n_words, n, rows.n_words, 64, rows.table,
                rows.n_places, rows.first, rows.lane,
            )
            stride = (count + OCTET - 1) // OCTET * OCTET
            if entries * stride > entry_room:
                entry_room = entries * stride
                grown = <double*>realloc(entry, entry_room * sizeof(double))
                if grown == NULL:
                    status = -1
                    break
                entry = grown
            set_words = rows.failed + level * n * rows.n_words
            if by_cover:
                # The lowest edge of a player holds the share of all of them.
                for j in range(d):
                    z[j] = -1.0
                up = node
                while paths.parent[up] != -1:
                    if z[paths.slot[up]] < 0.0:
                        z[paths.slot[up]] = share[up]
                    up = paths.parent[up]
                at = 0
                while at < count:
                    lanes = min(n_lanes, stride - at)
                    for c in range(lanes):
                        for j in range(d):
                            passed[j * lanes + c] = 0.0
                        if at + c < count:
                            k = rows.first[at + c] * rows.n_words
                            for j in range(d):
                                passed[j * lanes + c] = <double>(
                                    1 - ((set_words[k + (j >> 6)] >> (j & 63)) & 1)
                                )
                    product_leaf(layers, z, passed, d, lanes, &scratch, entry + at, stride)
                    at += lanes
            else:
                n_alive = 0
                for c in range(count):
                    found = background_leaf(
                        layers, set_words + rows.first[c] * rows.n_words, &words[start[leaf], 0],
                        &total[start[leaf]], start[leaf + 1] - start[leaf], rows.n_words, d,
                        &scratch, entry + c, stride,
                    )
                    if found < 0:
                        status = -1
                        break
                    n_alive += found
                if status:
                    break
                if not n_alive:
                    entries = 0  # There is nothing to add.
            leaf += 1
            if (n_local + entries) * width * n > room:
                room = 2 * (n_local + entries) * width * n
                moved = realloc(sums, room * sizeof(double))
                if moved != NULL:
                    sums = <double*>moved
                    moved = realloc(local, room // (width * n) * sizeof(int32_t))
                if moved == NULL:
                    status = -1
                    break
                local = <int32_t*>moved
            for e in range(entries):
                if not place[column[e]]:
                    local[n_local] = column[e]
                    memset(sums + n_local * width * n, 0, width * n * sizeof(double))
                    n_local += 1
                    place[column[e]] = <int32_t>n_local
                j = place[column[e]] - 1
                for k in range(width):
                    add_lanes(
                        entry + e * stride, rows.lane, nodes.values[node * width + k],
                        sums + (j * width + k) * n, n,
                    )
            if i + 1 < end:
                continue
            for j in range(n_local):
                c = local[j]
                place[c] = 0
                for k in range(width):
                    for row in range(n):
                        out[row, c, output + k] += sums[(j * width + k) * n + row]
            n_local = 0
        free(rows.failed)
        free(rows.left)
        free(rows.lane)
        free(rows.first)
        free(rows.table)
        free(place)
        free(local)
        free(z)
        free(passed)
        free(entry)
        free(sums)
        release(&scratch)
    if status:
        raise MemoryError("no memory for the interactions of one tree")
