/* The inner loops of a few rows side by side; restrict lets the compiler use its vectors. */
#ifndef SHAPLEY_CORE_LANES_H
#define SHAPLEY_CORE_LANES_H

#include <stdint.h>

#include "vectors.h"

/* out = in * (absent + passed * t): the factor of a feature that rows passed (1) or failed (0). */
WIDE static void multiply_factor(
    const double *RESTRICT in, const double *RESTRICT passed, double absent, double t,
    double *RESTRICT out, int64_t n
) {
    for (int64_t i = 0; i < n; i++) out[i] = in[i] * (absent + passed[i] * t);
}

/* sum += product * (gain where passed, loss where failed). */
WIDE static void add_share(
    const double *RESTRICT product, const double *RESTRICT passed, double gain, double loss,
    double *RESTRICT sum, int64_t n
) {
    for (int64_t i = 0; i < n; i++) {
        sum[i] += product[i] * (passed[i] * gain + (1.0 - passed[i]) * loss);
    }
}

WIDE static void add_times(const double *RESTRICT in, double scale, double *RESTRICT sum, int64_t n) {
    for (int64_t i = 0; i < n; i++) sum[i] += scale * in[i];
}

#endif
