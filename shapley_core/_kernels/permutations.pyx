"""Random permutations of the players, and the coalitions that their orders pass through."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from .random cimport Random, random_below, random_start


def shuffled(uint64_t seed, uint64_t stream, int32_t[:, ::1] out):
    """Row r: the players in a random order, of stream ``stream + r`` (Fisher and Yates)."""
    cdef int64_t n_players = out.shape[1]
    cdef int64_t row, at, other
    cdef int32_t kept
    cdef Random random
    with nogil:
        for row in range(out.shape[0]):
            random_start(&random, seed, stream + <uint64_t>row)
            for at in range(n_players):
                out[row, at] = <int32_t>at
            for at in range(n_players - 1, 0, -1):
                other = <int64_t>random_below(&random, at + 1)
                kept = out[row, at]
                out[row, at] = out[row, other]
                out[row, other] = kept


def arcs(const int32_t[:, ::1] orders, int64_t n_starts, uint64_t[:, :, :, ::1] out):
    """Coalitions of l players in a row: out[r, l, p] those at places p, p + 1, ... p + l - 1.

    Places are counted around, p = 0 .. n_starts - 1, l = 0 .. n_players; with one start these are
    the prefixes of each order.
    """
    cdef int64_t n_players = orders.shape[1]
    cdef int64_t n_words = out.shape[3]
    cdef int64_t row, length, start, place, w
    cdef int32_t player
    with nogil:
        for row in range(orders.shape[0]):
            for start in range(n_starts):
                for w in range(n_words):
                    out[row, 0, start, w] = 0
            for length in range(1, n_players + 1):
                for start in range(n_starts):
                    place = start + length - 1
                    if place >= n_players:
                        place -= n_players
                    player = orders[row, place]
                    for w in range(n_words):
                        out[row, length, start, w] = out[row, length - 1, start, w]
                    out[row, length, start, player >> 6] |= <uint64_t>1 << (player & 63)
