/* What the inner loops ask of the compiler. */
#ifndef SHAPLEY_CORE_VECTORS_H
#define SHAPLEY_CORE_VECTORS_H

#include <stdint.h>

/* restrict lets the compiler run rows side by side. */
#if defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

/* Where the machine has AVX2 the loader picks the wider clone; contraction is off, so that both
 * give the same bits.
 */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

/* For loops of loads from anywhere, which GCC would first put together into vectors. */
#if defined(__GNUC__) && !defined(__clang__)
#define SCALAR __attribute__((optimize("no-tree-vectorize")))
#else
#define SCALAR
#endif

/* Ask for a number that will be wanted soon. */
#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)(address))
#endif

/* Ask for all of some memory: it is taken in no order, or in pieces too short for the machine to
 * guess what comes next.
 */
static inline void fetch_all(const void *memory, int64_t n_bytes) {
    for (int64_t at = 0; at < n_bytes; at += 64) FETCH((const char *)memory + at);
}

#endif
