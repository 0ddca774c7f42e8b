/* The inner loops of one leaf's game, over patterns of passed features side by side.
 *
 * Lanes come in whole octets, so that sums stay in registers; where the machine has AVX2 the
 * loader picks the wider clone. Contraction is off, so both give the same bits, and no lane's
 * result depends on what lies beside it.
 */
#ifndef SHAPLEY_CORE_LEAVES_H
#define SHAPLEY_CORE_LEAVES_H

#include <stdint.h>

#include "vectors.h"

enum { OCTET = 8 };

/* out = in * (z + o y), polynomials in y of degree `degree` and degree + 1. */
WIDE static void extend_product(
    const double *RESTRICT in, const double *RESTRICT passed, double z, double *RESTRICT out,
    int64_t degree, int64_t n
) {
    for (int64_t i = 0; i < n; i++) out[i] = z * in[i];
    for (int64_t m = 1; m <= degree; m++) {
        for (int64_t i = 0; i < n; i++) {
            out[m * n + i] = z * in[m * n + i] + passed[i] * in[(m - 1) * n + i];
        }
    }
    for (int64_t i = 0; i < n; i++) out[(degree + 1) * n + i] = passed[i] * in[degree * n + i];
}

/* A functional on polynomials, as one on those without a factor z + o y: f[m] = z f[m] + o f[m+1].
 */
WIDE static void absorb_factor(
    double *RESTRICT f, const double *RESTRICT passed, double z, int64_t length, int64_t n
) {
    for (int64_t m = 0; m < length; m++) {
        double *RESTRICT here = f + m * n;
        for (int64_t i = 0; i < n; i++) here[i] = z * here[i] + passed[i] * here[n + i];
    }
}

/* out = gain * sum over m of p[m] f[m]. */
WIDE static void apply_functional(
    const double *RESTRICT p, const double *RESTRICT f, const double *RESTRICT gain,
    int64_t length, double *RESTRICT out, int64_t n
) {
    for (int64_t first = 0; first < n; first += OCTET) {
        double sum[OCTET] = {0.0};
        for (int64_t m = 0; m < length; m++) {
            const double *RESTRICT x = p + m * n + first;
            const double *RESTRICT y = f + m * n + first;
            for (int i = 0; i < OCTET; i++) sum[i] += x[i] * y[i];
        }
        for (int i = 0; i < OCTET; i++) out[first + i] = gain[first + i] * sum[i];
    }
}

/* out = gain * (o - z). */
WIDE static void choose_player(
    const double *RESTRICT gain, const double *RESTRICT passed, double z, double *RESTRICT out,
    int64_t n
) {
    for (int64_t i = 0; i < n; i++) out[i] = gain[i] * (passed[i] - z);
}

#endif
