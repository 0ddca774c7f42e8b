"""Owen, Banzhaf-Owen and Winter values: one walk down a tree of unions.

A union is a node of a tree whose leaves are the players. In a value of this family the children
of a node join in an order (or with subsets) of their own, while the rest of the game is seen only
through whole blocks: the siblings of the node, of its parent, and so on up to the root. So each
node has a small game among its children, the average of ``v(context + children)`` over its
contexts, and only those small games are ever tabulated.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import comb
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..arrays import is_integer, is_listed
from ..errors import InputError, MemoryLimitError
from ..game import Game, checked_game
from ..indices import StructureName
from ..memory import check_memory, human_count
from ..result import InteractionValues
from ._values import player_values

Tree: TypeAlias = "int | Sequence[Tree]"
Table: TypeAlias = NDArray[np.float64]

# From the number of children of a node, the weight of the siblings that one joins, by their number.
_Weights: TypeAlias = Callable[[int], Table]

_MAX_EVALUATIONS = 2**28
_BLOCK = 2**16
# Blocks may be nested as deep as there are players, and so many blocks of one block deeper.
_SPARE_LEVELS = 10_000


def owen(game: Game, unions: Iterable[Iterable[int]]) -> InteractionValues:
    """Owen value: Shapley values of players who come in unions.

    The average marginal contribution over all orders of the players in which the members of each
    union follow one another. For player i of union ``B_k``, one of m,

        ``sum_H sum_S [v(Q_H + S + i) - v(Q_H + S)] / (m C(m-1, |H|) b C(b-1, |S|))``

    over the sets H of other unions, with all players ``Q_H`` of theirs, and the subsets S of
    ``B_k`` without i, ``b = |B_k|``. The values of a union sum to the Shapley value of the union
    in the game between the unions; all of them sum to ``v(N) - v(empty)``.

    Parameters
    ----------
    game : Game
        Any game; it is asked for ``2**m + sum_k 2**(m - 1) * (2**b_k - 2)`` coalitions, each once,
        where ``m`` is the number of unions and ``b_k > 1`` the size of union k.
    unions : list of lists of int
        A partition of the players; a player alone is a union of one.

    Returns
    -------
    InteractionValues
        Order 1, index ``"Owen"``, one value a player.

    Raises
    ------
    InputError
        If the unions are not a partition of the players.
    MemoryLimitError
        If more than 2**28 coalitions would be needed.

    References
    ----------
    Owen (1977), Values of games with a priori unions, in Mathematical Economics and Game Theory,
    pp. 76-88.
    """
    return _walk(game, _tree_of_unions(unions), _shapley_weights, "Owen")


def banzhaf_owen(game: Game, unions: Iterable[Iterable[int]]) -> InteractionValues:
    """Banzhaf-Owen value: Banzhaf values of players who come in unions.

    The average marginal contribution over all sets of other unions joined with all subsets of the
    player's own union: the formula of ``owen`` with the weight ``2**-(m-1) 2**-(b-1)``. Not
    efficient.

    Parameters
    ----------
    game : Game
        Any game; it is asked for as many coalitions as by ``owen``.
    unions : list of lists of int
        A partition of the players; a player alone is a union of one.

    Returns
    -------
    InteractionValues
        Order 1, index ``"Banzhaf-Owen"``, one value a player.

    Raises
    ------
    InputError
        If the unions are not a partition of the players.
    MemoryLimitError
        If more than 2**28 coalitions would be needed.

    References
    ----------
    Owen (1981), Modification of the Banzhaf-Coleman index for games with a priori unions, in
    Power, Voting, and Voting Power, pp. 232-238.
    """
    return _walk(game, _tree_of_unions(unions), _banzhaf_weights, "Banzhaf-Owen")


def winter(game: Game, tree: Tree) -> InteractionValues:
    """Winter value: Shapley values of players in unions of unions.

    The average marginal contribution over all orders of the players in which the players of each
    block, at every level, follow one another. With two levels it is the Owen value.

    Parameters
    ----------
    game : Game
        Any game. A balanced binary tree takes a number of coalitions that grows as n**2, a tree
        with all players under the root ``2**n``.
    tree : nested lists of int
        The blocks, as lists of players and of blocks: ``[[0, 1], [2, [3, 4]]]``.

    Returns
    -------
    InteractionValues
        Order 1, index ``"Winter"``, one value a player.

    Raises
    ------
    InputError
        If the tree does not hold every player exactly once, or has an empty block.
    MemoryLimitError
        If more than 2**28 coalitions would be needed.

    References
    ----------
    Winter (1989), A value for cooperative games with levels structure of cooperation,
    International Journal of Game Theory 18, pp. 227-240.
    """
    return _walk(game, tree, _shapley_weights, "Winter")


class _Nodes:
    """The inner nodes of a tree, parents first, each child by the players under it."""

    def __init__(self, tree: Tree, n_players: int) -> None:
        self.n_players = n_players
        # Per inner node: its children as sorted players, and the inner node of each (-1: a leaf).
        self.members: list[list[list[int]]] = []
        self.inner: list[list[int]] = []
        self._build(tree)
        held = sorted(player for child in self.members[0] for player in child)
        if held != list(range(n_players)):
            double = next((a for a, b in pairwise(held) if a == b), None)
            missing = sorted(set(range(n_players)) - set(held))
            extra = sorted(set(held) - set(range(n_players)))
            fault = (
                f"player {double} is there twice"
                if double is not None
                else f"player {missing[0]} is missing"
                if missing
                else f"{extra[0]} is no player"
            )
            raise InputError(
                f"the blocks must hold each of the players 0..{n_players - 1} exactly once; {fault}"
            )

    def _build(self, tree: Tree) -> None:
        """Number the inner nodes, without recursion: a tree may be as deep as it has players."""
        if _is_player(tree):
            tree = [tree]
        todo: list[tuple[Any, int, int, int]] = [(tree, -1, -1, 0)]
        parent: list[tuple[int, int]] = []
        while todo:
            block, above, place, depth = todo.pop()
            if not is_listed(block):
                raise TypeError(f"a block is a list of players and blocks, not {block!r}")
            # A list that holds itself has no end, nor has a sparse matrix, whose rows have rows.
            if depth > self.n_players + _SPARE_LEVELS:
                raise InputError(
                    f"blocks are nested more than {depth - 1} deep; each is a list of players and "
                    "smaller blocks"
                )
            children = list(block)
            if not children:
                raise InputError("a block is empty; leave it out")
            if len(children) == 1 and not _is_player(children[0]):
                # A block of one block is that block.
                todo.append((children[0], above, place, depth + 1))
                continue
            if len(children) == 1 and above >= 0:
                self.members[above][place] = [int(children[0])]
                continue
            node = len(self.members)
            self.members.append([[int(c)] if _is_player(c) else [] for c in children])
            self.inner.append([-1] * len(children))
            parent.append((above, place))
            if above >= 0:
                self.inner[above][place] = node
            todo.extend(
                (c, node, at, depth + 1) for at, c in enumerate(children) if not _is_player(c)
            )
        # Children have larger numbers than their parents, so the members gather upwards.
        for node in range(len(self.members) - 1, 0, -1):
            above, place = parent[node]
            self.members[above][place] = sorted(p for child in self.members[node] for p in child)

    def contexts(self) -> list[int]:
        """Number of contexts of each inner node."""
        counts = [1] * len(self.members)
        for node, children in enumerate(self.inner):
            for child in children:
                if child >= 0:
                    counts[child] = counts[node] << (len(children) - 1)
        return counts

    def n_evaluations(self) -> int:
        """Coalitions that the walk will ask for."""
        sizes = [1 << len(children) for children in self.inner]
        # The parent's game has the empty and the full set of every node but the root.
        inner = (c * (s - 2) for c, s in zip(self.contexts()[1:], sizes[1:], strict=True))
        return sizes[0] + sum(inner)

    def blocks(self, node: int) -> NDArray[np.int64]:
        """The child of the node that each player is under, -1 for none; shape (n_players,)."""
        labels = np.full(self.n_players, -1)
        for at, players in enumerate(self.members[node]):
            labels[players] = at
        return labels

    def identity(self) -> bytes:
        """The blocks of two players or more, without an order: the same for the same structure."""
        held = np.zeros((len(self.members), self.n_players), dtype=np.bool_)
        for node, children in enumerate(self.members):
            held[node, [player for child in children for player in child]] = True
        return np.unique(np.packbits(held, axis=1), axis=0).tobytes()

    def check_effort(self) -> None:
        """Raise a MemoryLimitError if the walk would take too long or too much memory."""
        count = self.n_evaluations()
        if count > _MAX_EVALUATIONS:
            raise MemoryLimitError(
                f"this structure takes {human_count(count)} coalitions (at most "
                f"{_MAX_EVALUATIONS}): use smaller or more nested unions"
            )
        rows = max(self.contexts()) + max(1 << len(children) for children in self.inner)
        check_memory(
            3 * rows * self.n_players,
            f"a structure with {rows} coalitions of {self.n_players} players at once",
            "Use smaller or more nested unions",
        )


class _Step(NamedTuple):
    """From the contexts of a node to those of one of its children."""

    contexts: NDArray[np.bool_]
    shares: Table
    blocks: NDArray[np.int64]
    joins: Table
    child: int

    def taken(self) -> tuple[NDArray[np.bool_], Table]:
        """The child's contexts: each of the node's with each set of siblings; and their weights."""
        siblings = sets.all_coalitions(len(self.joins).bit_length() - 1)
        without = ~siblings[:, self.child]
        beside = _union(siblings[without], self.blocks)
        grown = self.contexts[:, None] | beside[None]
        shares = np.outer(self.shares, self.joins[without]).ravel()
        return grown.reshape(-1, len(self.blocks)), shares


def _walk(given: Game, tree: Tree, weights: _Weights, index: str) -> InteractionValues:
    """Values of all players, from the root's game down to the leaves'."""
    game = checked_game(given)
    nodes = _Nodes(tree, game.n_players)
    nodes.check_effort()
    values = np.zeros(nodes.n_players)
    baseline = 0.0
    nothing = np.zeros((1, nodes.n_players), dtype=np.bool_)
    # Each entry: a node, the way to its contexts (the root has one, the empty set), and what the
    # parent's game tells of its own, the worths without and with all of its players.
    todo: list[tuple[int, _Step | None, Table | None]] = [(0, None, None)]
    while todo:
        node, step, ends = todo.pop()
        contexts, shares = (nothing, np.ones(1)) if step is None else step.taken()
        n_children = len(nodes.inner[node])
        blocks = nodes.blocks(node)
        table = _average_table(game, contexts, shares, blocks, n_children, ends)
        if step is None:
            baseline = float(table[0])
        # The largest subset joins nobody, and its weight is not asked for.
        sizes = sets.all_coalitions(n_children).sum(axis=1)
        joins = np.append(weights(n_children), 0.0)[sizes]
        for at, child in enumerate(nodes.inner[node]):
            # Axis 1 tells whether the child is out or in.
            out_in = table.reshape(-1, 2, 1 << at)
            share = joins.reshape(out_in.shape)[:, 0].ravel()
            if child < 0:
                # What overflows is refused with the values.
                with np.errstate(over="ignore", invalid="ignore"):
                    gains = (out_in[:, 1] - out_in[:, 0]).ravel()
                    values[nodes.members[node][at]] = share @ gains
            else:
                ends = np.array([share @ out_in[:, 0].ravel(), share @ out_in[:, 1].ravel()])
                todo.append((child, _Step(contexts, shares, blocks, joins, at), ends))
    name = StructureName(index, nodes.identity())
    return player_values(values, game, name, baseline, nodes.n_evaluations())


def _average_table(
    game: Game,
    contexts: NDArray[np.bool_],
    shares: Table,
    blocks: NDArray[np.int64],
    n_children: int,
    ends: Table | None,
) -> Table:
    """The game among the children: ``sum_c shares[c] v(contexts[c] + S)`` for each set S of them.

    ``ends`` gives its first and last worth, if they are known.
    """
    table = np.zeros(1 << n_children)
    first, last = 0, len(table)
    if ends is not None:
        table[[0, -1]] = ends
        first, last = 1, last - 1
    step = max(1, _BLOCK // len(table))
    for low in range(first, last, _BLOCK):
        high = min(low + _BLOCK, last)
        joined = _union(sets.all_coalitions(n_children, low, high), blocks)
        for start in range(0, len(contexts), step):
            some = contexts[start : start + step, None] | joined[None]
            worths = game(some.reshape(-1, some.shape[2])).reshape(some.shape[:2])
            table[low:high] += shares[start : start + step] @ worths
    return table


def _union(subsets: NDArray[np.bool_], blocks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """All players under the children in each subset."""
    joined = np.zeros((len(subsets), len(blocks)), dtype=np.bool_)
    held = blocks >= 0
    joined[:, held] = subsets[:, blocks[held]]
    return joined


def _shapley_weights(n: int) -> Table:
    """Weight of a subset of each size that a player may join, uniform over orders."""
    return np.array([1 / (n * comb(n - 1, size)) for size in range(n)])


def _banzhaf_weights(n: int) -> Table:
    """Weight of a subset of each size that a player may join, uniform over subsets."""
    return np.full(n, 0.5 ** (n - 1))


def _is_player(child: Any) -> bool:
    return is_integer(child)


def _tree_of_unions(unions: Iterable[Iterable[int]]) -> list[list[int]]:
    """The unions as a tree of two levels, or a TypeError."""
    if not is_listed(unions):
        raise TypeError(f"unions must be lists of player numbers, not {unions!r}")
    blocks: list[Any] = [list(union) if is_listed(union) else union for union in unions]
    for block in blocks:
        if not isinstance(block, list) or not all(_is_player(player) for player in block):
            raise TypeError(
                f"unions must be lists of player numbers, such as [[0, 1], [2]]; got {block!r}"
                " (winter takes unions of unions)"
            )
    return blocks
