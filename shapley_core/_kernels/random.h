/* Random numbers that depend on (seed, stream) alone: a counter hashed under a 128-bit key.

Each output is a bijection of the counter, mixed twice by the finaliser of SplitMix64 (Steele, Lea
and Flood 2014, Fast splittable pseudorandom number generators; constants of Stafford's mix 13). */
#ifndef SHAPLEY_CORE_RANDOM_H
#define SHAPLEY_CORE_RANDOM_H

#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

typedef struct {
    uint64_t first_key;
    uint64_t second_key;
    uint64_t counter;
} Random;

static inline uint64_t mix_word(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* The start of one stream: streams of one seed, and equal streams of two seeds, are unrelated. */
static inline void random_start(Random* random, uint64_t seed, uint64_t stream) {
    uint64_t mixed = mix_word(seed + UINT64_C(0x9E3779B97F4A7C15));
    random->first_key = mix_word(mixed ^ mix_word(stream + UINT64_C(0xD1B54A32D192ED03)));
    random->second_key = mix_word(random->first_key + mixed + UINT64_C(0x8CB92BA72F3D8DD7));
    random->counter = 0;
}

static inline uint64_t random_word(Random* random) {
    uint64_t at = random->first_key + UINT64_C(0x9E3779B97F4A7C15) * random->counter++;
    return mix_word(mix_word(at) ^ random->second_key);
}

/* In [0, 1), a multiple of 2^-53. */
static inline double random_double(Random* random) {
    return (double)(random_word(random) >> 11) * (1.0 / 9007199254740992.0);
}

/* Exactly uniform in 0 .. bound - 1 (Lemire 2019, Fast random integer generation). */
static inline uint64_t random_below(Random* random, uint64_t bound) {
    uint64_t high, low, least;
#if defined(_MSC_VER)
    low = _umul128(random_word(random), bound, &high);
#else
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)random_word(random) * bound;
    high = (uint64_t)(product >> 64);
    low = (uint64_t)product;
#endif
    if (low < bound) {
        least = (0 - bound) % bound;
        while (low < least) {
#if defined(_MSC_VER)
            low = _umul128(random_word(random), bound, &high);
#else
            product = (wide)random_word(random) * bound;
            high = (uint64_t)(product >> 64);
            low = (uint64_t)product;
#endif
        }
    }
    return high;
}

#endif
