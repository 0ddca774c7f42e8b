from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st

from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.games import Bankruptcy

from .contracts import GameContract


@st.composite
def bankruptcies(draw):
    numbers = st.one_of(st.integers(0, 6), st.sampled_from([0.5, 1.25]))
    claims = draw(st.lists(numbers, min_size=1, max_size=5))
    estate = sum(claims) * draw(st.sampled_from([0, 0.25, 0.5, 1]))

    def worth(players):
        others = (Fraction(claims[i]) for i in range(len(claims)) if i not in players)
        return max(Fraction(0), Fraction(estate) - sum(others))

    return Bankruptcy(estate, claims), worth


class TestBankruptcy(GameContract):
    @staticmethod
    def small():
        return bankruptcies()

    @staticmethod
    def large():
        claims = np.random.default_rng(0).integers(1, 5, 100)
        return Bankruptcy(int(claims.sum()) // 2, claims)


@pytest.mark.parametrize(
    ("estate", "shares"),
    [
        # O'Neill's recursive completion of claims 100, 200, 300 is the Shapley value: each takes
        # what they claim of what is left, averaged over the six orders.
        (100, ["100/3", "100/3", "100/3"]),
        (200, ["100/3", "250/3", "250/3"]),
        (300, [50, 100, 150]),
    ],
)
def test_claims_met_in_random_order(estate, shares):
    values = Bankruptcy(estate, [100, 200, 300]).exact_fractions()
    assert [values[i,] for i in range(3)] == [Fraction(share) for share in shares]


def test_sums_beyond_64_bits():
    # What the sets of 29 absentees leave, in all, is more than an int64 holds; of 30, it is not.
    values = Bankruptcy(420, [9] * 60).exact_fractions()
    assert {value for one, value in values.items() if one} == {Fraction(7)}


def test_what_is_no_bankruptcy():
    with pytest.raises(InputError, match="nobody is bankrupt"):
        Bankruptcy(7, [1, 2, 3])
    with pytest.raises(InputError, match="estate must be at least 0"):
        Bankruptcy(-1, [1, 2, 3])
    with pytest.raises(InputError, match="claims must be at least 0"):
        Bankruptcy(1, [1, -2, 3])
    with pytest.raises(MemoryLimitError, match="common factor"):
        Bankruptcy(0.1, [0.1, 0.7]).exact()
    for estate, claims in [(10**400, [10**400]), (10**400, [1]), (1, [10**400])]:
        with pytest.raises(InputError, match="exceeds float64"):
            Bankruptcy(estate, claims)
    game = Bankruptcy(3, [1, 4.5])
    assert game.estate == 3.0
    np.testing.assert_array_equal(game.claims, [1, 4.5])
