"""Path-dependent values of a few rows: the entries of pattern_tables.pyx that the rows need.

No table is built. Each entry is summed in the order in which the tables sum it, so both ways give
the same bits and the number of rows of a call cannot be told from its values.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from .forest cimport LEAF, Forest, Nodes, goes_left
from .paths cimport Paths, place_of


cdef extern from "lanes.h" nogil:
    void multiply_factor(const double*, const double*, double, double, double*, int64_t)
    void add_share(const double*, const double*, double, double, double*, int64_t)
    void add_times(const double*, double, double*, int64_t)


cdef struct Lanes:
    # A few rows side by side on their way down one tree; levels hold n_rows numbers, or n_points
    # times as many products. The path's node at each level, and how many repeats are above.
    const Nodes* nodes
    int64_t n_rows
    int64_t n_points
    const double* point
    const double* weight
    double* left
    double* passed
    double* prefix
    double* product
    double* entry
    double* group
    int64_t* path
    int64_t* repeats


cdef void decide_lanes(Lanes* lanes, int64_t node, int64_t level, const double* x) noexcept nogil:
    cdef double* left = lanes.left + level * lanes.n_rows
    cdef int64_t i
    for i in range(lanes.n_rows):
        left[i] = 1.0 if goes_left(lanes.nodes, node, x[i]) else 0.0


cdef void descend_lanes(
    Lanes* lanes, int64_t node, int64_t level, bint is_left, int64_t before, double z
) noexcept nogil:
    """Follow the edge into ``node``; ``before`` is the level of the feature's last test, or 0."""
    cdef int64_t n = lanes.n_rows
    cdef const double* left = lanes.left + (level - 1) * n
    cdef double* passed = lanes.passed + level * n
    cdef int64_t i, q
    for i in range(n):
        passed[i] = left[i] if is_left else 1.0 - left[i]
    lanes.path[level] = node
    lanes.repeats[level] = lanes.repeats[level - 1]
    if before:
        lanes.repeats[level] += 1
        for i in range(n):
            passed[i] *= lanes.passed[before * n + i]
    for q in range(lanes.n_points):
        multiply_factor(
            lanes.prefix + ((level - 1) * lanes.n_points + q) * n, passed,
            z * (1.0 - lanes.point[q]), lanes.point[q],
            lanes.prefix + (level * lanes.n_points + q) * n, n,
        )


cdef void enter_leaf(
    Lanes* lanes,
    int64_t level,
    int64_t d,
    const int64_t* slot,
    const double* z,
    const double* coefficient,
    int64_t* at,
) noexcept nogil:
    """Write the entries of a leaf's table for value 1; ``at[slot]`` is its lowest edge's level."""
    cdef int64_t n = lanes.n_rows
    cdef int64_t i, j, q
    cdef double* product
    cdef double t
    for j in range(1, level + 1):
        at[slot[lanes.path[j]]] = j
    memset(lanes.entry, 0, d * n * sizeof(double))
    for q in range(lanes.n_points):
        t = lanes.point[q]
        product = lanes.prefix + (level * lanes.n_points + q) * n
        if lanes.repeats[level]:
            # The products down the path hold the factors that a repeated test replaced.
            product = lanes.product
            for i in range(n):
                product[i] = lanes.weight[q]
            for j in range(d):
                multiply_factor(
                    product, lanes.passed + at[j] * n, z[lanes.path[at[j]]] * (1.0 - t), t,
                    lanes.product + n, n,
                )
                memcpy(product, lanes.product + n, n * sizeof(double))
        for j in range(d):
            add_share(
                product, lanes.passed + at[j] * n,
                coefficient[lanes.path[at[j]] * lanes.n_points + q], -1.0 / (1.0 - t),
                lanes.entry + j * n, n,
            )


def explain(
    Forest forest,
    const int64_t[::1] trees,
    const double[:, ::1] columns,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    const int64_t[::1] max_bits,
    const double[::1] share,
    const int64_t[::1] rule,
    const int64_t[::1] rule_offsets,
    const double[::1] points,
    const double[::1] weights,
    const int64_t[::1] passed_offsets,
    const double[::1] passed_shares,
    double[:, :, ::1] out,
):
    """Add the path-dependent values of a few rows, by the one table entry each group needs.

    Bit for bit what the look-up adds.
    ``passed_shares[passed_offsets[tree] + (node - first) * n_points + q]`` is the share of a passed
    feature, (1 - z) / (z (1 - t) + t).
    """
    cdef const int64_t* order = paths.order
    cdef const int64_t* parent = paths.parent
    cdef const int64_t* previous = paths.previous
    cdef const int64_t* slot = paths.slot
    cdef const int64_t* depth = paths.depth
    cdef const int64_t* distinct = paths.distinct
    cdef const Nodes* nodes = &forest.nodes
    cdef Lanes lanes
    cdef int64_t n = out.shape[0]
    cdef int64_t t, tree, i, j, c, k, node, up, level, last, end, d, n_columns, row, output
    cdef int64_t n_levels = 1, most_points = 1
    cdef int64_t features[64]
    cdef int64_t at[64]
    cdef double* scratch
    cdef int64_t* numbers
    cdef const double* coefficient
    if not n or not out.shape[1] or not trees.shape[0]:
        return
    for t in range(trees.shape[0]):
        tree = trees[t]
        most_points = max(most_points, rule_offsets[rule[tree] + 1] - rule_offsets[rule[tree]])
        for i in range(nodes.tree_offsets[tree], nodes.tree_offsets[tree + 1]):
            n_levels = max(n_levels, depth[i] + 1)
    scratch = <double*>calloc(
        n * (n_levels * (most_points + 2) + 66 + 64 * nodes.width), sizeof(double)
    )
    numbers = <int64_t*>calloc(2 * n_levels, sizeof(int64_t))
    if scratch == NULL or numbers == NULL:
        free(scratch)
        free(numbers)
        raise MemoryError("no memory for the patterns of a few rows")
    lanes.nodes = nodes
    lanes.n_rows = n
    lanes.left = scratch
    lanes.passed = lanes.left + n_levels * n
    lanes.prefix = lanes.passed + n_levels * n
    lanes.product = lanes.prefix + n_levels * most_points * n
    lanes.entry = lanes.product + 2 * n
    lanes.group = lanes.entry + 64 * n
    lanes.path = numbers
    lanes.repeats = numbers + n_levels
    with nogil:
        for t in range(trees.shape[0]):
            tree = trees[t]
            output = nodes.tree_outputs[tree]
            last = nodes.tree_offsets[tree + 1]
            lanes.n_points = rule_offsets[rule[tree] + 1] - rule_offsets[rule[tree]]
            lanes.point = &points[rule_offsets[rule[tree]]]
            lanes.weight = &weights[rule_offsets[rule[tree]]]
            # Counted from the tree's first node.
            coefficient = &passed_shares[0] + (
                passed_offsets[tree] - nodes.tree_offsets[tree] * lanes.n_points
            )
            for k in range(lanes.n_points):
                for row in range(n):
                    lanes.prefix[k * n + row] = lanes.weight[k]
            end = 0
            n_columns = 0
            for i in range(nodes.tree_offsets[tree], last):
                node = order[i]
                level = depth[node]
                if level:
                    descend_lanes(
                        &lanes, node, level, nodes.left[parent[node]] == node,
                        depth[previous[node]] if previous[node] != -1 else 0, share[node],
                    )
                if i >= end and bits[node] <= max_bits[tree]:
                    end = i + subtree[node]
                    n_columns = 0
                if nodes.feature[node] != LEAF:
                    decide_lanes(&lanes, node, level, &columns[nodes.feature[node], 0])
                    continue
                d = distinct[node]
                enter_leaf(&lanes, level, d, slot, &share[0], coefficient, at)
                for j in range(d):
                    up = paths.player[lanes.path[at[j]]]
                    # Most leaves meet the path's features in the order of the slots.
                    c = j
                    if c >= n_columns or features[c] != up:
                        c = place_of(features, n_columns, up)
                    if c == n_columns:
                        features[c] = up
                        memset(
                            lanes.group + c * nodes.width * n, 0, nodes.width * n * sizeof(double)
                        )
                        n_columns += 1
                    for k in range(nodes.width):
                        add_times(
                            lanes.entry + j * n, nodes.values[node * nodes.width + k],
                            lanes.group + (c * nodes.width + k) * n, n,
                        )
                if i + 1 == end:
                    for c in range(n_columns):
                        for k in range(nodes.width):
                            for row in range(n):
                                out[row, features[c], output + k] += lanes.group[
                                    (c * nodes.width + k) * n + row
                                ]
        free(scratch)
        free(numbers)
