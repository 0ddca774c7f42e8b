"""The loss game against its definition, and its values against repeated data."""

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
import xgboost

import shapley_core as sc
from shapley_core.errors import BudgetError, InputError
from shapley_core.global_views.importance import LossGame, MaskedPredictions, loss_values


class Masked:
    """f averaged over background rows that stand in for unknown features, in plain numpy."""

    def __init__(self, f, X, background, player_names=None):
        self.f, self.X, self.background = f, X, background
        self.n_rows, self.n_players = X.shape
        self.player_names = player_names

    def __call__(self, coalitions, rows):
        known = coalitions[:, None, None, :]
        mixed = np.where(known, self.X[rows][None, :, None, :], self.background[None, None])
        outputs = self.f(mixed.reshape(-1, self.n_players))
        shape = (len(coalitions), len(rows), len(self.background), -1)
        return outputs.reshape(shape).mean(axis=2)


def f(X):
    return 2 * X[:, 0] - X[:, 1] + X[:, 0] * X[:, 2]


def probability(X):
    return 1 / (1 + np.exp(-f(X)))


def drawn(rng, n_rows, n_features=4, noise=0.3):
    X = rng.normal(size=(n_rows, n_features))
    return X, f(X) + noise * rng.normal(size=n_rows)


def literal(f, X, y, background, loss, weights=None):
    """v(S) for every S, coalition by coalition and row by row."""
    n = X.shape[1]
    weights = np.ones(len(X)) if weights is None else weights

    def mean_loss(known):
        total = 0.0
        for x, truth, weight in zip(X, y, weights, strict=True):
            rows = background.copy()
            rows[:, list(known)] = x[list(known)]
            total += weight * loss(truth, f(rows).mean(axis=0))
        return total / weights.sum()

    nothing = mean_loss(())
    return {
        known: nothing - mean_loss(known)
        for size in range(n + 1)
        for known in combinations(range(n), size)
    }


def shapley(worth, n):
    values = np.zeros(n)
    for i in range(n):
        for known in (s for s in worth if i not in s):
            share = factorial(len(known)) * factorial(n - len(known) - 1) / factorial(n)
            values[i] += share * (worth[tuple(sorted((*known, i)))] - worth[known])
    return values


def squared(y, prediction):
    return (y - prediction) ** 2


def log(y, p):
    return -np.log(p if y else 1 - p)


def hinge(y, predictions):
    return np.maximum(0, 1 - y * predictions)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ["squared", "log", hinge])
def test_the_game_is_the_literal_one(loss, weighted):
    rng = np.random.default_rng(0)
    X, y = drawn(rng, 13)
    background = rng.normal(size=(5, 4))
    model = probability if loss == "log" else f
    y = (y > 0).astype(int) if loss == "log" else y
    weights = rng.random(13) if weighted else None
    of_one = {"squared": squared, "log": log, hinge: hinge}[loss]
    worth = literal(model, X, y, background, of_one, weights)
    game = LossGame(Masked(model, X, background), y, loss, weights=weights)
    for known, wanted in worth.items():
        coalition = np.zeros((1, 4), bool)
        coalition[0, list(known)] = True
        assert game(coalition)[0] == pytest.approx(wanted, abs=1e-12)
    np.testing.assert_allclose(sc.exact(game).values, shapley(worth, 4), atol=1e-12)
    assert game(np.zeros((1, 4), bool))[0] == 0


def test_several_classes_and_outputs():
    rng = np.random.default_rng(1)
    X, _ = drawn(rng, 9)
    background = rng.normal(size=(6, 4))
    W = rng.normal(size=(4, 3))

    def scores(X):
        return X @ W

    def classes(X):
        e = np.exp(scores(X))
        return e / e.sum(axis=1, keepdims=True)

    label, truth = rng.integers(0, 3, 9), rng.normal(size=(9, 3))
    for model, y, loss, of_one in [
        (classes, label, "log", lambda y, p: -np.log(p[y])),
        (scores, truth, "squared", lambda y, p: ((y - p) ** 2).sum()),
    ]:
        worth = literal(model, X, y, background, of_one)
        found = sc.exact(LossGame(Masked(model, X, background), y, loss)).values
        np.testing.assert_allclose(found, shapley(worth, 4), atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_exact_values_with_standard_errors_over_rows(weighted):
    rng = np.random.default_rng(2)
    X, y = drawn(rng, 100)
    weights = rng.random(100) if weighted else None
    masked = Masked(f, X, rng.normal(size=(7, 4)), player_names=("a", "b", "c", "d"))
    whole = sc.exact(LossGame(masked, y, weights=weights), index="k-SII", order=2)
    found = loss_values(masked, y, weights=weights, index="k-SII", order=2, budget=16)
    np.testing.assert_allclose(found.values, whole.values, atol=1e-12)
    assert found.is_exact
    assert found.n_evaluations == 16
    assert found.player_names == ("a", "b", "c", "d")
    assert (found.index, found.order, found.baseline) == ("k-SII", 2, 0.0)


@pytest.mark.parametrize("budget", [16, 14])
def test_standard_errors_are_those_of_repeated_data(budget):
    """Of the rows, and of the coalitions where those are sampled."""
    rng = np.random.default_rng(3)
    background = rng.normal(size=(4, 4))
    found = []
    for seed in range(100):
        X, y = drawn(rng, 60, noise=1.0)
        masked = Masked(f, X, background)
        found.append(loss_values(masked, y, budget=budget, n_blocks=10, random_state=seed))
    values = np.array([one.values for one in found])
    errors = np.array([one.std_error for one in found])
    np.testing.assert_allclose(np.sqrt((errors**2).mean(axis=0)), values.std(axis=0), rtol=0.3)


def test_standard_errors_are_those_of_repeated_sampling():
    """All rows are the same, so that the coalitions alone make errors."""
    rng = np.random.default_rng(7)
    W = rng.normal(size=(9, 9))
    background = rng.normal(size=(1, 9))
    X = np.repeat(rng.normal(size=(1, 9)), 8, axis=0)
    masked = Masked(lambda X: np.tanh(X @ W).prod(axis=1) + X[:, 0], X, background)
    found = [
        loss_values(masked, np.zeros(8), budget=40, n_blocks=8, random_state=seed)
        for seed in range(60)
    ]
    values = np.array([one.values for one in found])
    errors = np.array([one.std_error for one in found])
    ratio = np.sqrt((errors**2).mean(axis=0)) / values.std(axis=0)
    assert (values.std(axis=0) > 1e-3 * np.abs(values).max()).all()
    np.testing.assert_allclose(ratio, 1, rtol=0.4)


def test_sampled_values_come_close_and_add_up():
    rng = np.random.default_rng(4)
    X, y = drawn(rng, 300, n_features=10)
    masked = Masked(f, X, rng.normal(size=(3, 10)))
    game = LossGame(masked, y)
    wanted = sc.exact(game)
    found = loss_values(masked, y, budget=100)
    assert not found.is_exact
    assert found.n_evaluations <= 100
    assert (np.abs(found.values - wanted.values) < 4 * found.std_error + 1e-12).all()
    assert found.values.sum() == pytest.approx(game(np.ones((1, 10), bool))[0])
    again = loss_values(masked, y, budget=100)
    np.testing.assert_array_equal(again.values, found.values)
    other = loss_values(masked, y, budget=100, random_state=1)
    assert (other.values != found.values).any()
    with pytest.raises(BudgetError):
        loss_values(masked, y, budget=3)


def test_rows_without_a_weight_are_not_asked_about():
    rng = np.random.default_rng(5)
    X, y = drawn(rng, 40)
    weights = np.repeat([1.0, 0.0], 20)
    background = rng.normal(size=(3, 4))
    half = loss_values(Masked(f, X[:20], background), y[:20], budget=16)
    X[20:] = np.nan
    found = loss_values(Masked(f, X, background), y, budget=16, weights=weights)
    np.testing.assert_allclose(found.values, half.values, atol=1e-12)


@pytest.mark.parametrize("kind", ["numpy", "pandas"])
@pytest.mark.parametrize("groups", [None, {"both": [0, 2]}])
def test_sage_of_tables(kind, groups):
    """The package's own masking gives the game that plain numpy gives."""
    rng = np.random.default_rng(8)
    X, y = drawn(rng, 50)
    background = rng.normal(size=(6, 4))
    names = ("a", "b", "c", "d") if kind == "pandas" else None
    tables = [pd.DataFrame(t, columns=names) if names else t for t in (X, background)]
    found = sc.sage(lambda T: f(np.asarray(T)), tables[0], y, tables[1], groups=groups, budget=16)
    game = LossGame(Masked(f, X, background), y)
    if groups:
        single = game
        game = sc.CallableGame(lambda S: single(S[:, [0, 1, 0, 2]]), 3)
        names = ("both", *(names or ("a", "feature 1", "c", "feature 3"))[1::2])
    np.testing.assert_allclose(found.values, sc.exact(game).values, atol=1e-10)
    assert found.player_names == names
    assert (found.std_error > 0).all()


def test_sage_of_a_classifier_finds_what_matters():
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(9)
    X = rng.normal(size=(400, 8))
    y = (X[:, 0] + 0.5 * X[:, 1] + 0.3 * rng.normal(size=400) > 0).astype(int)
    model = linear_model.LogisticRegression().fit(X, y)
    found = sc.sage(model, X, y, X[:20], loss="log", budget=60)
    assert not found.is_exact
    assert [one for one, _ in found.top(2)] == [(0,), (1,)]
    assert found.values[0] > 5 * found.std_error[0]
    gained = LossGame(MaskedPredictions(model, X, X[:20]), y, "log")(np.ones((1, 8), bool))[0]
    assert found.values.sum() == pytest.approx(gained)
    pairs = sc.sage(model, X[:40], y[:40], X[:5], loss="log", budget=60, index="SII", order=2)
    assert len(pairs.values) == 36


def test_sage_of_what_cannot_be_used():
    X, y = drawn(np.random.default_rng(0), 10)
    for match, given in [
        ("X has no rows", (X[:0], y[:0], X)),
        ("the background has no rows", (X, y, X[:0])),
        ("y has 9 entries", (X, y[:9], X)),
        ("X", (X[:, :3], y, X)),
    ]:
        with pytest.raises(InputError, match=match):
            sc.sage(f, *given, budget=16)


def test_sage_of_a_booster_says_what_to_give_instead():
    X, y = drawn(np.random.default_rng(0), 40)
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(X, y), 3)
    with pytest.raises(InputError, match=r"takes no table but a DMatrix: pass a function"):
        sc.sage(booster, X, y, X[:5])
    found = sc.sage(lambda X: booster.predict(xgboost.DMatrix(X)), X, y, X[:5])
    model = xgboost.XGBRegressor()
    model.load_model(booster.save_raw("json"))
    np.testing.assert_allclose(found.values, sc.sage(model, X, y, X[:5]).values, atol=1e-6)


def test_what_cannot_be_used():
    rng = np.random.default_rng(6)
    X, y = drawn(rng, 10)
    masked = Masked(f, X, X[:2])
    for match, given in [
        ("loss must be 'squared', 'log' or a function", (y, "hinge")),
        ("y has 9 entries; wanted 10", (y[:9],)),
        ("y holds NaN", ([np.nan] * 10,)),
        ("y has 2 numbers a row, but the model predicts 1", (np.zeros((10, 2)),)),
        ("takes probabilities", (y > 0, "log")),
        ("number of each row's class", (y, "log")),
        ("number of each row's class", (-np.arange(10), "log")),
        ("it returned shape", (y, lambda y, p: 0.0)),
        ("loss returned nan", (y, lambda y, p: p * np.nan)),
        ("what loss returns must be real", (y, lambda y, p: p.astype(str))),
        ("an entry for each row", (1.0,)),
        ("y has masked entries", (np.ma.masked_array(y, y > 0),)),
    ]:
        with pytest.raises(InputError, match=match):
            LossGame(masked, *given)
    with pytest.raises(InputError, match="holds class 2, but the model predicts"):
        LossGame(Masked(probability, X, X[:2]), np.arange(10) % 3, "log")
    with pytest.raises(InputError, match="n_blocks must be at least 2"):
        loss_values(masked, y, n_blocks=1)


def test_a_certain_and_wrong_prediction_costs_much_but_not_everything():
    X = np.array([[0.0], [1.0]])
    masked = Masked(lambda X: X[:, 0], X, X)
    game = LossGame(masked, [1, 0], "log")
    assert game(np.ones((1, 1), bool))[0] == pytest.approx(np.log(2**-52) + np.log(2))
