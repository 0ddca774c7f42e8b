"""What the explaining kernels need to know of each root-to-leaf path, found once per model."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc

from .forest cimport LEAF, Forest, Nodes


cdef class Paths:
    """The arrays that `describe` fills, and the depth of each node, as the kernels want them."""

    def __cinit__(
        self,
        const int64_t[::1] order,
        const int64_t[::1] parent,
        const int64_t[::1] previous,
        const int64_t[::1] distinct,
        const int64_t[::1] slot,
        const int64_t[::1] player,
        const int64_t[::1] depth,
    ):
        self.owners = (order, parent, previous, distinct, slot, player, depth)
        if order.shape[0]:
            self.order = &order[0]
            self.parent = &parent[0]
            self.previous = &previous[0]
            self.distinct = &distinct[0]
            self.slot = &slot[0]
            self.player = &player[0]
            self.depth = &depth[0]


def describe(
    Forest forest,
    const int64_t[::1] player_of,
    int64_t n_players,
    int64_t[::1] order,
    int64_t[::1] parent,
    int64_t[::1] previous,
    int64_t[::1] distinct,
    int64_t[::1] slot,
    int64_t[::1] player,
):
    """Walk every tree depth first, left before right.

    player_of : the player that each feature belongs to; empty where each is its own
    order     : the nodes in the order of the walk, tree by tree
    parent    : -1 at roots
    previous  : the nearest node above whose incoming edge tests a feature
                of the same player as this node's incoming edge; -1 where there is none
    distinct  : number of distinct players tested on the way to the node
    slot      : number of the incoming edge's player among those; -1 at roots
    player    : the incoming edge's player; -1 at roots
    """
    cdef const Nodes* nodes = &forest.nodes
    cdef int64_t n_nodes = forest.n_nodes
    cdef int64_t tree, node, up, top, visited, level, i
    # Of each player, one more than its last edge on the path: 0 is none, so that calloc will do.
    cdef int64_t* last = <int64_t*>calloc(n_players, sizeof(int64_t))
    cdef int64_t* stack = <int64_t*>malloc(n_nodes * sizeof(int64_t))
    cdef int64_t* path = <int64_t*>malloc((n_nodes + 1) * sizeof(int64_t))
    cdef int64_t* depth = <int64_t*>malloc(n_nodes * sizeof(int64_t))
    if (n_players and last == NULL) or (n_nodes and (
            stack == NULL or path == NULL or depth == NULL)):
        free(last)
        free(stack)
        free(path)
        free(depth)
        raise MemoryError(f"no memory for the paths of {n_nodes} nodes")
    with nogil:
        visited = 0
        for tree in range(nodes.n_trees):
            node = nodes.tree_offsets[tree]
            parent[node] = -1
            depth[node] = 0
            stack[0] = node
            top = 1
            level = 0
            while top:
                top -= 1
                node = stack[top]
                up = parent[node]
                # Leave the edges of the subtree that is finished.
                while level > 0 and level >= depth[node]:
                    last[player[path[level]]] = previous[path[level]] + 1
                    level -= 1
                if up == -1:
                    player[node] = -1
                    previous[node] = -1
                    distinct[node] = 0
                    slot[node] = -1
                else:
                    level = depth[node]
                    path[level] = node
                    player[node] = nodes.feature[up]
                    if player_of.shape[0]:
                        player[node] = player_of[nodes.feature[up]]
                    previous[node] = last[player[node]] - 1
                    distinct[node] = distinct[up] + (previous[node] == -1)
                    slot[node] = distinct[up] if previous[node] == -1 else slot[previous[node]]
                    last[player[node]] = node + 1
                order[visited] = node
                visited += 1
                if nodes.feature[node] != LEAF:
                    for i in range(2):
                        stack[top] = nodes.left[node] if i else nodes.right[node]
                        parent[stack[top]] = node
                        depth[stack[top]] = depth[node] + 1
                        top += 1
            while level > 0:
                last[player[path[level]]] = previous[path[level]] + 1
                level -= 1
        free(last)
        free(stack)
        free(path)
        free(depth)
