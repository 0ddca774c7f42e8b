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

/* sum += scale * entry, in runs of 2^k patterns that differ in their lowest bits only.
 *
 * Run u takes the entries of from[u] with those of the low bits that are in keep[u].
 */
WIDE static inline void add_runs(
    const double *RESTRICT entry, const uint16_t *RESTRICT from, const uint16_t *RESTRICT keep,
    int64_t n_runs, int64_t k, double scale, double *RESTRICT sum
) {
    const int64_t size = (int64_t)1 << k;
    for (int64_t u = 0; u < n_runs; u++, sum += size) {
        const double *e = entry + from[u];
        if (keep[u] == size - 1) {
            for (int64_t i = 0; i < size; i++) sum[i] += scale * e[i];
        } else {
            for (int64_t i = 0; i < size; i++) sum[i] += scale * e[i & keep[u]];
        }
    }
}

#endif
