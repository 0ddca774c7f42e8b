"""The values of one leaf's game for all interactions of its players; see leaf_games.pyx."""

from libc.stdint cimport int64_t, uint64_t


# Lanes come in whole octets; leaves.h holds the same number.
cdef enum:
    OCTET = 8


cdef class Layers:
    cdef readonly int64_t n_layers
    cdef int64_t most
    cdef int64_t side
    cdef int64_t columns
    cdef const int64_t* size
    cdef const double* weight
    cdef const int64_t* binomial
    cdef object owners


cdef struct Scratch:
    double* prefix
    double* functional
    double* gain
    double* given
    int64_t* members
    int64_t* chosen
    int64_t* base
    int64_t* alive
    int64_t n_alive


cdef int allocate(Layers layers, int64_t d, int64_t n_lanes, Scratch* scratch) noexcept nogil
cdef void release(Scratch* scratch) noexcept nogil
cdef int64_t n_entries(Layers layers, int64_t d) noexcept nogil
cdef void product_leaf(
    Layers layers, const double* share, const double* passed, int64_t d, int64_t n,
    Scratch* scratch, double* out, int64_t stride,
) noexcept nogil
cdef int64_t background_leaf(
    Layers layers, const uint64_t* failed, const uint64_t* words, const double* total,
    int64_t n_groups, int64_t n_words, int64_t d, Scratch* scratch, double* out, int64_t stride,
) noexcept nogil
