/* One row among the rows of a small background: the loops of alive_rows.pyx for a single row whose
 * sets are one word and whose leaves have one value, with the same sums in the same order.
 */
#ifndef SHAPLEY_CORE_ALIVE_ROW_H
#define SHAPLEY_CORE_ALIVE_ROW_H

#include <stdint.h>

#include "alive.h"
#include "alive_rows.h"
#include "deep_step.h"

typedef struct {
    uint64_t *failed;       /* levels */
    uint64_t *alive;        /* levels x words */
    uint16_t *left;         /* levels */
    int64_t *path;          /* levels: the new slot of the edge there, or -1 */
    int64_t *slot;          /* levels */
    const uint64_t **bits;  /* levels: which background rows pass the edge's player */
    const uint64_t **of_slot;
    int64_t *player;        /* of each slot */
    uint64_t *list;
    int32_t *place;
    double *given;
    double *sums;           /* slots, zero before and after */
} OneRow;

typedef int (*GoesLeft)(const void *nodes, int64_t node, double x);

static void walk_row(
    const Step *steps, int64_t n_steps, const double *data, int64_t stride, const void *nodes,
    GoesLeft goes_left, const double *values, const uint64_t *passing, int64_t size,
    const double *weight, const double *gain, const double *loss, int64_t side, const OneRow *row,
    double *out, int64_t n_outputs
) {
    int64_t level = 0, i = 0;
    double shares[64];
    row->failed[0] = 0;
    while (i <= n_steps) {
        const Step *step = steps + i;
        int64_t here = i < n_steps ? step->level : 1;
        while (level >= here && level) {
            int64_t slot = row->path[level--];
            if (slot < 0) continue;
            out[row->player[slot] * n_outputs] += row->sums[slot];
            row->sums[slot] = 0.0;
        }
        if (i == n_steps) break;
        if (here) {
            const uint64_t *bits = passing + i * size, *above = row->alive + (here - 1) * size;
            uint64_t *alive = row->alive + here * size, any = 0, passes;
            uint64_t failed = row->failed[here - 1];
            failed |= (uint64_t)(row->left[here - 1] != step->is_left) << step->slot;
            passes = (failed >> step->slot & 1) - 1; /* all bits or none */
            for (int64_t k = 0; k < size; k++) {
                alive[k] = above[k] & (bits[k] | passes);
                any |= alive[k];
            }
            if (!any) {
                i += step->subtree;
                continue;
            }
            level = here;
            row->failed[here] = failed;
            row->path[here] = step->again ? -1 : step->slot;
            row->slot[here] = step->slot;
            row->bits[here] = bits;
            row->player[step->slot] = step->player;
        }
        if (step->feature >= 0) {
            double x = data[step->feature * stride];
            if (step->is_plain) {
                row->left[here] = (x <= step->threshold) | ((x != x) & step->missing_left);
            } else {
                row->left[here] = (uint16_t)goes_left(nodes, step->node, x);
            }
        } else {
            uint64_t failed = row->failed[here];
            int64_t f = count_bits(failed), n;
            double lost, value = values[step->node];
            for (int64_t j = 1; j <= here; j++) row->of_slot[row->slot[j]] = row->bits[j];
            n = list_rows(
                row->alive + here * size, size, row->of_slot, step->n_players, 1, NULL, weight,
                gain + f * side, loss + f * side, row->list, row->place, row->given, &lost
            );
            for (int64_t c = 0; c * CHUNK < step->n_players; c++) {
                sum_given(row->list, 1, row->place, row->given, n, &failed, lost, c, shares);
                for (int j = 0; j < CHUNK; j++) row->sums[c * CHUNK + j] += value * shares[j];
            }
        }
        i++;
    }
}

#endif
