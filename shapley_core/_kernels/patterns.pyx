"""Interventional values of trees that could have tables, without them.

At a leaf whose path tests d distinct features, a row counts only by the set of those it fails.
For an explained row failing F and a background row failing B, the leaf's game is w where every
feature of B is in the coalition and none of F is: nothing at all if F and B meet, else the cube
game with |B| players that must be in and |F| that must be out. So the background is grouped by
its sets B once, the rows by their sets F, and groups meet groups: the background's size is gone.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc

from .background_leaves cimport MOST_PLAYERS, fill_by_background, meet_few
from .forest cimport LEAF, Forest, Nodes
from .paths cimport Paths, place_of
from .row_groups cimport RowGroups, begin_groups, decide_rows, refine, release_groups


# Of the largest table of a leaf, and of what it is made of (see background_leaves.pxd).
cdef enum:
    TABLE_DOUBLES = (MOST_PLAYERS + 3) << MOST_PLAYERS
    RANKED_NUMBERS = (MOST_PLAYERS + 1) << MOST_PLAYERS


cdef inline bint tabulating_pays(int64_t n_rows, int64_t n_sets, int64_t d) noexcept nogil:
    """Whether a leaf's values of all patterns take less time than those of some by themselves."""
    cdef double passing = n_sets
    cdef int64_t _feature
    # Of the background's sets one in so many passes an explained one, if features are like coins.
    for _feature in range(d):
        passing *= 0.75
    return n_rows * (40.0 + 6.0 * d + 15.0 * passing) > (
        <double>(<int64_t>1 << d) * (d + 1) * (2.0 + 0.15 * d)
    )


cdef void take_entries(
    const uint64_t* failed, int64_t n, int64_t d, const double* table, double* out
) noexcept nogil:
    """Read the values of explained sets from a leaf's table [slot][pattern of passed features]."""
    cdef int64_t full = (<int64_t>1 << d) - 1
    cdef int64_t i, j
    for i in range(n):
        for j in range(d):
            out[i * d + j] = table[(j << d) + (full ^ <int64_t>failed[i])]


def interventional(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    int64_t max_bits,
    int64_t n_levels,
    const int64_t[::1] start,
    const uint64_t[:, ::1] words,
    const int64_t[::1] count,
    const double[:, ::1] gain,
    const double[:, ::1] loss,
    double[:, :, ::1] out,
):
    """Add one tree's values of all rows to ``out`` (rows by features by outputs).

    Leaves are summed group by group, as pattern_tables.pyx does, so that both give the same bits.
    """
    cdef const int64_t* order = paths.order
    cdef const int64_t* parent = paths.parent
    cdef const int64_t* slot = paths.slot
    cdef const int64_t* depth = paths.depth
    cdef const int64_t* distinct = paths.distinct
    cdef RowGroups g
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i, j, k, row, node, level, up, leaf = 0, players
    cdef int64_t side = gain.shape[1]
    cdef int64_t output = nodes.tree_outputs[tree]
    cdef int64_t c, n_columns = 0, end = first
    cdef int64_t* feature = NULL
    cdef int64_t* column = NULL
    cdef int64_t* group_feature = NULL
    cdef double* shares = NULL
    cdef double* sums = NULL
    cdef double* grown
    cdef double* target
    cdef const double* given
    cdef const double* value
    cdef int64_t room = 0
    cdef int64_t sets
    cdef double* scratch = NULL
    cdef double* table
    cdef int64_t* ranked = NULL
    cdef int status = 0
    cdef const int32_t* group
    if not out.shape[0] or not out.shape[1]:
        return
    try:
        with nogil:
            status = begin_groups(&g, nodes, paths, columns, 1, n_levels)
            feature = <int64_t*>calloc(max_bits, sizeof(int64_t))
            column = <int64_t*>calloc(max_bits, sizeof(int64_t))
            group_feature = <int64_t*>calloc(max_bits, sizeof(int64_t))
            sums = <double*>calloc(max_bits * nodes.width * g.n_rows, sizeof(double))
            if feature == NULL or column == NULL or group_feature == NULL or sums == NULL:
                status = -1
            for i in range(first, last):
                node = order[i]
                level = depth[node]
                if status or (level and refine(&g, node, level) < 0):
                    status = -1
                    break
                if i >= end and bits[node] <= max_bits:
                    n_columns = 0
                    end = i + subtree[node]
                if nodes.feature[node] != LEAF:
                    decide_rows(&g, node, level)
                    continue
                if i >= end:  # too deep for a table
                    leaf += 1
                    continue
                players = distinct[node]
                value = nodes.values + node * nodes.width
                up = node
                while parent[up] != -1:
                    feature[slot[up]] = paths.player[up]
                    up = parent[up]
                if g.count[level] > room:
                    grown = <double*>realloc(shares, g.count[level] * max_bits * sizeof(double))
                    if grown == NULL:
                        status = -1
                        break
                    shares = grown
                    room = g.count[level]
                sets = start[leaf + 1] - start[leaf]
                if tabulating_pays(g.count[level], sets, players):
                    if scratch == NULL:
                        scratch = <double*>malloc(TABLE_DOUBLES * sizeof(double))
                        ranked = <int64_t*>malloc(RANKED_NUMBERS * sizeof(int64_t))
                    if scratch == NULL or ranked == NULL:
                        status = -1
                        break
                    table = scratch + (<int64_t>3 << MOST_PLAYERS)
                    fill_by_background(
                        &words[start[leaf], 0], &count[start[leaf]], sets, players, &gain[0, 0],
                        &loss[0, 0], side, ranked, scratch, table,
                    )
                    take_entries(g.words[level], g.count[level], players, table, shares)
                else:
                    for j in range(g.count[level]):
                        meet_few(
                            g.words[level][j], &words[start[leaf], 0], &count[start[leaf]], sets,
                            players, &gain[0, 0], &loss[0, 0], side, shares + j * players,
                        )
                leaf += 1
                for j in range(players):
                    c = place_of(group_feature, n_columns, feature[j])
                    if c == n_columns:
                        group_feature[c] = feature[j]
                        n_columns += 1
                    column[j] = c
                group = g.group + level * g.n_rows
                for row in range(g.n_rows):
                    given = shares + group[row] * players
                    for j in range(players):
                        target = sums + (row * max_bits + column[j]) * nodes.width
                        for k in range(nodes.width):
                            target[k] += value[k] * given[j]
                if i + 1 < end:
                    continue
                for row in range(g.n_rows):
                    for c in range(n_columns):
                        target = sums + (row * max_bits + c) * nodes.width
                        for k in range(nodes.width):
                            out[row, group_feature[c], output + k] += target[k]
                            target[k] = 0.0
    finally:
        release_groups(&g)
        free(feature)
        free(column)
        free(group_feature)
        free(sums)
        free(shares)
        free(scratch)
        free(ranked)
    if status:
        raise MemoryError("no memory for the patterns of one tree")
