/* Inner loops of the interventional leaf tables; restrict lets the compiler use its vectors. */
#ifndef SHAPLEY_CORE_CUBE_H
#define SHAPLEY_CORE_CUBE_H

#include <stdint.h>

#include "vectors.h"

static void add_run(const int64_t *RESTRICT in, int64_t *RESTRICT out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] += in[i];
}

/* counts[p][b] becomes the sum over the subsets of p, for each b by itself. */
static void sum_subsets(int64_t *counts, int64_t d, int64_t ranks) {
    for (int64_t half = ranks; half < ranks << d; half *= 2) {
        for (int64_t base = 0; base < ranks << d; base += 2 * half) {
            add_run(counts + base, counts + base + half, half);
        }
    }
}

/* One player's column: own minus below where the pattern has the bit, lost where it has not. */
static void fill_column(
    const double *RESTRICT own, const double *RESTRICT below, const double *RESTRICT lost,
    int64_t half, int64_t size, double *RESTRICT out
) {
    for (int64_t base = 0; base < size; base += 2 * half) {
        for (int64_t i = base; i < base + half; i++) {
            out[i] = lost[i];
            out[i + half] = own[i + half] - below[i];
        }
    }
}

#endif
