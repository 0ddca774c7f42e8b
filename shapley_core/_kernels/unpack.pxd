"""Coalitions packed in words as numbers, and words turned from rows to columns."""

from libc.stdint cimport int64_t, uint64_t


cdef extern from "unpack.h" nogil:
    void spread_bits(
        const uint64_t* words, int64_t n, double absent, double present, double* out
    )
    void transpose_word(
        const uint64_t* rows, int64_t stride, int64_t n_rows, int64_t n_columns,
        uint64_t* columns, int64_t apart
    )
