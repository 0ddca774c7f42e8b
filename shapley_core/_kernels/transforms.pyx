"""Transforms over a table of 2^n worths: in-place butterflies, and the truncated superset fold.

Each call does one block; blocks are independent and fixed, so threads do not change a bit.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef extern from "transforms.h" nogil:
    enum:
        TILE
    void butterfly_rows(
        double* a, int64_t n_bits, int64_t stride, int64_t width, int kind, const double* m,
        double* tile
    )
    void butterfly_block(double* a, int64_t n_bits, int kind, const double* m)
    void weigh_block "weigh"(
        const double* v, double offset, const double* sixteen, int64_t start, int64_t length,
        double* out
    )
    void add_weighed_block "add_weighed"(
        const double* v, const double* sixteen, int64_t start, int64_t length, double* out
    )
    double weighted_sum(
        const double* v, double offset, const double* sixteen, int64_t start, int64_t length
    )
    void fold_step(
        const double* source, double* out, int64_t n_rows, int64_t half, const uint8_t* sizes,
        int64_t order
    )
    void fold_pair(
        const double* without, const double* with_it, double* out, int64_t n_rows,
        const uint8_t* sizes, int64_t order
    )
    void fold_games_of "fold_games"(
        const double* values, int64_t n_positions, int64_t n_games, int64_t n_here,
        const double* weights, const int64_t* members, int64_t n_members, double* out
    )


def butterflies_low(
    const double[::1] matrix, int64_t start, int64_t stop, int64_t n_bits, int kind,
    double[::1] table,
):
    """Butterflies of the players below ``n_bits``, block by block from start to stop."""
    cdef int64_t at = start
    with nogil:
        while at < stop:
            butterfly_block(&table[at], n_bits, kind, &matrix[0])
            at += <int64_t>1 << n_bits


def butterflies_high(
    const double[::1] matrix, int64_t start, int64_t first_bit, int64_t n_bits, int64_t width,
    int kind, double[::1] table,
):
    """Butterflies of ``n_bits`` players from ``first_bit`` on, in ``width`` columns at start."""
    cdef int64_t stride = <int64_t>1 << first_bit
    cdef int64_t column = 0
    cdef int64_t tile_width = TILE
    cdef double* tile = <double*>malloc(sizeof(double) * (tile_width << n_bits))
    if tile == NULL:
        raise MemoryError("no room for a tile")
    with nogil:
        while column < width:
            butterfly_rows(
                &table[start + column], n_bits, stride, min(tile_width, width - column), kind,
                &matrix[0], tile
            )
            column += tile_width
    free(tile)


def weigh(
    const double[::1] values, double offset, const double[:, ::1] sixteen, int64_t start,
    int64_t stop, double[::1] out,
):
    """out[T] = (values[T] - offset) * weight of |T|, for positions start to stop.

    ``sixteen[t, j]`` is the weight of size t + popcount(j).
    """
    with nogil:
        weigh_block(&values[start], offset, &sixteen[0, 0], start, stop - start, &out[start])


def add_weighed(
    const double[::1] values, const double[:, ::1] sixteen, int64_t start, int64_t stop,
    double[::1] out,
):
    """out[T] += values[T] * weight of |T|, for positions start to stop."""
    with nogil:
        add_weighed_block(&values[start], &sixteen[0, 0], start, stop - start, &out[start])


def fold(
    const double[::1] values, double offset, const double[:, :, ::1] sixteen,
    const uint8_t[::1] sizes, const int64_t[::1] counts, int64_t order, int64_t n_low,
    int64_t n_bits, int64_t chunk, double[:, ::1] out,
):
    """Superset sums of weighted worths over one chunk of 2^n_bits positions.

    For each set of weights w (``sixteen[w, t, j]``, the weight of size t + popcount(j)) and each
    set R of at most ``order`` of the first ``n_bits`` players, out[w, R] is the sum over T ⊇ R in
    the chunk. The sets stand in the order in which the steps make them: each step, one player,
    keeps the old ones and appends those of fewer than ``order`` players with the new one.
    ``sizes`` are the sizes of these sets, ``counts[j]`` their number after j steps. Steps take the
    players n_low - 1 .. 0, then n_low .. n_bits - 1. ``n_low`` is at least 4.
    """
    cdef int64_t n_weights = sixteen.shape[0]
    cdef int64_t length = <int64_t>1 << n_low
    cdef int64_t n_blocks = <int64_t>1 << (n_bits - n_low)
    cdef int64_t base = chunk << n_bits
    cdef int64_t block, w, step, position, level, bits, ready
    cdef int64_t held = 0
    cdef double *here
    cdef double *there
    cdef double *swap
    cdef double *work
    cdef double *stack
    # A waiting result of each level; a level more is where the last pair meets.
    for step in range(n_low, n_bits + 1):
        held += counts[step]
    cdef int64_t room = max(length, counts[n_bits])
    work = <double*>malloc(sizeof(double) * (2 * room + n_weights * held))
    if work == NULL:
        raise MemoryError(f"{8 * (2 * room + n_weights * held)} bytes for a fold")
    stack = work + 2 * room
    with nogil:
        for block in range(n_blocks):
            position = base + block * length
            for w in range(n_weights):
                here = work
                there = work + room
                if order == 0:
                    here[0] = weighted_sum(
                        &values[position], offset, &sixteen[w, 0, 0], position, length
                    )
                else:
                    weigh_block(
                        &values[position], offset, &sixteen[w, 0, 0], position, length, here
                    )
                    for step in range(n_low):
                        fold_step(
                            here, there, counts[step], length >> (step + 1), &sizes[0], order
                        )
                        swap = here
                        here = there
                        there = swap
                # Like a binary counter: a finished pair of siblings moves up one level.
                level = 0
                bits = block
                ready = w * held
                while bits & 1:
                    fold_pair(
                        stack + ready, here, there, counts[n_low + level], &sizes[0], order
                    )
                    swap = here
                    here = there
                    there = swap
                    ready += counts[n_low + level]
                    level += 1
                    bits >>= 1
                memcpy(stack + ready, here, sizeof(double) * counts[n_low + level])
        for w in range(n_weights):
            ready = w * held + held - counts[n_bits]
            memcpy(&out[w, 0], stack + ready, sizeof(double) * counts[n_bits])
    free(work)


def fold_games(
    const double[:, ::1] values, const double[:, ::1] weights, const int64_t[::1] members,
    double[:, :, ::1] out,
):
    """out[w, r, g] += Σ weights[w, |T|] (values[T, g] - values[0, g]) over all T ⊇ members[r].

    One game a column; ``members`` are the positions of coalitions. The sum of a game is in the
    order of positions, whatever games stand beside it.
    """
    cdef int64_t n_games = values.shape[1]
    cdef int64_t width = TILE
    cdef int64_t w
    cdef int64_t game = 0
    with nogil:
        while game < n_games:
            for w in range(weights.shape[0]):
                fold_games_of(
                    &values[0, game], values.shape[0], n_games, min(width, n_games - game),
                    &weights[w, 0], &members[0], members.shape[0], &out[w, 0, game]
                )
            game += width
