"""The CatBoost reader against CatBoost itself, where it is installed."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from contracts import Case, ReaderContract, edge_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from shapley_core.errors import InputError, ModelFileError, UnsupportedModelError
from shapley_core.trees import read_model
from shapley_core.trees.readers import catboost as reader

catboost = pytest.importorskip("catboost")
VERSION = tuple(int(part) for part in catboost.__version__.split(".")[:3])
SMALL = {
    "iterations": 4,
    "depth": 3,
    "verbose": 0,
    "allow_writing_files": False,
    "random_seed": 0,
    "thread_count": 1,
}
POLICIES = ("SymmetricTree", "Depthwise", "Lossguide")
rng = np.random.default_rng(0)
X = rng.normal(size=(150, 4))
X[:, 1] = 1024 * (1 + rng.integers(0, 40, 150) * np.float64(np.finfo(np.float32).eps))
X[:, 2] = np.round(X[:, 2])
X[rng.random(X.shape) < 0.1] = np.nan
KNOWN = np.nan_to_num(X, nan=1024)
REAL = np.nan_to_num(X[:, 0] + X[:, 2] * np.sign(X[:, 3]), nan=2) + 1e3 * (KNOWN[:, 1] - 1024)
CLASSES = np.array(["low", "mid", "high"])[np.digitize(REAL, [1, 3])]
Regressor, Classifier = catboost.CatBoostRegressor, catboost.CatBoostClassifier

CASES = {
    **{policy: (Regressor, {"grow_policy": policy}, REAL) for policy in POLICIES},
    **{
        f"{policy} of classes": (Classifier, {"grow_policy": policy, "nan_mode": "Max"}, CLASSES)
        for policy in POLICIES
    },
    "two classes": (Classifier, {"depth": 5}, REAL > 2),
}


def as_json(model, **options):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.json"
        model.save_model(str(path), format="json", **options)
        return path.read_bytes()


class TestCatBoost(ReaderContract):
    reader = reader
    own_module = "catboost"
    tolerance = 1e-13

    @pytest.fixture(scope="class", params=CASES)
    @classmethod
    def case(cls, request):
        kind, options, target = CASES[request.param]
        model = kind(**SMALL | options).fit(X, target)
        files = {"json": as_json(model)}
        return Case(model, X, 4, files, model.calc_leaf_indexes, same_numbers=False)


def assert_same(model, rows):
    own = catboost.CatBoost.predict(model, rows, prediction_type="RawFormulaVal")
    own = np.asarray(own, float)
    for got, tolerance in (
        (reader.read(model).predict(rows), 1e-13),
        (reader.predict_raw(model, rows), 0),
    ):
        allowed = tolerance * np.abs(own).max()
        np.testing.assert_allclose(got.reshape(own.shape), own, rtol=0, atol=allowed)


LOSSES = [
    "RMSE",
    "MAE",
    "Quantile:alpha=0.8",
    "Poisson",
    "Tweedie:variance_power=1.5",
    "Huber:delta=1",
]


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_read_as_raw_formula_values(loss):
    model = Regressor(loss_function=loss, **SMALL).fit(X, np.exp(REAL / 9))
    assert_same(model, X)
    assert reader.read(model).objective == loss.partition(":")[0]


@pytest.mark.parametrize("loss", ["MultiRMSE", "RMSEWithUncertainty", "MultiLogloss"])
def test_several_outputs(loss):
    target = np.stack([REAL, REAL**2], 1)
    if loss == "MultiLogloss":
        model = Classifier(loss_function=loss, **SMALL).fit(X, (target > 2).astype(int))
    else:
        given_target = REAL if loss == "RMSEWithUncertainty" else target
        model = Regressor(loss_function=loss, **SMALL).fit(X, given_target)
    assert reader.read(model).n_outputs == 2
    assert_same(model, X)


def test_rankers_and_plain_models():
    group = np.repeat(np.arange(15), 10)
    ranker = catboost.CatBoostRanker(**SMALL).fit(X, np.round(np.abs(REAL)), group_id=group)
    assert_same(ranker, X)
    assert_same(catboost.CatBoost(SMALL).fit(X, REAL), X)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    policy=st.sampled_from(POLICIES),
    nan_mode=st.sampled_from(["Min", "Max"]),
    depth=st.integers(1, 6),
    scale=st.sampled_from([1.0, 1e-30, 1.7e12, 1e36]),
    holes=st.sampled_from([0.0, 0.2]),
    border_count=st.sampled_from([3, 254]),
    three=st.booleans(),
)
def test_models_and_rows_at_random(
    seed, policy, nan_mode, depth, scale, holes, border_count, three
):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(120, 3))
    target = rows[:, 0] + rows[:, 1] * rows[:, 2]
    rows[:, 0] *= scale
    rows[random.random(rows.shape) < holes] = np.nan
    options = {"grow_policy": policy, "nan_mode": nan_mode, "border_count": border_count}
    options |= SMALL | {"depth": depth, "iterations": 3}
    if three:
        model = Classifier(**options).fit(rows, np.digitize(target, [-1, 1]))
    else:
        model = Regressor(**options).fit(rows, target)
    assert_same(model, rows)
    assert_same(model, edge_rows(reader.read(model), 300, seed))


def test_missing_values_where_training_had_none():
    for nan_mode in ("Min", "Max", "Forbidden"):
        model = Regressor(nan_mode=nan_mode, **SMALL).fit(KNOWN, REAL)
        assert_same(model, edge_rows(reader.read(model), 300))


def test_scale_and_bias_and_ranges():
    model = Regressor(**SMALL).fit(X, REAL)
    model.set_scale_and_bias(-2.5, 7.0)
    assert_same(model, X)
    whole = reader.read(model)
    parts = [reader.read(model, iteration_range=(n, n + 1)) for n in range(4)]
    for number, part in enumerate(parts):
        one = reader.predict_raw(model, X, iteration_range=(number, number + 1))
        np.testing.assert_allclose(part.predict(X), one, rtol=0, atol=1e-13)
    total = sum(part.predict(X) - 7 for part in parts) + 7
    np.testing.assert_allclose(total, whole.predict(X), rtol=0, atol=1e-13)
    for bad in ((0,), "ab", (0.0, 2), 3):
        for use in (reader.read, lambda m, **k: reader.predict_raw(m, X, **k)):
            with pytest.raises(InputError, match="iteration_range"):
                use(model, iteration_range=bad)


def test_the_best_iteration_is_what_is_left():
    noise = np.random.default_rng(1).normal(size=150)
    model = Regressor(**SMALL | {"iterations": 80}).fit(X, REAL, eval_set=(X, noise))
    assert 0 < reader.read(model).n_trees == model.tree_count_ < 80
    assert_same(model, X)


def test_covers_are_the_weights_of_training():
    weights = np.random.default_rng(2).random(150)
    for policy in POLICIES:
        model = Regressor(grow_policy=policy, **SMALL).fit(X, REAL, sample_weight=weights)
        read = reader.read(model)
        assert np.allclose(read.cover[read.tree_offsets[:-1]], weights.sum())
        for tree, leaves in enumerate(read.apply(X).T):
            nodes = slice(read.tree_offsets[tree], read.tree_offsets[tree + 1])
            reached = np.bincount(leaves, weights, nodes.stop - nodes.start)
            leaf = read.feature[nodes] == -1
            np.testing.assert_allclose(read.cover[nodes][leaf], reached[leaf], atol=1e-12)


@pytest.mark.skipif(VERSION < (1, 2, 10), reason="rounded twice, by way of float64")
def test_integers_are_rounded_once():
    big = np.array([[2**60 + 2**36 + 1] * 4, [2**60] * 4])
    model = Regressor(**SMALL | {"depth": 1}).fit(
        np.repeat([[2.0**60], [2.0**60 + 2.0**37]], 4, axis=1), [0, 1]
    )
    np.testing.assert_allclose(reader.read(model).predict(big), model.predict(big), atol=1e-14)


def test_tables_of_every_kind():
    rows = np.random.default_rng(4).normal(size=(80, 3)).round(2)
    frame = pd.DataFrame(rows, columns=["a", "b c", "ü"])
    model = Regressor(**SMALL).fit(frame, rows[:, 0] + rows[:, 1] ** 2)
    assert reader.read(model).feature_names == ("a", "b c", "ü")
    expected = model.predict(frame)
    for table in (rows, np.asfortranarray(rows), rows.tolist(), frame, frame[["ü", "a", "b c"]],
                  frame.astype("Float64"), pl.from_pandas(frame), pl.from_pandas(frame).to_arrow(),
                  sparse.csr_matrix(rows), sparse.coo_matrix(rows)):  # fmt: skip
        np.testing.assert_array_equal(reader.predict_raw(model, table), expected)
    for none in (rows[:0], frame[:0]):
        assert reader.predict_raw(model, none).shape == (0,)


def test_binary_files(tmp_path):
    model = Regressor(**SMALL).fit(X, REAL)
    path = tmp_path / "model.cbm"
    model.save_model(str(path))
    np.testing.assert_array_equal(read_model(path).predict(X), reader.read(model).predict(X))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelFileError, match=r"model\.cbm: damaged \.cbm file"):
        read_model(path)


def test_models_that_cannot_be_read_are_refused():
    frame = pd.DataFrame({"a": X[:, 0], "city": rng.choice(list("abcdefgh"), 150)})
    target = REAL + (frame["city"] == "c")
    statistics = Regressor(**SMALL | {"iterations": 20}).fit(frame, target, cat_features=["city"])
    with pytest.raises(UnsupportedModelError, match=r"OnlineCtr.*one_hot_max_size"):
        reader.read(statistics)
    named = Regressor(one_hot_max_size=9, **SMALL | {"iterations": 20})
    named.fit(frame, target, cat_features=["city"])
    with pytest.raises(UnsupportedModelError, match="pool=the pool"):
        reader.read(named)
    pool = catboost.Pool(frame, cat_features=["city"])
    read = reader.read_file(as_json(named, pool=pool), "it")
    assert read.categories[1][0] in "abcdefgh"
    text = pd.DataFrame({"a": X[:, 0], "t": [f"w{k} x" for k in rng.integers(0, 9, 150)]})
    texts = Classifier(**SMALL).fit(text, REAL > 2, text_features=["t"])
    with pytest.raises(UnsupportedModelError, match="cannot write this model as JSON"):
        reader.read(texts)
    for use in (reader.read, lambda m: reader.predict_raw(m, X)):
        with pytest.raises(UnsupportedModelError, match="not fitted"):
            use(Regressor())
