/* A run: what several tables give to one column, over the rows of one block.
 *
 * Up to four tables at once, so that a sum is loaded and stored once for them; added one after the
 * other, in the order of the run, so that how they are taken together cannot be seen.
 */
#ifndef SHAPLEY_CORE_RUNS_H
#define SHAPLEY_CORE_RUNS_H

#include <stdint.h>

#if defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)(address))
#endif

/* Rows take a table's entries in no order, so that no machine guesses what to fetch next. */
static inline void fetch_table(const double *table, int64_t size) {
    for (int64_t i = 0; i < size; i += 8) FETCH(table + i);
}

/* sum += table[at + pattern] for each (at, group) of a run; patterns of a group lie `most` apart.
 * Behind the run follow `more` entries of other runs.
 */
static void add_run(
    const double *RESTRICT table, const int64_t *RESTRICT at, const int32_t *RESTRICT group,
    const int32_t *RESTRICT size, int64_t count, int64_t more, const uint16_t *RESTRICT patterns, int64_t most, double *RESTRICT sum, int64_t n
) {
    int64_t j = 0;
    int64_t fetched = count < 4 ? count : 4;
    for (int64_t k = fetched; k < fetched + 4 && k < count + more; k++) {
        fetch_table(table + at[k], size[k]);
    }
    for (; j + 4 <= count; j += 4) {
        if (j) {
            for (int64_t k = j + 4; k < j + 8 && k < count + more; k++) {
                fetch_table(table + at[k], size[k]);
            }
        }
        const double *a = table + at[j], *b = table + at[j + 1];
        const double *c = table + at[j + 2], *d = table + at[j + 3];
        const uint16_t *p = patterns + group[j] * most, *q = patterns + group[j + 1] * most;
        const uint16_t *r = patterns + group[j + 2] * most, *s = patterns + group[j + 3] * most;
        for (int64_t i = 0; i < n; i++) {
            sum[i] = (((sum[i] + a[p[i]]) + b[q[i]]) + c[r[i]]) + d[s[i]];
        }
    }
    for (; j + 2 <= count; j += 2) {
        const double *a = table + at[j], *b = table + at[j + 1];
        const uint16_t *p = patterns + group[j] * most, *q = patterns + group[j + 1] * most;
        for (int64_t i = 0; i < n; i++) sum[i] = (sum[i] + a[p[i]]) + b[q[i]];
    }
    for (; j < count; j++) {
        const double *a = table + at[j];
        const uint16_t *p = patterns + group[j] * most;
        for (int64_t i = 0; i < n; i++) sum[i] += a[p[i]];
    }
}

#endif
