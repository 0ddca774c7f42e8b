"""Interventional values from the patterns of failed features at each leaf.

At a leaf whose path tests d distinct features, a row counts only by the set of those it fails.
For an explained row failing F and a background row failing B, the leaf's game is w where every
feature of B is in the coalition and none of F is: nothing at all if F and B meet, else the cube
game with |B| players that must be in and |F| that must be out. So the background is grouped by
its sets B once, the rows by their sets F, and groups meet groups: the background's size is gone.
Sets are words of 64 features; bit ``slot & 63`` of word ``slot >> 6``.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from .background_leaves cimport MOST_PLAYERS, fill_by_background, meet_few, meet_sorted
from .bits cimport count_bits, lowest_bit
from .forest cimport LEAF, Forest, Nodes
from .group_patterns cimport decide
from .paths cimport Paths, place_of


# Of the largest table of a leaf, and of what it is made of (see background_leaves.pxd).
cdef enum:
    TABLE_DOUBLES = (MOST_PLAYERS + 3) << MOST_PLAYERS
    RANKED_NUMBERS = (MOST_PLAYERS + 1) << MOST_PLAYERS


cdef struct Groups:
    # The rows of one tree, grouped at each level of the path by the features they fail.
    const Nodes* nodes
    const int64_t* parent
    const int64_t* previous
    const int64_t* slot
    const double* columns
    int64_t n_rows
    int64_t n_words
    int32_t* group         # levels x rows
    uint16_t* left         # levels x rows: which way they go
    int64_t* count         # levels: number of groups
    int64_t* capacity      # levels: of words
    uint64_t** words       # levels: groups x words
    int64_t* renumbered    # two per group of the level above
    int64_t n_renumbered
    int64_t n_levels


cdef void release(Groups* g) noexcept nogil:
    cdef int64_t level
    if g.words != NULL:
        for level in range(g.n_levels):
            free(g.words[level])
    free(g.words)
    free(g.group)
    free(g.left)
    free(g.count)
    free(g.capacity)
    free(g.renumbered)


cdef int prepare(Groups* g, int64_t n_levels) except -1 nogil:
    """Allocate the levels and put all rows into one group at the root."""
    g.n_levels = n_levels
    g.n_renumbered = 0
    g.renumbered = NULL
    g.group = <int32_t*>calloc(n_levels * g.n_rows, sizeof(int32_t))
    g.left = <uint16_t*>calloc(n_levels * g.n_rows, sizeof(uint16_t))
    g.count = <int64_t*>calloc(n_levels, sizeof(int64_t))
    g.capacity = <int64_t*>calloc(n_levels, sizeof(int64_t))
    g.words = <uint64_t**>calloc(n_levels, sizeof(uint64_t*))
    if (g.group == NULL or g.left == NULL or g.count == NULL
            or g.capacity == NULL or g.words == NULL or grow(g, 0, 1) < 0):
        with gil:
            raise MemoryError("no memory for the patterns of one tree")
    memset(g.words[0], 0, g.n_words * sizeof(uint64_t))
    g.count[0] = 1
    return 0


cdef int grow(Groups* g, int64_t level, int64_t count) noexcept nogil:
    """Make room for ``count`` groups at a level, and for renumbering them below."""
    cdef uint64_t* words
    cdef int64_t* renumbered
    if count > g.capacity[level]:
        words = <uint64_t*>realloc(g.words[level], 2 * count * g.n_words * sizeof(uint64_t))
        if words == NULL:
            return -1
        g.words[level] = words
        g.capacity[level] = 2 * count
    if 2 * count > g.n_renumbered:
        renumbered = <int64_t*>realloc(g.renumbered, 4 * count * sizeof(int64_t))
        if renumbered == NULL:
            return -1
        g.renumbered = renumbered
        g.n_renumbered = 4 * count
    return 0


cdef int refine(Groups* g, int64_t node, int64_t level) noexcept nogil:
    """Split the groups of the level above by the edge into ``node``; -1 without memory."""
    cdef const int32_t* above = g.group + (level - 1) * g.n_rows
    cdef const uint16_t* left = g.left + (level - 1) * g.n_rows
    cdef int32_t* here = g.group + level * g.n_rows
    cdef uint16_t side = g.nodes.left[g.parent[node]] == node
    cdef int64_t word = g.slot[node] >> 6
    cdef uint64_t bit = <uint64_t>1 << (g.slot[node] & 63)
    cdef bint again = g.previous[node] != -1
    cdef int64_t row, key, count, old, n = g.n_words
    cdef uint64_t* source
    cdef uint64_t* target
    memset(g.renumbered, 0xff, 2 * g.count[level - 1] * sizeof(int64_t))
    count = 0
    for row in range(g.n_rows):
        old = above[row]
        key = 2 * old + (left[row] != side)
        if again and g.words[level - 1][old * n + word] & bit:
            key = 2 * old
        if g.renumbered[key] == -1:
            if count >= g.capacity[level] or 2 * (count + 1) > g.n_renumbered:
                if grow(g, level, count + 1) < 0:
                    return -1
            g.renumbered[key] = count
            source = g.words[level - 1] + old * n
            target = g.words[level] + count * n
            memcpy(target, source, n * sizeof(uint64_t))
            if key & 1:
                target[word] |= bit
            count += 1
        here[row] = <int32_t>g.renumbered[key]
    g.count[level] = count
    return 0


def background(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    const int64_t[::1] weight,
    Paths paths,
    int64_t n_levels,
    int64_t[::1] start,
    uint64_t[:, ::1] words,
    int64_t[::1] total,
):
    """Group the background at every leaf of a tree, in the order of the walk.

    ``start`` (leaves + 1) says where each leaf's groups begin in ``words`` (groups by words) and
    ``total`` (groups: sums of row weights; 1 each where ``weight`` is empty). Returns the number of
    groups; where that is more than there was room for, the arrays hold only the first of them and
    the call must be repeated.
    """
    cdef const int64_t* order = paths.order
    cdef const int64_t* parent = paths.parent
    cdef const int64_t* previous = paths.previous
    cdef const int64_t* slot = paths.slot
    cdef const int64_t* depth = paths.depth
    cdef Groups g
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i, row, node, level, size, used = 0, leaf = 0
    cdef int status = 0
    cdef const int32_t* group
    memset(&g, 0, sizeof(Groups))
    g.nodes = nodes
    g.parent = parent
    g.previous = previous
    g.slot = slot
    g.columns = &columns[0, 0] if columns.shape[0] else NULL
    g.n_rows = columns.shape[1]
    g.n_words = words.shape[1]
    try:
        with nogil:
            prepare(&g, n_levels)
            for i in range(first, last):
                node = order[i]
                level = depth[node]
                if level and refine(&g, node, level) < 0:
                    status = -1
                    break
                if nodes.feature[node] != LEAF:
                    decide(
                        nodes, node, g.columns + nodes.feature[node] * g.n_rows,
                        g.left + level * g.n_rows, g.n_rows,
                    )
                    continue
                start[leaf] = used
                leaf += 1
                size = g.count[level]
                if used + size <= total.shape[0]:
                    memcpy(
                        &words[used, 0], g.words[level], size * g.n_words * sizeof(uint64_t)
                    )
                    memset(&total[used], 0, size * sizeof(int64_t))
                    group = g.group + level * g.n_rows
                    for row in range(g.n_rows):
                        total[used + group[row]] += weight[row] if weight.shape[0] else 1
                used += size
            start[leaf] = used
    finally:
        release(&g)
    if status:
        raise MemoryError("no memory for the patterns of one tree")
    return used


cdef void meet(
    const uint64_t* failed,
    const uint64_t* words,
    const int64_t* count,
    int64_t n_groups,
    int64_t n_words,
    const double* gain,
    const double* loss,
    int64_t side,
    double* out,
) noexcept nogil:
    """Sum the cube games of one explained set and all background sets into ``out``.

    ``gain[b * side + f]`` is what each of b must-be-in players gets beside f that must be out,
    ``loss`` what each of those gets.
    """
    cdef int64_t j, k, n_failed = 0, n_in
    cdef uint64_t word, common
    cdef double lost = 0.0, given
    for k in range(n_words):
        n_failed += count_bits(failed[k])
    for j in range(n_groups):
        common = 0
        n_in = 0
        for k in range(n_words):
            common |= failed[k] & words[j * n_words + k]
            n_in += count_bits(words[j * n_words + k])
        if common:
            continue
        lost += count[j] * loss[n_in * side + n_failed]
        given = count[j] * gain[n_in * side + n_failed]
        for k in range(n_words):
            word = words[j * n_words + k]
            while word:
                out[64 * k + lowest_bit(word)] += given
                word &= word - 1
    for k in range(n_words):
        word = failed[k]
        while word:
            out[64 * k + lowest_bit(word)] = lost
            word &= word - 1


cdef inline void meet_leaf(
    const uint64_t* failed,
    const uint64_t* words,
    const int64_t* count,
    int64_t n_groups,
    int64_t n_words,
    int64_t players,
    const double* gain,
    const double* loss,
    int64_t side,
    double* out,
) noexcept nogil:
    """Write one explained set's values, in the way that the leaf's number of players asks for."""
    if players <= MOST_PLAYERS:
        meet_few(failed[0], words, count, n_groups, players, gain, loss, side, out)
        return
    memset(out, 0, players * sizeof(double))
    if n_words == 1:
        meet_sorted(failed[0], words, count, n_groups, gain, loss, side, out)
    else:
        meet(failed, words, count, n_groups, n_words, gain, loss, side, out)


cdef inline bint tabulating_pays(int64_t n_rows, int64_t n_sets, int64_t d) noexcept nogil:
    """Whether a leaf's values of all patterns take less time than those of some by themselves."""
    cdef double passing = n_sets
    cdef int64_t _feature
    # Of the background's sets one in so many passes an explained one, if features are like coins.
    for _feature in range(d):
        passing *= 0.75
    return n_rows * (40.0 + 6.0 * d + 15.0 * passing) > (
        <double>(<int64_t>1 << d) * (d + 1) * (2.0 + 0.15 * d)
    )


cdef void take_entries(
    const uint64_t* failed, int64_t n, int64_t d, const double* table, double* out
) noexcept nogil:
    """Read the values of explained sets from a leaf's table [slot][pattern of passed features]."""
    cdef int64_t full = (<int64_t>1 << d) - 1
    cdef int64_t i, j
    for i in range(n):
        for j in range(d):
            out[i * d + j] = table[(j << d) + (full ^ <int64_t>failed[i])]


def interventional(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    int64_t max_bits,
    int64_t n_levels,
    const int64_t[::1] start,
    const uint64_t[:, ::1] words,
    const int64_t[::1] count,
    const double[:, ::1] gain,
    const double[:, ::1] loss,
    double[:, :, ::1] out,
):
    """Add one tree's values of all rows to ``out`` (rows by features by outputs).

    Leaves are summed group by group, as pattern_tables.pyx does, so that both give the same bits;
    a leaf outside of all groups (``bits`` above ``max_bits``) is a group of its own.
    """
    cdef const int64_t* order = paths.order
    cdef const int64_t* parent = paths.parent
    cdef const int64_t* previous = paths.previous
    cdef const int64_t* slot = paths.slot
    cdef const int64_t* depth = paths.depth
    cdef const int64_t* distinct = paths.distinct
    cdef Groups g
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i, j, k, row, node, level, up, leaf = 0, players
    cdef int64_t side = gain.shape[1]
    cdef int64_t output = nodes.tree_outputs[tree]
    cdef int64_t most = 64 * words.shape[1]
    cdef int64_t c, n_columns = 0, end = first
    cdef int64_t* feature = NULL
    cdef int64_t* column = NULL
    cdef int64_t* group_feature = NULL
    cdef double* shares = NULL
    cdef double* sums = NULL
    cdef double* grown
    cdef double* target
    cdef const double* given
    cdef const double* value
    cdef int64_t room = 0
    cdef int64_t sets
    cdef double* scratch = NULL
    cdef double* table
    cdef int64_t* ranked = NULL
    cdef int status = 0
    cdef const int32_t* group
    if not out.shape[0] or not out.shape[1]:
        return
    memset(&g, 0, sizeof(Groups))
    g.nodes = nodes
    g.parent = parent
    g.previous = previous
    g.slot = slot
    g.columns = &columns[0, 0]
    g.n_rows = columns.shape[1]
    g.n_words = words.shape[1]
    try:
        with nogil:
            prepare(&g, n_levels)
            # A group has at most max_bits features, a leaf outside of groups at most its own.
            most = max(most, max_bits)
            feature = <int64_t*>calloc(most, sizeof(int64_t))
            column = <int64_t*>calloc(most, sizeof(int64_t))
            group_feature = <int64_t*>calloc(most, sizeof(int64_t))
            sums = <double*>calloc(most * nodes.width * g.n_rows, sizeof(double))
            if feature == NULL or column == NULL or group_feature == NULL or sums == NULL:
                status = -1
            for i in range(first, last):
                node = order[i]
                level = depth[node]
                if status or (level and refine(&g, node, level) < 0):
                    status = -1
                    break
                if i >= end and bits[node] <= max_bits:
                    n_columns = 0
                    end = i + subtree[node]
                if nodes.feature[node] != LEAF:
                    decide(
                        nodes, node, g.columns + nodes.feature[node] * g.n_rows,
                        g.left + level * g.n_rows, g.n_rows,
                    )
                    continue
                players = distinct[node]
                if i >= end:
                    n_columns = 0
                    end = i + 1
                value = nodes.values + node * nodes.width
                up = node
                while parent[up] != -1:
                    feature[slot[up]] = paths.player[up]
                    up = parent[up]
                if g.count[level] > room:
                    grown = <double*>realloc(shares, g.count[level] * most * sizeof(double))
                    if grown == NULL:
                        status = -1
                        break
                    shares = grown
                    room = g.count[level]
                sets = start[leaf + 1] - start[leaf]
                if players <= MOST_PLAYERS and tabulating_pays(g.count[level], sets, players):
                    if scratch == NULL:
                        scratch = <double*>malloc(TABLE_DOUBLES * sizeof(double))
                        ranked = <int64_t*>malloc(RANKED_NUMBERS * sizeof(int64_t))
                    if scratch == NULL or ranked == NULL:
                        status = -1
                        break
                    table = scratch + (<int64_t>3 << MOST_PLAYERS)
                    fill_by_background(
                        &words[start[leaf], 0], &count[start[leaf]], sets, players, &gain[0, 0],
                        &loss[0, 0], side, ranked, scratch, table,
                    )
                    take_entries(g.words[level], g.count[level], players, table, shares)
                else:
                    for j in range(g.count[level]):
                        meet_leaf(
                            g.words[level] + j * g.n_words, &words[start[leaf], 0],
                            &count[start[leaf]], sets, g.n_words, players, &gain[0, 0],
                            &loss[0, 0], side, shares + j * players,
                        )
                leaf += 1
                for j in range(players):
                    c = place_of(group_feature, n_columns, feature[j])
                    if c == n_columns:
                        group_feature[c] = feature[j]
                        n_columns += 1
                    column[j] = c
                group = g.group + level * g.n_rows
                for row in range(g.n_rows):
                    given = shares + group[row] * players
                    for j in range(players):
                        target = sums + (row * most + column[j]) * nodes.width
                        for k in range(nodes.width):
                            target[k] += value[k] * given[j]
                if i + 1 < end:
                    continue
                for row in range(g.n_rows):
                    for c in range(n_columns):
                        target = sums + (row * most + c) * nodes.width
                        for k in range(nodes.width):
                            out[row, group_feature[c], output + k] += target[k]
                            target[k] = 0.0
    finally:
        release(&g)
        free(feature)
        free(column)
        free(group_feature)
        free(sums)
        free(shares)
        free(scratch)
        free(ranked)
    if status:
        raise MemoryError("no memory for the patterns of one tree")
