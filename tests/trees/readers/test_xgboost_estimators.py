"""XGBoost's scikit-learn estimators: what is fitted, missing values, early stopping."""

import numpy as np
import pytest
from contracts import assert_same_ensembles
from xgboost_models import assert_bit_for_bit, table, xgb

from shapley_core.errors import InputError
from shapley_core.trees import read_model
from shapley_core.trees.readers import xgboost as reader

ESTIMATORS = ["XGBRegressor", "XGBClassifier", "XGBRFRegressor", "XGBRFClassifier", "XGBRanker"]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name):
    rows = table()
    label = np.clip(np.round(np.nan_to_num(rows[:, 0])), 0, 2).astype(int)
    model = getattr(xgb, name)(n_estimators=3, max_depth=3, n_jobs=1)
    with pytest.raises(InputError, match="not fitted"):
        reader.read(model)
    with pytest.raises(InputError, match="not fitted"):
        reader.predict_raw(model, rows)
    groups = {"group": [60, 60]} if name == "XGBRanker" else {}
    model.fit(rows, label, **groups)
    assert reader.recognises(model)
    assert_bit_for_bit(model, rows)
    own = model.predict(rows, output_margin=True)
    np.testing.assert_array_equal(reader.predict_raw(model, rows), own)
    names = reader.read(model).output_names
    assert names == (("0", "1", "2") if name.endswith("Classifier") else None)


def test_an_empty_booster_is_refused():
    with pytest.raises(InputError, match="not fitted"):
        reader.read(xgb.Booster())


@pytest.mark.parametrize("missing", [-999.0, 0.0, 0.1, np.inf])
def test_the_missing_value_of_an_estimator(missing):
    rows = np.nan_to_num(table())
    rows[::3, :2] = missing
    model = xgb.XGBRegressor(n_estimators=4, max_depth=3, n_jobs=1, missing=missing)
    model.fit(rows, np.nan_to_num(rows[:, 3]) + (rows[:, 0] == missing))
    ensemble = reader.read(model)
    assert ensemble.missing == missing
    assert_bit_for_bit(model, rows)
    as_nan = np.where(rows == missing, np.nan, rows)
    np.testing.assert_array_equal(ensemble.predict(as_nan), ensemble.predict(rows))
    np.testing.assert_array_equal(
        reader.predict_raw(model, rows), model.predict(rows, output_margin=True)
    )


def test_early_stopping():
    rows = np.nan_to_num(table())
    label = np.random.default_rng(1).normal(size=len(rows))
    model = xgb.XGBRegressor(n_estimators=30, n_jobs=1, early_stopping_rounds=3, learning_rate=1.0)
    model.fit(rows[:60], label[:60], eval_set=[(rows[60:], label[60:])], verbose=False)
    booster, best = model.get_booster(), model.best_iteration
    n_rounds = booster.num_boosted_rounds()
    assert best + 1 < n_rounds
    assert reader.read(model).n_trees == best + 1
    assert reader.read(booster).n_trees == n_rounds
    assert reader.read(model, iteration_range=(0, n_rounds)).n_trees == n_rounds
    own = model.predict(rows, output_margin=True)
    np.testing.assert_array_equal(reader.predict_raw(model, rows), own)
    own = booster.predict(xgb.DMatrix(rows), output_margin=True)
    np.testing.assert_array_equal(reader.predict_raw(booster, rows), own)
    assert_bit_for_bit(model, rows)
    assert_bit_for_bit(booster, rows)
    assert_same_ensembles(read_model(booster), read_model(model, iteration_range=(0, n_rounds)))


@pytest.mark.parametrize("wrong", [(0.5, 2), "ab", (1,), (0, 1, 2), 3])
def test_a_range_of_rounds_is_two_whole_numbers(wrong):
    model = xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(TypeError, match="two whole numbers"):
        reader.read(model, iteration_range=wrong)
    with pytest.raises(TypeError, match="two whole numbers"):
        reader.predict_raw(model, np.zeros((4, 1)), iteration_range=wrong)


def test_sliced_boosters():
    rows = table()
    booster = xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(rows, label=rows[:, 3] > 0), 6)
    assert reader.read(booster[2:5]).n_trees == 3
    assert_bit_for_bit(booster[2:5], rows)
