/* One set of failed players among the background's sets of a leaf. */
#ifndef SHAPLEY_CORE_ALIVE_H
#define SHAPLEY_CORE_ALIVE_H

#include <stdint.h>
#include <string.h>

#include "bits.h"
#include "vectors.h"

enum { CHUNK = 16 }; /* players whose sums stay in registers */

/* The background's sets at one node, and what rows fail that meet them. */
typedef struct {
    const uint64_t *passing; /* for each player, which sets do not hold it */
    int64_t n_sets;
    int64_t n_words; /* of a set */
    const uint64_t *words;
    const int64_t *count;
    int64_t n_failed;
    const int32_t *failed;
} Meeting;

/* Which of 64 sets hold none of the failed players. */
static inline uint64_t alive_word(const Meeting *m, int64_t at, int64_t size) {
    uint64_t alive = ~(uint64_t)0;
    if (!m->n_failed && at + 1 == size && m->n_sets & 63) {
        return ((uint64_t)1 << (m->n_sets & 63)) - 1;
    }
    for (int64_t k = 0; k < m->n_failed; k++) alive &= m->passing[m->failed[k] * size + at];
    return alive;
}

static inline int is_any_alive(const Meeting *m) {
    int64_t size = (m->n_sets + 63) / 64;
    for (int64_t at = 0; at < size; at++) {
        if (alive_word(m, at, size)) return 1;
    }
    return 0;
}

/* List the sets that are alive, and what each gives its players in a leaf of value 1; `lost` is
 * what the failed players get. gain[b] is what each of b players that must be in gets beside
 * those that must be out, loss[b] what each of the latter gets.
 */
WIDE static int64_t list_alive(
    const Meeting *m, const double *RESTRICT gain, const double *RESTRICT loss,
    int32_t *RESTRICT set, double *RESTRICT given, double *lost
) {
    int64_t size = (m->n_sets + 63) / 64, n = 0;
    double sum = 0.0;
    for (int64_t at = 0; at < size; at++) {
        uint64_t alive = alive_word(m, at, size);
        while (alive) {
            int64_t i = 64 * at + lowest_bit(alive), in = 0;
            double weight = (double)m->count[i];
            for (int64_t k = 0; k < m->n_words; k++) in += count_bits(m->words[i * m->n_words + k]);
            set[n] = (int32_t)i;
            given[n++] = weight * gain[in];
            sum += weight * loss[in];
            alive &= alive - 1;
        }
    }
    *lost = sum;
    return n;
}

/* Sum what n sets, at their places in `words`, give to players 16 c .. 16 c + 15. */
#if defined(__GNUC__)
typedef double Doubles __attribute__((vector_size(32)));
typedef uint64_t Words __attribute__((vector_size(32)));

WIDE static void sum_given(
    const uint64_t *RESTRICT words, int64_t n_words, const int32_t *RESTRICT place,
    const double *RESTRICT given, int64_t n, int64_t c, double *RESTRICT out
) {
    const Words bit0 = {1, 2, 4, 8}, bit1 = bit0 << 4, bit2 = bit0 << 8, bit3 = bit0 << 12;
    Doubles sum0 = {0.0}, sum1 = {0.0}, sum2 = {0.0}, sum3 = {0.0};
    int shift = (int)(c & 3) * CHUNK;
    for (int64_t i = 0; i < n; i++) {
        uint64_t word = words[place[i] * n_words + c / 4] >> shift;
        Words all = {word, word, word, word};
        Doubles share = {given[i], given[i], given[i], given[i]};
        sum0 += (Doubles)((Words)((all & bit0) == bit0) & (Words)share);
        sum1 += (Doubles)((Words)((all & bit1) == bit1) & (Words)share);
        sum2 += (Doubles)((Words)((all & bit2) == bit2) & (Words)share);
        sum3 += (Doubles)((Words)((all & bit3) == bit3) & (Words)share);
    }
    memcpy(out, &sum0, sizeof sum0);
    memcpy(out + 4, &sum1, sizeof sum1);
    memcpy(out + 8, &sum2, sizeof sum2);
    memcpy(out + 12, &sum3, sizeof sum3);
}
#else
static void sum_given(
    const uint64_t *RESTRICT words, int64_t n_words, const int32_t *RESTRICT place,
    const double *RESTRICT given, int64_t n, int64_t c, double *RESTRICT out
) {
    int shift = (int)(c & 3) * CHUNK;
    for (int j = 0; j < CHUNK; j++) out[j] = 0.0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t word = words[place[i] * n_words + c / 4] >> shift;
        for (int j = 0; j < CHUNK; j++) out[j] += word >> j & 1 ? given[i] : 0.0;
    }
}
#endif

/* Follow an edge with rows that have failed one word of players, and are alive beside `size` words
 * of background rows: those that go the other way fail its player and lose the background rows
 * that fail it too. Keep the rows that any background row is left to; return how many.
 */
static inline int64_t keep_alive(
    const uint64_t *failed, const uint64_t *alive, const int32_t *kept, const uint16_t *left,
    int64_t n, int side, int64_t n_words, int64_t slot, const uint64_t *passing, int64_t size,
    uint64_t *failed_out, uint64_t *alive_out, int32_t *kept_out
) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t any = 0, lost, fails;
        for (int64_t k = 0; k < n_words; k++) {
            failed_out[count * n_words + k] = failed[i * n_words + k];
        }
        failed_out[count * n_words + (slot >> 6)] |= (uint64_t)(left[i] != side) << (slot & 63);
        fails = failed_out[count * n_words + (slot >> 6)] >> (slot & 63) & 1;
        lost = fails - 1; /* all bits where it passes */
        for (int64_t k = 0; k < size; k++) {
            uint64_t word = alive[i * size + k] & (passing[k] | lost);
            alive_out[count * size + k] = word;
            any |= word;
        }
        kept_out[count] = kept[i];
        count += any != 0;
    }
    return count;
}

/* The set that a background row fails, from the bits of the path: `passing[slot]`. */
static inline void gather_set(
    const uint64_t *const *passing, int64_t d, int64_t row, int64_t n_words, uint64_t *out
) {
    int64_t at = row >> 6;
    int shift = (int)(row & 63);
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

/* Rows that go the other way fail a player. */
WIDE static void fail_rows(
    const uint64_t *RESTRICT above, const uint16_t *RESTRICT left, int side, int shift,
    uint64_t *RESTRICT out, int64_t n
) {
    for (int64_t i = 0; i < n; i++) out[i] = above[i] | (uint64_t)(left[i] != side) << shift;
}

#endif
