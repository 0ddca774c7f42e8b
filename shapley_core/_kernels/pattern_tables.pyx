"""Shapley values of many rows by looking them up: one table for a small subtree.

At a leaf a row counts only by which of the d path features it passes, so the leaf's values are a
table of 2^d rows. A *group* is a node with the small subtree below it: the features passed on the
path to it and the outcomes of the tests inside it are one pattern of a few bits, and the values of
all its leaves are one table, column by column ([column][pattern]). Explaining a row is then to
assemble a pattern for each group and to add one number for each of its features.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from .background_leaves cimport fill_by_background
from .forest cimport LEAF, Forest, Nodes
from .group_patterns cimport FEW, runs_at_leaf
from .group_tests cimport LINE_ROWS, GroupTests, find_patterns, whole_lines
from .paths cimport Paths, place_of


cdef extern from "lookup.h" nogil:
    void look_up(
        const double*, const int64_t*, const int32_t*, int64_t, const uint16_t*, int64_t, double*,
        int64_t,
    )
    void fetch_entries(
        const double*, const int64_t*, const int32_t*, int64_t, const uint16_t*, int64_t, int64_t
    )


cdef extern from "scatter.h" nogil:
    void add_runs(
        const double*, const uint16_t*, const uint16_t*, int64_t, int64_t, double, double*
    )


cdef extern from "cube.h" nogil:
    void fill_products(const double*, int64_t, double, double, double*)
    void fill_shares(
        const double*, int64_t, const double*, const double*, int64_t, int64_t, double*
    )
    int64_t BESIDE


# Patterns found before they are looked up: those of one tree for as many rows as are in the cache,
# but for so many rows at least.
cdef enum:
    PATTERNS = 1 << 14
    ROWS = 4096


cdef void fill_by_quadrature(
    const double* share,
    int64_t d,
    int64_t n_points,
    const double* points,
    const double* weights,
    double* scratch,
    double* table,
) noexcept nogil:
    """Write a path-dependent leaf's table [slot][pattern of passed features], for value 1.

    ``share`` holds the cover share z of each slot; the formula is that of subtree_sums.pyx.
    """
    cdef int64_t size = max(<int64_t>1 << d, BESIDE)
    cdef int64_t q, j
    cdef double t
    cdef double* gain = scratch
    cdef double* loss = gain + n_points
    cdef double* product = loss + n_points
    for q in range(n_points):
        fill_products(share, d, points[q], weights[q], product + q * size)
        loss[q] = -1.0 / (1.0 - points[q])
    for j in range(d):
        for q in range(n_points):
            t = points[q]
            gain[q] = (1.0 - share[j]) / (share[j] * (1.0 - t) + t)
        fill_shares(product, n_points, gain, loss, <int64_t>1 << j, size, table + (j << d))


cdef void add_leaf(
    const Nodes* nodes,
    Paths paths,
    int64_t leaf,
    int64_t root,
    const double* leaf_table,
    const int64_t* bit,
    int64_t n_bits,
    const int64_t* columns,
    int64_t n_columns,
    uint16_t* runs,
    double* out,
) noexcept nogil:
    """Add a leaf's table to its group's: from patterns of the group to patterns of the leaf."""
    cdef int64_t k = paths.distinct[root]
    cdef int64_t d = paths.distinct[leaf]
    cdef int64_t size = <int64_t>1 << n_bits
    cdef int64_t n_runs = size >> k
    cdef int64_t column[64]
    cdef int64_t node = leaf
    cdef int64_t j, c
    runs_at_leaf(nodes, paths, leaf, root, bit, n_bits, runs, runs + n_runs)
    for j in range(k):
        column[j] = j
    while node != root:
        if paths.previous[node] == -1:
            column[paths.slot[node]] = k + place_of(columns + k, n_columns - k, paths.player[node])
        node = paths.parent[node]
    for c in range(nodes.width):
        for j in range(d):
            add_runs(
                leaf_table + (j << d), runs, runs + n_runs, n_runs, k,
                nodes.values[leaf * nodes.width + c],
                out + (column[j] * nodes.width + c) * size,
            )


def build(
    Forest forest,
    int64_t tree,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    int64_t max_bits,
    const double[::1] share,
    const double[::1] points,
    const double[::1] weights,
    const int64_t[::1] start,
    const uint64_t[:, ::1] words,
    const int64_t[::1] count,
    const double[:, ::1] gain,
    const double[:, ::1] loss,
    int64_t[::1] group_offsets,
    int64_t[::1] group_columns,
    int64_t[::1] columns,
    double[::1] table,
):
    """Build the tables of one tree's groups, in the order of the walk.

    Groups are the topmost nodes with at most ``max_bits`` bits. With ``points`` the tables are
    path-dependent, else those of the background sets ``start, words, count`` (see patterns.pyx).

    group_offsets : where each group's table begins, and the end (groups + 1)
    group_columns : where each group's features begin in ``columns``, and the end
    columns, table : filled; too short an array is an error of the caller
    """
    cdef const int64_t* order = paths.order
    cdef const int64_t* parent = paths.parent
    cdef const int64_t* previous = paths.previous
    cdef const int64_t* slot = paths.slot
    cdef const int64_t* distinct = paths.distinct
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i, j, k, node, leaf, root, n_bits, up, feature, inner
    cdef int64_t leaf_number = 0, group = 0, used = 0, n_columns = 0, first_column, d
    cdef int64_t n_scratch, most = 1
    cdef double* scratch = NULL
    cdef int64_t* ranked = NULL
    cdef double* leaf_table
    cdef double* group_table
    cdef int64_t* group_features
    cdef int64_t* features
    cdef int64_t size
    cdef int64_t* bit = NULL
    cdef uint16_t* runs = NULL
    cdef double shares[64]
    cdef bint by_cover = points.shape[0] > 0
    for i in range(first, last):
        if bits[order[i]] <= max_bits:
            most = max(most, distinct[order[i]])
    # Products at each point, or the three columns of a background; then a leaf's table, whose last
    # column may be longer than it needs.
    n_scratch = 2 * points.shape[0] + max(<int64_t>3, points.shape[0]) * max(BESIDE, 1 << most)
    scratch = <double*>calloc(n_scratch + (most << most) + BESIDE, sizeof(double))
    bit = <int64_t*>malloc((last - first) * sizeof(int64_t))
    runs = <uint16_t*>malloc((<int64_t>2 << max_bits) * sizeof(uint16_t))
    ranked = <int64_t*>malloc(1 if by_cover else ((most + 1) << most) * sizeof(int64_t))
    if scratch == NULL or bit == NULL or runs == NULL or ranked == NULL:
        free(scratch)
        free(bit)
        free(runs)
        free(ranked)
        raise MemoryError("no memory for the tables of one tree")
    leaf_table = scratch + n_scratch
    # Trees of a single leaf have neither columns nor entries.
    group_table = &table[0] if table.shape[0] else NULL
    group_features = &columns[0] if columns.shape[0] else NULL
    with nogil:
        i = first
        while i < last:
            root = order[i]
            if bits[root] > max_bits:
                leaf_number += nodes.feature[root] == LEAF  # too deep for a table
                i += 1
                continue
            n_bits = bits[root]
            k = distinct[root]
            first_column = n_columns
            group_offsets[group] = used
            group_columns[group] = n_columns
            # Columns: the path's features by slot, then those tested below for the first time.
            up = root
            while parent[up] != -1:
                if previous[up] == -1:
                    columns[first_column + slot[up]] = paths.player[up]
                up = parent[up]
            n_columns += k
            inner = k
            for j in range(i, i + subtree[root]):
                node = order[j]
                if nodes.feature[node] == LEAF:
                    continue
                bit[node - first] = inner
                inner += 1
                feature = paths.player[nodes.left[node]]
                features = group_features + first_column
                up = first_column + place_of(features, n_columns - first_column, feature)
                if up == n_columns:
                    columns[n_columns] = feature
                    n_columns += 1
            size = (n_columns - first_column) * nodes.width << n_bits
            if size:
                memset(group_table, 0, size * sizeof(double))
            for j in range(i, i + subtree[root]):
                leaf = order[j]
                if nodes.feature[leaf] != LEAF:
                    continue
                d = distinct[leaf]
                if by_cover:
                    # The lowest edge of a feature holds the share of all of them.
                    for k in range(d):
                        shares[k] = -1.0
                    up = leaf
                    while parent[up] != -1:
                        if shares[slot[up]] < 0.0:
                            shares[slot[up]] = share[up]
                        up = parent[up]
                    fill_by_quadrature(
                        shares, d, points.shape[0], &points[0], &weights[0], scratch, leaf_table
                    )
                else:
                    fill_by_background(
                        &words[start[leaf_number], 0], &count[start[leaf_number]],
                        start[leaf_number + 1] - start[leaf_number], d, &gain[0, 0], &loss[0, 0],
                        gain.shape[1], ranked, scratch, leaf_table,
                    )
                leaf_number += 1
                add_leaf(
                    nodes, paths, leaf, root, leaf_table, bit - first, n_bits,
                    group_features + first_column, n_columns - first_column, runs,
                    group_table,
                )
            used += size
            group_table += size
            group += 1
            i += subtree[root]
        group_offsets[group] = used
        group_columns[group] = n_columns
        free(scratch)
        free(bit)
        free(runs)
        free(ranked)


cdef void add_columns(
    const double* table,
    const int64_t* target,
    const int32_t* group,
    const int64_t* offset,
    int64_t n_columns,
    const uint16_t* pattern,
    int64_t most,
    double* sums,
    int64_t stride,
    int64_t n,
) noexcept nogil:
    """Look up all columns of a tree for n rows, those of one target together."""
    cdef int64_t j = 0, run
    while j < n_columns:
        run = 1
        while j + run < n_columns and target[j + run] == target[j]:
            run += 1
        look_up(
            table, offset + j, group + j, run, pattern, most, sums + target[j] * stride, n
        )
        j += run


def explain(
    const int64_t[::1] trees,
    const double[:, ::1] columns,
    const uint16_t[:, :, ::1] codes,
    GroupTests tests,
    const int64_t[::1] first_column,
    const int64_t[::1] column_target,
    const int32_t[::1] column_group,
    const int64_t[::1] column_offset,
    const double[::1] table,
    int64_t n_rows_at_once,
    double[:, :, ::1] out,
):
    """Add the values of some trees to ``out`` (rows by features by outputs).

    first_column  : where the table columns of ``trees[i]`` begin, and the end; those that add to
                    the same target stand together, in the order of the groups
    column_target : the feature, plus n_features times the output, that each column adds to
    column_group  : which of the tree's groups it belongs to
    column_offset : where its entries begin in ``table``
    codes, tests  : of all rows and groups, see group_tests.pyx
    """
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t n_features = out.shape[1]
    cdef int64_t n_outputs = out.shape[2]
    cdef int64_t first, n, t, tree, i, k, feature, step, some, most_groups = 1, before
    cdef int64_t most = whole_lines(min(n_rows_at_once, n_rows))
    cdef int64_t at_once
    cdef bint few
    cdef const uint16_t* lines = NULL
    cdef uint16_t* pattern
    cdef uint16_t* other
    cdef double* sums
    cdef double* row
    if not n_rows or not n_features or not trees.shape[0]:
        return
    for t in range(trees.shape[0]):
        most_groups = max(most_groups, tests.n_groups[trees[t]])
    at_once = min(most, whole_lines(max(<int64_t>ROWS, PATTERNS // most_groups)))
    pattern = <uint16_t*>malloc(2 * most_groups * at_once * sizeof(uint16_t))
    sums = <double*>malloc(n_features * n_outputs * most * sizeof(double))
    if pattern == NULL or sums == NULL:
        free(pattern)
        free(sums)
        raise MemoryError("no memory for the sums of one block of rows")
    with nogil:
        first = 0
        while first < n_rows:
            n = min(most, n_rows - first)
            few = n <= FEW
            if codes.shape[1]:
                lines = &codes[first // LINE_ROWS, 0, 0]
            for i in range(n):
                row = &out[first + i, 0, 0]
                for k in range(n_outputs):
                    for feature in range(n_features):
                        sums[(k * n_features + feature) * most + i] = row[feature * n_outputs + k]
            for t in range(trees.shape[0] + 1 if few else 0):
                # While the entries of one tree are on their way, find the patterns of the next.
                other = pattern + (t & 1) * most_groups * at_once
                if t < trees.shape[0] and first_column[t + 1] > first_column[t]:
                    find_patterns(
                        tests, trees[t], lines, &columns[0, first], columns.shape[1], n, at_once,
                        other,
                    )
                    fetch_entries(
                        &table[0], &column_offset[first_column[t]], &column_group[first_column[t]],
                        first_column[t + 1] - first_column[t], other, at_once, n,
                    )
                if t and first_column[t] > first_column[t - 1]:
                    before = first_column[t - 1]
                    other = pattern + (t - 1 & 1) * most_groups * at_once
                    add_columns(
                        &table[0], &column_target[before], &column_group[before],
                        &column_offset[before], first_column[t] - before, other, at_once, sums,
                        most, n,
                    )
            for t in range(0 if few else trees.shape[0]):
                if first_column[t + 1] == first_column[t]:
                    continue
                tree = trees[t]
                # A tree's tables, and the columns that it tests again and again, stay in the
                # cache for the rows of a step.
                step = 0
                while step < n:
                    some = min(at_once, n - step)
                    find_patterns(
                        tests, tree, lines + step * tests.n_coded, &columns[0, first + step],
                        columns.shape[1], some, at_once, pattern,
                    )
                    add_columns(
                        &table[0], &column_target[first_column[t]],
                        &column_group[first_column[t]], &column_offset[first_column[t]],
                        first_column[t + 1] - first_column[t], pattern, at_once, sums + step,
                        most, some,
                    )
                    step += some
            for i in range(n):
                row = &out[first + i, 0, 0]
                for k in range(n_outputs):
                    for feature in range(n_features):
                        row[feature * n_outputs + k] = sums[(k * n_features + feature) * most + i]
            first += n
        free(pattern)
        free(sums)
