/* Looking up: what several tables give to one column, over the rows of one block.
 *
 * Up to four tables and four rows at once, so that a sum is loaded and stored once for the tables and
 * the patterns of the rows are one load; added one after the other, in the order given, so that how
 * they are taken together cannot be seen.
 */
#ifndef SHAPLEY_CORE_LOOKUP_H
#define SHAPLEY_CORE_LOOKUP_H

#include <stdint.h>
#include <string.h>

#include "vectors.h"

/* The patterns of four rows as one number. */
static inline uint64_t load_rows(const uint16_t *pattern) {
    uint64_t rows;
    memcpy(&rows, pattern, sizeof rows);
    return rows;
}

/* Entry of the k-th of four rows. */
static inline double entry_of(const double *table, uint64_t rows, int k) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return table[(uint16_t)(rows >> (48 - 16 * k))];
#else
    return table[(uint16_t)(rows >> (16 * k))];
#endif
}

/* sum += table[at + pattern] for each (at, group); patterns of a group lie `most` apart. */
SCALAR static void look_up(
    const double *RESTRICT table, const int64_t *RESTRICT at, const int32_t *RESTRICT group,
    int64_t count, const uint16_t *RESTRICT patterns, int64_t most, double *RESTRICT sum, int64_t n
) {
    int64_t j = 0, i;
    for (; j + 4 <= count; j += 4) {
        const double *a = table + at[j], *b = table + at[j + 1];
        const double *c = table + at[j + 2], *d = table + at[j + 3];
        const uint16_t *p = patterns + group[j] * most, *q = patterns + group[j + 1] * most;
        const uint16_t *r = patterns + group[j + 2] * most, *s = patterns + group[j + 3] * most;
        for (i = 0; i + 4 <= n; i += 4) {
            const uint64_t e = load_rows(p + i), f = load_rows(q + i);
            const uint64_t g = load_rows(r + i), h = load_rows(s + i);
            for (int k = 0; k < 4; k++) {
                sum[i + k] = (((sum[i + k] + entry_of(a, e, k)) + entry_of(b, f, k))
                              + entry_of(c, g, k)) + entry_of(d, h, k);
            }
        }
        for (; i < n; i++) sum[i] = (((sum[i] + a[p[i]]) + b[q[i]]) + c[r[i]]) + d[s[i]];
    }
    for (; j + 2 <= count; j += 2) {
        const double *a = table + at[j], *b = table + at[j + 1];
        const uint16_t *p = patterns + group[j] * most, *q = patterns + group[j + 1] * most;
        for (i = 0; i + 4 <= n; i += 4) {
            const uint64_t e = load_rows(p + i), f = load_rows(q + i);
            for (int k = 0; k < 4; k++) {
                sum[i + k] = (sum[i + k] + entry_of(a, e, k)) + entry_of(b, f, k);
            }
        }
        for (; i < n; i++) sum[i] = (sum[i] + a[p[i]]) + b[q[i]];
    }
    for (; j < count; j++) {
        const double *a = table + at[j];
        const uint16_t *p = patterns + group[j] * most;
        for (i = 0; i + 4 <= n; i += 4) {
            const uint64_t e = load_rows(p + i);
            for (int k = 0; k < 4; k++) sum[i + k] += entry_of(a, e, k);
        }
        for (; i < n; i++) sum[i] += a[p[i]];
    }
}

/* Ask for the entries that `look_up` will want. */
static inline void fetch_entries(
    const double *table, const int64_t *at, const int32_t *group, int64_t count,
    const uint16_t *patterns, int64_t most, int64_t n
) {
    for (int64_t j = 0; j < count; j++) {
        for (int64_t i = 0; i < n; i++) FETCH(table + at[j] + patterns[group[j] * most + i]);
    }
}

/* `look_up` of a run, whose tables are asked for four ahead; behind it follow `more` others. */
static inline void look_up_run(
    const double *RESTRICT table, const int64_t *RESTRICT at, const int32_t *RESTRICT group,
    const int32_t *RESTRICT size, int64_t count, int64_t more, const uint16_t *RESTRICT patterns,
    int64_t most, double *RESTRICT sum, int64_t n
) {
    for (int64_t j = 0; j < count; j += 4) {
        int64_t some = count - j < 4 ? count - j : 4;
        if (!j || some == 4) {
            for (int64_t k = j + some; k < j + some + 4 && k < count + more; k++) {
                fetch_all(table + at[k], size[k] * (int64_t)sizeof(double));
            }
        }
        look_up(table, at + j, group + j, some, patterns, most, sum, n);
    }
}

#endif
