"""Explanations of live XGBoost models against the library's own values and predictions."""

import json

import numpy as np
import pandas as pd
import pytest
import xgboost
from parity import assert_interventional, assert_path_dependent, rows_with_holes, targets
from parity import xgboost_own as own
from scipy import sparse

import shapley_core as sc
from shapley_core.errors import InputError, UnsupportedModelError

VERSION = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
# Sums of float32 leaves beside float64 ones.
FLOAT32 = 2e-5
X = rows_with_holes()
REAL, BINARY, CLASSES, POSITIVE = targets(X)


def train(y, n_rounds=6, X=X, base_margin=None, **parameters):
    data = xgboost.DMatrix(X, y, base_margin=base_margin)
    return xgboost.train({"max_depth": 4, "nthread": 1, **parameters}, data, n_rounds)


def margins(model, missing=np.nan, rounds=(0, 0)):
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    return lambda rows: booster.predict(
        xgboost.DMatrix(rows, missing=missing), output_margin=True, iteration_range=rounds
    )


def both_games(model, X=X, tolerance=FLOAT32):
    assert_interventional(model, X, margins(model), tolerance)
    return assert_path_dependent(model, X, own(model, X), tolerance)


THREE = {"objective": "multi:softprob", "num_class": 3}
DART = {"booster": "dart", "rate_drop": 0.5}
# The newest version warns of the name, not of the method.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated")


@pytest.mark.parametrize(
    "y, parameters",
    [
        (REAL, {}),
        (REAL, {"objective": "reg:absoluteerror"}),
        (BINARY, {"objective": "binary:logistic"}),
        (BINARY, {"objective": "binary:logitraw", "scale_pos_weight": 3}),
        (BINARY, {"objective": "rank:pairwise"}),
        (CLASSES, THREE),
        (CLASSES, {**THREE, "num_parallel_tree": 3, "subsample": 0.5}),
        (CLASSES, {**THREE, **DART}),
        (REAL, DART),
        (REAL, {"num_parallel_tree": 4, "subsample": 0.5}),
        (POSITIVE, {"objective": "count:poisson"}),
        (POSITIVE, {"objective": "reg:gamma"}),
        (POSITIVE, {"objective": "reg:tweedie"}),
        (POSITIVE, {"objective": "survival:cox"}),
        (REAL, {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}),
        (np.stack([REAL, -REAL, REAL**2], axis=1), {}),
        (REAL, {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 30}),
        (REAL, {"max_depth": 1}),
        (REAL, {"gamma": 1e9}),
        (np.full(len(X), 0.3), {}),
        (1e10 * REAL, {}),
        (1e-8 * REAL, {"base_score": 0.0}),
    ],
    ids=lambda given: str(given)[:60] if isinstance(given, dict) else "",
)
def test_objectives_and_boosters(y, parameters):
    both_games(train(y, **parameters))


def test_vector_leaves():
    y = np.stack([REAL, -REAL, REAL**2], axis=1)
    model = train(y, multi_strategy="multi_output_tree", tree_method="hist")
    assert_interventional(model, X, margins(model), FLOAT32)
    if sc.trees.read_model(model).cover is None:
        pytest.skip("this version of the library keeps no covers")
    # The library has no contributions of these; its predictions it has.
    explanation = sc.TreeExplainer(model)(X)
    raw = margins(model)(X)
    assert np.abs(explanation.values.sum(1) + explanation.base_values - raw).max() < 1e-4


@pytest.mark.parametrize("name", ["XGBRegressor", "XGBClassifier", "XGBRFClassifier", "XGBRanker"])
def test_estimators(name):
    model = getattr(xgboost, name)(n_estimators=5, max_depth=3, n_jobs=1)
    model.fit(X, CLASSES, **({"qid": np.arange(200) // 20} if name == "XGBRanker" else {}))
    explanation = both_games(model)
    if name.endswith("Classifier"):
        assert explanation.output_names == ("0", "1", "2")


@pytest.mark.parametrize("booster", [{}, DART])
def test_rounds_are_those_of_the_objects_own_predict(booster):
    noise = np.random.default_rng(1).normal(size=50)
    model = xgboost.XGBRegressor(n_estimators=60, early_stopping_rounds=3, n_jobs=1, **booster)
    model.fit(X[:150], REAL[:150], eval_set=[(X[150:], noise)], verbose=False)
    best, every = model.best_iteration + 1, model.get_booster().num_boosted_rounds()
    assert best < every
    explanation = assert_path_dependent(model, X, own(model, X, rounds=(0, best)), FLOAT32)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model.predict(X), atol=1e-4)
    assert_interventional(model, X, model.predict, FLOAT32)
    assert_path_dependent(model.get_booster(), X, own(model.get_booster(), X), FLOAT32)


@pytest.mark.parametrize("parameters", [{}, {"num_parallel_tree": 2, "subsample": 0.5}])
def test_iteration_range(parameters):
    model, rounds = train(CLASSES, 8, **THREE, **parameters), (2, 5)
    theirs = own(model, X, rounds=rounds)
    assert_path_dependent(model, X, theirs, FLOAT32, iteration_range=rounds)
    predict = margins(model, rounds=rounds)
    assert_interventional(model, X, predict, FLOAT32, iteration_range=rounds)


def test_base_margin():
    margin = 100 * np.random.default_rng(2).normal(size=(len(X), 3))
    model = train(CLASSES, base_margin=margin, **THREE)
    data = xgboost.DMatrix(X, base_margin=margin)
    explanation = sc.TreeExplainer(model)(X, base_margin=margin)
    theirs = np.moveaxis(model.predict(data, pred_contribs=True), 1, 2)
    np.testing.assert_allclose(explanation.values, theirs[:, :-1], atol=1e-4)
    np.testing.assert_allclose(explanation.base_values, theirs[:, -1], atol=1e-4)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model.predict(data, output_margin=True), atol=1e-4)


def test_base_margins_of_other_shapes_are_refused(tmp_path):
    one, three = train(REAL), train(CLASSES, **THREE)
    some = np.linspace(-1, 1, 12)
    single = sc.TreeExplainer(one)(X[:4], base_margin=some[:4])
    same = sc.TreeExplainer(one)(X[:4], base_margin=some[:4, None])
    assert np.array_equal(same.base_values, single.base_values)
    for background, output in ((None, "raw"), (X[:9], "raw"), (X[:9], "probability")):
        explainer = sc.TreeExplainer(three, background, output=output)
        explainer(X[:4], base_margin=some.reshape(4, 3))
        for wrong in (some.reshape(3, 4), some, some[:4], some[:4, None]):
            with pytest.raises(InputError, match=r"wanted \(4, 3\)"):
                explainer(X[:4], base_margin=wrong)
    for wrong in (some[None, :4], some[:8].reshape(4, 2), some[:5]):
        with pytest.raises(InputError, match=r"wanted \(4,\) or \(4, 1\)"):
            sc.TreeExplainer(one)(X[:4], base_margin=wrong)
    with pytest.raises(InputError, match="finite"):
        sc.TreeExplainer(one)(X[:4], base_margin=some[:4] * np.inf)
    masked = np.ma.array(some[:4], mask=[False, True, False, False])
    for wrong in (masked, some[:4] * 1j, ["1", "2", "3", "4"], "a"):
        with pytest.raises(InputError, match="base_margin must be real numbers"):
            sc.TreeExplainer(one)(X[:4], base_margin=wrong)
        with pytest.raises(InputError, match="base_margin must be real numbers"):
            sc.TreeExplainer(one)(X[:4], base_margin=wrong, out=tmp_path / "values")


@pytest.mark.parametrize("missing", [-999.0, 0.0])
def test_the_missing_value_of_an_estimator(missing):
    rows = np.where(np.isnan(X), missing, X)
    rows[0, 0] = np.nan
    model = xgboost.XGBRegressor(n_estimators=5, missing=missing, n_jobs=1).fit(rows, REAL)
    assert_path_dependent(model, rows, own(model, rows, missing=missing), FLOAT32)
    assert_interventional(model, rows, margins(model, missing), FLOAT32)
    assert not np.array_equal(sc.TreeExplainer(model)(rows).values, own(model, rows)[1])


def test_absent_entries_of_sparse_rows_are_missing():
    rng = np.random.default_rng(3)
    dense = np.where(rng.random(X.shape) < 0.5, 0.0, np.nan_to_num(X))
    rows = sparse.csr_matrix(dense)
    rows.data[:30] = 0.0
    rows.data[30:40] = np.nan
    model = train(REAL, X=rows)
    wanted = assert_path_dependent(model, rows, own(model, rows), FLOAT32).values
    absent = np.full(X.shape, np.nan)
    entries = rows.tocoo()
    absent[entries.row, entries.col] = entries.data
    for same in (absent, rows.tocsc(), rows.tocoo(), sparse.csr_array(rows)):
        assert np.array_equal(sc.TreeExplainer(model)(same).values, wanted)
    background = sc.TreeExplainer(model, rows)(rows).values
    assert np.array_equal(sc.TreeExplainer(model, absent)(absent).values, background)
    estimator = xgboost.XGBRegressor(n_estimators=4, missing=0.0, n_jobs=1).fit(rows, REAL)
    assert_path_dependent(estimator, rows, own(estimator, rows, missing=0.0), FLOAT32)


def labelled(n_rows=300):
    rng = np.random.default_rng(4)
    cities = pd.Categorical(rng.choice(list("abcd"), n_rows), categories=list("cabd"))
    streets = pd.Categorical(rng.choice([f"s{k:02d}" for k in range(80)], n_rows))
    frame = pd.DataFrame({"size": rng.normal(size=n_rows), "city": cities, "street": streets})
    frame.loc[::17, "city"] = np.nan
    y = frame["size"] + 2 * (frame["city"] == "a") + frame["street"].cat.codes % 7
    return frame, y.to_numpy()


@pytest.mark.skipif(VERSION < (3, 1), reason="models keep no labels")
@pytest.mark.parametrize("one_hot", [1, 100])
def test_labels_of_pandas_categories(one_hot, tmp_path):
    frame, y = labelled()
    model = xgboost.XGBRegressor(
        n_estimators=5, enable_categorical=True, max_cat_to_onehot=one_hot, n_jobs=1
    ).fit(frame, y)
    wanted = assert_path_dependent(model, frame, own(model, frame), FLOAT32).values
    streets = frame["street"].cat.categories
    again = frame.assign(
        city=frame["city"].cat.set_categories(list("dbac")),
        street=frame["street"].cat.set_categories(streets[::-1]),
    )
    explainer = sc.TreeExplainer(model)
    total = explainer(again).values.sum(axis=1) + explainer.expected_value
    np.testing.assert_allclose(total, model.predict(again), atol=1e-4)
    model.save_model(tmp_path / "model.ubj")
    for same in (again, again[["street", "size", "city"]]):
        for source in (model, tmp_path / "model.ubj"):
            assert np.array_equal(sc.TreeExplainer(source)(same).values, wanted)
    few = frame[:9].assign(city=frame["city"][:9].cat.remove_unused_categories())
    assert np.array_equal(explainer(few).values, wanted[:9])
    codes = np.stack([frame["size"], frame["city"].cat.codes, frame["street"].cat.codes], axis=1)
    assert np.array_equal(explainer(np.where(codes == -1, np.nan, codes)).values, wanted)
    unseen = frame.assign(city=frame["city"].cat.add_categories(["new"]))
    unseen.loc[3, "city"] = "new"
    with pytest.raises(InputError, match="'new'"):
        explainer(unseen)
    interventional = sc.TreeExplainer(model, again[:40])(frame[:20]).values
    assert np.array_equal(sc.TreeExplainer(model, frame[:40])(again[:20]).values, interventional)


def test_features_that_float32_rounds():
    rng = np.random.default_rng(5)
    time = 1_700_000_000_000 + rng.integers(0, 10**7, 300)
    rows = np.stack([time, 1e6 + 0.01 * rng.integers(0, 300, 300)], axis=1)
    y = (time - 1.7e12) / 1e6 + rows[:, 1] - 1e6
    model = xgboost.XGBRegressor(n_estimators=10, n_jobs=1).fit(rows, y)
    both_games(model, rows)
    both_games(model.get_booster(), rows)
    whole = np.stack([time, time // 1000], axis=1)
    model = xgboost.XGBRegressor(n_estimators=10, n_jobs=1).fit(whole, y)
    for same in (whole, pd.DataFrame(whole), whole.astype(float)):
        assert_path_dependent(model, same, own(model, same), FLOAT32)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_whole_numbers_are_rounded_once(dtype, tmp_path):
    # Halfway between two float32, where a rounding to float64 on the way decides otherwise.
    near = (2**60 + 2**36 + np.arange(-100, 101)).astype(dtype)
    assert (near.astype(np.float32) != near.astype(np.float64).astype(np.float32)).any()
    rows = np.stack([near, near % 3], axis=1)
    model = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(rows, (near > near[100]) + near % 3)
    model.save_model(tmp_path / "model.json")
    for read in (model, tmp_path / "model.json"):
        for background in (None, rows[::20]):
            explainer = sc.TreeExplainer(read, background)
            found = explainer(rows)
            total = found.values.sum(axis=1) + found.base_values
            np.testing.assert_allclose(total, model.predict(rows), atol=1e-5)
        np.testing.assert_allclose(
            explainer.expected_value, model.predict(rows[::20]).mean(), atol=1e-5
        )


@pytest.mark.filterwarnings("ignore:.*manually specified the `updater`")
def test_negative_covers_need_a_background(tmp_path):
    data = xgboost.DMatrix(X, REAL)

    def objective(predicted, data):
        return predicted - REAL, np.where(np.nan_to_num(X[:, 1]) > 0, 2.0, -1.5)

    update = {"process_type": "update", "updater": "refresh", "refresh_leaf": False}
    model = xgboost.train(update, data, 6, xgb_model=train(REAL), obj=objective)
    trees = json.loads(model.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    assert min(min(tree["sum_hessian"]) for tree in trees) < 0
    model.save_model(tmp_path / "model.json")
    for read in (model, tmp_path / "model.json"):
        with pytest.raises(UnsupportedModelError, match=r"negative.*background"):
            sc.TreeExplainer(read)
    assert_interventional(model, X, margins(model), FLOAT32)


@pytest.mark.filterwarnings("ignore:.*manually specified the `updater`")
@pytest.mark.parametrize("leaves_too", [False, True])
def test_covers_that_a_refresh_left_at_zero(leaves_too):
    few = xgboost.DMatrix(X[:5], REAL[:5])
    update = {"process_type": "update", "updater": "refresh", "refresh_leaf": leaves_too}
    model = xgboost.train(update, few, 6, xgb_model=train(REAL))
    assert (sc.trees.read_model(model).cover == 0).any()
    explanation = sc.TreeExplainer(model)(X)
    assert np.isfinite(explanation.values).all()
    assert_interventional(model, X, margins(model), FLOAT32)
    if VERSION >= (3, 4):  # earlier ones fail on these, or return NaN
        assert_path_dependent(model, X, own(model, X), FLOAT32)


def test_infinities_and_extremes():
    model = xgboost.XGBRegressor(n_estimators=6, n_jobs=1).fit(X, REAL)
    rng = np.random.default_rng(6)
    extremes = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-35, -1e-35, 1e300, -1e300]
    rows = rng.choice(extremes, X.shape)
    explanation = sc.TreeExplainer(model)(rows)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model.predict(rows), atol=1e-4)
    assert np.isfinite(sc.TreeExplainer(model, rows)(rows).values).all()
