"""Path-dependent values by quadrature along the diagonal of each leaf's multilinear extension.

A leaf of value w whose path tests features j with cover share z_j, passed (o_j = 1) or failed
(o_j = 0) by the row, is the game w prod_{j in S} o_j prod_{j not in S} z_j, and

    phi_i = w (o_i - z_i) Int_0^1 prod_{j != i} (z_j (1 - t) + o_j t) dt,

a polynomial in t that Gauss-Legendre integrates exactly. The products run down the tree, their
sums over leaves run up, and each edge adds its feature's share; a second test of a feature
replaces the first one's factor and takes its leaves out of the first one's share. Rows lie side
by side in the innermost loops. No factor is ever divided by that could vanish: a failed feature's
share is S/(1 - t) whatever its z, and a passed one's factor is at least t.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc

from .forest cimport CATEGORICAL, DEFAULT_LEFT, LEAF, ZERO_IS_MISSING, Forest, Nodes, goes_left
from .paths cimport Paths


cdef struct Walk:
    const Nodes* nodes
    const int64_t* order
    const int64_t* parent
    const int64_t* previous
    const int64_t* depth
    const int64_t* player
    const double* ratio
    const double* share        # z of the feature of the incoming edge, over the whole path
    const double* columns
    int64_t stride             # rows in a column
    int64_t n_features
    int64_t n_outputs
    # quadrature of this tree
    int64_t n_points
    const double* points
    const double* weights
    # scratch: a level holds n_points x n_rows products or sums, or n_rows of the rest
    int64_t n_rows
    double* product
    double* total
    double* passed
    double* left
    double* own
    double* other
    double* failed


cdef void decide(Walk* walk, int64_t node, int64_t level, int64_t first) noexcept nogil:
    """Write 1 for rows that go left at an inner node, else 0."""
    cdef const Nodes* nodes = walk.nodes
    cdef const double* x = walk.columns + nodes.feature[node] * walk.stride + first
    cdef double* left = walk.left + level * walk.n_rows
    cdef double threshold = nodes.threshold[node]
    cdef uint8_t flags = nodes.flags[node]
    cdef double missing = 1.0 if flags & DEFAULT_LEFT else 0.0
    cdef int64_t w
    if flags & (CATEGORICAL | ZERO_IS_MISSING):
        for w in range(walk.n_rows):
            left[w] = 1.0 if goes_left(nodes, node, x[w]) else 0.0
    else:
        for w in range(walk.n_rows):
            left[w] = 1.0 if x[w] <= threshold else (missing if x[w] != x[w] else 0.0)


cdef void descend(Walk* walk, int64_t node, int64_t level) noexcept nogil:
    """Multiply the products of the level above by the factor of the edge into ``node``."""
    cdef int64_t n = walk.n_rows
    cdef const double* left = walk.left + (level - 1) * n
    cdef const double* above = walk.product + (level - 1) * walk.n_points * n
    cdef double* here = walk.product + level * walk.n_points * n
    cdef double* passed = walk.passed + level * n
    cdef int64_t before = walk.previous[node]
    cdef bint is_left = walk.nodes.left[walk.parent[node]] == node
    cdef double z = walk.share[node]
    cdef const double* passed_before
    cdef double t, absent, present, ratio, absent_before
    cdef int64_t w, q
    for w in range(n):
        passed[w] = left[w] if is_left else 1.0 - left[w]
    if before == -1:
        for q in range(walk.n_points):
            t = walk.points[q]
            absent = z * (1.0 - t)
            for w in range(n):
                here[q * n + w] = above[q * n + w] * (absent + passed[w] * t)
        return
    passed_before = walk.passed + walk.depth[before] * n
    ratio = walk.ratio[node]
    for w in range(n):
        passed[w] = passed[w] * passed_before[w]
    for q in range(walk.n_points):
        t = walk.points[q]
        absent_before = walk.share[before] * (1.0 - t) + t
        present = (z * (1.0 - t) + t) / absent_before
        absent = z * (1.0 - t) / absent_before
        for w in range(n):
            here[q * n + w] = above[q * n + w] * (
                passed[w] * present
                + (passed_before[w] - passed[w]) * absent
                + (1.0 - passed_before[w]) * ratio
            )


cdef void integrate(Walk* walk, const double* total, double z, double* out) noexcept nogil:
    """The share of a passed feature: (1 - z) Int S / (z (1 - t) + t) dt."""
    cdef int64_t n = walk.n_rows
    cdef double t, weight
    cdef int64_t w, q
    for w in range(n):
        out[w] = 0.0
    for q in range(walk.n_points):
        t = walk.points[q]
        weight = walk.weights[q] * (1.0 - z) / (z * (1.0 - t) + t)
        for w in range(n):
            out[w] += weight * total[q * n + w]


cdef void ascend(Walk* walk, int64_t node, int64_t level, double* out) noexcept nogil:
    """Add what the edge into ``node`` gives to its feature; the rows of ``out`` are apart."""
    cdef int64_t n = walk.n_rows
    cdef const double* total = walk.total + level * walk.n_points * n
    cdef const double* passed = walk.passed + level * n
    cdef const double* passed_before
    cdef double* own = walk.own
    cdef double* other = walk.other
    cdef double* failed = walk.failed
    cdef int64_t before = walk.previous[node]
    cdef int64_t stride = walk.n_features * walk.n_outputs
    cdef double* target = out + walk.player[node] * walk.n_outputs
    cdef double weight
    cdef int64_t w, q
    for w in range(n):
        failed[w] = 0.0
    for q in range(walk.n_points):
        weight = walk.weights[q] / (1.0 - walk.points[q])
        for w in range(n):
            failed[w] += weight * total[q * n + w]
    integrate(walk, total, walk.share[node], own)
    if before == -1:
        for w in range(n):
            target[w * stride] += passed[w] * own[w] - (1.0 - passed[w]) * failed[w]
        return
    integrate(walk, total, walk.share[before], other)
    passed_before = walk.passed + walk.depth[before] * n
    for w in range(n):
        target[w * stride] += (
            passed[w] * own[w]
            - passed_before[w] * other[w]
            + (passed[w] - passed_before[w]) * failed[w]
        )


cdef void explain(
    Walk* walk, int64_t tree, int64_t column, int64_t first, double* out
) noexcept nogil:
    cdef const Nodes* nodes = walk.nodes
    cdef int64_t i, w, node, level
    cdef int64_t size = walk.n_points * walk.n_rows
    cdef double value
    cdef double* here
    cdef double* above
    for w in range(size):
        walk.product[w] = 1.0
    for i in range(nodes.tree_offsets[tree], nodes.tree_offsets[tree + 1]):
        node = walk.order[i]
        level = walk.depth[node]
        if level:
            descend(walk, node, level)
        if nodes.feature[node] != LEAF:
            decide(walk, node, level, first)
            continue
        value = nodes.values[node * nodes.width + column]
        here = walk.total + level * size
        for w in range(size):
            here[w] = value * walk.product[level * size + w]
        while level:
            ascend(walk, node, level, out)
            here = walk.total + level * size
            above = here - size
            if nodes.left[walk.parent[node]] == node:
                for w in range(size):
                    above[w] = here[w]
                break
            for w in range(size):
                above[w] += here[w]
            node = walk.parent[node]
            level -= 1


def path_dependent(
    Forest forest,
    const int64_t[::1] trees,
    const double[:, ::1] columns,
    Paths paths,
    const double[::1] ratio,
    const double[::1] share,
    const int64_t[::1] rule,
    const int64_t[::1] rule_offsets,
    const double[::1] points,
    const double[::1] weights,
    const int64_t[::1] tree_depth,
    int64_t n_rows_at_once,
    double[:, :, ::1] out,
):
    """Add the values of some trees to ``out`` (rows by features by outputs).

    ``rule[tree]`` numbers the quadrature rule of each tree, points and weights
    ``rule_offsets[rule] .. rule_offsets[rule + 1]``.
    """
    cdef const int64_t* order = paths.order
    cdef const int64_t* parent = paths.parent
    cdef const int64_t* previous = paths.previous
    cdef const int64_t* depth = paths.depth
    cdef Walk walk
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t t, tree, first, levels, most, column, n
    cdef double* scratch
    if not forest.n_nodes or not n_rows or not out.shape[1]:
        return
    walk.nodes = &forest.nodes
    walk.order = order
    walk.parent = parent
    walk.previous = previous
    walk.depth = depth
    walk.player = paths.player
    walk.ratio = &ratio[0]
    walk.share = &share[0]
    walk.columns = &columns[0, 0]
    walk.stride = n_rows
    walk.n_features = out.shape[1]
    walk.n_outputs = out.shape[2]
    most = 1
    for t in range(trees.shape[0]):
        tree = trees[t]
        n = rule_offsets[rule[tree] + 1] - rule_offsets[rule[tree]]
        most = max(most, (tree_depth[tree] + 1) * (2 * n + 2))
    n = min(n_rows_at_once, n_rows)
    scratch = <double*>malloc((most + 3) * n * sizeof(double))
    if scratch == NULL:
        raise MemoryError("no memory for the scratch of one block of rows")
    with nogil:
        walk.own = scratch
        walk.other = scratch + n
        walk.failed = scratch + 2 * n
        first = 0
        while first < n_rows:
            walk.n_rows = min(n, n_rows - first)
            for t in range(trees.shape[0]):
                tree = trees[t]
                levels = tree_depth[tree] + 1
                walk.points = &points[rule_offsets[rule[tree]]]
                walk.weights = &weights[rule_offsets[rule[tree]]]
                walk.n_points = rule_offsets[rule[tree] + 1] - rule_offsets[rule[tree]]
                walk.passed = scratch + 3 * n
                walk.left = walk.passed + levels * walk.n_rows
                walk.product = walk.left + levels * walk.n_rows
                walk.total = walk.product + levels * walk.n_points * walk.n_rows
                for column in range(walk.nodes.width):
                    explain(
                        &walk, tree, column, first,
                        &out[first, 0, walk.nodes.tree_outputs[tree] + column],
                    )
            first += n
        free(scratch)
