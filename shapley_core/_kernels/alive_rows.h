/* Rows among the rows of a small background. */
#ifndef SHAPLEY_CORE_ALIVE_ROWS_H
#define SHAPLEY_CORE_ALIVE_ROWS_H

#include <stdint.h>
#include <string.h>

#include "bits.h"
#include "vectors.h"

/* Follow an edge with rows that have failed one word of players, and are alive beside `size` words
 * of background rows: those that go the other way fail its player and lose the background rows
 * that fail it too. Keep the rows that any background row is left to; return how many.
 */
static inline int64_t keep_words(
    const uint64_t *failed, const uint64_t *alive, const int32_t *kept, const uint16_t *left,
    int64_t n, int side, int64_t n_words, int64_t slot, const uint64_t *passing, int64_t size,
    uint64_t *failed_out, uint64_t *alive_out, int32_t *kept_out
) {
    int64_t count = 0, at = n_words == 1 ? 0 : slot >> 6;
    int shift = (int)(slot & 63);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t *above = failed + i * n_words;
        uint64_t *here = failed_out + count * n_words;
        uint64_t any = 0, fails = above[at] | (uint64_t)(left[i] != side) << shift;
        uint64_t passes = (fails >> shift & 1) - 1; /* all bits or none */
        for (int64_t k = 0; k < n_words; k++) here[k] = above[k];
        here[at] = fails;
        for (int64_t k = 0; k < size; k++) {
            uint64_t word = alive[i * size + k] & (passing[k] | passes);
            alive_out[count * size + k] = word;
            any |= word;
        }
        kept_out[count] = kept[i];
        count += any != 0;
    }
    return count;
}

/* With numbers that the compiler knows, where they are small. */
WIDE static int64_t keep_alive(
    const uint64_t *failed, const uint64_t *alive, const int32_t *kept, const uint16_t *left,
    int64_t n, int side, int64_t n_words, int64_t slot, const uint64_t *passing, int64_t size,
    uint64_t *failed_out, uint64_t *alive_out, int32_t *kept_out
) {
#define KEEP(w, s) \
    keep_words( \
        failed, alive, kept, left, n, side, w, slot, passing, s, failed_out, alive_out, kept_out \
    )
    if (n_words == 1 && size == 1) return KEEP(1, 1);
    if (n_words == 1 && size == 2) return KEEP(1, 2);
    if (n_words == 1) return KEEP(1, size);
    return KEEP(n_words, size);
#undef KEEP
}

/* The set that a background row fails, from the bits of the path: `passing[slot]`. */
static inline void gather_set(
    const uint64_t *const *passing, int64_t d, int64_t row, int64_t n_words, uint64_t *out
) {
    int64_t at = row >> 6;
    int shift = (int)(row & 63);
    if (n_words == 1) {
        uint64_t word = 0;
        for (int64_t j = 0; j < d; j++) word |= (~passing[j][at] >> shift & 1) << j;
        out[0] = word;
        return;
    }
    for (int64_t k = 0; k < n_words; k++) {
        uint64_t word = 0;
        for (int64_t j = 64 * k; j < d && j < 64 * k + 64; j++) {
            word |= (~passing[j][at] >> shift & 1) << (j & 63);
        }
        out[k] = word;
    }
}

/* The same of all rows. */
WIDE static void gather_sets(
    const uint64_t *const *passing, int64_t d, int64_t size, int64_t n_words,
    uint64_t *RESTRICT out
) {
    memset(out, 0, (size_t)(64 * size * n_words) * sizeof(uint64_t));
    for (int64_t j = 0; j < d; j++) {
        for (int64_t k = 0; k < size; k++) {
            uint64_t failing = ~passing[j][k];
            uint64_t *RESTRICT here = out + 64 * k * n_words + (j >> 6);
            if (n_words == 1) {
                for (int i = 0; i < 64; i++) here[i] |= (failing >> i & 1) << j;
            } else {
                for (int i = 0; i < 64; i++) here[i * n_words] |= (failing >> i & 1) << (j & 63);
            }
        }
    }
}

/* As list_alive, of background rows. With `sets` (by rows) these are what each fails, else the sets
 * of those alive are gathered to `list` and numbered as they come.
 */
WIDE static int64_t list_rows(
    const uint64_t *RESTRICT alive, int64_t size, const uint64_t *const *passing, int64_t d,
    int64_t n_words, const uint64_t *RESTRICT sets, const double *RESTRICT weight,
    const double *RESTRICT gain, const double *RESTRICT loss, uint64_t *RESTRICT list,
    int32_t *RESTRICT place, double *RESTRICT given, double *lost
) {
    int64_t n = 0;
    double sum = 0.0;
    for (int64_t at = 0; at < size; at++) {
        uint64_t word = alive[at];
        while (word) {
            int64_t row = 64 * at + lowest_bit(word), in = 0;
            const uint64_t *set = list + n * n_words;
            place[n] = (int32_t)n;
            if (sets) {
                set = sets + row * n_words;
                place[n] = (int32_t)row;
            } else {
                gather_set(passing, d, row, n_words, list + n * n_words);
            }
            for (int64_t k = 0; k < n_words; k++) in += count_bits(set[k]);
            given[n++] = weight[row] * gain[in];
            sum += weight[row] * loss[in];
            word &= word - 1;
        }
    }
    *lost = sum;
    return n;
}

#endif
