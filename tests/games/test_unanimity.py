from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st

from shapley_core.errors import InputError
from shapley_core.games import Additive, SumOfUnanimity

from .contracts import GameContract

NUMBERS = st.one_of(st.integers(-9, 9), st.sampled_from([0.1, -2.5, Fraction(1, 3)]))


@st.composite
def unanimity_sums(draw):
    n = draw(st.integers(1, 5))
    coalitions = st.frozensets(st.integers(0, n - 1)).map(lambda players: tuple(sorted(players)))
    terms = draw(st.dictionaries(coalitions, NUMBERS, max_size=6))

    def worth(players):
        return sum(Fraction(a) for T, a in terms.items() if set(T) <= players)

    return SumOfUnanimity({T[::-1]: a for T, a in terms.items()}, n), worth


@st.composite
def additive_games(draw):
    weights = draw(st.lists(NUMBERS, min_size=1, max_size=5))
    offset = draw(NUMBERS)

    def worth(players):
        return sum((Fraction(weights[i]) for i in players), Fraction(offset))

    return Additive(weights, offset), worth


class TestSumOfUnanimity(GameContract):
    @staticmethod
    def small():
        return unanimity_sums()

    @staticmethod
    def large():
        rng = np.random.default_rng(0)
        terms = {
            tuple(sorted(rng.choice(300, size, replace=False).tolist())): float(rng.normal())
            for size in (1, 2, 3, 5, 8, 40) * 5
        }
        return SumOfUnanimity({(): 2.0, **terms}, 300)


class TestAdditive(GameContract):
    @staticmethod
    def small():
        return additive_games()

    @staticmethod
    def large():
        return Additive(np.arange(1.0, 301.0), offset=-3)


def test_moebius_coefficients_come_back():
    terms = {(0, 2): 1.5, (1,): -2.0, (0, 1, 3): 4.0}
    game = SumOfUnanimity(terms, 4)
    assert game.coefficients == terms
    found = game.exact("Moebius", 3).to_dict()
    assert {one: value for one, value in found.items() if value} == terms


def test_a_carrier_shares_equally():
    game = SumOfUnanimity({tuple(range(100)): 1.0}, 1000)
    values = game.exact().values
    np.testing.assert_array_equal(values[:100], 0.01)
    assert not values[100:].any()


@pytest.mark.filterwarnings("error")
def test_what_exceeds_float64():
    everyone = np.ones((1, 2), dtype=bool)
    for game in (Additive([1e308, 1e308]), SumOfUnanimity({(0,): 1e308, (1,): 1e308}, 2)):
        assert game.exact().values.tolist() == [1e308, 1e308]
        assert game(everyone[:, :2] * [[1, 0]]).tolist() == [1e308]
        with pytest.raises(InputError, match=r"coalition \{0, 1\}.* exceeds float64"):
            game(everyone)
        with pytest.raises(InputError, match=r"exceeds float64.*exact_fractions"):
            game.exact("SGV", 2)
        assert game.exact_fractions("SGV", 2)[0, 1] == 2 * Fraction(1e308)
    # The baseline of an index with a constant of its own, and numbers that are given.
    with pytest.raises(InputError, match="exceeds float64"):
        Additive([1.5e308, 1.5e308], offset=1e308).exact("Fourier")
    huge = Additive([10**400])
    assert huge.exact_fractions()[0,] == 10**400
    for what in (huge.exact, lambda: huge(everyone[:, :1]), lambda: huge.weights):
        with pytest.raises(InputError, match="exceeds float64"):
            what()
    with pytest.raises(InputError, match="exceeds float64"):
        SumOfUnanimity({(0,): 10**400}, 2)(everyone)


def test_what_is_no_such_game():
    with pytest.raises(InputError, match=r"players are 0\.\.2"):
        SumOfUnanimity({(0, 3): 1.0}, 3)
    with pytest.raises(InputError, match="twice"):
        SumOfUnanimity({(0, 0): 1.0}, 3)
    with pytest.raises(InputError, match="twice"):
        SumOfUnanimity({(0, 1): 1.0, (1, 0): 2.0}, 3)
    with pytest.raises(InputError, match="tuple of players"):
        SumOfUnanimity({0: 1.0}, 3)
    with pytest.raises(InputError, match="coefficient"):
        SumOfUnanimity({(0,): np.inf}, 3)
    with pytest.raises(TypeError, match="dict"):
        SumOfUnanimity([((0,), 1.0)], 3)
    with pytest.raises(InputError, match="weights"):
        Additive([])
    np.testing.assert_array_equal(Additive([1, 2]).weights, [1, 2])
