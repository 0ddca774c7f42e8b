"""Deep trees: path-dependent by sums of subtrees, interventional by sorted sets."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_ensemble, random_rows, random_tree

from shapley_core.explainers import TreeExplainer
from shapley_core.reference import trees as literal
from shapley_core.trees import TreeEnsemble, engines, stages, subtree_sums


def all_by_sums(monkeypatch, pays=None, most_bits=6):
    monkeypatch.setattr(engines, "MOST_PLAYERS", -1)
    monkeypatch.setattr(engines, "SMALL_ENTRIES", -1)
    monkeypatch.setattr(subtree_sums, "MOST_BITS", most_bits)
    if pays is not None:
        monkeypatch.setattr(stages.TableStages, "pays", lambda *_: pays)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 3), st.sampled_from([0, 1, 3, 6, 12])
)
def test_values_are_the_literal_ones(seed, n_features, n_outputs, most_bits):
    rng = np.random.default_rng(seed)
    ensemble = random_ensemble(rng, n_features, depth=6, n_outputs=n_outputs, vector=bool(seed % 2))
    rows = random_rows(rng, 3, n_features)
    values = []
    for pays in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            all_by_sums(patch, pays, most_bits)
            explainer = TreeExplainer(ensemble)
            assert not explainer._engine._shallow
            values.append(explainer(rows).values.reshape(3, n_features, n_outputs))
    assert (values[0] == values[1]).all()
    for row, got in zip(rows, values[0], strict=True):
        worth = lambda coalition, row=row: literal.path_dependent(ensemble, row, coalition)  # noqa: E731
        wanted = literal.shapley_values(worth, n_features)
        wanted = np.array([[float(v) for v in player] for player in wanted])
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_features", [6, 40])
def test_values_do_not_depend_on_tables_batches_threads_or_blocks(n_features, monkeypatch):
    rng = np.random.default_rng(n_features)
    trees = [random_tree(rng, n_features, depth, grow=0.97) for depth in (12, 3, 10, 0)]
    ensemble = TreeEnsemble.from_trees(
        trees, n_features=n_features, n_outputs=1, base=0.0, comparison="<=", input_dtype="float64"
    )
    rows = random_rows(rng, 400, n_features)
    wanted = {}
    for pays in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            all_by_sums(patch, pays)
            explainer = TreeExplainer(ensemble)
            wanted[pays] = explainer(rows, n_threads=1).values
            for some in (slice(0, 1), slice(7, 60), slice(399, 400)):
                assert (explainer(rows[some]).values == wanted[pays][some]).all()
            again = pickle.loads(pickle.dumps(explainer))
            assert (again(np.asfortranarray(rows), n_threads=3).values == wanted[pays]).all()
    assert (wanted[False] == wanted[True]).all()
    monkeypatch.setattr(subtree_sums, "FEW_BYTES", 1)
    monkeypatch.setattr(subtree_sums, "MANY_BYTES", 50_000)
    all_by_sums(monkeypatch)
    assert (TreeExplainer(ensemble)(rows).values == wanted[True]).all()
    # The other kernels sum in another order.
    monkeypatch.setattr(engines, "MOST_PLAYERS", 12)
    apart = TreeExplainer(ensemble)(rows).values
    np.testing.assert_allclose(apart, wanted[True], rtol=0, atol=1e-13)


@pytest.mark.parametrize("pays", [False, True])
def test_tasks_are_short_where_rows_take_long(pays, monkeypatch):
    rng = np.random.default_rng(3)
    ensemble = random_ensemble(rng, 5, depth=6, n_outputs=1)
    rows = random_rows(rng, 300, 5)
    all_by_sums(monkeypatch, pays)
    wanted = TreeExplainer(ensemble)(rows, n_threads=1).values
    monkeypatch.setattr(stages, "TASK_TIME", 1.0)
    told = []
    explainer = TreeExplainer(ensemble)
    found = explainer(rows, n_threads=1, progress=lambda done, n: told.append(done)).values
    np.testing.assert_array_equal(found, wanted)
    assert max(np.diff([0, *told])) <= 64


def test_tables_that_cannot_be_kept_are_not_built_for_every_row(monkeypatch):
    rng = np.random.default_rng(3)
    ensemble = random_ensemble(rng, n_features=6, n_trees=5, depth=8)
    rows = random_rows(rng, 2000, 6)
    all_by_sums(monkeypatch)
    monkeypatch.setattr(stages, "KEPT_BYTES", 0)
    built = []
    tables = subtree_sums.SubtreeSums.tables
    monkeypatch.setattr(
        subtree_sums.SubtreeSums, "tables", lambda *given: built.append(1) or tables(*given)
    )
    explainer = TreeExplainer(ensemble)
    for _ in range(2):
        explainer(rows)
    assert len(built) == 2
    for row in rows[:20]:
        explainer(row[None])
    assert len(built) == 2


@pytest.fixture(scope="module")
def deep():
    """Trees of more than 12 players a path, and shallower leaves beside them."""
    rng = np.random.default_rng(4)
    trees = [random_tree(rng, 40, 15, grow=0.8) for _ in range(2)]
    return TreeEnsemble.from_trees(
        trees, n_features=40, n_outputs=1, base=0.0, comparison="<=", input_dtype="float64"
    )


def test_interventional_values_are_means_over_single_rows(deep):
    rng = np.random.default_rng(5)
    assert engines.Paths.of(deep).distinct.max() > 12
    rows, background = random_rows(rng, 8, 40), random_rows(rng, 100, 40)
    weights = rng.integers(1, 4, 100)
    got = TreeExplainer(deep, background, weights=weights)(rows).values
    single = [TreeExplainer(deep, row[None])(rows).values for row in background]
    np.testing.assert_allclose(got, np.average(single, axis=0, weights=weights), atol=1e-13)


def test_interventional_values_do_not_depend_on_batches_threads_or_the_backgrounds_order(deep):
    rng = np.random.default_rng(6)
    rows, background = random_rows(rng, 300, 40), random_rows(rng, 200, 40)
    explainer = TreeExplainer(deep, background, n_threads=1)
    wanted = explainer(rows, n_threads=1).values
    for some in (slice(0, 1), slice(30, 40), slice(299, 300)):
        assert (explainer(rows[some]).values == wanted[some]).all()
    shuffled = TreeExplainer(deep, background[rng.permutation(200)], n_threads=2)
    assert (shuffled.expected_value == explainer.expected_value).all()
    assert (shuffled(rows, n_threads=2).values == wanted).all()


def test_small_trees_of_long_paths_have_tables_of_values(monkeypatch):
    rng = np.random.default_rng(8)
    ensemble = TreeEnsemble.from_trees(
        [random_tree(rng, 12, depth=12, grow=0.7) for _ in range(20)],
        n_features=12,
        n_outputs=1,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
    )
    rows = random_rows(rng, 300, 12)
    explainer = TreeExplainer(ensemble)
    engine = explainer._engine
    longest = engine.paths.most_of_tree(engine.paths.distinct)
    small = longest > engines.MOST_PLAYERS
    small[[tree for trees in engine._deep for tree in trees]] = False
    assert small.any()
    monkeypatch.setattr(engines, "SMALL_ENTRIES", -1)
    apart = TreeExplainer(ensemble)
    assert len(np.concatenate(apart._engine._deep)) > sum(map(len, engine._deep))
    values = explainer(rows).values
    np.testing.assert_allclose(apart(rows).values, values, rtol=0, atol=1e-13)
