/* Rows among the background's sets of a node. */
#ifndef SHAPLEY_CORE_ALIVE_SETS_H
#define SHAPLEY_CORE_ALIVE_SETS_H

#include <stdint.h>
#include <string.h>

#include "alive.h"
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

/* Sets whose bits are and-ed at once, in words; `passing` must go on for so many. */
enum { AT_ONCE = 4 };

/* Which of AT_ONCE x 64 sets from word `at` on hold none of the failed players. */
static inline void find_alive(const Meeting *m, int64_t at, int64_t size, uint64_t *alive) {
    uint64_t word[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) word[i] = ~(uint64_t)0;
    for (int64_t k = 0; k < m->n_failed; k++) {
        const uint64_t *passing = m->passing + m->failed[k] * size + at;
        for (int i = 0; i < AT_ONCE; i++) word[i] &= passing[i];
    }
    if (!m->n_failed && at + AT_ONCE >= size && m->n_sets & 63) {
        word[size - 1 - at] = ((uint64_t)1 << (m->n_sets & 63)) - 1;
    }
    for (int i = 0; i < AT_ONCE; i++) alive[i] = at + i < size ? word[i] : 0;
}

WIDE static int is_any_alive(const Meeting *m) {
    int64_t size = (m->n_sets + 63) / 64;
    for (int64_t at = 0; at < size; at += AT_ONCE) {
        uint64_t alive[AT_ONCE], any = 0;
        find_alive(m, at, size, alive);
        for (int i = 0; i < AT_ONCE; i++) any |= alive[i];
        if (any) return 1;
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
    for (int64_t at = 0; at < size; at += AT_ONCE) {
        uint64_t alive[AT_ONCE];
        find_alive(m, at, size, alive);
        for (int j = 0; j < AT_ONCE; j++) {
            for (uint64_t rest = alive[j]; rest; rest &= rest - 1) {
                int64_t i = 64 * (at + j) + lowest_bit(rest), in = 0;
                double weight = (double)m->count[i];
                for (int64_t k = 0; k < m->n_words; k++) {
                    in += count_bits(m->words[i * m->n_words + k]);
                }
                set[n] = (int32_t)i;
                given[n++] = weight * gain[in];
                sum += weight * loss[in];
            }
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
