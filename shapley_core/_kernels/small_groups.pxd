"""What a row fails at the leaves of a small subtree of a deep tree."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from .deep_walk cimport Step
from .forest cimport LEAF


cdef extern from "alive.h" nogil:
    enum:
        BIN_LEAVES
        BIN_PLAYERS
        BIN_VALUES


cdef struct Group:
    # A subtree of up to BIN_PLAYERS tests, and the players that they are of.
    int64_t n_leaves
    int64_t n_players
    int64_t player[BIN_PLAYERS]
    int64_t slot[BIN_PLAYERS]     # of the path above, or -1
    uint64_t shared               # slots of the path above that are tested below too
    int64_t node[BIN_LEAVES]      # the leaves
    int64_t n_edges[BIN_LEAVES]   # of the way to each
    int64_t test[BIN_LEAVES][BIN_PLAYERS]  # the bit of the test above each such edge
    uint8_t side[BIN_LEAVES][BIN_PLAYERS]
    int64_t number[BIN_LEAVES][BIN_PLAYERS]  # of its player here


cdef inline void describe_group(const Step* root, Group* group) noexcept nogil:
    """Write what is below a step."""
    cdef int64_t bit[BIN_PLAYERS + 1]
    cdef uint8_t side[BIN_PLAYERS + 1]
    cdef int64_t number[BIN_PLAYERS + 1]
    cdef const Step* step
    cdef int64_t j, k, level, leaf = 0
    group.n_players = 0
    group.shared = 0
    for j in range(root.subtree):
        step = root + j
        level = step.level - root.level
        if level:
            k = 0
            while k < group.n_players and group.player[k] != step.player:
                k += 1
            if k == group.n_players:
                group.player[k] = step.player
                group.slot[k] = -1
                if step.slot < root.n_players:
                    group.slot[k] = step.slot
                    group.shared |= <uint64_t>1 << step.slot
                group.n_players += 1
            side[level - 1] = step.is_left
            number[level - 1] = k
        if step.feature != LEAF:
            bit[level] = step.bit
            continue
        group.node[leaf] = step.node
        group.n_edges[leaf] = level
        for k in range(level):
            group.test[leaf][k] = bit[k]
            group.side[leaf][k] = side[k]
            group.number[leaf][k] = number[k]
        leaf += 1
    group.n_leaves = leaf


cdef inline int64_t shared_bits(const Group* group, uint64_t failed) noexcept nogil:
    """Which of the group's players fail above: a bit for each."""
    cdef int64_t k, out = 0
    for k in range(group.n_players):
        if group.slot[k] >= 0:
            out |= <int64_t>(failed >> group.slot[k] & 1) << k
    return out


cdef inline uint32_t failed_below(
    const Group* group, uint64_t failed, int64_t outcome
) noexcept nogil:
    """Which of the group's players fail at each leaf: a byte for each.

    failed  : on the path above
    outcome : of each test, whether it goes left
    """
    cdef uint32_t out = 0
    cdef uint32_t byte, above = <uint32_t>shared_bits(group, failed)
    cdef int64_t j, k
    for j in range(group.n_leaves):
        byte = above
        for k in range(group.n_edges[j]):
            if (outcome >> group.test[j][k] & 1) != group.side[j][k]:
                byte |= <uint32_t>1 << group.number[j][k]
        out |= byte << 8 * j
    return out
