/* The inner loops of subtree_sums.pyx, over rows and the q points of a quadrature rule.
 *
 * A row's numbers for all points lie side by side, so that one row fills the vectors as well as
 * many do; the usual numbers of points are constants to the compiler. Where the machine has AVX2
 * the loader picks the wider clone; contraction is off, so both give the same bits.
 */
#ifndef SHAPLEY_CORE_SUBTREE_SUMS_H
#define SHAPLEY_CORE_SUBTREE_SUMS_H

#include <stdint.h>

#include "vectors.h"

#if defined(_MSC_VER)
#define INLINED static __forceinline
#elif defined(__GNUC__)
#define INLINED static inline __attribute__((always_inline))
#else
#define INLINED static inline
#endif

/* Call what takes the number of points last, with a constant where it is a usual one. */
#define BY_POINTS(call, q) \
    switch (q) { \
        case 2: call(2); break; \
        case 4: call(4); break; \
        case 6: call(6); break; \
        case 8: call(8); break; \
        default: call(q); \
    }

/* A statement on the numbers AT(pointer) of all points, an even number of them, and on four numbers
 * side by side: left to itself, the compiler mixes vectors of several lengths.
 */
#if defined(__GNUC__)
typedef double pair __attribute__((vector_size(16), aligned(8), may_alias));
typedef double quad __attribute__((vector_size(32), aligned(8), may_alias));
#define AT(pointer) (*(vector *)((pointer) + j))
#define OVER_POINTS(q, statement) \
    { \
        int64_t j = 0; \
        for (; j + 4 <= q; j += 4) { typedef quad vector; statement; } \
        for (; j < q; j += 2) { typedef pair vector; statement; } \
    }
#define ADD_TO(sums, term) (*(vector *)(sums) += (term))
#define ADD_QUAD(sum, scale, in) (*(quad *)(sum) += (scale) * *(const quad *)(in))
#else
#define AT(pointer) ((pointer)[j])
#define OVER_POINTS(q, statement) \
    for (int64_t j = 0; j < q; j++) { typedef double vector; statement; }
/* Points beyond the last four go to the first two sums. */
#define ADD_TO(sums, term) ((sums)[j < q / 4 * 4 ? j % 4 : j % 2] += (term))
#define ADD_QUAD(sum, scale, in) \
    ((sum)[0] += (scale) * (in)[0], (sum)[1] += (scale) * (in)[1], \
     (sum)[2] += (scale) * (in)[2], (sum)[3] += (scale) * (in)[3])
#endif

/* A row's state at a test: 0 where it goes left, 1 right, 2 where it failed a test of the player
 * above: by `before`, whose state must then be `side`, or by bit `before_bit` of the word.
 */
static void find_states(
    const uint16_t *RESTRICT word, int bit, const uint8_t *RESTRICT before, int side,
    int before_bit, uint8_t *RESTRICT state, int64_t n
) {
    if (before) {
        for (int64_t i = 0; i < n; i++) state[i] = before[i] == side ? !(word[i] >> bit & 1) : 2;
    } else if (before_bit >= 0) {
        for (int64_t i = 0; i < n; i++) {
            state[i] = word[i] >> before_bit & 1 ? !(word[i] >> bit & 1) : 2;
        }
    } else {
        for (int64_t i = 0; i < n; i++) state[i] = !(word[i] >> bit & 1);
    }
}

/* Set a bit where the state is the one asked for. */
static void set_passed(
    const uint8_t *RESTRICT state, int side, int bit, uint16_t *RESTRICT word, int64_t n
) {
    for (int64_t i = 0; i < n; i++) word[i] |= (uint16_t)((state[i] == side) << bit);
}

/* An edge: its player's share of cover, the ratio of that to the one of the player's edge above,
 * and the value of the leaf that it leads to, 1 if there is a test.
 */
typedef struct {
    double share, ratio, value;
} Edge;

INLINED void describe_first(
    const double *RESTRICT points, const Edge *edge, int is_left, double *RESTRICT factor,
    double *RESTRICT gain, int64_t q
) {
    const double *t = points, *rest = points + q;
    const double z = edge->share, value = edge->value;
    double *passed = factor + (is_left ? 0 : q), *failed = factor + (is_left ? q : 0);
    double *won = gain + (is_left ? 0 : q), *lost = gain + (is_left ? q : 0);
    OVER_POINTS(q, vector f = z * AT(rest); AT(failed) = value * f; AT(passed) = value * (f + AT(t)))
    for (int64_t j = 0; j < q; j++) {
        won[j] = value * (1.0 - z);
        lost[j] = value * -z;
    }
}

INLINED void describe_again(
    const double *RESTRICT points, const double *RESTRICT inverse, double before,
    const Edge *edge, int is_left, double *RESTRICT factor, double *RESTRICT gain, int64_t q
) {
    const double *t = points, *rest = points + q;
    const double z = edge->share, value = edge->value;
    double *passed = factor + (is_left ? 0 : q), *failed = factor + (is_left ? q : 0);
    double *won = gain + (is_left ? 0 : q), *lost = gain + (is_left ? q : 0);
    OVER_POINTS(
        q, vector f = z * AT(rest); vector inside = (f + AT(t)) * AT(inverse);
        vector outside = f * AT(inverse); AT(passed) = value * inside;
        AT(failed) = value * outside;
        AT(won) = value * (((1.0 - z) - (1.0 - before) * inside) * AT(inverse));
        AT(lost) = value * -((z + (1.0 - before) * outside) * AT(inverse))
    )
    for (int64_t j = 0; j < q; j++) {
        factor[2 * q + j] = value * edge->ratio;
        gain[2 * q + j] = 0.0;
    }
}

INLINED void describe_q(
    const double *RESTRICT points, const Edge *edges, double before, int swapped, int n_leaves,
    double *RESTRICT factor, double *RESTRICT gain, double *RESTRICT inverse, int64_t q
) {
    const double *t = points, *rest = points + q;
    const int64_t left = swapped ? 3 * q : 0, right = swapped ? 0 : 3 * q;
    if (before < 0.0) {
        describe_first(points, edges, 1, factor + left, gain + left, q);
        describe_first(points, edges + 1, 0, factor + right, gain + right, q);
    } else {
        OVER_POINTS(q, AT(inverse) = 1.0 / (before * AT(rest) + AT(t)))
        describe_again(points, inverse, before, edges, 1, factor + left, gain + left, q);
        describe_again(points, inverse, before, edges + 1, 0, factor + right, gain + right, q);
    }
    if (n_leaves == 2) {
        const double *f = factor + 3 * q, *g = gain + 3 * q;
        OVER_POINTS(3 * q, AT(factor) += AT(f); AT(gain) += AT(g))
    }
}

/* The factors and gains of a test's two edges, left and right, in the three states of a row.
 *
 * points  : t, then 1 - t
 * before  : share of cover of the player's edge above, negative where there is none
 * swapped : whether the right side stands first
 */
WIDE static void describe_sides(
    const double *points, const Edge *edges, double before, int swapped, int n_leaves,
    double *factor, double *gain, double *inverse, int64_t q
) {
#define CALL(q) describe_q(points, edges, before, swapped, n_leaves, factor, gain, inverse, q)
    BY_POINTS(CALL, q)
#undef CALL
}

INLINED void descend_q(
    const double *RESTRICT above, const uint8_t *RESTRICT state, const double *RESTRICT factor,
    double *RESTRICT here, int64_t n, int64_t q
) {
    for (int64_t i = 0; i < n; i++) {
        const double *f = factor + state[i] * q;
        OVER_POINTS(q, AT(here + i * q) = AT(above + i * q) * AT(f))
    }
}

/* here = above * the factor of each row's state. */
WIDE static void descend_points(
    const double *above, const uint8_t *state, const double *factor, double *here, int64_t n,
    int64_t q
) {
#define CALL(q) descend_q(above, state, factor, here, n, q)
    BY_POINTS(CALL, q)
#undef CALL
}

/* What a test's two sides sum to. Each side is a leaf, whose value its factor and gain hold, or
 * has sums of its own; a leaf comes first, and of two leaves the first holds both.
 *
 * n_sums : how many of the sides have sums: 0, 1 (then the second) or 2
 * factor, gain : of the first side, then of the second, three states each
 */
typedef struct {
    const double *factor, *gain, *product, *first, *second;
    const uint8_t *state;
    int n_sums;
} Test;

/* The sum of the sides at some points, e their factors or gains. */
#define SIDES(sum, e) \
    vector sum = AT(e); \
    if (n_sums == 1) sum += AT(e + other) * AT(b); \
    if (n_sums == 2) sum = sum * AT(a) + AT(e + other) * AT(b)

INLINED void settle_q(
    const Test *test, double *RESTRICT total, double *RESTRICT gained, int fresh, int64_t n,
    int64_t q, int n_sums
) {
    const int64_t other = 3 * q;
    for (int64_t i = 0; i < n; i++) {
        const double *f = test->factor + test->state[i] * q, *g = test->gain + test->state[i] * q;
        const double *a = test->first + i * q, *b = test->second + i * q;
        const double *p = test->product + i * q;
        double *t = total + i * q, *s = gained + i * q;
        OVER_POINTS(q, SIDES(sum, f); AT(t) = sum)
        if (fresh) {
            OVER_POINTS(q, SIDES(sum, g); AT(s) = AT(p) * sum)
        } else {
            OVER_POINTS(q, SIDES(sum, g); AT(s) += AT(p) * sum)
        }
    }
}

#define BY_SUMS(call, test) \
    switch ((test)->n_sums) { \
        case 0: call(0); break; \
        case 1: call(1); break; \
        default: call(2); \
    }

/* total = the sides times their factors; gained (+)= the product above times the gains. */
WIDE static void settle_column(
    const Test *test, double *total, double *gained, int fresh, int64_t n, int64_t q
) {
#define OF_SUMS(k) settle_q(test, total, gained, fresh, n, points, k)
#define CALL(q) { const int64_t points = q; BY_SUMS(OF_SUMS, test) }
    BY_POINTS(CALL, q)
#undef CALL
#undef OF_SUMS
}

INLINED void settle_out_q(
    const Test *test, double *RESTRICT total, double *RESTRICT out, int64_t stride, int64_t n,
    int64_t q, int n_sums
) {
    const int64_t other = 3 * q;
    for (int64_t i = 0; i < n; i++) {
        const double *f = test->factor + test->state[i] * q, *g = test->gain + test->state[i] * q;
        const double *a = test->first + i * q, *b = test->second + i * q;
        const double *p = test->product + i * q;
        double *t = total + i * q;
        double sums[4] = {0.0, 0.0, 0.0, 0.0};
        OVER_POINTS(q, SIDES(sum, f); AT(t) = sum)
        OVER_POINTS(q, SIDES(sum, g); ADD_TO(sums, AT(p) * sum))
        out[i * stride] += (sums[0] + sums[2]) + (sums[1] + sums[3]);
    }
}

/* The same, but what is gained is summed over the points and added to out. */
WIDE static void settle_out(
    const Test *test, double *total, double *out, int64_t stride, int64_t n, int64_t q
) {
#define OF_SUMS(k) settle_out_q(test, total, out, stride, n, points, k)
#define CALL(q) { const int64_t points = q; BY_SUMS(OF_SUMS, test) }
    BY_POINTS(CALL, q)
#undef CALL
#undef OF_SUMS
}

/* out += the sum over the points of product * column, rows of out `stride` apart. */
static void add_column(
    const double *RESTRICT product, const double *RESTRICT column, double *RESTRICT out,
    int64_t stride, int64_t n, int64_t q
) {
    for (int64_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < q; j++) sum += product[i * q + j] * column[i * q + j];
        out[i * stride] += sum;
    }
}

/* Put n patterns' totals and columns, each n x q, into the table: [pattern][point][entry]. */
static void store_entries(
    const double *RESTRICT values, int64_t entry, int64_t width, double *RESTRICT table, int64_t n,
    int64_t q
) {
    for (int64_t i = 0; i < n * q; i++) table[i * width + entry] = values[i];
}

INLINED void look_up_w(
    const double *RESTRICT table, const uint16_t *RESTRICT pattern,
    const double *RESTRICT product, const int64_t *RESTRICT at, int64_t n_columns,
    double *RESTRICT total, double *RESTRICT out, int64_t stride, int64_t n, int64_t q,
    int64_t width
) {
    for (int64_t i = 0; i < n; i++) {
        const double *entry = table + pattern[i] * q * width;
        const double *p = product + i * q;
        double sum[16];
        for (int64_t c = 0; c < width; c++) sum[c] = 0.0;
        for (int64_t j = 0; j < q; j++, entry += width) {
            total[i * q + j] = entry[0];
            ADD_QUAD(sum, p[j], entry);
            if (width > 4) ADD_QUAD(sum + 4, p[j], entry + 4);
            if (width > 8) ADD_QUAD(sum + 8, p[j], entry + 8);
            if (width > 12) ADD_QUAD(sum + 12, p[j], entry + 12);
        }
        for (int64_t c = 0; c < width - 1 && c < n_columns; c++) {
            out[i * stride + at[c]] += sum[c + 1];
        }
    }
}

/* Look up the totals of each row's pattern, and add its columns' sums over the points to out. */
WIDE static void look_up_sums(
    const double *table, const uint16_t *pattern, const double *product, const int64_t *at,
    int64_t n_columns, double *total, double *out, int64_t stride, int64_t n, int64_t q,
    int64_t width
) {
#define CALL(w) look_up_w(table, pattern, product, at, n_columns, total, out, stride, n, q, w)
    switch (width) {
        case 4: CALL(4); break;
        case 8: CALL(8); break;
        case 12: CALL(12); break;
        default: CALL(16);
    }
#undef CALL
}

#endif
