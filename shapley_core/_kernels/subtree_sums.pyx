"""Path-dependent values of deep trees by quadrature, with sums of small subtrees tabulated.

A leaf of value w whose path tests players j with cover share z_j, passed (o_j = 1) or failed
(o_j = 0) by the row, is the game w prod_{j in S} o_j prod_{j not in S} z_j, and

    phi_i = w (o_i - z_i) Int_0^1 prod_{j != i} f_j(t) dt,   f_j(t) = z_j (1 - t) + o_j t,

a polynomial in t that Gauss-Legendre integrates exactly. Down the tree run the products of the
factors above a node, up the sums over the leaves below of their values times the factors below:
each edge gives its player (o - z) times the two. Where a player is tested again, the edge's factor
is the ratio of the new f to the old one, and what the edge gives is the difference to what the
upper edge claims of the same leaves: none where the upper one was failed already, for both are
-1 / (1 - t) of the leaves' product.

A *subtree* here is a topmost node with few tests below. What its leaves sum to without the factors
above, and what its players are given for each unit of their product, depends on few bits: the
outcomes of its tests, and whether the row passes the tests above of the players that are tested
again. So these sums, one number for each point, are tabulated by pattern, or else computed for the
rows in the same way and order: the values cannot tell which.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from .forest cimport DEFAULT_LEFT, LEAF, Forest, Nodes
from .group_patterns cimport is_plain
from .paths cimport Paths, place_of
from .subtree_walk cimport (
    LANES,
    MOST_BITS,
    Levels,
    Step,
    Test,
    Walk,
    decide_step,
    describe_test,
    enter_test,
    find_pattern,
    find_states,
    follow_edge,
    settle_out,
    sum_subtree,
    sums_of,
)


cdef extern from "vectors.h" nogil:
    void FETCH(const void*)


cdef extern from "subtree_sums.h" nogil:
    void add_column(const double*, const double*, double*, int64_t, int64_t, int64_t)
    void store_entries(const double*, int64_t, int64_t, double*, int64_t, int64_t)
    void look_up_sums(
        const double*, const uint16_t*, const double*, const int64_t*, int64_t, double*, double*,
        int64_t, int64_t, int64_t, int64_t,
    )


def describe(
    Forest forest,
    const int64_t[::1] trees,
    Paths paths,
    const int64_t[::1] subtree,
    int64_t most_bits,
    int64_t[::1] bits,
    int64_t[::1] n_columns,
    int8_t[::1] bit,
    int8_t[::1] above,
    int8_t[::1] column,
):
    """Find the subtrees of some trees: topmost nodes whose pattern has at most ``most_bits``.

    bits      : bits of the pattern at the subtrees' roots, leaves outside of others included;
                -1 at all other nodes
    n_columns : number of players that the subtree tests, at its root
    bit       : pattern bit of each test in a subtree, set where the row goes left
    above     : pattern bit of the tests of its player above the subtree, set where the row passes
                all of them; -1 where there is none
    column    : number of its player among those of the subtree
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t t, i, j, k, last, root, node, edge, inner, repeated
    cdef int64_t slots[MOST_BITS]
    cdef int64_t players[MOST_BITS]
    cdef int64_t count
    if most_bits > MOST_BITS:
        raise ValueError(f"a pattern has at most {MOST_BITS} bits, not {most_bits}")
    with nogil:
        for t in range(trees.shape[0]):
            i = nodes.tree_offsets[trees[t]]
            last = nodes.tree_offsets[trees[t] + 1]
            while i < last:
                root = paths.order[i]
                bits[root] = -1
                if subtree[root] > 2 * most_bits + 1:
                    i += 1
                    continue
                # As many nodes above a binary tree's leaves as leaves, but for one.
                inner = (subtree[root] - 1) // 2
                repeated = 0
                for j in range(i, i + subtree[root]):
                    node = paths.order[j]
                    if nodes.feature[node] == LEAF or inner + repeated > most_bits:
                        continue
                    edge = nodes.left[node]
                    above[node] = -1
                    if paths.slot[edge] >= paths.distinct[root]:
                        continue
                    k = place_of(slots, repeated, paths.slot[edge])
                    if k == repeated:
                        repeated += 1
                        if inner + repeated > most_bits:
                            continue
                        slots[k] = paths.slot[edge]
                    above[node] = <int8_t>(inner + k)
                if inner + repeated > most_bits:
                    i += 1
                    continue
                bits[root] = inner + repeated
                count = 0
                inner = 0
                for j in range(i, i + subtree[root]):
                    node = paths.order[j]
                    if j > i:
                        bits[node] = -1
                    if nodes.feature[node] == LEAF:
                        continue
                    bit[node] = <int8_t>inner
                    inner += 1
                    k = place_of(players, count, paths.player[nodes.left[node]])
                    if k == count:
                        players[k] = paths.player[nodes.left[node]]
                        count += 1
                    column[node] = <int8_t>k
                n_columns[root] = count
                i += subtree[root]


cdef int64_t width_of(int64_t n_columns) noexcept nogil:
    """Numbers of a table's entry at each point: a total and the columns, in whole vectors."""
    return (n_columns + 4) // 4 * 4


cdef void explain_tree(
    Walk* walk,
    int64_t tree,
    const double* columns,
    int64_t stride,
    const double* table,
    double* out,
    int64_t player_stride,
    int64_t row_stride,
) noexcept nogil:
    """Add one output of one tree to ``out``, with its tables if there are any."""
    cdef const Levels* top = &walk.top
    cdef const Step* step
    cdef int64_t n = walk.n_rows
    cdef int64_t q = walk.n_points
    cdef int64_t size = n * q
    cdef int64_t i = walk.nodes.tree_offsets[tree]
    cdef int64_t last = walk.nodes.tree_offsets[tree + 1]
    cdef int64_t j, c, level, at, width
    cdef int64_t players[MOST_BITS]
    cdef double* total
    cdef Test test
    for j in range(n):
        for c in range(q):
            top.product[j * q + c] = walk.weights[c]
    while i < last:
        step = walk.steps + i
        level = step.level
        if level and step.feature != LEAF:
            follow_edge(walk, top, walk.path[level - 1], i, level, n)
        if step.bits < 0:
            walk.path[level] = i
            # The right side of the next test lies far away, and a single row would wait for it.
            if i + 2 < last and walk.steps[i + 1].feature != LEAF:
                FETCH(walk.steps + i + 2 + walk.steps[i + 2].subtree)
            memset(walk.word, 0, n * sizeof(uint16_t))
            decide_step(walk, step, columns, stride, 0, walk.word, n)
            find_states(
                walk.word, 0, top.state + step.before_level * n if step.before_level >= 0 else NULL,
                step.before_right, -1, top.state + level * n, n,
            )
            enter_test(walk, top, i, level)
            i += 1
            continue
        if step.feature != LEAF:
            find_pattern(walk, i, columns, stride, players, n)
            total = sums_of(walk, top, i, level, n)
            if table != NULL:
                for c in range(step.n_columns):
                    players[c] *= player_stride
                width = width_of(step.n_columns)
                look_up_sums(
                    table + step.offset + walk.value * (q * width << step.bits), walk.pattern,
                    top.product + level * size, players, step.n_columns, total, out, row_stride,
                    n, q, width,
                )
            else:
                walk.low.root = total
                sum_subtree(walk, i, walk.pattern, n)
                for c in range(step.n_columns):
                    add_column(
                        top.product + level * size, walk.columns + c * size,
                        out + players[c] * player_stride, row_stride, n, q,
                    )
        at = i
        i += step.subtree
        while level and walk.steps[at].is_right:
            level -= 1
            at = walk.path[level]
            describe_test(walk, top, at, level, &test, n)
            settle_out(
                &test, sums_of(walk, top, at, level, n),
                out + walk.steps[at].player * player_stride, row_stride, n, q,
            )


cdef double* allocate(Walk* walk, int64_t n_levels, int64_t most_points, int64_t n) noexcept nogil:
    """Make room for the walk of n rows; what must be freed, or NULL."""
    cdef int64_t size = n * most_points
    cdef int64_t low_levels = MOST_BITS + 1
    cdef int64_t levels = n_levels + low_levels
    cdef double* scratch = <double*>malloc(
        (3 * levels + MOST_BITS + 1) * size * sizeof(double)
        + (12 * levels + 3) * most_points * sizeof(double)
        + n_levels * sizeof(int64_t)
        + 2 * n * sizeof(uint16_t)
        + levels * n
    )
    cdef double* here = scratch
    if scratch == NULL:
        return NULL
    walk.n_rows = n
    walk.top.product = here
    walk.low.product = walk.top.product + n_levels * size
    walk.top.left = walk.low.product + low_levels * size
    walk.low.left = walk.top.left + n_levels * size
    walk.top.right = walk.low.left + low_levels * size
    walk.low.right = walk.top.right + n_levels * size
    walk.columns = walk.low.right + low_levels * size
    walk.top.root = walk.columns + MOST_BITS * size
    walk.low.root = walk.top.root
    here = walk.top.root + size
    walk.top.factor = here
    walk.low.factor = walk.top.factor + 6 * n_levels * most_points
    walk.top.gain = walk.low.factor + 6 * low_levels * most_points
    walk.low.gain = walk.top.gain + 6 * n_levels * most_points
    walk.points = walk.low.gain + 6 * low_levels * most_points
    walk.path = <int64_t*>(walk.points + 3 * most_points)
    walk.word = <uint16_t*>(walk.path + n_levels)
    walk.pattern = walk.word + n
    walk.top.state = <uint8_t*>(walk.pattern + n)
    walk.low.state = walk.top.state + n_levels * n
    return scratch


cdef void set_rule(
    Walk* walk, const double* points, const double* weights, int64_t n_points
) noexcept nogil:
    cdef int64_t j
    walk.n_points = n_points
    walk.weights = weights
    for j in range(n_points):
        walk.points[j] = points[j]
        walk.points[n_points + j] = 1.0 - points[j]


cdef class SubtreeSums:
    """What the kernels need of a model's subtrees; the arrays are those of `describe`.

    ``offset`` says where the table of each subtree's root begins among those of its tree.
    """

    cdef Walk walk
    cdef Step* steps
    cdef double* values
    cdef object owner

    def __cinit__(
        self,
        Forest forest,
        Paths paths,
        const int64_t[::1] subtree,
        const double[::1] ratio,
        const double[::1] share,
        const int64_t[::1] bits,
        const int64_t[::1] n_columns,
        const int8_t[::1] bit,
        const int8_t[::1] above,
        const int8_t[::1] column,
        const int64_t[::1] offset,
    ):
        cdef const Nodes* nodes = &forest.nodes
        cdef int64_t i, k, node, before
        cdef Step* step
        self.owner = forest
        memset(&self.walk, 0, sizeof(Walk))
        self.walk.nodes = nodes
        if not forest.n_nodes:
            return
        self.steps = <Step*>calloc(forest.n_nodes, sizeof(Step))
        self.values = <double*>calloc(forest.n_nodes * nodes.width, sizeof(double))
        if self.steps == NULL or self.values == NULL:
            raise MemoryError(f"no memory for the walk of {forest.n_nodes} nodes")
        self.walk.steps = self.steps
        self.walk.values = self.values
        for i in range(forest.n_nodes):
            node = paths.order[i]
            step = self.steps + i
            step.share = share[node]
            step.ratio = ratio[node]
            step.node = node
            step.feature = nodes.feature[node]
            step.level = <int32_t>paths.depth[node]
            step.subtree = <int32_t>subtree[node]
            step.is_right = paths.parent[node] != -1 and nodes.right[paths.parent[node]] == node
            step.bits = <int8_t>bits[node]
            step.bit = bit[node]
            step.above = above[node]
            step.column = column[node]
            step.n_columns = <int8_t>n_columns[node]
            step.offset = offset[node]
            for k in range(nodes.width):
                self.values[i * nodes.width + k] = nodes.values[node * nodes.width + k]
            step.before = -1.0
            step.before_level = -1
            if step.feature == LEAF:
                continue
            step.player = <int32_t>paths.player[nodes.left[node]]
            step.threshold = nodes.threshold[node]
            step.is_plain = is_plain(nodes, node)
            step.missing_left = (nodes.flags[node] & DEFAULT_LEFT) != 0
            before = paths.previous[nodes.left[node]]
            if before != -1:
                step.before = share[before]
                step.before_level = <int32_t>(paths.depth[before] - 1)
                step.before_right = nodes.right[paths.parent[before]] == before

    def __dealloc__(self):
        free(self.steps)
        free(self.values)

    def build(
        self, int64_t tree, const double[::1] points, const double[::1] weights, double[::1] table
    ):
        """Fill the tables of one tree's subtrees, one for each of the leaves' values.

        Entries are [pattern][point][total and columns].
        """
        cdef Walk walk = self.walk
        cdef const Nodes* nodes = walk.nodes
        cdef int64_t i = nodes.tree_offsets[tree]
        cdef int64_t last = nodes.tree_offsets[tree + 1]
        cdef int64_t q = points.shape[0]
        cdef int64_t size, start, some, j, c, width, count
        cdef uint16_t pattern[LANES]
        cdef double* here
        cdef double* scratch
        if not table.shape[0]:
            return
        memset(&table[0], 0, table.shape[0] * sizeof(double))
        scratch = allocate(&walk, 0, q, LANES)
        if scratch == NULL:
            raise MemoryError("no memory for the sums of one subtree")
        set_rule(&walk, &points[0], &weights[0], q)
        with nogil:
            while i < last:
                if walk.steps[i].bits < 0 or walk.steps[i].feature == LEAF:
                    i += 1
                    continue
                size = <int64_t>1 << walk.steps[i].bits
                count = walk.steps[i].n_columns
                width = width_of(count)
                here = &table[walk.steps[i].offset]
                for walk.value in range(nodes.width):
                    start = 0
                    while start < size:
                        some = min(LANES, size - start)
                        for j in range(some):
                            pattern[j] = <uint16_t>(start + j)
                        sum_subtree(&walk, i, pattern, some)
                        store_entries(walk.low.root, 0, width, here, some, q)
                        for c in range(count):
                            store_entries(
                                walk.columns + c * some * q, c + 1, width, here, some, q
                            )
                        here += some * q * width
                        start += some
                i += walk.steps[i].subtree
            free(scratch)

    def explain(
        self,
        const int64_t[::1] trees,
        const double[:, ::1] columns,
        const int64_t[::1] rule,
        const int64_t[::1] rule_offsets,
        const double[::1] points,
        const double[::1] weights,
        int64_t n_levels,
        const int64_t[::1] first_entry,
        const double[::1] table,
        int64_t n_rows_at_once,
        double[:, :, ::1] out,
    ):
        """Add the values of some trees to ``out`` (rows by features by outputs).

        ``rule[tree]`` numbers the quadrature rule of each tree, points and weights
        ``rule_offsets[rule] .. rule_offsets[rule + 1]``. Where there are tables, those of
        ``trees[t]`` begin at ``table[first_entry[t]]``; n_levels is one more than the depth.
        """
        cdef Walk walk = self.walk
        cdef int64_t n_rows = out.shape[0]
        cdef int64_t n_outputs = out.shape[2]
        cdef int64_t first, t, k, tree, most_points = 1
        cdef int64_t most = min(n_rows_at_once, n_rows)
        cdef const double* entries
        cdef double* scratch
        if not n_rows or not out.shape[1] or not trees.shape[0]:
            return
        for t in range(trees.shape[0]):
            tree = trees[t]
            most_points = max(most_points, rule_offsets[rule[tree] + 1] - rule_offsets[rule[tree]])
        scratch = allocate(&walk, n_levels, most_points, most)
        if scratch == NULL:
            raise MemoryError("no memory for the sums of one block of rows")
        with nogil:
            first = 0
            while first < n_rows:
                walk.n_rows = min(most, n_rows - first)
                for t in range(trees.shape[0]):
                    tree = trees[t]
                    k = rule_offsets[rule[tree]]
                    set_rule(
                        &walk, &points[k], &weights[k], rule_offsets[rule[tree] + 1] - k
                    )
                    entries = &table[0] + first_entry[t] if table.shape[0] else NULL
                    for walk.value in range(walk.nodes.width):
                        explain_tree(
                            &walk, tree, &columns[0, first], columns.shape[1], entries,
                            &out[first, 0, walk.nodes.tree_outputs[tree] + walk.value],
                            n_outputs, out.shape[1] * n_outputs,
                        )
                first += walk.n_rows
            free(scratch)
