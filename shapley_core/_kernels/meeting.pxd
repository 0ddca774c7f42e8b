"""Rows of a small subtree of a deep tree meet the background's sets there.

A game of a leaf depends on a background row by which players it fails: above the subtree, and by
the outcomes of the subtree's tests at each of its leaves. Sets that do the same at all leaves, and
hold as many players above, are in one bin: what a player above gets of all of them is their weight
times a number that depends on the bin and the explained row alone, added up over the leaves.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from .bits cimport count_bits, lowest_bit
from .deep_walk cimport Merged, Rows, Step
from .forest cimport Nodes
from .set_numbers cimport number_sets, places_for
from .small_groups cimport BIN_LEAVES, BIN_VALUES, Group, describe_group, failed_below


cdef extern from "alive_sets.h" nogil:
    ctypedef struct Meeting:
        const uint64_t* passing
        int64_t n_sets
        int64_t n_words
        const uint64_t* words
        const int64_t* count
        int64_t n_failed
        const int32_t* failed


cdef extern from "bins.h" nogil:
    int64_t sum_bins(
        const Meeting*, const int32_t*, const double*, int64_t, int32_t*, double*
    )
    void add_bins(
        int64_t, const int32_t*, int, const double*, const double*, int64_t, double*, double*
    )
    void weigh_bin(
        uint64_t, uint32_t, int64_t, const double*, const double*, int64_t, int64_t,
        const double*, int64_t, double*
    )
    enum:
        MOST_QUADS


# Bits of a number of players of a path within a word, and of how many rows the weights of bins are
# found for all bins at once.
cdef enum:
    COUNT_BITS = 6
    FEW_MET = 16


cdef inline void list_failed(
    Meeting* meeting, const uint64_t* words, int32_t* slots
) noexcept nogil:
    cdef int64_t k, n = 0
    cdef uint64_t word
    for k in range(meeting.n_words):
        word = words[k]
        while word:
            slots[n] = <int32_t>(64 * k + lowest_bit(word))
            n += 1
            word &= word - 1
    meeting.n_failed = n
    meeting.failed = slots


cdef struct Met:
    # What the rows of a small subtree meet, and room for what they get.
    Meeting meeting
    int32_t* slots         # failed
    const int32_t* bin     # of each set
    const double* weight
    const uint64_t* bins
    int64_t n_bins
    const double* gain
    const double* loss
    int64_t side
    int64_t quads
    uint64_t* key          # of each row: what it fails of the players that the path alone tests
    uint64_t* kind         # of each row: all else that its weights of the bins depend on
    int32_t* kind_of       # of each row: the number of its kind
    int32_t* of_kind       # a row of each
    int32_t* next          # of each row: another of the same key, or -1
    int32_t* last          # of each key: the row before it
    int32_t* listed
    double* sums
    double* own            # of one row
    double* weights        # kinds by values of a leaf by bins
    uint8_t* weighed       # kinds
    int64_t room
    double* values         # leaves by values of a leaf


cdef inline int allocate_met(
    Met* met, int64_t most, int64_t most_bins, int64_t n_words, int64_t n_players, int64_t width
) noexcept nogil:
    """Room for so many rows and bins; -1 without memory. Call `release_met` in any case."""
    memset(met, 0, sizeof(Met))
    met.meeting.n_words = n_words
    met.slots = <int32_t*>malloc(64 * n_words * sizeof(int32_t))
    met.meeting.failed = met.slots
    met.quads = max(1, (n_players + 3) // 4)
    met.key = <uint64_t*>malloc(most * sizeof(uint64_t))
    met.kind = <uint64_t*>malloc(most * sizeof(uint64_t))
    met.kind_of = <int32_t*>malloc(most * sizeof(int32_t))
    met.of_kind = <int32_t*>malloc(most * sizeof(int32_t))
    met.next = <int32_t*>malloc(most * sizeof(int32_t))
    met.last = <int32_t*>malloc(most * sizeof(int32_t))
    met.listed = <int32_t*>malloc(most_bins * sizeof(int32_t))
    met.sums = <double*>malloc(most_bins * (4 * met.quads + 1) * sizeof(double))
    met.own = <double*>malloc(width * most_bins * BIN_VALUES * sizeof(double))
    met.weighed = <uint8_t*>malloc(most)
    met.values = <double*>malloc(BIN_LEAVES * width * sizeof(double))
    if (met.slots == NULL or met.key == NULL or met.kind == NULL or met.kind_of == NULL
            or met.of_kind == NULL or met.next == NULL or met.last == NULL
            or met.listed == NULL or met.sums == NULL or met.own == NULL or met.weighed == NULL
            or met.values == NULL):
        return -1
    return 0


cdef inline void release_met(Met* met) noexcept nogil:
    free(met.slots)
    free(met.key)
    free(met.kind)
    free(met.kind_of)
    free(met.of_kind)
    free(met.next)
    free(met.last)
    free(met.listed)
    free(met.sums)
    free(met.own)
    free(met.weights)
    free(met.weighed)
    free(met.values)


cdef inline void weigh_bins(
    const Nodes* nodes,
    const Met* met,
    const Group* group,
    uint64_t failed,
    int64_t outcome,
    const int32_t* listed,
    int64_t n,
    double* out,
) noexcept nogil:
    """Write what n bins, or those that are listed, give to a row: values of a leaf by bins."""
    cdef uint32_t fails = failed_below(group, failed, outcome)
    cdef int64_t f = count_bits(failed & ~group.shared)
    cdef int64_t j, k
    for k in range(nodes.width):
        for j in range(n):
            weigh_bin(
                met.bins[j if listed == NULL else listed[j]], fails, f, met.gain, met.loss,
                met.side, group.n_leaves, met.values + k, nodes.width, out,
            )
            out += BIN_VALUES


cdef inline int meet_group(
    const Nodes* nodes, const Step* root, Rows* rows, Met* met
) noexcept nogil:
    """Sum what the background gives the rows of a small subtree; -1 without memory.

    The rows are merged. Those that fail the same of the players which the path alone tests meet
    the same sets, whose weights are summed by bins; what a bin gives depends on the rest.
    """
    cdef Merged* merged = &rows.merged
    cdef Group group
    cdef const uint64_t* failed = rows.failed + root.level * rows.most
    cdef int64_t n = rows.n[root.level], d = root.n_players
    cdef int64_t i, j, k, number, n_keys, n_kinds, n_alive, quads = max(1, (d + 3) // 4)
    cdef int64_t width = nodes.width
    cdef int64_t size = width * met.n_bins * BIN_VALUES
    cdef bint few = n <= FEW_MET
    cdef uint64_t bits
    cdef double out[4 * MOST_QUADS]
    cdef double others[BIN_VALUES - 1]
    cdef const double* weights
    cdef double* sums
    describe_group(root, &group)
    for j in range(group.n_leaves):
        for k in range(width):
            met.values[j * width + k] = nodes.values[group.node[j] * width + k]
    for j in range(group.n_players):
        if group.slot[j] < 0:
            merged.player[merged.n_players] = group.player[j]
            merged.column[j] = merged.n_players
            merged.n_players += 1
        else:
            merged.column[j] = group.slot[j]
    for i in range(n):
        met.key[i] = failed[i] & ~group.shared
        met.kind[i] = (
            <uint64_t>count_bits(met.key[i])
            | (failed[i] & group.shared | <uint64_t>merged.outcome[i] << d) << COUNT_BITS
        )
    n_keys = number_sets(
        met.key, n, 1, d, rows.table, places_for(n), rows.first, rows.number
    )
    for i in range(n):
        met.next[i] = -1
        j = rows.number[i]
        if rows.first[j] != i:
            met.next[met.last[j]] = <int32_t>i
        met.last[j] = <int32_t>i
    if not few:
        n_kinds = number_sets(
            met.kind, n, 1, d + root.n_tests + COUNT_BITS, rows.table, places_for(n), met.of_kind,
            met.kind_of,
        )
        memset(met.weighed, 0, n_kinds)
        if n_kinds * size > met.room:
            free(met.weights)
            met.room = 2 * n_kinds * size
            met.weights = <double*>malloc(met.room * sizeof(double))
            if met.weights == NULL:
                met.room = 0
                return -1
    for number in range(n_keys):
        i = rows.first[number]
        list_failed(&met.meeting, met.key + i, met.slots)
        n_alive = sum_bins(&met.meeting, met.bin, met.weight, quads, met.listed, met.sums)
        while n_alive and i >= 0:
            merged.lives[i] = True
            weights = met.own
            if few:
                weigh_bins(
                    nodes, met, &group, failed[i], merged.outcome[i], met.listed, n_alive, met.own
                )
            else:
                weights = met.weights + met.kind_of[i] * size
                if not met.weighed[met.kind_of[i]]:
                    met.weighed[met.kind_of[i]] = True
                    weigh_bins(
                        nodes, met, &group, failed[i], merged.outcome[i], NULL, met.n_bins,
                        met.weights + met.kind_of[i] * size,
                    )
            for k in range(width):
                sums = merged.sums + (i * width + k) * merged.n_columns
                add_bins(
                    n_alive, met.listed, few, met.sums,
                    weights + k * (n_alive if few else met.n_bins) * BIN_VALUES, quads, out, others,
                )
                for j in range(d):
                    sums[j] = out[j]
                bits = met.key[i]
                while bits:
                    sums[lowest_bit(bits)] = others[0]
                    bits &= bits - 1
                for j in range(group.n_players):
                    sums[merged.column[j]] = others[1 + j]
            i = met.next[i]
    return 0
