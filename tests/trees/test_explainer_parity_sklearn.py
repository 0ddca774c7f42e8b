"""Explanations of live scikit-learn models against brute force over their own predictions."""

from itertools import product
from math import comb

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from parity import assert_interventional, rows_with_holes, targets
from scipy import sparse
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import shapley_core as sc
from shapley_core.errors import AdditivityError, InputError, UnsupportedModelError

HOLES = rows_with_holes()
X = np.nan_to_num(HOLES)
REAL, BINARY, CLASSES, POSITIVE = targets(X)
SMALL = {"n_estimators": 4, "random_state": 0}
HIST = {"max_iter": 4, "min_samples_leaf": 3, "early_stopping": False}
CODES = np.concatenate([X[:, :3], np.round(2 * X[:, 3:])], axis=1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threadpoolctl.threadpool_limits(1):
        yield


# What is explained, as the library itself says it.


def length(model):
    normal = 2 * (np.log(model.max_samples_ - 1) + np.euler_gamma)
    normal -= 2 * (model.max_samples_ - 1) / model.max_samples_
    return lambda rows: -np.log2(-model.score_samples(rows)) * normal


FORESTS = [
    (DecisionTreeRegressor(random_state=0), HOLES, REAL),
    (DecisionTreeClassifier(max_depth=5), HOLES, CLASSES),
    (RandomForestRegressor(**SMALL), X, REAL),
    (RandomForestRegressor(**SMALL), X, np.stack([REAL, POSITIVE], 1)),
    (RandomForestClassifier(class_weight="balanced", **SMALL), HOLES, CLASSES),
    (RandomForestClassifier(**SMALL), X, BINARY),
    (ExtraTreesRegressor(bootstrap=True, **SMALL), X, REAL),
]
BOOSTED = [
    (GradientBoostingRegressor(loss="huber", **SMALL), X, REAL),
    (GradientBoostingRegressor(init="zero", subsample=0.5, **SMALL), X, REAL),
    (GradientBoostingClassifier(**SMALL), X, CLASSES),
    (GradientBoostingClassifier(loss="exponential", **SMALL), X, BINARY),
]
HISTOGRAMS = [
    (HistGradientBoostingRegressor(**HIST), HOLES, REAL),
    (HistGradientBoostingRegressor(loss="poisson", **HIST), HOLES, POSITIVE),
    (HistGradientBoostingClassifier(**HIST), HOLES, CLASSES),
    (HistGradientBoostingRegressor(categorical_features=[3], **HIST), CODES, REAL),
    (HistGradientBoostingClassifier(categorical_features=[3, 1], **HIST),
     np.concatenate([CODES[:, :1], CODES[:, 3:4], HOLES[:, 2:3], CODES[:, 3:]], 1), CLASSES),
]  # fmt: skip


def ids(case):
    return type(case).__name__ if hasattr(case, "fit") else ""


def output_of(model):
    if isinstance(model, IsolationForest):
        return length(model)
    if getattr(model, "loss", None) == "poisson":
        return lambda rows: np.log(model.predict(rows))
    for name in ("decision_function", "predict_proba", "predict"):
        if hasattr(model, name):
            return getattr(model, name)
    raise AssertionError


def parts(model, row):
    """Each tree as the library holds it, with the way that the row goes at each node.

    Yields left, right, feature, covers, values (n_nodes, n_outputs), whether the row goes left.
    """
    if hasattr(model, "_predictors"):
        order, encoded = np.arange(len(row)), row
        if model.is_categorical_ is not None:
            order = np.argsort(~model.is_categorical_, kind="stable")
            encoded = model._preprocessor.transform(row[None])[0]
        for predictors in model._predictors:
            for k, predictor in enumerate(predictors):
                nodes = predictor.nodes
                values = np.zeros((len(nodes), len(predictors)))
                values[:, k] = nodes["value"]
                left = np.where(nodes["is_leaf"], -1, nodes["left"].astype(int))
                x = encoded[nodes["feature_idx"]]
                goes_left = x <= nodes["num_threshold"]
                for node in np.flatnonzero(nodes["is_categorical"] & ~np.isnan(x)):
                    words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
                    code = int(x[node])
                    goes_left[node] = int(words[code // 32]) >> code % 32 & 1
                goes_left = np.where(np.isnan(x), nodes["missing_go_to_left"] != 0, goes_left)
                yield (left, nodes["right"], order[nodes["feature_idx"]], nodes["count"],
                       values, goes_left)  # fmt: skip
        return
    members = np.array(getattr(model, "estimators_", [model]))
    members = members.reshape(-1, getattr(model, "n_trees_per_iteration_", 1))
    for several in members:
        for k, member in enumerate(several):
            tree = member.tree_
            values = np.zeros((tree.node_count, len(several)))
            if hasattr(model, "learning_rate"):
                values[:, k] = tree.value[:, 0, 0] * model.learning_rate
            elif hasattr(model, "n_classes_"):
                values = tree.value[:, 0] / len(members)
            else:
                values = tree.value[:, :, 0] / len(members)
            x = np.float32(row)[tree.feature]
            goes_left = np.where(np.isnan(x), tree.missing_go_to_left != 0, x <= tree.threshold)
            cover = tree.weighted_n_node_samples
            yield tree.children_left, tree.children_right, tree.feature, cover, values, goes_left


def path_dependent(model, row):
    """Shapley values (f, outputs), and the worth of nothing, by enumeration."""
    n_features = len(row)
    coalitions = np.array(list(product([False, True], repeat=n_features)))
    worth = 0.0
    for left, right, feature, cover, values, goes_left in parts(model, row):
        for number, known in enumerate(coalitions):
            todo, total = [(0, 1.0)], 0.0
            while todo:
                node, share = todo.pop()
                if left[node] == -1:
                    total = total + share * values[node]
                elif known[feature[node]]:
                    todo.append((left[node] if goes_left[node] else right[node], share))
                else:
                    for child in (left[node], right[node]):
                        todo.append((child, share * cover[child] / cover[node]))
            part = np.zeros((len(coalitions), values.shape[1]))
            part[number] = total
            worth = worth + part
    size = coalitions.sum(axis=1)
    found = np.empty((n_features, worth.shape[1]))
    for j in range(n_features):
        without = np.flatnonzero(~coalitions[:, j])
        weight = [1 / (n_features * comb(n_features - 1, s)) for s in size[without]]
        found[j] = weight @ (worth[without + (1 << (n_features - 1 - j))] - worth[without])
    return found, worth[0]


@pytest.mark.parametrize("model, rows, target", [*FORESTS, *BOOSTED, *HISTOGRAMS], ids=ids)
def test_path_dependent_values_by_enumeration(model, rows, target):
    model.set_params(max_depth=4).fit(rows, target)
    explainer = sc.TreeExplainer(model)
    explanation = explainer(rows[:3])
    base = explainer.ensemble.base
    for row, got in zip(rows, explanation.values.reshape(3, rows.shape[1], -1), strict=False):
        wanted, empty = path_dependent(model, row)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
        np.testing.assert_allclose(explainer.expected_value, base + empty, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "model, rows, target",
    [*FORESTS, *BOOSTED, *HISTOGRAMS, (IsolationForest(**SMALL), X, None)],
    ids=ids,
)
def test_interventional_values_by_enumeration(model, rows, target):
    model.fit(rows, target)
    assert_interventional(model, rows, output_of(model), 1e-12)


def test_isolation_forests_of_fewer_features():
    model = IsolationForest(max_features=0.6, **SMALL).fit(X)
    assert_interventional(model, X, length(model), 1e-12)
    explainer = sc.TreeExplainer(model)
    explanation = explainer(X)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, length(model)(X), rtol=0, atol=1e-12)
    # Short paths are anomalous: the row furthest out has the shortest mean.
    assert total.argmin() == model.score_samples(X).argmin()


def test_rounds():
    boosted = GradientBoostingRegressor(**SMALL).fit(X, REAL)
    stages = list(boosted.staged_predict(X))
    explanation = sc.TreeExplainer(boosted, iteration_range=(0, 2))(X)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, stages[1], rtol=0, atol=1e-13)
    middle = sc.TreeExplainer(boosted, X[:9], iteration_range=(1, 3))(X)
    total = middle.values.sum(axis=1) + middle.base_values
    start = boosted.init_.predict(X)
    np.testing.assert_allclose(total, stages[2] - stages[0] + start, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", [RandomForestRegressor, HistGradientBoostingRegressor])
def test_tables_give_the_same_values(kind):
    frame = pd.DataFrame(X, columns=list("abcde")).round(2)
    model = kind(**(SMALL if kind is RandomForestRegressor else HIST)).fit(frame, REAL)
    rows = frame.to_numpy()
    wanted = sc.TreeExplainer(model)(rows)
    assert wanted.feature_names == tuple("abcde")
    categorical = frame.assign(b=frame["b"].astype("category"))
    tables = [frame, frame[list("edcba")], categorical, sparse.csr_matrix(rows), rows.tolist()]
    for table in tables:
        assert np.array_equal(sc.TreeExplainer(model)(table).values, wanted.values)
    background = sc.TreeExplainer(model, frame)(frame).values
    assert np.array_equal(sc.TreeExplainer(model, rows)(rows).values, background)


def test_labels_of_categories():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=300),
            "city": pd.Categorical(rng.choice(list("abcd"), 300), categories=list("cabd")),
            "code": pd.Categorical(rng.choice([30, 10, 20], 300)),
        }
    )
    frame.loc[::17, "city"] = np.nan
    target = frame["size"] + 2 * (frame["city"] == "a") + frame["code"].astype(int) / 10
    model = HistGradientBoostingRegressor(categorical_features="from_dtype", **HIST)
    model.fit(frame, target)
    for background in (None, frame[:40]):
        explainer = sc.TreeExplainer(model, background)
        wanted = explainer(frame)
        total = wanted.values.sum(axis=1) + wanted.base_values
        np.testing.assert_allclose(total, model.predict(frame), rtol=0, atol=1e-12)
        again = frame.assign(city=frame["city"].cat.set_categories(list("dbac")))
        for same in (again, again[["code", "size", "city"]], frame.astype({"code": float}),
                     frame.astype({"city": object})):  # fmt: skip
            assert np.array_equal(explainer(same).values, wanted.values)


def test_rows_that_the_model_refuses_are_refused_in_every_mode():
    model = GradientBoostingRegressor(**SMALL).fit(X, REAL)
    for explainer in (sc.TreeExplainer(model), sc.TreeExplainer(model, X)):
        for check in ("model", "trees", None):
            with pytest.raises(InputError, match=r"missing values.*refuses"):
                explainer(HOLES, check=check)
    with pytest.raises(InputError, match=r"missing values.*refuses"):
        sc.TreeExplainer(model, HOLES)
    with pytest.raises(InputError, match="infinite in float32"):
        sc.TreeExplainer(model, X * 1e40)


def test_a_model_that_changed_is_noticed():
    model = RandomForestRegressor(**SMALL).fit(X, REAL)
    explainer = sc.TreeExplainer(model)
    explainer(X)
    model.estimators_[2].tree_.value[:] += 1e-9
    with pytest.raises(AdditivityError):
        explainer(X)


def test_other_starts_are_refused_in_both_games():
    model = GradientBoostingRegressor(init=DecisionTreeRegressor(max_depth=2), **SMALL)
    model.fit(X, REAL)
    for background in (None, X):
        with pytest.raises(UnsupportedModelError, match="depends on the row"):
            sc.TreeExplainer(model, background)


def test_explained_as_any_function():
    for model, target in (
        (RandomForestClassifier(**SMALL), CLASSES),
        (HistGradientBoostingClassifier(**HIST), CLASSES),
        (GradientBoostingRegressor(**SMALL), REAL),
    ):
        model.fit(X, target)
        by_trees = sc.TreeExplainer(model, X[:9])(X[:3]).values
        asked = sc.TabularExplainer(output_of(model), X[:9])(X[:3], budget=32).values
        np.testing.assert_allclose(asked, by_trees, rtol=0, atol=1e-12)
        assert np.array_equal(sc.TabularExplainer(model, X[:9])(X[:3]).values, by_trees)


def test_a_link_over_categories():
    frame = pd.DataFrame(
        {"size": X[:, 0], "code": pd.Categorical(5 + 2 * np.digitize(X[:, 1], [0]))}
    )
    model = HistGradientBoostingRegressor(categorical_features="from_dtype", **HIST)
    model.fit(frame, X[:, 0] + 3 * (frame["code"] == 5).to_numpy())
    by_trees = sc.TabularExplainer(model, frame[:9], link=np.exp)(frame[:3], budget=4)
    asked = sc.TabularExplainer(model.predict, frame[:9], link=np.exp)(frame[:3], budget=4)
    np.testing.assert_allclose(by_trees.values, asked.values, rtol=0, atol=1e-12)
    assert np.abs(asked.values[:, 1]).max() > 0.5
