"""Patterns from codes of values, and rows explained one by one: the bits of every other way."""

import numpy as np
import pytest
from random_trees import random_ensemble, random_rows

from shapley_core.explainers import TreeExplainer
from shapley_core.trees import Tree, TreeEnsemble, engines, row_codes, stages
from shapley_core.trees import tree as nodes

EXTREMES = [-np.inf, -1e300, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, 1e300, np.inf]


def by_pays(monkeypatch, pays):
    monkeypatch.setattr(stages.TableStages, "pays", lambda *_: pays)


def extreme_ensemble(n_trees=60):
    """Trees that test every extreme threshold, with missing values to both sides."""
    rng = np.random.default_rng(5)
    trees = []
    for _ in range(n_trees):
        flags = [nodes.DEFAULT_LEFT * int(rng.integers(2)) for _ in range(3)] + [0] * 4
        trees.append(
            Tree(
                feature=[*rng.integers(0, 3, 3), -1, -1, -1, -1],
                threshold=[*rng.choice(EXTREMES, 3), 0.0, 0.0, 0.0, 0.0],
                left=[1, 3, 5, -1, -1, -1, -1],
                right=[2, 4, 6, -1, -1, -1, -1],
                flags=flags,
                values=rng.normal(size=(7, 1)),
                cover=[8.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0],
            )
        )
    return TreeEnsemble.from_trees(
        trees, n_features=3, n_outputs=1, base=0.0, comparison="<=", input_dtype="float64"
    )


@pytest.mark.parametrize("with_background", [False, True])
def test_extreme_thresholds_and_values(with_background, monkeypatch):
    ensemble = extreme_ensemble()
    values = np.array([*EXTREMES, np.nan, 0.5, -2.0])
    rows = np.stack(np.meshgrid(values, values, values), -1).reshape(-1, 3)
    background = rows[::97] if with_background else None
    by_pays(monkeypatch, False)
    wanted = TreeExplainer(ensemble, background)(rows).values
    by_pays(monkeypatch, True)
    # The check compares their sums with leaves found by comparing the values themselves.
    assert (TreeExplainer(ensemble, background)(rows, check="trees").values == wanted).all()


@pytest.mark.parametrize("most", [1, 3, row_codes.MOST_THRESHOLDS])
@pytest.mark.parametrize("n_rows", [9, 31, 32, 33, 64, 65, 200])
def test_patterns_are_those_of_single_rows(most, n_rows, monkeypatch):
    # With few codes features of many thresholds have none, and are compared as they are.
    monkeypatch.setattr(row_codes, "MOST_THRESHOLDS", most)
    rng = np.random.default_rng(n_rows)
    ensemble = random_ensemble(rng, n_features=9, n_trees=8, depth=7, n_outputs=2)
    rows = random_rows(rng, n_rows, 9)
    background = random_rows(rng, 50, 9)
    by_pays(monkeypatch, False)
    wanted = [
        TreeExplainer(ensemble)(rows).values,
        TreeExplainer(ensemble, background)(rows).values,
    ]
    by_pays(monkeypatch, True)
    for given, values in zip((None, background), wanted, strict=True):
        explainer = TreeExplainer(ensemble, given)
        assert (explainer(rows, n_threads=1).values == values).all()
    pairs = TreeExplainer(ensemble)(rows, index="SII", order=2, n_threads=1).values
    by_pays(monkeypatch, False)
    assert (TreeExplainer(ensemble)(rows, index="SII", order=2).values == pairs).all()


def test_codes_are_places_among_the_thresholds():
    ensemble = extreme_ensemble(1)
    explainer = TreeExplainer(ensemble)
    codes = explainer._engine.groups.codes
    tested = np.unique(ensemble.feature[ensemble.feature >= 0])
    columns = np.tile([*EXTREMES, np.nan], (3, 4))
    found = codes.of(columns, 5, 42)
    assert found.shape == (2, len(tested), 32)
    for place, feature in enumerate(tested):
        at = np.unique(ensemble.threshold[ensemble.feature == feature])
        wanted = [0 if np.isnan(x) else 1 + int((at < x).sum()) for x in columns[feature, 5:42]]
        assert found[:, place].ravel()[:37].tolist() == wanted


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize(("n_features", "most_players"), [(6, 8), (12, 12)])
def test_rows_one_by_one_take_the_same_bits(n_features, most_players, vector, monkeypatch):
    by_pays(monkeypatch, False)
    monkeypatch.setattr(engines, "MOST_PLAYERS", most_players)
    rng = np.random.default_rng(31)
    ensemble = random_ensemble(
        rng, n_features, n_trees=10, depth=11, n_outputs=2, vector=vector, input_dtype="float32"
    )
    rows = random_rows(rng, 50, n_features)
    wanted = {}
    for single in (0, 1000):
        monkeypatch.setattr(engines, "SINGLE_ROWS", single)
        wanted[single] = TreeExplainer(ensemble)(rows, n_threads=1).values
    assert (wanted[0] == wanted[1000]).all()
    monkeypatch.setattr(engines, "SINGLE_ROWS", 8)
    for n in (1, 2, 7, 8, 15, 17, 33):
        assert (TreeExplainer(ensemble)(rows[:n], n_threads=1).values == wanted[0][:n]).all()
    deepest = max(TreeExplainer(ensemble)._engine.paths.distinct)
    assert deepest > 8 if most_players == 12 else deepest <= 6


def labelled_ensemble(n_trees=40, truncates=True):
    """Trees that test sets of few and of many categories, and of none."""
    rng = np.random.default_rng(8)
    trees = []
    for _ in range(n_trees):
        flags, sets = [0] * 7, {}
        for node in range(3):
            flags[node] = nodes.CATEGORICAL | nodes.DEFAULT_LEFT * int(rng.integers(2))
            flags[node] |= nodes.SET_GOES_LEFT * int(rng.integers(2))
            flags[node] |= nodes.TRUNCATES * truncates
        feature = rng.integers(0, 3, 3)
        for node in range(3):
            most = (5, 64, 150)[feature[node]]
            sets[node] = np.flatnonzero(rng.random(most) < rng.choice([0.0, 0.3, 0.9]))
        trees.append(
            Tree(
                feature=[*feature, -1, -1, -1, -1],
                threshold=[0.0] * 7,
                left=[1, 3, 5, -1, -1, -1, -1],
                right=[2, 4, 6, -1, -1, -1, -1],
                flags=flags,
                values=rng.normal(size=(7, 1)),
                cover=[8.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0],
                category_sets=sets,
            )
        )
    return TreeEnsemble.from_trees(
        trees, n_features=3, n_outputs=1, base=0.0, comparison="<=", input_dtype="float64"
    )


@pytest.mark.parametrize("truncates", [False, True])
@pytest.mark.parametrize(("most", "n_coded"), [(0, 0), (64, 2), (row_codes.MOST_LABELS, 3)])
def test_categories_with_codes_and_without(most, n_coded, truncates, monkeypatch):
    monkeypatch.setattr(row_codes, "MOST_LABELS", most)
    ensemble = labelled_ensemble(truncates=truncates)
    values = [np.nan, -np.inf, -1.0, -0.5, -0.0, 0.0, 0.5, 3.0, 4.9, 5.0, 63.0, 63.5, 64.0]
    values = np.array([*values, 127.0, 128.0, 149.0, 191.9, 192.0, 65471.0, 65535.0, 1e300, np.inf])
    rows = np.stack(np.meshgrid(values, values, values), -1).reshape(-1, 3)
    by_pays(monkeypatch, False)
    wanted = TreeExplainer(ensemble)(rows).values
    pairs = TreeExplainer(ensemble, rows[::97])(rows[::9], index="SII", order=2).values
    by_pays(monkeypatch, True)
    explainer = TreeExplainer(ensemble)
    assert (explainer(rows, check="trees").values == wanted).all()
    with_background = TreeExplainer(ensemble, rows[::97])
    assert (with_background(rows[::9], index="SII", order=2).values == pairs).all()
    assert len(explainer._engine.groups.codes._labelled) == n_coded
