"""Rows on their way down one tree, grouped at each level of the path by the players they fail.

Sets of failed players are words of 64 players; bit ``slot & 63`` of word ``slot >> 6``. The groups
of a level are kept in ascending order of their sets, so that their numbers do not depend on the
order of the rows.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from .forest cimport Nodes
from .group_patterns cimport decide
from .paths cimport Paths


cdef struct RowGroups:
    const Nodes* nodes
    const int64_t* parent
    const int64_t* previous
    const int64_t* slot
    const double* columns
    int64_t n_rows
    int64_t n_words
    int64_t n_levels
    int32_t* group         # levels x rows
    uint16_t* left         # levels x rows: which way they go
    int64_t* count         # levels: number of groups
    int64_t* capacity      # levels: groups that there is room for
    uint64_t** words       # levels: groups x words
    int32_t* number        # two per group of the level above
    int64_t n_numbers


cdef inline void release_groups(RowGroups* g) noexcept nogil:
    cdef int64_t level
    if g.words != NULL:
        for level in range(g.n_levels):
            free(g.words[level])
    free(g.group)
    free(g.left)
    free(g.count)
    free(g.capacity)
    free(g.words)
    free(g.number)


cdef inline int grow_groups(RowGroups* g, int64_t level, int64_t count) noexcept nogil:
    """Make room for ``count`` groups at a level, and for numbering those below."""
    cdef uint64_t* words
    cdef int32_t* number
    if count > g.capacity[level]:
        words = <uint64_t*>realloc(g.words[level], 2 * count * g.n_words * sizeof(uint64_t))
        if words == NULL:
            return -1
        g.words[level] = words
        g.capacity[level] = 2 * count
    if 2 * count > g.n_numbers:
        number = <int32_t*>realloc(g.number, 4 * count * sizeof(int32_t))
        if number == NULL:
            return -1
        g.number = number
        g.n_numbers = 4 * count
    return 0


cdef inline int begin_groups(
    RowGroups* g,
    const Nodes* nodes,
    Paths paths,
    const double[:, ::1] columns,
    int64_t n_words,
    int64_t n_levels,
) noexcept nogil:
    """Put all rows into one group at the root; -1 without memory. Call `release_groups` anyway."""
    memset(g, 0, sizeof(RowGroups))
    g.nodes = nodes
    g.parent = paths.parent
    g.previous = paths.previous
    g.slot = paths.slot
    g.columns = &columns[0, 0] if columns.shape[0] else NULL
    g.n_rows = columns.shape[1]
    g.n_words = n_words
    g.n_levels = n_levels
    g.group = <int32_t*>malloc(n_levels * g.n_rows * sizeof(int32_t))
    g.left = <uint16_t*>malloc(n_levels * g.n_rows * sizeof(uint16_t))
    g.count = <int64_t*>calloc(n_levels, sizeof(int64_t))
    g.capacity = <int64_t*>calloc(n_levels, sizeof(int64_t))
    g.words = <uint64_t**>calloc(n_levels, sizeof(uint64_t*))
    if (g.group == NULL or g.left == NULL or g.count == NULL or g.capacity == NULL
            or g.words == NULL or grow_groups(g, 0, 1) < 0):
        return -1
    memset(g.words[0], 0, n_words * sizeof(uint64_t))
    g.count[0] = 1
    memset(g.group, 0, g.n_rows * sizeof(int32_t))
    return 0


cdef inline void decide_rows(RowGroups* g, int64_t node, int64_t level) noexcept nogil:
    """Find which way the rows of a level go at its node."""
    decide(
        g.nodes, node, g.columns + g.nodes.feature[node] * g.n_rows,
        g.left + level * g.n_rows, g.n_rows,
    )


cdef inline int compare_sets(const uint64_t* a, const uint64_t* b, int64_t n) noexcept nogil:
    cdef int64_t k = n - 1
    while k > 0 and a[k] == b[k]:
        k -= 1
    return (a[k] > b[k]) - (a[k] < b[k])


cdef inline int refine(RowGroups* g, int64_t node, int64_t level) noexcept nogil:
    """Split the groups of the level above by the edge into ``node``; -1 without memory."""
    cdef const int32_t* above = g.group + (level - 1) * g.n_rows
    cdef const uint16_t* left = g.left + (level - 1) * g.n_rows
    cdef int32_t* here = g.group + level * g.n_rows
    cdef uint16_t side = g.nodes.left[g.parent[node]] == node
    cdef int64_t word = g.slot[node] >> 6
    cdef uint64_t bit = <uint64_t>1 << (g.slot[node] & 63)
    cdef int64_t n = g.n_words
    cdef int64_t n_above = g.count[level - 1]
    cdef int64_t k, same = 0, more = 0, count = 0
    cdef int order
    cdef const uint64_t* old
    cdef uint64_t* target
    cdef int32_t* number
    if grow_groups(g, level, min(2 * n_above, g.n_rows)) < 0:
        return -1
    if grow_groups(g, level - 1, n_above) < 0:
        return -1
    old = g.words[level - 1]
    target = g.words[level]
    number = g.number
    memset(number, 0, 2 * n_above * sizeof(int32_t))
    for k in range(g.n_rows):
        here[k] = 2 * above[k] + (left[k] != side)
        number[here[k]] = 1
    if g.previous[node] != -1:
        # Who has failed the player before does not fail it anew.
        for k in range(n_above):
            if old[k * n + word] & bit:
                number[2 * k] |= number[2 * k + 1]
                number[2 * k + 1] = 0
    # Merge the sets that stay the same with those that get the player more.
    while True:
        while same < n_above and not number[2 * same]:
            same += 1
        while more < n_above and not number[2 * more + 1]:
            more += 1
        if same == n_above and more == n_above:
            break
        order = (same == n_above) - (more == n_above)
        if not order:
            # With the player more, for the time of the comparison.
            memcpy(target, old + more * n, n * sizeof(uint64_t))
            target[word] |= bit
            order = compare_sets(old + same * n, target, n)
        if order <= 0:
            memcpy(target, old + same * n, n * sizeof(uint64_t))
            number[2 * same] = <int32_t>count
            same += 1
        if order >= 0:
            memcpy(target, old + more * n, n * sizeof(uint64_t))
            target[word] |= bit
            number[2 * more + 1] = <int32_t>count
            more += 1
        target += n
        count += 1
    if g.previous[node] != -1:
        for k in range(n_above):
            if old[k * n + word] & bit:
                number[2 * k + 1] = number[2 * k]
    for k in range(g.n_rows):
        here[k] = number[here[k]]
    g.count[level] = count
    return 0
