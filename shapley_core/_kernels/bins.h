/* What rows get of the background's sets at the root of a small subtree of a deep tree. */
#ifndef SHAPLEY_CORE_BINS_H
#define SHAPLEY_CORE_BINS_H

#include <stdint.h>
#include <string.h>

#include "alive.h"
#include "alive_sets.h"
#include "bits.h"
#include "vectors.h"

/* The sets are sorted into bins of those whose rows fail the same of the subtree's players at each of
 * its leaves, and as many players that only the path above tests. A bin is a byte for each leaf, which
 * of the subtree's players are failed there, and above four of them the number of the others.
 */
enum { MOST_QUADS = 16 };

/* Sum the weights of the sets that are alive, bin by bin: for each bin with any, which is listed, those
 * that hold each of 4 q players, and last those of all. Return how many bins.
 */
#if defined(__GNUC__)
static inline __attribute__((always_inline)) void store(double *out, Doubles value) {
    memcpy(out, &value, sizeof value);
}

static inline __attribute__((always_inline)) int64_t sum_bins_q(
    const Meeting *m, const int32_t *RESTRICT bin, const double *RESTRICT weight,
    int32_t *RESTRICT listed, double *RESTRICT out, const int64_t q
) {
    int64_t size = (m->n_sets + 63) / 64, n = 0;
    Doubles sum[MOST_QUADS];
    const Words bits = {1, 2, 4, 8};
    double all = 0.0;
    for (int64_t c = 0; c < q; c++) sum[c] = (Doubles){0.0, 0.0, 0.0, 0.0};
    int32_t current = -1;
    for (int64_t at = 0; at < size; at += AT_ONCE) {
        uint64_t alive[AT_ONCE];
        find_alive(m, at, size, alive);
        for (int j = 0; j < AT_ONCE; j++) {
            for (uint64_t rest = alive[j]; rest; rest &= rest - 1) {
                int64_t i = 64 * (at + j) + lowest_bit(rest);
                if (bin[i] != current) {
                    if (n) {
                        for (int64_t c = 0; c < q; c++) store(out + 4 * c, sum[c]);
                        out[4 * q] = all;
                        out += 4 * q + 1;
                    }
                    for (int64_t c = 0; c < q; c++) sum[c] = (Doubles){0.0, 0.0, 0.0, 0.0};
                    all = 0.0;
                    listed[n++] = current = bin[i];
                }
                uint64_t word = m->words[i];
                double own = weight[i];
                Doubles given = {own, own, own, own};
                all += own;
                for (int64_t c = 0; c < q; c++) {
                    Words some = {word, word, word, word}, bit = bits << 4 * c;
                    sum[c] += (Doubles)((Words)((some & bit) == bit) & (Words)given);
                }
            }
        }
    }
    if (n) {
        for (int64_t c = 0; c < q; c++) store(out + 4 * c, sum[c]);
        out[4 * q] = all;
    }
    return n;
}

/* Add what bins give, as sum_bins has summed them, by their weights: BIN_VALUES of each bin, or with
 * `by_place` of each one listed. The first of these is that of the players which are summed, to `out`;
 * the others go with all sets' weight, to `others`.
 */
static inline __attribute__((always_inline)) void add_bins_q(
    int64_t n, const int32_t *RESTRICT listed, int by_place, const double *RESTRICT sums,
    const double *RESTRICT weights, double *RESTRICT out, double *RESTRICT others, const int64_t q
) {
    Doubles sum[MOST_QUADS], rest = {0.0, 0.0, 0.0, 0.0};
    for (int64_t c = 0; c < q; c++) sum[c] = rest;
    for (int64_t j = 0; j < n; j++, sums += 4 * q + 1) {
        const double *weight = weights + (by_place ? j : listed[j]) * BIN_VALUES;
        Doubles own = {weight[0], weight[0], weight[0], weight[0]}, given;
        Doubles all = {sums[4 * q], sums[4 * q], sums[4 * q], sums[4 * q]};
        for (int64_t c = 0; c < q; c++) {
            memcpy(&given, sums + 4 * c, sizeof given);
            sum[c] += own * given;
        }
        memcpy(&given, weight + 1, sizeof given);
        rest += all * given;
    }
    for (int64_t c = 0; c < q; c++) store(out + 4 * c, sum[c]);
    memcpy(others, &rest, sizeof rest);
}
#else
static int64_t sum_bins_q(
    const Meeting *m, const int32_t *bin, const double *weight, int32_t *listed, double *out,
    int64_t q
) {
    int64_t size = (m->n_sets + 63) / 64, n = 0;
    out -= 4 * q + 1;
    for (int64_t at = 0; at < size; at += AT_ONCE) {
        uint64_t alive[AT_ONCE];
        find_alive(m, at, size, alive);
        for (int j = 0; j < AT_ONCE; j++) {
            for (uint64_t rest = alive[j]; rest; rest &= rest - 1) {
                int64_t i = 64 * (at + j) + lowest_bit(rest);
                if (!n || bin[i] != listed[n - 1]) {
                    out += 4 * q + 1;
                    for (int64_t c = 0; c <= 4 * q; c++) out[c] = 0.0;
                    listed[n++] = bin[i];
                }
                for (uint64_t word = m->words[i]; word; word &= word - 1) {
                    out[lowest_bit(word)] += weight[i];
                }
                out[4 * q] += weight[i];
            }
        }
    }
    return n;
}

static void add_bins_q(
    int64_t n, const int32_t *listed, int by_place, const double *sums, const double *weights,
    double *out, double *others, int64_t q
) {
    for (int64_t c = 0; c < 4 * q; c++) out[c] = 0.0;
    for (int p = 0; p < BIN_VALUES - 1; p++) others[p] = 0.0;
    for (int64_t j = 0; j < n; j++, sums += 4 * q + 1) {
        const double *weight = weights + (by_place ? j : listed[j]) * BIN_VALUES;
        for (int64_t c = 0; c < 4 * q; c++) out[c] += weight[0] * sums[c];
        for (int p = 0; p < BIN_VALUES - 1; p++) others[p] += sums[4 * q] * weight[p + 1];
    }
}
#endif

/* With numbers that the compiler knows, where they are small. */
#define BY_QUADS(CALL) \
    switch (q) { \
        case 1: CALL(1); break; \
        case 2: CALL(2); break; \
        case 3: CALL(3); break; \
        case 4: CALL(4); break; \
        case 5: CALL(5); break; \
        case 6: CALL(6); break; \
        default: CALL(q); \
    }

WIDE static int64_t sum_bins(
    const Meeting *m, const int32_t *bin, const double *weight, int64_t q, int32_t *listed,
    double *out
) {
    int64_t n = 0;
#define SUM(q) n = sum_bins_q(m, bin, weight, listed, out, q)
    BY_QUADS(SUM)
#undef SUM
    return n;
}

WIDE static void add_bins(
    int64_t n, const int32_t *listed, int by_place, const double *sums, const double *weights,
    int64_t q, double *out, double *others
) {
#define ADD(q) add_bins_q(n, listed, by_place, sums, weights, out, others, q)
    BY_QUADS(ADD)
#undef ADD
}

/* What the sets of a bin give, where `fails` and `n_failed` are those of an explained row and each of
 * the leaves has a value: the players that only the path above tests, those of them that the row
 * fails, and the subtree's own.
 */
static inline void weigh_bin(
    uint64_t bin, uint32_t fails, int64_t n_failed, const double *gain, const double *loss,
    int64_t side, int64_t n_leaves, const double *value, int64_t width, double *out
) {
    static const int counts[1 << BIN_PLAYERS] = {0, 1, 1, 2, 1, 2, 2, 3};
    int64_t rank = (int64_t)(bin >> 32);
    for (int p = 0; p < BIN_VALUES; p++) out[p] = 0.0;
    for (int64_t l = 0; l < n_leaves; l++) {
        unsigned theirs = (unsigned)(bin >> 8 * l) & 255, mine = fails >> 8 * l & 255;
        if (theirs & mine) continue;
        int64_t f = n_failed + counts[mine], b = rank + counts[theirs];
        double given = value[l * width] * gain[f * side + b];
        double lost = value[l * width] * loss[f * side + b];
        out[0] += given;
        out[1] += lost;
        for (int p = 0; p < BIN_PLAYERS; p++) {
            if (theirs >> p & 1) out[2 + p] += given;
            if (mine >> p & 1) out[2 + p] += lost;
        }
    }
}

#endif
