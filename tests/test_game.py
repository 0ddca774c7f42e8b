import pickle

import numpy as np
import pytest

from shapley_core.coalitions import all_coalitions
from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.game import CallableGame, Game, TableGame, as_table, check_memory, human_bytes


def test_table_game():
    game = TableGame([1, 2, 3, 7], player_names=["a", "b"])
    assert isinstance(game, Game)
    assert (game.n_players, game.player_names) == (2, ("a", "b"))
    assert (game.baseline, game.grand_worth) == (1.0, 7.0)
    got = game(np.array([[True, False], [False, False], [True, True]]))
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, [2, 1, 7])
    np.testing.assert_array_equal(game(all_coalitions(2)), [1, 2, 3, 7])
    assert game(np.zeros((0, 2), bool)).shape == (0,)
    assert "2 players" in repr(game)
    other = pickle.loads(pickle.dumps(game))
    np.testing.assert_array_equal(other.values, game.values)
    assert other.player_names == game.player_names


def test_a_large_table_is_not_copied_and_cannot_be_written_through():
    values = np.arange(16.0)
    game = TableGame(values)
    assert np.shares_memory(game.values, values)
    with pytest.raises(ValueError, match="read-only"):
        game.values[0] = 1
    values[0] = 0.0  # the caller's own array stays writeable


@pytest.mark.parametrize(
    ("wrong", "message"),
    [([1.0], "1 worths"), ([], "0 worths"), (np.zeros(6), "6 worths"),
     (np.zeros((2, 2)), "one-dimensional"), (np.zeros(4, complex), "real numbers"),
     (["a", "b"], "real numbers"), ([0, np.nan], r"coalition \{0\} \(position 1\) is nan"),
     ([0, 1, 2, 3, 4, np.inf, 6, 7], r"\{0, 2\}.*inf"), (3.0, "one-dimensional")],
)  # fmt: skip
def test_wrong_tables(wrong, message):
    with pytest.raises(InputError, match=message):
        TableGame(wrong)


def test_coalitions_of_another_game():
    with pytest.raises(InputError, match=r"shape \(m, 2\)"):
        TableGame(np.zeros(4))(np.zeros((3, 3), bool))
    with pytest.raises(InputError, match=r"shape \(m, 3\)"):
        CallableGame(lambda S: S.sum(1), 3)(np.zeros(3, bool))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float32, np.float64])
def test_worths_of_any_real_type(dtype):
    game = CallableGame(lambda S: S.any(axis=1).astype(dtype), 3)
    np.testing.assert_array_equal(game.table().values, [0, 1, 1, 1, 1, 1, 1, 1])
    assert isinstance(game, Game)


def test_lists_and_columns_are_worths_too():
    assert CallableGame(lambda S: [1] * len(S), 2).table().values.tolist() == [1.0] * 4
    assert CallableGame(lambda S: S[:, :1] * 2, 2).table().values.tolist() == [0, 2, 0, 2]


def test_batches_and_counts():
    seen = []

    def worth(coalitions):
        seen.append(coalitions.shape)
        assert coalitions.dtype == np.bool_
        return coalitions.sum(axis=1)

    game = CallableGame(worth, 4, batch_size=5)
    np.testing.assert_array_equal(game(all_coalitions(4)), all_coalitions(4).sum(axis=1))
    assert seen == [(5, 4), (5, 4), (5, 4), (1, 4)]
    assert game.n_evaluations == 16
    game(np.zeros((0, 4), bool))
    assert game.n_evaluations == 16
    assert "16 evaluations" in repr(game)


def test_what_the_function_does_to_its_argument_stays_there():
    def worth(coalitions):
        coalitions[:] = True
        return np.zeros(len(coalitions))

    asked = np.zeros((3, 2), bool)
    CallableGame(worth, 2)(asked)
    assert not asked.any()


def test_cache():
    rng = np.random.default_rng(0)
    game = CallableGame(lambda S: rng.random(len(S)), 70, cache=True)
    rows = np.zeros((4, 70), bool)
    rows[1, 69] = rows[3, 69] = True
    first = game(rows)
    assert first[0] == first[2] and first[1] == first[3] and first[0] != first[1]
    assert game.n_evaluations == 2
    np.testing.assert_array_equal(game(rows[::-1]), first[::-1])
    assert game.n_evaluations == 2


@pytest.mark.parametrize(
    ("worth", "message"),
    [(lambda S: 1.0, r"must return an array of shape \(8,\); it returned shape \(\)"),
     (lambda S: np.zeros((len(S), 2)), r"returned shape \(8, 2\)"),
     (lambda S: np.zeros(len(S) - 1), r"returned shape \(7,\)"),
     (lambda S: np.where(S[:, 0] & S[:, 2], np.nan, 0), r"nan for coalition \{x, z\}"),
     (lambda S: np.where(S.any(1), 0, -np.inf), r"-inf for coalition \{\}"),
     (lambda S: np.zeros(len(S), complex), "complex"),
     (lambda S: ["a"] * len(S), "real numbers"), (lambda S: None, "shape")],
)  # fmt: skip
def test_wrong_answers(worth, message):
    with pytest.raises(InputError, match=message):
        CallableGame(worth, 3, player_names=["x", "y", "z"]).table()


def test_what_the_function_raises_passes_untouched():
    class MineError(Exception):
        pass

    raised = MineError("mine")

    def worth(coalitions):
        raise raised

    with pytest.raises(MineError) as error:
        CallableGame(worth, 3).table()
    assert error.value is raised


def test_refusals():
    with pytest.raises(TypeError, match="function"):
        CallableGame([1, 2], 1)
    with pytest.raises(TypeError, match="batch_size"):
        CallableGame(len, 1, batch_size=1.5)
    with pytest.raises(InputError, match="batch_size"):
        CallableGame(len, 1, batch_size=0)
    with pytest.raises(InputError, match="n_players"):
        CallableGame(len, 0)
    with pytest.raises(TypeError, match="a game is wanted"):
        as_table([1, 2])
    with pytest.raises(MemoryLimitError, match=r"2\*\*50 worths, 8192 TiB"):
        CallableGame(len, 50).table()
    with pytest.raises(MemoryLimitError, match=r"all this takes 1024 TiB; this machine has .* no"):
        check_memory(1 << 50, "all this", "no")


def test_human_bytes():
    assert human_bytes(100) == "100 bytes"
    assert human_bytes(1536) == "1.5 KiB"
    assert human_bytes(2 << 30) == "2.0 GiB"
    assert human_bytes(1 << 59) == "524288 TiB"
    assert human_bytes(8 << 2000) == "2**1963 TiB"
