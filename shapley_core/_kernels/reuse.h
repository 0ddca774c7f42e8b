/* The inner loop of maximum sample reuse; restrict lets the compiler use its vectors. */
#ifndef SHAPLEY_CORE_REUSE_H
#define SHAPLEY_CORE_REUSE_H

#include <stdint.h>

#include "vectors.h"

/* The line start + step * x at each x, and its square, added up. */
static void add_line(
    const double *RESTRICT x, double start, double step, double *RESTRICT sums,
    double *RESTRICT squares, int64_t n
) {
    for (int64_t i = 0; i < n; i++) {
        double y = start + step * x[i];
        sums[i] += y;
        squares[i] += y * y;
    }
}

#endif
