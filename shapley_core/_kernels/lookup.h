/* The inner loops of the pattern tables, over the rows of one block. */
#ifndef SHAPLEY_CORE_LOOKUP_H
#define SHAPLEY_CORE_LOOKUP_H

#include <stdint.h>

#if defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

static void look_up(
    const double *RESTRICT table, const uint16_t *RESTRICT pattern, double *RESTRICT sum, int64_t n
) {
    for (int64_t i = 0; i < n; i++) sum[i] += table[pattern[i]];
}

static void add_scaled(
    const double *RESTRICT table, const uint16_t *RESTRICT pattern, double scale,
    double *RESTRICT sum, int64_t n
) {
    for (int64_t i = 0; i < n; i++) sum[i] += scale * table[pattern[i]];
}

#endif
