"""Random numbers that depend on (seed, stream) alone."""

from libc.stdint cimport uint64_t


cdef extern from "random.h" nogil:
    ctypedef struct Random:
        uint64_t counter

    uint64_t mix_word(uint64_t word)
    void random_start(Random* random, uint64_t seed, uint64_t stream)
    uint64_t random_word(Random* random)
    double random_double(Random* random)
    uint64_t random_below(Random* random, uint64_t bound)
