"""Patterns of groups at the leaves below them, and the decision of one test for many rows.

What the bits of a pattern are is said in group_tests.pyx.
"""

from libc.stdint cimport int64_t, uint16_t

from .forest cimport CATEGORICAL, DEFAULT_LEFT, LEAF, ZERO_IS_MISSING, Nodes, goes_left
from .paths cimport Paths


cdef extern from "compare.h" nogil:
    void compare_rows(const double*, double, int, uint16_t*, int64_t)
    void compare_into_bit(const double*, double, int, int, uint16_t*, int64_t)


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
