"""The interventional game of one leaf: the sets of features that the background fails there.

Both ways of computing it add whole numbers, in whatever order, and then the same products in the
same order: they give the same bits. Sets are sorted, so that whole runs of them can be passed over.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from .bits cimport count_bits, highest_bit, lowest_bit


cdef extern from "cube.h" nogil:
    void sum_subsets(int64_t*, int64_t, int64_t)
    void weigh_sizes(
        const int64_t*, int64_t, const double*, const double*, int64_t, double*, double*, double*
    )
    void fill_column(const double*, const double*, const double*, int64_t, int64_t, double*)


# Players of a leaf whose sets are met in whole numbers, or tabulated.
cdef enum:
    MOST_PLAYERS = 12
    FEW_SETS = 64  # are looked at one by one


cdef inline int64_t next_set(
    const uint64_t* words, int64_t i, int64_t n, uint64_t failed
) noexcept nogil:
    """The first of the sorted sets from ``i`` on that does not meet ``failed``; n if none."""
    cdef uint64_t common, bound
    cdef int64_t step, last
    cdef int top
    if n <= FEW_SETS:
        while i < n and words[i] & failed:
            i += 1
        return i
    while i < n:
        common = words[i] & failed
        if not common:
            return i
        # All sets that agree down to the highest common bit meet it too.
        top = highest_bit(common)
        bound = (words[i] >> top) + 1
        step = 1
        while i + step < n and words[i + step] >> top < bound:
            i += step
            step *= 2
        last = min(i + step, n)
        i += 1
        while i < last:
            step = (i + last) // 2
            if words[step] >> top < bound:
                i = step + 1
            else:
                last = step
    return n


cdef inline void meet_few(
    uint64_t failed,
    const uint64_t* words,
    const int64_t* count,
    int64_t n_groups,
    int64_t d,
    const double* gain,
    const double* loss,
    int64_t side,
    double* out,
) noexcept nogil:
    """Write the values of one set of failed features, for value 1.

    By ``sizes[b]``, the weight of the sets of b features that pass, and ``holding[b][j]``, the same
    of those that hold the feature j. Sizes that do not occur would add zeros.
    """
    cdef int64_t sizes[MOST_PLAYERS + 1]
    cdef int64_t holding[MOST_PLAYERS + 1][MOST_PLAYERS]
    cdef int64_t i, j, b, n_failed = count_bits(failed)
    cdef uint64_t word
    cdef double own = 0.0, lost = 0.0, weight
    cdef double below[MOST_PLAYERS]
    memset(sizes, 0, (d + 1) * sizeof(int64_t))
    i = next_set(words, 0, n_groups, failed)
    while i < n_groups:
        word = words[i]
        b = count_bits(word)
        if not sizes[b]:
            memset(holding[b], 0, d * sizeof(int64_t))
        sizes[b] += count[i]
        while word:
            holding[b][lowest_bit(word)] += count[i]
            word &= word - 1
        i = next_set(words, i + 1, n_groups, failed)
    for j in range(d):
        below[j] = 0.0
    for b in range(d - n_failed + 1):
        if not sizes[b]:
            continue
        weight = gain[b * side + n_failed]
        own += <double>sizes[b] * weight
        lost += <double>sizes[b] * loss[b * side + n_failed]
        if b < d - n_failed:
            for j in range(d):
                below[j] += <double>(sizes[b] - holding[b][j]) * weight
    for j in range(d):
        out[j] = lost if failed >> j & 1 else own - below[j]


cdef inline void meet_sorted(
    uint64_t failed,
    const uint64_t* words,
    const int64_t* count,
    int64_t n_groups,
    const double* gain,
    const double* loss,
    int64_t side,
    double* out,
) noexcept nogil:
    """Add the values of one set of failed features to ``out``, for value 1."""
    cdef int64_t i, b, n_failed = count_bits(failed)
    cdef uint64_t word
    cdef double lost = 0.0, given
    i = next_set(words, 0, n_groups, failed)
    while i < n_groups:
        word = words[i]
        b = count_bits(word)
        lost += count[i] * loss[b * side + n_failed]
        given = count[i] * gain[b * side + n_failed]
        while word:
            out[lowest_bit(word)] += given
            word &= word - 1
        i = next_set(words, i + 1, n_groups, failed)
    word = failed
    while word:
        out[lowest_bit(word)] = lost
        word &= word - 1


cdef inline void fill_by_background(
    const uint64_t* words,
    const int64_t* count,
    int64_t n_groups,
    int64_t d,
    const double* gain,
    const double* loss,
    int64_t side,
    int64_t* ranked,
    double* product,
    double* table,
) noexcept nogil:
    """Write an interventional leaf's table [slot][pattern of passed features], for value 1.

    A pattern P meets the background sets B within it. With c[b] the weight of those of b features,
    whole numbers and so exact in whatever order they are added, each failed feature gets
    sum_b c[b] loss[b], each passed one j the same sum of gain over the sets that hold j: all of P's
    without those of P - j.
    """
    cdef int64_t size = <int64_t>1 << d
    cdef int64_t ranks = d + 1
    cdef int64_t pairs = 0
    cdef int64_t g, n_in, spare, extra, j
    cdef double* own = product
    cdef double* below = product + size
    cdef double* lost = product + 2 * size
    for g in range(n_groups):
        pairs += size >> count_bits(words[g])
    memset(ranked, 0, size * ranks * sizeof(int64_t))
    if 8 * pairs < d * ranks * size:
        for g in range(n_groups):
            n_in = count_bits(words[g])
            spare = (size - 1) & ~<int64_t>words[g]
            extra = spare
            while True:  # all patterns that hold the set
                ranked[(<int64_t>words[g] | extra) * ranks + n_in] += count[g]
                if extra == 0:
                    break
                extra = (extra - 1) & spare
    else:
        for g in range(n_groups):
            ranked[<int64_t>words[g] * ranks + count_bits(words[g])] += count[g]
        sum_subsets(ranked, d, ranks)
    weigh_sizes(ranked, d, gain, loss, side, own, below, lost)
    for j in range(d):
        fill_column(own, below, lost, <int64_t>1 << j, size, table + j * size)
