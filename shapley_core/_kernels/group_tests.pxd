"""The tests of groups on codes of rows, as the kernels use them; see group_tests.pyx."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t, uint8_t

from .forest cimport DEFAULT_LEFT, SET_GOES_LEFT, Nodes, goes_left


cdef extern from "codes.h" nogil:
    int LINE_ROWS
    uint32_t GROUP_END
    ctypedef struct GroupTest:
        uint32_t at
        uint16_t low
        uint16_t span
        uint16_t keep
    void test_groups(
        const GroupTest*, int64_t, const uint16_t*, int64_t, int64_t, int64_t, uint16_t*
    )
    void pass_set(
        const uint64_t*, int64_t, bint, bint, uint16_t, const uint16_t*, int64_t, int64_t, uint16_t*
    )


cdef struct OtherTest:
    # One that is not a comparison of codes.
    int64_t node
    int64_t at        # where the codes of its categories begin, or -1
    int64_t group     # of its tree
    uint16_t keep
    uint8_t left      # the side that passes


cdef class GroupTests:
    cdef const Nodes* nodes
    cdef int64_t n_coded       # features with codes
    cdef GroupTest* tests      # tree by tree, an end behind each group
    cdef OtherTest* others
    cdef int64_t* first_test   # of each tree, and the end
    cdef int64_t* first_other
    cdef int64_t* n_groups     # of each tree
    cdef object owner
    cdef void add(
        self, const int64_t[::1] rank, const int64_t[::1] place, const int64_t[::1] label_place,
        int64_t node, bint left, int64_t bit, int64_t tree, int64_t* n_tests, int64_t* n_others,
    ) noexcept


cdef inline int64_t whole_lines(int64_t n_rows) noexcept nogil:
    """A number of rows, rounded up to that of whole lines."""
    return max(<int64_t>1, (n_rows + LINE_ROWS - 1) // LINE_ROWS) * LINE_ROWS


cdef inline void find_patterns(
    GroupTests groups,
    int64_t tree,
    const uint16_t* codes,
    const double* data,
    int64_t stride,
    int64_t n,
    int64_t most,
    uint16_t* out,
) noexcept nogil:
    """Write the patterns of n rows: group after group, each of ``most`` places.

    ``most`` is a multiple of LINE_ROWS, and so is the number of the first row, whose ``codes`` are
    those that `encode` writes; ``data`` holds the rows' features ``stride`` apart.
    """
    cdef const Nodes* nodes = groups.nodes
    cdef const OtherTest* other
    cdef uint16_t* pattern
    cdef const double* x
    cdef int64_t i, j, first_word
    cdef int64_t line_size = LINE_ROWS * groups.n_coded
    cdef int64_t n_lines = (n + LINE_ROWS - 1) // LINE_ROWS
    cdef uint8_t flags
    test_groups(
        groups.tests + groups.first_test[tree], groups.n_groups[tree], codes, line_size, n_lines,
        most, out,
    )
    for j in range(groups.first_other[tree], groups.first_other[tree + 1]):
        other = groups.others + j
        pattern = out + other.group * most
        if other.at >= 0:
            flags = nodes.flags[other.node]
            first_word = nodes.set_offsets[nodes.set_number[other.node]]
            pass_set(
                nodes.set_words + first_word,
                nodes.set_offsets[nodes.set_number[other.node] + 1] - first_word,
                ((flags & SET_GOES_LEFT) != 0) != other.left,
                ((flags & DEFAULT_LEFT) != 0) == other.left,
                other.keep, codes + other.at, line_size, n_lines, pattern,
            )
            continue
        x = data + nodes.feature[other.node] * stride
        for i in range(n):
            if goes_left(nodes, other.node, x[i]) != other.left:
                pattern[i] &= other.keep
