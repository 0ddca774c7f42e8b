"""The interventional game of trees too deep for tables: both ways in which rows meet a background.

A small background's rows are met one by one, a larger one's as the sets that they fail.
"""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from random_trees import random_ensemble, random_rows, random_tree

from shapley_core import TableGame, exact
from shapley_core.explainers import TreeExplainer
from shapley_core.reference import trees as literal
from shapley_core.trees import Tree, TreeEnsemble, background, engines, lookup
from shapley_core.trees.tree import LEAF
from shapley_core.trees.tree_patterns import TreePatterns, TreeRows

SIZES = [1, 63, 64, 65, 129]


@pytest.fixture(params=[0, 10**6], ids=["sets", "rows"])
def way(request, monkeypatch):
    """Meet every background in one way."""
    monkeypatch.setattr(background, "FEW_ROWS", request.param)
    return TreeRows if request.param else TreePatterns


@pytest.fixture
def no_tables(monkeypatch):
    """Treat every tree as a deep one."""
    monkeypatch.setattr(lookup, "MOST_BITS", -1)


def deep_ensemble(rng, n_features=30, width=1, n_trees=3, depth=15):
    """Trees of at most so many levels: fully grown at the top, sparse below."""
    trees = [random_tree(rng, n_features, depth, width, grow=0.75) for _ in range(n_trees)]
    trees.append(caterpillar(rng, n_features, width))
    ensemble = TreeEnsemble.from_trees(
        trees,
        n_features=n_features,
        n_outputs=width,
        base=rng.normal(size=width),
        comparison="<=",
        input_dtype="float64",
    )
    assert not lookup.Groups.of(lookup.Paths.of(ensemble)).has_tables.all()
    return ensemble


def caterpillar(rng, n_features, width, times=2):
    """A path through all features, so many times, a small tree beside every step of it."""
    feature, threshold, left, right = [], [], [], []

    def leaf():
        for column, value in ((feature, -1), (threshold, 0.0), (left, -1), (right, -1)):
            column.append(value)
        return len(feature) - 1

    def split(node, tested):
        feature[node], threshold[node] = int(tested), float(rng.integers(-3, 4)) / 2
        left[node], right[node] = leaf(), leaf()

    node = leaf()
    for tested in np.concatenate([rng.permutation(n_features) for _ in range(times)]):
        split(node, tested)
        sides = [left[node], right[node]]
        node, other = sides if rng.random() < 0.5 else sides[::-1]
        split(other, rng.integers(n_features))
    flags = rng.integers(2, size=len(feature))
    return Tree(feature, threshold, left, right, flags, rng.normal(size=(len(feature), width)))


def by_leaf(ensemble, row, rows, weights):
    """Values by the closed form of each leaf and background row, in the order of the nodes."""
    out = np.zeros((ensemble.n_features, ensemble.n_outputs))
    weights = np.asarray(weights, float) / np.sum(weights)

    def cubes(other):
        found = []
        todo = [(int(root), k, {}) for k, root in enumerate(ensemble.tree_offsets[:-1])]
        while todo:
            node, tree, failed = todo.pop()
            tested = int(ensemble.feature[node])
            if tested == -1:
                found.append((tree, node, failed))
                continue
            mine, theirs = (literal.goes_left(ensemble, node, x[tested]) for x in (row, other))
            for child, side in ((ensemble.left[node], True), (ensemble.right[node], False)):
                # Bit 0: the explained row fails the feature; bit 1: the other one does.
                bits = failed.get(tested, 0) | (mine != side) | 2 * (theirs != side)
                if bits < 3:
                    todo.append((int(child), tree, {**failed, tested: bits}))
        return found

    for other, weight in zip(rows, weights, strict=True):
        for tree, node, failed in cubes(other):
            inside = [j for j, bits in failed.items() if bits == 2]
            outside = [j for j, bits in failed.items() if bits == 1]
            b, f = len(inside), len(outside)
            outputs = ensemble.tree_outputs[tree] + np.arange(ensemble.values.shape[1])
            value = (
                weight
                * ensemble.values[node]
                / np.prod([(b + f - i) / (i + 1) for i in range(min(b, f))])
            )
            for j in inside:
                out[j, outputs] += value / b
            for j in outside:
                out[j, outputs] -= value / f
    return out


@pytest.mark.parametrize("n_background", SIZES)
@pytest.mark.parametrize("width", [1, 3])
def test_values_are_the_closed_form(way, n_background, width):
    rng = np.random.default_rng(100 * width + n_background)
    ensemble = deep_ensemble(rng, width=width)
    rows, others = random_rows(rng, 3, 30), random_rows(rng, n_background, 30)
    others[::7] = others[0]
    weights = rng.integers(1, 4, n_background)
    explainer = TreeExplainer(ensemble, others, weights=weights)
    found = explainer._engine.background.kept
    assert {type(tree) for tree in found if not has_tables(explainer)[tree.tree]} == {way}
    values = explainer(rows).values.reshape(3, 30, width)
    wanted = [by_leaf(ensemble, row, others, weights) for row in rows]
    np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-12)


def has_tables(explainer):
    return explainer._engine.groups.has_tables


@pytest.mark.parametrize("seed", range(12))
def test_small_trees_by_brute_force(way, no_tables, seed):
    rng = np.random.default_rng(seed)
    vector = bool(seed % 2)
    ensemble = random_ensemble(rng, n_features=4, depth=6, n_outputs=1 + seed % 3, vector=vector)
    rows, others = random_rows(rng, 3, 4), random_rows(rng, 4, 4)
    weights = [0.5, 2, 1, 0.25]
    explainer = TreeExplainer(ensemble, others, weights=weights)
    assert all(isinstance(tree, way) for tree in explainer._engine.background.kept)
    values = explainer(rows).values.reshape(3, 4, -1)
    for row, got in zip(rows, values, strict=True):
        worth = [
            np.array(
                literal.interventional(
                    ensemble, row, others, weights, {j for j in range(4) if s >> j & 1}
                ),
                dtype=float,
            )
            for s in range(16)
        ]
        wanted = np.zeros_like(got)
        for j in range(4):
            for s in range(16):
                if not s >> j & 1:
                    share = [1 / 4, 1 / 12, 1 / 12, 1 / 4][s.bit_count()]
                    wanted[j] += share * (worth[s | 1 << j] - worth[s])
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_many_rows_by_brute_force(way, no_tables, seed):
    """Rows that are the same in a small subtree are merged there."""
    rng = np.random.default_rng(50 + seed)
    ensemble = random_ensemble(
        rng, n_features=5, depth=8, n_outputs=1 + seed % 2, vector=seed % 4 == 3
    )
    n_rows = [5, 60, 300][seed % 3]
    rows, others = random_rows(rng, n_rows, 5), random_rows(rng, 70, 5)
    rows[::3] = others[rng.integers(70, size=len(rows[::3]))]
    weights = rng.integers(1, 5, 70)
    values = TreeExplainer(ensemble, others, weights=weights)(rows).values.reshape(n_rows, 5, -1)
    worth = np.empty((32, n_rows, values.shape[2]))
    for s in range(32):
        inside = np.array([s >> j & 1 for j in range(5)], bool)
        mixed = np.where(inside, rows[:, None], others).reshape(-1, 5)
        predicted = ensemble.predict(mixed).reshape(n_rows, 70, -1)
        worth[s] = np.average(predicted, axis=1, weights=weights)
    for row in range(n_rows):
        for k in range(values.shape[2]):
            wanted = exact(TableGame(worth[:, row, k]), "SV").to_array(1)
            np.testing.assert_allclose(values[row, :, k], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_background", SIZES)
def test_nothing_but_model_and_background_changes_a_bit(way, n_background, weighted):
    rng = np.random.default_rng(n_background)
    ensemble = deep_ensemble(rng)
    rows, others = random_rows(rng, 70, 30), random_rows(rng, n_background, 30)
    others[::5] = others[0]
    weights = rng.random(n_background) ** 9 if weighted else np.ones(n_background)
    first = TreeExplainer(ensemble, others, weights=weights, n_threads=1)
    wanted = first(rows).values
    shuffled = rng.permutation(n_background)
    again = TreeExplainer(
        ensemble, np.asfortranarray(others[shuffled]), weights=weights[shuffled], n_threads=2
    )
    assert (again.expected_value == first.expected_value).all()
    assert (again(rows[::-1]).values == wanted[::-1]).all()
    assert (pickle.loads(pickle.dumps(again))(rows).values == wanted).all()
    for few in (1, 2, 5, 33):
        assert (first(rows[:few]).values == wanted[:few]).all()
        assert (first(rows[-few:]).values == wanted[-few:]).all()


@pytest.mark.parametrize("at_once", [1, 7, 33])
def test_blocks_of_the_kernel_do_not_change_a_bit(way, at_once, monkeypatch):
    rng = np.random.default_rng(3)
    ensemble = deep_ensemble(rng, width=2)
    explainer = TreeExplainer(ensemble, random_rows(rng, 70, 30))
    rows = random_rows(rng, 40, 30)
    wanted = explainer(rows).values
    kernel = engines.alive_rows if way is TreeRows else engines.alive_sets
    explain = kernel.explain

    def in_blocks(*arguments):
        explain(*arguments[:-2], at_once, arguments[-1])

    monkeypatch.setattr(kernel, "explain", in_blocks)
    assert (explainer(rows).values == wanted).all()


@pytest.mark.parametrize("width", [1, 2])
def test_each_tree_has_players_of_its_own(way, width):
    """A tree tests some of many features, which another tree does not, for some of the outputs."""
    rng = np.random.default_rng(10 + width)
    trees = []
    for output in (2, 0, 1):
        tree = random_tree(rng, 25, 16, width, output, grow=0.78)
        some = np.sort(rng.choice(300, 25, replace=False))
        feature = np.asarray(tree.feature)
        trees.append(replace(tree, feature=np.where(feature < 0, -1, some[feature])))
    ensemble = TreeEnsemble.from_trees(
        trees,
        n_features=300,
        n_outputs=4,
        base=np.zeros(4),
        comparison="<=",
        input_dtype="float64",
    )
    others = random_rows(rng, 70, 300)
    rows = np.where(rng.random((40, 300)) < 0.2, random_rows(rng, 40, 300), others[:40])
    explainer = TreeExplainer(ensemble, others)
    assert not has_tables(explainer).all()
    values = explainer(rows).values
    wanted = [by_leaf(ensemble, row, others, np.ones(70)) for row in rows[:12]]
    np.testing.assert_allclose(values[:12], wanted, rtol=0, atol=1e-12)
    tested = np.unique(ensemble.feature[ensemble.feature >= 0])
    assert not np.delete(values, tested, axis=1).any()
    assert (values[:, tested] != 0).any(axis=0).any(axis=1).mean() > 0.5


def test_groups_of_features_are_players(way):
    rng = np.random.default_rng(12)
    ensemble = deep_ensemble(rng, n_features=60)
    group = rng.permutation(60) % 20
    groups = {f"group {j}": np.flatnonzero(group == j).tolist() for j in range(20)}
    others, rows = random_rows(rng, 70, 60), random_rows(rng, 30, 60)
    explainer = TreeExplainer(ensemble, others, groups=groups)
    assert not has_tables(explainer).all()
    explained = explainer(rows)
    # A player whose features are those of the background gets nothing.
    same = rows.copy()
    same[:, group == 3] = others[0, group == 3]
    alone = TreeExplainer(ensemble, others[:1], groups=groups)(same)
    place = explainer.players.names.index("group 3")
    assert not alone.values[:, place].any()
    assert explained.values[:, place].any()
    np.testing.assert_allclose(
        explained.values.sum(axis=1) + explained.base_values,
        ensemble.predict(rows).reshape(explained.base_values.shape),
        rtol=0,
        atol=1e-11,
    )


@pytest.mark.parametrize("n_background", [70, 300])
def test_rows_that_meet_no_set_beside_others_that_do(way, no_tables, n_background):
    """Many rows, most unlike any of the background: of the same bits alone as all together."""
    rng = np.random.default_rng(13)
    ensemble = deep_ensemble(rng, depth=14)
    others = random_rows(rng, n_background, 30)
    near = others[rng.integers(n_background, size=300)]
    rows = np.where(
        rng.random((300, 30)) < rng.choice([0.02, 0.3, 1.0], (300, 1)),
        random_rows(rng, 300, 30),
        near,
    )
    rows[200:] = rows[rng.integers(200, size=100)]
    explainer = TreeExplainer(ensemble, others)
    values = explainer(rows).values
    for i in range(0, 300, 7):
        assert (explainer(rows[i : i + 1]).values == values[i]).all()
    wanted = [by_leaf(ensemble, row, others, np.ones(n_background))[:, 0] for row in rows[:6]]
    np.testing.assert_allclose(values[:6], wanted, rtol=0, atol=1e-12)


def test_both_ways_agree(monkeypatch):
    rng = np.random.default_rng(4)
    ensemble = deep_ensemble(rng, depth=18, n_trees=5)
    rows, others = random_rows(rng, 50, 30), random_rows(rng, 300, 30)
    values = []
    for few in (0, 10**6):
        monkeypatch.setattr(background, "FEW_ROWS", few)
        explainer = TreeExplainer(ensemble, others)
        values.append(explainer(rows).values)
        mean = ensemble.predict(others).mean()
        np.testing.assert_allclose(explainer.expected_value, mean, rtol=1e-12)
    np.testing.assert_allclose(values[0], values[1], rtol=0, atol=1e-13)


def test_trees_of_many_leaves_meet_more_rows_one_by_one(monkeypatch):
    rng = np.random.default_rng(8)
    ensemble = deep_ensemble(rng)
    n_leaves = np.add.reduceat(ensemble.feature == LEAF, ensemble.tree_offsets[:-1])
    deep = ~lookup.Groups.of(lookup.Paths.of(ensemble)).has_tables
    large = n_leaves >= np.median(n_leaves[deep])
    assert (large & deep).any() and (~large & deep).any()
    least = int(n_leaves[large & deep].min())
    monkeypatch.setattr(background, "FEW_ROWS", 20)
    monkeypatch.setattr(background, "FEW_ROWS_OF_LARGE", 40)
    rows, others = random_rows(rng, 6, 30), random_rows(rng, 41, 30)
    # One leaf more is asked for than the smallest of them has.
    monkeypatch.setattr(background, "LARGE_LEAVES", least + 1)
    kept = TreeExplainer(ensemble, others[:21])._engine.background.kept
    by_row = deep & (n_leaves > least)
    assert [isinstance(found, TreeRows) for found in kept] == by_row.tolist()
    monkeypatch.setattr(background, "LARGE_LEAVES", least)
    for n_others, by_row in (
        (20, deep),
        (21, deep & large),
        (40, deep & large),
        (41, deep & False),
    ):
        explainer = TreeExplainer(ensemble, others[:n_others])
        kept = explainer._engine.background.kept
        assert [isinstance(found, TreeRows) for found in kept] == by_row.tolist()
        wanted = [by_leaf(ensemble, row, others[:n_others], np.ones(n_others)) for row in rows]
        got = explainer(rows).values.reshape(len(rows), -1, 1)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


def test_more_players_than_a_word_holds(way):
    rng = np.random.default_rng(5)
    ensemble = deep_ensemble(rng, n_features=150, depth=4)
    rows, others = random_rows(rng, 6, 150), random_rows(rng, 70, 150)
    values = TreeExplainer(ensemble, others)(rows).values
    # Rows like those of the background get to the end of the path.
    near = np.where(rng.random(rows.shape) < 0.05, rows, others[:6])
    close = TreeExplainer(ensemble, others)(near).values
    for some, got in ((rows, values), (near, close)):
        wanted = [by_leaf(ensemble, row, others, np.ones(70))[:, 0] for row in some]
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("depth", [20, 1000])
def test_chain(way, depth):
    """Each row fails the lowest of some tests: one leaf of each unanimity game counts."""
    node = np.arange(depth)
    leaf = np.full(depth + 1, -1)
    ensemble = TreeEnsemble.from_trees(
        [
            Tree(
                np.concatenate([node, leaf]),
                np.zeros(2 * depth + 1),
                np.concatenate([np.append(node[1:], 2 * depth), leaf]),
                np.concatenate([node + depth, leaf]),
                np.zeros(2 * depth + 1, int),
                np.where(np.arange(2 * depth + 1) == 2 * depth, 1.0, 0.0)[:, None],
            )
        ],
        n_features=depth,
        n_outputs=1,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
    )
    others = np.ones((66, depth))
    fails = np.linspace(1, depth, 66).astype(int)
    for row, count in zip(others, fails, strict=True):
        row[count:] = -1.0
    values = TreeExplainer(ensemble, others)(np.full((2, depth), -1.0)).values
    wanted = np.zeros(depth)
    for count in fails:
        wanted[:count] += 1 / count / 66
    np.testing.assert_allclose(values, [wanted] * 2, rtol=1e-12)


def test_shap_agrees(way):
    shap = pytest.importorskip("shap")
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(6)
    X = rng.normal(size=(3000, 30)).astype(np.float32).astype(float)
    X[rng.random(X.shape) < 0.05] = np.nan
    y = np.nansum(X, axis=1) + rng.normal(size=3000)
    settings = {"max_depth": 20, "eta": 0.5, "nthread": 1}
    model = xgboost.train(settings, xgboost.DMatrix(X, y, nthread=1), 3)
    explainer = TreeExplainer(model, X[:130])
    assert not has_tables(explainer).any()
    theirs = shap.TreeExplainer(model, shap.maskers.Independent(X[:130], max_samples=130))
    wanted = theirs.shap_values(X[-20:], check_additivity=False)
    np.testing.assert_allclose(explainer(X[-20:]).values, wanted, rtol=0, atol=2e-5)


def test_interactions_of_a_small_background_are_those_of_its_sets(monkeypatch):
    rng = np.random.default_rng(7)
    ensemble = deep_ensemble(rng, n_trees=2, depth=14)
    rows, others = random_rows(rng, 4, 30), random_rows(rng, 20, 30)
    found = []
    for few in (0, 10**6):
        monkeypatch.setattr(background, "FEW_ROWS", few)
        explainer = TreeExplainer(ensemble, others)
        found.append([explainer(rows, index="SII", order=2).to_array(2) for _ in range(2)])
        # The rows of the matrix sum to the Shapley values, which another kernel computes.
        values = explainer(rows).values
        np.testing.assert_allclose(found[-1][0].sum(axis=2), values, rtol=0, atol=1e-12)
    for other in (found[0][1], *found[1]):
        assert (other == found[0][0]).all()
