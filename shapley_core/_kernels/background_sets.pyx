"""The sets of players that a background fails at each leaf of a tree.

At a leaf whose path tests d distinct players, a row counts only by the set of those it fails. So
the background is grouped by these sets once, and its size is gone.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset

from .bits cimport lowest_bit
from .forest cimport LEAF, Forest, Nodes
from .paths cimport Paths
from .row_groups cimport RowGroups, begin_groups, decide_rows, refine, release_groups


# Also every third inner node, if its sets are so few that they may all be met, tells which set
# passes which player.
cdef enum:
    EVERY = 3
    MOST_SETS = 512


cdef inline bint is_told(int64_t level, int64_t n_sets, bint is_leaf) noexcept nogil:
    return is_leaf or (level and level % EVERY == 0 and n_sets <= MOST_SETS)


cdef void tell_passing(
    const uint64_t* words, int64_t n_sets, int64_t n_words, int64_t d, uint64_t* out
) noexcept nogil:
    """Write for each player which sets do not hold it: d by as many words as the sets take."""
    cdef int64_t size = (n_sets + 63) // 64
    cdef int64_t i, k
    cdef uint64_t word
    for i in range(d):
        memset(out + i * size, 0xff, size * sizeof(uint64_t))
        if n_sets & 63:
            out[i * size + size - 1] = (<uint64_t>1 << (n_sets & 63)) - 1
    for i in range(n_sets):
        for k in range(n_words):
            word = words[i * n_words + k]
            while word:
                out[(64 * k + lowest_bit(word)) * size + (i >> 6)] ^= <uint64_t>1 << (i & 63)
                word &= word - 1


def find(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    const int64_t[::1] weight,
    Paths paths,
    int64_t n_levels,
    int64_t[::1] start,
    uint64_t[:, ::1] words,
    int64_t[::1] total,
    int64_t[::1] n_sets,
    int64_t[::1] passing_start,
    uint64_t[::1] passing,
):
    """Group the background at every leaf of a tree, in the order of the walk.

    weight  : of the rows, or empty where all weigh 1
    start   : (leaves + 1), where each leaf's sets begin in ``words`` (sets by words), ascending
    total   : (sets) the weight of the rows that fail each
    n_sets  : (nodes, in the order of the walk) how many sets ``passing`` tells of at each, or empty
    passing : of each such node, for each player of its path by slot, which sets do not hold it:
              as many words as the sets take bits; from word ``passing_start`` of the node on

    Returns how many sets and words of ``passing`` there are; where that is more than there was room
    for, the call must be repeated.
    """
    cdef RowGroups g
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i, k, node, level, size, told, used = 0, used_words = 0, leaf = 0
    cdef bint tells = n_sets.shape[0] > 0
    cdef bint is_leaf
    cdef int status = 0
    cdef const int32_t* group
    with nogil:
        status = begin_groups(&g, nodes, paths, columns, words.shape[1], n_levels)
        for i in range(first, last):
            if status:
                break
            node = paths.order[i]
            level = paths.depth[node]
            if level:
                status = refine(&g, node, level)
                if status:
                    break
            is_leaf = nodes.feature[node] == LEAF
            size = g.count[level]
            if tells:
                n_sets[i - first] = 0
                passing_start[i - first] = used_words
                if is_told(level, size, is_leaf):
                    n_sets[i - first] = size
                    told = paths.distinct[node] * ((size + 63) // 64)
                    if told and used_words + told <= passing.shape[0]:
                        tell_passing(
                            g.words[level], size, g.n_words, paths.distinct[node],
                            &passing[used_words],
                        )
                    used_words += told
            if not is_leaf:
                decide_rows(&g, node, level)
                continue
            start[leaf] = used
            leaf += 1
            if used + size <= total.shape[0]:
                memcpy(&words[used, 0], g.words[level], size * g.n_words * sizeof(uint64_t))
                memset(&total[used], 0, size * sizeof(int64_t))
                group = g.group + level * g.n_rows
                if weight.shape[0]:
                    for k in range(g.n_rows):
                        total[used + group[k]] += weight[k]
                else:
                    for k in range(g.n_rows):
                        total[used + group[k]] += 1
            used += size
        start[leaf] = used
        release_groups(&g)
    if status:
        raise MemoryError("no memory for the background's sets of one tree")
    return used, used_words
