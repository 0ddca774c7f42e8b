"""Text and categories of frames become the model's codes, by their labels."""

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from table_cases import FRAMES, NAN, whole

from shapley_core.errors import InputError
from shapley_core.tables import as_table

LABELS = {1: ["low", "mid", "high"]}
CATEGORICAL = {
    "pandas": lambda v: pd.Categorical(v, categories=["high", "other", "low"]),
    "pandas text": lambda v: pd.Series(v, dtype="str"),
    "pandas object": lambda v: pd.Series(v, dtype=object),
    "pandas string": lambda v: pd.Series(v, dtype="string"),
    "pandas string arrow": lambda v: pd.Series(v, dtype="string[pyarrow]"),
    "polars": lambda v: pl.Series(v, dtype=pl.Categorical),
    "polars enum": lambda v: pl.Series(v, dtype=pl.Enum(["high", "other", "low"])),
    "polars text": lambda v: pl.Series(v, dtype=pl.String),
    "pyarrow": lambda v: pa.array(v, pa.string()).dictionary_encode(),
    "pyarrow text": lambda v: pa.array(v, pa.string()),
}


@pytest.fixture(params=FRAMES, ids=list(FRAMES))
def frame(request):
    return FRAMES[request.param]


@pytest.fixture(params=CATEGORICAL, ids=list(CATEGORICAL))
def labelled(request):
    kind = request.param

    def make(values):
        library = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
        columns = {"n": np.arange(len(values)), "level": CATEGORICAL[kind](values)}
        return library[kind.split()[0]](columns)

    return make


def test_labels_become_the_models_codes(labelled):
    X = labelled(["low", None, "high", "low"])
    table = as_table(X, n_features=2, categories=LABELS)
    np.testing.assert_array_equal(whole(table)[:, 1], [0, NAN, 2, 0])
    np.testing.assert_array_equal(table.block(2, 4), [[2, 2], [3, 0]])


def test_unseen_labels(labelled):
    X = labelled(["low", "other", "high"])
    table = as_table(X, n_features=2, categories=LABELS)
    table.block(0, 1)
    with pytest.raises(InputError, match="column 'level' of X holds 'other', which is not among"):
        table.block(0, 3)
    table = as_table(X, n_features=2, categories=LABELS, unseen_category="missing")
    np.testing.assert_array_equal(whole(table)[:, 1], [0, NAN, 2])


@pytest.mark.parametrize("gap", [None, NAN, float("nan"), pd.NA, pd.NaT])
def test_every_kind_of_missing_label(gap):
    X = pd.DataFrame({"a": pd.Series(["x", gap, "y"], dtype=object)})
    table = as_table(X, n_features=1, categories={0: ["y", "x"]})
    np.testing.assert_array_equal(whole(table)[:, 0], [1, NAN, 0])


def test_labels_match_as_python_values():
    def codes(values, labels, unseen="missing"):
        X = pd.DataFrame({"a": pd.Categorical(values)})
        table = as_table(X, n_features=1, categories={0: labels}, unseen_category=unseen)
        return whole(table)[:, 0].tolist()

    assert codes(np.array([3, 5], np.int32), [5, 3]) == [1, 0]
    assert codes([3.0, 5.0], [5, 3]) == [1, 0]
    assert np.isnan(codes(["3", "5"], [5, 3])).all()
    assert codes([True, False], [False, True]) == [1, 0]
    with pytest.raises(InputError, match="holds '3'"):
        codes(["3", "5"], [5, 3], "error")


def test_labels_match_as_lightgbm_matches_them():
    rng = np.random.default_rng(0)
    labels = [9, 3, 5]
    codes = rng.integers(0, 3, 300)
    X = pd.DataFrame({"a": pd.Categorical.from_codes(codes, labels), "b": rng.normal(size=300)})
    settings = {"verbose": -1, "num_threads": 1, "min_data_per_group": 1, "cat_smooth": 0}
    target = np.array([1.0, 20.0, 7.0])[codes]
    model = lightgbm.train(settings, lightgbm.Dataset(X, target), 5)
    for given in ([5, 9, 3, 4], [5.0, 9.0, 3.0], ["5", "9"], [3, 5, None]):
        frame = pd.DataFrame({"a": pd.Categorical(given), "b": 0.0})
        table = as_table(frame, n_features=2, categories={0: labels}, unseen_category="missing")
        np.testing.assert_array_equal(model.predict(whole(table)), model.predict(frame))


def test_pandas_codes_where_the_model_has_no_labels():
    X = pd.DataFrame({"a": pd.Categorical(["y", None, "x"], categories=["x", "z", "y"])})
    np.testing.assert_array_equal(whole(as_table(X, n_features=1)), [[2], [NAN], [0]])
    for meaning in ("refused", "labels"):
        with pytest.raises(InputError, match="'a' of X is categorical, but the model knows"):
            as_table(X, n_features=1, categorical_columns=meaning)


def test_arrow_categories_need_labels():
    for X in (
        pl.DataFrame({"a": ["x", "y"]}, schema={"a": pl.Categorical}),
        pa.table({"a": pa.array(["x", "y"]).dictionary_encode()}),
    ):
        with pytest.raises(InputError, match=r"column 'a' of X is categorical.* give the codes"):
            as_table(X, n_features=1)
        for meaning in ("refused", "values", "labels"):
            with pytest.raises(InputError, match=r"'a' of X is categorical.* plain numbers"):
                as_table(X, n_features=1, categorical_columns=meaning)


def test_numbers_are_not_taken_for_labels_or_codes(frame):
    with pytest.raises(InputError, match=r"column 'a' of X .* knows this feature by its labels"):
        as_table(frame({"a": [1, 2]}), n_features=1, categories={0: [1, 2]})
    codes = as_table(np.array([[1], [0]]), n_features=1, categories={0: ["x", "y"]})
    np.testing.assert_array_equal(whole(codes), [[1], [0]])


def test_labels_that_the_model_lost(frame):
    # Any column may be one of numbers that stand for codes, or for labels.
    with pytest.raises(InputError, match="X is a frame, but the model does not say which"):
        as_table(frame({"a": [1.5], "b": [1]}), n_features=2, categories={0: (), 1: ()})
    codes = as_table(np.array([[1.5, 1]]), n_features=2, categories={0: (), 1: ()})
    np.testing.assert_array_equal(whole(codes), [[1.5, 1]])
