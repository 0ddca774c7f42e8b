"""Normal equations of regressions on coalitions: counted in bits, 64 coalitions to a word."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from .bits cimport lowest_bit

cdef extern from "normal.h" nogil:
    void add_common_bits(
        const uint64_t* column, const uint64_t* columns, int64_t n_words, int64_t start,
        int64_t stop, double weight, double* out
    )

# Rows counted at once, in words of 64: the columns of 64 players then fit the first cache.
cdef int64_t BLOCK = 64


def common_players(
    const uint64_t[:, ::1] words, int64_t step, const int64_t[::1] counts,
    const double[::1] weights, double[:, ::1] out,
):
    """out[i, j] += Σ weight over the coalitions that hold both players, for j <= i.

    Coalitions are every ``step``-th row of ``words``; the first ``counts[0]`` of them have
    ``weights[0]``, and so on.
    """
    cdef int64_t n_words = words.shape[1]
    cdef int64_t n = out.shape[0]
    cdef int64_t row = 0
    cdef int64_t stratum, done, here, width, i
    cdef uint64_t* columns = <uint64_t*>malloc(sizeof(uint64_t) * n * BLOCK)
    if columns == NULL:
        raise MemoryError("no room for columns of bits")
    with nogil:
        for stratum in range(counts.shape[0]):
            done = 0
            while done < counts[stratum]:
                here = min(64 * BLOCK, counts[stratum] - done)
                width = (here + 63) >> 6
                memset(columns, 0, sizeof(uint64_t) * n * width)
                transpose(&words[row * step, 0], n_words, step * n_words, here, width, columns)
                for i in range(n):
                    add_common_bits(
                        columns + i * width, columns, width, 0, i + 1, weights[stratum], &out[i, 0]
                    )
                done += here
                row += here
    free(columns)


cdef void transpose(
    const uint64_t* words, int64_t n_words, int64_t stride, int64_t n_rows, int64_t width,
    uint64_t* columns,
) noexcept nogil:
    """Set bit r of column i where row r holds player i."""
    cdef int64_t r, w
    cdef uint64_t word
    for r in range(n_rows):
        for w in range(n_words):
            word = words[r * stride + w]
            while word:
                columns[(64 * w + lowest_bit(word)) * width + (r >> 6)] |= (
                    <uint64_t>1 << (r & 63)
                )
                word &= word - 1


def player_sums(
    const uint64_t[:, ::1] words, int64_t step, const double[:, ::1] values, double[:, ::1] out
):
    """out[i, g] += Σ values[r, g] over the coalitions r that hold player i.

    Coalition r is row ``step * r`` of ``words``.
    """
    cdef int64_t n_words = words.shape[1]
    cdef int64_t n_games = values.shape[1]
    cdef int64_t r, w, g
    cdef uint64_t word
    cdef double* sums
    cdef const double* row
    with nogil:
        for r in range(values.shape[0]):
            row = &values[r, 0]
            for w in range(n_words):
                word = words[step * r, w]
                while word:
                    sums = &out[64 * w + lowest_bit(word), 0]
                    for g in range(n_games):
                        sums[g] += row[g]
                    word &= word - 1
