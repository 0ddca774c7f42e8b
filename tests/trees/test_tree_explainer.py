import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_ensemble, random_rows, random_tree

from shapley_core import reference
from shapley_core.errors import (
    AdditivityError,
    InputError,
    MemoryLimitError,
    UnknownIndexError,
    UnsupportedModelError,
)
from shapley_core.explainers import TreeExplainer
from shapley_core.reference import trees as literal
from shapley_core.trees import Tree, TreeEnsemble, engines, lookup, stages
from shapley_core.trees import background as background_module

assert reference

models = st.builds(
    lambda seed, n_features, n_outputs, vector, kind: (
        np.random.default_rng(seed),
        {
            "n_features": n_features,
            "n_outputs": n_outputs,
            "vector": vector,
            "comparison": kind[0],
            "input_dtype": kind[1],
        },
    ),
    st.integers(0, 2**32),
    st.integers(1, 5),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([("<", "float32"), ("<=", "float64"), ("<=", "float32")]),
)


def floats(fractions):
    return np.array([[float(v) for v in row] for row in fractions])


def cube(explanation, ensemble):
    return explanation.values.reshape(-1, ensemble.n_features, ensemble.n_outputs)


@settings(max_examples=60, deadline=None)
@given(models)
def test_path_dependent_values_are_the_literal_ones(model):
    rng, shape = model
    ensemble = random_ensemble(rng, **shape)
    rows = random_rows(rng, 3, ensemble.n_features)
    explainer = TreeExplainer(ensemble)
    values = cube(explainer(rows), ensemble)
    empty = literal.path_dependent(ensemble, rows[0], set())
    expected = ensemble.base + [float(v) for v in empty]
    np.testing.assert_allclose(np.atleast_1d(explainer.expected_value), expected, atol=1e-13)
    for row, got in zip(rows, values, strict=True):
        worth = lambda coalition, row=row: literal.path_dependent(ensemble, row, coalition)  # noqa: E731
        wanted = floats(literal.shapley_values(worth, ensemble.n_features))
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(models)
def test_interventional_values_are_the_literal_ones(model):
    rng, shape = model
    ensemble = random_ensemble(rng, **shape)
    rows = random_rows(rng, 2, ensemble.n_features)
    background = random_rows(rng, 4, ensemble.n_features)
    weights = rng.random(4)
    explainer = TreeExplainer(ensemble, background, weights=weights)
    values = cube(explainer(rows), ensemble)
    empty = literal.interventional(ensemble, rows[0], background, weights, set())
    expected = ensemble.base + [float(v) for v in empty]
    np.testing.assert_allclose(np.atleast_1d(explainer.expected_value), expected, atol=1e-13)
    for row, got in zip(rows, values, strict=True):
        worth = lambda coalition, row=row: literal.interventional(  # noqa: E731
            ensemble, row, background, weights, coalition
        )
        wanted = floats(literal.shapley_values(worth, ensemble.n_features))
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(models)
def test_prediction_is_the_literal_one(model):
    rng, shape = model
    ensemble = random_ensemble(rng, **shape)
    rows = random_rows(rng, 20, ensemble.n_features)
    wanted = ensemble.base + floats(literal.predict(ensemble, row) for row in rows)
    np.testing.assert_allclose(
        ensemble.predict(rows).reshape(wanted.shape), wanted, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("with_background", [False, True])
def test_values_do_not_depend_on_threads_batches_or_layout(with_background, monkeypatch):
    rng = np.random.default_rng(5)
    ensemble = random_ensemble(rng, n_features=6, n_trees=20, depth=8, n_outputs=2)
    rows = random_rows(rng, 1500, 6)
    background = random_rows(rng, 300, 6) if with_background else None
    explainer = TreeExplainer(ensemble, background, n_threads=1)
    wanted = explainer(rows, n_threads=1).values
    again = pickle.loads(pickle.dumps(explainer))
    assert (again(np.asfortranarray(rows), n_threads=3).values == wanted).all()
    assert (explainer(np.repeat(rows, 2, axis=0)[::2], n_threads=2).values == wanted).all()
    for some in (slice(0, 1), slice(7, 60), slice(1499, 1500)):
        assert (explainer(rows[some]).values == wanted[some]).all()
    monkeypatch.setattr(stages, "FEW_ROWS", 33)
    for module in (engines, stages):
        monkeypatch.setattr(module, "MANY_ROWS", 70)
    assert (explainer(rows).values == wanted).all()
    with ThreadPoolExecutor(4) as pool:
        for values in pool.map(lambda _: explainer(rows, n_threads=2).values, range(4)):
            assert (values == wanted).all()


def test_background_patterns_beyond_the_memory_are_found_again(monkeypatch):
    rng = np.random.default_rng(6)
    ensemble = random_ensemble(rng, n_features=5, n_trees=40, depth=6)
    rows, background = random_rows(rng, 50, 5), random_rows(rng, 80, 5)
    wanted = TreeExplainer(ensemble, background)
    monkeypatch.setattr(background_module, "KEPT_BYTES", 2000)
    monkeypatch.setattr(background_module, "COUNTS_BYTES", 5000)
    frugal = TreeExplainer(ensemble, background)
    assert not frugal._engine.background.is_kept
    calls = []
    values = frugal(rows, progress=lambda done, of: calls.append((done, of))).values
    assert (values == wanted(rows).values).all()
    assert calls[-1] == (50, 50)


@pytest.mark.parametrize("with_background", [False, True])
@pytest.mark.parametrize("vector", [False, True])
def test_tables_and_the_kernels_without_them_give_the_same_bits(
    with_background, vector, monkeypatch
):
    rng = np.random.default_rng(11)
    ensemble = random_ensemble(rng, n_features=12, n_trees=12, depth=9, n_outputs=2, vector=vector)
    rows = random_rows(rng, 700, 12)
    background = random_rows(rng, 100, 12) if with_background else None
    values = {}
    for pays in (False, True):
        monkeypatch.setattr(stages.TableStages, "pays", lambda *_, pays=pays: pays)
        values[pays] = TreeExplainer(ensemble, background)(rows).values
    assert (values[False] == values[True]).all()
    # The quadrature kernel sums in another order.
    monkeypatch.setattr(lookup, "MOST_BITS", -1)
    apart = TreeExplainer(ensemble, background)
    assert not apart._engine.groups.has_tables.any()
    np.testing.assert_allclose(apart(rows).values, values[True], rtol=0, atol=1e-13)


def test_tables_are_kept_or_built_again_within_bounds(monkeypatch):
    rng = np.random.default_rng(12)
    ensemble = random_ensemble(rng, n_features=6, n_trees=30, depth=6)
    rows = random_rows(rng, 5000, 6)
    explainer = TreeExplainer(ensemble)
    wanted = explainer(rows).values
    assert len(explainer._engine.tables._kept) == 1
    assert (explainer(rows[:1]).values == wanted[:1]).all()
    monkeypatch.setattr(stages, "STAGE_BYTES", 100_000)
    monkeypatch.setattr(stages, "KEPT_BYTES", 250_000)
    frugal = TreeExplainer(ensemble)
    for _ in range(2):
        assert (frugal(rows).values == wanted).all()
        kept = sum(stage.nbytes for stage in frugal._engine.tables._kept.values())
        assert 0 < kept <= 250_000
    assert len(list(frugal._engine.stages(5000, 1))) > 3
    # A tree whose tables fill a stage alone goes without.
    monkeypatch.setattr(stages, "STAGE_BYTES", 1000)
    without = TreeExplainer(ensemble)
    assert (without(rows).values == wanted).all()
    assert all(len(trees) == 1 for trees in without._engine.tables._kept)
    assert len(without._engine.tables._kept) < 30


def chain(depth, share, value=1.0):
    """Each feature once: the left child goes on, the right child is a leaf of value 0."""
    inner = np.arange(depth)
    feature = np.concatenate([inner, np.full(depth + 1, -1)])
    left = np.concatenate([inner + 1, np.full(depth + 1, -1)])
    right = np.concatenate([depth + 1 + inner, np.full(depth + 1, -1)])
    cover = np.concatenate([share ** np.arange(depth + 1), share**inner * (1 - share)])
    values = np.zeros((2 * depth + 1, 1))
    values[depth] = value
    none = np.zeros(2 * depth + 1)
    return Tree(feature, none, left, right, none.astype(int), values, cover)


@pytest.mark.parametrize(
    "depth, share, passes", [(100, 0.5, 93), (100, 0.96875, 100), (1000, 0.5, 1000)]
)
def test_deep_chain_against_fractions(depth, share, passes):
    ensemble = TreeEnsemble.from_trees(
        [chain(depth, share)],
        n_features=depth,
        n_outputs=1,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
    )
    rows = np.where(np.arange(depth) < passes, -1.0, 1.0)[None, :]
    values = TreeExplainer(ensemble)(rows).values[0]
    # The leaf at the end: worth z^(depth - |S|) if S holds no failed feature, else 0; the other
    # leaves are worth nothing. Its values need one sum of depth terms each.
    z, failed = Fraction(share), depth - passes

    def integral(passed, not_passed):
        """Int (z + (1 - z) t)^passed (1 - t)^not_passed dt z^not_passed, by parts, exactly."""
        total, coefficient, power = Fraction(0), Fraction(1), passed
        # Expand in (1 - t): z + (1 - z) t = 1 - (1 - z)(1 - t).
        for k in range(power + 1):
            total += coefficient / (k + not_passed + 1)
            coefficient = coefficient * -(1 - z) * (power - k) / (k + 1)
        return total * z**not_passed

    wanted = np.empty(depth)
    wanted[:passes] = float((1 - z) * integral(passes - 1, failed))
    if failed:
        wanted[passes:] = float(-z * integral(passes, failed - 1))
    assert np.abs(values - wanted).max() <= 1e-12 * np.abs(wanted).max()


def test_deep_chain_interventional():
    depth = 1000
    ensemble = TreeEnsemble.from_trees(
        [chain(depth, 0.5)],
        n_features=depth,
        n_outputs=1,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
    )
    background = np.full((3, depth), 1.0)
    background[1, 200:] = background[2, 900:] = -1.0
    values = TreeExplainer(ensemble, background)(np.full((1, depth), -1.0)).values[0]
    # The row passes everything; each background row is a unanimity game of what it fails.
    wanted = np.zeros(depth)
    for row in background:
        wanted[row > 0] += 1 / (row > 0).sum() / 3
    np.testing.assert_allclose(values, wanted, rtol=1e-12)


def test_tiny_covers_and_huge_leaves():
    ensemble = TreeEnsemble.from_trees(
        [chain(60, 1e-5, 1e10)],
        n_features=60,
        n_outputs=1,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
    )
    for passes in (0, 30, 60):
        rows = np.where(np.arange(60) < passes, -1.0, 1.0)[None, :]
        explanation = TreeExplainer(ensemble)(rows)
        wanted = 1e10 / 60 if passes == 60 else 0.0
        np.testing.assert_allclose(explanation.values[0], wanted, rtol=1e-12, atol=1e-12)


def test_a_tree_of_120_000_nodes():
    rng = np.random.default_rng(7)
    tree = random_tree(rng, 6, 17, grow=0.99)
    assert len(tree.feature) > 120_000
    ensemble = TreeEnsemble.from_trees(
        [tree], n_features=6, n_outputs=1, base=0.0, comparison="<=", input_dtype="float64"
    )
    rows = random_rows(rng, 8, 6)
    TreeExplainer(ensemble)(rows, check="trees")
    explanation = TreeExplainer(ensemble, rows[:2])(rows, check="trees")
    worth = lambda s: literal.interventional(ensemble, rows[5], rows[:2], [1, 1], s)  # noqa: E731
    wanted = floats(literal.shapley_values(worth, 6))[:, 0]
    np.testing.assert_allclose(explanation.values[5], wanted, atol=1e-12)


def test_single_leaves_and_no_trees_at_all():
    leaf = Tree([-1], [0.0], [-1], [-1], [0], [[2.5]], [10.0])
    for trees, expected in (([leaf, leaf], 5.5), ([], 0.5)):
        ensemble = TreeEnsemble.from_trees(
            trees, n_features=2, n_outputs=1, base=0.5, comparison="<", input_dtype="float32"
        )
        for background in (None, np.zeros((3, 2))):
            explainer = TreeExplainer(ensemble, background)
            explanation = explainer(np.ones((4, 2)))
            assert explainer.expected_value == expected
            assert (explanation.values == 0).all()
            assert explanation.values.shape == (4, 2)
            assert explainer(np.ones((0, 2))).values.shape == (0, 2)


def test_base_margin_moves_the_base_values_only():
    rng = np.random.default_rng(8)
    ensemble = random_ensemble(rng)
    rows, margin = random_rows(rng, 10, 4), rng.normal(size=10)
    explainer = TreeExplainer(ensemble)
    plain, moved = explainer(rows), explainer(rows, base_margin=margin)
    assert (plain.values == moved.values).all()
    np.testing.assert_allclose(moved.base_values, plain.base_values - ensemble.base + margin)
    with pytest.raises(InputError, match="base_margin"):
        explainer(rows, base_margin=margin[:-1])


def test_additivity_names_the_worst_row(monkeypatch):
    rng = np.random.default_rng(9)
    ensemble = random_ensemble(rng)
    rows = random_rows(rng, 10, 4)
    explainer = TreeExplainer(ensemble)
    explain = TreeExplainer._explain

    def broken(self, table, values, *others):
        explain(self, table, values, *others)
        values[3, 0, 0] += 1e-6
        values[7, 2, 0] += 1e-3

    monkeypatch.setattr(TreeExplainer, "_explain", broken)
    with pytest.raises(AdditivityError, match=r"row 7, output 0.* 2 of 10 rows"):
        explainer(rows)
    explainer(rows, check=None)


def test_bad_arguments_are_refused():
    rng = np.random.default_rng(10)
    ensemble = random_ensemble(rng)
    rows = random_rows(rng, 5, 4)
    explainer = TreeExplainer(ensemble)
    for bad, message in (
        ({"check": "maybe"}, "check"),
        ({"n_threads": 0}, "n_threads"),
    ):
        with pytest.raises(InputError, match=message):
            explainer(rows, **bad)
    with pytest.raises(UnknownIndexError, match="nonsense"):
        explainer(rows, index="nonsense")
    with pytest.raises(InputError, match="4"):
        explainer(rows[:, :3])
    with pytest.raises(InputError, match="no rows"):
        TreeExplainer(ensemble, rows[:0])
    for weights in ([1, 2], [1, 1, 1, 1, -1], [0] * 5, [np.nan] * 5):
        with pytest.raises(InputError, match="weights"):
            TreeExplainer(ensemble, rows, weights=weights)
    with pytest.raises(InputError, match="no background"):
        TreeExplainer(ensemble, weights=[1.0])
    with pytest.raises(UnsupportedModelError, match="type"):
        TreeExplainer(object())
    no_cover = Tree([0, -1, -1], [0.0] * 3, [1, -1, -1], [2, -1, -1], [0] * 3, [[0.0], [1], [2]])
    uncovered = TreeEnsemble.from_trees(
        [no_cover], n_features=1, n_outputs=1, base=0, comparison="<", input_dtype="float32"
    )
    with pytest.raises(UnsupportedModelError, match="background"):
        TreeExplainer(uncovered)
    assert TreeExplainer(uncovered, [[1.0]])([[-1.0]]).values.tolist() == [[-1.0]]


def test_values_beyond_memory_are_refused():
    tree = Tree([-1], [0.0], [-1], [-1], [0], [[2.5]], [10.0])
    wide = TreeEnsemble.from_trees(
        [tree], n_features=10**9, n_outputs=1, base=0, comparison="<", input_dtype="float32"
    )
    rows = np.broadcast_to(np.zeros(1), (10**4, 10**9))
    with pytest.raises(MemoryLimitError, match=r"72 TiB.*fewer rows"):
        TreeExplainer(wide)(rows)
