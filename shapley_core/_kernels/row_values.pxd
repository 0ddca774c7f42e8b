"""What leaves of a deep tree give to the values of the rows that have come to them."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from .deep_walk cimport Merged, Rows, Step, leaf_stride
from .forest cimport Nodes
from .group_patterns cimport FEW


cdef extern from "alive.h" nogil:
    void add_shares(
        const int32_t*, const uint8_t*, const int32_t*, int64_t, const double*, int64_t, double,
        double*, int64_t, int64_t
    )
    void add_column(const int32_t*, const int32_t*, int64_t, const double*, double*)


# At most so many rows are given their values one by one, where hardly two are the same: measured.
cdef enum:
    BY_ROW = 256


cdef struct Given:
    # What sets that rows fail, or merged rows, give to players: of each ``stride`` numbers.
    const double* numbers
    int64_t n
    int64_t stride
    int64_t by_player      # from a player to the next
    int64_t by_value       # from a value of a leaf to the next
    const double* times    # what each value is multiplied by; NULL for 1
    const uint8_t* lives   # whether a set gives anything
    const int64_t* players
    int64_t n_players


cdef inline void give_rows(
    Rows* rows, const Given* given, const int32_t* number, const int32_t* kept, int64_t n,
    int64_t width
) noexcept nogil:
    """Add to the values of n rows, which are kept, what is given by the set that each has."""
    cdef int64_t i, j, k, n_living
    cdef double times = 1.0
    cdef const double* numbers
    cdef double* line
    if n <= BY_ROW and 2 * given.n > n:
        # Few rows that hardly share sets: row by row. The additions are the same.
        for i in range(n):
            if not given.lives[number[i]]:
                continue
            numbers = given.numbers + number[i] * given.stride
            for j in range(given.n_players):
                line = rows.lines + given.players[j] * width * rows.line + kept[i]
                for k in range(width):
                    if given.times != NULL:
                        times = given.times[k]
                    line[k * rows.line] += (
                        times * numbers[j * given.by_player + k * given.by_value]
                    )
        return
    n_living = list_living(rows, number, given.lives, kept, n)
    for j in range(given.n_players if n_living else 0):
        for k in range(width):
            if given.times != NULL:
                times = given.times[k]
            numbers = given.numbers + j * given.by_player + k * given.by_value
            for i in range(given.n):
                rows.column[i] = times * numbers[i * given.stride]
            add_column(
                rows.set_of, rows.living, n_living, rows.column,
                rows.lines + (given.players[j] * width + k) * rows.line,
            )


cdef inline int64_t list_living(
    Rows* rows, const int32_t* number, const uint8_t* lives, const int32_t* kept, int64_t n
) noexcept nogil:
    """List the rows whose set lives, and their sets; return how many."""
    cdef int64_t i, count = 0
    for i in range(n):
        rows.living[count] = kept[i]
        rows.set_of[count] = number[i]
        count += lives[number[i]] != 0
    return count


cdef inline void add_leaf(
    const Nodes* nodes, const Step* step, Rows* rows, int64_t n_sets
) noexcept nogil:
    """Add the shares of a leaf's value, of n sets of failed players, to the rows' values."""
    cdef Given given
    if rows.merged.end >= 0:
        add_merged(nodes, step, rows)
        return
    given.numbers = rows.shares
    given.n = n_sets
    given.stride = leaf_stride(step)
    given.by_player = 1
    given.by_value = 0
    given.times = nodes.values + step.node * nodes.width
    given.lives = rows.lives
    given.players = rows.player
    given.n_players = step.n_players
    give_rows(
        rows, &given, rows.number, rows.kept[step.level], rows.n[step.level], nodes.width
    )


cdef inline void add_merged(const Nodes* nodes, const Step* step, Rows* rows) noexcept nogil:
    """Add the shares of a leaf's value to the sums of merged rows."""
    cdef const double* value = nodes.values + step.node * nodes.width
    cdef const double* shares
    cdef double* target
    cdef const int32_t* kept = rows.kept[step.level]
    cdef Merged* merged = &rows.merged
    cdef int64_t n_sums = merged.n_columns * nodes.width
    cdef int64_t n_above = merged.n_above
    cdef int64_t i, j, k
    cdef bint at_once = nodes.width == 1 and rows.n[step.level] > FEW
    if at_once:
        add_shares(
            rows.number, rows.lives, kept, rows.n[step.level], rows.shares, leaf_stride(step),
            value[0], merged.sums, n_sums, n_above,
        )
    for i in range(rows.n[step.level]):
        if not rows.lives[rows.number[i]]:
            continue
        merged.lives[kept[i]] = True
        shares = rows.shares + rows.number[i] * leaf_stride(step)
        target = merged.sums + kept[i] * n_sums
        for j in range(0 if at_once else n_above):
            for k in range(nodes.width):
                target[j * nodes.width + k] += value[k] * shares[j]
        for j in range(n_above, step.n_players):
            for k in range(nodes.width):
                target[merged.column[j] * nodes.width + k] += value[k] * shares[j]


cdef inline void end_rows(
    const Rows* rows, const int64_t* players, int64_t width, double* out, int64_t n_players,
    int64_t n_outputs
) noexcept nogil:
    """Add the values of the rows that were begun to ``out``; ``players``: of the tree."""
    cdef int64_t i, j, k
    cdef const double* line
    cdef double* target
    for i in range(rows.n_begun):
        for j in range(rows.n_lines // width):
            line = rows.lines + j * width * rows.line + i
            target = out + (i * n_players + players[j]) * n_outputs
            for k in range(width):
                target[k] += line[k * rows.line]
