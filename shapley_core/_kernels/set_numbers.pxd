"""Numbering the different sets among those of many rows."""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcmp, memset


cdef inline int64_t places_for(int64_t n_rows) noexcept nogil:
    """Places of a hash table for the sets of so many rows: a power of 2."""
    cdef int64_t n_places = 2
    while n_places < 2 * n_rows:
        n_places *= 2
    return n_places


cdef inline int64_t number_sets(
    const uint64_t* words,
    int64_t n_rows,
    int64_t n,
    int64_t n_bits,
    int32_t* table,
    int64_t n_places,
    int32_t* first,
    int32_t* number,
) noexcept nogil:
    """Number the sets (rows by n words) in the order of the rows; return how many there are.

    ``n_bits`` : of all words of a set, that any may have.
    ``first`` gets a row of each set, ``number`` the set of each row. ``table`` is room for
    ``n_places`` numbers.
    """
    cdef int64_t row, k, count = 0
    cdef uint64_t place, key
    if n_bits < 32 and <int64_t>1 << n_bits <= n_places:
        memset(table, 0, sizeof(int32_t) << n_bits)
        for row in range(n_rows):
            place = words[row * n]
            if not table[place]:
                first[count] = <int32_t>row
                count += 1
                table[place] = <int32_t>count
            number[row] = table[place] - 1
        return count
    memset(table, 0, n_places * sizeof(int32_t))
    for row in range(n_rows):
        key = 0
        for k in range(n):
            # Fibonacci hashing: the multiplier is 2^64 over the golden ratio.
            key = (key ^ words[row * n + k]) * <uint64_t>0x9E3779B97F4A7C15
            key ^= key >> 32
        place = key & (n_places - 1)
        while table[place]:
            k = first[table[place] - 1]
            if words[k * n] == words[row * n] and (
                n == 1 or not memcmp(words + k * n, words + row * n, n * sizeof(uint64_t))
            ):
                break
            place = (place + 1) & (n_places - 1)
        if not table[place]:
            first[count] = <int32_t>row
            count += 1
            table[place] = <int32_t>count
        number[row] = table[place] - 1
    return count
