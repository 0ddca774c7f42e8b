"""Interventional values of deep trees: rows meet the background's sets that are still alive.

For an explained row that fails the players F of a leaf's path and a background row that fails B,
the leaf's game is w where every player of B is in the coalition and none of F is: nothing at all
if F and B meet, else the cube game with |B| players that must be in and |F| that must be out. Rows
are grouped by their sets F on the way down. For each player of a node's path there is a bit for
each of the background's sets B, whether it passes; those of F and-ed are the sets that are alive.
At deep leaves these are few. Where there are none at an inner node, nothing below needs a look.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from .bits cimport lowest_bit
from .forest cimport LEAF, Forest, Nodes
from .paths cimport Paths
from .row_groups cimport (
    RowGroups, begin_groups, decide_rows, drop_groups, refine, release_groups
)


cdef struct Meeting:
    # The background's sets at one node, and a set of the rows that meets them.
    const uint64_t* passing   # players by words
    int64_t n_sets
    int64_t n_words           # of a set
    const uint64_t* words
    const int64_t* count
    const double* gain
    const double* loss
    int64_t side
    int64_t n_failed
    int64_t* failed           # the players that the rows fail
    int64_t* member           # room for those of a set


cdef inline void list_failed(Meeting* meeting, const uint64_t* failed) noexcept nogil:
    cdef int64_t k
    cdef uint64_t word
    meeting.n_failed = 0
    for k in range(meeting.n_words):
        word = failed[k]
        while word:
            meeting.failed[meeting.n_failed] = 64 * k + lowest_bit(word)
            meeting.n_failed += 1
            word &= word - 1


cdef inline uint64_t alive_word(const Meeting* meeting, int64_t at, int64_t size) noexcept nogil:
    """Which of 64 sets hold no failed player."""
    cdef uint64_t alive
    cdef int64_t k
    if not meeting.n_failed:
        if at + 1 == size and meeting.n_sets & 63:
            return (<uint64_t>1 << (meeting.n_sets & 63)) - 1
        return ~<uint64_t>0
    alive = meeting.passing[meeting.failed[0] * size + at]
    for k in range(1, meeting.n_failed):
        alive &= meeting.passing[meeting.failed[k] * size + at]
    return alive


cdef inline bint is_any_alive(const Meeting* meeting) noexcept nogil:
    cdef int64_t size = (meeting.n_sets + 63) // 64
    cdef int64_t at
    for at in range(size):
        if alive_word(meeting, at, size):
            return True
    return False


cdef inline bint meet(const Meeting* meeting, double* out) noexcept nogil:
    """Add the values for a leaf of value 1 to ``out``, by slot; False if no set is alive.

    ``gain[b * side + f]`` is what each of b must-be-in players gets beside f that must be out,
    ``loss`` what each of those gets.
    """
    cdef int64_t size = (meeting.n_sets + 63) // 64
    cdef int64_t at, i, k, n_in
    cdef int64_t* member = meeting.member
    cdef const double* gain = meeting.gain + meeting.n_failed
    cdef const double* loss = meeting.loss + meeting.n_failed
    cdef uint64_t alive, word
    cdef double lost = 0.0, given
    cdef bint any_alive = False
    for at in range(size):
        alive = alive_word(meeting, at, size)
        any_alive = any_alive or alive != 0
        while alive:
            i = 64 * at + lowest_bit(alive)
            alive &= alive - 1
            n_in = 0
            for k in range(meeting.n_words):
                word = meeting.words[i * meeting.n_words + k]
                while word:
                    member[n_in] = 64 * k + lowest_bit(word)
                    n_in += 1
                    word &= word - 1
            lost += meeting.count[i] * loss[n_in * meeting.side]
            given = meeting.count[i] * gain[n_in * meeting.side]
            for k in range(n_in):
                out[member[k]] += given
    for k in range(meeting.n_failed):
        out[meeting.failed[k]] = lost
    return any_alive


def explain(
    Forest forest,
    int64_t tree,
    const double[:, ::1] columns,
    Paths paths,
    const int64_t[::1] subtree,
    int64_t n_levels,
    const int64_t[::1] start,
    const uint64_t[:, ::1] words,
    const int64_t[::1] count,
    const int64_t[::1] n_sets,
    const int64_t[::1] passing_start,
    const uint64_t[::1] passing,
    const double[:, ::1] gain,
    const double[:, ::1] loss,
    double[:, :, ::1] out,
):
    """Add one tree's values of all rows to ``out`` (rows by players by outputs).

    start, words, count, n_sets, passing_start, passing : see background_sets.pyx
    gain, loss : see `meet`
    """
    cdef RowGroups g
    cdef Meeting meeting
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t first = nodes.tree_offsets[tree]
    cdef int64_t last = nodes.tree_offsets[tree + 1]
    cdef int64_t i = first, leaf = 0
    cdef int64_t j, k, c, node, level, players, n_alive, row
    cdef int64_t output = nodes.tree_outputs[tree]
    cdef int64_t n_players = out.shape[1]
    cdef int64_t width = nodes.width
    cdef int64_t most = 64 * words.shape[1]
    cdef int64_t room = 0
    cdef int64_t* player = <int64_t*>malloc(most * sizeof(int64_t))
    cdef double* shares = NULL
    cdef uint8_t* stays = NULL
    cdef double* grown
    cdef double* target
    cdef const double* given
    cdef const double* value
    cdef const int32_t* group
    cdef int status
    if not out.shape[0] or not n_players:
        free(player)
        return
    memset(&meeting, 0, sizeof(Meeting))
    meeting.n_words = words.shape[1]
    meeting.gain = &gain[0, 0]
    meeting.loss = &loss[0, 0]
    meeting.side = gain.shape[1]
    meeting.failed = <int64_t*>malloc(most * sizeof(int64_t))
    meeting.member = <int64_t*>malloc(most * sizeof(int64_t))
    stays = <uint8_t*>malloc(out.shape[0])
    with nogil:
        status = begin_groups(&g, nodes, paths, columns, words.shape[1], n_levels)
        if player == NULL or meeting.failed == NULL or meeting.member == NULL or stays == NULL:
            status = -1
        while i < last and not status:
            node = paths.order[i]
            level = paths.depth[node]
            if level:
                player[paths.slot[node]] = paths.player[node]
                status = refine(&g, node, level)
                if status:
                    break
            players = paths.distinct[node]
            meeting.n_sets = n_sets[i - first]
            meeting.passing = &passing[0] + passing_start[i - first]
            if nodes.feature[node] != LEAF:
                if meeting.n_sets:
                    n_alive = 0
                    for j in range(g.count[level]):
                        list_failed(&meeting, g.words[level] + j * g.n_words)
                        stays[j] = is_any_alive(&meeting)
                        n_alive += stays[j]
                    if not n_alive:
                        # A tree of so many nodes has half as many leaves.
                        leaf += (subtree[node] + 1) // 2
                        i += subtree[node]
                        continue
                    if n_alive < g.count[level]:
                        drop_groups(&g, level, stays)
                decide_rows(&g, node, level)
                i += 1
                continue
            if g.count[level] * players * width > room:
                room = 2 * g.count[level] * players * width
                grown = <double*>realloc(shares, room * sizeof(double))
                if grown == NULL:
                    status = -1
                    break
                shares = grown
            value = nodes.values + node * width
            meeting.words = &words[start[leaf], 0]
            meeting.count = &count[start[leaf]]
            leaf += 1
            i += 1
            for j in range(g.count[level]):
                target = shares + j * players * width
                memset(target, 0, players * sizeof(double))
                list_failed(&meeting, g.words[level] + j * g.n_words)
                stays[j] = meet(&meeting, target)
                # From the last on, the values take the place of the shares.
                for c in range(players - 1, -1, -1):
                    for k in range(width - 1, -1, -1):
                        target[c * width + k] = value[k] * target[c]
            group = g.group + level * g.n_rows
            for j in range(g.n_kept[level]):
                if not stays[group[j]]:
                    continue
                row = g.kept[level][j]
                given = shares + group[j] * players * width
                for c in range(players):
                    target = &out[row, player[c], output]
                    for k in range(width):
                        target[k] += given[c * width + k]
        release_groups(&g)
        free(player)
        free(meeting.failed)
        free(meeting.member)
        free(stays)
        free(shares)
    if status:
        raise MemoryError("no memory for the values of one tree")
