"""The games that trees define, word for word, and their Shapley values by enumeration.

Slow and readable: the oracle of the tests. Nothing of the engine is used, not even its routing.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from math import factorial, isnan, nan
from typing import Any

import numpy as np

# A number, or one for each output.
Worth = Any


def goes_left(ensemble: Any, node: int, value: float) -> bool:
    """Tell which way a value goes, from the public description of the node."""
    number = np.dtype(ensemble.input_dtype).type
    with np.errstate(over="ignore"):
        x, threshold = number(value), number(ensemble.threshold[node])
        missing = number(ensemble.missing)
    flags = int(ensemble.flags[node])
    default_left, zero_is_missing, categorical, set_goes_left, truncates = (
        bool(flags >> bit & 1) for bit in range(5)
    )
    if isnan(x) or x == missing:
        return default_left
    if categorical:
        first, last = ensemble.set_offsets[ensemble.set_number[node] :][:2]
        words = [int(word) for word in ensemble.set_words[first:last]]
        members = {64 * i + bit for i, w in enumerate(words) for bit in range(64) if w >> bit & 1}
        code = nan if x in (np.inf, -np.inf) else float(np.trunc(x))
        member = code in members and (x >= 0 or (truncates and x > -1))
        return member == set_goes_left
    if zero_is_missing and abs(x) <= float(np.float32(1e-35)):
        return default_left
    return bool(x < threshold if ensemble.comparison == "<" else x <= threshold)


def tree_worth(ensemble: Any, tree: int, row: Any, coalition: set[int]) -> dict[int, Fraction]:
    """Path-dependent worth of one tree: output to worth.

    A split on a feature of the coalition is followed; at any other both sides count, by cover.
    """
    root = int(ensemble.tree_offsets[tree])
    worth: dict[int, Fraction] = {}
    todo = [(root, Fraction(1))]
    while todo:
        node, share = todo.pop()
        feature = int(ensemble.feature[node])
        if feature == -1:
            for k, value in enumerate(ensemble.values[node]):
                output = int(ensemble.tree_outputs[tree]) + k
                worth[output] = worth.get(output, Fraction(0)) + share * Fraction(float(value))
            continue
        left, right = int(ensemble.left[node]), int(ensemble.right[node])
        if feature in coalition:
            todo.append((left if goes_left(ensemble, node, row[feature]) else right, share))
            continue
        total = Fraction(float(ensemble.cover[node]))
        covers = [Fraction(float(ensemble.cover[child])) for child in (left, right)]
        if total == 0 or covers == [0, 0]:
            total, covers = Fraction(2), [Fraction(1), Fraction(1)]
        todo.append((left, share * covers[0] / total))
        todo.append((right, share * covers[1] / total))
    return worth


def predict(ensemble: Any, row: Any) -> list[Fraction]:
    """Follow every split of every tree."""
    everyone = set(range(ensemble.n_features))
    return path_dependent(ensemble, row, everyone)


def path_dependent(ensemble: Any, row: Any, coalition: set[int]) -> list[Fraction]:
    """Worth of a coalition of features, for each output, without the model's base value."""
    worth = [Fraction(0)] * ensemble.n_outputs
    for tree in range(len(ensemble.tree_outputs)):
        for output, value in tree_worth(ensemble, tree, row, coalition).items():
            worth[output] += value
    return worth


def interventional(
    ensemble: Any, row: Any, background: Any, weights: Any, coalition: set[int]
) -> list[Fraction]:
    """Weighted mean prediction of the background rows with the coalition's features replaced."""
    total = sum(Fraction(float(w)) for w in weights)
    worth = [Fraction(0)] * ensemble.n_outputs
    for weight, other in zip(weights, background, strict=True):
        hybrid = [row[j] if j in coalition else other[j] for j in range(len(other))]
        for output, value in enumerate(predict(ensemble, hybrid)):
            worth[output] += Fraction(float(weight)) / total * value
    return worth


def shapley_values(
    worth: Callable[[set[int]], list[Fraction]], n_players: int
) -> list[list[Fraction]]:
    """Shapley values, player by output, from every marginal contribution."""
    players = range(n_players)
    of = {
        coalition: worth(set(coalition))
        for size in range(n_players + 1)
        for coalition in combinations(players, size)
    }
    values = []
    for player in players:
        total = [Fraction(0)] * len(of[()])
        for coalition in of:
            if player in coalition:
                continue
            size = len(coalition)
            share = Fraction(
                factorial(size) * factorial(n_players - size - 1), factorial(n_players)
            )
            joined = tuple(sorted((*coalition, player)))
            total = [
                t + share * (with_ - without)
                for t, with_, without in zip(total, of[joined], of[coalition], strict=True)
            ]
        values.append(total)
    return values
