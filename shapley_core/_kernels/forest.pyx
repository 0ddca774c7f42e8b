"""Routing rows through an ensemble: which leaf, and the sum of the leaves.

``columns`` is always features by rows, float64, already rounded to the type the model tests in.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t


cdef class Forest:
    """The arrays of a TreeEnsemble, validated by it, as the kernels want them."""

    def __cinit__(
        self,
        const int64_t[::1] tree_offsets,
        const int64_t[::1] tree_outputs,
        const int32_t[::1] feature,
        const double[::1] threshold,
        const uint8_t[::1] flags,
        const int64_t[::1] left,
        const int64_t[::1] right,
        const int64_t[::1] set_number,
        const int64_t[::1] set_offsets,
        const uint64_t[::1] set_words,
        const double[:, ::1] values,
    ):
        self.owners = (
            tree_offsets, tree_outputs, feature, threshold, flags, left, right,
            set_number, set_offsets, set_words, values,
        )
        self.n_nodes = feature.shape[0]
        self.nodes.n_trees = tree_outputs.shape[0]
        self.nodes.width = values.shape[1]
        self.nodes.tree_offsets = &tree_offsets[0]
        self.nodes.set_offsets = &set_offsets[0]
        # Only these may be empty; the kernels then never read them.
        self.nodes.set_words = &set_words[0] if set_words.shape[0] else NULL
        if self.n_nodes:
            self.nodes.tree_outputs = &tree_outputs[0]
            self.nodes.feature = &feature[0]
            self.nodes.threshold = &threshold[0]
            self.nodes.flags = &flags[0]
            self.nodes.left = &left[0]
            self.nodes.right = &right[0]
            self.nodes.set_number = &set_number[0]
            self.nodes.values = &values[0, 0]


cdef int64_t leaf_of(
    const Nodes* nodes, int64_t root, const double* columns, int64_t n_rows, int64_t row
) noexcept nogil:
    cdef int64_t node = root
    while nodes.feature[node] != LEAF:
        if goes_left(nodes, node, columns[nodes.feature[node] * n_rows + row]):
            node = nodes.left[node]
        else:
            node = nodes.right[node]
    return node


def predict(Forest forest, const double[:, ::1] columns, double[:, ::1] out):
    """Add to ``out`` (rows by outputs) the leaves that each row falls into."""
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t tree, row, leaf, k
    cdef const double* data = &columns[0, 0] if columns.shape[0] and n_rows else NULL
    with nogil:
        for tree in range(nodes.n_trees):
            for row in range(n_rows):
                leaf = leaf_of(nodes, nodes.tree_offsets[tree], data, n_rows, row)
                for k in range(nodes.width):
                    out[row, nodes.tree_outputs[tree] + k] += nodes.values[leaf * nodes.width + k]


def apply(Forest forest, const double[:, ::1] columns, int64_t[:, ::1] out):
    """Write to ``out`` (rows by trees) the leaf each row falls into, counted within its tree."""
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t n_rows = out.shape[0]
    cdef int64_t tree, row, root
    cdef const double* data = &columns[0, 0] if columns.shape[0] and n_rows else NULL
    with nogil:
        for tree in range(nodes.n_trees):
            root = nodes.tree_offsets[tree]
            for row in range(n_rows):
                out[row, tree] = leaf_of(nodes, root, data, n_rows, row) - root
