"""Rows that are the same in a small subtree of a deep tree: one row there.

At the subtree's root they fail the same players, and its tests decide them alike, so that they get
the same values from its leaves. Many rows come to few such.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t
from libc.string cimport memset

from .deep_walk cimport Merged, Rows, Step, goes_left_plain
from .forest cimport LEAF, Nodes, goes_left
from .group_patterns cimport FEW, compare_into_bit
from .row_values cimport Given, give_rows
from .set_numbers cimport number_sets, places_for


cdef inline uint16_t outcome_of(const Nodes* nodes, const Step* step, double value) noexcept nogil:
    """What a test of the subtree says of a value, at its bit."""
    cdef bint left = (
        goes_left_plain(step, value) if step.plain else goes_left(nodes, step.node, value)
    )
    return <uint16_t>(left << step.bit)


cdef inline int64_t merge_rows(const Nodes* nodes, const Step* root, Rows* rows) noexcept nogil:
    """Make one row of all that are the same in the subtree of a step, whose rows are known.

    They fail the same players above, and its tests decide them alike. Their values within are
    summed by themselves and added to those of the rows by `part_rows`. Return how many they are.
    """
    cdef Merged* merged = &rows.merged
    cdef const Step* step
    cdef int64_t level = root.level
    cdef int64_t n = rows.n[level]
    cdef uint64_t* failed = rows.failed + level * rows.most
    cdef int32_t* kept = rows.kept[level]
    cdef const double* x
    cdef int64_t i, j, at, count = n
    cdef bint all_rows
    merged.level = level
    merged.n_rows = n
    merged.kept = kept
    merged.n_above = merged.n_players = root.n_players
    merged.n_columns = root.n_players + root.n_tests
    if n > FEW:
        # Side by side all rows are faster decided than a part of them.
        all_rows = 8 * n > rows.n_begun
        memset(merged.outcome, 0, (rows.n_begun if all_rows else n) * sizeof(uint16_t))
        for j in range(root.subtree):
            step = root + j
            if step.feature == LEAF:
                continue
            x = rows.data + step.feature * rows.stride
            if all_rows and step.plain:
                compare_into_bit(
                    x, step.threshold, step.plain == 2, step.bit, merged.outcome, rows.n_begun
                )
                continue
            for i in range(n):
                at = kept[i] if all_rows else i
                merged.outcome[at] |= outcome_of(nodes, step, x[kept[i]])
        if all_rows and n < rows.n_begun:
            for i in range(n):
                merged.outcome[i] = merged.outcome[kept[i]]
        for i in range(n):
            merged.key[i] = failed[i] | <uint64_t>merged.outcome[i] << root.n_players
        count = number_sets(
            merged.key, n, 1, root.n_players + root.n_tests, rows.table, places_for(n),
            merged.first, merged.number,
        )
        for i in range(count):
            failed[i] = failed[merged.first[i]]
            merged.outcome[i] = merged.outcome[merged.first[i]]
    else:
        for i in range(n):
            merged.first[i] = merged.number[i] = <int32_t>i
            merged.outcome[i] = 0
            for j in range(root.subtree):
                step = root + j
                if step.feature != LEAF:
                    x = rows.data + step.feature * rows.stride
                    merged.outcome[i] |= outcome_of(nodes, step, x[kept[i]])
    rows.n[level] = count
    rows.kept[level] = merged.every
    memset(merged.lives, 0, count)
    memset(merged.sums, 0, count * merged.n_columns * nodes.width * sizeof(double))
    return count


cdef inline void part_rows(Rows* rows, int64_t width) noexcept nogil:
    """Give what was summed for merged rows to those that they stand for."""
    cdef Merged* merged = &rows.merged
    cdef Given given
    cdef int64_t j
    given.n = rows.n[merged.level]
    rows.n[merged.level] = merged.n_rows
    rows.kept[merged.level] = merged.kept
    merged.end = -1
    for j in range(merged.n_above):
        merged.player[j] = rows.player[j]
    given.numbers = merged.sums
    given.stride = merged.n_columns * width
    given.by_value = merged.n_columns
    given.times = NULL
    given.lives = merged.lives
    given.players = merged.player
    given.n_players = merged.n_players
    give_rows(rows, &given, merged.number, merged.kept, merged.n_rows, width)
