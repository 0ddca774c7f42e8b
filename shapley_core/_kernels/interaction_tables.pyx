"""Tables of interactions by pattern, for the look-up of pattern_tables.pyx.

As there, a group is a node with the small subtree below it and its values are one table; only
that a column here is not a feature but one of the columns of ``out``, whatever they stand for.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from .forest cimport LEAF, Forest, Nodes
from .group_patterns cimport runs_at_leaf
from .leaf_games cimport (
    OCTET, Layers, Scratch, allocate, background_leaf, n_entries, product_leaf, release
)
from .paths cimport Paths


cdef extern from "scatter.h" nogil:
    void add_runs(
        const double*, const uint16_t*, const uint16_t*, int64_t, int64_t, double, double*
    )

# Patterns of a leaf at once.
cdef enum:
    LANES = 64


cdef void fill_by_cover(
    Layers layers,
    const double* z,
    int64_t d,
    Scratch* scratch,
    double* passed,
    double* out,
    int64_t stride,
) noexcept nogil:
    """Write a path-dependent leaf's entries for all patterns of passed players."""
    cdef int64_t lanes = min(LANES, stride)
    cdef int64_t first = 0
    cdef int64_t i, j
    while first < stride:
        for j in range(d):
            for i in range(lanes):
                passed[j * lanes + i] = <double>((first + i) >> j & 1)
        product_leaf(layers, z, passed, d, lanes, scratch, out + first, stride)
        first += lanes


def build(
    Forest forest,
    int64_t tree,
    Paths paths,
    const int64_t[::1] subtree,
    const int64_t[::1] bits,
    int64_t max_bits,
    Layers layers,
    const double[::1] share,
    const int64_t[::1] start,
    const uint64_t[:, ::1] words,
    const double[::1] total,
    const int64_t[::1] leaf_offsets,
    const int32_t[::1] leaf_columns,
    int64_t n_columns,
    int64_t[::1] group_offsets,
    int64_t[::1] group_columns,
    int64_t[::1] columns,
    double[::1] table,
):
    """Build the tables of one tree's groups, in the order of the walk.

    Everything up to ``leaf_columns`` as in interaction_rows.pyx, the rest as in pattern_tables.pyx;
    ``n_columns`` is the number of columns of ``out``.
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i, j, k, e, c, node, root, up, d, size, inner, stride, entries
    cdef int64_t n_runs
    cdef int64_t width = nodes.width
    cdef int64_t leaf = 0, number = 0, used = 0, n_local, most = 0
    cdef uint64_t failed
    cdef bint by_cover = share.shape[0] > 0
    cdef int status = 0
    cdef Scratch scratch
    cdef const int32_t* column
    cdef int32_t* place = NULL
    cdef int64_t* bit = NULL
    cdef uint16_t* runs = NULL
    cdef double* passed = NULL
    cdef double* entry = NULL
    cdef double* target
    cdef double z[64]
    cdef int64_t* group_column = &columns[0]
    for i in range(first, last):
        most = max(most, paths.distinct[i])
    stride = max(<int64_t>OCTET, <int64_t>1 << most)
    place = <int32_t*>calloc(n_columns, sizeof(int32_t))
    bit = <int64_t*>malloc((last - first) * sizeof(int64_t))
    runs = <uint16_t*>malloc((<int64_t>2 << max_bits) * sizeof(uint16_t))
    passed = <double*>malloc((most + 1) * LANES * sizeof(double))
    entry = <double*>malloc(max(<int64_t>1, n_entries(layers, most)) * stride * sizeof(double))
    if (allocate(layers, most, LANES if by_cover else 0, &scratch) < 0 or place == NULL
            or bit == NULL or runs == NULL or passed == NULL or entry == NULL):
        status = -1
    with nogil:
        i = first
        while i < last and not status:
            root = paths.order[i]
            if bits[root] > max_bits:
                i += 1
                continue
            size = <int64_t>1 << bits[root]
            group_offsets[number] = used
            group_columns[number] = group_column - &columns[0]
            n_local = 0
            inner = paths.distinct[root]
            for j in range(i, i + subtree[root]):
                node = paths.order[j]
                if nodes.feature[node] != LEAF:
                    bit[node - first] = inner
                    inner += 1
            for j in range(i, i + subtree[root]):
                node = paths.order[j]
                if nodes.feature[node] != LEAF:
                    continue
                d = paths.distinct[node]
                stride = max(<int64_t>OCTET, <int64_t>1 << d)
                if by_cover:
                    # The lowest edge of a player holds the share of all of them.
                    for k in range(d):
                        z[k] = -1.0
                    up = node
                    while paths.parent[up] != -1:
                        if z[paths.slot[up]] < 0.0:
                            z[paths.slot[up]] = share[up]
                        up = paths.parent[up]
                    fill_by_cover(layers, z, d, &scratch, passed, entry, stride)
                else:
                    for c in range(<int64_t>1 << d):
                        failed = ~<uint64_t>c & ((<uint64_t>1 << d) - 1)
                        if background_leaf(
                            layers, &failed, &words[start[leaf], 0], &total[start[leaf]],
                            start[leaf + 1] - start[leaf], 1, d, &scratch, entry + c, stride,
                        ) < 0:
                            status = -1
                            break
                    if status:
                        break
                k = paths.distinct[root]
                n_runs = size >> k
                runs_at_leaf(
                    nodes, paths, node, root, bit - first, bits[root], runs, runs + n_runs
                )
                column = &leaf_columns[0] + leaf_offsets[leaf]
                leaf += 1
                entries = n_entries(layers, d)
                for e in range(entries):
                    if not place[column[e]]:
                        group_column[n_local] = column[e]
                        target = &table[0] + used + n_local * width * size
                        memset(target, 0, width * size * sizeof(double))
                        n_local += 1
                        place[column[e]] = <int32_t>n_local
                    target = &table[0] + used + (place[column[e]] - 1) * width * size
                    for c in range(width):
                        add_runs(
                            entry + e * stride, runs, runs + n_runs, n_runs, k,
                            nodes.values[node * width + c], target + c * size,
                        )
            for c in range(n_local):
                place[group_column[c]] = 0
            used += n_local * width * size
            group_column += n_local
            number += 1
            i += subtree[root]
        group_offsets[number] = used
        group_columns[number] = group_column - &columns[0]
        free(place)
        free(bit)
        free(runs)
        free(passed)
        free(entry)
        release(&scratch)
    if status:
        raise MemoryError("no memory for the tables of one tree")
