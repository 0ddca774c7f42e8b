"""Normal equations of regressions on parities of coalitions, counted 64 coalitions to a word.

The parity of a term, a set of players U, is χ_U(T) = (-1)^|T ∩ U|. Terms are rows of players,
padded with -1. Coalition r is row ``step * r`` of ``words``.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from .unpack cimport spread_bits, transpose_word

cdef extern from "normal.h" nogil:
    void add_agreement(
        const uint64_t* column, const uint64_t* columns, int64_t n_words, int64_t n_rows,
        int64_t stop, double weight, double* out
    )
    void multiply_signs(
        const double* signs, const int32_t* terms, int64_t width, int64_t n_terms, double* out
    )

# Rows counted at once, in words of 64: the columns of 64 terms then fit the first cache.
cdef int64_t BLOCK = 64


def parity_products(
    const uint64_t[:, ::1] words, int64_t step, const int64_t[::1] counts,
    const double[::1] weights, const int32_t[:, ::1] terms, double[:, ::1] out,
):
    """out[U, V] += Σ weight χ_U χ_V over the coalitions, for V <= U.

    The first ``counts[0]`` coalitions have ``weights[0]``, and so on.
    """
    cdef int64_t n_words = words.shape[1]
    cdef int64_t n_players = 64 * n_words
    cdef int64_t n_terms = terms.shape[0]
    cdef int64_t row = 0
    cdef int64_t stratum, done, here, width, i
    cdef uint64_t* players = <uint64_t*>malloc(sizeof(uint64_t) * (n_players + n_terms) * BLOCK)
    cdef uint64_t* columns = players + n_players * BLOCK
    if players == NULL:
        raise MemoryError("no room for columns of bits")
    with nogil:
        for stratum in range(counts.shape[0]):
            done = 0
            while done < counts[stratum]:
                here = min(64 * BLOCK, counts[stratum] - done)
                width = (here + 63) >> 6
                transpose(&words[row * step, 0], n_words, step * n_words, here, width, players)
                combine(players, terms, width, columns)
                for i in range(n_terms):
                    add_agreement(
                        columns + i * width, columns, width, here, i + 1, weights[stratum],
                        &out[i, 0]
                    )
                done += here
                row += here
    free(players)


cdef void transpose(
    const uint64_t* words, int64_t n_words, int64_t stride, int64_t n_rows, int64_t width,
    uint64_t* columns,
) noexcept nogil:
    """Set bit r of column i where row r holds player i."""
    cdef int64_t first = 0
    cdef int64_t w
    while first < n_rows:
        for w in range(n_words):
            transpose_word(
                words + first * stride + w, stride, min(64, n_rows - first), 64,
                columns + 64 * w * width + (first >> 6), width
            )
        first += 64


cdef void combine(
    const uint64_t* players, const int32_t[:, ::1] terms, int64_t width, uint64_t* columns
) noexcept nogil:
    """Set bit r of column U where row r holds an odd number of its players."""
    cdef int64_t i, j, w
    memset(columns, 0, sizeof(uint64_t) * terms.shape[0] * width)
    for i in range(terms.shape[0]):
        for j in range(terms.shape[1]):
            if terms[i, j] < 0:
                break
            for w in range(width):
                columns[i * width + w] ^= players[terms[i, j] * width + w]


def parities(
    const uint64_t[:, ::1] words, int64_t step, int64_t start, const int32_t[:, ::1] terms,
    double[:, ::1] out,
):
    """out[r, U] = χ_U of coalition start + r, as 1.0 or -1.0."""
    cdef int64_t n_terms = terms.shape[0]
    cdef int64_t width = terms.shape[1]
    cdef int64_t n_players = 0
    cdef int64_t r, i, j
    cdef const uint64_t* row
    cdef double* signs
    if n_terms == 0 or out.shape[0] == 0:
        return
    for i in range(n_terms):
        for j in range(width):
            n_players = max(n_players, terms[i, j] + 1)
    # The place before the first is that of the padding.
    signs = <double*>malloc(sizeof(double) * (n_players + 1))
    if signs == NULL:
        raise MemoryError("no room for a row of signs")
    with nogil:
        signs[0] = 1.0
        for r in range(out.shape[0]):
            row = &words[step * (start + r), 0]
            spread_bits(row, n_players, 1.0, -1.0, signs + 1)
            multiply_signs(signs + 1, &terms[0, 0], width, n_terms, &out[r, 0])
    free(signs)
