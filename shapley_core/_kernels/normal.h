/* Counting the rows in which two columns of bits differ. */
#ifndef SHAPLEY_CORE_NORMAL_H
#define SHAPLEY_CORE_NORMAL_H

#include <stdint.h>

#include "bits.h"
#include "vectors.h"

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

/* out[i] = the product of the signs of term i's players, of which there are ``width``. */
static void multiply_signs(
    const double *RESTRICT signs, const int32_t *RESTRICT terms, int64_t width, int64_t n_terms,
    double *RESTRICT out
) {
    if (width == 1) {
        for (int64_t i = 0; i < n_terms; i++) out[i] = signs[terms[i]];
        return;
    }
    if (width == 2) {
        for (int64_t i = 0; i < n_terms; i++) out[i] = signs[terms[2 * i]] * signs[terms[2 * i + 1]];
        return;
    }
    for (int64_t i = 0; i < n_terms; i++) {
        double sign = 1.0;
        for (int64_t j = 0; j < width; j++) sign *= signs[terms[i * width + j]];
        out[i] = sign;
    }
}

#endif
