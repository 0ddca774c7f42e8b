"""Interactions of tree models beside other libraries' own, and through the command line."""

import numpy as np
import pandas as pd
import pytest

from shapley_core import cli
from shapley_core.explainers import TreeExplainer

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")


def table(rng, n_rows=300):
    X = rng.normal(size=(n_rows, 6)).astype(np.float32).astype(np.float64)
    X[rng.random(X.shape) < 0.1] = np.nan
    y = np.nan_to_num(X[:, 0]) * np.nan_to_num(X[:, 1]) + np.nan_to_num(X[:, 2]) ** 2
    return X, y


@pytest.fixture(scope="module")
def booster():
    X, y = table(np.random.default_rng(0))
    return xgboost.train({"max_depth": 5, "nthread": 1}, xgboost.DMatrix(X, y), 20), X


def test_pairs_are_those_of_xgboost(booster):
    model, X = booster
    explanation = TreeExplainer(model)(X, index="SII", order=2)
    theirs = model.predict(xgboost.DMatrix(X), pred_interactions=True)
    largest = np.abs(theirs).max()
    assert np.abs(explanation.to_array(2) - theirs[:, :-1, :-1]).max() < 1e-5 * largest
    assert np.abs(explanation.base_values - theirs[:, -1, -1]).max() < 1e-5


def test_pairs_of_several_classes_are_those_of_xgboost():
    rng = np.random.default_rng(1)
    X, y = table(rng)
    settings = {"max_depth": 4, "objective": "multi:softprob", "num_class": 3, "nthread": 1}
    labels = np.digitize(y, [0.3, 1.5])
    model = xgboost.train(settings, xgboost.DMatrix(X, labels), 5)
    explanation = TreeExplainer(model)(X, index="k-SII", order=2)
    theirs = model.predict(xgboost.DMatrix(X), pred_interactions=True)
    assert explanation.values.shape == (300, len(explanation.interactions), 3)
    ours = np.moveaxis(explanation.to_array(2), -1, 1)
    assert np.abs(ours - theirs[:, :, :-1, :-1]).max() < 1e-5


def test_pairs_sum_to_the_contributions_of_lightgbm():
    X, y = table(np.random.default_rng(2))
    settings = {"num_leaves": 31, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    model = lightgbm.train(settings, lightgbm.Dataset(X, y), 20)
    theirs = model.predict(X, pred_contrib=True)
    explainer = TreeExplainer(model)
    for index in ("SII", "k-SII"):
        pairs = explainer(X, index=index, order=2).to_array(2)
        np.testing.assert_allclose(pairs.sum(axis=2), theirs[:, :-1], rtol=0, atol=1e-10)
    faithful = explainer(X, index="FSII", order=3)
    shares = np.zeros((len(X), 6))
    for column, players in enumerate(faithful.interactions):
        for player in players:
            shares[:, player] += faithful.values[:, column] / len(players)
    np.testing.assert_allclose(shares, theirs[:, :-1], rtol=0, atol=1e-10)


def test_values_are_those_of_shapiq(booster):
    tree = pytest.importorskip("shapiq.tree")
    model, X = booster
    theirs = tree.TreeExplainer(model, max_order=2, index="SII", min_order=1)
    ours = TreeExplainer(model)(np.nan_to_num(X[:5]), index="SII", order=2)
    for row in range(5):
        found = theirs.explain(np.nan_to_num(X[row]))
        for players, place in found.interaction_lookup.items():
            if players:
                assert abs(ours[row][players] - found.values[place]) < 1e-5


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("index, order", [("SII", 2), ("WBII(0.25)", 2), ("BV", 1), ("JointSV", 2)])
def test_command_line(booster, tmp_path, capsys, ending, index, order):
    model, X = booster
    model.save_model(tmp_path / "model.json")
    data, out = tmp_path / "rows.csv", tmp_path / f"values.{ending}"
    pd.DataFrame(X[:20], columns=list("abcdef")).to_csv(data, index=False)
    arguments = ["explain", tmp_path / "model.json", data, "-o", out]
    asked = ["--index", index, "--order", order]
    assert cli.main([str(part) for part in [*arguments, *asked]]) == 0
    assert capsys.readouterr() == ("", "")
    # CSV by way of text, which every version of pandas makes the nearest number of.
    csv = ending == "csv"
    written = pd.read_csv(out, dtype=str).astype(float) if csv else pd.read_parquet(out)
    expected = TreeExplainer(model)(X[:20], index=index, order=order)
    np.testing.assert_array_equal(written.iloc[:, :-1], expected.values)
    assert written.columns[-1] == "base_value"
    if order == 2:
        assert written.columns[6] == "a, b"
    assert cli.main([str(part) for part in [*arguments, "--index", "SV", "--order", 2]]) == 2
    assert "order 1 only" in capsys.readouterr().err
