/* Counting and finding bits; the compiler's own where it has them. */
#ifndef SHAPLEY_CORE_BITS_H
#define SHAPLEY_CORE_BITS_H

#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>
static inline int lowest_bit(uint64_t word) {
    unsigned long index;
    _BitScanForward64(&index, word);
    return (int)index;
}
static inline int highest_bit(uint64_t word) {
    unsigned long index;
    _BitScanReverse64(&index, word);
    return (int)index;
}
static inline int count_bits(uint64_t word) { return (int)__popcnt64(word); }
#else
static inline int lowest_bit(uint64_t word) { return __builtin_ctzll(word); }
static inline int highest_bit(uint64_t word) { return 63 - __builtin_clzll(word); }
static inline int count_bits(uint64_t word) { return __builtin_popcountll(word); }
#endif

#endif
