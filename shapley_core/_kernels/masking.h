/* Leaf loops of masking: in C for restrict, without which each row pays for a check whether its
 * arrays overlap, and for the wider instructions where a machine has them.
 */
#ifndef SHAPLEY_CORE_MASKING_H
#define SHAPLEY_CORE_MASKING_H

#include <stdint.h>
#include <string.h>

#include "vectors.h"

/* Bytes of a pattern that is laid over many short rows at once: a loop over fewer pays for its
 * beginning and end. */
#define PATTERN_BYTES 256

/* How many times a pattern of a row is repeated, for n_rows rows. */
static int64_t repeats(int64_t n_bytes, int64_t n_rows)
{
    int64_t times = n_bytes < PATTERN_BYTES ? 4 * ((PATTERN_BYTES / 4 + n_bytes - 1) / n_bytes) : 1;
    int64_t most = n_rows / 4;
    return times <= most ? times : most > 1 ? most : 1;
}

#define SPREAD(TYPE)                                                  \
    for (i = 0; i < n_entries; i++) {                                 \
        TYPE ones = (TYPE)(0 - (TYPE)(present[i] ^ flip));            \
        memcpy(out + i * (int64_t)sizeof(TYPE), &ones, sizeof(TYPE)); \
    }

/* Ones in all bytes of the entries that are present (1), or with flip those that are absent (0);
 * and the same again until there are n_entries * itemsize * times bytes. */
static void spread(
    const uint8_t *RESTRICT present, int64_t n_entries, int64_t itemsize, uint8_t flip,
    int64_t times, uint8_t *RESTRICT out)
{
    int64_t i, n_bytes = n_entries * itemsize;
    if (itemsize == 8) {
        SPREAD(uint64_t)
    } else if (itemsize == 4) {
        SPREAD(uint32_t)
    } else if (itemsize == 2) {
        SPREAD(uint16_t)
    } else if (itemsize == 1) {
        SPREAD(uint8_t)
    } else {
        for (i = 0; i < n_entries; i++)
            memset(out + i * itemsize, (present[i] ^ flip) ? 255 : 0, (size_t)itemsize);
    }
    for (i = 1; i < times; i++)
        memcpy(out + i * n_bytes, out, (size_t)n_bytes);
}

/* out = row & mask, and the same again until there are n_bytes * times. */
static void pattern(
    const uint8_t *RESTRICT row, const uint8_t *RESTRICT mask, int64_t n_bytes, int64_t times,
    uint8_t *RESTRICT out)
{
    int64_t at, t;
    for (at = 0; at + 8 <= n_bytes; at += 8) {
        uint64_t x, m;
        memcpy(&x, row + at, 8);
        memcpy(&m, mask + at, 8);
        x &= m;
        memcpy(out + at, &x, 8);
    }
    for (; at < n_bytes; at++)
        out[at] = (uint8_t)(row[at] & mask[at]);
    for (t = 1; t < times; t++)
        memcpy(out + t * n_bytes, out, (size_t)n_bytes);
}

/* out = (table & ~mask) | added, a word of 8 bytes at a time. */
static inline void overlay(
    const uint8_t *RESTRICT table, const uint8_t *RESTRICT mask, const uint8_t *RESTRICT added,
    int64_t n_bytes, uint8_t *RESTRICT out)
{
    int64_t at, n_words = n_bytes / 8;
    for (at = 0; at < n_words; at++) {
        uint64_t z, m, x;
        memcpy(&z, table + 8 * at, 8);
        memcpy(&m, mask + 8 * at, 8);
        memcpy(&x, added + 8 * at, 8);
        z = (z & ~m) | x;
        memcpy(out + 8 * at, &z, 8);
    }
    for (at = 8 * n_words; at < n_bytes; at++)
        out[at] = (uint8_t)((table[at] & ~mask[at]) | added[at]);
}

/* The same for a table of n_bytes in all, with a pattern of fewer. */
WIDE static void overlay_all(
    const uint8_t *table, const uint8_t *mask, const uint8_t *added, int64_t n_bytes,
    int64_t n_pattern, uint8_t *out)
{
    int64_t at = 0;
    for (; at + n_pattern <= n_bytes; at += n_pattern)
        overlay(table + at, mask, added, n_pattern, out + at);
    overlay(table + at, mask, added, n_bytes - at, out + at);
}

/* The same for chosen rows of a table. */
WIDE static void overlay_chosen(
    const uint8_t *table, const int64_t *chosen, int64_t n_chosen, const uint8_t *mask,
    const uint8_t *added, int64_t n_bytes, uint8_t *out)
{
    int64_t i;
    for (i = 0; i < n_chosen; i++)
        overlay(table + chosen[i] * n_bytes, mask, added, n_bytes, out + i * n_bytes);
}

/* Bytes of masked rows that are made together. */
#define TOGETHER 8192

/* In how many of n columns two masks differ. */
static int64_t differing(const uint8_t *mask, const uint8_t *its, int64_t n)
{
    int64_t i, count = 0;
    for (i = 0; i < n; i++)
        count += mask[i] != its[i];
    return count;
}

#define OVERLAY_PAIRS(SIZE, GIVEN, OUT)                                   \
    for (i = 0; i < n_chosen; i++) {                                      \
        const uint8_t *from = mask[chosen[i]] ? rows : donors;            \
        const int32_t *player = players + chosen[i];                      \
        for (e = 0; e < n_pairs; e++, player += n_columns) {              \
            int64_t at = e * steps.row;                                   \
            if (alone)                                                    \
                memcpy(                                                   \
                    out + (at + *player * (OUT)), from + (at + *player * (GIVEN)), SIZE); \
            else                                                          \
                for (f = starts[*player]; f < starts[*player + 1]; f++)   \
                    memcpy(                                               \
                        out + (at + features[f] * (OUT)),                 \
                        from + (at + features[f] * (GIVEN)), SIZE);       \
        }                                                                 \
    }

/* How many bytes on the next row is, and the next feature of a row that is given or made. */
typedef struct {
    int64_t row, given, out;
} Steps;

/* Into each of n_pairs masked rows, the entries of chosen columns as the mask has them. */
static void overlay_pairs(
    const uint8_t *RESTRICT rows, const uint8_t *RESTRICT donors, const uint8_t *RESTRICT mask,
    const int32_t *RESTRICT players, int64_t n_pairs, int64_t n_columns,
    const int64_t *RESTRICT chosen, int64_t n_chosen, int alone, const int64_t *RESTRICT features,
    const int64_t *RESTRICT starts, int64_t itemsize, Steps steps, uint8_t *RESTRICT out)
{
    int64_t e, i, f;
    /* Steps that are known to the compiler are shorter to take. */
    if (itemsize == 8 && steps.out == 8) {
        OVERLAY_PAIRS(8, (int64_t)8, (int64_t)8)
    } else if (itemsize == 4 && steps.out == 4) {
        OVERLAY_PAIRS(4, (int64_t)4, (int64_t)4)
    } else if (itemsize == 8) {
        OVERLAY_PAIRS(8, steps.given, steps.out)
    } else {
        OVERLAY_PAIRS((size_t)itemsize, steps.given, steps.out)
    }
}

/* sums[g, k] += weight[d] * outputs[g, d, k], in the order of d: the same bits however the donors
 * are cut into calls. Four games at once, as each has to wait for its own sum. */
static void add_weighted(
    const double *RESTRICT outputs, const double *RESTRICT weight, int64_t n_donors,
    int64_t n_outputs, double *RESTRICT sums)
{
    int64_t d, k;
    for (d = 0; d < n_donors; d++)
        for (k = 0; k < n_outputs; k++)
            sums[k] += weight[d] * outputs[d * n_outputs + k];
}

static void add_weighted_four(
    const double *RESTRICT outputs, const double *RESTRICT weight, int64_t n_donors,
    double *RESTRICT sums)
{
    const double *second = outputs + n_donors;
    const double *third = second + n_donors, *fourth = third + n_donors;
    double a = sums[0], b = sums[1], c = sums[2], e = sums[3];
    int64_t d;
    for (d = 0; d < n_donors; d++) {
        a += weight[d] * outputs[d];
        b += weight[d] * second[d];
        c += weight[d] * third[d];
        e += weight[d] * fourth[d];
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = e;
}

/* What is finite is 0 times itself; a NaN stays in the sum. */
static int all_finite(const double *numbers, int64_t n)
{
    double zero = 0.0;
    int64_t i;
    for (i = 0; i < n; i++)
        zero += 0.0 * numbers[i];
    return zero == 0.0;
}

/* add_weighted for one part of the donors after the other; whether all sums are finite. */
static int add_parts(
    const double *RESTRICT outputs, const double *RESTRICT weights,
    const int64_t *RESTRICT starts, int64_t n_parts, int64_t n_outputs, double *RESTRICT sums)
{
    int64_t p, d;
    double check = 0.0;
    if (n_outputs > 1) {
        for (p = 0; p < n_parts; p++)
            add_weighted(
                outputs + starts[p] * n_outputs, weights + starts[p], starts[p + 1] - starts[p],
                n_outputs, sums + p * n_outputs);
        return all_finite(sums, n_parts * n_outputs);
    }
    for (p = 0; p < n_parts; p++) {
        double sum = sums[p];
        for (d = starts[p]; d < starts[p + 1]; d++)
            sum += weights[d] * outputs[d];
        sums[p] = sum;
        check += 0.0 * sum;
    }
    return check == 0.0;
}

#endif
