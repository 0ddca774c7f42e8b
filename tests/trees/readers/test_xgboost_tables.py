"""XGBoost models and tables: names of columns, category labels, missing values."""

import numpy as np
import pytest
from contracts import assert_same_ensembles

from shapley_core import TreeExplainer
from shapley_core.errors import InputError
from shapley_core.trees import read_model
from shapley_core.trees.readers import xgboost as reader

xgb = pytest.importorskip("xgboost")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
KEEPS_LABELS = tuple(int(part) for part in xgb.__version__.split(".")[:2]) >= (3, 1)
LABELS = ["c", "b", "d", "a", "e"]


def frame(labels=LABELS, n_rows=200):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, len(labels), n_rows)
    columns = {
        "width": rng.normal(size=n_rows),
        "kind": pd.Categorical.from_codes(codes, labels),
        "height": rng.normal(size=n_rows),
    }
    label = np.cos(3 * codes) + 0.3 * columns["width"] * columns["height"]
    return pd.DataFrame(columns), label


def trained(labels=LABELS, **options):
    table, label = frame(labels)
    data = xgb.DMatrix(table, label=label, enable_categorical=True, nthread=1)
    return xgb.train({"max_depth": 4, "nthread": 1, **options}, data, 4), table


def encoded(ensemble, table):
    """Put the code of each label, in the model's order, in the place of the label."""
    rows = np.empty(table.shape)
    for number, name in enumerate(ensemble.feature_names):
        if number in ensemble.categories:
            codes = {label: code for code, label in enumerate(ensemble.categories[number])}
            rows[:, number] = [codes.get(value, np.nan) for value in table[name].astype(object)]
        else:
            rows[:, number] = table[name]
    return rows


@pytest.mark.skipif(not KEEPS_LABELS, reason="before 3.1 models keep no labels")
@pytest.mark.parametrize("one_hot", [2, 100])
@pytest.mark.parametrize(
    "labels",
    [LABELS, ["", " ", "red, green", '"', "\\"], [30, 10, -20], np.array([7, 200, 1], np.uint8)],
)
def test_labels_in_the_order_of_the_model(labels, one_hot):
    booster, table = trained(labels, max_cat_to_onehot=one_hot)
    ensemble = reader.read(booster)
    assert ensemble.feature_names == ("width", "kind", "height")
    assert ensemble.categories == {1: list(labels)}
    assert ensemble.unseen_category == "error"
    content = bytes(booster.save_raw("json"))
    assert_same_ensembles(reader.read_file(content, "model.json"), ensemble)
    other = table.copy()
    other["kind"] = table["kind"].cat.set_categories(list(labels)[::-1])
    other.loc[::9, "kind"] = None
    assert (other["kind"].cat.codes != table["kind"].cat.codes).any()
    for given in (table, other):
        own = reader.predict_raw(booster, given)
        np.testing.assert_allclose(ensemble.predict(encoded(ensemble, given)), own, rtol=1e-6)
        np.testing.assert_array_equal(reader.predict_raw(booster, encoded(ensemble, given)), own)


@pytest.mark.skipif(not KEEPS_LABELS, reason="before 3.1 models keep no labels")
def test_the_library_refuses_labels_it_has_not_seen():
    booster, table = trained()
    table["kind"] = table["kind"].cat.rename_categories({"e": "never seen"})
    with pytest.raises(InputError, match=r"refuses these rows: .*never seen"):
        reader.predict_raw(booster, table)


def test_what_the_library_refuses_is_told_without_its_stack_trace():
    rows = np.random.default_rng(0).normal(size=(50, 2))
    frame = pd.DataFrame(rows, columns=["a", "b"])
    model = xgb.XGBRegressor(n_estimators=2).fit(frame, rows[:, 0])
    frame["a"] = pd.Categorical(frame["a"].round(1))

    def refuse(*_, **__):
        raise xgb.core.XGBoostError("[12:00:00] /src/a.h:1: a reason\nStack trace:\n  [bt] (0)")

    model.get_booster().inplace_predict = refuse
    with pytest.raises(InputError, match=r"^the model itself refuses these rows: a reason$"):
        TreeExplainer(model)(frame)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_columns_are_aligned_by_name(kind):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(80, 3)), columns=["x", "y", "z"])
    model = xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(table, table["x"] - 2 * table["y"])
    convert = {"pandas": lambda t: t, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}
    own = model.predict(table, output_margin=True)
    for names in (["x", "y", "z"], ["z", "x", "y"], ["more", "z", "y", "x"]):
        given = table.assign(more=1.0)[names]
        for live in (model, model.get_booster()):
            result = reader.predict_raw(live, convert[kind](given))
            np.testing.assert_array_equal(result, own)
    with pytest.raises(InputError, match=r"lacks columns \['y'\]"):
        reader.predict_raw(model, convert[kind](table[["x", "z"]]))
    np.testing.assert_array_equal(reader.predict_raw(model, table.to_numpy()), own)
    np.testing.assert_array_equal(reader.predict_raw(model, table.to_numpy().tolist()), own)


def test_numbered_columns_and_models_without_names():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 3)))
    label = table[0] - table[2]
    model = xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(table, label)
    assert reader.read(model).feature_names == ("0", "1", "2")
    own = reader.predict_raw(model, table)
    np.testing.assert_array_equal(reader.predict_raw(model, table[[2, 0, 1]]), own)
    nameless = xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(table.to_numpy(), label)
    assert reader.read(nameless).feature_names is None
    np.testing.assert_array_equal(reader.predict_raw(nameless, table), own)


def test_nullable_columns():
    table = pd.DataFrame({"x": [1, None, 3] * 20, "y": np.arange(60.0)})
    nullable = table.astype({"x": "Int64", "y": "Float32"})
    model = xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(table, table["y"] + table["x"].fillna(9))
    own = reader.predict_raw(model, table)
    np.testing.assert_array_equal(reader.predict_raw(model, nullable), own)
    np.testing.assert_array_equal(reader.predict_raw(model, pl.from_pandas(nullable)), own)
    np.testing.assert_allclose(reader.read(model).predict(table.to_numpy()), own, rtol=1e-6)


def test_versions_before_3_are_shown_numbers(monkeypatch):
    columns = {"x": [1, None, 3] * 20, "y": np.arange(60.0), "z": [True, False, None] * 20}
    tables = pa.table(columns), pl.DataFrame(columns), pa.RecordBatch.from_pydict(columns)
    rows = pd.DataFrame(columns).astype(float)
    model = xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(rows, rows["y"] + rows["x"].fillna(9))
    own = reader.predict_raw(model, rows)
    ask = xgb.Booster.inplace_predict

    def refusing(booster, given, **options):
        assert type(given) is np.ndarray
        return ask(booster, given, **options)

    monkeypatch.setattr(xgb, "__version__", "1.7.6")
    monkeypatch.setattr(xgb.Booster, "inplace_predict", refusing)
    for table in tables:
        np.testing.assert_array_equal(reader.predict_raw(model, table), own)


def test_polars_enum_is_taken_and_categorical_refused():
    booster, table = trained()
    own = reader.predict_raw(booster, table)
    plain = pl.from_pandas(table.astype({"kind": str}))
    ordered = plain.with_columns(plain["kind"].cast(pl.Enum(LABELS)))
    np.testing.assert_array_equal(reader.predict_raw(booster, ordered), own)
    kinds = [pl.Categorical, pl.Categorical("lexical")]
    if hasattr(pl, "Categories"):
        kinds.append(pl.Categorical(pl.Categories("named")))
    for kind in kinds:
        loose = plain.with_columns(plain["kind"].cast(kind))
        with pytest.raises(InputError, match=r"polars\.Enum"):
            reader.predict_raw(booster, loose)


def test_class_labels_are_output_names(tmp_path):
    table, label = frame()
    names = np.array(["low", "mid", "high"])[np.digitize(label, [-0.5, 0.5])]
    codes = np.unique(names, return_inverse=True)[1]
    model = xgb.XGBClassifier(n_estimators=2, n_jobs=1, enable_categorical=True).fit(table, codes)
    assert reader.read(model).output_names == ("0", "1", "2")
    model.save_model(tmp_path / "model.ubj")
    assert read_model(tmp_path / "model.ubj").output_names is None
    binary = xgb.XGBClassifier(n_estimators=2, n_jobs=1, enable_categorical=True).fit(
        table, codes > 0
    )
    assert reader.read(binary).output_names is None
