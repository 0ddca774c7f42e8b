"""The look-up of pattern_tables.pyx for a few rows, made so that a row touches little memory.

Many rows want a tree's tables column by column, in the cache while they all pass. A single row
wants one entry of each column, each from a cache line of its own, and reads the description of the
trees once. So here the tests of a tree stand side by side, and so do all columns of one pattern.
Sums are added in the same order, bit for bit what the other look-ups add.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from .forest cimport DEFAULT_LEFT, LEAF, Forest, Nodes, goes_left
from .group_patterns cimport is_plain
from .paths cimport Paths


cdef extern from "vectors.h" nogil:
    void fetch_all(const void*, int64_t)

# How a test is decided: missing values right, missing values left, or as the forest says.
cdef enum:
    RIGHT = 0
    LEFT = 1
    ASK = 2


def lay_out(
    Forest forest,
    const int64_t[::1] trees,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    const int64_t[::1] max_bits,
    int32_t[::1] first_test,
    int32_t[::1] first_group,
    int32_t[::1] test_feature,
    double[::1] test_threshold,
    uint8_t[::1] test_kind,
    int64_t[::1] test_node,
    int32_t[:, ::1] groups,
    int32_t[::1] edge_test,
    int32_t[::1] edge_bit,
):
    """List the tests and the groups of some trees, in the order of the walk.

    first_test, first_group : where each tree's begin, and the end
    test_feature, test_threshold, test_kind, test_node : one for each inner node
    groups    : of each group the first test below it, their number, the number of features on the
                path to it, and where its edges begin; beyond the last group their end
    edge_test : twice the number of the edge's test in its tree, plus 1 if it leads left
    edge_bit  : bit of the edge's player in the pattern
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t t, tree, i, j, node, up, last, most = 0
    cdef int32_t test = 0, group = 0, edge = 0, start
    cdef int32_t* number
    for t in range(trees.shape[0]):
        tree = trees[t]
        most = max(most, nodes.tree_offsets[tree + 1] - nodes.tree_offsets[tree])
    number = <int32_t*>malloc(max(<int64_t>1, most) * sizeof(int32_t))
    if number == NULL:
        raise MemoryError("no memory for the tests of one tree")
    with nogil:
        for t in range(trees.shape[0]):
            tree = trees[t]
            start = test
            first_test[t] = test
            first_group[t] = group
            i = nodes.tree_offsets[tree]
            last = nodes.tree_offsets[tree + 1]
            while i < last:
                node = paths.order[i]
                j = i + 1
                if bits[node] <= max_bits[tree]:
                    j = i + subtree[node]
                    groups[group, 0] = test - start
                    groups[group, 2] = <int32_t>paths.distinct[node]
                    groups[group, 3] = edge
                    up = node
                    while paths.parent[up] != -1:
                        edge_bit[edge] = <int32_t>1 << <int32_t>paths.slot[up]
                        edge_test[edge] = 2 * number[
                            paths.parent[up] - nodes.tree_offsets[tree]
                        ] + (nodes.left[paths.parent[up]] == up)
                        edge += 1
                        up = paths.parent[up]
                while i < j:
                    up = paths.order[i]
                    i += 1
                    if nodes.feature[up] == LEAF:
                        continue
                    number[up - nodes.tree_offsets[tree]] = test - start
                    test_feature[test] = nodes.feature[up]
                    test_threshold[test] = nodes.threshold[up]
                    test_node[test] = up
                    if not is_plain(nodes, up):
                        test_kind[test] = ASK
                    else:
                        test_kind[test] = LEFT if nodes.flags[up] & DEFAULT_LEFT else RIGHT
                    test += 1
                if bits[node] <= max_bits[tree]:
                    groups[group, 1] = test - start - groups[group, 0]
                    group += 1
        first_test[trees.shape[0]] = test
        first_group[trees.shape[0]] = group
        groups[group, 3] = edge
    free(number)


def turn(
    const double[::1] table,
    const int64_t[::1] offset,
    const int32_t[::1] first_column,
    const int64_t[::1] turned_offset,
    double[::1] out,
):
    """Turn the tables of groups from [column][pattern] to [pattern][column].

    ``offset`` and ``turned_offset`` say where each group's table begins, and the end.
    """
    cdef int64_t g, c, p, size, n_columns
    cdef const double* source
    cdef double* target
    with nogil:
        for g in range(turned_offset.shape[0] - 1):
            n_columns = first_column[g + 1] - first_column[g]
            if not n_columns:
                continue
            size = (turned_offset[g + 1] - turned_offset[g]) // n_columns
            source = &table[offset[g]]
            target = &out[turned_offset[g]]
            for p in range(size):
                for c in range(n_columns):
                    target[p * n_columns + c] = source[c * size + p]


cdef inline void decide(
    const Nodes* nodes,
    int64_t n_tests,
    const int32_t* feature,
    const double* threshold,
    const uint8_t* kind,
    const int64_t* node,
    const double* x,
    int64_t stride,
    uint8_t* left,
) noexcept nogil:
    """Write 1 for each test that sends a row left."""
    cdef int64_t i
    cdef double value
    for i in range(n_tests):
        value = x[feature[i] * stride]
        if kind[i] == ASK:
            left[i] = goes_left(nodes, node[i], value)
        else:
            left[i] = (value <= threshold[i]) | ((value != value) & kind[i])


def explain(
    Forest forest,
    const int32_t[::1] first_test,
    const int32_t[::1] first_group,
    const int32_t[::1] test_feature,
    const double[::1] test_threshold,
    const uint8_t[::1] test_kind,
    const int64_t[::1] test_node,
    const int32_t[:, ::1] groups,
    const int32_t[::1] edge_test,
    const int32_t[::1] edge_bit,
    const int32_t[::1] first_column,
    const int32_t[::1] target,
    const int64_t[::1] offset,
    const double[::1] table,
    const double[:, ::1] columns,
    double[:, :, ::1] out,
):
    """Add the values of some trees to ``out`` (rows by columns by outputs).

    Everything up to ``edge_bit`` as `lay_out` writes it, tables as `turn` writes them.

    first_column : where each group's columns begin in ``target``, and the end
    target       : column * outputs + output that each of them adds to
    offset       : where each group's table begins
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t n = out.shape[0]
    cdef int64_t n_trees = first_test.shape[0] - 1
    cdef int64_t t, row, g, i, k, first, last, start, n_columns, most_groups = 1, most_tests = 1
    cdef int64_t pattern
    cdef uint8_t* left
    cdef int64_t* places
    cdef int64_t* place
    cdef const double* entry
    cdef const int32_t* group
    cdef double* sums
    if not n or not target.shape[0]:
        return
    for t in range(n_trees):
        most_groups = max(most_groups, first_group[t + 1] - first_group[t])
        most_tests = max(most_tests, first_test[t + 1] - first_test[t])
    left = <uint8_t*>malloc(most_tests)
    places = <int64_t*>malloc(2 * n * most_groups * sizeof(int64_t))
    if left == NULL or places == NULL:
        free(left)
        free(places)
        raise MemoryError("no memory for the patterns of a few rows")
    with nogil:
        for t in range(n_trees + 1):
            # While the entries of one tree are on their way, find the patterns of the next.
            if t < n_trees:
                start = first_test[t]
                for row in range(n):
                    if first_test[t + 1] > start:
                        decide(
                            nodes, first_test[t + 1] - start, &test_feature[start],
                            &test_threshold[start], &test_kind[start], &test_node[start],
                            &columns[0, row], columns.shape[1], left,
                        )
                    place = places + ((t & 1) * n + row) * most_groups
                    for g in range(first_group[t], first_group[t + 1]):
                        group = &groups[g, 0]
                        pattern = (<int64_t>1 << group[2]) - 1
                        for i in range(groups[g, 3], groups[g + 1, 3]):
                            if left[edge_test[i] >> 1] != (edge_test[i] & 1):
                                pattern &= ~<int64_t>edge_bit[i]
                        for i in range(group[1]):
                            pattern |= <int64_t>left[group[0] + i] << (group[2] + i)
                        n_columns = first_column[g + 1] - first_column[g]
                        pattern = offset[g] + pattern * n_columns
                        place[g - first_group[t]] = pattern
                        if n_columns:
                            fetch_all(&table[pattern], n_columns * sizeof(double))
                            # Entries need not begin with a line.
                            fetch_all(&table[pattern + n_columns - 1], sizeof(double))
            if t:
                first = first_group[t - 1]
                last = first_group[t]
                for row in range(n):
                    sums = &out[row, 0, 0]
                    place = places + ((t - 1 & 1) * n + row) * most_groups
                    for g in range(first, last):
                        entry = &table[0] + place[g - first]
                        k = first_column[g]
                        n_columns = first_column[g + 1] - k
                        for i in range(n_columns):
                            sums[target[k + i]] += entry[i]
        free(left)
        free(places)
