"""Explaining live models: tables of every kind, threads, pickles, and the additivity check."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import joblib
import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn.ensemble
import sklearn.tree
import xgboost
from parity import rows_with_holes, targets

import shapley_core as sc
from shapley_core.errors import AdditivityError, InputError, UnsupportedModelError
from shapley_core.trees.readers import lightgbm as lightgbm_reader
from shapley_core.trees.readers import xgboost as xgboost_reader

NAMES = ["size", "age", "dose", "rate", "site"]
X = rows_with_holes()
REAL, BINARY, CLASSES, _ = targets(X)
FRAME = pd.DataFrame(X, columns=NAMES)


def boosted(y, n_rounds=8, X=FRAME, **parameters):
    parameters = {"max_depth": 4, "nthread": 1} | parameters
    return xgboost.train(parameters, xgboost.DMatrix(X, y), n_rounds)


def light(y, n_rounds=8, X=FRAME, **parameters):
    parameters = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3} | parameters
    return lightgbm.train(parameters, lightgbm.Dataset(X, y, params=parameters), n_rounds)


@pytest.fixture(scope="module", params=[boosted, light], ids=["xgboost", "lightgbm"])
def explainer(request):
    return sc.TreeExplainer(request.param(REAL))


def locked(array):
    array = array.copy()
    array.setflags(write=False)
    return array


@pytest.mark.parametrize(
    "make",
    [
        np.asfortranarray,
        locked,
        lambda rows: np.repeat(rows, 2, axis=0)[::2],
        lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
        lambda rows: rows[::-1][::-1],
        lambda rows: rows.astype(">f8"),
        lambda rows: rows.astype(np.longdouble),
        np.ma.masked_invalid,
        lambda rows: rows.tolist(),
        memoryview,
        lambda rows: pd.DataFrame(rows, columns=NAMES)[NAMES[::-1]],
        lambda rows: pd.DataFrame(rows, columns=NAMES).convert_dtypes(),
        lambda rows: pd.DataFrame(rows, columns=NAMES).astype("double[pyarrow]"),
        lambda rows: pl.from_numpy(rows, NAMES).select(NAMES[::-1]),
        lambda rows: pa.table(pd.DataFrame(rows, columns=NAMES)),
    ],
)
def test_the_library_is_asked_about_every_kind_of_table(explainer, make):
    wanted = explainer(X).values
    explanation = explainer(make(X))
    assert np.array_equal(explanation.values, wanted)
    assert explanation.feature_names == tuple(NAMES)


class OnlyArray:
    """Something that numpy makes an array of, and that is nothing else."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype)


@pytest.mark.parametrize("make", [OnlyArray, np.matrix], ids=["array", "matrix"])
def test_arrays_that_scikit_learn_refuses(explainer, make):
    forest = sklearn.ensemble.RandomForestRegressor(3, max_depth=4, random_state=0).fit(X, REAL)
    for one in (explainer, sc.TreeExplainer(forest)):
        assert np.array_equal(one(make(X)).values, one(X).values)
        assert one(make(X))[3] == one(X)[3]


def test_narrow_types(explainer):
    for dtype in ("f4", "f2", "i8", "i4", "i2", "u1", "?"):
        rows = np.abs(np.nan_to_num(100 * X)).astype(dtype)
        assert np.array_equal(explainer(rows).values, explainer(rows.astype(float)).values)


@pytest.mark.parametrize("train", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("kind", ["text", "polars", "polars text", "enum", "arrow", "unused"])
def test_labels_that_the_libraries_refuse(train, kind):
    rng = np.random.default_rng(1)
    city = pd.Categorical(rng.choice(list("abcd"), len(X)), categories=list("cabd"))
    street = pd.Categorical(rng.choice([f"s{k:02d}" for k in range(40)], len(X)))
    frame = pd.DataFrame({"size": X[:, 0], "city": city, "street": street})
    y = REAL + 2 * (frame["city"] == "a") + street.codes % 5
    if train == "xgboost":
        model = xgboost.XGBRegressor(n_estimators=4, enable_categorical=True, n_jobs=1)
    else:
        model = lightgbm.LGBMRegressor(n_estimators=4, verbose=-1, n_jobs=1)
    explainer = sc.TreeExplainer(model.fit(frame, y))
    if not explainer.ensemble.categories:
        pytest.skip("this version of the library keeps no labels")
    text = frame.assign(city=frame["city"].astype(str))
    enums = {"city": pl.Enum(list("dbca")), "street": pl.Enum(sorted(set(street), reverse=True))}
    table = {
        "text": lambda: text,
        "polars": lambda: pl.from_pandas(frame),
        "polars text": lambda: pl.from_pandas(text),
        "enum": lambda: pl.from_pandas(frame).cast(enums),
        "arrow": lambda: pa.Table.from_pandas(frame),
        # A label that the model does not know, and no row holds.
        "unused": lambda: frame.assign(city=city.add_categories("new")),
    }[kind]()
    assert np.array_equal(explainer(table).values, explainer(frame).values)


def cat(**options):
    catboost = pytest.importorskip("catboost")
    quiet = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
    return catboost.CatBoostRegressor(iterations=4, **quiet, **options)


# Of a categorical column of numbers, in the place of plain ones, what libraries take.
PLAIN = {
    "lightgbm": (lambda: lightgbm.LGBMRegressor(n_estimators=4, verbose=-1, n_jobs=1), None),
    "catboost": (cat, None),
    "xgboost": (lambda: xgboost.XGBRegressor(n_estimators=4, n_jobs=1), "codes"),
    "forest": (lambda: sklearn.ensemble.RandomForestRegressor(4, random_state=0), "values"),
    "histograms": (
        lambda: sklearn.ensemble.HistGradientBoostingRegressor(max_iter=4),
        "values",
    ),
}


@pytest.mark.parametrize("make, takes", PLAIN.values(), ids=PLAIN)
def test_categoricals_in_the_place_of_numbers(make, takes):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"dose": rng.choice([10, 20, 30], 200), "size": rng.normal(size=200)})
    model = make().fit(frame, frame["dose"] * 0.1 + frame["size"] * (frame["dose"] == 20))
    given = frame.assign(dose=frame["dose"].astype("category"))
    if takes is None:
        with pytest.raises(Exception, match="categor"):
            model.predict(given)
        for output in ("raw", np.tanh):
            with pytest.raises(InputError, match="'dose' of background is categorical"):
                sc.TreeExplainer(model, given[:50], output=output)
            with pytest.raises(InputError, match="'dose' of X is categorical"):
                sc.TreeExplainer(model, frame[:50], output=output)(given)
        with pytest.raises(InputError, match="'dose' of X is categorical"):
            sc.TreeExplainer(sc.trees.read_model(model))(given)
        return
    meant = frame if takes == "values" else frame.assign(dose=given["dose"].cat.codes)
    np.testing.assert_array_equal(model.predict(given), model.predict(meant))
    explainer = sc.TreeExplainer(model, given[:50])
    assert explainer.expected_value == pytest.approx(model.predict(given[:50]).mean(), abs=1e-6)
    total = explainer(given).values.sum(axis=1) + explainer.expected_value
    np.testing.assert_allclose(total, model.predict(given), atol=1e-5)


@pytest.mark.parametrize("train", ["catboost", "xgboost"])
def test_categoricals_in_the_place_of_numbers_beside_labels(train, tmp_path):
    rng = np.random.default_rng(1)
    city = pd.Categorical(rng.choice(list("abc"), 200))
    frame = pd.DataFrame({"dose": rng.choice([10, 20, 30], 200), "city": city})
    y = frame["dose"] * 0.1 + city.codes
    path = tmp_path / "model.json"
    if train == "xgboost":
        model = xgboost.XGBRegressor(n_estimators=4, enable_categorical=True, n_jobs=1)
        model.fit(frame, y).save_model(path)
        if not sc.trees.read_model(path).categories:
            pytest.skip("this version of the library keeps no labels")
    else:
        model = cat(one_hot_max_size=9)
        pool = pytest.importorskip("catboost").Pool(frame, y, cat_features=["city"])
        model.fit(pool).save_model(str(path), format="json", pool=pool)
    given = frame.assign(dose=frame["dose"].astype("category"))
    with pytest.raises(Exception, match=r"dose|0th feature"):
        model.predict(given)
    sc.TreeExplainer(path, frame[:50])(frame)
    with pytest.raises(InputError, match="'dose' of background is categorical"):
        sc.TreeExplainer(path, given[:50])


@pytest.mark.parametrize("train", [boosted, light])
@pytest.mark.parametrize("background", [None, FRAME[:30]], ids=["path", "background"])
def test_threads_and_pickles(train, background, tmp_path):
    three = {"objective": "multiclass" if train is light else "multi:softprob", "num_class": 3}
    explainer = sc.TreeExplainer(train(CLASSES, **three), background)
    wanted = explainer(FRAME, n_threads=1).values
    assert wanted.shape == (*X.shape, 3)
    for n_threads in (2, 3, None):
        assert np.array_equal(explainer(FRAME, n_threads=n_threads).values, wanted)
    with ThreadPoolExecutor(4) as pool:
        for values in pool.map(lambda _: explainer(FRAME, n_threads=2).values, range(8)):
            assert np.array_equal(values, wanted)
    joblib.dump(explainer, tmp_path / "explainer")
    for copy in (pickle.loads(pickle.dumps(explainer)), joblib.load(tmp_path / "explainer")):
        assert np.array_equal(copy.expected_value, explainer.expected_value)
        for check in ("model", "trees", None):
            assert np.array_equal(copy(FRAME, check=check).values, wanted)


def test_what_users_do_with_an_explanation(explainer):
    import matplotlib

    matplotlib.use("Agg")
    import shap

    explanation = explainer(FRAME)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, explainer.ensemble.predict(X), atol=1e-12)
    row = explanation[5]
    assert [row[feature] for feature in range(5)] == explanation.values[5].tolist()
    assert row.baseline == explainer.expected_value
    frame = explanation.to_frame()
    assert list(frame.columns) == [*NAMES, "base_value"] and frame.index.equals(FRAME.index)
    shap.plots.waterfall(explanation.to_shap()[5], show=False)
    shap.plots.beeswarm(explanation.to_shap(), show=False)
    matplotlib.pyplot.close("all")


REFUSED = {
    "nothing": (lambda: None, "NoneType"),
    "forest": (lambda: sklearn.ensemble.RandomForestRegressor(2), "RandomForestRegressor"),
    "class": (lambda: xgboost.XGBRegressor, "type"),
    "unfitted XGBoost": (xgboost.XGBRegressor, "not fitted"),
    "unfitted LightGBM": (lightgbm.LGBMRegressor, "not fitted"),
    "linear booster": (
        lambda: boosted(REAL, booster="gblinear", max_depth=None, X=FRAME.fillna(0)),
        "gblinear",
    ),
}


@pytest.mark.parametrize("make, message", REFUSED.values(), ids=REFUSED)
def test_models_that_are_refused(make, message):
    model = make()
    for background in (None, X):
        with pytest.raises(ValueError, match=message):
            sc.TreeExplainer(model, background)


def test_checks_that_are_none(explainer):
    for wrong in ("tree", np.zeros(0), pd.Series(["model", "trees"]), True):
        with pytest.raises(InputError, match="check must be 'model', 'trees' or None"):
            explainer(FRAME, check=wrong)


def test_tables_that_are_refused(explainer):
    prepared = xgboost.DMatrix(X), lightgbm.Dataset(X)
    others = None, X[0], X[:, :3], X.astype(str), FRAME.rename(columns={"age": "years"})
    for table in prepared + others:
        with pytest.raises(ValueError, match=r"X|columns"):
            explainer(table)


# The check itself


def with_wrong_leaf(explainer, change, rows=X):
    """Return an explainer that has misread the leaf of the first row in the last tree."""
    ensemble = explainer.ensemble
    values = ensemble.values.copy()
    values[ensemble.tree_offsets[-2] + ensemble.apply(rows)[0, -1]] += change
    wrong = sc.TreeExplainer(replace(ensemble, values=values))
    wrong._model = explainer._model
    return wrong


@pytest.mark.parametrize(
    "train, parameters, n_rounds, change",
    [
        (boosted, {}, 10, 1e-4),
        (boosted, {"learning_rate": 0.02}, 500, 1e-2),
        (light, {}, 100, 1e-8),
        (light, {"learning_rate": 0.02}, 400, 1e-8),
    ],
)
def test_a_wrong_leaf_is_caught(train, parameters, n_rounds, change):
    explainer = sc.TreeExplainer(train(REAL, n_rounds, **parameters))
    wrong = with_wrong_leaf(explainer, change * np.abs(REAL).mean())
    wrong(FRAME, check="trees")
    with pytest.raises(AdditivityError, match="row"):
        wrong(FRAME)
    # A large margin to start from does not widen what is let through, nor do other rows.
    with pytest.raises(AdditivityError):
        wrong(FRAME, base_margin=np.full(len(X), 1e10))
    explainer(FRAME, base_margin=np.full(len(X), 1e10))


@pytest.mark.parametrize("train", [boosted, light])
def test_a_huge_leaf_hides_nothing_in_rows_that_do_not_reach_it(train):
    y, rows = REAL.copy(), np.nan_to_num(X)
    y[-1] = 1e10
    if train is boosted:
        parameters = {"base_score": 0.0, "max_depth": 12, "lambda": 0}
    else:
        parameters = {"boost_from_average": False, "min_data_in_leaf": 1, "num_leaves": 100}
    explainer = sc.TreeExplainer(train(y, 1, rows, learning_rate=1.0, **parameters))
    values = explainer.ensemble.values
    sizes = np.sort(np.abs(values), axis=None)
    assert sizes[-1] > 9e9 and sizes[-2] < 100
    explainer(rows)
    wrong = with_wrong_leaf(explainer, 0.5, rows)
    with pytest.raises(AdditivityError, match="of 199 rows"):
        wrong(rows[:-1])


def test_a_wrong_bias_is_caught(monkeypatch):
    explainer = sc.TreeExplainer(boosted(REAL))
    moved = replace(explainer.ensemble, base=explainer.ensemble.base + 1e-3)
    wrong = sc.TreeExplainer(moved)
    wrong._model = explainer._model
    with pytest.raises(AdditivityError, match="200 of 200 rows"):
        wrong(FRAME)
    for reader in (xgboost_reader, lightgbm_reader):
        asked = reader.predict_raw
        monkeypatch.setattr(reader, "predict_raw", lambda *a, f=asked, **k: f(*a, **k) * np.nan)
    for train in (boosted, light):
        with pytest.raises(AdditivityError, match="200 of 200 rows"):
            sc.TreeExplainer(train(REAL))(FRAME)


def test_large_backgrounds_are_counted_exactly():
    model = light(REAL, 2)
    background = X[np.random.default_rng(2).integers(0, len(X), 100_003)]
    explanation = sc.TreeExplainer(model, background)(X)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model.predict(X), rtol=0, atol=1e-14)


SHARP = {"learning_rate": 1.0, "max_depth": 8, "lambda": 0, "min_child_weight": 0}


@pytest.mark.parametrize(
    "train, y, n_rounds, parameters",
    [
        (boosted, REAL, 1000, {"learning_rate": 0.01, "max_depth": 2}),
        # Trees that add up to a million: the library's float32 sums are off by tens.
        (boosted, REAL + 1e6, 1000, {"max_depth": 2, "base_score": 0.0}),
        (boosted, REAL, 300, {"max_depth": 2, "base_score": 1e7}),
        (boosted, REAL, 300, SHARP),
        (boosted, BINARY, 100, {**SHARP, "objective": "binary:logistic"}),
        (boosted, 1e10 * REAL, 100, SHARP),
        (boosted, 1e-8 * REAL, 100, {**SHARP, "base_score": 0.0}),
        (boosted, REAL, 80, {"booster": "dart", "rate_drop": 0.3}),
        (light, REAL, 1000, {"learning_rate": 0.01, "max_depth": 3}),
        (light, REAL + 1e6, 1000, {"num_leaves": 4, "boost_from_average": False}),
        (light, REAL + 1e12, 300, {"learning_rate": 1.0, "min_data_in_leaf": 1}),
        (light, 1e10 * REAL, 100, {"learning_rate": 1.0, "min_data_in_leaf": 1}),
        (light, 1e-8 * REAL, 100, {"learning_rate": 1.0, "min_data_in_leaf": 1}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_honest_models_pass(train, y, n_rounds, parameters):
    model = train(y, n_rounds, **parameters)
    for background in (None, FRAME[:4]):
        sc.TreeExplainer(model, background)(FRAME[:40])


def test_large_leaves_that_cancel_each_other_pass():
    up = boosted(REAL + 1e6, 20, base_score=0.0)
    data = xgboost.DMatrix(FRAME, REAL)
    model = xgboost.train({"max_depth": 4, "nthread": 1}, data, 40, xgb_model=up)
    explainer = sc.TreeExplainer(model)
    predicted = model.predict(xgboost.DMatrix(FRAME), output_margin=True)
    assert np.abs(predicted).max() < 100
    assert np.abs(explainer.ensemble.predict(X) - predicted).max() > 1e-2
    explainer(FRAME)
    with pytest.raises(AdditivityError):
        with_wrong_leaf(explainer, 10.0)(FRAME)


def test_leaves_whose_sums_would_overflow_are_refused():
    def explained(size):
        model = sklearn.tree.DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, REAL)
        model.tree_.value[:] *= size
        explainer = sc.TreeExplainer(model, X[:40], weights=np.arange(1.0, 41))
        return explainer(X, index="BV")

    small, large = explained(1.0), explained(1e279)
    np.testing.assert_allclose(large.values * 1e-279, small.values, atol=1e-9)
    np.testing.assert_allclose(large.base_values * 1e-279, small.base_values, atol=1e-9)
    for size in (1e290, 1e307):
        # The base value would be infinite, which Banzhaf values do not tell.
        with pytest.raises(UnsupportedModelError, match=r"leaves sum to .* power of ten"):
            explained(size)
