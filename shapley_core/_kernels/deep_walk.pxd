"""Rows on their way down a deep tree: what the kernels of the interventional game share."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from .forest cimport Nodes, goes_left
from .group_patterns cimport FEW, decide
from .set_numbers cimport number_sets, places_for


cdef extern from "alive.h" nogil:
    enum:
        CHUNK

    void sum_given(
        const uint64_t*, int64_t, const int32_t*, const double*, int64_t, const uint64_t*, double,
        int64_t, double*
    )


# Most tests of a subtree whose rows are merged, where they do not differ (see merged_rows.pxd).
cdef enum:
    MOST_TESTS = 6


cdef struct Step:
    # What the walk needs of a node, in the order of the walk: nodes lie in memory as the library
    # numbers them, and a few rows would mostly wait for it.
    double threshold
    int64_t node
    int64_t set_start      # where the sets of the background begin, of a leaf or a group
    int64_t passing_start  # where the node's bits begin
    int64_t bin_start      # where a group's bins begin
    int32_t n_bins
    int32_t n_sets         # that bits tell of; 0 for none
    int32_t n_players      # of the path
    int32_t subtree        # steps of it
    int32_t n_tests        # in it, where rows are merged
    int32_t level
    int32_t feature        # tested here, or LEAF
    int32_t player         # of the edge into the node, as a number among those of the tree
    int32_t slot
    uint8_t is_left
    uint8_t plain          # of a comparison 1, or 2 where what is missing goes left; else 0
    uint8_t again          # whether the path tests the player above
    uint8_t bit            # of a test in a subtree whose rows are merged, 0 at its root
    uint8_t is_root        # of such a subtree, or a leaf that is in none


cdef struct Merged:
    # Rows that are the same in one subtree: they are one row there, by level as the others.
    int64_t end            # the step behind the subtree; -1 where no rows are merged
    int64_t level          # of its root
    int64_t n_rows         # before they were merged
    int32_t* kept          # which they are
    int32_t* number        # the merged row of each
    int32_t* first         # a row of each merged one
    int32_t* every         # 0, 1, ...
    uint64_t* key          # what each row fails above, and the outcomes of its tests
    uint16_t* outcome      # of each merged row
    uint8_t* lives         # whether a merged row has any value
    double* sums           # merged rows by values of a leaf by columns; and room, see `give_rows`
    int64_t n_columns      # of a merged row: the players of the path above, then those below
    int64_t n_players      # of them
    int64_t n_above
    int64_t* player        # of each column
    int64_t* column        # of each slot of the path


cdef struct Rows:
    # The rows of one block that are not dropped, by level of the path, and what their leaves need.
    int64_t most           # at once
    int64_t n_words        # of a set of players
    const double* data     # features ``stride`` apart
    int64_t stride
    int64_t n_begun        # at the root
    int64_t* n             # levels
    int32_t** kept         # levels: which they are, where rows were dropped; else as above
    int32_t* room          # levels x rows: for them
    uint64_t* failed       # levels x rows x words: what each kept row fails
    uint16_t* left         # levels x rows: which way each kept row goes
    int64_t* player        # of each slot of the path
    double* shares         # different sets of failed players by players of the leaf
    int64_t n_shares
    uint8_t* lives         # whether such a set meets any of the background
    int32_t* first         # a row that fails it
    int32_t* number        # rows: the set of each
    int32_t* table
    int32_t* living        # of the rows that are given anything: which they are
    int32_t* set_of        # the set of each of these, or of all rows
    double* lines          # players of the tree by values of a leaf, and nobody, by rows: values
    int64_t line           # from one to the next
    int64_t n_lines
    Merged merged


cdef inline void release_rows(Rows* rows) noexcept nogil:
    free(rows.n)
    free(rows.kept)
    free(rows.room)
    free(rows.failed)
    free(rows.left)
    free(rows.player)
    free(rows.shares)
    free(rows.lives)
    free(rows.first)
    free(rows.number)
    free(rows.table)
    free(rows.living)
    free(rows.lines)
    free(rows.merged.number)
    free(rows.merged.first)
    free(rows.merged.every)
    free(rows.merged.key)
    free(rows.merged.outcome)
    free(rows.merged.lives)
    free(rows.merged.sums)
    free(rows.merged.player)
    free(rows.merged.column)


cdef inline int allocate_rows(
    Rows* rows,
    int64_t n_levels,
    int64_t most,
    int64_t n_words,
    int64_t n_players,
    int64_t n_all,
    int64_t width,
) noexcept nogil:
    """Room for so many rows at once; -1 without memory. Call `release_rows` in any case.

    n_players, n_all : most on a path, and of the whole tree
    """
    cdef Merged* merged = &rows.merged
    cdef int64_t i
    memset(rows, 0, sizeof(Rows))
    rows.most = most
    rows.n_words = n_words
    rows.n_lines = n_all * width
    # Apart by no power of two, which would have them share a few places of the cache.
    rows.line = most + 8
    rows.n = <int64_t*>malloc(n_levels * sizeof(int64_t))
    rows.kept = <int32_t**>malloc(n_levels * sizeof(int32_t*))
    rows.room = <int32_t*>malloc(n_levels * most * sizeof(int32_t))
    rows.failed = <uint64_t*>malloc(n_levels * most * n_words * sizeof(uint64_t))
    rows.left = <uint16_t*>malloc(n_levels * most * sizeof(uint16_t))
    rows.player = <int64_t*>malloc(64 * n_words * sizeof(int64_t))
    rows.lives = <uint8_t*>malloc(most)
    rows.first = <int32_t*>malloc(most * sizeof(int32_t))
    rows.number = <int32_t*>malloc(most * sizeof(int32_t))
    rows.table = <int32_t*>malloc(places_for(most) * sizeof(int32_t))
    rows.living = <int32_t*>malloc(2 * most * sizeof(int32_t))
    rows.set_of = rows.living + most
    rows.lines = <double*>malloc((rows.n_lines + 1) * rows.line * sizeof(double))
    merged.end = -1
    merged.number = <int32_t*>malloc(most * sizeof(int32_t))
    merged.first = <int32_t*>malloc(most * sizeof(int32_t))
    merged.every = <int32_t*>malloc(most * sizeof(int32_t))
    merged.key = <uint64_t*>malloc(most * sizeof(uint64_t))
    merged.outcome = <uint16_t*>malloc(most * sizeof(uint16_t))
    merged.lives = <uint8_t*>malloc(most)
    merged.sums = <double*>malloc(
        ((most + 1) * (n_players + MOST_TESTS) * width + 3) * sizeof(double)
    )
    merged.player = <int64_t*>malloc((n_players + MOST_TESTS) * sizeof(int64_t))
    merged.column = <int64_t*>malloc(64 * n_words * sizeof(int64_t))
    if (rows.n == NULL or rows.kept == NULL or rows.room == NULL or rows.failed == NULL
            or rows.left == NULL or rows.player == NULL or rows.lives == NULL
            or rows.first == NULL or rows.number == NULL or rows.table == NULL
            or rows.living == NULL or rows.lines == NULL
            or merged.number == NULL
            or merged.first == NULL or merged.every == NULL or merged.key == NULL
            or merged.outcome == NULL or merged.lives == NULL or merged.sums == NULL
            or merged.player == NULL or merged.column == NULL):
        return -1
    for i in range(most):
        merged.every[i] = <int32_t>i
    return 0


cdef inline int64_t padded(int64_t n_players) noexcept nogil:
    return max(1, (n_players + CHUNK - 1) // CHUNK) * CHUNK


cdef inline void begin_rows(
    Rows* rows, const double* data, int64_t stride, int64_t n
) noexcept nogil:
    """Put rows at the root."""
    cdef int64_t i
    rows.data = data
    rows.stride = stride
    rows.n_begun = rows.n[0] = n
    rows.kept[0] = rows.room
    for i in range(n):
        rows.room[i] = <int32_t>i
    memset(rows.failed, 0, n * rows.n_words * sizeof(uint64_t))
    for i in range(rows.n_lines + 1):
        memset(rows.lines + i * rows.line, 0, n * sizeof(double))


cdef inline bint goes_left_plain(const Step* step, double value) noexcept nogil:
    return (value <= step.threshold) | ((value != value) & (step.plain == 2))


cdef inline void decide_rows(const Nodes* nodes, const Step* step, Rows* rows) noexcept nogil:
    """Find which way the rows go."""
    cdef const double* x = rows.data + step.feature * rows.stride
    cdef uint16_t* left = rows.left + step.level * rows.most
    cdef const int32_t* kept = rows.kept[step.level]
    cdef int64_t n = rows.n[step.level]
    cdef int64_t i
    if rows.merged.end >= 0:
        for i in range(n):
            left[i] = rows.merged.outcome[kept[i]] >> step.bit & 1
    elif n == rows.n_begun and n > FEW:  # none was dropped
        decide(nodes, step.node, x, left, n)
    elif step.plain:
        for i in range(n):
            left[i] = goes_left_plain(step, x[kept[i]])
    else:
        for i in range(n):
            left[i] = goes_left(nodes, step.node, x[kept[i]])


cdef inline int64_t number_failed(Rows* rows, const Step* step) noexcept nogil:
    """Number the different sets that the rows fail at a step; return how many."""
    cdef int64_t n = rows.n[step.level]
    cdef int64_t i
    if n > FEW:
        return number_sets(
            rows.failed + step.level * rows.most * rows.n_words, n, rows.n_words, step.n_players,
            rows.table, places_for(n), rows.first, rows.number,
        )
    for i in range(n):
        rows.first[i] = rows.number[i] = <int32_t>i
    return n


cdef inline int64_t group_leaf(Rows* rows, const Step* step) noexcept nogil:
    """Number the different sets that the rows fail at a leaf; return how many, -1 without memory.

    There is room for their shares, `leaf_stride` each, and those of one more.
    """
    cdef int64_t count = number_failed(rows, step)
    if (count + 1) * leaf_stride(step) > rows.n_shares:
        rows.n_shares = 2 * (count + 1) * leaf_stride(step)
        free(rows.shares)
        rows.shares = <double*>malloc(rows.n_shares * sizeof(double))
        if rows.shares == NULL:
            return -1
    return count


cdef inline int64_t leaf_stride(const Step* step) noexcept nogil:
    return padded(step.n_players)


cdef inline void share_given(
    Rows* rows,
    const Step* step,
    int64_t number,
    const uint64_t* words,
    const int32_t* place,
    const double* given,
    int64_t n,
    double lost,
) noexcept nogil:
    """Sum what n sets of the background, at their places in ``words``, give to their players.

    The failed players get ``lost``. There is nothing where n is 0.
    """
    cdef double* shares = rows.shares + number * leaf_stride(step)
    cdef const uint64_t* failed = (
        rows.failed + (step.level * rows.most + rows.first[number]) * rows.n_words
    )
    cdef int64_t j
    rows.lives[number] = n > 0
    if not n:
        return
    for j in range(leaf_stride(step) // CHUNK):
        sum_given(words, rows.n_words, place, given, n, failed, lost, j, shares + j * CHUNK)


cdef inline void enter(Rows* rows, const Step* step) noexcept nogil:
    """Note the player of the edge to a step."""
    rows.player[step.slot] = step.player
    if rows.merged.end >= 0 and not step.again:
        enter_merged(&rows.merged, step)


cdef inline void enter_merged(Merged* merged, const Step* step) noexcept nogil:
    """Find the column of a player first met within the subtree."""
    cdef int64_t i = merged.n_above
    while i < merged.n_players and merged.player[i] != step.player:
        i += 1
    merged.column[step.slot] = i
    if i == merged.n_players:
        merged.player[i] = step.player
        merged.n_players += 1
