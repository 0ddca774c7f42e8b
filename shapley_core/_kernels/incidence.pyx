"""Sums over sampled coalitions by the interactions that they hold."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc

from .unpack cimport spread_bits, transpose_word

cdef extern from "incidence.h" nogil:
    void add_rows(
        const double* inside, int64_t stride, uint64_t rows, const double* factors, double* sums,
        int64_t n
    )

# Rows taken at once: those that hold a set are the bits of a word.
cdef int64_t BLOCK = 64


def held_sums(
    const uint64_t[:, ::1] words, int64_t step, int64_t n_players, int64_t size,
    const double[:, ::1] columns, double[:, ::1] out,
):
    """out[c, R] += Σ_r columns[c, r] over the coalitions r that hold R, for |R| = ``size`` >= 1.

    Coalition r is row ``step * r`` of ``words``; the sets R are in lexicographic order. Those that
    share all but their last player stand side by side, and so do their sums.
    """
    cdef int64_t n = n_players
    cdef int64_t n_rows = columns.shape[1]
    cdef int64_t start = 0
    cdef int64_t here
    cdef double* inside = <double*>malloc(sizeof(double) * BLOCK * n)
    cdef uint64_t* held = <uint64_t*>malloc(sizeof(uint64_t) * (n + 2 * size))
    if inside == NULL or held == NULL:
        free(inside)
        free(held)
        raise MemoryError("no room for a block of coalitions")
    with nogil:
        while start < n_rows:
            here = min(BLOCK, n_rows - start)
            unpack(words, step, start, here, n, inside, held)
            add_block(n, size, start, here, columns, inside, held, out)
            start += here
    free(held)
    free(inside)


cdef void unpack(
    const uint64_t[:, ::1] words, int64_t step, int64_t start, int64_t n_rows, int64_t n_players,
    double* inside, uint64_t* holding,
) noexcept nogil:
    """Rows of 0.0 and 1.0, and for each player the rows that hold him as bits."""
    cdef int64_t r, w
    cdef int64_t stride = step * words.shape[1]
    cdef const uint64_t* rows = &words[step * start, 0]
    for r in range(n_rows):
        spread_bits(rows + r * stride, n_players, 0.0, 1.0, inside + r * n_players)
    for w in range(words.shape[1]):
        transpose_word(
            rows + w, stride, n_rows, min(64, n_players - 64 * w), holding + 64 * w, 1
        )


cdef void add_block(
    int64_t n, int64_t size, int64_t start, int64_t n_rows, const double[:, ::1] columns,
    const double* inside, uint64_t* holding, double[:, ::1] out,
) noexcept nogil:
    """For each set of ``size`` - 1 players, the rows that hold it, and who else they hold."""
    cdef uint64_t* rows = holding + n
    cdef int64_t* members = <int64_t*>(rows + size)
    cdef int64_t place = 0
    cdef int64_t at = 0
    cdef int64_t first, c, k
    rows[0] = ~<uint64_t>0 >> (64 - n_rows)
    if size > 1:
        members[0] = 0
    while True:
        # From place ``at`` on the members are new.
        for k in range(at, size - 1):
            if k > at:
                members[k] = members[k - 1] + 1
            rows[k + 1] = rows[k] & holding[members[k]]
        first = members[size - 2] + 1 if size > 1 else 0
        if rows[size - 1]:
            for c in range(out.shape[0]):
                add_rows(
                    inside + first, n, rows[size - 1], &columns[c, start], &out[c, place], n - first
                )
        place += n - first
        # The next of the sets that leave a larger player.
        at = size - 2
        while at >= 0 and members[at] == n - size + at:
            at -= 1
        if at < 0:
            return
        members[at] += 1
