"""Live LightGBM models: wrappers, tables of every kind, and labels of pandas categories."""

import pickle

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from shapley_core.errors import InputError, UnsupportedModelError
from shapley_core.tables import as_table
from shapley_core.trees.readers import lightgbm as reader

PARAMS = {
    "verbose": -1,
    "num_threads": 1,
    "min_data_in_leaf": 3,
    "min_data_per_group": 2,
    "cat_smooth": 0.5,
    "max_cat_to_onehot": 1,
    "num_leaves": 12,
}
SKLEARN = {"verbose": -1, "n_jobs": 1, "n_estimators": 5, "min_child_samples": 3}


def make_frame(n=120, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size of it": 1e6 + 0.01 * random.integers(0, 100, n),
            "city": pd.Categorical(random.choice(["x", "y", "z", "ü"], n)),
            "holes": np.where(random.random(n) < 0.2, np.nan, random.normal(size=n)),
            "flag": random.random(n) < 0.5,
            "code": pd.Categorical(random.choice([30, 10, 20], n)),
        }
    )
    effect = frame["city"].map({"x": 0.0, "y": 2.0, "z": -1.0, "ü": 4.0}).astype(float)
    y = effect + frame["holes"].fillna(1) + (frame["code"] == 10) + frame["flag"]
    return frame, (y + 50 * (frame["size of it"] - 1e6)).to_numpy()


def train(frame, y, rounds=4, **params):
    categorical = params.pop("categorical_feature", "auto")
    data = lightgbm.Dataset(frame, y, categorical_feature=categorical, params=PARAMS)
    return lightgbm.train(PARAMS | params, data, rounds)


def as_codes(ensemble, frame):
    """Translate labels as the ensemble describes them; columns are in the model's order."""
    columns = []
    for feature, name in enumerate(frame.columns):
        column = frame[name]
        if feature in ensemble.categories:
            assert ensemble.unseen_category == "missing"
            codes = {label: code for code, label in enumerate(ensemble.categories[feature])}
            column = column.astype(object).map(lambda label, codes=codes: codes.get(label, np.nan))
        columns.append(column.astype(float).to_numpy())
    return np.stack(columns, axis=1)


def from_table(ensemble, table):
    """Predict as the explainers do, from the user's own table."""
    rows = as_table(
        table,
        n_features=ensemble.n_features,
        feature_names=ensemble.feature_names,
        categories=ensemble.categories,
        unseen_category=ensemble.unseen_category,
        sparse_absent=ensemble.sparse_absent,
    )
    return ensemble.predict(rows.block(0, len(rows)))


def test_recognises():
    frame, y = make_frame()

    class Own(lightgbm.LGBMRegressor):
        pass

    for wrapper in (lightgbm.LGBMClassifier(), lightgbm.LGBMRanker(), Own()):
        assert reader.recognises(wrapper)
    assert reader.recognises(train(frame, y))

    class Booster:
        pass

    for other in (Booster(), np.zeros(3), None, "lightgbm", lightgbm, lightgbm.LGBMRegressor):
        assert not reader.recognises(other)


@pytest.mark.parametrize("kind", ["LGBMClassifier", "LGBMRegressor", "LGBMRanker"])
def test_wrappers(kind):
    X = np.random.default_rng(0).normal(size=(90, 4))
    model = getattr(lightgbm, kind)(**SKLEARN)
    for use in (reader.read, lambda m: reader.predict_raw(m, X)):
        with pytest.raises(UnsupportedModelError, match="not fitted"):
            use(model)
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    model.fit(X, y, **({"group": [30, 60]} if kind == "LGBMRanker" else {}))
    own = model.predict(X, raw_score=True)
    np.testing.assert_array_equal(reader.read(model).predict(X), own)
    np.testing.assert_array_equal(reader.predict_raw(model, X), own)
    assert reader.read(pickle.loads(pickle.dumps(model))).n_trees == 5


def test_classes_of_a_wrapper_name_the_outputs():
    X = np.random.default_rng(1).normal(size=(90, 3))
    y = np.array(["low", "mid", "high"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    model = lightgbm.LGBMClassifier(**SKLEARN).fit(X, y)
    ensemble = reader.read(model)
    assert ensemble.output_names == ("high", "low", "mid")
    np.testing.assert_array_equal(ensemble.predict(X), model.predict(X, raw_score=True))
    assert reader.read(model.booster_).output_names is None


# The argument of all versions 4; the newest announces another.
@pytest.mark.filterwarnings("ignore:.*eval_set")
def test_early_stopped_wrapper():
    X = np.random.default_rng(2).normal(size=(200, 3))
    y = X[:, 0] + np.random.default_rng(3).normal(size=200)
    model = lightgbm.LGBMRegressor(**SKLEARN | {"n_estimators": 80, "learning_rate": 0.5})
    model.fit(
        X[:100], y[:100], eval_set=[(X[100:], y[100:])],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )  # fmt: skip
    assert 0 < model.best_iteration_ < 80
    np.testing.assert_array_equal(reader.read(model).predict(X), model.predict(X))
    np.testing.assert_array_equal(reader.predict_raw(model, X), model.predict(X))


@pytest.mark.parametrize("num_class", [1, 3])
def test_predict_raw_takes_every_kind_of_table(num_class):
    random = np.random.default_rng(4)
    X = random.normal(size=(80, 3)) * (random.random((80, 3)) < 0.7)
    X[:, 0] = np.pi * 1e6 + 0.01 * np.round(X[:, 0], 1)
    X[random.random((80, 3)) < 0.1] = np.nan
    names = ["a", "b c", "ü"]
    y = np.nansum(X - [np.pi * 1e6, 0, 0], axis=1) + np.nan_to_num(np.sin(1e3 * X[:, 0]))
    label = np.digitize(y, [-1, 1]) if num_class == 3 else y
    objective = "multiclass" if num_class == 3 else "regression"
    frame = pd.DataFrame(X, columns=names)
    booster = train(frame, label, num_class=num_class, objective=objective)
    expected = reader.read(booster).predict(X)
    wide = np.zeros((80, 6), order="F")
    wide[:, ::2] = X
    read_only = X.copy()
    read_only.setflags(write=False)
    unsorted = sparse.csr_array(X)
    unsorted.indices = unsorted.indices.astype(np.int64)
    tables = {
        "numpy": X,
        "Fortran": np.asfortranarray(X),
        "strided": wide[:, ::2],
        "read-only": read_only,
        "big-endian": X.astype(">f8"),
        "long double": X.astype(np.longdouble),
        "masked": np.ma.MaskedArray(np.nan_to_num(X, nan=7.0), np.isnan(X)),
        "list": X.tolist(),
        "frame": frame,
        "other order": frame[["ü", "a", "b c"]],
        "more columns": frame.assign(more="text")[["more", "ü", "a", "b c"]],
        "nullable": frame.astype("Float64"),
        "polars": pl.from_pandas(frame).fill_nan(None),
        "polars, other order": pl.from_pandas(frame)[["ü", "a", "b c"]],
        "pyarrow": pa.Table.from_pandas(frame),
        "csr": sparse.csr_matrix(X),
        "csr array": unsorted,
        "csc": sparse.csc_array(X),
        "coo": sparse.coo_matrix(X),
    }
    for kind, table in tables.items():
        own = reader.predict_raw(booster, table)
        assert own.dtype == np.float64
        np.testing.assert_array_equal(own, expected, err_msg=kind)
        if not isinstance(table, list):
            table = table.tocsr() if kind == "coo" else table
            one = reader.predict_raw(booster, table[:1])
            np.testing.assert_array_equal(one, expected[:1], err_msg=kind)
    for none in (X[:0], frame[:0], sparse.csr_matrix(X)[:0]):
        assert reader.predict_raw(booster, none).shape == expected[:0].shape


def test_sparse_rows():
    random = np.random.default_rng(5)
    dense = random.integers(-2, 3, (60, 4)) * (random.random((60, 4)) < 0.5)
    booster = train(dense.astype(float), dense @ [1.0, 2, 3, 4], zero_as_missing=True)
    ensemble = reader.read(booster)
    expected = ensemble.predict(dense)
    assert ensemble.sparse_absent == "zero"
    whole = sparse.csr_matrix(dense)
    # Entries given twice mean their sum.
    halves = (np.repeat(whole.data / 2, 2), np.repeat(whole.indices, 2), 2 * whole.indptr)
    twice = sparse.csr_matrix(halves, whole.shape)
    for rows in (whole, whole.astype(np.int8), whole.astype(np.float32), twice):
        np.testing.assert_array_equal(reader.predict_raw(booster, rows), expected)
    assert twice.nnz == 2 * whole.nnz


def test_integers():
    frame = pd.DataFrame({"seconds": 1_700_000_000 + np.arange(200), "other": np.arange(200) % 7})
    booster = train(frame, np.sin(np.arange(200) / 9))
    ensemble = reader.read(booster)
    exact = ensemble.predict(frame.to_numpy(float))
    np.testing.assert_array_equal(reader.predict_raw(booster, frame), exact)
    np.testing.assert_array_equal(reader.predict_raw(booster, frame.astype("Int64")), exact)
    # The library itself rounds integer arrays to float32; that is its prediction of them.
    rounded = ensemble.predict(frame.to_numpy())
    assert (rounded != exact).any()
    np.testing.assert_array_equal(from_table(ensemble, frame), exact)
    np.testing.assert_array_equal(reader.predict_raw(booster, frame.to_numpy()), rounded)
    np.testing.assert_array_equal(ensemble.predict(frame.to_numpy()), rounded)


def test_labels_of_categories():
    frame, y = make_frame()
    booster = train(frame, y)
    ensemble = reader.read(booster)
    assert ensemble.feature_names == ("size_of_it", "city", "holes", "flag", "code")
    assert ensemble.categories == {1: ["x", "y", "z", "ü"], 4: [10, 20, 30]}
    expected = booster.predict(frame, raw_score=True)
    np.testing.assert_array_equal(ensemble.predict(as_codes(ensemble, frame)), expected)

    other = frame.copy()
    other["city"] = other["city"].cat.set_categories(["ü", "new", "y", "x", "z"])
    other.loc[:30, "city"] = "new"
    other.loc[40:50, "city"] = None
    other["code"] = other["code"].cat.reorder_categories([30, 10, 20])
    expected = booster.predict(other, raw_score=True)
    np.testing.assert_array_equal(ensemble.predict(as_codes(ensemble, other)), expected)

    text = other.astype({"city": object})
    shuffled = other[["code", "city", "flag", "size of it", "holes"]]
    polars = pl.DataFrame(
        {name: pl.Series(other[name].to_list(), strict=False) for name in ("holes", "size of it")}
        | {"city": pl.Series(other["city"].astype(object).where(other["city"].notna(), None))}
        | {"flag": other["flag"].to_list()}
    )
    arrow = pa.Table.from_pandas(other)
    for table in (other, text, shuffled, arrow):
        np.testing.assert_array_equal(reader.predict_raw(booster, table), expected)
        np.testing.assert_array_equal(from_table(ensemble, table), expected)
    without_code = train(frame.drop(columns="code"), y)
    expected = without_code.predict(other.drop(columns="code"), raw_score=True)
    for table in (polars, polars.with_columns(pl.col("city").cast(pl.Categorical))):
        np.testing.assert_array_equal(reader.predict_raw(without_code, table), expected)


@pytest.mark.parametrize("labels", [[True, False], [0.5, 2.0, 1e300], ["a b", 'c"d', "é,[]"]])
def test_labels_of_every_type(labels):
    frame = pd.DataFrame(
        {"n": np.arange(90) / 7.1, "c": pd.Categorical(labels * (90 // len(labels)))}
    )
    booster = train(frame, frame["n"] + frame["c"].cat.codes)
    ensemble = reader.read(booster)
    assert list(ensemble.categories) == [1]
    assert ensemble.categories[1] == sorted(labels)
    np.testing.assert_array_equal(
        ensemble.predict(as_codes(ensemble, frame)), booster.predict(frame, raw_score=True)
    )


def test_ordered_categories_and_declared_columns():
    frame, y = make_frame()
    frame["city"] = frame["city"].cat.as_ordered()
    # Ordered: numeric to the library, but it has labels; the list can belong nowhere else.
    booster = train(frame[["size of it", "city", "holes", "code"]], y)
    ensemble = reader.read(booster)
    assert ensemble.categories == {1: ["x", "y", "z", "ü"], 3: [10, 20, 30]}
    # A column of numbers declared categorical has no labels.
    random = np.random.default_rng(6)
    frame["kind"] = random.integers(0, 9, len(frame))
    columns = ["size of it", "city", "holes", "kind"]
    frame["city"] = frame["city"].cat.as_unordered()
    booster = train(frame[columns], y + frame["kind"], categorical_feature=["city", "kind"])
    assert reader.read(booster).categories == {1: ["x", "y", "z", "ü"]}


def test_categories_that_training_found_useless_have_their_labels():
    frame, y = make_frame()
    frame = frame[["city", "code"]].assign(count=np.arange(len(frame)) % 3)
    frame["code"] = pd.Categorical([20] * len(frame), categories=[20, 10, 30])
    booster = train(frame, y)
    assert " none " in booster.model_to_string()
    assert reader.read(booster).categories == {0: ["x", "y", "z", "ü"], 1: [20, 10, 30]}


def test_labels_that_could_belong_to_two_columns_are_not_guessed():
    frame, y = make_frame()
    frame["kind"] = np.random.default_rng(6).integers(0, 3, len(frame))
    booster = train(
        frame[["city", "kind"]], y + frame["kind"], categorical_feature=["city", "kind"]
    )
    ensemble = reader.read(booster)
    # No label is known, and none is taken for a missing value: every frame is refused.
    assert ensemble.categories == {0: (), 1: ()}
    assert ensemble.unseen_category == "error"
    codes = frame[["city", "kind"]].assign(city=frame["city"].cat.codes).to_numpy(float)
    expected = booster.predict(frame[["city", "kind"]], raw_score=True)
    np.testing.assert_array_equal(from_table(ensemble, codes), expected)
    with pytest.raises(InputError):
        from_table(ensemble, frame[["city", "kind"]])


def test_labels_given_to_the_wrong_column_are_never_used():
    frame, y = make_frame()
    random = np.random.default_rng(6)
    frame["kind"] = random.integers(0, 4, len(frame))
    frame = frame[["holes", "kind", "city"]]
    # One declared column without labels, one column of labels that is numeric to the library:
    # to the file these look like one categorical column.
    frame = frame.assign(city=frame["city"].cat.as_ordered())
    ensemble = reader.read(train(frame, y, categorical_feature=["kind"]))
    with pytest.raises(InputError):
        from_table(ensemble, frame)


def test_reading_leaves_the_model_as_it_was():
    frame, y = make_frame()
    booster = train(frame, y)
    before = booster.model_to_string()
    reader.read(booster)
    reader.predict_raw(booster, frame)
    assert booster.model_to_string() == before


def test_early_stop_of_predictions_is_not_used():
    X = np.random.default_rng(7).normal(size=(100, 2))
    model = lightgbm.LGBMClassifier(
        **SKLEARN | {"n_estimators": 60}, pred_early_stop=True, pred_early_stop_margin=0.5
    ).fit(X, X[:, 0] > 0)
    np.testing.assert_array_equal(reader.predict_raw(model, X), reader.read(model).predict(X))
