/* Rows among the background's sets of a node. */
#ifndef SHAPLEY_CORE_ALIVE_SETS_H
#define SHAPLEY_CORE_ALIVE_SETS_H

#include <stdint.h>

#include "bits.h"
#include "vectors.h"

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

/* Rows that go the other way fail a player. */
WIDE static void fail_rows(
    const uint64_t *RESTRICT above, const uint16_t *RESTRICT left, int side, int shift,
    uint64_t *RESTRICT out, int64_t n
) {
    for (int64_t i = 0; i < n; i++) out[i] = above[i] | (uint64_t)(left[i] != side) << shift;
}

#endif
