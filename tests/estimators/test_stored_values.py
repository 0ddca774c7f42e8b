"""With all coalitions every estimator gives the values that are stored beside the games.

Its own formula at the complete design, without the short cut to the exact engine, and what the
caller gets for a budget of 2^n.
"""

from functools import cache

import numpy as np
import pytest

from shapley_core import estimators, ground_truth, indices
from shapley_core.estimators.base import Task
from shapley_core.game import as_table

ORDERS = {
    1: ("SV", "BV", "JointSV"),
    2: ("SII", "BII", "k-SII", "STII", "FSII", "FBII", "JointSV"),
}
# Kinds without an instance of ten players or fewer.
LARGER = ("data_valuation/breast_cancer_neighbours",)
# The cost of these grows with the cube of the coalitions, up to a second a game.
CUBIC = ("FourierRegression", "Auto", "GaussianProcess")
MAKE = {"TreeProxy": lambda: estimators.TreeProxy(n_trees=3, n_folds=2)}


@cache
def games(most=10):
    """Stored games by their number of players."""
    found = {}
    for name in ground_truth.names():
        one = ground_truth.load(name)
        if one.game.n_players <= most or name in LARGER:
            found.setdefault(one.game.n_players, []).append(one)
    return found


def test_every_kind_is_there():
    kinds = {one.kind for some in games().values() for one in some}
    assert kinds == {name.partition("/")[0] for name in ground_truth.names()}
    assert sum(map(len, games().values())) > 50


@cache
def worths_of(n):
    """Worths of all coalitions less that of the empty one, shape (2^n, n_games)."""
    tables = [as_table(one.game).values for one in games()[n]]
    return np.stack([table - table[0] for table in tables], axis=1)


@cache
def truths(n, index, order):
    """The stored values of each game; where none are stored, the engine's."""
    kept = [
        # Published values may be rounded; other tests hold the engine to them.
        (one.stored.get((index, order)) if one.kind != "published" else None)
        or one.true(index, order)
        for one in games()[n]
    ]
    return np.stack([one.values for one in kept])


def chosen(name, n, index):
    """Which games of n players: all, or where that takes long one of each kind, or fewer."""
    if n > 10 and name in CUBIC:
        return []
    some = list(range(len(games()[n])))
    if name not in CUBIC:
        return some
    by_kind = list({games()[n][at].kind: at for at in some}.values())
    if name == "GaussianProcess":
        return by_kind
    return by_kind[: 1 if name == "Auto" or index != "SV" else 2 if n > 8 else None]


def made(name):
    if name == "TreeProxy":
        pytest.importorskip("lightgbm")
    return MAKE.get(name, estimators.get(name))()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", estimators.names())
def test_the_formula_gives_the_stored_values(name, order):
    estimator = made(name)
    if not estimator.consistent:
        pytest.skip("draws with replacement")
    wanted = [index for index in ORDERS[order] if estimator.supports(index, order)]
    for n in games():
        for index in wanted:
            at = chosen(name, n, index)
            if order > n or not at:
                continue
            task = Task(n, indices.get(index), order, 1 << n, 5)
            design = estimator._design(task)
            assert len(design.words) == 1 << n
            worths = worths_of(n)[design.words[:, 0].astype(np.int64)][:, at]
            found = estimator._solve(task, design, worths).values
            true = truths(n, index, order)[at]
            scale = np.maximum(np.abs(true).max(axis=1), np.abs(worths).max(axis=0))
            off = np.abs(found - true).max(axis=1) / scale
            worst = int(off.argmax())
            assert off[worst] <= 1e-10, (games()[n][at[worst]].name, index, off[worst])


@pytest.mark.parametrize("name", estimators.names())
def test_a_budget_of_all_coalitions_gives_the_stored_values(name):
    estimator = made(name)
    for n, some in games().items():
        for order, names in ORDERS.items():
            index = next((one for one in names if estimator.supports(one, order)), None)
            if index is None or order > n:
                continue
            for one, true in zip(some, truths(n, index, order), strict=True):
                found = estimator.estimate(one.game, 1 << n, index=index, order=order)
                assert found.is_exact and found.n_evaluations == 1 << n
                scale = max(np.abs(true).max(), np.abs(as_table(one.game).values).max())
                np.testing.assert_allclose(found.values, true, rtol=0, atol=1e-10 * scale)
