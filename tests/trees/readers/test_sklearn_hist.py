"""The reader of HistGradientBoosting against the library: thresholds, categories, frames."""

import copy
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
import threadpoolctl
from contracts import Case, ReaderContract, edge_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier as Classifier
from sklearn.ensemble import HistGradientBoostingRegressor as Regressor
from sklearn.ensemble import RandomForestRegressor

from shapley_core.errors import InputError, UnsupportedModelError
from shapley_core.tables import as_table
from shapley_core.trees.readers import sklearn as reader
from shapley_core.trees.tree import CATEGORICAL, SET_GOES_LEFT

SMALL = {"max_iter": 4, "min_samples_leaf": 3, "early_stopping": False}
rng = np.random.default_rng(0)
X = rng.normal(size=(300, 4))
X[:, 1] = 1e6 + 0.01 * rng.integers(0, 300, 300)
X[:, 2] = rng.integers(0, 70, 300)
X[:, 3] = np.round(X[:, 3])
X[rng.random(X.shape) < 0.1] = np.nan
KNOWN = np.nan_to_num(X)
REAL = KNOWN[:, 0] + np.sin(KNOWN[:, 2]) * 3 + np.isnan(X[:, 2]) + KNOWN[:, 1] % 1
CLASSES = np.digitize(REAL, [0, 2])

CASES = {
    "numbers": (Regressor(**SMALL), REAL),
    "classes": (Classifier(**SMALL), CLASSES),
    "two classes": (Classifier(**SMALL), REAL > 1),
    "categories": (Regressor(categorical_features=[2], **SMALL), REAL),
    "two categories": (Classifier(categorical_features=[3, 2], **SMALL), CLASSES),
}


def leaves_of(model):
    def leaves(rows):
        # The library numbers no leaves: let each tree predict its nodes' numbers.
        parts = []
        for number in range(4):
            numbered = copy.copy(model)
            numbered._predictors = [[copy.copy(p) for p in model._predictors[number]]]
            for predictor in numbered._predictors[0]:
                predictor.nodes = predictor.nodes.copy()
                predictor.nodes["value"] = np.arange(len(predictor.nodes))
            raw = reader.predict_raw(numbered, rows).reshape(len(rows), -1)
            parts.append(np.round(raw - model._baseline_prediction))
        return np.concatenate(parts, axis=1).astype(np.int64)

    return leaves


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threadpoolctl.threadpool_limits(1):
        yield


class TestHistogram(ReaderContract):
    reader = reader
    own_module = "sklearn"
    tolerance = 1e-13

    @pytest.fixture(scope="class", params=CASES)
    @classmethod
    def case(cls, request):
        model, target = CASES[request.param]
        model = sklearn.clone(model).fit(X, target)
        return Case(model, X, 4, {}, leaves_of(model))


def assert_same(model, rows, own, dense=None):
    mine = reader.read(model).predict(rows if dense is None else dense)
    np.testing.assert_allclose(mine, own, rtol=0, atol=1e-13 * (np.abs(own).max() + 1))
    asked = reader.predict_raw(model, rows)
    np.testing.assert_allclose(asked, own, rtol=0, atol=1e-13 * (np.abs(own).max() + 1))


LOSSES = ["squared_error", "absolute_error", "gamma", "poisson", "quantile"]


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss):
    target, weights = np.exp(REAL / 4), np.random.default_rng(1).random(300)
    model = Regressor(loss=loss, quantile=0.8 if loss == "quantile" else None, **SMALL)
    model.fit(X, target, sample_weight=weights)
    own = model.predict(X)
    assert_same(model, X, np.log(own) if loss in ("gamma", "poisson") else own)


@pytest.mark.parametrize("target", [CLASSES, REAL > 1, np.array(["b", "a", "c"])[CLASSES]])
def test_classifiers_are_read_as_decision_function(target):
    model = Classifier(**SMALL).fit(X, target)
    assert_same(model, X, model.decision_function(X))
    names = reader.read(model).output_names
    n_classes = len(np.unique(target))
    assert names == (None if n_classes == 2 else tuple(str(c) for c in np.unique(target)))


def test_rounds_are_the_librarys_stages():
    model = Classifier(**SMALL).fit(X, CLASSES)
    for stop, own in enumerate(model.staged_decision_function(X), start=1):
        part = reader.read(model, iteration_range=(0, stop))
        np.testing.assert_allclose(part.predict(X), own, rtol=0, atol=1e-14)


def test_early_stopping_keeps_what_predict_uses():
    model = Regressor(max_iter=200, early_stopping=True, n_iter_no_change=2, random_state=0)
    model.fit(X, np.random.default_rng(2).normal(size=300))
    assert model.n_iter_ < 200
    assert_same(model, X, model.predict(X))


def test_thresholds_are_float64_and_may_be_infinite():
    # A split between missing and all other values has an infinite threshold.
    rows = np.where(np.arange(200)[:, None] % 2, np.nan, 1.0)
    model = Regressor(**SMALL).fit(rows, np.isnan(rows[:, 0]))
    read = reader.read(model)
    assert np.isinf(read.threshold).any()
    edges = np.array([[np.inf], [-np.inf], [np.nan], [1e300], [0.0]])
    assert_same(model, edges, model.predict(edges))
    steps = X[:, [1]]
    model = Regressor(max_leaf_nodes=80, **SMALL).fit(steps, REAL)
    edges = edge_rows(reader.read(model), 1000)
    assert_same(model, edges, model.predict(edges))
    assert (model.predict(edges) != model.predict(edges.astype(np.float32))).any()


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n_categories", [2, 8, 33, 64, 200])
def test_categories_of_any_number(n_categories, missing):
    rng = np.random.default_rng(n_categories)
    codes = np.tile(np.arange(n_categories), max(12, 100 // n_categories)).astype(float)
    rows = np.stack([rng.normal(size=len(codes)), codes], 1)
    effect = rng.normal(size=n_categories)[codes.astype(int)]
    if missing:
        rows[rng.random(len(rows)) < 0.1, 1] = np.nan
    model = Regressor(categorical_features=[1], **SMALL).fit(rows, effect)
    read = reader.read(model)
    at = read.flags & CATEGORICAL != 0
    assert at.any()
    odd = [-1, -0.5, 0.5, 3.7, 255, 256, 257, 300, 1e6, 1e300, np.nan]
    values = np.concatenate([odd, np.arange(n_categories + 5.0)])
    rows = np.stack([rng.normal(size=len(values)), values], 1)
    assert_same(model, rows, model.predict(rows))
    rows[0, 1] = np.inf
    for use in (read.predict, lambda rows: reader.predict_raw(model, rows)):
        with pytest.raises(InputError, match="infini"):
            use(rows)


def test_missing_categories_go_both_ways():
    ways = set()
    for seed in range(4):
        rows = np.random.default_rng(seed).integers(0, 9, (300, 2)).astype(float)
        rows[rows == 8] = np.nan
        target = np.where(np.isnan(rows[:, 1]), seed % 2 * 9 - 4, rows[:, 1] % 3)
        model = Regressor(categorical_features=[0, 1], **SMALL).fit(rows, target)
        read = reader.read(model)
        ways |= set((read.flags[read.flags & CATEGORICAL != 0] & SET_GOES_LEFT).tolist())
        assert_same(model, rows, model.predict(rows))
        rows[:, 1] += 50
        assert_same(model, rows, model.predict(rows))
    assert ways == {0, SET_GOES_LEFT}


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    categories=st.lists(
        st.floats(-1e6, 1e6) | st.integers(-5, 300).map(float), min_size=2, max_size=40, unique=True
    ),
    holes=st.sampled_from([0.0, 0.2]),
    place=st.integers(0, 2),
    classes=st.sampled_from([0, 2, 3]),
)
def test_models_and_rows_at_random(seed, categories, holes, place, classes):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(120, 3))
    rows[:, place] = random.choice(categories, 120)
    rows[random.random(rows.shape) < holes] = np.nan
    known = np.nan_to_num(rows)
    target = known[:, 0] + np.sin(known[:, place]) + np.isnan(rows[:, place])
    options = {**SMALL, "categorical_features": [place], "max_iter": 3}
    if classes:
        target = np.digitize(target, np.quantile(target, np.arange(1, classes) / classes))
        model = Classifier(**options).fit(rows, target)
        ask = model.decision_function
    else:
        model = Regressor(**options).fit(rows, target)
        ask = model.predict
    probes = edge_rows(reader.read(model), 300, seed)
    near = np.concatenate([categories, np.nextafter(categories, np.inf), [np.nan]])
    probes[:, place] = random.choice(near, 300)
    for given_rows in (rows, probes):
        assert_same(model, given_rows, ask(given_rows))


# Frames


def make_frame(n=300, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": random.normal(size=n),
            "city": pd.Categorical(random.choice(["x", "y", "ü"], n), categories=["ü", "x", "y"]),
            "count": random.integers(0, 9, n),
            "code": pd.Categorical(random.choice([30, 10, 20, -5], n)),
            "rate": pd.Categorical(random.choice([0.5, 2.25], n)),
        }
    )
    frame.loc[::17, "city"] = np.nan
    frame.loc[::19, "code"] = np.nan
    effect = frame["city"].map({"x": 0.0, "y": 2.0, "ü": 4.0}).astype(float).fillna(-3)
    code = frame["code"].astype(float).fillna(7)
    target = effect + np.sin(code) * 2 + frame["count"] % 3 + frame["rate"].astype(float)
    return frame, (target + frame["size"]).to_numpy()


def from_table(ensemble, table):
    rows = as_table(
        table,
        n_features=ensemble.n_features,
        feature_names=ensemble.feature_names,
        categories=ensemble.categories,
        unseen_category=ensemble.unseen_category,
        categorical_columns=ensemble.categorical_columns,
    )
    own = rows.source if rows.native else rows.block(0, len(rows))
    return ensemble.predict(rows.block(0, len(rows))), own


def assert_frame(model, table, own):
    mine, rows = from_table(reader.read(model), table)
    np.testing.assert_allclose(mine, own, rtol=0, atol=1e-13)
    np.testing.assert_allclose(reader.predict_raw(model, rows), own, rtol=0, atol=1e-13)


def fitted(frame, target, **options):
    options = {"categorical_features": "from_dtype", **SMALL, **options}
    return Regressor(**options).fit(frame, target)


def test_labels_of_pandas_categories():
    frame, target = make_frame()
    model = fitted(frame, target)
    read = reader.read(model)
    assert read.feature_names == tuple(frame.columns)
    assert read.categories == {1: ["x", "y", "ü"]}
    assert read.category_values == {1: [0, 1, 2], 3: [-5, 10, 20, 30], 4: [0.5, 2.25]}
    assert_frame(model, frame, model.predict(frame))
    other = frame.assign(city=frame["city"].cat.set_categories(["ü", "new", "y", "x"]))
    other.loc[:30, "city"] = "new"
    other["code"] = other["code"].cat.set_categories([30, 99, 10, 20])
    other.loc[40:50, "code"] = 99
    own = model.predict(other)
    for table in (other, other[["code", "rate", "city", "size", "count"]]):
        assert_frame(model, table, own)
    for table in (other.astype({"code": float, "rate": float}), other.astype({"city": object})):
        assert_frame(model, table, own)
    numbers = other.drop(columns="city").astype(float)
    city = other["city"].astype(object).where(other["city"].notna(), None)
    polars = pl.from_pandas(numbers).with_columns(pl.Series("city", city.tolist()))
    for table in (polars, polars.with_columns(pl.col("city").cast(pl.Categorical))):
        assert_frame(model, table, own)
    assert_frame(model, polars.to_arrow(), own)


def test_numbers_in_arrays_are_categories_and_texts_their_codes():
    frame, target = make_frame()
    model = fitted(frame, target)
    read = reader.read(model)
    codes = frame["city"].astype(object).map({"x": 0.0, "y": 1.0, "ü": 2.0})
    rows = frame.assign(city=codes).astype(float).to_numpy()
    np.testing.assert_allclose(read.predict(rows), model.predict(frame), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(reader.predict_raw(model, rows), model.predict(frame))
    odd = rows.copy()
    odd[:50, 1], odd[50:100, 1], odd[100:150, 3] = 0.5, 3, 11
    unknown = odd.copy()
    unknown[:100, 1] = unknown[100:150, 3] = np.nan
    np.testing.assert_array_equal(read.predict(odd), read.predict(unknown))
    own = reader.predict_raw(model, odd)
    np.testing.assert_allclose(own, read.predict(unknown), rtol=0, atol=1e-13)


def test_declared_columns_of_numbers():
    frame, target = make_frame()
    frame = frame[["size", "count", "code"]].astype({"code": float})
    model = fitted(frame, target, categorical_features=["count", "code"])
    read = reader.read(model)
    assert read.categories == {} and list(read.category_values) == [1, 2]
    own = model.predict(frame)
    for table in (frame, frame[["code", "size", "count"]], frame.astype({"count": "category"})):
        assert_frame(model, table, own)
    for table in (frame.to_numpy(), pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        assert_frame(model, table, own)


def test_declared_columns_of_text():
    frame, target = make_frame()
    frame = frame[["size", "city"]].astype({"city": object})
    frame["city"] = frame["city"].where(frame["city"].notna(), np.nan)
    model = fitted(frame, target, categorical_features=["city"])
    assert reader.read(model).categories == {1: ["x", "y", "ü"]}
    assert_frame(model, frame, model.predict(frame))
    frame["city"] = frame["city"].where(frame["city"].notna(), None)
    model = fitted(frame, target, categorical_features=["city"])
    if any(c is None for c in model._preprocessor.named_transformers_["encoder"].categories_[0]):
        with pytest.raises(UnsupportedModelError, match="None for a category"):
            reader.read(model)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("kind", ["datetime64", "timedelta64", "interval"])
def test_categories_that_are_neither_texts_nor_numbers_are_refused(kind, unit):
    rows = pd.DataFrame({"a": KNOWN[:, 0], "b": np.arange(300) % 3})
    if kind == "interval":
        rows["b"] = pd.cut(rows["b"], 3)
    else:
        rows["b"] = rows["b"].astype(f"{kind}[{unit}]").astype("category")
    model = Regressor(categorical_features="from_dtype", **SMALL).fit(rows, REAL)
    with pytest.raises(UnsupportedModelError, match="feature 1 has categories such as"):
        reader.read(model)


def test_categories_before_version_1_4_are_refused():
    model = Regressor(categorical_features=[2], **SMALL).fit(X, REAL)
    model._preprocessor = None
    with pytest.raises(UnsupportedModelError, match=r"before 1\.4"):
        reader.read(model)


def test_a_categorical_column_of_nothing_but_missing_entries():
    rows = np.column_stack([X[:, 0], np.full(len(X), np.nan)])
    model = Regressor(categorical_features=[1], **SMALL).fit(rows, REAL)
    rows[::3, 1] = 7.0
    mine, _ = from_table(reader.read(model), rows)
    np.testing.assert_allclose(mine, model.predict(rows), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("kind", [Regressor, RandomForestRegressor])
def test_tables_of_every_kind(kind):
    rows = np.random.default_rng(4).normal(size=(80, 3)).round(2)
    names = ["a", "b c", "ü"]
    frame = pd.DataFrame(rows, columns=names)
    options = SMALL if kind is Regressor else {"n_estimators": 4, "random_state": 0}
    model = kind(**options).fit(frame, rows[:, 0] + rows[:, 1] ** 2)
    assert reader.read(model).feature_names == tuple(names)
    wide = np.zeros((80, 6), order="F")
    wide[:, ::2] = rows
    tables = {
        "numpy": rows,
        "Fortran": np.asfortranarray(rows),
        "strided": wide[:, ::2],
        "masked": np.ma.MaskedArray(rows, np.zeros_like(rows, bool)),
        "list": rows.tolist(),
        "frame": frame,
        "other order": frame[["ü", "a", "b c"]],
        "more columns": frame.assign(more="text")[["more", "ü", "a", "b c"]],
        "nullable": frame.astype("Float64"),
        "categorical": frame.assign(a=frame["a"].astype("category")),
        "polars": pl.from_pandas(frame),
        "polars, other order": pl.from_pandas(frame)[["ü", "a", "b c"]],
        "pyarrow": pa.Table.from_pandas(frame),
        "csr": sparse.csr_matrix(rows),
        "coo": sparse.coo_matrix(rows),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = model.predict(frame)
        for what, table in tables.items():
            own = reader.predict_raw(model, table)
            np.testing.assert_allclose(own, expected, rtol=1e-15, err_msg=what)
    for none in (rows[:0], frame[:0], sparse.csr_matrix(rows)[:0]):
        assert reader.predict_raw(model, none).shape == (0,)
    mine, _ = from_table(reader.read(model), tables["categorical"])
    np.testing.assert_allclose(mine, expected, rtol=1e-14)
    with pytest.raises(InputError, match="lacks columns"):
        reader.predict_raw(model, frame[["a", "ü"]])
    text = frame.assign(a=pd.Categorical(np.repeat(["u", "v"], 40)))
    with pytest.raises(InputError, match="convert it to numbers"):
        from_table(reader.read(model), text)
