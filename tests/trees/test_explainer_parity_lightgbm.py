"""Explanations of live LightGBM models against the library's own values and predictions."""

import lightgbm
import numpy as np
import pandas as pd
import pytest
from parity import assert_interventional, assert_path_dependent, rows_with_holes, targets
from parity import lightgbm_own as own
from scipy import sparse

import shapley_core as sc
from shapley_core.errors import UnsupportedModelError

TOLERANCE = 1e-11
X = rows_with_holes()
REAL, BINARY, CLASSES, POSITIVE = targets(X)
PARAMETERS = {
    "verbose": -1,
    "num_threads": 1,
    "min_data_in_leaf": 3,
    "num_leaves": 10,
    "cat_smooth": 0.1,
    "min_data_per_group": 2,
}
SKLEARN = {"verbose": -1, "n_jobs": 1, "min_child_samples": 3}
RF = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
DART = {"boosting": "dart", "drop_rate": 0.5}
THREE = {"objective": "multiclass", "num_class": 3}


def train(y, n_rounds=6, X=X, categorical="auto", **parameters):
    parameters = PARAMETERS | parameters
    data = lightgbm.Dataset(X, y, categorical_feature=categorical, params=parameters)
    return lightgbm.train(parameters, data, n_rounds)


def both_games(model, X=X, rounds=None, mean=False, tolerance=TOLERANCE):
    options = {} if rounds is None else {"iteration_range": rounds}

    def predict(rows):
        booster = getattr(model, "booster_", model)
        limits = {} if rounds is None else {"num_iteration": rounds[1] - rounds[0]}
        start = 0 if rounds is None else rounds[0]
        raw = booster.predict(rows, raw_score=True, start_iteration=start, **limits)
        n_rounds = booster.current_iteration() if rounds is None else limits["num_iteration"]
        return raw / n_rounds if mean else raw

    assert_interventional(model, X, predict, tolerance, **options)
    theirs = own(model, X, rounds, mean)
    return assert_path_dependent(model, X, theirs, tolerance, **options)


@pytest.mark.parametrize(
    "y, parameters",
    [
        (REAL, {}),
        (REAL, {"objective": "regression_l1"}),
        (REAL, {"reg_sqrt": True}),
        (BINARY, {"objective": "binary", "sigmoid": 3.0}),
        (BINARY, {"objective": "cross_entropy"}),
        (CLASSES, THREE),
        (CLASSES, {**THREE, "objective": "multiclassova"}),
        (CLASSES, {**THREE, **DART}),
        (CLASSES % 2, {**THREE, "num_class": 4}),
        (REAL, DART),
        (REAL, {"data_sample_strategy": "goss"}),
        (POSITIVE, {"objective": "poisson"}),
        (POSITIVE, {"objective": "gamma"}),
        (POSITIVE, {"objective": "tweedie"}),
        (REAL, {"objective": "quantile", "alpha": 0.9}),
        (REAL, {"num_leaves": 2}),
        (REAL, {"min_gain_to_split": 1e9}),
        (np.full(len(X), 0.3), {}),
        (1e10 * REAL, {}),
        (1e-8 * REAL, {}),
    ],
    ids=lambda given: str(given)[:60] if isinstance(given, dict) else "",
)
def test_objectives_and_boosting(y, parameters):
    both_games(train(y, **parameters))


@pytest.mark.parametrize("y, parameters", [(REAL, {}), (CLASSES, THREE)])
def test_random_forests_are_the_mean_that_predict_returns(y, parameters):
    model = train(y, **RF, **parameters)
    explanation = both_games(model, mean=True)
    total = explanation.values.sum(axis=1) + explanation.base_values
    if not parameters:
        np.testing.assert_allclose(total, model.predict(X), rtol=0, atol=1e-12)
    both_games(model, rounds=(2, 5), mean=True)


@pytest.mark.parametrize("name", ["LGBMRegressor", "LGBMClassifier", "LGBMRanker"])
def test_estimators(name):
    model = getattr(lightgbm, name)(n_estimators=5, **SKLEARN)
    model.fit(X, CLASSES, **({"group": [80, 120]} if name == "LGBMRanker" else {}))
    explanation = both_games(model)
    if name == "LGBMClassifier":
        assert explanation.output_names == ("0", "1", "2")
        assert both_games(model.booster_).values.shape == (*X.shape, 3)


@pytest.mark.parametrize("keep", [True, False])
def test_early_stopping(keep):
    noise = lightgbm.Dataset(X[150:], np.random.default_rng(1).normal(size=50))
    model = lightgbm.train(
        PARAMETERS,
        lightgbm.Dataset(X[:150], REAL[:150]),
        60,
        valid_sets=[noise],
        callbacks=[lightgbm.early_stopping(2, verbose=False)],
        keep_training_booster=keep,
    )
    assert model.best_iteration < 60
    explanation = assert_path_dependent(model, X, own(model, X), TOLERANCE)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model.predict(X), atol=1e-12)
    assert_interventional(model, X, model.predict, TOLERANCE)


def test_iteration_range():
    both_games(train(CLASSES, **THREE), rounds=(2, 5))
    both_games(train(REAL), rounds=(0, 3))


@pytest.mark.parametrize("use_missing", [True, False])
@pytest.mark.parametrize("zero_as_missing", [True, False])
def test_missing_zero_and_sparse_rows(use_missing, zero_as_missing):
    rng = np.random.default_rng(2)
    zeros = np.where(rng.random(X.shape) < 0.3, 0.0, X)
    edges = [0.0, -0.0, 1e-35, -1e-35, 1e-36, 1e-34, np.nan, np.inf, -np.inf, 1e300]
    rows = np.concatenate([rng.choice(edges, (60, X.shape[1])), zeros])
    missing = {"use_missing": use_missing, "zero_as_missing": zero_as_missing}
    both_games(train(REAL, X=zeros, **missing), rows)
    csr = sparse.csr_matrix(np.nan_to_num(zeros))
    model = train(REAL, X=csr, **missing)
    csr.data[:20] = 0.0
    wanted = assert_path_dependent(model, csr, own(model, csr), TOLERANCE).values
    for same in (csr.toarray(), csr.tocsc(), csr.tocoo(), sparse.csr_array(csr)):
        assert np.array_equal(sc.TreeExplainer(model)(same).values, wanted)
    background = sc.TreeExplainer(model, csr)(csr).values
    assert np.array_equal(sc.TreeExplainer(model, csr.toarray())(csr.toarray()).values, background)


@pytest.mark.parametrize("one_hot", [1, 100])
def test_labels_of_pandas_categories(one_hot, tmp_path):
    rng = np.random.default_rng(4)
    cities = pd.Categorical(rng.choice(list("abcd"), 300), categories=list("cabd"))
    streets = pd.Categorical(rng.choice([f"s{k:02d}" for k in range(80)], 300))
    frame = pd.DataFrame({"size": rng.normal(size=300), "city": cities, "street": streets})
    frame.loc[::17, "city"] = np.nan
    y = frame["size"] + 2 * (frame["city"] == "a") + frame["street"].cat.codes % 7
    model = train(y, X=frame, max_cat_to_onehot=one_hot)
    wanted = assert_path_dependent(model, frame, own(model, frame), TOLERANCE).values
    again = frame.assign(
        city=frame["city"].cat.set_categories(list("dbac")),
        street=frame["street"].cat.set_categories(streets.categories[::-1]),
    )
    assert_path_dependent(model, again, own(model, again), TOLERANCE)
    model.save_model(tmp_path / "model.txt")
    for same in (again, again[["street", "size", "city"]]):
        for source in (model, tmp_path / "model.txt"):
            assert np.array_equal(sc.TreeExplainer(source)(same).values, wanted)
    unseen = frame.assign(city=frame["city"].cat.add_categories(["new"]))
    unseen.loc[:30, "city"] = "new"
    assert_path_dependent(model, unseen, own(model, unseen), TOLERANCE)
    interventional = sc.TreeExplainer(model, again[:40])(frame[:20]).values
    assert np.array_equal(sc.TreeExplainer(model, frame[:40])(again[:20]).values, interventional)


def test_codes_of_categories():
    rng = np.random.default_rng(5)
    rows = np.stack([rng.normal(size=300), rng.integers(0, 250, 300), rng.integers(0, 8, 300)], 1)
    model = train(rows[:, 0] + rows[:, 1] % 5 + rows[:, 2], X=rows, categorical=[1, 2])
    both_games(model, rows)
    odd = [3.7, -1, -0.5, np.nan, 400, 3e9, 1e300, 0, 249.9, np.inf]
    rows[:100, 1:] = rng.choice(odd, (100, 2))
    both_games(model, rows)


def test_features_that_float32_would_round():
    rng = np.random.default_rng(6)
    steps = 1e6 + 0.01 * rng.integers(0, 300, (300, 2))
    model = train(steps.sum(axis=1) - 2e6, X=steps)
    both_games(model, steps)
    assert_path_dependent(model, steps.astype("f4"), own(model, steps.astype("f4")), TOLERANCE)
    times = 1_700_000_000_000 + rng.integers(0, 10**7, (300, 2))
    model = train(times[:, 0] / 1e6 - 1.7e6, X=times.astype(float))
    both_games(model, times.astype(float))
    frame = pd.DataFrame(times)
    exact = assert_path_dependent(model, frame, own(model, frame), TOLERANCE)
    # Arrays of whole numbers, unlike frames, the library rounds to float32.
    rounded = both_games(model, times)
    assert not np.array_equal(rounded.values, exact.values)


def test_models_that_were_changed_after_training():
    model = train(REAL)
    both_games(lightgbm.train(PARAMETERS, lightgbm.Dataset(X, REAL), 4, init_model=model))
    refitted = model.refit(X[:20], REAL[:20], decay_rate=0.1)
    assert_path_dependent(refitted, X, own(refitted, X), TOLERANCE)
    both_games(model.set_leaf_output(0, 0, 1e10))
    both_games(train(REAL).rollback_one_iter())


def test_linear_leaves_are_refused_in_both_games():
    model = train(REAL, X=np.nan_to_num(X), linear_tree=True)
    for background in (None, X):
        with pytest.raises(UnsupportedModelError, match="linear"):
            sc.TreeExplainer(model, background)
