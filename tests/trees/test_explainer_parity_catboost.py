"""Explanations of live CatBoost models against its own values and its predictions."""

import numpy as np
import pandas as pd
import pytest
from parity import assert_interventional, assert_path_dependent, rows_with_holes, targets

import shapley_core as sc
from shapley_core.reference import trees as literal

catboost = pytest.importorskip("catboost")
Regressor, Classifier = catboost.CatBoostRegressor, catboost.CatBoostClassifier
SMALL = {
    "iterations": 6,
    "depth": 3,
    "verbose": 0,
    "allow_writing_files": False,
    "random_seed": 0,
    "thread_count": 1,
}
X = rows_with_holes()
REAL, BINARY, CLASSES, POSITIVE = targets(X)
RAW = "RawFormulaVal"


def raw_of(model):
    return lambda rows: model.predict(rows, prediction_type=RAW)


def own(model, rows):
    """Return raw predictions (n, outputs), ShapValues (n, f, outputs) and biases (n, outputs)."""
    both = model.get_feature_importance(catboost.Pool(rows), type="ShapValues")
    both = np.moveaxis(both if both.ndim == 3 else both[:, None], 1, 2)
    raw = np.asarray(raw_of(model)(rows), float).reshape(len(rows), -1)
    return raw, both[:, :-1], both[:, -1]


@pytest.mark.parametrize(
    "kind, target, options",
    [
        (Regressor, REAL, {}),
        (Regressor, REAL, {"nan_mode": "Max", "depth": 5}),
        (Regressor, POSITIVE, {"loss_function": "Poisson"}),
        (Regressor, np.stack([REAL, POSITIVE], 1), {"loss_function": "MultiRMSE"}),
        (Classifier, BINARY, {}),
        (Classifier, CLASSES, {}),
        (Classifier, CLASSES, {"loss_function": "MultiClassOneVsAll", "nan_mode": "Max"}),
    ],
)
def test_symmetric_trees(kind, target, options):
    model = kind(**SMALL | options).fit(X, target, sample_weight=np.linspace(0.5, 2, len(X)))
    assert_path_dependent(model, X, own(model, X), 1e-12)
    assert_interventional(model, X, raw_of(model), 1e-12)


@pytest.mark.parametrize("policy", ["Depthwise", "Lossguide"])
@pytest.mark.parametrize("kind, target", [(Regressor, REAL), (Classifier, CLASSES)])
def test_other_trees(kind, target, policy):
    model = kind(grow_policy=policy, **SMALL).fit(X, target)
    assert_interventional(model, X, raw_of(model), 1e-12)
    # The library's own values of trees with leaves at several depths need not sum to its
    # prediction (version 1.2.10), so the definition itself is what is compared with.
    explainer = sc.TreeExplainer(model)
    explanation = explainer(X)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, raw_of(model)(X), rtol=0, atol=1e-12)
    for row, got in zip(X[:2], explanation.values, strict=False):
        worth = lambda s, row=row: literal.path_dependent(explainer.ensemble, row, s)  # noqa: E731
        wanted = [[float(v) for v in of] for of in literal.shapley_values(worth, X.shape[1])]
        np.testing.assert_allclose(got.reshape(X.shape[1], -1), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("policy", ["Depthwise", "Lossguide"])
def test_single_trees_have_the_librarys_own_values(policy):
    model = Regressor(grow_policy=policy, **SMALL | {"iterations": 1}).fit(X, REAL)
    assert_path_dependent(model, X, own(model, X), 1e-12)


def test_ranges():
    model = Regressor(**SMALL).fit(X, REAL)
    bias = model.get_scale_and_bias()[1]

    def predict(rows):
        # The library adds the bias with the first tree only.
        return model.predict(rows, ntree_start=2, ntree_end=5) + bias

    assert_interventional(model, X, predict, 1e-12, iteration_range=(2, 5))
    explanation = sc.TreeExplainer(model, iteration_range=(2, 5))(X)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, predict(X), rtol=0, atol=1e-12)


def test_names_of_columns():
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = Regressor(**SMALL).fit(frame, REAL)
    wanted = sc.TreeExplainer(model)(frame)
    assert wanted.feature_names == tuple("abcde")
    for table in (frame[list("edcba")], X):
        assert np.array_equal(sc.TreeExplainer(model)(table).values, wanted.values)


def test_categories(tmp_path):
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"size": X[:, 0], "city": rng.choice(list("abcd"), 200), "code": rng.integers(0, 4, 200)}
    )
    target = np.nan_to_num(X[:, 0]) + 2 * (frame["city"] == "a") + frame["code"] % 2
    pool = catboost.Pool(frame, target, cat_features=["city", "code"])
    model = Regressor(one_hot_max_size=9, **SMALL | {"iterations": 20}).fit(pool)
    model.save_model(str(tmp_path / "model.json"), format="json", pool=pool)
    explanation = sc.TreeExplainer(tmp_path / "model.json")(frame)
    both = model.get_feature_importance(pool, type="ShapValues")
    np.testing.assert_allclose(explanation.values, both[:, :-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(explanation.base_values, both[:, -1], rtol=0, atol=1e-12)
    background = frame[:6].reset_index(drop=True)
    got = sc.TreeExplainer(tmp_path / "model.json", background)(frame[:2]).values
    for row, values in zip(frame[:2].itertuples(index=False), got, strict=True):
        worth = []
        for number in range(8):
            known = {c: getattr(row, c) for i, c in enumerate(frame.columns) if number >> i & 1}
            worth.append(model.predict(background.assign(**known)).mean())
        for i in range(3):
            others = [n for n in range(8) if not n >> i & 1]
            weight = {0: 1 / 3, 1: 1 / 6, 2: 1 / 3}
            wanted = sum(weight[n.bit_count()] * (worth[n | 1 << i] - worth[n]) for n in others)
            assert abs(values[i] - wanted) < 1e-12
