"""Shapley values of many rows by looking them up: one table for a small subtree.

At a leaf a row counts only by which of the d path features it passes, so the leaf's values are a
table of 2^d rows. A *group* is a node with the small subtree below it: the features passed on the
path to it and the outcomes of the tests inside it are one pattern of a few bits, and the values of
all its leaves are one table, column by column ([column][pattern]). Explaining a row is then to
assemble a pattern for each group and to add one number for each of its features.
"""

from libc.stdint cimport int64_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from .bits cimport count_bits, lowest_bit
from .forest cimport CATEGORICAL, DEFAULT_LEFT, LEAF, ZERO_IS_MISSING, Forest, Nodes, goes_left
from .paths cimport Paths, place_of


cdef extern from "lookup.h" nogil:
    void compare_rows(const double*, double, int, uint16_t*, int64_t)
    void add_bit(const uint16_t*, const uint16_t*, uint16_t, int, uint16_t*, int64_t)
    void clear_bit(const uint16_t*, const uint16_t*, uint16_t, int, uint16_t*, int64_t)
    void look_up(const double*, const uint16_t*, double*, int64_t)
    void add_scaled(const double*, const uint16_t*, double, double*, int64_t)


cdef void fill_by_quadrature(
    const double* share,
    int64_t d,
    int64_t n_points,
    const double* points,
    const double* weights,
    double* product,
    double* table,
) noexcept nogil:
    """Write a path-dependent leaf's table [slot][pattern of passed features], for value 1.

    ``share`` holds the cover share z of each slot; the values are those of quadrature.pyx.
    """
    cdef int64_t size = <int64_t>1 << d
    cdef int64_t q, j, p, half
    cdef double t, passed, failed
    memset(table, 0, size * d * sizeof(double))
    for q in range(n_points):
        t = points[q]
        product[0] = weights[q]
        for j in range(d):
            half = <int64_t>1 << j
            failed = share[j] * (1.0 - t)
            for p in range(half):
                product[half + p] = product[p] * (failed + t)
                product[p] *= failed
        for j in range(d):
            half = <int64_t>1 << j
            passed = (1.0 - share[j]) / (share[j] * (1.0 - t) + t)
            failed = -1.0 / (1.0 - t)
            for p in range(size):
                table[j * size + p] += product[p] * (passed if p & half else failed)


cdef void fill_by_background(
    const uint64_t* words,
    const double* total,
    int64_t n_groups,
    int64_t d,
    const double* gain,
    const double* loss,
    int64_t side,
    double* lost,
    double* table,
) noexcept nogil:
    """Write an interventional leaf's table [slot][pattern of passed features], for value 1.

    A background set B meets the patterns that pass all of B: ``gain`` goes to B, ``loss`` to
    what the pattern fails, as in patterns.pyx.
    """
    cdef int64_t size = <int64_t>1 << d
    cdef int64_t full = size - 1
    cdef int64_t g, p, n_in, n_out, free_bits, extra, j
    cdef uint64_t word
    cdef double given
    memset(table, 0, size * d * sizeof(double))
    memset(lost, 0, size * sizeof(double))
    for g in range(n_groups):
        n_in = count_bits(words[g])
        free_bits = full & ~<int64_t>words[g]
        extra = free_bits
        while True:  # all subsets of the free bits
            p = <int64_t>words[g] | extra
            n_out = d - count_bits(<uint64_t>p)
            lost[p] += total[g] * loss[n_in * side + n_out]
            given = total[g] * gain[n_in * side + n_out]
            word = words[g]
            while word:
                table[lowest_bit(word) * size + p] += given
                word &= word - 1
            if extra == 0:
                break
            extra = (extra - 1) & free_bits
    for j in range(d):
        for p in range(size):
            if not p >> j & 1:
                table[j * size + p] = lost[p]


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
    uint16_t* leaf_pattern,
    double* out,
) noexcept nogil:
    """Add a leaf's table to its group's: from patterns of the group to patterns of the leaf.

    ``bit[node - first]`` is the pattern bit of an inner node of the group.
    """
    cdef int64_t k = paths.distinct[root]
    cdef int64_t d = paths.distinct[leaf]
    cdef int64_t size = <int64_t>1 << n_bits
    cdef uint16_t path_mask = <uint16_t>((<int64_t>1 << k) - 1)
    cdef uint16_t fresh = <uint16_t>(((<int64_t>1 << d) - 1) & ~path_mask)
    cdef uint16_t slot_bit
    cdef int64_t column[64]
    cdef int64_t node = leaf
    cdef int64_t j, c, pattern, up, feature, shift
    cdef bint is_left
    for j in range(k):
        column[j] = j
    for pattern in range(size):
        leaf_pattern[pattern] = (<uint16_t>pattern & path_mask) | fresh
    while node != root:
        up = paths.parent[node]
        shift = bit[up]
        is_left = nodes.left[up] == node
        slot_bit = <uint16_t>1 << paths.slot[node]
        for pattern in range(size):
            if (pattern >> shift & 1) != is_left:
                leaf_pattern[pattern] &= ~slot_bit
        if paths.previous[node] == -1:
            feature = paths.player[node]
            for c in range(k, n_columns):
                if columns[c] == feature:
                    column[paths.slot[node]] = c
        node = up
    for c in range(nodes.width):
        for j in range(d):
            add_scaled(
                leaf_table + (j << d), leaf_pattern, nodes.values[leaf * nodes.width + c],
                out + (column[j] * nodes.width + c) * size, size,
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
    const double[::1] total,
    const double[:, ::1] gain,
    const double[:, ::1] loss,
    int64_t[::1] group_offsets,
    int64_t[::1] group_columns,
    int64_t[::1] columns,
    double[::1] table,
):
    """Build the tables of one tree's groups, in the order of the walk.

    Groups are the topmost nodes with at most ``max_bits`` bits. With ``points`` the tables are
    path-dependent, else those of the background sets ``start, words, total`` (see patterns.pyx).

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
    cdef int64_t most = 1
    cdef double* scratch = NULL
    cdef double* leaf_table
    cdef double* group_table
    cdef int64_t* group_features
    cdef int64_t* features
    cdef int64_t size
    cdef int64_t* bit = NULL
    cdef uint16_t* leaf_pattern = NULL
    cdef double shares[64]
    cdef bint by_cover = points.shape[0] > 0
    for i in range(first, last):
        most = max(most, distinct[order[i]])
    scratch = <double*>malloc(((most + 1) << most) * sizeof(double))
    bit = <int64_t*>malloc((last - first) * sizeof(int64_t))
    leaf_pattern = <uint16_t*>malloc((<int64_t>1 << max_bits) * sizeof(uint16_t))
    if scratch == NULL or bit == NULL or leaf_pattern == NULL:
        free(scratch)
        free(bit)
        free(leaf_pattern)
        raise MemoryError("no memory for the tables of one tree")
    leaf_table = scratch + (<int64_t>1 << most)
    # Trees of a single leaf have neither columns nor entries.
    group_table = &table[0] if table.shape[0] else NULL
    group_features = &columns[0] if columns.shape[0] else NULL
    with nogil:
        i = first
        while i < last:
            root = order[i]
            if bits[root] > max_bits:
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
                        &words[start[leaf_number], 0], &total[start[leaf_number]],
                        start[leaf_number + 1] - start[leaf_number], d, &gain[0, 0], &loss[0, 0],
                        gain.shape[1], scratch, leaf_table,
                    )
                leaf_number += 1
                add_leaf(
                    nodes, paths, leaf, root, leaf_table, bit - first, n_bits,
                    group_features + first_column, n_columns - first_column, leaf_pattern,
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
        free(leaf_pattern)


cdef void decide(
    const Nodes* nodes,
    int64_t node,
    const double* columns,
    int64_t stride,
    int64_t n,
    uint16_t* out,
) noexcept nogil:
    cdef const double* x = columns + nodes.feature[node] * stride
    cdef int64_t i
    cdef double threshold = nodes.threshold[node]
    if nodes.flags[node] & (CATEGORICAL | ZERO_IS_MISSING) or threshold != threshold:
        for i in range(n):
            out[i] = goes_left(nodes, node, x[i])
    else:
        compare_rows(x, threshold, nodes.flags[node] & DEFAULT_LEFT, out, n)


def explain(
    Forest forest,
    const int64_t[::1] trees,
    const double[:, ::1] columns,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    const int64_t[::1] max_bits,
    int64_t n_levels,
    const int64_t[::1] first_group,
    const int64_t[::1] group_offsets,
    const int64_t[::1] group_columns,
    const int64_t[::1] column_features,
    const double[::1] table,
    int64_t n_rows_at_once,
    double[:, :, ::1] out,
):
    """Add the values of some trees to ``out`` (rows by features by outputs).

    ``first_group[i]`` numbers the first group of ``trees[i]``; ``max_bits`` is by tree.
    """
    cdef const int64_t* order = paths.order
    cdef const int64_t* parent = paths.parent
    cdef const int64_t* previous = paths.previous
    cdef const int64_t* slot = paths.slot
    cdef const int64_t* depth = paths.depth
    cdef const int64_t* distinct = paths.distinct
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t n_features = out.shape[1]
    cdef int64_t n_outputs = out.shape[2]
    cdef int64_t stride = columns.shape[1]
    cdef int64_t first, n, t, tree, i, last, node, up, level, group, c, k, j, feature, inner, w
    cdef int64_t most = min(n_rows_at_once, n_rows)
    cdef uint16_t* pattern
    cdef uint16_t* left
    cdef uint16_t* here
    cdef uint16_t* above
    cdef uint16_t* work
    cdef uint16_t* outcome
    cdef double* sums
    cdef double* target
    cdef const double* data
    if not n_rows or not n_features or not trees.shape[0]:
        return
    pattern = <uint16_t*>calloc((2 * n_levels + 3) * most, sizeof(uint16_t))
    sums = <double*>malloc(n_features * n_outputs * most * sizeof(double))
    if pattern == NULL or sums == NULL:
        free(pattern)
        free(sums)
        raise MemoryError("no memory for the sums of one block of rows")
    with nogil:
        left = pattern + n_levels * most
        work = left + n_levels * most
        outcome = work + 2 * most
        first = 0
        while first < n_rows:
            n = min(most, n_rows - first)
            data = &columns[0, first]
            for i in range(n):
                target = &out[first + i, 0, 0]
                for k in range(n_outputs):
                    for feature in range(n_features):
                        sums[(k * n_features + feature) * most + i] = target[
                            feature * n_outputs + k
                        ]
            for t in range(trees.shape[0]):
                tree = trees[t]
                group = first_group[t]
                i = nodes.tree_offsets[tree]
                last = nodes.tree_offsets[tree + 1]
                while i < last:
                    node = order[i]
                    level = depth[node]
                    here = pattern + level * most
                    if level:
                        up = parent[node]
                        above = here - most
                        if previous[node] == -1:
                            add_bit(
                                above, left + (level - 1) * most, nodes.left[up] == node,
                                <int>slot[node], here, n,
                            )
                        else:
                            clear_bit(
                                above, left + (level - 1) * most, nodes.left[up] == node,
                                <int>slot[node], here, n,
                            )
                    if bits[node] > max_bits[tree]:
                        decide(nodes, node, data, stride, n, left + level * most)
                        i += 1
                        continue
                    inner = distinct[node]
                    for j in range(i, i + subtree[node]):
                        up = order[j]
                        if nodes.feature[up] == LEAF:
                            continue
                        decide(nodes, up, data, stride, n, outcome)
                        above = work + (inner & 1) * most
                        add_bit(here, outcome, 1, <int>inner, above, n)
                        here = above
                        inner += 1
                    for c in range(group_columns[group], group_columns[group + 1]):
                        feature = column_features[c]
                        for w in range(nodes.width):
                            k = (nodes.tree_outputs[tree] + w) * n_features + feature
                            j = (c - group_columns[group]) * nodes.width + w
                            look_up(
                                &table[group_offsets[group] + (j << bits[node])], here,
                                sums + k * most, n,
                            )
                    group += 1
                    i += subtree[node]
            for i in range(n):
                target = &out[first + i, 0, 0]
                for k in range(n_outputs):
                    for feature in range(n_features):
                        target[feature * n_outputs + k] = sums[
                            (k * n_features + feature) * most + i
                        ]
            first += n
        free(pattern)
        free(sums)
