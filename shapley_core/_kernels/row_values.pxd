"""What leaves of a deep tree give to the values of the rows that have come to them."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from .deep_walk cimport Merged, Rows, Step, leaf_stride
from .forest cimport Nodes
from .group_patterns cimport FEW


cdef extern from "alive.h" nogil:
    void add_shares(
        const int32_t*, const uint8_t*, const int32_t*, int64_t, const double*, int64_t, double,
        double*, int64_t, int64_t
    )
    void add_all(const int32_t*, int64_t, const double*, int64_t, double, double**)
    void add_kept(
        const int32_t*, const int32_t*, int64_t, const double*, int64_t, double, double**
    )


cdef enum:
    # At most so many rows are given their values one by one, where hardly two are the same:
    # measured.
    BY_ROW = 256
    # Rows one in so many of which are left are added to side by side, others one by one: measured.
    MANY_LEFT = 4


cdef struct Given:
    # What sets that rows fail, or merged rows, give to players: of each ``stride`` numbers, and
    # room for those of another, and for three more.
    double* numbers
    int64_t n
    int64_t stride
    int64_t by_value       # from a player's number to that of the next value of a leaf
    const double* times    # what each value is multiplied by; NULL for 1
    const uint8_t* lives   # whether a set gives anything
    const int64_t* players
    int64_t n_players


cdef inline void give_rows(
    Rows* rows, const Given* given, const int32_t* number, const int32_t* kept, int64_t n,
    int64_t width
) noexcept nogil:
    """Add to the values of n rows, which are kept, what is given by the set that each has."""
    cdef int64_t i, j, k, c, n_living
    cdef double times = 1.0
    cdef const double* numbers
    cdef double* lines[4]
    cdef bint every = MANY_LEFT * n > rows.n_begun
    if n <= BY_ROW and 2 * given.n > n:
        # Few rows that hardly share sets: row by row. The additions are the same.
        for i in range(n):
            if given.lives[number[i]]:
                give_row(
                    rows, given, given.numbers + number[i] * given.stride, rows.lines + kept[i],
                    width,
                )
        return
    # If many are left, all rows side by side: those of no living set are given what is behind the
    # last of the sets, nothing.
    memset(given.numbers + given.n * given.stride, 0, given.stride * sizeof(double))
    n_living = (
        place_living(rows, number, given, kept, n) if every
        else list_living(rows, number, given, kept, n)
    )
    for j in range(0, given.n_players if n_living else 0, 4):
        for k in range(width):
            if given.times != NULL:
                times = given.times[k]
            for c in range(4):
                lines[c] = rows.lines + rows.line * (
                    given.players[j + c] * width + k if j + c < given.n_players
                    else rows.n_lines  # nobody's
                )
            numbers = given.numbers + k * given.by_value + j
            if every:
                add_all(rows.set_of, rows.n_begun, numbers, given.stride, times, lines)
            else:
                add_kept(
                    rows.set_of, rows.living, n_living, numbers, given.stride, times, lines
                )


cdef inline void give_row(
    const Rows* rows, const Given* given, const double* numbers, double* values, int64_t width
) noexcept nogil:
    """Add the numbers of a set to the values of a row, which begin there."""
    cdef int64_t j, k
    cdef double times = 1.0
    for j in range(given.n_players):
        for k in range(width):
            if given.times != NULL:
                times = given.times[k]
            values[(given.players[j] * width + k) * rows.line] += (
                times * numbers[k * given.by_value + j]
            )


cdef inline int64_t place_living(
    Rows* rows, const int32_t* number, const Given* given, const int32_t* kept, int64_t n
) noexcept nogil:
    """Write the set of each row that was begun, the one behind the last if it does not live."""
    cdef int64_t i, count = 0
    for i in range(rows.n_begun):
        rows.set_of[i] = <int32_t>given.n
    for i in range(n):
        if given.lives[number[i]]:
            rows.set_of[kept[i]] = number[i]
            count += 1
    return count


cdef inline int64_t list_living(
    Rows* rows, const int32_t* number, const Given* given, const int32_t* kept, int64_t n
) noexcept nogil:
    """List the rows whose set lives, and their sets; return how many."""
    cdef int64_t i, count = 0
    for i in range(n):
        rows.living[count] = kept[i]
        rows.set_of[count] = number[i]
        count += given.lives[number[i]] != 0
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
    cdef bint many = rows.n[step.level] > FEW
    for k in range(nodes.width if many else 0):
        add_shares(
            rows.number, rows.lives, kept, rows.n[step.level], rows.shares, leaf_stride(step),
            value[k], merged.sums + k * merged.n_columns, n_sums, n_above,
        )
    for i in range(rows.n[step.level]):
        if not rows.lives[rows.number[i]]:
            continue
        merged.lives[kept[i]] = True
        shares = rows.shares + rows.number[i] * leaf_stride(step)
        for k in range(nodes.width):
            target = merged.sums + kept[i] * n_sums + k * merged.n_columns
            for j in range(0 if many else n_above):
                target[j] += value[k] * shares[j]
            for j in range(n_above, step.n_players):
                target[merged.column[j]] += value[k] * shares[j]


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
