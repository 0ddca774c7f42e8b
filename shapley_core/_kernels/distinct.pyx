"""Which masked rows of an explained row are the same, and means over the donors of each coalition.

A coalition and a donor make the masked row of the donor and the features of the coalition in which
the donor differs: coalitions that agree there make the same row.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc

from .set_numbers cimport number_sets, places_for


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
    cdef int64_t n_places = places_for(n)
    cdef int64_t c, z, w, count = 0
    cdef int32_t first
    cdef uint64_t* patterns = <uint64_t*>malloc(n * n_words * sizeof(uint64_t))
    cdef int32_t* table = <int32_t*>malloc((n_places + 2 * n) * sizeof(int32_t))
    cdef int32_t* firsts = table + n_places
    cdef int32_t* own = firsts + n
    if patterns == NULL or table == NULL:
        free(patterns)
        free(table)
        raise MemoryError("no memory for the distinct masked rows of one row")
    with nogil:
        for z in range(n_donors):
            for c in range(n):
                for w in range(n_words):
                    patterns[c * n_words + w] = words[c, w] & differs[z, w]
            number_sets(patterns, n, n_words, 64, table, n_places, firsts, own)
            for c in range(n):
                number[c, z] = firsts[own[c]]
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
    free(table)


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
