"""Coalitions drawn without replacement, singly or in pairs with their complements.

A stratum of singles is a size t: all coalitions of t players. A stratum of pairs is a size
t <= n/2: the pairs (T, N∖T) with |T| = t; of size n/2 those whose T holds the last player, so that
each pair is there once. A stratum's draws come in a random order that depends on (seed, t) alone:
more draws of it begin with the same ones.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from .random cimport Random, mix_word, random_below, random_double, random_start

# Larger strata are not numbered; equal draws there are found by comparing coalitions.
cdef uint64_t NUMBERED = <uint64_t>1 << 62
cdef uint64_t ABSENT = 0


def uniform(uint64_t seed, uint64_t stream, double[::1] out):
    """Numbers in [0, 1) of one stream."""
    cdef Random random
    cdef int64_t at
    with nogil:
        random_start(&random, seed, stream)
        for at in range(out.shape[0]):
            out[at] = random_double(&random)


def strata(
    int64_t n_players, uint64_t seed, const int64_t[::1] sizes, const int64_t[::1] counts,
    int64_t step, uint64_t[:, ::1] out,
):
    """For each stratum its first ``counts`` draws: pairs, in two rows, or singles (``step`` 1).

    A count is at most what there is in the stratum.
    """
    cdef int64_t n_words = out.shape[1]
    cdef int64_t largest = 0
    cdef int64_t most = 0
    cdef int64_t stratum, row, depth
    cdef uint64_t* table
    cdef int status = 0
    for stratum in range(sizes.shape[0]):
        largest = max(largest, min(sizes[stratum], n_players - sizes[stratum]))
        most = max(most, counts[stratum])
    # Binomials beyond those of the numbered strata are never asked for.
    depth = min(largest, 64)
    table = <uint64_t*>malloc(sizeof(uint64_t) * (depth + 1) * (n_players + 1))
    if table == NULL:
        raise MemoryError("no room for binomials")
    with nogil:
        fill_binomials(table, n_players, depth)
        row = 0
        for stratum in range(sizes.shape[0]):
            if counts[stratum] == 0:
                continue
            status = draw_stratum(
                n_players, seed, sizes[stratum], counts[stratum], step, table, depth, n_words,
                &out[row, 0]
            )
            if status:
                break
            row += step * counts[stratum]
    free(table)
    if status:
        raise MemoryError(f"no room to draw {most} coalitions")


cdef void fill_binomials(uint64_t* table, int64_t n, int64_t depth) noexcept nogil:
    """C(c, j) at j * (n + 1) + c, no larger than NUMBERED."""
    cdef int64_t width = n + 1
    cdef int64_t j, c
    for c in range(width):
        table[c] = 1
    for j in range(1, depth + 1):
        table[j * width] = 0
        for c in range(1, width):
            table[j * width + c] = min(
                NUMBERED, table[j * width + c - 1] + table[(j - 1) * width + c - 1]
            )


cdef int draw_stratum(
    int64_t n, uint64_t seed, int64_t size, int64_t count, int64_t step, const uint64_t* table,
    int64_t depth, int64_t n_words, uint64_t* out,
) noexcept nogil:
    """The first ``count`` draws of one stratum."""
    cdef bint middle = step == 2 and 2 * size == n
    # Of a large coalition, the players that are out are drawn.
    cdef bint inverted = 2 * size > n
    # Of pairs of the middle size, the last player is in T: choose the others.
    cdef int64_t free_players = n - middle
    cdef int64_t chosen = n - size if inverted else size - middle
    cdef int64_t stride = step * n_words
    cdef uint64_t population = NUMBERED
    cdef uint64_t* ranks
    cdef int64_t k
    cdef int status = 0
    if chosen <= depth:
        population = table[chosen * (n + 1) + free_players]
    if population >= NUMBERED:
        status = draw_distinct(n, seed, size, count, free_players, chosen, n_words, stride, out)
    else:
        ranks = <uint64_t*>malloc(sizeof(uint64_t) * count)
        if ranks == NULL:
            return 1
        if <uint64_t>count >= population:
            for k in range(count):
                ranks[k] = k
        else:
            status = draw_ranks(seed, size, population, count, ranks)
        if not status:
            for k in range(count):
                unrank(ranks[k], free_players, chosen, table, n + 1, n_words, out + k * stride)
        free(ranks)
    if status:
        return status
    for k in range(count):
        if middle:
            out[k * stride + ((n - 1) >> 6)] |= <uint64_t>1 << ((n - 1) & 63)
        if inverted:
            complement(n, n_words, out + k * stride, out + k * stride)
        if step == 2:
            complement(n, n_words, out + k * stride, out + k * stride + n_words)
    return 0


cdef void complement(
    int64_t n, int64_t n_words, const uint64_t* words, uint64_t* out
) noexcept nogil:
    """The players that are out."""
    cdef int64_t w
    cdef uint64_t full = ~(<uint64_t>0)
    for w in range(n_words):
        out[w] = ~words[w]
    if n & 63:
        out[n_words - 1] &= full >> (64 - (n & 63))


cdef void unrank(
    uint64_t rank, int64_t n, int64_t size, const uint64_t* table, int64_t width, int64_t n_words,
    uint64_t* out,
) noexcept nogil:
    """The coalition of a rank: Σ C(c_j, j) over its players c_1 < c_2 < ... is its rank."""
    cdef int64_t c = n
    cdef int64_t j, w
    cdef const uint64_t* row
    for w in range(n_words):
        out[w] = 0
    for j in range(size, 0, -1):
        row = table + j * width
        c -= 1
        while row[c] > rank:
            c -= 1
        rank -= row[c]
        out[c >> 6] |= <uint64_t>1 << (c & 63)


cdef int draw_ranks(
    uint64_t seed, uint64_t stream, uint64_t population, int64_t count, uint64_t* out,
) noexcept nogil:
    """The first ``count`` entries of a shuffled 0 .. population - 1 (Fisher and Yates).

    Entries that were swapped away from their place are kept in a hash table: room for ``count``.
    """
    cdef Random random
    cdef uint64_t mask = 1
    cdef uint64_t *keys
    cdef uint64_t *moved
    cdef uint64_t here, other, slot, at, value
    while mask < 2 * <uint64_t>count:
        mask <<= 1
    # Keys are stored plus one, so that 0 is an empty slot.
    keys = <uint64_t*>calloc(mask, sizeof(uint64_t))
    moved = <uint64_t*>malloc(mask * sizeof(uint64_t))
    if keys == NULL or moved == NULL:
        free(keys)
        free(moved)
        return 1
    mask -= 1
    random_start(&random, seed, stream)
    for here in range(<uint64_t>count):
        slot = find(keys, mask, here)
        value = moved[slot] if keys[slot] != ABSENT else here
        other = here + random_below(&random, population - here)
        if other == here:
            out[here] = value
            continue
        at = find(keys, mask, other)
        out[here] = moved[at] if keys[at] != ABSENT else other
        keys[at] = other + 1
        moved[at] = value
    free(keys)
    free(moved)
    return 0


cdef inline uint64_t find(const uint64_t* keys, uint64_t mask, uint64_t key) noexcept nogil:
    cdef uint64_t slot = mix_word(key) & mask
    while keys[slot] != ABSENT and keys[slot] != key + 1:
        slot = (slot + 1) & mask
    return slot


cdef int draw_distinct(
    int64_t n, uint64_t seed, int64_t size, int64_t count, int64_t free_players, int64_t chosen,
    int64_t n_words, int64_t stride, uint64_t* out,
) noexcept nogil:
    """Random coalitions, ``stride`` apart; one that was drawn before is drawn again."""
    cdef Random random
    cdef uint64_t mask = 1
    cdef int64_t* slots
    cdef int64_t k = 0
    cdef int64_t w, j
    cdef uint64_t player
    cdef uint64_t* row
    while mask < 2 * <uint64_t>count:
        mask <<= 1
    slots = <int64_t*>calloc(mask, sizeof(int64_t))
    if slots == NULL:
        return 1
    mask -= 1
    random_start(&random, seed, size)
    while k < count:
        row = out + k * stride
        for w in range(n_words):
            row[w] = 0
        # Floyd's algorithm: as many draws as players (Bentley and Floyd 1987).
        for j in range(free_players - chosen, free_players):
            player = random_below(&random, j + 1)
            if row[player >> 6] >> (player & 63) & 1:
                player = j
            row[player >> 6] |= <uint64_t>1 << (player & 63)
        k += insert(row, n_words, k, out, stride, slots, mask)
    free(slots)
    return 0


cdef int insert(
    const uint64_t* row, int64_t n_words, int64_t number, const uint64_t* rows, int64_t stride,
    int64_t* slots, uint64_t mask,
) noexcept nogil:
    """Put a row's number plus one into the table of slots; 0 if an equal row is there already."""
    cdef uint64_t slot = hash_row(row, n_words) & mask
    while slots[slot]:
        if same_row(row, rows + (slots[slot] - 1) * stride, n_words):
            return 0
        slot = (slot + 1) & mask
    slots[slot] = number + 1
    return 1


cdef inline uint64_t hash_row(const uint64_t* row, int64_t n_words) noexcept nogil:
    cdef uint64_t mixed = 0
    cdef int64_t w
    for w in range(n_words):
        mixed = mix_word(mixed ^ row[w]) + w
    return mixed


cdef inline bint same_row(
    const uint64_t* row, const uint64_t* other, int64_t n_words
) noexcept nogil:
    cdef int64_t w
    for w in range(n_words):
        if row[w] != other[w]:
            return False
    return True


def first_places(const uint64_t[:, ::1] known, const uint64_t[:, ::1] words, int64_t[::1] out):
    """For each row of ``words`` the number of the equal row, first among ``known`` then ``words``.

    Rows of ``words`` are numbered after those of ``known``, which are distinct.
    """
    cdef int64_t n_words = words.shape[1]
    cdef int64_t n_known = known.shape[0]
    cdef uint64_t mask = 1
    cdef uint64_t slot
    cdef int64_t* slots
    cdef int64_t k, at
    cdef const uint64_t* row
    cdef const uint64_t* other
    while mask < 2 * <uint64_t>(n_known + words.shape[0]):
        mask <<= 1
    slots = <int64_t*>calloc(mask, sizeof(int64_t))
    if slots == NULL:
        raise MemoryError("no room to look coalitions up")
    mask -= 1
    with nogil:
        for k in range(n_known):
            insert(&known[k, 0], n_words, k, &known[0, 0], n_words, slots, mask)
        for k in range(words.shape[0]):
            row = &words[k, 0]
            out[k] = n_known + k
            slot = hash_row(row, n_words) & mask
            while slots[slot]:
                at = slots[slot] - 1
                other = &known[at, 0] if at < n_known else &words[at - n_known, 0]
                if same_row(row, other, n_words):
                    out[k] = at
                    break
                slot = (slot + 1) & mask
            if out[k] == n_known + k:
                slots[slot] = n_known + k + 1
    free(slots)
