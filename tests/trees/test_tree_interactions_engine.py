"""Interactions of tree models: the same bits by every way, memory, top values, base values."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from random_trees import random_ensemble, random_rows
from test_tree_explainer import chain

import shapley_core as sc
from shapley_core import memory
from shapley_core.errors import AdditivityError, InputError, MemoryLimitError, UnknownIndexError
from shapley_core.explainers import TreeExplainer
from shapley_core.explainers import interactions as planning
from shapley_core.trees import Tree, TreeEnsemble, lookup, stages
from shapley_core.trees import background as background_module
from shapley_core.trees import interactions as module

SOME = [("SII", 2), ("k-SII", 3), ("JointSV", 2), ("FBII", 2), ("BV", 1), ("STII", 4)]


def same(one, other):
    return (one.values == other.values).all() and (one.base_values == other.base_values).all()


@pytest.mark.parametrize("with_background", [False, True])
@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("index, order", SOME)
def test_tables_and_rows_give_the_same_bits(with_background, vector, index, order, monkeypatch):
    rng = np.random.default_rng(11)
    ensemble = random_ensemble(rng, n_features=9, n_trees=5, depth=8, n_outputs=2, vector=vector)
    rows = random_rows(rng, 200, 9)
    background = random_rows(rng, 40, 9) if with_background else None
    found = {}
    for pays in (False, True):
        monkeypatch.setattr(stages.TableStages, "pays", lambda *_, pays=pays: pays)
        found[pays] = TreeExplainer(ensemble, background)(rows, index=index, order=order)
    assert same(found[False], found[True])
    # Trees without tables sum leaf by leaf, not group by group.
    monkeypatch.setattr(lookup, "MOST_BITS", -1)
    apart = TreeExplainer(ensemble, background)
    assert not apart._engine.groups.has_tables.any()
    got = apart(rows, index=index, order=order).values
    np.testing.assert_allclose(got, found[True].values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("with_background", [False, True])
@pytest.mark.parametrize("index, order", [("SII", 2), ("JointSV", 2)])
def test_values_do_not_depend_on_threads_batches_or_layout(
    with_background, index, order, monkeypatch
):
    rng = np.random.default_rng(5)
    ensemble = random_ensemble(rng, n_features=6, n_trees=15, depth=7, n_outputs=2)
    rows = random_rows(rng, 1200, 6)
    background = random_rows(rng, 100, 6) if with_background else None
    explainer = TreeExplainer(ensemble, background, n_threads=1)
    asked = {"index": index, "order": order}
    wanted = explainer(rows, n_threads=1, **asked)
    again = pickle.loads(pickle.dumps(explainer))
    assert same(again(np.asfortranarray(rows), n_threads=3, **asked), wanted)
    for some in (slice(0, 1), slice(7, 60), slice(1199, 1200), slice(3, 3)):
        assert same(explainer(rows[some], **asked), wanted[some])
        assert same(TreeExplainer(ensemble, background)(rows[some], **asked), wanted[some])
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(lambda _: explainer(rows, n_threads=2, **asked), range(3)):
            assert same(found, wanted)
    # Everything in small pieces: rows, chunks, places, lanes, tables, patterns.
    monkeypatch.setattr(module, "MANY_ROWS", 70)
    monkeypatch.setattr(module, "ENTRY_BYTES", 1 << 12)
    monkeypatch.setattr(module, "LANE_BYTES", 1)
    monkeypatch.setattr(module, "MOST_PLACES", 100)
    monkeypatch.setattr(planning, "CHUNK_BYTES", 1 << 14)
    monkeypatch.setattr(stages, "STAGE_BYTES", 30_000)
    monkeypatch.setattr(background_module, "KEPT_BYTES", 2000)
    frugal = TreeExplainer(ensemble, background)
    calls = []
    found = frugal(rows[:300], progress=lambda *done: calls.append(done), **asked)
    assert same(found, wanted[:300])
    assert calls[-1] == (300, 300)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


@pytest.mark.parametrize("index, order", [("SII", 2), ("FBII", 2), ("CHGV", 2), ("BV", 1)])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_the_largest_of_each_row(index, order, n_outputs):
    rng = np.random.default_rng(6)
    ensemble = random_ensemble(rng, n_features=6, n_trees=5, depth=5, n_outputs=n_outputs)
    rows = random_rows(rng, 50, 6)
    explainer = TreeExplainer(ensemble)
    whole = explainer(rows, index=index, order=order)
    largest = explainer(rows, index=index, order=order, top=3)
    assert largest.values.shape == (50, 3, n_outputs)[: 2 + (n_outputs > 1)]
    assert "3 largest" in repr(largest) and len(largest) == 50
    for row in range(50):
        one = whole.output(n_outputs - 1)[row]
        got = largest[row] if n_outputs == 1 else largest[row, n_outputs - 1]
        sizes = sorted(map(abs, one.values), reverse=True)
        assert sorted(map(abs, got.values), reverse=True) == sizes[:3]
        assert all(one[S] == value for S, value in got.to_dict().items())
        assert got.baseline == one.baseline
    with pytest.raises(KeyError):
        got[next(S for S in one.interactions if S not in got.interactions)]
    # More than there are: all of them, in order of size.
    every = explainer(rows, index=index, order=order, top=1000)
    assert (np.sort(every.values, axis=1) == np.sort(whole.values, axis=1)).all()
    assert (np.diff(np.abs(every.values), axis=1) <= 0).all()
    with pytest.raises(InputError, match="top"):
        explainer(rows, index=index, order=order, top=0)
    for row in (50, -51, "0", None, slice(2), True, [0], (), (0, 0, 0), 0.0):
        with pytest.raises(IndexError, match="wants the number of one of 50 rows"):
            largest[row]
    for output in (n_outputs, -1, "no such name"):
        with pytest.raises(InputError, match="output"):
            largest[0, output]
    for output in (slice(2), True, 0.0, [0]):
        with pytest.raises(TypeError, match="must be an integer"):
            largest[0, output]


def test_shapley_values_by_both_ways():
    rng = np.random.default_rng(7)
    ensemble = random_ensemble(rng, n_features=6, n_trees=10, depth=6)
    rows, background = random_rows(rng, 100, 6), random_rows(rng, 30, 6)
    for explainer in (TreeExplainer(ensemble), TreeExplainer(ensemble, background)):
        wanted = explainer(rows).values
        for index in ("SII", "SGV", "JointSV", "k-SII", "CHII"):
            got = explainer(rows, index=index).values
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13)
        pairs = explainer(rows, index="SII", order=2)
        np.testing.assert_allclose(pairs.to_array(2).sum(axis=2), wanted, rtol=0, atol=1e-12)
        mixed = explainer(rows, index="k-SII", order=2)
        np.testing.assert_allclose(mixed.to_array(2), pairs.to_array(2), rtol=0, atol=1e-12)


def test_only_what_occurs_is_stored_and_the_rest_is_zero():
    # Two trees on features 0, 1 and 2, 3; feature 4 occurs nowhere.
    def stump(a, b):
        return Tree(
            [a, -1, b, -1, -1],
            [0.0] * 5,
            [1, -1, 3, -1, -1],
            [2, -1, 4, -1, -1],
            [0] * 5,
            [[0.0], [1.0], [0.0], [2.0], [-4.0]],
            [8.0, 4.0, 4.0, 1.0, 3.0],
        )

    ensemble = TreeEnsemble.from_trees(
        [stump(0, 1), stump(3, 2)],
        n_features=5,
        n_outputs=1,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
    )
    explanation = TreeExplainer(ensemble)(np.ones((2, 5)), index="SII", order=3)
    assert explanation.interactions == [(0,), (1,), (2,), (3,), (4,), (0, 1), (2, 3)]
    row = explanation[1]
    assert row[0, 1] != 0 and row[0, 2] == 0.0 and row[0, 1, 2] == 0.0 and row[4] == 0.0
    assert "all others 0" in repr(row)
    with pytest.raises(KeyError):
        row[0, 1, 2, 3]
    dense = explanation.to_array(2)
    assert dense.shape == (2, 5, 5) and dense[0, 0, 2] == 0
    assert explanation.to_array(3).shape == (2, 5, 5, 5)
    assert not explanation.to_array(3).any()
    assert list(explanation.to_frame().columns[-3:]) == [
        "feature 0, feature 1",
        "feature 2, feature 3",
        "base_value",
    ]
    assert explanation[:1][0][0, 2] == 0.0
    assert explanation[0] == explanation[1]


def test_zeros_survive_a_file(tmp_path):
    rng = np.random.default_rng(8)
    ensemble = random_ensemble(rng, n_features=6, n_trees=1, depth=2)
    row = TreeExplainer(ensemble)(random_rows(rng, 1, 6), index="BII", order=2)[0]
    assert len(row) < 21
    row.save(tmp_path / "row.npz")
    again = sc.InteractionValues.load(tmp_path / "row.npz")
    assert again == row and again.absent_is_zero
    assert [again[i, j] for i in range(5) for j in range(i)] == [
        row[i, j] for i in range(5) for j in range(i)
    ]
    assert (2.0 * row - row).absent_is_zero


@pytest.mark.parametrize("index", ["SII", "k-SII", "STII", "FSII", "FBII", "JointSV"])
@pytest.mark.parametrize("with_background", [False, True])
def test_deep_chain_of_order_2(index, with_background):
    depth = 60 if index == "JointSV" else 100
    ensemble = TreeEnsemble.from_trees(
        [chain(depth, 0.9375)],
        n_features=depth,
        n_outputs=1,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
    )
    rows = np.where(np.arange(depth) < depth - np.array([[0], [2], [30]]), -1.0, 1.0)
    background = None
    if with_background:
        background = np.full((4, depth), 1.0)
        background[1, 20:] = background[2, depth - 5 :] = background[3] = -1.0
    explanation = TreeExplainer(ensemble, background)(rows, index=index, order=2)
    assert np.isfinite(explanation.values).all()
    assert len(explanation.interactions) == depth + comb(depth, 2)
    if index not in ("SII", "FBII"):
        sums = explanation.values.sum(axis=1) + explanation.base_values
        np.testing.assert_allclose(sums, ensemble.predict(rows), rtol=0, atol=1e-12)
    if index != "SII":
        return
    pairs = explanation.values[0, depth:]
    if with_background:
        # The row passes everything; each background row is a unanimity game of what it fails.
        wanted = np.zeros((depth, depth))
        for row in background:
            failed = np.flatnonzero(row > 0)
            if len(failed) > 1:
                wanted[np.ix_(failed, failed)] += 1 / (len(failed) - 1) / len(background)
        np.testing.assert_allclose(pairs, wanted[np.triu_indices(depth, 1)], rtol=1e-12)
        return
    # All shares are equal: for a row that passes all, a pair is an integral of one polynomial.
    z = Fraction(15, 16)
    wanted = float((1 - z) ** 2 * integral(z, depth - 2))
    assert np.abs(pairs - wanted).max() <= 1e-13 * wanted


def integral(z, power):
    """Int_0^1 (z + (1 - z) t)^power dt, exactly."""
    return (1 - z ** (power + 1)) / ((power + 1) * (1 - z))


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
        row = np.where(np.arange(60) < passes, -1.0, 1.0)[None, :]
        values = TreeExplainer(ensemble)(row, index="SII", order=2).values[0]
        wanted = 1e10 * (1 - 1e-5) / 59 if passes == 60 else 0.0
        np.testing.assert_allclose(values[60:], wanted, rtol=1e-12, atol=1e-12)


def test_constants_stand_in_the_base_values():
    rng = np.random.default_rng(10)
    ensemble = random_ensemble(rng, n_features=4, n_trees=3, depth=4)
    rows, margin = random_rows(rng, 20, 4), rng.normal(size=20)
    explainer = TreeExplainer(ensemble)
    found = explainer(rows, index="FBII", order=2)
    assert len(set(found.base_values)) > 1
    # At full order the fit is the game itself, and its constant the empty coalition's worth.
    full = explainer(rows, index="FBII", order=4)
    np.testing.assert_allclose(full.base_values, explainer.expected_value, atol=1e-12)
    moved = explainer(rows, index="FBII", order=2, base_margin=margin)
    assert (moved.values == found.values).all()
    np.testing.assert_allclose(moved.base_values, found.base_values - ensemble.base + margin)
    plain = explainer(rows, index="BII", order=2)
    assert (plain.base_values == explainer.expected_value).all()


def test_single_leaves_and_no_trees_at_all():
    leaf = Tree([-1], [0.0], [-1], [-1], [0], [[2.5]], [10.0])
    for trees, expected in (([leaf, leaf], 5.5), ([], 0.5)):
        ensemble = TreeEnsemble.from_trees(
            trees, n_features=3, n_outputs=1, base=0.5, comparison="<", input_dtype="float32"
        )
        for background in (None, np.zeros((3, 3))):
            for index in ("SII", "FBII", "JointSV", "Fourier"):
                explainer = TreeExplainer(ensemble, background)
                for n_rows in (4, 0):
                    explanation = explainer(np.ones((n_rows, 3)), index=index, order=2)
                    count = 6 if index == "JointSV" else 3
                    assert explanation.values.shape == (n_rows, count)
                    assert (explanation.values == 0).all()
                    assert (explanation.base_values == expected).all()
                    assert explanation.interactions[:3] == [(0,), (1,), (2,)]


def test_what_does_not_add_up_is_noticed(monkeypatch):
    rng = np.random.default_rng(12)
    ensemble = random_ensemble(rng, n_features=4, n_trees=3, depth=4)
    rows = random_rows(rng, 20, 4)
    explainer = TreeExplainer(ensemble)
    explain = TreeExplainer._explain

    def broken(column):
        def work(self, table, values, *others):
            explain(self, table, values, *others)
            values[3, column, 0] += 1e-3

        return work

    monkeypatch.setattr(TreeExplainer, "_explain", broken(5))
    for index, notices in (("k-SII", True), ("SII", False), ("BII", False), ("JointSV", True)):
        if notices:
            with pytest.raises(AdditivityError, match="row 3"):
                explainer(rows, index=index, order=2)
        else:
            explainer(rows, index=index, order=2)
        explainer(rows, index=index, order=2, check=None)
    monkeypatch.setattr(TreeExplainer, "_explain", broken(0))
    for index in ("SII", "CHII", "SGV", "kADD-SHAP"):
        with pytest.raises(AdditivityError, match="row 3"):
            explainer(rows, index=index, order=2)


def test_trees_that_are_not_the_model_are_noticed_by_every_index():
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(13)
    X = rng.normal(size=(200, 4))
    model = xgboost.train({"max_depth": 3}, xgboost.DMatrix(X, X[:, 0] * X[:, 1]), 5)
    explainer = TreeExplainer(model)
    for index in ("BII", "FBII", "SII", "k-SII"):
        explainer(X, index=index, order=2)
    model.set_param({"base_score": 3.0})
    other = xgboost.train({"max_depth": 3}, xgboost.DMatrix(X, X[:, 2]), 5)
    explainer._model.model = other
    for index in ("BII", "FBII", "SII", "k-SII"):
        with pytest.raises(AdditivityError):
            explainer(X, index=index, order=2)
        explainer(X, index=index, order=2, check="trees")


def test_what_does_not_fit_is_refused(monkeypatch):
    rng = np.random.default_rng(14)
    ensemble = random_ensemble(rng, n_features=16, n_trees=10, depth=7)
    rows = random_rows(rng, 1000, 16)
    explainer = TreeExplainer(ensemble)
    count = len(explainer(rows[:1], index="SII", order=4).interactions)
    monkeypatch.setattr(memory, "physical_memory", lambda: 8 * 1000 * count - 1)
    fresh = TreeExplainer(ensemble)
    for one in (explainer, fresh):
        with pytest.raises(MemoryLimitError, match="top="):
            one(rows, index="SII", order=4)
        with pytest.raises(MemoryLimitError, match="top="):
            one(rows, index="JointSV", order=4)
    assert fresh(rows, index="SII", order=4, top=2).values.shape == (1000, 2)
    assert len(fresh(rows[:900], index="SII", order=4).interactions) == count


@pytest.mark.parametrize("with_background", [False, True])
def test_interactions_of_a_long_path_are_refused_before_they_are_listed(with_background):
    ensemble = TreeEnsemble.from_trees(
        [chain(200, 0.5)],
        n_features=200,
        n_outputs=1,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
    )
    rows = np.ones((1, 200))
    explainer = TreeExplainer(ensemble, -rows if with_background else None)
    for top in (None, 3):
        with pytest.raises(MemoryLimitError, match=r"size \d of one path .* lower order"):
            explainer(rows, index="SII", order=9, top=top)
    assert len(explainer(rows, index="SII", order=2).interactions) == 200 + 200 * 199 // 2


def test_wrong_indices_and_orders_are_refused():
    rng = np.random.default_rng(15)
    ensemble = random_ensemble(rng, n_features=4)
    rows = random_rows(rng, 3, 4)
    explainer = TreeExplainer(ensemble)
    for index, order, message in (
        ("SV", 2, "order 1 only"),
        ("BV", 3, "order 1 only"),
        ("SII", 0, "order"),
        ("SII", 5, "number of players, 4"),
        ("sii", 2, "did you mean SII"),
        ("Semivalue(1/2, 1/2)", 1, "2 players"),
    ):
        with pytest.raises(UnknownIndexError, match=message):
            explainer(rows, index=index, order=order)
    weights = np.zeros((4, 16))
    weights[:, 0] = 1
    for index in (7, sc.indices.ProbabilisticValue(weights)):
        with pytest.raises(TypeError, match="index"):
            explainer(rows, index=index)
    with pytest.raises(TypeError, match="order"):
        explainer(rows, index="SII", order=2.0)
