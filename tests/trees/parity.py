"""Values as the libraries themselves give them, and by brute force over their predictions."""

from itertools import product
from math import factorial

import numpy as np
import xgboost

import shapley_core as sc


def rows_with_holes(n_rows=200, n_features=5, seed=0, holes=0.1):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, n_features))
    rows[rng.random(rows.shape) < holes] = np.nan
    return rows


def targets(rows):
    """Real, binary, three-class and positive targets."""
    known = np.nan_to_num(rows)
    real = known.sum(axis=1) + known[:, 0] * known[:, 1]
    return real, (real > 0).astype(int), np.digitize(real, [-1, 1]), np.exp(real / 4)


def xgboost_own(model, X, missing=np.nan, rounds=None):
    """Return raw predictions (n, outputs), values (n, f, outputs) and biases (n, outputs)."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    if rounds is not None:
        booster = booster[rounds[0] : rounds[1]]
    data = xgboost.DMatrix(X, missing=missing, enable_categorical=True)
    raw = booster.predict(data, output_margin=True, strict_shape=True)
    both = np.moveaxis(booster.predict(data, pred_contribs=True, strict_shape=True), 1, 2)
    return raw.astype(float), both[:, :-1], both[:, -1]


def lightgbm_own(model, X, rounds=None, mean=False):
    """Return the same for LightGBM; ``mean`` for random forests, whose sums it returns."""
    booster = getattr(model, "booster_", model)
    n_outputs, all_rounds = booster.num_model_per_iteration(), booster.current_iteration()
    best = booster.best_iteration if booster.best_iteration > 0 else all_rounds
    start, stop = (0, min(best, all_rounds)) if rounds is None else rounds
    which = {"start_iteration": start, "num_iteration": stop - start}
    over = stop - start if mean else 1
    raw = booster.predict(X, raw_score=True, **which)
    both = booster.predict(X, pred_contrib=True, **which)
    if isinstance(both, list):
        both = np.hstack([part.toarray() for part in both])
    both = both.toarray() if hasattr(both, "toarray") else both
    both = np.moveaxis(both.reshape(len(both), n_outputs, -1), 1, 2) / over
    return raw.reshape(-1, n_outputs) / over, both[:, :-1], both[:, -1]


def assert_path_dependent(model, X, own, tolerance, **options):
    """Hold values, base values and their sum to the library's; return the explanation."""
    raw, values, bias = own
    explainer = sc.TreeExplainer(model, **options)
    before = np.array(explainer.expected_value)
    explanation = explainer(X)
    assert np.array_equal(explainer.expected_value, before)
    n_outputs = raw.shape[1]
    assert explanation.values.shape == values.shape[: 2 if n_outputs == 1 else 3]
    assert explanation.base_values.shape == ((len(raw),) if n_outputs == 1 else raw.shape)
    allowed = tolerance * (np.abs(raw).max() + np.abs(bias).max())
    got = explanation.values.reshape(values.shape)
    base = explanation.base_values.reshape(bias.shape)
    assert np.abs(got.sum(axis=1) + base - raw).max() <= allowed
    assert np.abs(base - bias).max() <= allowed
    assert np.abs(np.atleast_1d(before) - bias).max() <= allowed
    assert np.abs(got - values).max() <= allowed
    return explanation


def brute_force(predict, row, background):
    """Shapley values (f, outputs) of one row from predictions of all 2^f hybrids."""
    n_features = len(row)
    coalitions = np.array(list(product([False, True], repeat=n_features)))
    hybrids = np.where(coalitions[:, None, :], row, background)
    worth = np.asarray(predict(hybrids.reshape(-1, n_features)), float)
    worth = worth.reshape(len(coalitions), len(background), -1).mean(axis=1)
    position = coalitions @ (1 << np.arange(n_features)[::-1])
    assert (position == np.arange(len(position))).all()
    size = coalitions.sum(axis=1)
    values = np.empty((n_features, worth.shape[1]))
    for feature in range(n_features):
        without = np.flatnonzero(~coalitions[:, feature])
        gain = worth[without + (1 << (n_features - 1 - feature))] - worth[without]
        share = [
            factorial(s) * factorial(n_features - s - 1) / factorial(n_features)
            for s in size[without]
        ]
        values[feature] = share @ gain
    return values


def assert_interventional(model, X, predict, tolerance, n_background=6, n_rows=2, **options):
    """Hold values with a background to brute force over ``predict``, the library's own."""
    background = X[-n_background:]
    explainer = sc.TreeExplainer(model, background, **options)
    explanation = explainer(X[:n_rows])
    got = explanation.values.reshape(n_rows, X.shape[1], -1)
    raw = np.asarray(predict(background), float).reshape(n_background, -1)
    allowed = tolerance * (np.abs(raw).max() + np.abs(got).max())
    assert np.abs(np.atleast_1d(explainer.expected_value) - raw.mean(axis=0)).max() <= allowed
    for row, values in zip(X, got, strict=False):
        assert np.abs(values - brute_force(predict, row, background)).max() <= allowed
