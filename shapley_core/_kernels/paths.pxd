"""The walk of an ensemble as raw pointers; what each array holds is said in paths.pyx."""

from libc.stdint cimport int64_t


cdef class Paths:
    cdef const int64_t* order
    cdef const int64_t* parent
    cdef const int64_t* previous
    cdef const int64_t* slot
    cdef const int64_t* depth
    cdef const int64_t* distinct
    cdef object owners
