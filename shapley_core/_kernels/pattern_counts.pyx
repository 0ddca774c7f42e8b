"""How often each pattern of passed features occurs in a background, group by group.

The background runs through the tests of group_tests.pyx; each row adds its weight, a
whole number, to one place of each group's counts. Whole numbers add up to the same sum in any
order, so neither the order of the background nor threads can be seen in the counts.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from .forest cimport LEAF, Forest, Nodes
from .group_patterns cimport runs_at_leaf
from .group_tests cimport GROUP_END, LINE_ROWS, GroupTest, GroupTests, find_patterns, whole_lines
from .paths cimport Paths


cdef extern from "counts.h" nogil:
    void count_rows(const uint16_t*, int64_t, uint32_t*, int64_t, int64_t*)
    void add_rows(const uint16_t*, const int64_t*, int64_t, int64_t*)
    void add_counts(const int64_t*, const uint16_t*, int64_t, int64_t*)


def count(
    const int64_t[::1] trees,
    const double[:, ::1] columns,
    const uint16_t[:, :, ::1] codes,
    int64_t first_row,
    int64_t last_row,
    const int64_t[::1] weight,
    GroupTests tests,
    const int64_t[::1] n_patterns,
    int64_t n_rows_at_once,
    int64_t[::1] out,
):
    """Add rows of a background to the counts of some trees.

    columns            : features by rows
    codes              : of the rows from first_row on, see group_tests.pyx
    first_row, last_row: which of them
    weight             : of the rows from first_row on, or empty where all weigh 1
    n_patterns         : of each tree the sum of 2^bits over its groups
    out                : the trees' counts, one after the other, group by group
    """
    cdef int64_t t, tree, _group, first, n, offset, size, most_size = 1, most_groups = 1
    cdef int64_t most = whole_lines(min(n_rows_at_once, last_row - first_row))
    cdef const uint16_t* lines = NULL
    cdef const GroupTest* test
    cdef uint16_t* patterns
    cdef uint16_t* here
    cdef uint32_t* lanes
    cdef int64_t* target
    cdef const double* data = NULL
    if most <= 0 or not trees.shape[0]:
        return
    for t in range(trees.shape[0]):
        most_groups = max(most_groups, tests.n_groups[trees[t]])
        most_size = max(most_size, n_patterns[trees[t]])
    patterns = <uint16_t*>malloc(most_groups * most * sizeof(uint16_t))
    lanes = <uint32_t*>malloc(4 * most_size * sizeof(uint32_t))
    if patterns == NULL or lanes == NULL:
        free(patterns)
        free(lanes)
        raise MemoryError("no memory for the patterns of one block of rows")
    with nogil:
        first = first_row
        while first < last_row:
            n = min(most, last_row - first)
            if columns.shape[0]:
                data = &columns[0, first]
            if codes.shape[1]:
                lines = &codes[(first - first_row) // LINE_ROWS, 0, 0]
            offset = 0
            for t in range(trees.shape[0]):
                tree = trees[t]
                find_patterns(
                    tests, tree, lines, data, columns.shape[1], n, most, patterns
                )
                target = &out[offset]
                here = patterns
                test = tests.tests + tests.first_test[tree]
                for _group in range(tests.n_groups[tree]):
                    while test.at != GROUP_END:
                        test += 1
                    size = <int64_t>test.keep + 1
                    if weight.shape[0]:
                        add_rows(here, &weight[first - first_row], n, target)
                    else:
                        count_rows(here, n, lanes, size, target)
                    target += size
                    here += most
                    test += 1
                offset += n_patterns[tree]
            first += n
        free(patterns)
        free(lanes)


def failed_sets(
    Forest forest,
    int64_t tree,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    int64_t max_bits,
    const int64_t[::1] counts,
    int64_t[::1] start,
    uint64_t[:, ::1] words,
    int64_t[::1] total,
):
    """List the sets of features that the background fails at each leaf of a tree.

    As patterns.background does, from the counts of the tree's groups. Returns the number of sets;
    ``words`` and ``total`` must have room for 2^distinct of them at each leaf.
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i, j, root, node, inner, size, full, failed, used = 0, leaf = 0
    cdef int64_t* bit = <int64_t*>malloc((last - first) * sizeof(int64_t))
    cdef int64_t* dense = <int64_t*>malloc((<int64_t>1 << max_bits) * sizeof(int64_t))
    cdef uint16_t* passed = <uint16_t*>malloc((<int64_t>3 << max_bits) * sizeof(uint16_t))
    cdef uint16_t* runs = passed + (<int64_t>1 << max_bits)
    cdef int64_t k, pattern
    cdef const int64_t* group = &counts[0]
    if bit == NULL or dense == NULL or passed == NULL:
        free(bit)
        free(dense)
        free(passed)
        raise MemoryError("no memory for the patterns of one tree")
    with nogil:
        i = first
        while i < last:
            root = paths.order[i]
            if bits[root] > max_bits:
                i += 1
                continue
            size = <int64_t>1 << bits[root]
            k = paths.distinct[root]
            inner = k
            for j in range(i, i + subtree[root]):
                node = paths.order[j]
                if nodes.feature[node] != LEAF:
                    bit[node - first] = inner
                    inner += 1
                    continue
                # Inner nodes come before the leaves below them.
                runs_at_leaf(
                    nodes, paths, node, root, bit - first, bits[root], runs, runs + (size >> k)
                )
                for pattern in range(size):
                    passed[pattern] = runs[pattern >> k] | (
                        <uint16_t>pattern & runs[(size >> k) + (pattern >> k)]
                    )
                full = (<int64_t>1 << paths.distinct[node]) - 1
                memset(dense, 0, (full + 1) * sizeof(int64_t))
                add_counts(group, passed, size, dense)
                start[leaf] = used
                leaf += 1
                for failed in range(full + 1):
                    # Written over by the next where nothing was counted.
                    words[used, 0] = <uint64_t>failed
                    total[used] = dense[full ^ failed]
                    used += dense[full ^ failed] != 0
            group += size
            i += subtree[root]
        start[leaf] = used
        free(bit)
        free(dense)
        free(passed)
    return used
