"""Any index of a leaf's game, for all interactions of up to a few of its players.

A leaf whose path tests d distinct players is the cube game g(T) = 1[B ⊆ T] 1[F ∩ T = ∅] of the
players that a background row fails (B) and those that the explained row fails (F), or where a
player outside the coalition passes with probability z_j, the product game
prod_{j in T} o_j prod_{j not in T} z_j. A *layer* is a size s and a table of weights C[P, Q] that
answers cubes:

    I(S) = (-1)^|S ∩ F| C[|B| - |S ∩ B|, |F| - |S ∩ F|] for S ⊆ B ∪ F, |S| = s, else 0.

The product game is the mean of the cubes of its B. With b_m the coefficients of
prod_{j not in S} (z_j + o_j y) and D = d - s that mean is

    I(S) = prod_{j in S} (o_j - z_j) sum_m b_m C[m, D - m]:

no division, no cancellation, nothing special about z_j = 0. All S together cost O(d) each: the
polynomials of the first players run up, the functional C is carried down through the factors of
the last ones, and where they meet is a value. Interactions of a layer are ordered
colexicographically: S = {i_1 < .. < i_s} of the path's players has number sum_j C(i_j, j).
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from .bits cimport count_bits, lowest_bit


cdef extern from "leaves.h" nogil:
    void extend_product(const double*, const double*, double, double*, int64_t, int64_t)
    void absorb_factor(double*, const double*, double, int64_t, int64_t)
    void apply_functional(const double*, const double*, const double*, int64_t, double*, int64_t)
    void choose_player(const double*, const double*, double, double*, int64_t)


cdef class Layers:
    """Sizes and weights of layers, and the binomials that number their interactions.

    size     : int64 (n_layers,)
    weight   : float64 (n_layers, side, side), side - 1 the most players of a path
    binomial : int64 (side + 1, largest size + 2), C(i, j) at [i, j]
    """

    def __cinit__(
        self,
        const int64_t[::1] size,
        const double[:, :, ::1] weight,
        const int64_t[:, ::1] binomial,
    ):
        cdef int64_t layer
        self.owners = (size, weight, binomial)
        self.n_layers = size.shape[0]
        self.side = weight.shape[1]
        self.columns = binomial.shape[1]
        self.size = &size[0]
        self.weight = &weight[0, 0, 0]
        self.binomial = &binomial[0, 0]
        self.most = 0
        for layer in range(self.n_layers):
            self.most = max(self.most, size[layer])


cdef int64_t n_entries(Layers layers, int64_t d) noexcept nogil:
    """Number of values of a leaf of d players."""
    cdef int64_t layer, count = 0
    for layer in range(layers.n_layers):
        count += layers.binomial[d * layers.columns + layers.size[layer]]
    return count


cdef int allocate(Layers layers, int64_t d, int64_t n_lanes, Scratch* scratch) noexcept nogil:
    """Room for leaves of at most d players; -1 without memory. Call `release` in any case."""
    cdef int64_t layer, s, most_given = 1, given
    for layer in range(layers.n_layers):
        given = 0
        for s in range(layers.size[layer] + 1):
            given += layers.binomial[d * layers.columns + s]
        most_given = max(most_given, given)
    memset(scratch, 0, sizeof(Scratch))
    if n_lanes:
        scratch.prefix = <double*>malloc((d + 1) * (d + 2) // 2 * n_lanes * sizeof(double))
        scratch.functional = <double*>malloc(
            (layers.most + 1) * (d + 1) * n_lanes * sizeof(double)
        )
        scratch.gain = <double*>malloc((layers.most + 2) * n_lanes * sizeof(double))
    else:
        scratch.given = <double*>malloc(most_given * sizeof(double))
    scratch.members = <int64_t*>malloc((d + 1) * sizeof(int64_t))
    scratch.chosen = <int64_t*>malloc((layers.most + 2) * sizeof(int64_t))
    scratch.base = <int64_t*>malloc((layers.most + 2) * sizeof(int64_t))
    if scratch.members == NULL or scratch.chosen == NULL or scratch.base == NULL:
        return -1
    if n_lanes:
        if scratch.prefix == NULL or scratch.functional == NULL or scratch.gain == NULL:
            return -1
    elif scratch.given == NULL:
        return -1
    return 0


cdef void release(Scratch* scratch) noexcept nogil:
    free(scratch.prefix)
    free(scratch.functional)
    free(scratch.gain)
    free(scratch.given)
    free(scratch.members)
    free(scratch.chosen)
    free(scratch.base)
    free(scratch.alive)


cdef void product_layer(
    Layers layers,
    int64_t layer,
    const double* share,
    const double* passed,
    int64_t d,
    int64_t n,
    Scratch* scratch,
    double* out,
    int64_t stride,
) noexcept nogil:
    cdef int64_t s = layers.size[layer]
    cdef int64_t rest = d - s
    cdef int64_t level, m, i, j, length
    cdef const double* weight = layers.weight + layer * layers.side * layers.side
    cdef double* f = scratch.functional
    cdef double* gain = scratch.gain
    cdef int64_t* chosen = scratch.chosen
    cdef int64_t* base = scratch.base
    cdef int64_t size = (d + 1) * n
    if rest < 0:
        return
    for m in range(rest + 1):
        for i in range(n):
            f[m * n + i] = weight[m * layers.side + rest - m]
    for i in range(n):
        gain[i] = 1.0
    if s == 0:
        apply_functional(scratch.prefix + d * (d + 1) // 2 * n, f, gain, d + 1, out, n)
        return
    # Players are chosen from the last to the first; chosen[level] is the candidate there, and the
    # functional of that level has absorbed the players between it and the one chosen before.
    level = 0
    chosen[0] = d - 1
    base[0] = 0
    while True:
        j = chosen[level]
        if j < s - level - 1:
            level -= 1
            if level < 0:
                return
            j = chosen[level]
        elif level == s - 1:
            choose_player(gain + level * n, passed + j * n, share[j], gain + s * n, n)
            apply_functional(
                scratch.prefix + j * (j + 1) // 2 * n, f + level * size, gain + s * n, j + 1,
                out + (base[level] + j) * stride, n,
            )
        else:
            length = j + 2 - (s - level)
            memcpy(f + (level + 1) * size, f + level * size, length * n * sizeof(double))
            choose_player(gain + level * n, passed + j * n, share[j], gain + (level + 1) * n, n)
            base[level + 1] = base[level] + layers.binomial[j * layers.columns + s - level]
            level += 1
            chosen[level] = j - 1
            continue
        absorb_factor(f + level * size, passed + j * n, share[j], j + 1 - (s - level), n)
        chosen[level] -= 1


cdef void product_leaf(
    Layers layers,
    const double* share,
    const double* passed,
    int64_t d,
    int64_t n,
    Scratch* scratch,
    double* out,
    int64_t stride,
) noexcept nogil:
    """Write the values of a product game: ``out[entry * stride + lane]``.

    ``share`` holds z of each player, ``passed`` o of each player and lane (d by n, n whole octets).
    """
    cdef int64_t i, j, layer
    for i in range(n):
        scratch.prefix[i] = 1.0
    for j in range(d):
        extend_product(
            scratch.prefix + j * (j + 1) // 2 * n, passed + j * n, share[j],
            scratch.prefix + (j + 1) * (j + 2) // 2 * n, j, n,
        )
    for layer in range(layers.n_layers):
        product_layer(layers, layer, share, passed, d, n, scratch, out, stride)
        out += layers.binomial[d * layers.columns + layers.size[layer]] * stride


cdef void add_subsets(
    Layers layers,
    const int64_t* members,
    int64_t n_members,
    int64_t size,
    double value,
    int64_t* chosen,
    double* out,
) noexcept nogil:
    """Add a number to all subsets of some size of the members (ascending)."""
    cdef int64_t i, level, place
    if size == 0:
        out[0] += value
        return
    if size > n_members:
        return
    # chosen[1 .. size - 1]: an odometer over all but the first member, which the inner loop runs.
    for level in range(1, size):
        chosen[level] = level
    while True:
        place = 0
        for level in range(1, size):
            place += layers.binomial[members[chosen[level]] * layers.columns + level + 1]
        for i in range(chosen[1] if size > 1 else n_members):
            out[place + members[i]] += value
        level = 1
        while level < size:
            chosen[level] += 1
            if chosen[level] < (chosen[level + 1] if level + 1 < size else n_members):
                break
            chosen[level] = level
            level += 1
        if level >= size:
            return


cdef void spread(
    Layers layers,
    const uint64_t* failed,
    int64_t d,
    int64_t size,
    const double* given,
    int64_t* chosen,
    double* out,
    int64_t stride,
) noexcept nogil:
    """Write each S's value: that of S∖F among those of its size."""
    cdef int64_t level, kept, place, offset, entry, count
    count = layers.binomial[d * layers.columns + size]
    for level in range(size):
        chosen[level] = level
    for entry in range(count):
        kept = 0
        place = 0
        for level in range(size):
            if not (failed[chosen[level] >> 6] >> (chosen[level] & 63)) & 1:
                kept += 1
                place += layers.binomial[chosen[level] * layers.columns + kept]
        offset = 0
        for level in range(kept):
            offset += layers.binomial[d * layers.columns + level]
        out[entry * stride] = given[offset + place]
        level = 0
        while level < size:
            chosen[level] += 1
            if level + 1 == size or chosen[level] < chosen[level + 1]:
                break
            chosen[level] = level
            level += 1


cdef inline int64_t list_alive(
    const uint64_t* failed,
    const uint64_t* words,
    int64_t n_groups,
    int64_t n_words,
    int64_t* out,
) noexcept nogil:
    """List the background sets that hold none of the failed players; return how many."""
    cdef int64_t j, k, n = 0
    cdef uint64_t common
    for j in range(n_groups):
        common = 0
        for k in range(n_words):
            common |= failed[k] & words[j * n_words + k]
        out[n] = j
        n += not common
    return n


cdef int64_t background_leaf(
    Layers layers,
    const uint64_t* failed,
    const uint64_t* words,
    const double* total,
    int64_t n_groups,
    int64_t n_words,
    int64_t d,
    Scratch* scratch,
    double* out,
    int64_t stride,
) noexcept nogil:
    """Write the values of one explained set F beside the background sets: ``out[entry * stride]``.

    A cube's value depends on S ∩ F by its size only, so each background set B gives the same to
    all S' ⊆ B of one size, and S takes what S∖F was given. Returns how many sets B do not meet
    F: where there are none all values are 0; -1 without memory.
    """
    cdef int64_t layer, k, j, s, kept, n_members, n_alive, at, n_failed = 0, count
    cdef int64_t side = layers.side
    cdef uint64_t word
    cdef const double* weight
    cdef double* given
    cdef double value
    if n_groups > scratch.n_alive:
        free(scratch.alive)
        scratch.n_alive = 2 * n_groups
        scratch.alive = <int64_t*>malloc(scratch.n_alive * sizeof(int64_t))
        if scratch.alive == NULL:
            scratch.n_alive = 0
            return -1
    n_alive = list_alive(failed, words, n_groups, n_words, scratch.alive)
    if not n_alive:
        for j in range(n_entries(layers, d)):
            out[j * stride] = 0.0
        return 0
    for k in range(n_words):
        n_failed += count_bits(failed[k])
    for layer in range(layers.n_layers):
        s = layers.size[layer]
        if s > d:
            continue
        weight = layers.weight + layer * side * side
        count = 0
        for kept in range(s + 1):
            count += layers.binomial[d * layers.columns + kept]
        memset(scratch.given, 0, count * sizeof(double))
        for at in range(n_alive):
            j = scratch.alive[at]
            n_members = 0
            for k in range(n_words):
                word = words[j * n_words + k]
                while word:
                    scratch.members[n_members] = 64 * k + lowest_bit(word)
                    n_members += 1
                    word &= word - 1
            given = scratch.given
            for kept in range(s + 1):
                if kept <= n_members and s - kept <= n_failed:
                    value = total[j] * weight[(n_members - kept) * side + n_failed - (s - kept)]
                    if (s - kept) & 1:
                        value = -value
                    add_subsets(
                        layers, scratch.members, n_members, kept, value, scratch.chosen, given
                    )
                given += layers.binomial[d * layers.columns + kept]
        spread(layers, failed, d, s, scratch.given, scratch.chosen, out, stride)
        out += layers.binomial[d * layers.columns + s] * stride
    return n_alive
