"""Values for structured players by their literal definitions, in exact fractions.

A game is the list of its ``2**n`` worths (player ``i`` is bit ``i``). Averages are taken over
every order of the players that the structure allows, one by one, so a handful of players is the
limit: these are the oracles of the tests.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations, permutations, product
from typing import Any

Tree = Any  # a player, or a list of trees


def owen(worths: Sequence[Any], unions: Sequence[Sequence[int]]) -> list[Fraction]:
    """Average marginal contribution over the orders that keep every union together.

    Owen (1977), Values of games with a priori unions, section 3.
    """
    return _average_over(worths, _tree_orders([list(union) for union in unions]))


def winter(worths: Sequence[Any], tree: Tree) -> list[Fraction]:
    """Average marginal contribution over the orders that keep every block of the tree together.

    Winter (1989), A value for cooperative games with levels structure of cooperation, section 3.
    """
    return _average_over(worths, _tree_orders(tree))


def asymmetric_shapley(
    worths: Sequence[Any], precedence: Iterable[tuple[int, int]]
) -> list[Fraction]:
    """Average marginal contribution over the orders in which each pair's first comes first.

    Frye, Rowat, Feige (2020), Asymmetric Shapley values, equation 4 with the uniform
    distribution over the orders consistent with the precedence.
    """
    pairs = list(precedence)
    n = _n_players(worths)
    allowed = (
        order
        for order in permutations(range(n))
        if all(order.index(before) < order.index(after) for before, after in pairs)
    )
    return _average_over(worths, allowed)


def banzhaf_owen(worths: Sequence[Any], unions: Sequence[Sequence[int]]) -> list[Fraction]:
    """Average marginal contribution over sets of other unions and subsets of the own union.

    Owen (1981), Modification of the Banzhaf-Coleman index for games with a priori unions.
    """
    values = [Fraction(0)] * _n_players(worths)
    for k, own in enumerate(unions):
        others = [list(union) for j, union in enumerate(unions) if j != k]
        for i in own:
            mates = [j for j in own if j != i]
            marginals = [
                Fraction(worths[_mask(outside + inside + [i])])
                - Fraction(worths[_mask(outside + inside)])
                for outside in ([p for u in chosen for p in u] for chosen in _subsets(others))
                for inside in map(list, _subsets(mates))
            ]
            values[i] = sum(marginals, Fraction(0)) / len(marginals)
    return values


def least_core_epsilon(worths: Sequence[Any]) -> Fraction:
    """The least ``e`` with an efficient allocation that gives every coalition ``v(S) - e``.

    By the Bondareva-Shapley duality, ``e`` is the greatest ``sum_S l_S v(S) - m v(N)`` over the
    weights ``l`` of total 1 on the proper coalitions that are balanced, ``sum_{S with i} l_S = m``
    for every player i. Every extreme point of those weights is tried (Maschler, Peleg, Shapley
    1979, section 2, for the least core).
    """
    n = _n_players(worths)
    gains = [Fraction(worth) - Fraction(worths[0]) for worth in worths]
    return max(
        sum((weight * gains[s] for s, weight in weights.items()), -m * gains[-1])
        for weights, m in _balanced_weights(n)
    )


@cache
def _balanced_weights(n: int) -> list[tuple[dict[int, Fraction], Fraction]]:
    """The extreme points of the balanced weights of total 1, by coalition, and their m."""
    found = []
    for support in combinations(range(1, 2**n - 1), n):
        # Unknowns: the weights and m; equations: one per player, and the total.
        rows = [
            [*(Fraction(s >> i & 1) for s in support), Fraction(-1), Fraction(0)] for i in range(n)
        ]
        rows.append([Fraction(1)] * n + [Fraction(0), Fraction(1)])
        solution = _solve(rows)
        if solution is not None and min(solution) >= 0:
            found.append((dict(zip(support, solution[:n], strict=True)), solution[n]))
    return found


def _tree_orders(tree: Tree) -> Iterator[tuple[int, ...]]:
    if isinstance(tree, int):
        yield (tree,)
        return
    for arranged in permutations(tree):
        for parts in product(*(list(_tree_orders(child)) for child in arranged)):
            yield tuple(player for part in parts for player in part)


def _average_over(worths: Sequence[Any], orders: Iterable[tuple[int, ...]]) -> list[Fraction]:
    values = [Fraction(0)] * _n_players(worths)
    count = 0
    for order in orders:
        count += 1
        present = 0
        for player in order:
            joined = present | 1 << player
            values[player] += Fraction(worths[joined]) - Fraction(worths[present])
            present = joined
    return [value / count for value in values]


def _n_players(worths: Sequence[Any]) -> int:
    return len(worths).bit_length() - 1


def _mask(players: Iterable[int]) -> int:
    return sum(1 << player for player in players)


def _subsets(items: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    for size in range(len(items) + 1):
        yield from combinations(items, size)


def _solve(augmented: list[list[Fraction]]) -> list[Fraction] | None:
    """The one solution of a square linear system (right-hand sides last), or None."""
    rows = [list(row) for row in augmented]
    n = len(rows)
    for column in range(n):
        pivot = next((r for r in range(column, n) if rows[r][column] != 0), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        lead = rows[column][column]
        rows[column] = [entry / lead for entry in rows[column]]
        for r in range(n):
            if r != column and rows[r][column] != 0:
                factor = rows[r][column]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[column], strict=True)]
    return [row[n] for row in rows]
