"""Products of matrices that add in one order, however many rows are multiplied at once."""

from libc.stdint cimport int64_t


def product(const double[:, ::1] left, const double[:, ::1] right, double[:, ::1] out):
    """out += left @ right, each entry by adding its terms one after the other."""
    cdef int64_t n_terms = right.shape[0]
    cdef int64_t width = right.shape[1]
    cdef int64_t i, j, k, fours
    cdef double a, b, c, d
    cdef const double* first
    cdef double* row
    if left.shape[0] == 0 or n_terms == 0 or width == 0:
        return
    fours = n_terms - n_terms % 4
    with nogil:
        for i in range(left.shape[0]):
            row = &out[i, 0]
            # Four terms a pass over the row, which is read and written once for them.
            for k in range(0, fours, 4):
                a, b, c, d = left[i, k], left[i, k + 1], left[i, k + 2], left[i, k + 3]
                first = &right[k, 0]
                for j in range(width):
                    row[j] = (
                        ((row[j] + a * first[j]) + b * first[width + j])
                        + c * first[2 * width + j]
                    ) + d * first[3 * width + j]
            for k in range(fours, n_terms):
                a, first = left[i, k], &right[k, 0]
                for j in range(width):
                    row[j] += a * first[j]
