"""Every index of every order, in both games, against the literal games and formulas."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_ensemble, random_rows

import shapley_core as sc
from shapley_core.explainers import TreeExplainer
from shapley_core.explainers.interactions import largest
from shapley_core.reference import indices as formulas
from shapley_core.reference import trees as literal

NAMES = [
    *sc.indices.names(),
    "WBV(0.3)",
    "WBII(3/4)",
    "BetaShapley(2, 3)",
    "Semivalue(1/8, 1/8, 1/8, 1/8)",
]

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


def worths(ensemble, row, background=None, weights=None):
    """All worths of one row's game, exactly: coalition by output, without the base."""
    n = ensemble.n_features
    coalitions = [{i for i in range(n) if at >> i & 1} for at in range(1 << n)]
    if background is None:
        return [literal.path_dependent(ensemble, row, S) for S in coalitions]
    return [literal.interventional(ensemble, row, background, weights, S) for S in coalitions]


def check_row(explanation, row, table, ensemble, index, order):
    """One row, all outputs: values stored and not, and the baseline."""
    for output in range(ensemble.n_outputs):
        game = sc.TableGame([float(worth[output]) for worth in table])
        wanted = sc.exact(game, index, order)
        got = explanation.output(output)[row]
        differences = [abs(got[S] - wanted[S]) for S in wanted.interactions]
        assert max(differences) <= 1e-12, (index, order, max(differences))
        constant = got.baseline - ensemble.base[output]
        assert abs(constant - wanted.baseline) <= 1e-12, (index, order)


@settings(max_examples=60, deadline=None)
@given(models, st.sampled_from(NAMES), st.integers(1, 4), st.booleans())
def test_values_are_those_of_the_literal_game(model, index, order, with_background):
    rng, shape = model
    ensemble = random_ensemble(rng, **shape)
    spec = sc.indices.get(index)
    order = min(order, spec.max_order or order, ensemble.n_features)
    if spec.n_players not in (None, ensemble.n_features):
        index = spec = sc.indices.Semivalue(
            sc.indices.derivative_weights(sc.indices.get("BV"), ensemble.n_features, 1, 1).tolist()
        )
    rows = random_rows(rng, 2, ensemble.n_features)
    background = random_rows(rng, 3, ensemble.n_features) if with_background else None
    weights = rng.random(3) if with_background else None
    explainer = TreeExplainer(ensemble, background, weights=weights)
    explanation = explainer(rows, index=index, order=order)
    assert explanation.index == spec.name and explanation.order == order
    for row in range(2):
        table = worths(ensemble, rows[row], background, weights)
        check_row(explanation, row, table, ensemble, index, order)


@pytest.mark.parametrize("with_background", [False, True])
def test_every_index_and_order_of_one_model(with_background):
    rng = np.random.default_rng(20)
    ensemble = random_ensemble(rng, n_features=4, n_trees=4, depth=5, n_outputs=2)
    rows, background = random_rows(rng, 1, 4), None
    if with_background:
        background = random_rows(rng, 3, 4)
    explainer = TreeExplainer(ensemble, background)
    table = worths(ensemble, rows[0], background, [1, 1, 1])
    for index in NAMES:
        for order in range(1, (sc.indices.get(index).max_order or 4) + 1):
            explanation = explainer(rows, index=index, order=order)
            check_row(explanation, 0, table, ensemble, index, order)


@pytest.mark.parametrize("with_background", [False, True])
def test_values_are_those_of_the_literal_formulas(with_background):
    """Without the exact engine and its tables: fractions throughout."""
    rng = np.random.default_rng(21)
    ensemble = random_ensemble(rng, n_features=4, n_trees=2, depth=4)
    rows, background = random_rows(rng, 1, 4), None
    if with_background:
        background = random_rows(rng, 2, 4)
    explainer = TreeExplainer(ensemble, background)
    table = [worth[0] for worth in worths(ensemble, rows[0], background, [1, 1])]
    for index, formula in formulas.INDICES.items():
        order = sc.indices.get(index).max_order or 3
        got = explainer(rows, index=index, order=order)[0]
        for S in formulas.subsets(range(4)):
            if 0 < len(S) <= order:
                wanted = formula(table, S, order)
                assert abs(Fraction(got[S]) - wanted) <= Fraction(1, 10**13), (index, S)


def test_an_index_of_ones_own():
    """A spec from outside of the catalogue, with weights by the number of all features."""
    rng = np.random.default_rng(22)
    ensemble = random_ensemble(rng, n_features=5, n_trees=3, depth=3)
    row = random_rows(rng, 1, 5)
    thirds = sc.indices.IndexSpec(
        "thirds",
        "derivative",
        "nowhere",
        frozenset(),
        weights=lambda n, s, k: [Fraction(t + 1, 3 * n) for t in range(n - s + 1)],
    )
    joined = sc.indices.IndexSpec(
        "joined",
        "generalised",
        "nowhere",
        frozenset(),
        weights=lambda n, s, k: [Fraction(1 + (t - 2) ** 2, n * n) for t in range(n - s + 1)],
    )
    table = worths(ensemble, row[0])
    for spec in (thirds, joined):
        explanation = TreeExplainer(ensemble)(row, index=spec, order=3)
        check_row(explanation, 0, table, ensemble, spec, 3)


def test_joint_shapley_values_count_all_features():
    """Two features that no tree tests change the values, as they do in the paper's definition."""
    rng = np.random.default_rng(23)
    ensemble = random_ensemble(rng, n_features=3, n_trees=3, depth=4)
    wide = ensemble_with_more_features(ensemble, 5)
    row = random_rows(rng, 1, 5)
    explanation = TreeExplainer(wide)(row, index="JointSV", order=2)
    check_row(explanation, 0, worths(wide, row[0]), wide, "JointSV", 2)
    narrow = TreeExplainer(ensemble)(row[:, :3], index="JointSV", order=2)
    assert np.abs(explanation.values[0, :3] - narrow.values[0, :3]).max() > 1e-3
    assert len(explanation.interactions) == 15
    # A set that meets no path is worth nothing; one that meets a path is worth something.
    assert explanation[0][3, 4] == 0
    assert explanation[0][0, 3] != 0


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    group_of=st.lists(st.integers(0, 3), min_size=3, max_size=6),
    index=st.sampled_from(["SII", "k-SII", "FBII", "JointSV", "BGV"]),
    with_background=st.booleans(),
)
def test_groups_of_features_are_players(seed, group_of, index, with_background):
    rng = np.random.default_rng(seed)
    n_features = len(group_of)
    groups = [[f for f, g in enumerate(group_of) if g == k] for k in set(group_of)]
    ensemble = random_ensemble(rng, n_features)
    rows = random_rows(rng, 2, n_features)
    background = random_rows(rng, 3, n_features) if with_background else None
    explainer = TreeExplainer(ensemble, background, groups=groups)
    n, members = explainer.players.n_players, explainer.players.members
    order = min(n, 2)
    explanation = explainer(rows, index=index, order=order)
    of_features = worths(ensemble, rows[1], background, [1, 1, 1])
    table = []
    for at in range(1 << n):
        features = [f for player in range(n) if at >> player & 1 for f in members[player]]
        table.append(of_features[sum(1 << f for f in features)])
    check_row(explanation, 1, table, ensemble, index, order)


def ensemble_with_more_features(ensemble, n_features):
    from dataclasses import replace

    return replace(ensemble, n_features=n_features)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 3))
def test_of_equally_large_values_the_first_are_chosen(seed, top, n_outputs):
    values = np.random.default_rng(seed).integers(-2, 3, (5, 9, n_outputs)).astype(float)
    found, places = largest(values, top)
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :top]
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(found, np.take_along_axis(values, order, axis=1))
