/* Leaf loops of the transforms over tables of 2^n worths.
 *
 * In C for two things that Cython has no word for: restrict, and building a function a second
 * time for AVX2 (chosen when the module is loaded; it takes a quarter off the fold). Contraction
 * is off, so both give the same bits.
 */
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

#if defined(_MSC_VER)
#define restrict __restrict
#define INLINE static __forceinline
#else
#define INLINE static inline __attribute__((always_inline))
#endif

/* What a butterfly does to the half without a player (x) and the half with it (y). */
enum { SUBSET_SUM, SUBSET_DIFFERENCE, SUPERSET_SUM, SUPERSET_DIFFERENCE, WALSH, GENERAL };

#define BUTTERFLY(KIND, NEW_X, NEW_Y)                                                        \
    case KIND:                                                                               \
        for (i = 0; i < half; i++) {                                                         \
            const double a = x[i], b = y[i];                                                 \
            x[i] = NEW_X;                                                                    \
            y[i] = NEW_Y;                                                                    \
        }                                                                                    \
        break;

INLINE void butterfly(
    double *restrict x, double *restrict y, int64_t half, int kind, const double *restrict m)
{
    int64_t i;
    const double m0 = m[0], m1 = m[1], m2 = m[2], m3 = m[3];
    switch (kind) {
        BUTTERFLY(SUBSET_SUM, a, a + b)
        BUTTERFLY(SUBSET_DIFFERENCE, a, b - a)
        BUTTERFLY(SUPERSET_SUM, a + b, b)
        BUTTERFLY(SUPERSET_DIFFERENCE, a - b, b)
        BUTTERFLY(WALSH, a + b, a - b)
        BUTTERFLY(GENERAL, m0 * a + m1 * b, m2 * a + m3 * b)
    }
}

/* All butterflies of 2^n_bits numbers side by side. */
CLONES static void butterfly_block(double *a, int64_t n_bits, int kind, const double *m)
{
    const int64_t length = (int64_t)1 << n_bits;
    for (int64_t half = 1; half < length; half *= 2)
        for (int64_t at = 0; at < length; at += 2 * half)
            butterfly(a + at, a + at + half, half, kind, m);
}

/* All butterflies of 2^n_bits rows of `width` numbers (at most TILE), `stride` apart. The rows are
 * copied together first: at strides of a power of two they would fight for the same cache sets. */
#define TILE 64

CLONES static void butterfly_rows(
    double *restrict a, int64_t n_bits, int64_t stride, int64_t width, int kind,
    const double *restrict m, double *restrict tile)
{
    const int64_t n_rows = (int64_t)1 << n_bits;
    for (int64_t row = 0; row < n_rows; row++)
        for (int64_t i = 0; i < width; i++) tile[row * width + i] = a[row * stride + i];
    for (int64_t step = 1; step < n_rows; step *= 2)
        for (int64_t top = 0; top < n_rows; top += 2 * step)
            butterfly(tile + top * width, tile + (top + step) * width, step * width, kind, m);
    for (int64_t row = 0; row < n_rows; row++)
        for (int64_t i = 0; i < width; i++) a[row * stride + i] = tile[row * width + i];
}

/* out = (v - offset) * weight of the size, 16 positions at a time: the sizes of 16 neighbours
 * differ by a fixed pattern, so sixteen[size of the first] holds their weights side by side. */
#define LANES 16

INLINE int64_t size_of(uint64_t position)
{
#if defined(__GNUC__)
    return __builtin_popcountll(position);
#else
    int64_t count = 0;
    for (; position; position &= position - 1) count++;
    return count;
#endif
}

CLONES static void weigh(
    const double *restrict v, double offset, const double *restrict sixteen, int64_t start,
    int64_t length, double *restrict out)
{
    for (int64_t at = 0; at < length; at += LANES) {
        const double *w = sixteen + LANES * size_of((uint64_t)(start + at));
        for (int64_t i = 0; i < LANES; i++) out[at + i] = (v[at + i] - offset) * w[i];
    }
}

/* Σ (v - offset) * weight, without the product in memory. */
CLONES static double weighted_sum(
    const double *restrict v, double offset, const double *restrict sixteen, int64_t start,
    int64_t length)
{
    double sum[LANES] = {0};
    for (int64_t at = 0; at < length; at += LANES) {
        const double *w = sixteen + LANES * size_of((uint64_t)(start + at));
        for (int64_t i = 0; i < LANES; i++) sum[i] += (v[at + i] - offset) * w[i];
    }
    for (int64_t step = LANES / 2; step; step /= 2)
        for (int64_t i = 0; i < step; i++) sum[i] += sum[i + step];
    return sum[0];
}

/* out += v * weight of the size. */
CLONES static void add_weighed(
    const double *restrict v, const double *restrict sixteen, int64_t start, int64_t length,
    double *restrict out)
{
    for (int64_t at = 0; at < length; at += LANES) {
        const double *w = sixteen + LANES * size_of((uint64_t)(start + at));
        for (int64_t i = 0; i < LANES; i++) out[at + i] += v[at + i] * w[i];
    }
}

/* One step of the superset fold: each row is halved, x without and y with the next player.
 * The row keeps x + y; a row that stands for fewer than `order` players also gives a new row y,
 * at the end. */
CLONES static void fold_step(
    const double *restrict in, double *restrict out, int64_t n_rows, int64_t half,
    const uint8_t *restrict sizes, int64_t order)
{
    double *extra = out + n_rows * half;
    for (int64_t row = 0; row < n_rows; row++) {
        const double *restrict x = in + 2 * row * half, *restrict y = x + half;
        double *restrict sum = out + row * half;
        for (int64_t i = 0; i < half; i++) sum[i] = x[i] + y[i];
        if (sizes[row] < order) {
            for (int64_t i = 0; i < half; i++) extra[i] = y[i];
            extra += half;
        }
    }
}

/* Two results of a fold over sibling blocks become one: the same step, rows of one number each. */
CLONES static void fold_pair(
    const double *restrict without, const double *restrict with, double *restrict out,
    int64_t n_rows, const uint8_t *restrict sizes, int64_t order)
{
    double *extra = out + n_rows;
    for (int64_t row = 0; row < n_rows; row++) out[row] = without[row] + with[row];
    for (int64_t row = 0; row < n_rows; row++)
        if (sizes[row] < order) *extra++ = with[row];
}

/* Superset sums of weighted worths less those of nothing, for up to TILE games side by side. */
CLONES static void fold_games(
    const double *restrict values, int64_t n_positions, int64_t n_games, int64_t n_here,
    const double *restrict weights, const int64_t *restrict members, int64_t n_members,
    double *restrict out)
{
    double part[TILE];
    for (int64_t at = 1; at < n_positions; at++) {
        const double weight = weights[size_of((uint64_t)at)];
        const double *restrict row = values + at * n_games;
        for (int64_t i = 0; i < n_here; i++) part[i] = (row[i] - values[i]) * weight;
        for (int64_t r = 0; r < n_members; r++) {
            double *restrict sum = out + r * n_games;
            if ((at & members[r]) == members[r])
                for (int64_t i = 0; i < n_here; i++) sum[i] += part[i];
        }
    }
}
