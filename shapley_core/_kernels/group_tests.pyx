"""Which pattern a row has at each group of a tree, for many rows, from codes of their values.

Bits below ``distinct[root]`` of a pattern are the features passed on the path to the group's node,
by slot; those above are the tests below it, in the order of the walk, set where the row goes left.
So each edge on the path and each test below clears one bit of the rows that do not pass it. Values
are first turned into *codes*, places among the feature's thresholds (codes.h): many more of those
than of values are compared at once. Categories have codes of their own, and tests of them look
these up in the bits of a set; what else there is, is decided one by one.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint8_t
from libc.stdlib cimport calloc, free, malloc

from .forest cimport CATEGORICAL, DEFAULT_LEFT, LEAF, Forest, Nodes
from .group_tests cimport GROUP_END, LINE_ROWS, GroupTest, OtherTest
from .paths cimport Paths


cdef extern from "codes.h" nogil:
    int64_t MOST_LABELS
    void find_codes(const double*, int64_t, const double*, int64_t, uint16_t*)
    void find_labels(const double*, int64_t, double, bint, uint16_t*)


# Rows whose codes stand side by side.
ROWS = LINE_ROWS
# Category numbers below which a feature's have codes.
LABELS = MOST_LABELS


cdef class GroupTests:
    """The tests of the groups of an ensemble.

    ``rank[node]`` is 1 + the place of the node's threshold among those of its feature, and
    ``place[feature]`` that of the feature among those with codes; a test of rank 0 has none, but
    where it is one of categories, whose codes are at ``label_place[feature]`` (else -1).
    """

    def __cinit__(
        self,
        Forest forest,
        Paths paths,
        const int64_t[::1] subtree,
        const int64_t[::1] bits,
        const int64_t[::1] max_bits,
        const int64_t[::1] rank,
        const int64_t[::1] place,
        const int64_t[::1] label_place,
        int64_t n_coded,
    ):
        cdef const Nodes* nodes = &forest.nodes
        cdef int64_t n_trees = nodes.n_trees
        cdef int64_t n_tests = 0, n_others = 0, n_bits, tree, i, j, last, node, up, inner
        cdef GroupTest* end
        self.owner = forest
        self.nodes = nodes
        self.n_coded = n_coded
        for tree in range(n_trees):
            i = nodes.tree_offsets[tree]
            while i < nodes.tree_offsets[tree + 1]:
                node = paths.order[i]
                if bits[node] <= max_bits[tree]:
                    # Half of a group's nodes have tests.
                    n_tests += paths.depth[node] + subtree[node] // 2 + 1
                    i += subtree[node]
                else:
                    i += 1
        self.tests = <GroupTest*>malloc(max(<int64_t>1, n_tests) * sizeof(GroupTest))
        self.others = <OtherTest*>malloc(max(<int64_t>1, n_tests) * sizeof(OtherTest))
        self.first_test = <int64_t*>calloc(n_trees + 1, sizeof(int64_t))
        self.first_other = <int64_t*>calloc(n_trees + 1, sizeof(int64_t))
        self.n_groups = <int64_t*>calloc(n_trees + 1, sizeof(int64_t))
        if (self.tests == NULL or self.others == NULL or self.first_test == NULL
                or self.first_other == NULL or self.n_groups == NULL):
            raise MemoryError(f"no memory for {n_tests} tests of groups")
        n_tests = 0
        for tree in range(n_trees):
            i = nodes.tree_offsets[tree]
            last = nodes.tree_offsets[tree + 1]
            while i < last:
                node = paths.order[i]
                if bits[node] > max_bits[tree]:
                    i += 1
                    continue
                up = node
                while paths.parent[up] != -1:
                    self.add(
                        rank, place, label_place, paths.parent[up],
                        nodes.left[paths.parent[up]] == up, paths.slot[up], tree, &n_tests,
                        &n_others,
                    )
                    up = paths.parent[up]
                inner = paths.distinct[node]
                for j in range(i, i + subtree[node]):
                    if nodes.feature[paths.order[j]] != LEAF:
                        self.add(
                            rank, place, label_place, paths.order[j], True, inner, tree, &n_tests,
                            &n_others,
                        )
                        inner += 1
                n_bits = bits[node]
                end = self.tests + n_tests
                end.at = GROUP_END
                end.low = 0
                end.span = 0
                end.keep = <uint16_t>((<int64_t>1 << n_bits) - 1)
                n_tests += 1
                self.n_groups[tree] += 1
                i += subtree[node]
            self.first_test[tree + 1] = n_tests
            self.first_other[tree + 1] = n_others

    cdef void add(
        self,
        const int64_t[::1] rank,
        const int64_t[::1] place,
        const int64_t[::1] label_place,
        int64_t node,
        bint left,
        int64_t bit,
        int64_t tree,
        int64_t* n_tests,
        int64_t* n_others,
    ) noexcept:
        cdef uint16_t keep = <uint16_t>~(<int64_t>1 << bit)
        cdef GroupTest* test = self.tests + n_tests[0]
        cdef OtherTest* other = self.others + n_others[0]
        cdef int64_t low, span
        if not rank[node]:
            other.at = -1
            if self.nodes.flags[node] & CATEGORICAL:
                other.at = LINE_ROWS * label_place[self.nodes.feature[node]]
                other.at = max(<int64_t>-1, other.at)
            other.node = node
            other.group = self.n_groups[tree]
            other.keep = keep
            other.left = left
            n_others[0] += 1
            return
        # Left go codes up to the rank, and where missing values do code 0.
        low = 0 if self.nodes.flags[node] & DEFAULT_LEFT else 1
        span = rank[node] - low
        if not left:
            low += span + 1
            span = 0xffff - span - 1
        test.at = <uint32_t>(LINE_ROWS * place[self.nodes.feature[node]])
        test.low = <uint16_t>low
        test.span = <uint16_t>span
        test.keep = keep
        n_tests[0] += 1

    def __dealloc__(self):
        free(self.tests)
        free(self.others)
        free(self.first_test)
        free(self.first_other)
        free(self.n_groups)


def encode(
    const double[:, ::1] columns,
    int64_t first,
    const int64_t[::1] coded,
    const int64_t[::1] start,
    const double[::1] threshold,
    const int64_t[::1] labelled,
    const int64_t[::1] n_labels,
    const uint8_t[::1] truncates,
    uint16_t[:, :, ::1] out,
):
    """Write the codes of rows from ``first`` on: lines of rows by coded features by rows of a line.

    coded     : the features with codes
    start     : where each one's thresholds begin in ``threshold``, and the end
    threshold : in increasing order, different ones
    labelled  : the features with codes of categories, which stand behind the others
    n_labels, truncates : the numbers of each are below that; whether fractions are cut off
    """
    cdef int64_t n_lines = out.shape[0]
    cdef int64_t line, row, n, k
    if not out.shape[1]:
        return
    with nogil:
        for line in range(n_lines):
            row = first + LINE_ROWS * line
            n = min(LINE_ROWS, columns.shape[1] - row)
            for k in range(coded.shape[0]):
                find_codes(
                    &columns[coded[k], row], n, &threshold[start[k]], start[k + 1] - start[k],
                    &out[line, k, 0],
                )
            for k in range(labelled.shape[0]):
                find_labels(
                    &columns[labelled[k], row], n, <double>n_labels[k], truncates[k],
                    &out[line, coded.shape[0] + k, 0],
                )
