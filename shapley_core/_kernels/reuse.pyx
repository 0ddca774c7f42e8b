"""Maximum sample reuse: what each drawn coalition adds to every interaction of a size."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef extern from "reuse.h" nogil:
    void add_line(
        const double* inside, double start, double step, double* sums, double* squares, int64_t n
    )


def add_strata(
    const uint64_t[:, ::1] words, int64_t step, int64_t n_players, int64_t size,
    const int64_t[::1] sizes, const int64_t[::1] counts, const double[::1] missing,
    const double[:, ::1] weights, const double[::1] worths, double[::1] values,
    double[::1] variance,
):
    """Add Σ weights[|T|, |T ∩ S|] worth(T) to the value of each S of ``size``, and its variance.

    A draw is one coalition (``step`` 1), or two complements (2), the first of the stratum's size.
    The variance of a stratum is that of as many draws without replacement, times the fraction
    ``missing`` of the stratum that was not drawn. Interactions are in lexicographic order.
    """
    cdef int64_t n_values = values.shape[0]
    cdef int64_t n = n_players
    cdef int64_t row = 0
    cdef int64_t stratum, _draw, i
    cdef double count, other, spread
    cdef const double* here
    cdef const double* there
    cdef double* inside = <double*>calloc(n + 2 * n_values, sizeof(double))
    cdef int64_t* members = <int64_t*>calloc(size + 1, sizeof(int64_t))
    cdef double* sums = inside + n
    cdef double* squares = sums + n_values
    if inside == NULL or members == NULL:
        free(inside)
        free(members)
        raise MemoryError("no room for the sums of a stratum")
    with nogil:
        for stratum in range(counts.shape[0]):
            count = <double>counts[stratum]
            if counts[stratum] == 0:
                continue
            memset(sums, 0, sizeof(double) * 2 * n_values)
            here = &weights[sizes[stratum], 0]
            there = &weights[n - sizes[stratum], 0]
            for _draw in range(counts[stratum]):
                for i in range(n):
                    inside[i] = <double>(words[row, i >> 6] >> (i & 63) & 1)
                other = worths[row + 1] if step == 2 else 0.0
                add_draw(
                    inside, n, size, here, there, worths[row], other, members, sums, squares
                )
                row += step
            for i in range(n_values):
                values[i] += sums[i]
                spread = squares[i]
                if counts[stratum] > 1:
                    spread = (spread - sums[i] * sums[i] / count) * (count / (count - 1.0))
                variance[i] += missing[stratum] * spread
    free(inside)
    free(members)


cdef void add_draw(
    const double* inside, int64_t n, int64_t size, const double* here, const double* there,
    double worth, double other, int64_t* members, double* sums, double* squares,
) noexcept nogil:
    """Interactions that share all but their last player stand side by side."""
    cdef int64_t place = 0
    cdef int64_t first, within, at
    cdef double start, stop
    if size == 0:
        start = worth * here[0] + other * there[0]
        sums[0] += start
        squares[0] += start * start
        return
    for at in range(size - 1):
        members[at] = at
    while True:
        within = 0
        for at in range(size - 1):
            within += <int64_t>inside[members[at]]
        first = members[size - 2] + 1 if size > 1 else 0
        start = worth * here[within] + other * there[size - within]
        stop = worth * here[within + 1] + other * there[size - within - 1]
        add_line(
            inside + first, start, stop - start, sums + place, squares + place, n - first
        )
        place += n - first
        # The next of the sets of size - 1 that leave a larger player.
        at = size - 2
        while at >= 0 and members[at] == n - size + at:
            at -= 1
        if at < 0:
            return
        members[at] += 1
        for at in range(at + 1, size - 1):
            members[at] = members[at - 1] + 1
