"""The sets of players that a background fails at each leaf of a tree.

At a leaf whose path tests d distinct players, a row counts only by the set of those it fails. So
the background is grouped by these sets once, and its size is gone.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from .bits cimport count_bits, lowest_bit
from .deep_walk cimport Step
from .forest cimport LEAF, Forest, Nodes
from .group_patterns cimport decide
from .paths cimport Paths
from .row_groups cimport RowGroups, begin_groups, decide_rows, refine, release_groups
from .small_groups cimport BIN_PLAYERS, Group, describe_group, failed_below, shared_bits


# Also every third inner node, if its sets are so few that they may all be met, tells which set
# passes which player.
cdef enum:
    EVERY = 3
    MOST_SETS = 512
    # Of a group: by what a row fails of its players above, the outcomes of its tests and how many
    # of the other players it fails.
    MOST_BINS = 64 << (2 * BIN_PLAYERS)


cdef struct Cells:
    # Of one group: of each set of the node, by the outcomes, the weight.
    int64_t room
    int64_t* weight
    uint16_t* outcome      # of each row
    uint16_t* left
    int32_t* bin           # MOST_BINS: its number, or -1
    int64_t* next          # of each bin: the next place


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


cdef int begin_cells(Cells* cells, int64_t n_rows) noexcept nogil:
    memset(cells, 0, sizeof(Cells))
    cells.outcome = <uint16_t*>malloc(2 * n_rows * sizeof(uint16_t))
    cells.left = cells.outcome + n_rows
    cells.bin = <int32_t*>malloc(MOST_BINS * sizeof(int32_t))
    cells.next = <int64_t*>malloc((MOST_BINS + 1) * sizeof(int64_t))
    return -1 if cells.outcome == NULL or cells.bin == NULL or cells.next == NULL else 0


cdef void release_cells(Cells* cells) noexcept nogil:
    free(cells.weight)
    free(cells.outcome)
    free(cells.bin)
    free(cells.next)


cdef int64_t count_cells(
    Cells* cells, const RowGroups* g, const Step* root, const int64_t[::1] weight
) noexcept nogil:
    """Sum the background's weight by set and outcomes of a group's tests.

    Returns how many of these there are, -1 without memory.
    """
    cdef int64_t n_tests = root.n_tests
    cdef int64_t n_cells = g.count[root.level] << n_tests
    cdef const int32_t* set_of = g.group + root.level * g.n_rows
    cdef const Step* step
    cdef int64_t* grown
    cdef int64_t i, j, used = 0
    if n_cells > cells.room:
        grown = <int64_t*>realloc(cells.weight, 2 * n_cells * sizeof(int64_t))
        if grown == NULL:
            return -1
        cells.weight = grown
        cells.room = 2 * n_cells
    memset(cells.outcome, 0, g.n_rows * sizeof(uint16_t))
    for j in range(root.subtree):
        step = root + j
        if step.feature == LEAF:
            continue
        decide(g.nodes, step.node, g.columns + step.feature * g.n_rows, cells.left, g.n_rows)
        for i in range(g.n_rows):
            cells.outcome[i] |= cells.left[i] << step.bit
    memset(cells.weight, 0, n_cells * sizeof(int64_t))
    if weight.shape[0]:
        for i in range(g.n_rows):
            cells.weight[(<int64_t>set_of[i] << n_tests) + cells.outcome[i]] += weight[i]
    else:
        for i in range(g.n_rows):
            cells.weight[(<int64_t>set_of[i] << n_tests) + cells.outcome[i]] += 1
    for i in range(n_cells):
        used += cells.weight[i] != 0
    return used


cdef inline int64_t bin_place(
    const Group* group, int64_t n_tests, uint64_t failed, int64_t outcome
) noexcept nogil:
    return (
        ((shared_bits(group, failed) << n_tests | outcome) << 6)
        + count_bits(failed & ~group.shared)
    )


cdef int64_t sort_cells(
    Cells* cells,
    const RowGroups* g,
    const Step* root,
    uint64_t* words,
    double* total,
    int32_t* bin_of,
    uint64_t* bins,
    int64_t room,
) noexcept nogil:
    """Write sets, weights and bins of a group, sorted by bin; return the number of bins.

    They are numbered as they are met in the order of the sets and outcomes. There is nothing
    written where that is more than ``room``.
    """
    cdef Group group
    cdef int64_t n_tests = root.n_tests
    cdef int64_t n_cells = g.count[root.level] << n_tests
    cdef int64_t i, place, at, n_bins = 0
    cdef int64_t outcomes = (1 << n_tests) - 1
    cdef const uint64_t* sets = g.words[root.level]
    describe_group(root, &group)
    memset(cells.bin, 0xff, MOST_BINS * sizeof(int32_t))
    for i in range(n_cells):
        if not cells.weight[i]:
            continue
        place = bin_place(&group, n_tests, sets[i >> n_tests], i & outcomes)
        if cells.bin[place] < 0:
            cells.bin[place] = <int32_t>n_bins
            cells.next[n_bins] = 0
            n_bins += 1
        cells.next[cells.bin[place]] += 1
    if n_bins > room:
        return n_bins
    at = 0
    for i in range(n_bins):
        place = cells.next[i]
        cells.next[i] = at
        at += place
    for i in range(n_cells):
        if not cells.weight[i]:
            continue
        place = cells.bin[bin_place(&group, n_tests, sets[i >> n_tests], i & outcomes)]
        at = cells.next[place]
        cells.next[place] += 1
        words[at] = sets[i >> n_tests] & ~group.shared
        total[at] = <double>cells.weight[i]
        bin_of[at] = <int32_t>place
        bins[place] = failed_below(&group, sets[i >> n_tests], i & outcomes) | (
            <uint64_t>count_bits(words[at]) << 32
        )
    return n_bins


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
    uint8_t[:, ::1] steps,
    uint64_t[::1] passing,
    uint64_t[::1] group_words,
    double[::1] group_weight,
    int32_t[::1] group_bin,
    uint64_t[::1] bins,
):
    """Sort the background into the sets that it fails at every leaf of a tree, in the walk's order.

    weight  : of the rows, or empty where all weigh 1
    start   : (leaves + 1), where each leaf's sets begin in ``words`` (sets by words), ascending
    total   : (sets) the weight of the rows that fail each
    steps   : of the tree, see `pack` in alive_sets.pyx, or empty: then what follows is not wanted;
              gets where each node's begin and how many they are
    passing : of leaves, groups and some of the other nodes, for each player of its path by slot,
              which sets do not hold it: as many words as the sets take bits
    group_words, group_weight, group_bin : of each group the sets, here without the players that it
              tests too, their weights and the bins that they are in, see bins.h
    bins    : of each group

    Returns how many sets, words of ``passing``, sets of groups and bins there are; where any of
    these is more than there was room for, the call must be repeated.
    """
    cdef RowGroups g
    cdef Cells cells
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i, k, node, level, size, told, used = 0, used_words = 0, leaf = 0
    cdef int64_t at = 0, end = 0  # of the steps
    cdef int64_t used_group = 0, used_bins = 0
    cdef bint is_leaf
    cdef int status = 0
    cdef const int32_t* group
    cdef const uint64_t* sets
    cdef Step* step = NULL
    cdef uint64_t* first_bin = &bins[0] if bins.shape[0] else NULL
    with nogil:
        status = begin_groups(&g, nodes, paths, columns, words.shape[1], n_levels)
        if begin_cells(&cells, columns.shape[1]) < 0:
            status = -1
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
            sets = g.words[level]
            if at < steps.shape[0] and (<Step*>&steps[at, 0]).node == node:
                step = <Step*>&steps[at, 0]
                at += 1
            else:
                step = NULL
            if step != NULL and at > end:
                step.n_sets = 0
                step.passing_start = used_words
                step.set_start = used
                told = 0
                if step.is_root:
                    end = at - 1 + step.subtree
                    size = count_cells(&cells, &g, step, weight)
                    if size < 0:
                        status = -1
                        break
                    step.set_start = used_group
                    step.bin_start = used_bins
                    sets = NULL
                    if used_group + size <= group_words.shape[0]:
                        step.n_bins = <int32_t>sort_cells(
                            &cells, &g, step, &group_words[used_group],
                            &group_weight[used_group], &group_bin[used_group],
                            first_bin + used_bins, bins.shape[0] - used_bins,
                        )
                        used_bins += step.n_bins
                        if used_bins <= bins.shape[0]:
                            sets = &group_words[used_group]
                    used_group += size
                if step.is_root or is_leaf or (
                    level and level % EVERY == 0 and size <= MOST_SETS
                ):
                    step.n_sets = <int32_t>size
                    told = paths.distinct[node] * ((size + 63) // 64)
                    if told and used_words + told <= passing.shape[0] and sets != NULL:
                        tell_passing(
                            sets, size, g.n_words, paths.distinct[node], &passing[used_words]
                        )
                    used_words += told
            if not is_leaf:
                decide_rows(&g, node, level)
                continue
            size = g.count[level]
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
        release_cells(&cells)
    if status:
        raise MemoryError("no memory for the background's sets of one tree")
    return used, used_words, used_group, used_bins
