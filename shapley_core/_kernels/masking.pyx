"""Masked rows of any table of fixed-size numbers, as bytes; means of what a model makes of them.

A masked row has the present features of an explained row and the absent ones of a donor row.
Masked rows are ordered by coalition, then explained row, then donor.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from "masking.h" nogil:
    enum:
        TOGETHER
    ctypedef struct Steps:
        int64_t row
        int64_t given
        int64_t out
    int64_t repeats(int64_t n_bytes, int64_t n_rows)
    void spread(
        const uint8_t* present, int64_t n_entries, int64_t itemsize, uint8_t flip, int64_t times,
        uint8_t* out
    )
    void pattern(
        const uint8_t* row, const uint8_t* mask, int64_t n_bytes, int64_t times, uint8_t* out
    )
    void overlay_all(
        const uint8_t* table, const uint8_t* mask, const uint8_t* added, int64_t n_bytes,
        int64_t n_pattern, uint8_t* out
    )
    void overlay_chosen(
        const uint8_t* table, const int64_t* chosen, int64_t n_chosen, const uint8_t* mask,
        const uint8_t* added, int64_t n_bytes, uint8_t* out
    )
    void add_weighted(
        const double* outputs, const double* weight, int64_t n_donors, int64_t n_outputs,
        double* sums
    )
    void add_weighted_four(
        const double* outputs, const double* weight, int64_t n_donors, double* sums
    )
    void fetch_all(const void* memory, int64_t n_bytes)
    int64_t differing(const uint8_t* mask, const uint8_t* its, int64_t n)
    void overlay_pairs(
        const uint8_t* rows, const uint8_t* donors, const uint8_t* mask, const int32_t* players,
        int64_t n_pairs, int64_t n_columns, const int64_t* chosen, int64_t n_chosen,
        bint alone, const int64_t* features, const int64_t* starts, int64_t itemsize,
        Steps steps, uint8_t* out
    )
    bint add_parts_of "add_parts"(
        const double* outputs, const double* weights, const int64_t* starts, int64_t n_parts,
        int64_t n_outputs, double* sums
    )
    bint all_finite(const double* numbers, int64_t n)


def mix(
    const uint8_t[:, ::1] masks, const uint8_t[:, ::1] rows, const uint8_t[:, ::1] donors,
    int64_t itemsize, uint8_t[:, ::1] out,
):
    """Every coalition with every row and every donor; masks (n_coalitions, n_entries) of 0 or 1."""
    cdef int64_t n_entries = masks.shape[1]
    cdef int64_t n_bytes = n_entries * itemsize
    # Over one donor rows are laid, over many donors each row: whatever makes the longer loop.
    cdef bint one = donors.shape[0] == 1
    cdef const uint8_t* table = &rows[0, 0] if one else &donors[0, 0]
    cdef const uint8_t* other = &donors[0, 0] if one else &rows[0, 0]
    cdef int64_t n_table = rows.shape[0] if one else donors.shape[0]
    cdef int64_t n_other = 1 if one else rows.shape[0]
    cdef int64_t times = repeats(n_bytes, n_table)
    cdef uint8_t* mask = <uint8_t*>malloc(2 * times * n_bytes)
    if mask == NULL:
        raise MemoryError
    cdef uint8_t* added = mask + times * n_bytes
    cdef uint8_t* target = &out[0, 0]
    cdef int64_t c, i
    with nogil:
        for c in range(masks.shape[0]):
            spread(&masks[c, 0], n_entries, itemsize, one, times, mask)
            for i in range(n_other):
                pattern(other + i * n_bytes, mask, n_bytes, times, added)
                overlay_all(table, mask, added, n_table * n_bytes, times * n_bytes, target)
                target += n_table * n_bytes
    free(mask)


def mix_chosen(
    const uint8_t[:, ::1] masks, const uint8_t[:, ::1] rows, const uint8_t[:, ::1] donors,
    const int64_t[:, :, ::1] chosen, int64_t itemsize, uint8_t[:, ::1] out,
):
    """The same with donors of their own, ``chosen[c, r]``, for each coalition and row."""
    cdef int64_t n_entries = masks.shape[1]
    cdef int64_t n_bytes = n_entries * itemsize
    cdef int64_t n_donors = chosen.shape[2]
    cdef uint8_t* mask = <uint8_t*>malloc(2 * n_bytes)
    if mask == NULL:
        raise MemoryError
    cdef uint8_t* added = mask + n_bytes
    cdef uint8_t* target = &out[0, 0]
    cdef int64_t c, r
    with nogil:
        for c in range(chosen.shape[0]):
            spread(&masks[c, 0], n_entries, itemsize, 0, 1, mask)
            for r in range(chosen.shape[1]):
                pattern(&rows[r, 0], mask, n_bytes, 1, added)
                overlay_chosen(
                    &donors[0, 0], &chosen[c, r, 0], n_donors, mask, added, n_bytes, target
                )
                target += n_donors * n_bytes
    free(mask)


def mix_pairs(
    const uint8_t[:, ::1] masks, const uint8_t[:, ::1] rows, const uint8_t[:, ::1] donors,
    const int32_t[:, ::1] players, const int64_t[::1] features, const int64_t[::1] starts,
    int64_t itemsize, bint by_column, uint8_t[:, :] out,
):
    """Every coalition with every pair of a row and a donor, each with players of its own.

    Column j of ``masks`` is player ``players[e, j]`` of pair e. Pairs agree in the features of all
    other players. Those of player p are from ``features[starts[p]]`` to ``features[starts[p+1]]``.
    ``by_column`` says that ``rows``, ``donors`` and ``out`` have a row for each feature, in place
    of one for each pair; the last axis of ``out`` is contiguous.
    """
    cdef int64_t n_columns = masks.shape[1]
    cdef int64_t n_masks = masks.shape[0]
    cdef int64_t n_pairs = players.shape[0]
    cdef int64_t n_lines = rows.shape[0] if by_column else 1
    cdef int64_t n_bytes = n_lines * itemsize if by_column else rows.shape[1]
    cdef Steps steps
    steps.row = itemsize if by_column else n_bytes
    steps.given = rows.shape[1] if by_column else itemsize
    steps.out = out.strides[0] if by_column else itemsize
    # For each coalition what it begins with, and the columns to be laid over it.
    cdef int64_t* before = <int64_t*>malloc(n_masks * (n_columns + 2) * sizeof(int64_t))
    # A mask of none of the columns, and one of all.
    cdef uint8_t* none = <uint8_t*>malloc(2 * n_columns)
    if before == NULL or none == NULL:
        free(before)
        free(none)
        raise MemoryError
    cdef int64_t* count = before + n_masks
    cdef int64_t* chosen = count + n_masks
    cdef uint8_t* every = none + n_columns
    memset(none, 0, n_columns)
    memset(every, 1, n_columns)
    cdef int64_t together = max(1, TOGETHER // n_bytes)
    # Whether each player is the feature of the same number. As many players as features do not say
    # so: of a frame these may be some of the columns, of which a player has two or none.
    cdef bint alone = starts.shape[0] - 1 == features.shape[0]
    cdef int64_t c, j, line, apart, least, back, apart_by
    cdef int64_t few, at = 0
    cdef const uint8_t* old
    cdef const uint8_t* begun
    cdef uint8_t* target
    with nogil:
        for j in range(features.shape[0]):
            alone = alone and features[j] == j and starts[j] == j
        for c in range(n_masks):
            # The donors, the rows or what was made before: where least differs.
            old = none
            before[c] = -1
            least = differing(&masks[c, 0], none, n_columns)
            if n_columns - least < least:
                old = every
                before[c] = -2
                least = n_columns - least
            back = 1
            while back <= c and least > 1:
                apart = differing(&masks[c, 0], &masks[c - back, 0], n_columns)
                if apart < least:
                    old = &masks[c - back, 0]
                    before[c] = c - back
                    least = apart
                back *= 2
            count[c] = 0
            for j in range(n_columns):
                if masks[c, j] != old[j]:
                    chosen[c * n_columns + count[c]] = j
                    count[c] += 1
        # A few rows at a time: what they begin with is still in the nearest cache.
        while at < n_pairs:
            few = min(together, n_pairs - at)
            for c in range(n_masks):
                target = &out[0, 0] + (c * n_pairs + at) * steps.row
                apart_by = steps.given
                if before[c] >= 0:
                    begun = &out[0, 0] + (before[c] * n_pairs + at) * steps.row
                    apart_by = steps.out
                else:
                    begun = &donors[0, 0] if before[c] == -1 else &rows[0, 0]
                    begun += at * steps.row
                for line in range(n_lines):
                    # What is written to next: a model has pushed it out of the nearest caches.
                    if c + 1 < n_masks:
                        fetch_all(target + n_pairs * steps.row + line * steps.out, few * steps.row)
                    memcpy(
                        target + line * steps.out,
                        begun + line * apart_by,
                        <size_t>(few * steps.row),
                    )
                overlay_pairs(
                    &rows[0, 0] + at * steps.row, &donors[0, 0] + at * steps.row, &masks[c, 0],
                    &players[at, 0], few, n_columns, chosen + c * n_columns, count[c], alone,
                    &features[0], &starts[0], itemsize, steps, target
                )
            at += few
    free(before)
    free(none)


def add_means(
    const double[:, :, ::1] outputs, const double[:, ::1] weights, double[:, ::1] out,
):
    """out[g, k] += Σ_d weights[g, d] outputs[g, d, k]; one row of weights holds for all g.

    Returns whether all of ``out`` is finite: NaN and infinity among the outputs show there.
    """
    cdef int64_t n_games = outputs.shape[0]
    cdef int64_t n_donors = outputs.shape[1]
    cdef int64_t n_outputs = outputs.shape[2]
    cdef int64_t step = 1 if weights.shape[0] > 1 else 0
    cdef int64_t g = 0
    cdef bint finite
    with nogil:
        while step == 0 and n_outputs == 1 and g + 4 <= n_games:
            add_weighted_four(&outputs[g, 0, 0], &weights[0, 0], n_donors, &out[g, 0])
            g += 4
        while g < n_games:
            add_weighted(
                &outputs[g, 0, 0], &weights[g * step, 0], n_donors, n_outputs, &out[g, 0]
            )
            g += 1
        finite = all_finite(&out[0, 0], n_games * n_outputs)
    return finite


def add_parts(
    const double[:, :, ::1] outputs, const double[::1] weights, const int64_t[::1] starts,
    const int64_t[::1] rows, double[:, :, :] out,
):
    """out[rows[c], p] += Σ_e weights[e] outputs[c, e], over e from starts[p] to starts[p + 1].

    The last two axes of ``out`` are contiguous. Returns whether all of these sums are finite.
    """
    cdef int64_t n_outputs = outputs.shape[2]
    cdef int64_t n_parts = starts.shape[0] - 1
    cdef int64_t c
    cdef bint finite = True
    with nogil:
        for c in range(outputs.shape[0]):
            if c + 1 < outputs.shape[0]:
                fetch_all(&out[rows[c + 1], 0, 0], n_parts * n_outputs * 8)
            finite &= add_parts_of(
                &outputs[c, 0, 0], &weights[0], &starts[0], n_parts, n_outputs,
                &out[rows[c], 0, 0]
            )
    return finite
