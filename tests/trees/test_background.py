"""What trees keep of a background: how often each set of failed features occurs at each leaf."""

from collections import Counter

import numpy as np
import pytest
from random_trees import random_ensemble, random_rows, random_tree

from shapley_core.explainers import TreeExplainer
from shapley_core.reference.trees import goes_left
from shapley_core.trees import TreeEnsemble, lookup
from shapley_core.trees import background as module
from shapley_core.trees.tree import LEAF


def literal_sets(ensemble, tree, rows, weights):
    """Of each leaf, left before right, the weight of the rows that fail each set of features."""
    found = []

    def walk(node, path):
        if ensemble.feature[node] == LEAF:
            players = list(dict.fromkeys(int(ensemble.feature[up]) for up, _ in path))
            sets = Counter()
            for row, weight in zip(rows, weights, strict=True):
                fails = {
                    players.index(ensemble.feature[up])
                    for up, left in path
                    if goes_left(ensemble, up, row[ensemble.feature[up]]) != left
                }
                sets[sum(1 << slot for slot in fails)] += int(weight)
            found.append({key: weight for key, weight in sets.items() if weight})
            return
        walk(ensemble.left[node], [*path, (node, True)])
        walk(ensemble.right[node], [*path, (node, False)])

    walk(ensemble.tree_offsets[tree], [])
    return found


def kept_sets(patterns):
    found = []
    for a, b in zip(patterns.start[:-1], patterns.start[1:], strict=True):
        sets = Counter()
        for words, count in zip(patterns.words[a:b], patterns.count[a:b], strict=True):
            # Where a feature is tested again, one set may be met in two ways.
            sets[int(words[0])] += int(count)
        found.append({key: weight for key, weight in sets.items() if weight})
    return found


def background_of(explainer):
    return explainer._engine.background


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_rows", [1, 9, 60])
def test_counts_are_those_of_the_rows(n_rows, weighted):
    rng = np.random.default_rng(n_rows)
    ensemble = random_ensemble(rng, n_features=7, n_trees=6, depth=6)
    rows = random_rows(rng, n_rows, 7)
    weights = rng.integers(0, 4, n_rows) + (np.arange(n_rows) == 0) if weighted else None
    explainer = TreeExplainer(ensemble, rows, weights=weights, n_threads=2)
    background = background_of(explainer)
    assert background.counted.all() == (n_rows == 60)
    whole = np.ones(n_rows) if weights is None else weights
    scaled = [int(weight) * background.whole // int(whole.sum()) for weight in whole]
    for patterns in background.kept:
        wanted = literal_sets(ensemble, patterns.tree, rows, scaled)
        assert kept_sets(patterns) == wanted
        sums = np.add.reduceat(patterns.total, patterns.start[:-1])
        np.testing.assert_allclose(sums, 1, rtol=1e-14)
    mean = np.average(ensemble.predict(rows), weights=weights)
    np.testing.assert_allclose(explainer.expected_value, mean, rtol=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
def test_order_threads_blocks_and_ways_of_counting_do_not_change_a_bit(weighted, monkeypatch):
    rng = np.random.default_rng(20)
    ensemble = random_ensemble(rng, n_features=9, n_trees=12, depth=8, n_outputs=2)
    assert have_tables(ensemble)
    rows, background = random_rows(rng, 40, 9), random_rows(rng, 3000, 9)
    weights = rng.random(3000) ** 20 if weighted else np.ones(3000)
    wanted = TreeExplainer(ensemble, background, weights=weights, n_threads=1)
    shuffled = rng.permutation(3000)
    others = [TreeExplainer(ensemble, background[shuffled], weights=weights[shuffled], n_threads=2)]
    monkeypatch.setattr(module, "BLOCKS", 1)
    monkeypatch.setattr(module, "PATTERN_BYTES", 1)
    monkeypatch.setattr(module, "COUNTS_BYTES", 10_000)
    others.append(TreeExplainer(ensemble, background, weights=weights, n_threads=2))
    sort = module.Background._sort
    monkeypatch.setattr(module.Background, "_list", lambda self, tree, counts: sort(self, tree))
    monkeypatch.setattr(module.Background, "_most_sets", lambda self: 2**62)
    others.append(TreeExplainer(ensemble, background, weights=weights))
    for other in others:
        assert (other.expected_value == wanted.expected_value).all()
        for few in (1, 40):
            values = other(rows[:few]).values
            assert (values == wanted(rows[:few]).values).all()


def have_tables(ensemble):
    return lookup.Groups.of(lookup.Paths.of(ensemble)).has_tables.all()


def test_shallow_and_deep_trees_together(monkeypatch):
    rng = np.random.default_rng(21)
    trees = [random_tree(rng, 20, depth, grow=0.95) for depth in (3, 14, 5, 0, 8)]
    ensemble = TreeEnsemble.from_trees(
        trees, n_features=20, n_outputs=1, base=0.5, comparison="<=", input_dtype="float64"
    )
    rows, background = random_rows(rng, 6, 20), random_rows(rng, 400, 20)
    explainer = TreeExplainer(ensemble, background)
    counted = background_of(explainer).counted
    assert counted.any() and not counted.all()
    np.testing.assert_allclose(
        explainer.expected_value, ensemble.predict(background).mean(), rtol=1e-13
    )
    values = explainer(rows).values
    monkeypatch.setattr(lookup, "MOST_BITS", -1)
    apart = TreeExplainer(ensemble, background)
    assert not background_of(apart).counted.any()
    np.testing.assert_allclose(apart(rows).values, values, rtol=0, atol=1e-13)


def test_weights_become_whole_numbers():
    whole = module.whole_weights
    assert len(whole(np.full(5, 0.3))) == 0
    exact = whole(np.array([1.0, 3.0, 0.0, 0.7]))
    assert exact[1] == 3 * exact[0] and exact[2] == 0
    assert exact[3] / exact[0] == 0.7
    rng = np.random.default_rng(22)
    given = rng.random(10_000)
    got = whole(given)
    assert 2**61 <= int(got.sum()) < 2**62
    np.testing.assert_allclose(got / got.sum(), given / given.sum(), rtol=1e-15, atol=2**-60)
    # As large as numbers are, and smaller than a unit beside them.
    large = whole(np.array([1e308, 1e308, 1e-300]))
    assert large[0] == large[1] > 2**60 and large[2] == 0
