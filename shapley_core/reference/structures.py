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

from .indices import n_players, position, solve, subsets

Tree = Any  # a player, or a list of trees


def owen(worths: Sequence[Any], unions: Sequence[Sequence[int]]) -> list[Fraction]:
    """Average marginal contribution over the orders that keep every union together.

    Owen (1977), Values of games with a priori unions.
    """
    return _average_over(worths, _tree_orders([list(union) for union in unions]))


def winter(worths: Sequence[Any], tree: Tree) -> list[Fraction]:
    """Average marginal contribution over the orders that keep every block of the tree together.

    Winter (1989), A value for cooperative games with levels structure of cooperation.
    """
    return _average_over(worths, _tree_orders(tree))


def asymmetric_shapley(
    worths: Sequence[Any], precedence: Iterable[tuple[int, int]]
) -> list[Fraction]:
    """Average marginal contribution over the orders in which each pair's first comes first.

    Frye, Rowat, Feige (2020), Asymmetric Shapley values, with the uniform distribution over the
    orders consistent with the precedence.
    """
    pairs = list(precedence)
    n = n_players(worths)
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
    values = [Fraction(0)] * n_players(worths)
    for k, own in enumerate(unions):
        others = [j for j in range(len(unions)) if j != k]
        for i in own:
            mates = [j for j in own if j != i]
            marginals = [
                Fraction(worths[position([*outside, *inside, i])])
                - Fraction(worths[position([*outside, *inside])])
                for outside in (
                    [p for j in chosen for p in unions[j]] for chosen in subsets(others)
                )
                for inside in subsets(mates)
            ]
            values[i] = sum(marginals, Fraction(0)) / len(marginals)
    return values


def least_core_epsilon(worths: Sequence[Any]) -> Fraction:
    """The least ``e`` with an efficient allocation that gives every coalition ``v(S) - e``.

    By the Bondareva-Shapley duality, ``e`` is the greatest ``sum_S l_S v(S) - m v(N)`` over the
    weights ``l`` of total 1 on the proper coalitions that are balanced, ``sum_{S with i} l_S = m``
    for every player i. Every extreme point of those weights is tried. The least core is that of
    Maschler, Peleg, Shapley (1979).
    """
    n = n_players(worths)
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
        matrix = [[*(Fraction(s >> i & 1) for s in support), Fraction(-1)] for i in range(n)]
        matrix.append([Fraction(1)] * n + [Fraction(0)])
        try:
            *weights, m = solve(matrix, [Fraction(0)] * n + [Fraction(1)])
        except StopIteration:  # no pivot: not one solution
            continue
        if min(weights) >= 0:
            found.append((dict(zip(support, weights, strict=True)), m))
    return found


def _tree_orders(tree: Tree) -> Iterator[tuple[int, ...]]:
    if isinstance(tree, int):
        yield (tree,)
        return
    for arranged in permutations(tree):
        for parts in product(*(list(_tree_orders(child)) for child in arranged)):
            yield tuple(player for part in parts for player in part)


def _average_over(worths: Sequence[Any], orders: Iterable[tuple[int, ...]]) -> list[Fraction]:
    values = [Fraction(0)] * n_players(worths)
    count = 0
    for order in orders:
        count += 1
        present = 0
        for player in order:
            joined = present | 1 << player
            values[player] += Fraction(worths[joined]) - Fraction(worths[present])
            present = joined
    return [value / count for value in values]
