"""Path-dependent values of single rows: as those of few_rows.pyx, faster for the fewest.

There rows are side by side in the vectors, here the slots of a path. Each entry is summed in the
same order, so both ways give the same bits. A row carries the product of its path's factors down
the tree, and the shares of the path's features by slot; at a leaf the shares of all slots are
multiplied at once.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from .forest cimport LEAF, Forest, Nodes, goes_left
from .paths cimport Paths, place_of


cdef extern from "slots.h" nogil:
    enum:
        MOST_SLOTS
        MOST_POINTS
        USUAL_SLOTS
        USUAL_POINTS
    ctypedef struct RowRule:
        double point[MOST_POINTS]
        double weight[MOST_POINTS]
        double loss[MOST_POINTS]
        int usual
    ctypedef struct CarriedRow:
        double* product
        double* before
        uint8_t* left
        uint8_t* passed
    void follow_rows(
        const RowRule*, double, int, int64_t, int64_t, int64_t, CarriedRow*, int64_t
    )
    void leave_rows(int64_t, int64_t, int, CarriedRow*, int64_t)
    void enter_leaves(
        const RowRule*, int64_t, int64_t, int, const int64_t*, const double*, int64_t,
        const CarriedRow*, int64_t, double*, int64_t,
    )


cdef enum:
    ROWS = 16     # go down a tree together: what they carry stays in the cache
    COLUMNS = 64  # at most so many has a group


cdef void set_rule(
    RowRule* rule,
    const double* points,
    const double* weights,
    int64_t n_points,
    int64_t most_slots,
) noexcept nogil:
    """Copy a quadrature, with points of weight 0 added to it."""
    cdef int64_t q
    rule.usual = n_points <= USUAL_POINTS and most_slots <= USUAL_SLOTS
    for q in range(MOST_POINTS):
        rule.point[q] = points[q] if q < n_points else 0.5
        rule.loss[q] = -1.0 / (1.0 - rule.point[q])
        rule.weight[q] = weights[q] if q < n_points else 0.0


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
    double[:, :, ::1] out,
):
    """Add the path-dependent values of a few rows, by the one table entry each group needs.

    Bit for bit what the look-up adds. Paths have at most 12 players.
    """
    cdef const int64_t* depth = paths.depth
    cdef const int64_t* distinct = paths.distinct
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t t, tree, i, n_levels = 1, most_slots = 0, most_points = 0, row, size
    cdef int64_t n_rows = out.shape[0]
    cdef CarriedRow* carried
    cdef double* scratch
    cdef uint8_t* ways
    cdef int64_t* numbers
    cdef RowRule one
    if not n_rows or not out.shape[1] or not trees.shape[0]:
        return
    for t in range(trees.shape[0]):
        tree = trees[t]
        most_points = max(most_points, rule_offsets[rule[tree] + 1] - rule_offsets[rule[tree]])
        for i in range(nodes.tree_offsets[tree], nodes.tree_offsets[tree + 1]):
            n_levels = max(n_levels, depth[i] + 1)
            most_slots = max(most_slots, distinct[i])
    if most_slots > MOST_SLOTS or most_points > MOST_POINTS:
        raise ValueError(f"a path has at most {MOST_SLOTS} players, not {most_slots}")
    size = 3 * n_levels * MOST_POINTS
    carried = <CarriedRow*>calloc(ROWS, sizeof(CarriedRow))
    scratch = <double*>calloc(ROWS * (size + COLUMNS * nodes.width), sizeof(double))
    ways = <uint8_t*>calloc(2 * ROWS * n_levels, 1)
    numbers = <int64_t*>calloc(2 * n_levels, sizeof(int64_t))
    if carried == NULL or scratch == NULL or ways == NULL or numbers == NULL:
        free(carried)
        free(scratch)
        free(ways)
        free(numbers)
        raise MemoryError("no memory for the patterns of a few rows")
    for row in range(ROWS):
        carried[row].product = scratch + row * size
        carried[row].before = carried[row].product + n_levels * MOST_POINTS
        carried[row].left = ways + 2 * row * n_levels
        carried[row].passed = carried[row].left + n_levels
    with nogil:
        for t in range(trees.shape[0]):
            tree = trees[t]
            i = rule_offsets[rule[tree]]
            set_rule(
                &one, &points[i], &weights[i], rule_offsets[rule[tree] + 1] - i, most_slots
            )
            row = 0
            while row < n_rows:
                add_tree(
                    nodes, paths, &subtree[0], &bits[0], max_bits[tree], tree, &share[0], &one,
                    &columns[0, row], columns.shape[1], min(<int64_t>ROWS, n_rows - row), carried,
                    numbers, numbers + n_levels, scratch + ROWS * size, &out[row, 0, 0],
                    out.shape[1], out.shape[2],
                )
                row += ROWS
        free(carried)
        free(scratch)
        free(ways)
        free(numbers)


cdef void add_tree(
    const Nodes* nodes,
    Paths paths,
    const int64_t* subtree,
    const int64_t* bits,
    int64_t max_bits,
    int64_t tree,
    const double* z,
    const RowRule* rule,
    const double* columns,
    int64_t stride,
    int64_t n,
    CarriedRow* carried,
    int64_t* path,
    int64_t* repeats,
    double* group,
    double* out,
    int64_t n_features,
    int64_t n_outputs,
) noexcept nogil:
    """Add the values of one tree to the sums of n rows.

    ``path`` and ``repeats`` are the node at each level of the path, and how many edges down to it
    test a player again; ``group`` holds the sums of a group, of each row those of its columns.
    """
    cdef const int64_t* previous = paths.previous
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t output = nodes.tree_outputs[tree]
    cdef int64_t width = nodes.width
    cdef int64_t i, j, c, k, d, node, level, row, before, end = 0, n_columns = 0, bottom = 0
    cdef int64_t features[COLUMNS]
    cdef int64_t at[MOST_SLOTS]
    cdef int64_t column[MOST_SLOTS]
    cdef double* sums
    cdef const double* x
    for row in range(n):
        for k in range(MOST_POINTS):
            carried[row].product[k] = rule.weight[k]
    path[0] = paths.order[first]
    repeats[0] = 0
    for i in range(first, nodes.tree_offsets[tree + 1]):
        node = paths.order[i]
        level = paths.depth[node]
        # The walk has left these edges: what they replaced holds again.
        while bottom >= level and repeats[bottom]:
            if previous[path[bottom]] != -1:
                leave_rows(bottom, paths.slot[path[bottom]], rule.usual, carried, n)
            bottom -= 1
        bottom = level
        if level:
            path[level] = node
            before = paths.depth[previous[node]] if previous[node] != -1 else 0
            repeats[level] = repeats[level - 1] + (before != 0)
            follow_rows(
                rule, z[node], nodes.left[path[level - 1]] == node, level, paths.slot[node], before,
                carried, n,
            )
        if i >= end and bits[node] <= max_bits:
            end = i + subtree[node]
            n_columns = 0
        if nodes.feature[node] != LEAF:
            x = columns + nodes.feature[node] * stride
            for row in range(n):
                carried[row].left[level] = goes_left(nodes, node, x[row])
            continue
        d = paths.distinct[node]
        for j in range(1, level + 1):
            at[paths.slot[path[j]]] = j
        for j in range(d):
            # Most leaves meet the path's features in the order of the slots.
            c = j
            k = paths.player[path[at[j]]]
            if c >= n_columns or features[c] != k:
                c = place_of(features, n_columns, k)
            if c == n_columns:
                features[c] = k
                n_columns += 1
                for row in range(n):
                    memset(group + (row * COLUMNS + c) * width, 0, width * sizeof(double))
            column[j] = c
        enter_leaves(
            rule, level, d, repeats[level] != 0, column, nodes.values + node * width, width,
            carried, n, group, COLUMNS * width,
        )
        if i + 1 == end:
            for row in range(n):
                sums = group + row * COLUMNS * width
                for c in range(n_columns):
                    for k in range(width):
                        out[(row * n_features + features[c]) * n_outputs + output + k] += (
                            sums[c * width + k]
                        )
