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

/* Sum what the listed sets give to players 16 c .. 16 c + 15. */
#if defined(__GNUC__)
typedef double Doubles __attribute__((vector_size(32)));
typedef uint64_t Words __attribute__((vector_size(32)));

WIDE static void sum_given(
    const Meeting *m, const int32_t *RESTRICT set, const double *RESTRICT given, int64_t n,
    int64_t c, double *RESTRICT out
) {
    const Words bit0 = {1, 2, 4, 8}, bit1 = bit0 << 4, bit2 = bit0 << 8, bit3 = bit0 << 12;
    Doubles sum0 = {0.0}, sum1 = {0.0}, sum2 = {0.0}, sum3 = {0.0};
    const uint64_t *words = m->words + c / 4;
    int shift = (int)(c & 3) * CHUNK;
    for (int64_t i = 0; i < n; i++) {
        uint64_t word = words[set[i] * m->n_words] >> shift;
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
    const Meeting *m, const int32_t *RESTRICT set, const double *RESTRICT given, int64_t n,
    int64_t c, double *RESTRICT out
) {
    const uint64_t *words = m->words + c / 4;
    int shift = (int)(c & 3) * CHUNK;
    for (int j = 0; j < CHUNK; j++) out[j] = 0.0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t word = words[set[i] * m->n_words] >> shift;
        for (int j = 0; j < CHUNK; j++) out[j] += word >> j & 1 ? given[i] : 0.0;
    }
}
#endif

/* Rows that go the other way fail a player. */
WIDE static void fail_rows(
    const uint64_t *RESTRICT above, const uint16_t *RESTRICT left, int side, int shift,
    uint64_t *RESTRICT out, int64_t n
) {
    for (int64_t i = 0; i < n; i++) out[i] = above[i] | (uint64_t)(left[i] != side) << shift;
}

#endif
