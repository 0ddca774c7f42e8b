from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st

from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.games import Glove, Symmetric

from .contracts import GameContract


@st.composite
def symmetric_games(draw):
    numbers = st.one_of(st.integers(-9, 9), st.floats(-2, 2), st.just(Fraction(1, 3)))
    worths = draw(st.lists(numbers, min_size=2, max_size=6))
    return Symmetric(worths), lambda players: Fraction(worths[len(players)])


@st.composite
def gloves(draw):
    left, right = draw(
        st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(lambda both: 0 < sum(both) < 6)
    )

    def worth(players):
        return min(sum(i < left for i in players), sum(i >= left for i in players))

    return Glove(left, right), worth


class TestSymmetric(GameContract):
    @staticmethod
    def small():
        return symmetric_games()

    @staticmethod
    def large():
        return Symmetric(np.arange(151.0) ** 2)


class TestGlove(GameContract):
    @staticmethod
    def small():
        return gloves()

    @staticmethod
    def large():
        return Glove(50, 50)


def test_shoe_game():
    # Castro, Gomez and Tejada (2009): 1/2 for each of 50 left and 50 right shoes.
    values = Glove(50, 50).exact_fractions()
    assert {value for one, value in values.items() if one} == {Fraction(1, 2)}


def test_scarce_gloves_gain_more():
    # One left against two right: 2/3 and 1/6 (Harris, Pymar and Rowat 2022).
    game = Glove(1, 2)
    assert (game.left, game.right) == (1, 2)
    values = game.exact_fractions()
    assert [values[i,] for i in range(3)] == [Fraction(2, 3), Fraction(1, 6), Fraction(1, 6)]


def test_what_is_no_such_game():
    with pytest.raises(InputError, match="got 1"):
        Symmetric([1.0])
    with pytest.raises(InputError, match="worth_of_size"):
        Symmetric([0.0, np.nan])
    with pytest.raises(InputError, match="exceeds float64"):
        Symmetric([0, 10**400])
    np.testing.assert_array_equal(Symmetric([0, 1, 4]).worth_of_size, [0, 1, 4])
    with pytest.raises(InputError, match="must be at least 0, not 1 and -1"):
        Glove(1, -1)
    with pytest.raises(InputError, match="at least one player"):
        Glove(0, 0)
    with pytest.raises(TypeError, match="left must be an integer"):
        Glove(1.0, 1)
    for many in (2**40, 10**30):
        with pytest.raises(MemoryLimitError, match="the game takes"):
            Glove(many, 1)
