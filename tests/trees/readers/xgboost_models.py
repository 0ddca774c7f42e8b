"""Small XGBoost models to test with, and what the library itself makes of rows."""

import json

import numpy as np
import pytest
from contracts import leaf_values

from shapley_core.trees.readers import xgboost as reader

xgb = pytest.importorskip("xgboost")
TYPES = ["q", "q", "c", "q"]
SMALL = {"max_depth": 3, "nthread": 1, "tree_method": "hist"}
VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])


def table(seed=0, n_rows=120, n_categories=90):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, 4))
    rows[:, 2] = rng.integers(0, n_categories, n_rows)
    rows[:, 3] = np.round(rows[:, 3])
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


def train(parameters, rounds=4, rows=None, label=None, types=None, **options):
    rows = table() if rows is None else rows
    if label is None:
        label = target(rows, parameters)
    data = xgb.DMatrix(
        rows, label=label, feature_types=types, enable_categorical=types is not None, nthread=1
    )
    return xgb.train({**SMALL, **parameters}, data, rounds, **options)


def target(rows, parameters):
    z = np.nan_to_num(rows)
    score = np.tanh(z[:, 0]) + (z[:, 1] > 0) * z[:, 3] + np.sin(z[:, 2])
    objective = parameters.get("objective", "reg:squarederror")
    if objective.startswith("multi"):
        return np.clip(np.round(score), 0, parameters["num_class"] - 1)
    if objective.startswith("binary"):
        return (score > 0.5).astype(float)
    if objective == "reg:logistic":
        return 1 / (1 + np.exp(-score))
    if objective in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox"):
        return np.exp(score / 3)
    if parameters.get("targets"):
        return np.column_stack([score * k + z[:, k] for k in range(parameters["targets"])])
    return score


def trained(parameters, rounds=4, seed=0):
    parameters = dict(parameters)
    rows = table(seed, n_categories=parameters.pop("n_categories", 90))
    rows[:, 0] *= parameters.pop("scale", 1)
    types = parameters.pop("types", None)
    label = target(rows, parameters)
    parameters.pop("targets", None)
    return train(parameters, rounds, rows, label, types), rows


def own_leaves(booster):
    def leaves(rows):
        kinds = booster.feature_types
        data = xgb.DMatrix(rows, feature_types=kinds, enable_categorical=True, nthread=1)
        return booster.predict(data, pred_leaf=True)

    return leaves


def summed_in_float32(ensemble, rows):
    """Base, then tree after tree, as XGBoost adds."""
    total = np.repeat(ensemble.base.astype(np.float32)[None], len(rows), 0)
    added = leaf_values(ensemble, rows).astype(np.float32)
    for tree, output in enumerate(ensemble.tree_outputs):
        total[:, output : output + added.shape[2]] += added[:, tree]
    return total.astype(np.float64)


def is_dart(booster):
    return json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] == "dart"


def assert_bit_for_bit(model, rows, ensemble=None):
    own = reader.predict_raw(model, rows)
    if isinstance(model, xgb.Booster) and is_dart(model):
        # In place XGBoost before 3.4 adds the base to each tree of DART, and takes it off again.
        kinds = model.feature_types
        data = xgb.DMatrix(rows, feature_types=kinds, enable_categorical=True, nthread=1)
        exact = model.predict(data, output_margin=True).astype(np.float64)
        np.testing.assert_allclose(own, exact, rtol=1e-5, atol=1e-6)
        own = exact
    mine = summed_in_float32(ensemble or reader.read(model), rows)
    np.testing.assert_array_equal(mine, own.reshape(len(rows), -1), strict=True)
