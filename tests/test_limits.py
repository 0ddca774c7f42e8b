"""What is too large, too odd or no number: refused with a message, never computed wrongly."""

import importlib
import tracemalloc
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from shapley_core import (
    arrays,
    conversions,
    estimators,
    games,
    ground_truth,
    indices,
    memory,
    structures,
)
from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.game import CallableGame, TableGame
from shapley_core.global_views.losses import Loss
from shapley_core.players import Players
from shapley_core.result import InteractionValues

# The package gives the function under the name of its module.
engine = importlib.import_module("shapley_core.exact")

RAGGED = [[1], [2, 3], [4], [5]]
MASKED = np.ma.masked_array([0.0, 1.0, 2.0, 3.0], mask=[False, False, False, True])


@pytest.mark.parametrize("wrong", [RAGGED, MASKED, [0, 1, 2, None], [0, 1, 2, "3"], {1: 2}])
def test_worths_that_are_no_real_numbers(wrong):
    with pytest.raises(InputError, match="real numbers"):
        TableGame(wrong)
    with pytest.raises(InputError, match="worth"):
        CallableGame(lambda S: wrong, 2).table()


@pytest.mark.parametrize("worth", [2**70, Fraction(1, 3), np.float32(0.5)])
def test_worths_of_any_exact_type(worth):
    given = [0, worth, worth, worth]
    assert TableGame(given).grand_worth == float(worth)
    assert CallableGame(lambda S: given, 2).table().grand_worth == float(worth)


@pytest.mark.parametrize("order", [1, 4])
def test_worths_whose_differences_overflow(order):
    worths = np.zeros(16)
    worths[0], worths[-1] = -1.7e308, 1.7e308
    with pytest.raises(InputError, match="divide"):
        engine.exact(TableGame(worths), "SII", order)


def test_sums_that_overflow_raise_no_warning():
    # Sums of both signs, so infinity less infinity; warnings of numpy are errors in the tests.
    worths = 1.7e308 * np.random.default_rng(0).uniform(-1, 1, 16).round()
    with pytest.raises(InputError, match="divide"):
        engine.exact(TableGame(worths), "SII", 2)


@pytest.mark.parametrize(
    "solve",
    [
        lambda game: structures.owen(game, [[0], [1, 2]]),
        lambda game: structures.banzhaf_owen(game, [[0, 1, 2]]),
        lambda game: structures.winter(game, [0, [1, 2]]),
        lambda game: structures.asymmetric_shapley(game, [(0, 1)]),
        structures.least_core,
        structures.egalitarian_least_core,
    ],
)
def test_structured_values_that_overflow(solve):
    with pytest.raises(InputError, match="divide"):
        solve(TableGame([1.7e308] + 7 * [-1.7e308]))


def test_a_least_surplus_that_overflows():
    # Each of two players asks for more than half of float64's range; all together lose as much.
    with pytest.raises(InputError, match="divide"):
        structures.least_core(TableGame([0, 1.7e308, 1.7e308, -1.7e308]))


def test_a_worth_beyond_float64():
    with pytest.raises(InputError, match="float64"):
        TableGame([0, 10**400])


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="no longer one")
def test_a_longer_float_beyond_float64():
    # Warnings of numpy are errors in the tests.
    with pytest.raises(InputError, match="worths must be finite"):
        TableGame(np.array([0, "1e400"], np.longdouble))


@pytest.mark.parametrize("n", [31, 1000, 20000])
@pytest.mark.parametrize("order", [1, 2, 500])
def test_messages_for_absurd_numbers_of_players(n, order):
    if order > n:
        return
    with pytest.raises(MemoryLimitError, match="estimator") as caught:
        engine.exact(CallableGame(lambda S: 1 / 0, n), "SII", order)
    assert len(str(caught.value)) < 400
    with pytest.raises(MemoryLimitError) as caught:
        structures.owen(games.Glove(1, n - 1), [[player] for player in range(n)])
    assert len(str(caught.value)) < 400


def test_messages_for_absurd_numbers_of_interactions():
    with pytest.raises(MemoryLimitError, match="smaller order") as caught:
        games.Airport([1] * 5000).exact("SII", 2000)
    assert len(str(caught.value)) < 400


def test_messages_for_absurd_dense_arrays():
    r = InteractionValues([1.0], [(0,)], index="SII", order=500, n_players=1000, baseline=0.0)
    with pytest.raises(MemoryLimitError, match=r"1000\*\*500 numbers") as caught:
        r.to_array()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("index", "order"),
    [("SV", 1), ("k-SII", 2), ("SII", 5), ("SII", 8), ("JointSV", 16), ("FSII", 15), ("SGV", 16)],
)
def test_the_memory_that_is_foreseen_is_enough(index, order, monkeypatch):
    n = 16
    foreseen = []
    monkeypatch.setattr(engine, "check_memory", lambda count, *_: foreseen.append(count))
    game = TableGame(np.random.default_rng(1).standard_normal(1 << n))
    engine.exact(game, index, order)  # what is cached is not counted
    tracemalloc.start()
    try:
        engine.exact(game, index, order)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert used + game.values.nbytes <= foreseen[-1] + (1 << 19)
    if order <= 2:
        assert used < game.values.nbytes


@pytest.mark.parametrize("index", ["SII", "Moebius"])
def test_the_way_back_foresees_its_memory(index, monkeypatch):
    n = 16
    foreseen = []
    monkeypatch.setattr(conversions, "check_memory", lambda count, *_: foreseen.append(count))
    values = engine.exact(TableGame(np.random.default_rng(1).standard_normal(1 << n)), index, n)
    conversions.to_game(values)
    tracemalloc.start()
    try:
        conversions.to_game(values)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert used <= foreseen[-1] + (1 << 19)


@pytest.mark.parametrize("wrong", [3, TableGame([0, 1])])
def test_the_way_back_takes_values_alone(wrong):
    with pytest.raises(TypeError, match="InteractionValues"):
        conversions.to_game(wrong)


@pytest.mark.parametrize("wrong", [[1j], ["a"], [None], RAGGED[:2]])
def test_values_that_are_no_real_numbers(wrong):
    with pytest.raises(InputError, match="values must be real numbers"):
        InteractionValues(wrong, [(0,)], index="SV", order=1, n_players=1, baseline=0.0)


# --- arguments of the wrong kind ---------------------------------------------------------------

NO_INTEGERS = [np.zeros(0), np.array([1, 2]), np.array(3.0), np.ma.masked, int, True, "3", None]


@pytest.mark.parametrize("wrong", NO_INTEGERS)
def test_what_is_no_integer(wrong):
    assert not arrays.is_integer(wrong)
    with pytest.raises(TypeError, match="order must be an integer, not"):
        engine.exact(TableGame(np.arange(4.0)), "SII", wrong)
    with pytest.raises(InputError, match=r"a group (holds|names)"):
        Players.of([[0, wrong]], 3, None)
    if wrong is not None:
        with pytest.raises(InputError, match="n_threads must be a positive integer"):
            engine.exact(TableGame(np.arange(4.0)), n_threads=wrong)
    if not isinstance(wrong, str):
        with pytest.raises(TypeError, match="memory must be an integer or text"):
            memory.memory_bytes(wrong)


@pytest.mark.parametrize("right", [3, np.int8(3), np.array(3, np.uint16)])
def test_integers_of_every_kind(right):
    assert arrays.is_integer(right)
    assert engine.exact(TableGame(np.arange(8.0)), "SII", right, n_threads=right).order == 3


@pytest.mark.parametrize("wrong", [None, 2.0, np.array(2.0), "ab"])
def test_what_is_no_list(wrong):
    with pytest.raises(InputError, match="weights must be a list of numbers"):
        games.Additive(wrong)
    with pytest.raises(TypeError, match="weights must be a list of numbers"):
        indices.Semivalue(wrong)
    with pytest.raises((InputError, TypeError), match="group"):
        Players.of(wrong, 3, None) if wrong is not None else Players.of([wrong], 3, None)
    with pytest.raises(TypeError, match="interactions must be a list of tuples"):
        InteractionValues([1.0], wrong, index="SV", order=1, n_players=3, baseline=0.0)
    if wrong is not None:
        with pytest.raises(TypeError, match="player_names must be a list"):
            TableGame(np.zeros(4), wrong)


def test_lists_of_different_lengths():
    with pytest.raises(InputError, match="quota"):
        games.WeightedVoting([[1, 2], [3, 4]], RAGGED)
    with pytest.raises(InputError, match="for each quota"):
        games.WeightedVoting(3, [1, 2])
    with pytest.raises(InputError, match="y must hold the truth"):
        Loss(lambda y, predictions: y, RAGGED)


@pytest.mark.parametrize("wrong", [np.zeros(0), pd.Series([1.0, 2.0]), "yes", None])
def test_what_is_no_number_and_neither_true_nor_false(wrong):
    with pytest.raises(TypeError, match="least_noise must be a number"):
        estimators.GaussianProcess(least_noise=wrong)
    with pytest.raises(TypeError, match="learning_rate must be a number"):
        estimators.TreeProxy(learning_rate=wrong)
    for name in ("gauss", "antithetic"):
        with pytest.raises(TypeError, match=f"{name} must be True or False"):
            estimators.Owen(**{name: wrong})


# Compared with a text, these give arrays, or an error of their own.
@pytest.mark.parametrize("wrong", [np.zeros(0), pd.Series([1.0, 2.0]), pd.NA, ["SV"], 3])
def test_what_is_no_name(wrong):
    with pytest.raises(InputError, match="no game"):
        ground_truth.load(wrong)
    with pytest.raises(InputError, match="no kind of game"):
        ground_truth.names(wrong)
    with pytest.raises(InputError, match="loss must be"):
        Loss(wrong, [1.0])
    with pytest.raises(InputError, match="scheme must be one of"):
        estimators.Permutation(scheme=wrong)
    with pytest.raises(InputError, match="control must be"):
        estimators.SampleReuse(control=wrong)
    with pytest.raises(InputError, match="model must be one of"):
        estimators.TreeProxy(model=wrong)
