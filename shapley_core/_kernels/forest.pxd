"""The nodes of an ensemble as raw pointers, and the one routing rule all tree kernels share."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

# Bits of Nodes.flags; the Python names are in trees/tree.py (a test holds them equal).
cdef enum:
    DEFAULT_LEFT = 1
    ZERO_IS_MISSING = 2
    CATEGORICAL = 4
    SET_GOES_LEFT = 8
    TRUNCATES = 16

cdef enum:
    LEAF = -1


cdef struct Nodes:
    int64_t n_trees
    const int64_t* tree_offsets
    const int64_t* tree_outputs
    const int32_t* feature
    const double* threshold
    const uint8_t* flags
    const int64_t* left
    const int64_t* right
    const int64_t* set_number
    const int64_t* set_offsets
    const uint64_t* set_words
    const double* values
    int64_t width


cdef class Forest:
    cdef Nodes nodes
    cdef readonly int64_t n_nodes
    cdef object owners


cdef inline bint in_set(const Nodes* nodes, int64_t node, double x, uint8_t flags) noexcept nogil:
    cdef int64_t number = nodes.set_number[node]
    cdef int64_t start = nodes.set_offsets[number]
    cdef int64_t n_words = nodes.set_offsets[number + 1] - start
    cdef int64_t code
    if not (x > -1.0) or (x < 0.0 and not flags & TRUNCATES):
        return False
    if x >= 64.0 * n_words:
        return False
    code = <int64_t>x
    if code >> 6 >= n_words:  # an empty set, and x in (-1, 0)
        return False
    return (nodes.set_words[start + (code >> 6)] >> (code & 63)) & 1


cdef inline bint goes_left(const Nodes* nodes, int64_t node, double x) noexcept nogil:
    """Which way a row with value x goes; thresholds are in the form ``x <= threshold``."""
    cdef uint8_t flags = nodes.flags[node]
    if x != x:
        return flags & DEFAULT_LEFT
    if flags & CATEGORICAL:
        return in_set(nodes, node, x, flags) == ((flags & SET_GOES_LEFT) != 0)
    # LightGBM's kZeroThreshold is the float32 nearest to 1e-35, widened.
    if flags & ZERO_IS_MISSING and -1.0000000180025095e-35 <= x <= 1.0000000180025095e-35:
        return flags & DEFAULT_LEFT
    return x <= nodes.threshold[node]
