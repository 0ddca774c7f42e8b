/* Inner loops of the interventional leaf tables; restrict lets the compiler use its vectors. */
#ifndef SHAPLEY_CORE_CUBE_H
#define SHAPLEY_CORE_CUBE_H

#include <stdint.h>

#include "bits.h"
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

/* Most players of a leaf whose sets are summed so. */
#define MOST_RANKS 13

/* For each pattern p the sums over its sets' sizes b of counts[p][b] times a weight by b and the number
 * f of features that p fails: own by gain[b][f], lost by loss[b][f], below by gain[b][f - 1].
 */
WIDE static inline void weigh_sizes(
    const int64_t *RESTRICT counts, int64_t d, const double *RESTRICT gain,
    const double *RESTRICT loss, int64_t side, double *RESTRICT own, double *RESTRICT below,
    double *RESTRICT lost
) {
    const int64_t ranks = d + 1;
    /* The weights side by side, by f and b. */
    double weight[MOST_RANKS * MOST_RANKS][4];
    for (int64_t f = 0; f <= d; f++) {
        for (int64_t b = 0; b + f <= d; b++) {
            double *w = weight[f * ranks + b];
            w[0] = gain[b * side + f];
            w[1] = loss[b * side + f];
            w[2] = f ? gain[b * side + f - 1] : 0.0;
            w[3] = 0.0;
        }
    }
    for (int64_t p = 0; p < (int64_t)1 << d; p++) {
        const int64_t size = count_bits((uint64_t)p);
        const int64_t *c = counts + p * ranks;
        const double (*w)[4] = (const double (*)[4])weight + (d - size) * ranks;
        double sum[4] = {0.0, 0.0, 0.0, 0.0};
        for (int64_t b = 0; b <= size; b++) {
            const double count = (double)c[b];
            for (int k = 0; k < 4; k++) sum[k] += count * w[b][k];
        }
        own[p] = sum[0];
        lost[p] = sum[1];
        below[p] = sum[2];
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

/* Patterns side by side in fill_shares; a table has at least so many entries a column. */
#define BESIDE 8

/* out[pattern] becomes weight times the factor of each player, passed or failed, slot by slot. */
WIDE static inline void fill_products(
    const double *RESTRICT share, int64_t d, double t, double weight, double *RESTRICT out
) {
    out[0] = weight;
    for (int64_t j = 0; j < d; j++) {
        const int64_t half = (int64_t)1 << j;
        const double failed = share[j] * (1.0 - t), passed = failed + t;
        for (int64_t p = 0; p < half; p++) out[half + p] = out[p] * passed;
        for (int64_t p = 0; p < half; p++) out[p] *= failed;
    }
}

/* One player's column: at each of the points, products times the share of a passed or failed one.
 *
 * `product` has a row of `size` for each point, size a multiple of BESIDE.
 */
WIDE static inline void fill_shares(
    const double *RESTRICT product, int64_t n_points, const double *RESTRICT gain,
    const double *RESTRICT loss, int64_t half, int64_t size, double *RESTRICT out
) {
    for (int64_t base = 0; base < size; base += BESIDE) {
        double sum[BESIDE] = {0.0};
        for (int64_t q = 0; q < n_points; q++) {
            const double *row = product + q * size + base;
            if (half >= BESIDE) {
                const double share = base & half ? gain[q] : loss[q];
                for (int i = 0; i < BESIDE; i++) sum[i] += row[i] * share;
            } else {
                double share[BESIDE];
                for (int i = 0; i < BESIDE; i++) share[i] = i & half ? gain[q] : loss[q];
                for (int i = 0; i < BESIDE; i++) sum[i] += row[i] * share[i];
            }
        }
        for (int i = 0; i < BESIDE; i++) out[base + i] = sum[i];
    }
}

#endif
