"""The look-up of pattern_tables.pyx for results of many columns: column by column.

Where the columns of one block of rows no longer fit the cache, taking group after group would load
and store each sum once a group. So the patterns of some trees are found first, and then each
column takes all that those trees' groups give it: a *run*. Sums are added in the same order.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t
from libc.stdlib cimport free, malloc

from .group_tests cimport LINE_ROWS, GroupTests, find_patterns, whole_lines


cdef extern from "lookup.h" nogil:
    void look_up_run(
        const double*, const int64_t*, const int32_t*, const int32_t*, int64_t, int64_t,
        const uint16_t*, int64_t, double*, int64_t,
    )


def explain(
    const int64_t[::1] trees,
    const double[:, ::1] columns,
    const uint16_t[:, :, ::1] codes,
    GroupTests tests,
    const int64_t[::1] first_group,
    const int64_t[::1] batch_trees,
    const int64_t[::1] batch_runs,
    const int64_t[::1] run_sum,
    const int64_t[::1] run_start,
    const int64_t[::1] at,
    const int32_t[::1] group,
    const int32_t[::1] size,
    const double[::1] table,
    int64_t n_groups,
    int64_t n_rows_at_once,
    double[:, :, ::1] out,
):
    """Add the values of some trees to ``out`` (rows by columns by outputs).

    codes, tests : of all rows and groups, see group_tests.pyx
    first_group : number of each tree's first group among those of its batch
    batch_trees : where each batch of trees begins in ``trees``, and the end
    batch_runs  : where each batch's runs begin, and the end
    run_sum     : column * outputs + output that each run adds to
    run_start   : where each run begins in ``at`` and ``group``, and the end
    at          : where the table of each entry begins
    group, size : its group among those of the batch, its number of patterns
    n_groups    : most groups of a batch
    """
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t n_sums = out.shape[1] * out.shape[2]
    cdef int64_t first, n, b, t, i, k, run
    cdef int64_t most = whole_lines(min(n_rows_at_once, n_rows))
    cdef const uint16_t* lines = NULL
    cdef uint16_t* pattern
    cdef double* sums
    cdef double* target
    if not n_rows or not n_sums or not trees.shape[0] or not at.shape[0]:
        return
    pattern = <uint16_t*>malloc(n_groups * most * sizeof(uint16_t))
    sums = <double*>malloc(n_sums * most * sizeof(double))
    if pattern == NULL or sums == NULL:
        free(pattern)
        free(sums)
        raise MemoryError("no memory for the sums of one block of rows")
    with nogil:
        first = 0
        while first < n_rows:
            n = min(most, n_rows - first)
            if codes.shape[1]:
                lines = &codes[first // LINE_ROWS, 0, 0]
            for i in range(n):
                target = &out[first + i, 0, 0]
                for k in range(n_sums):
                    sums[k * most + i] = target[k]
            for b in range(batch_trees.shape[0] - 1):
                for t in range(batch_trees[b], batch_trees[b + 1]):
                    find_patterns(
                        tests, trees[t], lines, &columns[0, first], columns.shape[1], n, most,
                        pattern + first_group[t] * most,
                    )
                for run in range(batch_runs[b], batch_runs[b + 1]):
                    k = run_start[run]
                    look_up_run(
                        &table[0], &at[k], &group[k], &size[k], run_start[run + 1] - k,
                        run_start[batch_runs[b + 1]] - run_start[run + 1], pattern, most,
                        sums + run_sum[run] * most, n,
                    )
            for i in range(n):
                target = &out[first + i, 0, 0]
                for k in range(n_sums):
                    target[k] = sums[k * most + i]
            first += n
        free(pattern)
        free(sums)
