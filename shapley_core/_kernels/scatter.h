/* A leaf's values, found by a number for each row or pattern, and added.
 *
 * Inline, so that a kernel may take only one of them.
 */
#ifndef SHAPLEY_CORE_SCATTER_H
#define SHAPLEY_CORE_SCATTER_H

#include <stdint.h>

#include "vectors.h"

/* sum += scale * entry of each row's lane. */
static inline void add_lanes(
    const double *RESTRICT entry, const int32_t *RESTRICT lane, double scale, double *RESTRICT sum,
    int64_t n
) {
    for (int64_t i = 0; i < n; i++) sum[i] += scale * entry[lane[i]];
}

/* sum += scale * entry of each pattern's own pattern. */
static inline void add_patterns(
    const double *RESTRICT entry, const uint16_t *RESTRICT pattern, double scale,
    double *RESTRICT sum, int64_t n
) {
    for (int64_t i = 0; i < n; i++) sum[i] += scale * entry[pattern[i]];
}

#endif
