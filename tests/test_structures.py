"""Owen, Banzhaf-Owen, Winter and asymmetric Shapley values; the least core."""

import copy
import pickle
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.game import CallableGame, TableGame
from shapley_core.games import Airport
from shapley_core.reference import structures as literal
from shapley_core.result import InteractionValues
from shapley_core.structures import (
    asymmetric_shapley,
    banzhaf_owen,
    least_core,
    owen,
    winter,
)

EXACT = {"rtol": 0, "atol": 1e-12}


def floats(fractions):
    return [float(x) for x in fractions]


@st.composite
def tables(draw, min_players=2, max_players=5):
    n = draw(st.integers(min_players, max_players))
    return draw(st.lists(st.integers(-9, 9), min_size=2**n, max_size=2**n))


def players_of(worths):
    return len(worths).bit_length() - 1


@st.composite
def partitions(draw, n):
    labels = draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n))
    order = draw(st.permutations(range(n)))
    blocks = [[i for i in order if labels[i] == label] for label in sorted(set(labels))]
    return draw(st.permutations(blocks))


@st.composite
def trees(draw, players):
    """A nested list over the players, with blocks of one and of any depth now and then."""
    if len(players) == 1:
        return players[0] if draw(st.booleans()) else [players[0]]
    cuts = draw(st.sets(st.integers(1, len(players) - 1), min_size=1))
    ends = [0, *sorted(cuts), len(players)]
    tree = [draw(trees(players[a:b])) for a, b in pairwise(ends)]
    return [tree] if draw(st.integers(0, 4)) == 0 else tree


# --- unions ----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data(), tables())
def test_union_values_equal_their_literal_definitions(data, worths):
    unions = data.draw(partitions(players_of(worths)))
    game = TableGame(worths)
    np.testing.assert_allclose(
        owen(game, unions).values, floats(literal.owen(worths, unions)), **EXACT
    )
    np.testing.assert_allclose(
        banzhaf_owen(game, unions).values, floats(literal.banzhaf_owen(worths, unions)), **EXACT
    )


@settings(max_examples=40, deadline=None)
@given(st.data(), tables())
def test_winter_equals_its_literal_definition(data, worths):
    order = data.draw(st.permutations(range(players_of(worths))))
    tree = data.draw(trees(order))
    np.testing.assert_allclose(
        winter(TableGame(worths), tree).values, floats(literal.winter(worths, tree)), **EXACT
    )


@settings(max_examples=25, deadline=None)
@given(st.data(), tables(max_players=7))
def test_owen_by_dividends(data, worths):
    """Each coalition's dividend is shared equally among its unions, then within each."""
    n = players_of(worths)
    unions = data.draw(partitions(n))
    dividends = [Fraction(worth) for worth in worths]
    for i in range(n):
        for at in range(2**n):
            if at >> i & 1:
                dividends[at] -= dividends[at ^ 1 << i]
    expected = [Fraction(0)] * n
    for at in range(1, 2**n):
        parts = [[i for i in union if at >> i & 1] for union in unions]
        parts = [part for part in parts if part]
        for part in parts:
            for i in part:
                expected[i] += dividends[at] / (len(parts) * len(part))
    found = owen(TableGame(worths), unions)
    np.testing.assert_allclose(found.values, floats(expected), **EXACT)


@settings(max_examples=20, deadline=None)
@given(st.data(), tables(max_players=7))
def test_owen_properties(data, worths):
    n = players_of(worths)
    unions = data.draw(partitions(n))
    game = TableGame(worths)
    values = owen(game, unions)
    assert values.index == "Owen"
    assert values.baseline == worths[0]
    assert values.values.sum() == pytest.approx(worths[-1] - worths[0], abs=1e-10)
    np.testing.assert_allclose(values.values, winter(game, unions).values, **EXACT)
    # A union gets the Shapley value that it has in the game between the unions.
    masks = [sum(1 << i for i in union) for union in unions]
    quotient = [
        worths[sum(mask for k, mask in enumerate(masks) if at >> k & 1)]
        for at in range(2 ** len(masks))
    ]
    between = literal.owen(quotient, [range(len(masks))])
    for k, union in enumerate(unions):
        assert sum(values[i] for i in union) == pytest.approx(float(between[k]), abs=1e-10)
    # All alone and all together are both no structure at all.
    alone = owen(game, [[i] for i in range(n)]).values
    np.testing.assert_allclose(alone, owen(game, [range(n)]).values, **EXACT)


def test_winter_weighs_contexts_of_uneven_levels():
    """Two levels of three blocks, so that no level's weights are uniform."""
    worths = np.random.default_rng(8).integers(-9, 10, 2**7).tolist()
    tree = [0, [1, [2, 3], 4], [5, 6]]
    found = winter(TableGame(worths), tree).values
    np.testing.assert_allclose(found, floats(literal.winter(worths, tree)), **EXACT)


def test_published_owen_value():
    # CRAN package GameTheoryAllocation, example of Owen_value().
    game = TableGame([0, 1, 1, 1, 2, 2, 2, 2])
    np.testing.assert_allclose(owen(game, [[0, 1], [2]]).values, [0.25, 0.25, 1.5], **EXACT)


def test_union_values_ask_for_each_coalition_once():
    asked = []

    def worth(coalitions):
        asked.extend(map(bytes, coalitions))
        return coalitions.sum(axis=1) ** 2

    unions = [[0, 1, 2], [3], [4, 5], [6, 7, 8]]
    values = owen(CallableGame(worth, 9), unions)
    assert values.n_evaluations == len(asked)
    assert len(asked) == len(set(asked)) == 2**4 + 2**3 * (6 + 2 + 6)


def test_winter_of_many_players_takes_few_coalitions():
    n = 256
    rng = np.random.default_rng(3)
    weights = rng.normal(size=n)
    tree = list(range(n))
    while len(tree) > 1:
        tree = [tree[at : at + 2] for at in range(0, len(tree), 2)]
    game = CallableGame(lambda coalitions: np.tanh(coalitions @ weights), n)
    values = winter(game, tree[0])
    assert values.values.sum() == pytest.approx(np.tanh(weights.sum()), abs=1e-10)
    assert values.n_evaluations == game.n_evaluations < n**2
    linear = winter(CallableGame(lambda coalitions: coalitions @ weights, n), tree[0])
    np.testing.assert_allclose(linear.values, weights, **EXACT)


def test_a_tree_may_be_as_deep_as_it_has_players():
    n = 12
    tree = [0]
    for player in range(1, n):
        tree = [tree, player]
    for _ in range(5000):
        tree = [tree]
    values = winter(TableGame(np.arange(2.0**n)), tree)
    np.testing.assert_allclose(values.values, 2.0 ** np.arange(n), rtol=1e-12)


@pytest.mark.parametrize(
    "value",
    [
        lambda game: owen(game, [[0], [1]]),
        lambda game: asymmetric_shapley(game, []),
        lambda game: least_core(game).allocation,
    ],
)
def test_any_game_is_taken_and_nothing_else(value):
    values = value(Airport([1.0, 3.0]))
    assert values.values.sum() == pytest.approx(3.0)
    assert values.n_evaluations == 4
    with pytest.raises(TypeError, match="a game is wanted"):
        value(np.zeros(4))
    with pytest.raises(InputError, match="finite"):
        value(CallableGame(lambda coalitions: np.full(len(coalitions), np.nan), 2))


def test_names_and_a_single_player():
    game = TableGame([1.0, 4.0], player_names=["only"])
    for values in (owen(game, [[0]]), winter(game, [0]), asymmetric_shapley(game, [])):
        assert values["only"] == pytest.approx(3.0)
        assert values.baseline == 1.0


@pytest.mark.parametrize(
    ("unions", "error", "text"),
    [
        ([[0, 1]], InputError, "player 2 is missing"),
        ([[0, 1], [1, 2]], InputError, "player 1 is there twice"),
        ([[0, 1, 2], [3]], InputError, "3 is no player"),
        ([[0, 1, 2], []], InputError, "empty"),
        ([0, 1, 2], TypeError, "lists of player numbers"),
        ([[0, [1, 2]]], TypeError, "winter"),
        ([["a", 1, 2]], TypeError, "lists of player numbers"),
        ([[0, 1, 2.5]], TypeError, "lists of player numbers"),
    ],
)
def test_unions_that_are_no_partition(unions, error, text):
    for value in (owen, banzhaf_owen):
        with pytest.raises(error, match=text):
            value(TableGame(np.zeros(8)), unions)


def test_trees_that_are_none():
    game = TableGame(np.zeros(8))
    with pytest.raises(InputError, match="missing"):
        winter(game, [0, [1]])
    with pytest.raises(TypeError, match="list of players and blocks"):
        winter(game, [0, 1, "2"])
    for wrong in (2.0, int, b"2", np.array(2.0)):
        with pytest.raises(TypeError, match="list of players and blocks"):
            winter(game, [0, 1, wrong])


@pytest.mark.parametrize("width", [1, 2])
def test_trees_without_an_end(width):
    endless = [0][: width - 1]
    endless.append(endless)
    for tree in (endless, sparse.csr_matrix(np.eye(3))):
        with pytest.raises(InputError, match="blocks are nested more than"):
            winter(TableGame(np.zeros(8)), tree)


@pytest.mark.parametrize("wrong", [None, 3, np.array(3), "01"])
def test_what_is_no_list(wrong):
    game = TableGame(np.zeros(8))
    for value in (owen, banzhaf_owen):
        with pytest.raises(TypeError, match="unions must be lists"):
            value(game, wrong)
    with pytest.raises(TypeError, match="precedence must be a list"):
        asymmetric_shapley(game, wrong)


def test_too_many_coalitions_are_refused_before_any_is_asked_for():
    game = CallableGame(lambda coalitions: coalitions.sum(axis=1), 40)
    with pytest.raises(MemoryLimitError, match="coalitions"):
        owen(game, [range(40)])
    assert game.n_evaluations == 0


# --- precedence ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data(), tables(max_players=6))
def test_asymmetric_shapley_equals_its_literal_definition(data, worths):
    n = players_of(worths)
    order = data.draw(st.permutations(range(n)))
    possible = list(combinations(order, 2))
    pairs = data.draw(st.lists(st.sampled_from(possible), max_size=6))
    values = asymmetric_shapley(TableGame(worths), pairs)
    expected = literal.asymmetric_shapley(worths, pairs)
    np.testing.assert_allclose(values.values, floats(expected), **EXACT)
    assert values.values.sum() == pytest.approx(worths[-1] - worths[0], abs=1e-10)


def test_a_total_order_gives_marginal_contributions():
    n = 100
    weights = np.arange(1.0, n + 1)
    game = CallableGame(lambda coalitions: (coalitions @ weights) ** 2, n)
    values = asymmetric_shapley(game, [(i, i + 1) for i in range(n - 1)])
    np.testing.assert_allclose(values.values, np.diff(np.cumsum([0, *weights]) ** 2), rtol=1e-12)
    assert values.n_evaluations == game.n_evaluations == n + 1


def test_groups_in_turn_for_more_players_than_a_word_has_bits():
    n = 72
    rng = np.random.default_rng(0)
    weights = rng.normal(size=n)
    pairs = [(i, j) for k in range(0, 64, 8) for i in range(k, k + 8) for j in range(k + 8, k + 16)]
    game = CallableGame(lambda coalitions: coalitions @ weights, n)
    np.testing.assert_allclose(asymmetric_shapley(game, pairs).values, weights, **EXACT)
    assert game.n_evaluations == 9 * 255 + 1


def test_impossible_precedence():
    game = TableGame(np.zeros(8))
    with pytest.raises(InputError, match=r"cycle.*\{1, 2\}"):
        asymmetric_shapley(game, [(0, 1), (1, 2), (2, 1)])
    with pytest.raises(InputError, match="before itself"):
        asymmetric_shapley(game, [(1, 1)])
    with pytest.raises(InputError, match="player 3"):
        asymmetric_shapley(game, [(0, 3)])
    with pytest.raises(InputError, match="pairs"):
        asymmetric_shapley(game, [(0, 1, 2)])


# --- which structure the values are of ---------------------------------------------------------

_GAME = TableGame(np.arange(16.0) ** 2)


@pytest.mark.parametrize(
    ("value", "one", "same", "other"),
    [
        (owen, [[0, 1], [2, 3]], [[3, 2], [1, 0]], [[0, 2], [1, 3]]),
        (owen, [[0], [1], [2], [3]], [[0, 1, 2, 3]], [[0, 1], [2], [3]]),
        (banzhaf_owen, [[0, 1], [2], [3]], [[3], [1, 0], [2]], [[0], [1], [2, 3]]),
        (winter, [[0, [1, 2]], 3], [3, [[0], [[2, 1]]]], [[[0, 1], 2], 3]),
        (asymmetric_shapley, [(0, 1), (1, 2)], [(1, 2), (0, 1), (0, 2)], [(0, 1)]),
    ],
)
def test_values_of_different_structures_are_not_added(value, one, same, other, tmp_path):
    values = value(_GAME, one)
    again = pickle.loads(pickle.dumps(copy.deepcopy(value(_GAME, same))))
    assert again.allclose(values, rtol=1e-12)
    np.testing.assert_allclose((values + again).values, 2 * values.values)
    foreign = value(_GAME, other)
    for both in ((values, foreign), (2.0 * foreign, again)):
        with pytest.raises(InputError, match="players in two different structures"):
            both[0] + both[1]
        assert not both[0].allclose(both[1])
    # A file holds a plain name, which is taken at its word.
    values.save(tmp_path / "values.npz")
    loaded = InteractionValues.load(tmp_path / "values.npz")
    assert loaded == values
    for summed in (loaded + values, values + loaded):
        with pytest.raises(InputError, match="two different structures"):
            summed - foreign
