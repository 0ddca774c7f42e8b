from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st

from shapley_core.errors import InputError
from shapley_core.games import Airport

from .contracts import GameContract


@st.composite
def airports(draw):
    numbers = st.one_of(st.integers(0, 9), st.sampled_from([0.1, 2.5, Fraction(1, 3)]))
    costs = draw(st.lists(numbers, min_size=1, max_size=5))
    return Airport(costs), lambda players: max((Fraction(costs[i]) for i in players), default=0)


class TestAirport(GameContract):
    @staticmethod
    def small():
        return airports()

    @staticmethod
    def large():
        return Airport(np.random.default_rng(0).integers(1, 30, 150))


def test_shapley_value_shares_each_step_equally():
    # Littlechild and Owen (1973), A simple expression for the Shapley value in a special case.
    costs = np.sort(np.random.default_rng(2).gamma(2.0, size=200))
    steps = np.diff(costs, prepend=0.0) / np.arange(200, 0, -1)
    np.testing.assert_allclose(Airport(costs).exact().values, np.cumsum(steps), rtol=1e-13)


def test_castro_airport_of_100_planes():
    # Castro, Gomez and Tejada (2009), Polynomial calculation of the Shapley value based on
    # sampling: costs 1 to 10 in groups of these sizes, and the values they print.
    groups = [8, 12, 6, 14, 8, 9, 13, 10, 10, 10]
    printed = [0.01, 0.020869565, 0.033369565, 0.046883079, 0.063549745]
    printed += [0.082780515, 0.106036329, 0.139369662, 0.189369662, 0.289369662]
    costs = [k for k, size in enumerate(groups, start=1) for _ in range(size)]
    values = Airport(costs).exact().values
    np.testing.assert_allclose(values, np.repeat(printed, groups), rtol=0, atol=5.1e-10)


def test_what_is_no_airport():
    with pytest.raises(InputError, match=r"costs\[1\] is -1"):
        Airport([2, -1])
    with pytest.raises(InputError, match="costs"):
        Airport([])
    with pytest.raises(InputError, match="costs"):
        Airport("123")
    with pytest.raises(InputError, match=r"costs\[0\] is inf"):
        Airport([np.inf])
    np.testing.assert_array_equal(Airport([1, 2.5]).costs, [1, 2.5])
