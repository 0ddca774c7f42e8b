/* The inner loops of the pattern tables, over the rows of one block. */
#ifndef SHAPLEY_CORE_LOOKUP_H
#define SHAPLEY_CORE_LOOKUP_H

#include <stdint.h>

#if defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

/* Ask for a number that will be wanted soon. */
static inline void fetch(const double *entry) {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(entry);
#else
    (void)entry;
#endif
}

static void look_up(
    const double *RESTRICT table, const uint16_t *RESTRICT pattern, double *RESTRICT sum, int64_t n
) {
    for (int64_t i = 0; i < n; i++) sum[i] += table[pattern[i]];
}

/* Several groups that add to the same sums, each sum in the order of the groups. */
static void look_up_four(
    const double *RESTRICT table, const int64_t *RESTRICT offset,
    const uint16_t *RESTRICT pattern, const int64_t *RESTRICT place, double *RESTRICT sum, int64_t n
) {
    const double *ta = table + offset[0], *tb = table + offset[1];
    const double *tc = table + offset[2], *td = table + offset[3];
    const uint16_t *a = pattern + place[0], *b = pattern + place[1];
    const uint16_t *c = pattern + place[2], *d = pattern + place[3];
    for (int64_t i = 0; i < n; i++) {
        sum[i] = (((sum[i] + ta[a[i]]) + tb[b[i]]) + tc[c[i]]) + td[d[i]];
    }
}

static void look_up_two(
    const double *RESTRICT table, const int64_t *RESTRICT offset,
    const uint16_t *RESTRICT pattern, const int64_t *RESTRICT place, double *RESTRICT sum, int64_t n
) {
    const double *ta = table + offset[0], *tb = table + offset[1];
    const uint16_t *a = pattern + place[0], *b = pattern + place[1];
    for (int64_t i = 0; i < n; i++) sum[i] = (sum[i] + ta[a[i]]) + tb[b[i]];
}

static void add_scaled(
    const double *RESTRICT table, const uint16_t *RESTRICT pattern, double scale,
    double *RESTRICT sum, int64_t n
) {
    for (int64_t i = 0; i < n; i++) sum[i] += scale * table[pattern[i]];
}

#endif
