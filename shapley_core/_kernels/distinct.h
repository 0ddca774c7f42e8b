/* Masked rows that are the same: a table of patterns, by their first coalition. */
#ifndef SHAPLEY_CORE_DISTINCT_H
#define SHAPLEY_CORE_DISTINCT_H

#include <stdint.h>
#include <string.h>

#include "vectors.h"

static inline uint64_t mixed(uint64_t x)
{
    x ^= x >> 32;
    x *= 0x9E3779B97F4A7C15u;
    x ^= x >> 29;
    return x;
}

/* For one donor: first[c * step] is the first coalition that agrees with c where the donor differs.
 * slots holds n_slots (a power of two, more than n) numbers, patterns n * n_words words. */
static void first_alike(
    const uint64_t *RESTRICT words, const uint64_t *RESTRICT differs, int64_t n, int64_t n_words,
    int64_t n_slots, int32_t *RESTRICT slots, uint64_t *RESTRICT patterns, int64_t step, int32_t *RESTRICT first)
{
    int64_t c, w;
    memset(slots, 255, (size_t)n_slots * sizeof(int32_t));
    for (c = 0; c < n; c++) {
        uint64_t *own = patterns + c * n_words, hash = 0;
        for (w = 0; w < n_words; w++) {
            own[w] = words[c * n_words + w] & differs[w];
            hash = mixed(hash + own[w]);
        }
        for (hash &= (uint64_t)n_slots - 1;; hash = (hash + 1) & ((uint64_t)n_slots - 1)) {
            int32_t other = slots[hash];
            if (other < 0) {
                slots[hash] = (int32_t)c;
                first[c * step] = (int32_t)c;
                break;
            }
            for (w = 0; w < n_words && patterns[other * n_words + w] == own[w]; w++)
                ;
            if (w == n_words) {
                first[c * step] = other;
                break;
            }
        }
    }
}

#endif
