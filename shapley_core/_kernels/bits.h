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

/* For code that is not compiled for machines with an instruction for it: the compiler's own would be
 * a call.
 */
static inline int count_bits_plain(uint64_t word) {
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int)((word * 0x0101010101010101u) >> 56);
}

#endif
