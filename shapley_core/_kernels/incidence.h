/* The inner loop of sums by interactions; restrict lets the compiler use its vectors. */
#ifndef SHAPLEY_CORE_INCIDENCE_H
#define SHAPLEY_CORE_INCIDENCE_H

#include <stdint.h>

#include "bits.h"
#include "vectors.h"

/* sums[j] += Σ factors[r] * inside[r * stride + j] over the set bits r of rows. Four rows at once:
   the sums are read and written once for them. */
WIDE
static void add_rows(
    const double *RESTRICT inside, int64_t stride, uint64_t rows, const double *RESTRICT factors,
    double *RESTRICT sums, int64_t n
) {
    while (rows) {
        const double *x[4];
        double y[4];
        int taken = 0;
        for (; taken < 4 && rows; rows &= rows - 1) {
            int r = lowest_bit(rows);
            x[taken] = inside + r * stride;
            y[taken++] = factors[r];
        }
        if (taken == 4) {
            const double *a = x[0], *b = x[1], *c = x[2], *d = x[3];
            for (int64_t j = 0; j < n; j++) {
                sums[j] += (y[0] * a[j] + y[1] * b[j]) + (y[2] * c[j] + y[3] * d[j]);
            }
            continue;
        }
        for (int k = 0; k < taken; k++) {
            const double *a = x[k];
            for (int64_t j = 0; j < n; j++) sums[j] += y[k] * a[j];
        }
    }
}

#endif
