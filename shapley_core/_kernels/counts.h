/* Counting the patterns of rows. */
#ifndef SHAPLEY_CORE_COUNTS_H
#define SHAPLEY_CORE_COUNTS_H

#include <stdint.h>
#include <string.h>

#include "vectors.h"

/* Four counts side by side, so that equal patterns in a row do not wait for each other. */
static void count_rows(
    const uint16_t *RESTRICT pattern, int64_t n, uint32_t *RESTRICT lanes, int64_t size,
    int64_t *RESTRICT out
) {
    int64_t i = 0;
    uint32_t *a = lanes, *b = lanes + size, *c = lanes + 2 * size, *d = lanes + 3 * size;
    memset(lanes, 0, (size_t)(4 * size) * sizeof(uint32_t));
    for (; i + 4 <= n; i += 4) {
        a[pattern[i]]++;
        b[pattern[i + 1]]++;
        c[pattern[i + 2]]++;
        d[pattern[i + 3]]++;
    }
    for (; i < n; i++) a[pattern[i]]++;
    for (i = 0; i < size; i++) out[i] += (int64_t)(a[i] + b[i]) + (int64_t)(c[i] + d[i]);
}

static void add_rows(
    const uint16_t *RESTRICT pattern, const int64_t *RESTRICT weight, int64_t n,
    int64_t *RESTRICT out
) {
    for (int64_t i = 0; i < n; i++) out[pattern[i]] += weight[i];
}

static void add_counts(
    const int64_t *RESTRICT counts, const uint16_t *RESTRICT place, int64_t n,
    int64_t *RESTRICT out
) {
    for (int64_t i = 0; i < n; i++) out[place[i]] += counts[i];
}

#endif
