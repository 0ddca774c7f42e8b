"""Groups of features as players, in both games and every kernel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_ensemble, random_rows

from shapley_core import TreeExplainer
from shapley_core.errors import InputError
from shapley_core.players import Players
from shapley_core.reference import trees as literal
from shapley_core.trees import lookup


def literal_values(worth, members):
    """Shapley values of the game in which each player brings its features."""

    def of_players(players):
        return worth({feature for player in players for feature in members[player]})

    values = literal.shapley_values(of_players, len(members))
    return np.array([[float(v) for v in row] for row in values])


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    group_of=st.lists(st.integers(0, 3), min_size=2, max_size=6),
    n_outputs=st.integers(1, 2),
    with_background=st.booleans(),
    most_bits=st.sampled_from([0, 12]),
    n_rows=st.sampled_from([2, 200]),
)
def test_values_are_those_of_the_game_of_groups(
    seed, group_of, n_outputs, with_background, most_bits, n_rows
):
    rng = np.random.default_rng(seed)
    n_features = len(group_of)
    groups = [[f for f, g in enumerate(group_of) if g == k] for k in set(group_of)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "MOST_BITS", most_bits)
        ensemble = random_ensemble(rng, n_features, n_outputs=n_outputs)
        rows = random_rows(rng, n_rows, n_features)
        background = random_rows(rng, 3, n_features) if with_background else None
        explainer = TreeExplainer(ensemble, background, groups=groups)
        values = explainer(rows).values.reshape(n_rows, -1, n_outputs)
    members = explainer.players.members
    assert values.shape[1] == len(members) == len(groups)
    for row, got in zip(rows[:2], values, strict=False):

        def worth(features, row=row):
            if background is None:
                return literal.path_dependent(ensemble, row, features)
            return literal.interventional(ensemble, row, background, [1, 1, 1], features)

        np.testing.assert_allclose(got, literal_values(worth, members), rtol=0, atol=1e-12)


def test_a_group_is_no_sum_of_its_members():
    rng = np.random.default_rng(0)
    ensemble = random_ensemble(rng, n_features=4, n_trees=10, depth=6)
    rows = random_rows(rng, 20, 4)
    alone = TreeExplainer(ensemble)(rows).values
    together = TreeExplainer(ensemble, groups=[[0, 1]])(rows).values
    assert together.shape == (20, 3)
    assert not np.allclose(together[:, 0], alone[:, 0] + alone[:, 1])
    np.testing.assert_allclose(together.sum(axis=1), alone.sum(axis=1), atol=1e-12)


def test_one_group_of_everything_has_it_all():
    rng = np.random.default_rng(1)
    ensemble = random_ensemble(rng, n_features=5, n_trees=10, depth=6)
    rows = random_rows(rng, 50, 5)
    explainer = TreeExplainer(ensemble, groups={"all": range(5)})
    explanation = explainer(rows)
    wanted = ensemble.predict(rows) - explainer.expected_value
    np.testing.assert_allclose(explanation.values[:, 0], wanted, atol=1e-12)
    assert explanation.feature_names == ("all",)


def test_names_order_and_frames():
    names = ["hour", "city", "age", "zip"]
    players = Players.of({"address": ["city", "zip"]}, 4, names)
    assert players.names == ("hour", "address", "age")
    assert players.members == ((0,), (1, 3), (2,))
    assert players.of_feature.tolist() == [0, 1, 2, 1]
    assert Players.of([[3, 0]], 4, names).names == ("hour + zip", "city", "age")
    assert Players.of(None, 2, None).names is None
    assert not Players.of([[0], [1]], 4, names).grouped
    rng = np.random.default_rng(2)
    ensemble = random_ensemble(rng, n_features=4)
    explanation = TreeExplainer(ensemble, groups=[[1, 2]])(random_rows(rng, 3, 4))
    assert explanation.groups == ((0,), (1, 2), (3,))
    assert list(explanation.to_frame().columns) == [
        "feature 0",
        "feature 1 + feature 2",
        "feature 3",
        "base_value",
    ]
    assert explanation[1:].groups == explanation.groups
    assert explanation.to_shap().data is None


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ([[0, 4]], "holds feature 4; there are 4"),
        ([[0, -1]], "holds feature -1"),
        ([[0, 1], [1, 2]], "'b' is in the groups twice"),
        ([[]], "has no features"),
        (["ab"], "must be a list of features, not 'ab'"),
        ([["x"]], "names 'x', but no feature has it"),
        ([[1.5]], "holds 1.5; wanted"),
        ([[True]], "holds True; wanted"),
        ({"c": ["a", "b"]}, "two players would be called 'c'"),
    ],
)
def test_what_is_no_grouping_is_refused(groups, text):
    with pytest.raises(InputError, match=text):
        Players.of(groups, 4, ["a", "b", "c", "d"])


def test_groups_that_are_no_list_are_refused():
    with pytest.raises(TypeError, match="groups must be a list or mapping of groups, not 3"):
        Players.of(3, 4, None)
