"""The walk of a tree by subtree_sums.pyx: what it keeps of the path, and how it sums a subtree."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memset

from .forest cimport LEAF, Nodes, goes_left
from .group_patterns cimport FEW, compare_into_bit


cdef extern from "subtree_sums.h" nogil:
    ctypedef struct Test:
        const double* factor
        const double* gain
        const double* product
        const double* first
        const double* second
        const uint8_t* state
        int n_sums

    ctypedef struct Edge:
        double share
        double ratio
        double value

    void describe_sides(
        const double*, const Edge*, double, int, int, double*, double*, double*, int64_t
    )
    void find_states(const uint16_t*, int, const uint8_t*, int, int, uint8_t*, int64_t)
    void set_passed(const uint8_t*, int, int, uint16_t*, int64_t)
    void descend_points(const double*, const uint8_t*, const double*, double*, int64_t, int64_t)
    void settle_column(const Test*, double*, double*, int, int64_t, int64_t)
    void settle_out(const Test*, double*, double*, int64_t, int64_t, int64_t)


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


cdef struct Step:
    # What the walk needs of a node, in the order of the walk: nodes lie in memory as the library
    # numbers them, and a few rows would mostly wait for it.
    double share          # of the edge into the node
    double ratio
    double before         # share of the edge above of the player tested here; -1 where none is
    double threshold
    int64_t node
    int64_t offset        # where the table of a subtree's root begins among those of its tree
    int32_t feature       # tested here, or LEAF
    int32_t player
    int32_t level
    int32_t before_level  # of that edge's upper end; -1
    int32_t subtree
    int8_t before_right   # whether it is a right one
    int8_t is_right
    int8_t is_plain
    int8_t missing_left
    int8_t bits           # as `describe` says
    int8_t bit
    int8_t above
    int8_t column
    int8_t n_columns


cdef struct Walk:
    const Nodes* nodes
    const Step* steps
    const double* values  # of the leaves, in the order of the walk
    int64_t n_points
    double* points        # t, then 1 - t, then room for as many
    const double* weights
    int64_t value         # which of the leaves' values
    int64_t n_rows
    Levels top            # of the whole tree
    Levels low            # of a subtree, its root at level 0
    double* columns       # columns x rows x points
    uint16_t* word        # rows: which way they go at one test
    uint16_t* pattern     # rows: at one subtree
    int64_t* path         # levels: the numbers of the steps on the path


cdef inline void enter_test(
    const Walk* walk, const Levels* levels, int64_t i, int64_t level
) noexcept nogil:
    """Describe the two sides of a test, the first to be settled first (see `settle_column`)."""
    cdef const Step* step = walk.steps + i
    cdef int64_t side = 6 * level * walk.n_points
    cdef int64_t child = i + 1
    cdef int k, n_leaves = 0
    cdef bint swapped
    cdef Edge edges[2]
    for k in range(2):
        edges[k].share = walk.steps[child].share
        edges[k].ratio = walk.steps[child].ratio
        edges[k].value = 1.0
        if walk.steps[child].feature == LEAF:
            edges[k].value = walk.values[child * walk.nodes.width + walk.value]
            n_leaves += 1
        child += walk.steps[child].subtree
    swapped = n_leaves == 1 and walk.steps[i + 1].feature != LEAF
    describe_sides(
        walk.points, edges, step.before, swapped, n_leaves, levels.factor + side,
        levels.gain + side, walk.points + 2 * walk.n_points, walk.n_points,
    )


cdef inline bint is_second(const Walk* walk, int64_t up, int64_t i) noexcept nogil:
    """Whether the side of the test at step ``up`` that goes on to ``i`` is settled last."""
    cdef int64_t left = up + 1
    if i == left:
        # The left side stands first, unless only the right one is a leaf.
        return walk.steps[left + walk.steps[left].subtree].feature == LEAF
    return True


cdef inline void follow_edge(
    const Walk* walk, const Levels* levels, int64_t up, int64_t i, int64_t level, int64_t n
) noexcept nogil:
    """Multiply the products of the level above by the factor of the edge into a test."""
    cdef int64_t q = walk.n_points
    descend_points(
        levels.product + (level - 1) * n * q, levels.state + (level - 1) * n,
        levels.factor + (2 * (level - 1) + is_second(walk, up, i)) * 3 * q,
        levels.product + level * n * q, n, q,
    )


cdef inline void describe_test(
    const Walk* walk, const Levels* levels, int64_t i, int64_t level, Test* test, int64_t n
) noexcept nogil:
    """Say where the numbers of a test are whose sides are done."""
    cdef int64_t q = walk.n_points
    cdef int64_t left = i + 1
    cdef int64_t right = left + walk.steps[left].subtree
    cdef bint right_sums = walk.steps[right].feature != LEAF
    test.factor = levels.factor + 6 * level * q
    test.gain = levels.gain + 6 * level * q
    test.product = levels.product + level * n * q
    test.first = levels.left + level * n * q
    test.second = (levels.right if right_sums else levels.left) + level * n * q
    test.state = levels.state + level * n
    test.n_sums = right_sums + (walk.steps[left].feature != LEAF)


cdef inline double* sums_of(
    const Walk* walk, const Levels* levels, int64_t i, int64_t level, int64_t n
) noexcept nogil:
    """Where the sums of a node belong: to a side of the test above."""
    if level == 0:
        return levels.root
    if walk.steps[i].is_right:
        return levels.right + (level - 1) * n * walk.n_points
    return levels.left + (level - 1) * n * walk.n_points


cdef inline void sum_subtree(
    const Walk* walk, int64_t first, const uint16_t* pattern, int64_t n
) noexcept nogil:
    """Sum a subtree's leaves for n patterns: ``low.root``, and ``columns``."""
    cdef const Levels* low = &walk.low
    cdef const Step* step
    cdef int64_t base = walk.steps[first].level
    cdef int64_t size = n * walk.n_points
    cdef int64_t i, at, level, before
    cdef int64_t touched = 0
    cdef int64_t path[MOST_BITS + 1]
    cdef Test test
    for i in range(size):
        low.product[i] = 1.0
    for i in range(first, first + walk.steps[first].subtree):
        step = walk.steps + i
        level = step.level - base
        if step.feature != LEAF:
            path[level] = i
            if level:
                follow_edge(walk, low, path[level - 1], i, level, n)
            # A first test above the subtree is known by a bit of the pattern.
            before = step.before_level - base
            find_states(
                pattern, step.bit, low.state + before * n if before >= 0 else NULL,
                step.before_right, step.above, low.state + level * n, n,
            )
            enter_test(walk, low, i, level)
            continue
        at = i
        while level and walk.steps[at].is_right:
            level -= 1
            at = path[level]
            step = walk.steps + at
            describe_test(walk, low, at, level, &test, n)
            settle_column(
                &test, sums_of(walk, low, at, level, n), walk.columns + step.column * size,
                not touched >> step.column & 1, n, walk.n_points,
            )
            touched |= <int64_t>1 << step.column


cdef inline void decide_step(
    const Walk* walk,
    const Step* step,
    const double* columns,
    int64_t stride,
    int64_t bit,
    uint16_t* word,
    int64_t n,
) noexcept nogil:
    """Set a bit of the rows that go left."""
    cdef const double* x = columns + step.feature * stride
    cdef int64_t i
    if n > FEW and step.is_plain:
        compare_into_bit(x, step.threshold, step.missing_left, <int>bit, word, n)
    elif step.is_plain:
        for i in range(n):
            word[i] |= <uint16_t>(
                (<int>(x[i] <= step.threshold) | (<int>(x[i] != x[i]) & step.missing_left)) << bit
            )
    else:
        for i in range(n):
            word[i] |= <uint16_t>(goes_left(walk.nodes, step.node, x[i]) << bit)


cdef inline void find_pattern(
    const Walk* walk,
    int64_t first,
    const double* columns,
    int64_t stride,
    int64_t* players,
    int64_t n,
) noexcept nogil:
    """Find the rows' patterns at a subtree, and its players by column."""
    cdef const Step* step
    cdef int64_t i, known = 0
    cdef int64_t base = walk.steps[first].level
    memset(walk.pattern, 0, n * sizeof(uint16_t))
    for i in range(first, first + walk.steps[first].subtree):
        step = walk.steps + i
        if step.feature == LEAF:
            continue
        players[step.column] = step.player
        decide_step(walk, step, columns, stride, step.bit, walk.pattern, n)
        # The first of a player's tests here is the one whose last test is above.
        if step.before_level < 0 or step.before_level >= base or known >> step.above & 1:
            continue
        known |= <int64_t>1 << step.above
        set_passed(
            walk.top.state + step.before_level * n, step.before_right, step.above, walk.pattern, n
        )
