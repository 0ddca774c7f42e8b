"""Trees whose shallow leaves have tables beside a background, while their deep ones are walked."""

import pickle

import numpy as np
import pytest
from random_trees import random_ensemble, random_rows
from test_deep_trees import by_leaf, caterpillar, deep_ensemble

from shapley_core import TableGame, exact
from shapley_core.explainers import TreeExplainer
from shapley_core.reference import trees as literal
from shapley_core.trees import TreeEnsemble, background, lookup, stages
from shapley_core.trees.tree import LEAF


@pytest.fixture(params=[0, 10**6], ids=["sets", "rows"])
def way(request, monkeypatch):
    """Meet every background in one way."""
    monkeypatch.setattr(background, "FEW_ROWS", request.param)


@pytest.fixture
def in_parts(monkeypatch):
    """Let every tree have tables for what few features decide."""
    monkeypatch.setattr(lookup, "LEAST_BITS", 2)
    monkeypatch.setattr(background, "COVERED_BESIDE_ROWS", 0.0)
    monkeypatch.setattr(background, "COVERED_BESIDE_SETS", 0.0)


@pytest.fixture(params=[False, True], ids=["without", "tables"])
def pays(request, monkeypatch):
    monkeypatch.setattr(stages.TableStages, "pays", lambda *_: request.param)
    return request.param


def parts_of(explainer):
    """Which leaves are in trees of both kinds, and are deep there."""
    groups = explainer._engine.groups
    leaf = explainer.ensemble.feature == LEAF
    part = np.repeat(
        (groups.max_bits > 0) & ~groups.has_tables, np.diff(explainer.ensemble.tree_offsets)
    )
    return groups.is_deep[leaf & part]


def worths(ensemble, rows, others, weights):
    """Worth of each coalition for each row: coalitions by rows by outputs."""
    n = rows.shape[1]
    out = np.empty((1 << n, len(rows), ensemble.n_outputs))
    for s in range(1 << n):
        inside = np.array([s >> j & 1 for j in range(n)], bool)
        mixed = np.where(inside, rows[:, None], others).reshape(-1, n)
        predicted = ensemble.predict(mixed).reshape(len(rows), len(others), -1)
        out[s] = np.average(predicted, axis=1, weights=weights)
    return out


@pytest.mark.parametrize("seed", range(8))
def test_values_by_brute_force(way, in_parts, pays, seed, monkeypatch):
    """Missing values, categories, weights and several outputs; features repeat on the paths."""
    monkeypatch.setattr(lookup, "MOST_BITS", 2 + seed % 3)
    rng = np.random.default_rng(seed)
    ensemble = random_ensemble(
        rng, n_features=6, n_trees=8, depth=7, n_outputs=1 + seed % 3, vector=seed % 4 == 1
    )
    n_rows = [1, 6, 90][seed % 3]
    rows, others = random_rows(rng, n_rows, 6), random_rows(rng, 70, 6)
    rows[::3] = others[rng.integers(70, size=len(rows[::3]))]
    weights = rng.integers(1, 5, 70)
    explainer = TreeExplainer(ensemble, others, weights=weights)
    deep = parts_of(explainer)
    assert deep.any() and not deep.all()
    values = explainer(rows).values.reshape(n_rows, 6, -1)
    worth = worths(ensemble, rows, others, weights)
    for row in range(n_rows):
        for k in range(values.shape[2]):
            wanted = exact(TableGame(worth[:, row, k]), "SV").to_array(1)
            np.testing.assert_allclose(values[row, :, k], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_background", [1, 65, 300])
@pytest.mark.parametrize("width", [1, 3])
def test_values_are_the_closed_form(way, in_parts, n_background, width):
    rng = np.random.default_rng(10 * width + n_background)
    ensemble = deep_ensemble(rng, width=width)
    rows, others = random_rows(rng, 3, 30), random_rows(rng, n_background, 30)
    others[::7] = others[0]
    weights = rng.integers(1, 4, n_background)
    explainer = TreeExplainer(ensemble, others, weights=weights)
    assert 0 < parts_of(explainer).mean() < 1
    values = explainer(rows).values.reshape(3, 30, width)
    wanted = [by_leaf(ensemble, row, others, weights) for row in rows]
    np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_nothing_but_model_and_background_changes_a_bit(way, in_parts, weighted, monkeypatch):
    rng = np.random.default_rng(3)
    ensemble = deep_ensemble(rng)
    rows, others = random_rows(rng, 300, 30), random_rows(rng, 130, 30)
    rows[1::3] = others[:100]
    weights = rng.random(130) ** 9 if weighted else np.ones(130)
    found = {}
    for pays in (False, True):
        monkeypatch.setattr(stages.TableStages, "pays", lambda *_, pays=pays: pays)
        explainer = TreeExplainer(ensemble, others, weights=weights, n_threads=1)
        found[pays] = explainer(rows).values
        for few in (1, 2, 5, 17, 40):
            assert (explainer(rows[:few]).values == found[pays][:few]).all()
            assert (explainer(rows[-few:]).values == found[pays][-few:]).all()
    assert (found[False] == found[True]).all()
    shuffled = rng.permutation(130)
    again = TreeExplainer(ensemble, others[shuffled], weights=weights[shuffled], n_threads=2)
    assert (again(rows[::-1]).values == found[True][::-1]).all()
    assert (pickle.loads(pickle.dumps(again))(rows).values == found[True]).all()


def test_interactions_need_no_parts(way, in_parts):
    rng = np.random.default_rng(4)
    ensemble = deep_ensemble(rng, n_trees=2, depth=14)
    rows, others = random_rows(rng, 4, 30), random_rows(rng, 20, 30)
    explainer = TreeExplainer(ensemble, others)
    assert parts_of(explainer).any()
    got = explainer(rows, index="SII", order=2).to_array(2)
    # The rows of the matrix sum to the Shapley values, which other kernels compute.
    np.testing.assert_allclose(got.sum(axis=2), explainer(rows).values, rtol=0, atol=1e-12)


def test_paths_of_more_than_a_word_are_walked(way, in_parts):
    rng = np.random.default_rng(5)
    ensemble = deep_ensemble(rng, n_features=150, depth=15)
    rows, others = random_rows(rng, 4, 150), random_rows(rng, 70, 150)
    rows = np.where(rng.random(rows.shape) < 0.1, rows, others[:4])
    explainer = TreeExplainer(ensemble, others)
    bits = explainer._engine.groups.max_bits
    assert bits[-1] == 0 and bits[:-1].all()
    wanted = [by_leaf(ensemble, row, others, np.ones(70))[:, 0] for row in rows]
    np.testing.assert_allclose(explainer(rows).values, wanted, rtol=0, atol=1e-12)


def passing(ensemble, rows):
    """A row that passes most tests on the longest path: each feature as in one of some rows."""
    paths = lookup.Paths.of(ensemble)
    node = int(np.argmax(ensemble.depth))
    passed = np.zeros(rows.shape)
    while paths.parent[node] >= 0:
        up = int(paths.parent[node])
        tested = int(ensemble.feature[up])
        sides = [literal.goes_left(ensemble, up, value) for value in rows[:, tested]]
        passed[:, tested] += np.array(sides) == (ensemble.left[up] == node)
        node = up
    return rows[passed.argmax(axis=0), np.arange(rows.shape[1])]


@pytest.mark.parametrize("n_features", [49, 56, 60, 64])
def test_paths_that_nearly_fill_a_word(way, n_features):
    """Of so many players little room is left in a word for the outcomes of tests."""
    rng = np.random.default_rng(n_features)
    ensemble = TreeEnsemble.from_trees(
        [caterpillar(rng, n_features, 1, times=1)],
        n_features=n_features,
        n_outputs=1,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
    )
    near = passing(ensemble, random_rows(rng, 20, n_features))
    # Rows that differ in a few features go far down together.
    others, rows = (
        np.where(rng.random((n, n_features)) < 0.04, random_rows(rng, n, n_features), near)
        for n in (90, 500)
    )
    wanted = [by_leaf(ensemble, row, others, np.ones(90))[:, 0] for row in rows[:12]]
    explainer = TreeExplainer(ensemble, others)
    values = explainer(rows).values
    np.testing.assert_allclose(values[:12], wanted, rtol=0, atol=1e-12)
    alone = np.concatenate([explainer(row[None]).values for row in rows])
    np.testing.assert_allclose(values, alone, rtol=0, atol=1e-13)


def test_a_range_of_rounds(in_parts):
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(6)
    X = np.exp(rng.normal(size=(4000, 30)))
    X[rng.random(X.shape) < 0.05] = np.nan
    y = np.nansum(X, axis=1) + rng.normal(size=4000)
    settings = {"num_leaves": 200, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 3}
    data = lightgbm.Dataset(X, y, params={"verbose": -1})
    model = lightgbm.train(settings, data, 6)
    whole = TreeExplainer(model, X[:600])
    assert parts_of(whole).any()
    parts = [TreeExplainer(model, X[:600], iteration_range=some) for some in ((0, 2), (2, 6))]
    wanted = whole(X[-50:]).values
    got = sum(explainer(X[-50:]).values for explainer in parts)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-10)
    row = X[-1]
    literal = by_leaf(whole.ensemble, row, X[:600], np.ones(600))[:, 0]
    np.testing.assert_allclose(wanted[-1], literal, rtol=0, atol=1e-10)


def test_tables_of_parts_fit_their_memory(monkeypatch):
    """The fewer bytes there are, the fewer bits, and none where most leaves would have no table."""
    rng = np.random.default_rng(7)
    ensemble = deep_ensemble(rng, n_features=20)
    paths = lookup.Paths.of(ensemble)
    before = np.full(ensemble.n_trees, lookup.MOST_BITS)
    for room in (1 << 22, 1 << 20, 1 << 18, 1 << 16, 1 << 8):
        monkeypatch.setattr(lookup, "PART_BYTES", room)
        groups = lookup.Groups.of(paths, covered=0.0)
        part = ~groups.has_tables
        assert (8 * groups.n_entries[part] <= room).all()
        assert (groups.max_bits[part] <= before[part]).all()
        before = groups.max_bits
    assert not before[part].any()
    monkeypatch.setattr(lookup, "PART_BYTES", 1 << 26)
    leaves = np.flatnonzero(ensemble.feature == lookup.LEAF)
    tree = np.searchsorted(ensemble.tree_offsets, leaves, side="right") - 1
    shallow = paths.distinct[leaves] <= lookup.MOST_BITS
    share = np.bincount(tree, shallow) / np.bincount(tree)
    for covered in (share[part].max(), share[part].max() + 0.01):
        few = lookup.Groups.of(paths, covered=covered).max_bits
        np.testing.assert_array_equal(few[part] > 0, share[part] >= covered)
