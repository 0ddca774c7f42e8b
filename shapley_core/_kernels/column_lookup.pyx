"""The look-up of pattern_tables.pyx for results of many columns: column by column.

Where the columns of one block of rows no longer fit the cache, taking group after group would load
and store each sum once a group. So the patterns of some trees are found first, and then each
column takes all that those trees' groups give it: a *run*. Sums are added in the same order.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t
from libc.stdlib cimport free, malloc

from .forest cimport Forest, Nodes
from .group_patterns cimport find_patterns
from .paths cimport Paths


cdef extern from "lookup.h" nogil:
    void look_up_run(
        const double*, const int64_t*, const int32_t*, const int32_t*, int64_t, int64_t,
        const uint16_t*, int64_t, double*, int64_t,
    )


def explain(
    Forest forest,
    const int64_t[::1] trees,
    const double[:, ::1] columns,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    const int64_t[::1] max_bits,
    int64_t n_levels,
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

    first_group : number of each tree's first group among those of its batch
    batch_trees : where each batch of trees begins in ``trees``, and the end
    batch_runs  : where each batch's runs begin, and the end
    run_sum     : column * outputs + output that each run adds to
    run_start   : where each run begins in ``at`` and ``group``, and the end
    at          : where the table of each entry begins
    group, size : its group among those of the batch, its number of patterns
    n_groups    : most groups of a batch
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t n_sums = out.shape[1] * out.shape[2]
    cdef int64_t first, n, b, t, i, k, run, tree
    cdef int64_t most = min(n_rows_at_once, n_rows)
    cdef uint16_t* scratch
    cdef uint16_t* pattern
    cdef double* sums
    cdef double* target
    if not n_rows or not n_sums or not trees.shape[0] or not at.shape[0]:
        return
    scratch = <uint16_t*>malloc((2 * n_levels + n_groups) * most * sizeof(uint16_t))
    sums = <double*>malloc(n_sums * most * sizeof(double))
    if scratch == NULL or sums == NULL:
        free(scratch)
        free(sums)
        raise MemoryError("no memory for the sums of one block of rows")
    with nogil:
        pattern = scratch + 2 * n_levels * most
        first = 0
        while first < n_rows:
            n = min(most, n_rows - first)
            for i in range(n):
                target = &out[first + i, 0, 0]
                for k in range(n_sums):
                    sums[k * most + i] = target[k]
            for b in range(batch_trees.shape[0] - 1):
                for t in range(batch_trees[b], batch_trees[b + 1]):
                    tree = trees[t]
                    find_patterns(
                        nodes, paths, &subtree[0], &bits[0], max_bits[tree], tree,
                        &columns[0, first], columns.shape[1], n, most, scratch,
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
        free(scratch)
        free(sums)
