/* Counting the rows in which two columns of bits differ. */
#ifndef SHAPLEY_CORE_NORMAL_H
#define SHAPLEY_CORE_NORMAL_H

#include <stdint.h>

#include "bits.h"

/* The popcount instruction is not in the x86-64 baseline; its stand-in costs several times more. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WITH_POPCOUNT __attribute__((target_clones("popcnt", "default")))
#else
#define WITH_POPCOUNT
#endif

/* out[j] += weight * (rows that agree - rows that differ), of a column and columns 0 .. stop - 1;
   the bits beyond n_rows are 0 in all. */
WITH_POPCOUNT
static void add_agreement(
    const uint64_t* column, const uint64_t* columns, int64_t n_words, int64_t n_rows, int64_t stop,
    double weight, double* out
) {
    for (int64_t j = 0; j < stop; j++) {
        const uint64_t* other = columns + j * n_words;
        int64_t differ = 0;
        for (int64_t w = 0; w < n_words; w++) differ += count_bits(column[w] ^ other[w]);
        out[j] += weight * (double)(n_rows - 2 * differ);
    }
}

#endif
