"""The tree proxy: its leaves read out, cross-fitting, and exactness."""

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import coalitions as sets
from shapley_core import indices
from shapley_core.errors import InputError
from shapley_core.estimators import TreeProxy, proxy
from shapley_core.estimators.base import Task

LIBRARIES = {"lightgbm": "lightgbm", "xgboost": "xgboost", "sklearn": "sklearn"}


@pytest.fixture(params=LIBRARIES)
def model(request):
    pytest.importorskip(LIBRARIES[request.param])
    return request.param


def california():
    return sc.ground_truth.load("global_importance/california_xgboost").game


@pytest.mark.parametrize(
    ("index", "order"), [("SV", 1), ("SII", 2), ("k-SII", 2), ("STII", 2), ("CHII", 2)]
)
def test_values_of_trees_are_those_of_their_table(index, order, model):
    n = 6
    inside = sets.all_coalitions(n)
    worths = np.random.default_rng(1).normal(size=1 << n)
    trees = TreeProxy(model, n_trees=7)._fitted(inside, worths, 0)
    task = Task(n, indices.get(index), order, 1 << n, 0)
    table = sc.TableGame(trees.predict(inside.astype(float)).reshape(-1))
    assert np.ptp(table.values) > 0.1
    true = sc.exact(table, index, order).values
    # XGBoost sums its leaves in single precision.
    np.testing.assert_allclose(proxy.values_of_trees(trees, task), true, rtol=0, atol=1e-6)


def test_exact_with_all_coalitions_whatever_the_trees(model):
    game = california()
    made = TreeProxy(model, n_trees=3)
    for index, order in (("SV", 1), ("k-SII", 2)):
        task = Task(8, indices.get(index), order, 256, 0)
        design = made._design(task)
        worths = game.values[design.words[:, 0].astype(np.int64)]
        found = made._solve(task, design, (worths - worths[0])[:, None])
        true = sc.exact(game, index, order).values
        np.testing.assert_allclose(found.values[0], true, rtol=0, atol=1e-10)


def test_unbiased_and_honest():
    pytest.importorskip("lightgbm")
    game = california()
    true = sc.exact(game).values
    found = [
        sc.estimate(game, 100, estimator=TreeProxy(n_trees=20), random_state=seed)
        for seed in range(25)
    ]
    values = np.array([one.values for one in found])
    deviation = values.std(axis=0, ddof=1) / 5
    assert (np.abs(values.mean(axis=0) - true) < 4 * deviation).all()
    inside = [np.abs(one.values - true) <= 2 * one.std_error for one in found]
    assert np.mean(inside) >= 0.9


@pytest.mark.parametrize(("index", "budget"), [("Moebius", 99), ("Co-Moebius", 99), ("STII", 42)])
def test_no_value_is_certain_that_hangs_on_coalitions_not_left_out(index, budget):
    pytest.importorskip("lightgbm")
    inside, made = [], TreeProxy(n_trees=20)
    for seed in range(4):
        game = sc.TableGame(np.random.default_rng(seed).normal(size=256))
        true = sc.exact(game, index, order=2)
        found = made.estimate(game, budget, index=index, order=2, random_state=seed)
        off = np.abs(found.values - true.values)
        assert (found.std_error[off > 1e-6] > 1e-3).all()
        inside.append(off <= 2 * found.std_error + 1e-9)
    assert np.mean(inside) >= 0.85


@pytest.mark.parametrize("budget", [200, 254])
def test_all_folds_err_alike_in_coalitions_that_none_has_seen(budget):
    pytest.importorskip("lightgbm")
    inside = sets.all_coalitions(8).astype(float)
    weights = np.random.default_rng(0).normal(size=(8, 4))
    game = sc.TableGame(np.tanh(inside @ weights - weights.sum(axis=0) / 2).sum(axis=1))
    true = sc.exact(game).values
    made = TreeProxy(n_trees=30)
    found = [made.estimate(game, budget, random_state=seed) for seed in range(8)]
    errors = np.array([one.values - true for one in found])
    told = np.array([one.std_error for one in found])
    assert (np.abs(errors) <= 2 * told).mean() >= 0.93
    assert 0.7 < np.sqrt((told**2).mean() / (errors**2).mean()) < 2.0


def test_a_constant_game_and_wrong_parameters():
    pytest.importorskip("lightgbm")
    game = sc.CallableGame(lambda c: np.full(len(c), 2.0), 30)
    np.testing.assert_array_equal(sc.estimate(game, 100, estimator="TreeProxy").values, 0)
    with pytest.raises(InputError, match="lightgbm, xgboost, sklearn; got 'forest'"):
        TreeProxy("forest")
    with pytest.raises(InputError, match="at least 2, not 1"):
        TreeProxy(n_folds=1)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"n_trees": 0}, InputError, "n_trees must be at least 1, not 0"),
        ({"n_trees": 2.5}, TypeError, "n_trees must be an integer"),
        ({"depth": 0}, InputError, "depth must be at least 1, not 0"),
        ({"depth": -1}, InputError, "depth must be at least 1, not -1"),
        ({"learning_rate": -1}, InputError, "more than 0 and at most 1, not -1"),
        ({"learning_rate": float("nan")}, InputError, "more than 0 and at most 1, not nan"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number, not str"),
    ],
)
def test_parameters_of_the_boosting(wrong, error, message):
    with pytest.raises(error, match=message):
        TreeProxy(**wrong)


def test_weights_of_many_players_do_not_overflow(model):
    # A pair of 600 players can stand for 1e179 others: the square of that is no float.
    worth = np.random.default_rng(2).normal(size=600)
    game = sc.CallableGame(lambda inside: inside @ worth, 600)
    found = TreeProxy(model, n_trees=2).estimate(game, 1300)
    assert np.mean(np.abs(found.values - worth) <= 2 * found.std_error) >= 0.9
