"""Counting and finding bits."""

from libc.stdint cimport uint64_t


cdef extern from "bits.h" nogil:
    int lowest_bit(uint64_t word)
    int highest_bit(uint64_t word)
    int count_bits "count_bits_plain" (uint64_t word)
