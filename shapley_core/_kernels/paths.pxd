"""The walk of an ensemble as raw pointers; what each array holds is said in paths.pyx."""

from libc.stdint cimport int64_t


cdef class Paths:
    cdef const int64_t* order
    cdef const int64_t* parent
    cdef const int64_t* previous
    cdef const int64_t* slot
    cdef const int64_t* player
    cdef const int64_t* depth
    cdef const int64_t* distinct
    cdef object owners


cdef inline int64_t place_of(const int64_t* players, int64_t n, int64_t player) noexcept nogil:
    """Where a player stands among the first n of a group's; n if it does not."""
    cdef int64_t place = 0
    while place < n and players[place] != player:
        place += 1
    return place
