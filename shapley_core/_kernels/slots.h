/* The inner loops of single rows: points of the quadrature or slots of a path side by side.
 *
 * Both numbers are rounded up, so that the loops have a fixed length: points of weight 0, and slots
 * that are not read. restrict lets the compiler use its vectors.
 */
#ifndef SHAPLEY_CORE_SLOTS_H
#define SHAPLEY_CORE_SLOTS_H

#include <stdint.h>

#include "vectors.h"

/* Most players of a path, most points, and what most paths need. */
#define MOST_SLOTS 12
#define MOST_POINTS 8
#define USUAL_SLOTS 8
#define USUAL_POINTS 4

/* A quadrature; loss is the share of a failed feature. */
typedef struct {
    double point[MOST_POINTS];
    double weight[MOST_POINTS];
    double loss[MOST_POINTS];
    int usual;
} RowRule;

/* What an edge does to rows that fail it, [0], and that pass it, [1]: the factor of its feature, and
 * its share, what the feature's value is relative to the product. At each point.
 */
typedef struct {
    double factor[2][MOST_POINTS];
    double share[2][MOST_POINTS];
} RowEdge;

/* What a row carries down a tree: factors [slot][point], shares [point][slot], products
 * [level][point], both of a slot before a repeated test [level][factor and share][point], and by
 * level which way it goes and whether it passed all tests of the player.
 */
typedef struct {
    double factor[MOST_SLOTS * MOST_POINTS];
    double share[MOST_POINTS * MOST_SLOTS];
    double *product;
    double *before;
    uint8_t *left;
    uint8_t *passed;
} CarriedRow;

static inline void follow_row(
    const RowEdge *RESTRICT edge, int passes, int64_t level, int64_t slot, int again, int points,
    int slots, CarriedRow *RESTRICT row
) {
    const double *factor = edge->factor[passes], *share = edge->share[passes];
    const double *above = row->product + (level - 1) * points;
    double *product = row->product + level * points, *own = row->factor + slot * points;
    if (again) {
        double *before = row->before + 2 * level * points;
        for (int q = 0; q < points; q++) before[q] = own[q];
        for (int q = 0; q < points; q++) before[points + q] = row->share[q * slots + slot];
    }
    for (int q = 0; q < points; q++) product[q] = above[q] * factor[q];
    for (int q = 0; q < points; q++) own[q] = factor[q];
    for (int q = 0; q < points; q++) row->share[q * slots + slot] = share[q];
}

/* Prepare an edge whose feature has the cover share z, as pattern_tables.pyx does. */
static inline void set_edge(const RowRule *RESTRICT rule, double z, int points, RowEdge *RESTRICT edge) {
    for (int q = 0; q < points; q++) {
        const double t = rule->point[q], absent = z * (1.0 - t);
        edge->factor[0][q] = absent;
        edge->factor[1][q] = absent + t;
        edge->share[0][q] = rule->loss[q];
        edge->share[1][q] = (1.0 - z) / (absent + t);
    }
}

/* Follow an edge, of a player that was tested at level `again` before if that is not 0. */
WIDE static void follow_rows(
    const RowRule *RESTRICT rule, double z, int is_left, int64_t level, int64_t slot, int64_t again,
    CarriedRow *RESTRICT rows, int64_t n
) {
    RowEdge edge;
    if (rule->usual) {
        set_edge(rule, z, USUAL_POINTS, &edge);
    } else {
        set_edge(rule, z, MOST_POINTS, &edge);
    }
    for (int64_t i = 0; i < n; i++) {
        int passes = rows[i].left[level - 1] == is_left;
        if (again) passes &= rows[i].passed[again];
        rows[i].passed[level] = (uint8_t)passes;
        if (rule->usual) {
            follow_row(&edge, passes, level, slot, again != 0, USUAL_POINTS, USUAL_SLOTS, rows + i);
        } else {
            follow_row(&edge, passes, level, slot, again != 0, MOST_POINTS, MOST_SLOTS, rows + i);
        }
    }
}

/* Leave the edge of a repeated test. */
static inline void leave_rows(
    int64_t level, int64_t slot, int usual, CarriedRow *RESTRICT rows, int64_t n
) {
    const int points = usual ? USUAL_POINTS : MOST_POINTS, slots = usual ? USUAL_SLOTS : MOST_SLOTS;
    for (int64_t i = 0; i < n; i++) {
        const double *before = rows[i].before + 2 * level * points;
        for (int q = 0; q < points; q++) rows[i].factor[slot * points + q] = before[q];
        for (int q = 0; q < points; q++) rows[i].share[q * slots + slot] = before[points + q];
    }
}

static inline void enter_leaf(
    const double *RESTRICT weight, int64_t level, int64_t d, int repeats, int points, int slots,
    const CarriedRow *RESTRICT row, double *RESTRICT entry
) {
    double product[MOST_POINTS], sum[MOST_SLOTS];
    for (int q = 0; q < points; q++) product[q] = row->product[level * points + q];
    if (repeats) {
        /* The product down the path holds the factors that a repeated test replaced. */
        for (int q = 0; q < points; q++) product[q] = weight[q];
        for (int64_t j = 0; j < d; j++) {
            for (int q = 0; q < points; q++) product[q] *= row->factor[j * points + q];
        }
    }
    for (int j = 0; j < slots; j++) sum[j] = 0.0;
    for (int q = 0; q < points; q++) {
        for (int j = 0; j < slots; j++) sum[j] += product[q] * row->share[q * slots + j];
    }
    for (int j = 0; j < slots; j++) entry[j] = sum[j];
}

/* Add a leaf's entries, of d slots and for value 1, to the columns of its group. */
WIDE static void enter_leaves(
    const RowRule *RESTRICT rule, int64_t level, int64_t d, int repeats,
    const int64_t *RESTRICT column, const double *RESTRICT value, int64_t width,
    const CarriedRow *RESTRICT rows, int64_t n, double *RESTRICT group, int64_t stride
) {
    for (int64_t i = 0; i < n; i++, group += stride) {
        double entry[MOST_SLOTS];
        if (rule->usual) {
            enter_leaf(
                rule->weight, level, d, repeats, USUAL_POINTS, USUAL_SLOTS, rows + i, entry
            );
        } else {
            enter_leaf(rule->weight, level, d, repeats, MOST_POINTS, MOST_SLOTS, rows + i, entry);
        }
        for (int64_t j = 0; j < d; j++) {
            for (int64_t k = 0; k < width; k++) group[column[j] * width + k] += value[k] * entry[j];
        }
    }
}

#endif
