"""Which masked rows of an explained row are the same, and means over the donors of each coalition.

A coalition and a donor make the masked row of the donor and the features of the coalition in which
the donor differs: coalitions that agree there make the same row.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc

cdef extern from "distinct.h" nogil:
    void first_alike(
        const uint64_t* words, const uint64_t* differs, int64_t n, int64_t n_words,
        int64_t n_slots, int32_t* slots, uint64_t* patterns, int64_t step, int32_t* first
    )


def find(
    const uint64_t[:, ::1] words, const uint64_t[:, ::1] differs, int32_t[:, ::1] number,
    int64_t[::1] starts, int64_t[::1] donors,
):
    """Number the distinct masked rows of n coalitions and some donors.

    Parameters are packed coalitions of features (n, n_words), the features in which each donor
    differs (n_donors, n_words), and what is found: the number of each row (n, n_donors); and the
    donors of the rows, by number, those from ``starts[c]`` to ``starts[c + 1]`` with coalition c.
    """
    cdef int64_t n = words.shape[0]
    cdef int64_t n_words = words.shape[1]
    cdef int64_t n_donors = differs.shape[0]
    cdef int64_t n_slots = 2
    while n_slots < 2 * n:
        n_slots *= 2
    cdef uint64_t* patterns = <uint64_t*>malloc(n * n_words * 8 + n_slots * 4 + 8)
    if patterns == NULL:
        raise MemoryError
    cdef int32_t* slots = <int32_t*>(patterns + n * n_words)
    cdef int64_t c, z, count = 0
    cdef int32_t first
    with nogil:
        for z in range(n_donors):
            first_alike(
                &words[0, 0], &differs[z, 0], n, n_words, n_slots, slots, patterns, n_donors,
                &number[0, z]
            )
        for c in range(n):
            starts[c] = count
            for z in range(n_donors):
                first = number[c, z]
                if first == c:
                    donors[count] = z
                    number[c, z] = <int32_t>count
                    count += 1
                else:
                    # That of an earlier coalition is numbered already.
                    number[c, z] = number[first, z]
        starts[n] = count
    free(patterns)


def add_means(
    const double[:, ::1] outputs, const int32_t[:, ::1] number, const double[::1] weights,
    double[:, ::1] out,
):
    """out[c, k] += Σ_z weights[z] outputs[number[c, z], k], in the order of z."""
    cdef int64_t n_outputs = outputs.shape[1]
    cdef int64_t z, c, k
    cdef double total
    with nogil:
        for c in range(number.shape[0]):
            for k in range(n_outputs):
                total = out[c, k]
                for z in range(number.shape[1]):
                    total += weights[z] * outputs[number[c, z], k]
                out[c, k] = total
