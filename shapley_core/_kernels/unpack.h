/* Packed coalitions as rows of numbers, and as columns of bits. */
#ifndef SHAPLEY_CORE_UNPACK_H
#define SHAPLEY_CORE_UNPACK_H

#include <stdint.h>
#include <string.h>

#include "vectors.h"

/* out[i] = present where bit i is set, else absent: by masks, as no vector converts 64 bit
   integers. */
WIDE static void spread_bits(
    const uint64_t *RESTRICT words, int64_t n, double absent, double present, double *RESTRICT out
) {
    uint64_t without, flip;
    memcpy(&without, &absent, sizeof without);
    memcpy(&flip, &present, sizeof flip);
    flip ^= without;
    for (int64_t first = 0; first < n; first += 64) {
        uint64_t word = words[first >> 6];
        int64_t here = n - first < 64 ? n - first : 64;
        for (int64_t i = 0; i < here; i++) {
            uint64_t bits = without ^ (-(word >> i & 1) & flip);
            memcpy(out + first + i, &bits, sizeof bits);
        }
    }
}

/* Bit r of columns[i] is bit i of row r, for up to 64 rows of one word, ``stride`` words apart;
   ``apart`` is the distance of the columns. By halves (Warren, Hacker's Delight, 7-3). */
static void transpose_word(
    const uint64_t *rows, int64_t stride, int64_t n_rows, int64_t n_columns, uint64_t *columns,
    int64_t apart
) {
    uint64_t a[64];
    for (int r = 0; r < 64; r++) a[r] = r < n_rows ? rows[r * stride] : 0;
    uint64_t low = 0x00000000FFFFFFFFu;
    for (int j = 32; j; j >>= 1, low ^= low << j) {
        for (int k = 0; k < 64; k = ((k | j) + 1) & ~j) {
            uint64_t t = ((a[k] >> j) ^ a[k | j]) & low;
            a[k] ^= t << j;
            a[k | j] ^= t;
        }
    }
    for (int64_t i = 0; i < n_columns; i++) columns[i * apart] = a[i];
}

#endif
