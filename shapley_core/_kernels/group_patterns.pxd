"""Patterns of rows at the groups of a tree: the one way in which both games find them.

Bits below ``distinct[root]`` of a pattern are the features passed on the path to the group's node,
by slot; those above are the tests below it, in the order of the walk, set where the row goes left.
"""

from libc.stdint cimport int64_t, uint16_t
from libc.string cimport memset

from .forest cimport CATEGORICAL, DEFAULT_LEFT, LEAF, ZERO_IS_MISSING, Nodes, goes_left
from .paths cimport Paths


cdef extern from "compare.h" nogil:
    void compare_rows(const double*, double, int, uint16_t*, int64_t)
    void compare_into_bit(const double*, double, int, int, uint16_t*, int64_t)
    void add_bit(const uint16_t*, const uint16_t*, uint16_t, int, uint16_t*, int64_t)
    void clear_bit(const uint16_t*, const uint16_t*, uint16_t, int, uint16_t*, int64_t)


# For so few rows the inner loops cost more to enter than to run.
cdef enum:
    FEW = 4


cdef inline bint is_plain(const Nodes* nodes, int64_t node) noexcept nogil:
    """Whether the node compares with a threshold and does nothing else."""
    return not nodes.flags[node] & (CATEGORICAL | ZERO_IS_MISSING) and (
        nodes.threshold[node] == nodes.threshold[node]
    )


cdef inline void decide(
    const Nodes* nodes, int64_t node, const double* x, uint16_t* out, int64_t n
) noexcept nogil:
    """Write 1 for the rows that go left."""
    cdef int64_t i
    if n > FEW and is_plain(nodes, node):
        compare_rows(x, nodes.threshold[node], nodes.flags[node] & DEFAULT_LEFT, out, n)
    else:
        for i in range(n):
            out[i] = goes_left(nodes, node, x[i])


cdef inline void decide_into_bit(
    const Nodes* nodes, int64_t node, const double* x, int64_t bit, uint16_t* out, int64_t n
) noexcept nogil:
    """Set a bit of the rows that go left."""
    cdef int64_t i
    if n > FEW and is_plain(nodes, node):
        compare_into_bit(
            x, nodes.threshold[node], nodes.flags[node] & DEFAULT_LEFT, <int>bit, out, n
        )
    else:
        for i in range(n):
            out[i] |= <uint16_t>(<uint16_t>goes_left(nodes, node, x[i]) << bit)


cdef inline void follow_edge(
    const uint16_t* above,
    const uint16_t* left,
    bint is_left,
    bint again,
    int slot,
    uint16_t* out,
    int64_t n,
) noexcept nogil:
    """Add what an edge tells of the rows to their patterns: whether they pass its player's test."""
    cdef int64_t i
    cdef uint16_t bit = <uint16_t>(<uint16_t>1 << slot)
    if n > FEW:
        if again:
            clear_bit(above, left, is_left, slot, out, n)
        else:
            add_bit(above, left, is_left, slot, out, n)
        return
    for i in range(n):
        out[i] = above[i]
        if left[i] != is_left:
            out[i] &= ~bit
        elif not again:
            out[i] |= bit


cdef inline void find_patterns(
    const Nodes* nodes,
    Paths paths,
    const int64_t* subtree,
    const int64_t* bits,
    int64_t max_bits,
    int64_t tree,
    const double* data,
    int64_t stride,
    int64_t n,
    int64_t most,
    uint16_t* scratch,
    uint16_t* out,
) noexcept nogil:
    """Write the patterns of n rows: group after group, each of ``most`` places.

    ``data`` holds features ``stride`` apart; ``scratch`` two levels of ``most`` for each level of
    the tree.
    """
    cdef int64_t i = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t j, node, up, inner
    cdef uint16_t* here
    cdef uint16_t* above
    while i < last:
        node = paths.order[i]
        here = scratch + 2 * paths.depth[node] * most
        above = here - 2 * most
        if bits[node] <= max_bits:
            here = out
        if paths.parent[node] == -1:
            memset(here, 0, n * sizeof(uint16_t))
        else:
            follow_edge(
                above, above + most, nodes.left[paths.parent[node]] == node,
                paths.previous[node] != -1, <int>paths.slot[node], here, n,
            )
        if bits[node] > max_bits:
            decide(nodes, node, data + nodes.feature[node] * stride, here + most, n)
            i += 1
            continue
        inner = paths.distinct[node]
        for j in range(i, i + subtree[node]):
            up = paths.order[j]
            if nodes.feature[up] == LEAF:
                continue
            decide_into_bit(nodes, up, data + nodes.feature[up] * stride, inner, out, n)
            inner += 1
        out += most
        i += subtree[node]


cdef inline void runs_at_leaf(
    const Nodes* nodes,
    Paths paths,
    int64_t leaf,
    int64_t root,
    const int64_t* bit,
    int64_t n_bits,
    uint16_t* start,
    uint16_t* keep,
) noexcept nogil:
    """For the patterns of a group, find which features of a leaf's path they pass, by slot.

    Run u are the patterns with the outcomes u of the group's tests, whatever is passed on the path
    to the group: of the leaf's own features they pass those in ``start[u]``, of the path's those of
    the pattern that are in ``keep[u]``. ``bit[node]`` is the pattern bit of an inner node.
    """
    cdef int64_t k = paths.distinct[root]
    cdef int64_t n_runs = <int64_t>1 << (n_bits - k)
    cdef uint16_t path_mask = <uint16_t>((<int64_t>1 << k) - 1)
    cdef uint16_t fresh = <uint16_t>(((<int64_t>1 << paths.distinct[leaf]) - 1) & ~path_mask)
    cdef uint16_t slot_bit
    cdef int64_t node = leaf
    cdef int64_t u, up, shift
    cdef bint is_left
    for u in range(n_runs):
        start[u] = path_mask | fresh
    while node != root:
        up = paths.parent[node]
        shift = bit[up] - k
        is_left = nodes.left[up] == node
        slot_bit = <uint16_t>1 << paths.slot[node]
        for u in range(n_runs):
            if (u >> shift & 1) != is_left:
                start[u] &= ~slot_bit
        node = up
    for u in range(n_runs):
        keep[u] = start[u] & path_mask
        start[u] &= fresh
