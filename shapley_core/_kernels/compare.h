/* The inner loops that find the patterns of rows, over the rows of one block.
 *
 * restrict lets the compiler run rows side by side; where the machine has AVX2 the loader picks
 * the wider clone, which gives the same bits.
 */
#ifndef SHAPLEY_CORE_COMPARE_H
#define SHAPLEY_CORE_COMPARE_H

#include <stdint.h>

#include "vectors.h"

/* out = 1 where x <= threshold, missing values as told. */
WIDE static inline void compare_rows(
    const double *RESTRICT x, double threshold, int missing, uint16_t *RESTRICT out, int64_t n
) {
    if (missing) {
        for (int64_t i = 0; i < n; i++) out[i] = !(x[i] > threshold);
    } else {
        for (int64_t i = 0; i < n; i++) out[i] = x[i] <= threshold;
    }
}

/* Set a bit of out where x <= threshold, missing values as told. */
WIDE static inline void compare_into_bit(
    const double *RESTRICT x, double threshold, int missing, int bit, uint16_t *RESTRICT out,
    int64_t n
) {
    if (missing) {
        for (int64_t i = 0; i < n; i++) out[i] |= (uint16_t)(!(x[i] > threshold) << bit);
    } else {
        for (int64_t i = 0; i < n; i++) out[i] |= (uint16_t)((x[i] <= threshold) << bit);
    }
}

#endif
