"""Masked rows of any table of fixed-size numbers, as bytes; means of what a model makes of them.

A masked row has the present features of an explained row and the absent ones of a donor row.
Masked rows are ordered by coalition, then explained row, then donor.
"""

from libc.stdint cimport int64_t, uint8_t

cdef extern from "masking.h" nogil:
    void blend(
        const uint8_t* mask, const uint8_t* present, const uint8_t* absent, int64_t n_bytes,
        uint8_t* out
    )
    void add_weighted(
        const double* outputs, const double* weight, int64_t n_donors, int64_t n_outputs,
        double* sums
    )


def mix(
    const uint8_t[:, ::1] masks, const uint8_t[:, ::1] rows, const uint8_t[:, ::1] donors,
    uint8_t[:, ::1] out,
):
    """Every coalition with every row and every donor; masks (n_coalitions, n_bytes) of 0 or 255."""
    cdef int64_t n_bytes = masks.shape[1]
    cdef int64_t at = 0
    cdef int64_t c, r, d
    with nogil:
        for c in range(masks.shape[0]):
            for r in range(rows.shape[0]):
                for d in range(donors.shape[0]):
                    blend(&masks[c, 0], &rows[r, 0], &donors[d, 0], n_bytes, &out[at, 0])
                    at += 1


def mix_chosen(
    const uint8_t[:, ::1] masks, const uint8_t[:, ::1] rows, const uint8_t[:, ::1] donors,
    const int64_t[:, :, ::1] chosen, uint8_t[:, ::1] out,
):
    """The same with donors of their own, ``chosen[c, r]``, for each coalition and row."""
    cdef int64_t n_bytes = masks.shape[1]
    cdef int64_t at = 0
    cdef int64_t c, r, d
    with nogil:
        for c in range(chosen.shape[0]):
            for r in range(chosen.shape[1]):
                for d in range(chosen.shape[2]):
                    blend(
                        &masks[c, 0], &rows[r, 0], &donors[chosen[c, r, d], 0], n_bytes,
                        &out[at, 0]
                    )
                    at += 1


def add_means(
    const double[:, :, ::1] outputs, const double[:, ::1] weights, double[:, ::1] out,
):
    """out[g, k] += Σ_d weights[g, d] outputs[g, d, k]; one row of weights holds for all g."""
    cdef int64_t g
    cdef int64_t step = 1 if weights.shape[0] > 1 else 0
    with nogil:
        for g in range(outputs.shape[0]):
            add_weighted(
                &outputs[g, 0, 0], &weights[g * step, 0], outputs.shape[1], outputs.shape[2],
                &out[g, 0]
            )
