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

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from .forest cimport LEAF, Forest, Nodes
from .group_patterns cimport decide, decide_into_bit
from .paths cimport Paths, place_of


cdef extern from "subtree_sums.h" nogil:
    ctypedef struct Test:
        const double* factor
        const double* gain
        const double* product
        const double* first
        const double* second
        const uint8_t* state
        int n_sums

    void find_states(const uint16_t*, int, const uint8_t*, int, int, uint8_t*, int64_t)
    void set_passed(const uint8_t*, int, int, uint16_t*, int64_t)
    void descend_points(const double*, const uint8_t*, const double*, double*, int64_t, int64_t)
    void settle_column(const Test*, double*, double*, int, int64_t, int64_t)
    void settle_out(const Test*, double*, double*, int64_t, int64_t, int64_t)
    void add_column(const double*, const double*, double*, int64_t, int64_t, int64_t)
    void store_entries(const double*, int64_t, int64_t, double*, int64_t, int64_t)
    void look_up_sums(
        const double*, const uint16_t*, const double*, const int64_t*, int64_t, double*, double*,
        int64_t, int64_t, int64_t, int64_t,
    )


cdef enum:
    MOST_BITS = 12  # of a subtree's pattern: there are no more columns than bits
    LANES = 64      # patterns whose entries are computed side by side


cdef struct Levels:
    # Of the nodes on the path, by level: the products above them and the sums of their left and
    # right sides (rows by points), the rows' states, and the factors and gains of the test's two
    # sides (two by three states by points).
    double* product
    double* left
    double* right
    double* root     # the sums of the node at level 0
    double* factor
    double* gain
    uint8_t* state


cdef struct Walk:
    const Nodes* nodes
    const int64_t* order
    const int64_t* parent
    const int64_t* previous
    const int64_t* depth
    const int64_t* player
    const int64_t* subtree
    const double* ratio
    const double* share
    const int64_t* bits
    const int8_t* bit
    const int8_t* above
    const int8_t* column
    int64_t n_points
    const double* points
    const double* weights
    int64_t value         # which of the leaves' values
    int64_t n_rows
    Levels top            # of the whole tree
    Levels low            # of a subtree, its root at level 0
    double* columns       # columns x rows x points
    uint16_t* word        # rows: which way they go at one test
    uint16_t* pattern     # rows: at one subtree


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


cdef void describe_edge(
    const Walk* walk, int64_t node, bint is_left, double* factor, double* gain
) noexcept nogil:
    """Write the factor and the gain of an edge in the three states of its test, at every point."""
    cdef int64_t q = walk.n_points
    cdef int64_t j, before = walk.previous[node]
    cdef double z = walk.share[node]
    cdef double t, z_before, inverse, value
    cdef double* passed = factor if is_left else factor + q
    cdef double* failed = factor + q if is_left else factor
    cdef double* won = gain if is_left else gain + q
    cdef double* lost = gain + q if is_left else gain
    if before == -1:
        for j in range(q):
            t = walk.points[j]
            failed[j] = z * (1.0 - t)
            passed[j] = failed[j] + t
            won[j] = 1.0 - z
            lost[j] = -z
    else:
        z_before = walk.share[before]
        for j in range(q):
            t = walk.points[j]
            inverse = 1.0 / (z_before * (1.0 - t) + t)
            passed[j] = (z * (1.0 - t) + t) * inverse
            failed[j] = z * (1.0 - t) * inverse
            factor[2 * q + j] = walk.ratio[node]
            won[j] = ((1.0 - z) - (1.0 - z_before) * passed[j]) * inverse
            lost[j] = -(z + (1.0 - z_before) * failed[j]) * inverse
            gain[2 * q + j] = 0.0
    if walk.nodes.feature[node] == LEAF:
        value = walk.nodes.values[node * walk.nodes.width + walk.value]
        for j in range((2 if before == -1 else 3) * q):
            factor[j] *= value
            gain[j] *= value


cdef void enter_test(
    const Walk* walk, const Levels* levels, int64_t node, int64_t level
) noexcept nogil:
    """Describe the two sides of a test, the first to be settled first (see `settle_column`)."""
    cdef const Nodes* nodes = walk.nodes
    cdef int64_t q = walk.n_points
    cdef int64_t side = 3 * q
    cdef double* factor = levels.factor + 2 * level * side
    cdef double* gain = levels.gain + 2 * level * side
    cdef int64_t left = nodes.left[node]
    cdef int64_t right = nodes.right[node]
    cdef int64_t j
    # The left side stands first unless only the right one is a leaf.
    cdef bint swapped = nodes.feature[left] != LEAF and nodes.feature[right] == LEAF
    describe_edge(walk, left, True, factor + swapped * side, gain + swapped * side)
    describe_edge(walk, right, False, factor + (not swapped) * side, gain + (not swapped) * side)
    if nodes.feature[left] == LEAF and nodes.feature[right] == LEAF:
        for j in range((2 if walk.previous[left] == -1 else 3) * q):
            factor[j] += factor[side + j]
            gain[j] += gain[side + j]


cdef void follow_edge(
    const Walk* walk, const Levels* levels, int64_t node, int64_t level, int64_t n
) noexcept nogil:
    """Multiply the products of the level above by the factor of the edge into a node."""
    cdef const Nodes* nodes = walk.nodes
    cdef int64_t q = walk.n_points
    cdef int64_t up = walk.parent[node]
    # As in `enter_test`.
    cdef bint second = (nodes.right[up] == node) != (
        nodes.feature[nodes.left[up]] != LEAF and nodes.feature[nodes.right[up]] == LEAF
    )
    descend_points(
        levels.product + (level - 1) * n * q, levels.state + (level - 1) * n,
        levels.factor + (2 * (level - 1) + second) * 3 * q, levels.product + level * n * q, n, q,
    )


cdef void describe_test(
    const Walk* walk, const Levels* levels, int64_t node, int64_t level, Test* test, int64_t n
) noexcept nogil:
    """Say where the numbers of a test are whose sides are done."""
    cdef const Nodes* nodes = walk.nodes
    cdef int64_t q = walk.n_points
    cdef bint left_sums = nodes.feature[nodes.left[node]] != LEAF
    cdef bint right_sums = nodes.feature[nodes.right[node]] != LEAF
    test.factor = levels.factor + 6 * level * q
    test.gain = levels.gain + 6 * level * q
    test.product = levels.product + level * n * q
    test.first = levels.left + level * n * q
    test.second = (levels.right if right_sums else levels.left) + level * n * q
    test.state = levels.state + level * n
    test.n_sums = left_sums + right_sums


cdef double* sums_of(
    const Walk* walk, const Levels* levels, int64_t node, int64_t level, int64_t n
) noexcept nogil:
    """Where the sums of a node belong: to a side of the test above."""
    if level == 0:
        return levels.root
    if walk.nodes.right[walk.parent[node]] == node:
        return levels.right + (level - 1) * n * walk.n_points
    return levels.left + (level - 1) * n * walk.n_points


cdef void sum_subtree(
    const Walk* walk, int64_t first, const uint16_t* pattern, int64_t n
) noexcept nogil:
    """Sum a subtree's leaves for n patterns: ``low.root``, and ``columns``."""
    cdef const Nodes* nodes = walk.nodes
    cdef const Levels* low = &walk.low
    cdef int64_t root = walk.order[first]
    cdef int64_t base = walk.depth[root]
    cdef int64_t size = n * walk.n_points
    cdef int64_t i, node, level, before
    cdef int64_t touched = 0
    cdef Test test
    for i in range(size):
        low.product[i] = 1.0
    for i in range(first, first + walk.subtree[root]):
        node = walk.order[i]
        level = walk.depth[node] - base
        if nodes.feature[node] != LEAF:
            if level:
                follow_edge(walk, low, node, level, n)
            # A first test above the subtree is known by a bit of the pattern.
            before = walk.previous[nodes.left[node]]
            if before != -1 and walk.depth[before] <= base:
                before = -1
            find_states(
                pattern, walk.bit[node],
                NULL if before == -1 else low.state + (walk.depth[before] - base - 1) * n,
                before != -1 and nodes.right[walk.parent[before]] == before, walk.above[node],
                low.state + level * n, n,
            )
            enter_test(walk, low, node, level)
            continue
        while level and nodes.right[walk.parent[node]] == node:
            node = walk.parent[node]
            level -= 1
            describe_test(walk, low, node, level, &test, n)
            settle_column(
                &test, sums_of(walk, low, node, level, n),
                walk.columns + walk.column[node] * size, not touched >> walk.column[node] & 1, n,
                walk.n_points,
            )
            touched |= <int64_t>1 << walk.column[node]


cdef void find_pattern(
    const Walk* walk,
    int64_t first,
    const double* columns,
    int64_t stride,
    int64_t* players,
    int64_t n,
) noexcept nogil:
    """Find the rows' patterns at a subtree, and its players by column."""
    cdef const Nodes* nodes = walk.nodes
    cdef int64_t root = walk.order[first]
    cdef int64_t i, node, edge, up, known = 0
    memset(walk.pattern, 0, n * sizeof(uint16_t))
    for i in range(first, first + walk.subtree[root]):
        node = walk.order[i]
        if nodes.feature[node] == LEAF:
            continue
        edge = nodes.left[node]
        players[walk.column[node]] = walk.player[edge]
        decide_into_bit(
            nodes, node, columns + nodes.feature[node] * stride, walk.bit[node], walk.pattern, n
        )
        if walk.above[node] < 0 or known >> walk.above[node] & 1:
            continue
        known |= <int64_t>1 << walk.above[node]
        up = walk.previous[edge]
        while walk.depth[up] > walk.depth[root]:
            up = walk.previous[up]
        set_passed(
            walk.top.state + (walk.depth[up] - 1) * n, nodes.right[walk.parent[up]] == up,
            walk.above[node], walk.pattern, n,
        )


cdef int64_t width_of(int64_t n_columns) noexcept nogil:
    """Numbers of a table's entry at each point: a total and the columns, in whole vectors."""
    return (n_columns + 4) // 4 * 4


cdef void explain_tree(
    Walk* walk,
    int64_t tree,
    const double* columns,
    int64_t stride,
    const int64_t* n_columns,
    const int64_t* offset,
    const double* table,
    double* out,
    int64_t player_stride,
    int64_t row_stride,
) noexcept nogil:
    """Add one output of one tree to ``out``; ``offset`` says where a root's table begins."""
    cdef const Nodes* nodes = walk.nodes
    cdef const Levels* top = &walk.top
    cdef int64_t n = walk.n_rows
    cdef int64_t q = walk.n_points
    cdef int64_t size = n * q
    cdef int64_t i = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t j, c, node, level, before, at
    cdef int64_t players[MOST_BITS]
    cdef double* total
    cdef Test test
    for j in range(n):
        for c in range(q):
            top.product[j * q + c] = walk.weights[c]
    while i < last:
        node = walk.order[i]
        level = walk.depth[node]
        if level and nodes.feature[node] != LEAF:
            follow_edge(walk, top, node, level, n)
        if walk.bits[node] < 0:
            decide(nodes, node, columns + nodes.feature[node] * stride, walk.word, n)
            before = walk.previous[nodes.left[node]]
            find_states(
                walk.word, 0, NULL if before == -1 else top.state + (walk.depth[before] - 1) * n,
                before != -1 and nodes.right[walk.parent[before]] == before, -1,
                top.state + level * n, n,
            )
            enter_test(walk, top, node, level)
            i += 1
            continue
        if nodes.feature[node] != LEAF:
            find_pattern(walk, i, columns, stride, players, n)
            total = sums_of(walk, top, node, level, n)
            if table != NULL:
                for c in range(n_columns[node]):
                    players[c] *= player_stride
                at = (q * width_of(n_columns[node])) << walk.bits[node]
                look_up_sums(
                    table + offset[node] + walk.value * at, walk.pattern,
                    top.product + level * size, players, n_columns[node], total, out, row_stride,
                    n, q, width_of(n_columns[node]),
                )
            else:
                walk.low.root = total
                sum_subtree(walk, i, walk.pattern, n)
                for c in range(n_columns[node]):
                    add_column(
                        top.product + level * size, walk.columns + c * size,
                        out + players[c] * player_stride, row_stride, n, q,
                    )
        i += walk.subtree[node]
        while level and nodes.right[walk.parent[node]] == node:
            node = walk.parent[node]
            level -= 1
            describe_test(walk, top, node, level, &test, n)
            settle_out(
                &test, sums_of(walk, top, node, level, n),
                out + walk.player[nodes.left[node]] * player_stride, row_stride, n, q,
            )


cdef double* allocate(Walk* walk, int64_t n_levels, int64_t most_points, int64_t n) noexcept nogil:
    """Make room for the walk of n rows; what must be freed, or NULL."""
    cdef int64_t size = n * most_points
    cdef int64_t low_levels = MOST_BITS + 1
    cdef int64_t levels = n_levels + low_levels
    cdef double* scratch = <double*>malloc(
        (3 * levels + MOST_BITS + 1) * size * sizeof(double)
        + 12 * levels * most_points * sizeof(double)
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
    here = walk.low.gain + 6 * low_levels * most_points
    walk.word = <uint16_t*>here
    walk.pattern = walk.word + n
    walk.top.state = <uint8_t*>(walk.pattern + n)
    walk.low.state = walk.top.state + n_levels * n
    return scratch


cdef class SubtreeSums:
    """What the kernels need of a model's subtrees; the arrays are those of `describe`.

    ``offset`` says where the table of each subtree's root begins among those of its tree.
    """

    cdef Walk walk
    cdef const int64_t* n_columns
    cdef const int64_t* offset
    cdef object owners

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
        self.owners = (
            forest, paths, subtree, ratio, share, bits, n_columns, bit, above, column, offset
        )
        memset(&self.walk, 0, sizeof(Walk))
        self.walk.nodes = &forest.nodes
        if not forest.n_nodes:
            return
        self.walk.order = paths.order
        self.walk.parent = paths.parent
        self.walk.previous = paths.previous
        self.walk.depth = paths.depth
        self.walk.player = paths.player
        self.walk.subtree = &subtree[0]
        self.walk.ratio = &ratio[0]
        self.walk.share = &share[0]
        self.walk.bits = &bits[0]
        self.walk.bit = &bit[0]
        self.walk.above = &above[0]
        self.walk.column = &column[0]
        self.n_columns = &n_columns[0]
        self.offset = &offset[0]

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
        cdef int64_t node, size, start, some, j, c, width
        cdef uint16_t pattern[LANES]
        cdef double* here
        cdef double* scratch
        if not table.shape[0]:
            return
        memset(&table[0], 0, table.shape[0] * sizeof(double))
        walk.n_points = q
        walk.points = &points[0]
        walk.weights = &weights[0]
        scratch = allocate(&walk, 0, q, LANES)
        if scratch == NULL:
            raise MemoryError("no memory for the sums of one subtree")
        with nogil:
            while i < last:
                node = walk.order[i]
                if walk.bits[node] < 0 or nodes.feature[node] == LEAF:
                    i += 1
                    continue
                size = <int64_t>1 << walk.bits[node]
                width = width_of(self.n_columns[node])
                here = &table[self.offset[node]]
                for walk.value in range(nodes.width):
                    start = 0
                    while start < size:
                        some = min(LANES, size - start)
                        for j in range(some):
                            pattern[j] = <uint16_t>(start + j)
                        sum_subtree(&walk, i, pattern, some)
                        store_entries(walk.low.root, 0, width, here, some, q)
                        for c in range(self.n_columns[node]):
                            store_entries(
                                walk.columns + c * some * q, c + 1, width, here, some, q
                            )
                        here += some * q * width
                        start += some
                i += walk.subtree[node]
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
        cdef int64_t first, t, tree, most_points = 1
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
                    walk.points = &points[rule_offsets[rule[tree]]]
                    walk.weights = &weights[rule_offsets[rule[tree]]]
                    walk.n_points = rule_offsets[rule[tree] + 1] - rule_offsets[rule[tree]]
                    entries = &table[first_entry[t]] if table.shape[0] else NULL
                    for walk.value in range(walk.nodes.width):
                        explain_tree(
                            &walk, tree, &columns[0, first], columns.shape[1], self.n_columns,
                            self.offset, entries,
                            &out[first, 0, walk.nodes.tree_outputs[tree] + walk.value],
                            n_outputs, out.shape[1] * n_outputs,
                        )
                first += walk.n_rows
            free(scratch)
