/* Counting rows in which two columns of bits are both set. */
#ifndef SHAPLEY_CORE_NORMAL_H
#define SHAPLEY_CORE_NORMAL_H

#include <stdint.h>

#include "bits.h"

/* The popcount instruction is not in the x86-64 baseline; its stand-in costs several times more. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WITH_POPCOUNT __attribute__((target_clones("avx2", "popcnt", "default")))
#else
#define WITH_POPCOUNT
#endif

/* out[j] += weight * number of common bits of the column and column j, for j in start .. stop - 1 */
WITH_POPCOUNT
static void add_common_bits(
    const uint64_t* column, const uint64_t* columns, int64_t n_words, int64_t start, int64_t stop,
    double weight, double* out
) {
    for (int64_t j = start; j < stop; j++) {
        const uint64_t* other = columns + j * n_words;
        int64_t count = 0;
        for (int64_t w = 0; w < n_words; w++) count += count_bits(column[w] & other[w]);
        out[j] += weight * (double)count;
    }
}

#endif
