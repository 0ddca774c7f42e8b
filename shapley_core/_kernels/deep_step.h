/* What the walk of a deep tree needs of a node, in the order of the walk: nodes lie in memory as
 * the library numbers them, and a few rows would mostly wait for it.
 */
#ifndef SHAPLEY_CORE_DEEP_STEP_H
#define SHAPLEY_CORE_DEEP_STEP_H

#include <stdint.h>

typedef struct {
    double threshold;
    int64_t node;
    int64_t set_start;     /* where a leaf's sets of the background begin */
    int64_t passing_start; /* where the node's bits begin */
    int32_t n_sets;        /* that bits tell of; 0 for none */
    int32_t n_players;     /* of the path */
    int32_t subtree;
    int32_t level;
    int32_t feature; /* tested here, or -1 at a leaf */
    int32_t player;  /* of the edge into the node */
    int32_t slot;
    uint8_t is_left;
    uint8_t is_plain;
    uint8_t missing_left;
    uint8_t again; /* whether the path tests the player above */
} Step;

#endif
