/* Tests of rows on small whole numbers: the codes of their values among a feature's thresholds.
 *
 * A value's code is one more than the number of thresholds below it, a missing value's is 0. A test
 * then passes the codes of an interval, counted around the end of 16 bits. The code of a category is
 * its number, and a test passes those of a set.
 */
#ifndef SHAPLEY_CORE_CODES_H
#define SHAPLEY_CORE_CODES_H

#include <stdint.h>
#include <string.h>

#include "vectors.h"

/* Rows side by side: the codes of one feature are a line of the cache. */
#define LINE_ROWS 32
/* In place of `at`, behind the last test of a group. */
#define GROUP_END UINT32_MAX
/* Codes of what is missing, and of what is in no set: beyond the last word of any set of numbers up
 * to MOST_LABELS. */
#define MISSING_LABEL 0xffff
#define NO_LABEL 0xfffe
#define MOST_LABELS 0xffc0

typedef struct {
    uint32_t at;   /* where the feature's codes begin among those of a line of rows */
    uint16_t low;  /* the first code that passes, */
    uint16_t span; /* and how many more do */
    uint16_t keep; /* bits of the pattern that a failing row keeps; of an end, those in use */
} GroupTest;

/* Codes of n <= LINE_ROWS values among m > 0 increasing thresholds; anything beyond n.
 *
 * By halving, four rows at once and without branches, which nothing could foresee.
 */
SCALAR static inline void find_codes(
    const double *RESTRICT x, int64_t n, const double *RESTRICT threshold, int64_t m,
    uint16_t *RESTRICT out
) {
    for (int64_t row = 0; row < LINE_ROWS; row += 4) {
        const double *at[4];
        double value[4];
        for (int k = 0; k < 4; k++) {
            at[k] = threshold;
            value[k] = row + k < n ? x[row + k] : 0.0;
        }
        for (int64_t left = m; left > 1; left -= left / 2) {
            const int64_t half = left / 2;
            for (int k = 0; k < 4; k++) at[k] += half & -(int64_t)(at[k][half - 1] < value[k]);
        }
        for (int k = 0; k < 4; k++) {
            const int64_t code = at[k] - threshold + 1 + (*at[k] < value[k]);
            out[row + k] = (uint16_t)(code & -(int64_t)(value[k] == value[k]));
        }
    }
}

/* Codes of n <= LINE_ROWS categories, sets having numbers below ``most``; as `in_set` reads them. */
static inline void find_labels(
    const double *RESTRICT x, int64_t n, double most, int truncates, uint16_t *RESTRICT out
) {
    for (int64_t row = 0; row < LINE_ROWS; row++) {
        const double value = row < n ? x[row] : 0.0;
        if (value != value) out[row] = MISSING_LABEL;
        else if (value > -1.0 && value < most && (value >= 0.0 || truncates))
            out[row] = (uint16_t)(int32_t)value;
        else out[row] = NO_LABEL;
    }
}

/* Clear bits of the patterns of rows that do not pass a test on a set.
 *
 * ``others`` pass, and the set's members do not, or the other way about.
 */
WIDE static void pass_set(
    const uint64_t *RESTRICT words, int64_t n_words, int others, int missing, uint16_t keep,
    const uint16_t *RESTRICT codes, int64_t line_size, int64_t n_lines, uint16_t *RESTRICT out
) {
    const uint16_t in = others ? keep : UINT16_MAX, not_in = others ? UINT16_MAX : keep;
    const uint16_t unknown = missing ? UINT16_MAX : keep;
    const uint64_t first = n_words ? words[0] : 0;
    for (int64_t line = 0; line < n_lines; line++, codes += line_size, out += LINE_ROWS) {
        if (n_words <= 1) {
            for (int i = 0; i < LINE_ROWS; i++) {
                const uint64_t bit = first >> (codes[i] & 63) & (codes[i] < 64);
                out[i] &= codes[i] == MISSING_LABEL ? unknown : bit ? in : not_in;
            }
            continue;
        }
        for (int i = 0; i < LINE_ROWS; i++) {
            const uint64_t word = codes[i] >> 6 < n_words ? words[codes[i] >> 6] : 0;
            const uint64_t bit = word >> (codes[i] & 63) & 1;
            out[i] &= codes[i] == MISSING_LABEL ? unknown : bit ? in : not_in;
        }
    }
}

static inline void pass_test(
    const GroupTest *RESTRICT test, const uint16_t *RESTRICT code, uint16_t *RESTRICT pattern
) {
    const uint16_t low = test->low, span = test->span, keep = test->keep;
    for (int i = 0; i < LINE_ROWS; i++) {
        const uint16_t passes = (uint16_t)(code[i] - low) <= span ? UINT16_MAX : 0;
        pattern[i] &= (uint16_t)(passes | keep);
    }
}

/* Patterns of a tree's groups for lines of rows; out has `most` places for each group.
 *
 * The ends of groups stand among the tests: no compiler then takes two tests at once and loses the
 * rows side by side over it.
 */
WIDE static void test_groups(
    const GroupTest *RESTRICT tests, int64_t n_groups, const uint16_t *RESTRICT codes,
    int64_t line_size, int64_t n_lines, int64_t most, uint16_t *RESTRICT out
) {
    for (int64_t line = 0; line < n_lines; line++) {
        const uint16_t *here = codes + line * line_size;
        const GroupTest *test = tests;
        for (int64_t g = 0; g < n_groups; g++, test++) {
            uint16_t pattern[LINE_ROWS];
            for (int i = 0; i < LINE_ROWS; i++) pattern[i] = UINT16_MAX;
            for (; test->at != GROUP_END; test++) pass_test(test, here + test->at, pattern);
            for (int i = 0; i < LINE_ROWS; i++) pattern[i] &= test->keep;
            memcpy(out + g * most + line * LINE_ROWS, pattern, sizeof pattern);
        }
    }
}

#endif
