/* What a leaf's players get of the background's sets. */
#ifndef SHAPLEY_CORE_ALIVE_H
#define SHAPLEY_CORE_ALIVE_H

#include <stdint.h>
#include <string.h>

#include "bits.h"
#include "vectors.h"

enum { CHUNK = 16 }; /* players whose sums stay in registers */

/* Of a small subtree that is met as one, see bins.h: most tests and so players, leaves, and what a bin
 * gives: to players that only the path above tests, if the background's row fails them or the
 * explained one, and to each of the subtree's.
 */
enum { BIN_PLAYERS = 3, BIN_LEAVES = BIN_PLAYERS + 1, BIN_VALUES = BIN_PLAYERS + 2 };

/* Sum what n sets, at their places in `words`, give to players 16 c .. 16 c + 15; those that are
 * failed, and in none of the sets, get `lost`.
 */
#if defined(__GNUC__)
typedef double Doubles __attribute__((vector_size(32)));
typedef uint64_t Words __attribute__((vector_size(32)));

WIDE static void sum_given(
    const uint64_t *RESTRICT words, int64_t n_words, const int32_t *RESTRICT place,
    const double *RESTRICT given, int64_t n, const uint64_t *failed, double lost, int64_t c,
    double *RESTRICT out
) {
    const Words bit0 = {1, 2, 4, 8}, bit1 = bit0 << 4, bit2 = bit0 << 8, bit3 = bit0 << 12;
    int shift = (int)(c & 3) * CHUNK;
    uint64_t out_of = failed[c / 4] >> shift;
    Words fails = {out_of, out_of, out_of, out_of};
    Doubles loss = {lost, lost, lost, lost};
    Doubles sum0 = (Doubles)((Words)((fails & bit0) == bit0) & (Words)loss);
    Doubles sum1 = (Doubles)((Words)((fails & bit1) == bit1) & (Words)loss);
    Doubles sum2 = (Doubles)((Words)((fails & bit2) == bit2) & (Words)loss);
    Doubles sum3 = (Doubles)((Words)((fails & bit3) == bit3) & (Words)loss);
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
    const double *RESTRICT given, int64_t n, const uint64_t *failed, double lost, int64_t c,
    double *RESTRICT out
) {
    int shift = (int)(c & 3) * CHUNK;
    for (int j = 0; j < CHUNK; j++) out[j] = failed[c / 4] >> shift >> j & 1 ? lost : 0.0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t word = words[place[i] * n_words + c / 4] >> shift;
        for (int j = 0; j < CHUNK; j++) out[j] += word >> j & 1 ? given[i] : 0.0;
    }
}
#endif

/* Add the shares of n rows' sets, by their numbers, times a leaf's value to the rows' sums. */
WIDE static void add_shares(
    const int32_t *RESTRICT number, const uint8_t *RESTRICT lives, const int32_t *RESTRICT kept,
    int64_t n, const double *RESTRICT shares, int64_t stride, double value, double *RESTRICT sums,
    int64_t n_sums, int64_t n_players
) {
    for (int64_t i = 0; i < n; i++) {
        if (!lives[number[i]]) continue;
        const double *given = shares + number[i] * stride;
        double *target = sums + kept[i] * n_sums;
        for (int64_t j = 0; j < n_players; j++) target[j] += value * given[j];
    }
}

#define ADD_FOUR(K, NUMBERS)                    \
    {                                           \
        Doubles sum;                            \
        memcpy(&sum, lines[K] + i, sizeof sum); \
        sum += times * NUMBERS;                 \
        memcpy(lines[K] + i, &sum, sizeof sum); \
    }

/* Add to the values of rows, on four lines, the first four numbers of each row's set, times another:
 * of the first n rows, or of those that are kept. Sets have `stride` numbers each.
 */
WIDE static void add_all(
    const int32_t *RESTRICT set, int64_t n, const double *RESTRICT numbers, int64_t stride,
    double times, double **lines
) {
    int64_t i = 0;
#if defined(__GNUC__) && (defined(__clang__) || __GNUC__ >= 12)
    for (; i + 4 <= n; i += 4) {
        Doubles a, b, c, d, low, high;
        memcpy(&a, numbers + set[i] * stride, sizeof a);
        memcpy(&b, numbers + set[i + 1] * stride, sizeof b);
        memcpy(&c, numbers + set[i + 2] * stride, sizeof c);
        memcpy(&d, numbers + set[i + 3] * stride, sizeof d);
        /* Four rows of four numbers are turned into four columns. */
        low = __builtin_shufflevector(a, b, 0, 4, 2, 6);
        high = __builtin_shufflevector(c, d, 0, 4, 2, 6);
        ADD_FOUR(0, __builtin_shufflevector(low, high, 0, 1, 4, 5))
        ADD_FOUR(2, __builtin_shufflevector(low, high, 2, 3, 6, 7))
        low = __builtin_shufflevector(a, b, 1, 5, 3, 7);
        high = __builtin_shufflevector(c, d, 1, 5, 3, 7);
        ADD_FOUR(1, __builtin_shufflevector(low, high, 0, 1, 4, 5))
        ADD_FOUR(3, __builtin_shufflevector(low, high, 2, 3, 6, 7))
    }
#endif
    for (; i < n; i++)
        for (int k = 0; k < 4; k++) lines[k][i] += times * numbers[set[i] * stride + k];
}

static void add_kept(
    const int32_t *RESTRICT set, const int32_t *RESTRICT kept, int64_t n,
    const double *RESTRICT numbers, int64_t stride, double times, double **lines
) {
    double *a = lines[0], *b = lines[1], *c = lines[2], *d = lines[3];
    for (int64_t i = 0; i < n; i++) {
        const double *given = numbers + set[i] * stride;
        a[kept[i]] += times * given[0];
        b[kept[i]] += times * given[1];
        c[kept[i]] += times * given[2];
        d[kept[i]] += times * given[3];
    }
}

#endif
