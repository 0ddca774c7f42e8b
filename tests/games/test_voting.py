import json
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import strategies as st

from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.games import WeightedVoting
from shapley_core.ground_truth.published import FILE as PUBLISHED

from .contracts import GameContract


@st.composite
def voting_games(draw, max_criteria=1):
    n = draw(st.integers(1, 5))
    weights, quotas = [], []
    for _ in range(max_criteria):
        low = 0 if draw(st.booleans()) else 2
        row = draw(st.lists(st.integers(low, 4), min_size=n, max_size=n).filter(any))
        weights.append(row)
        quotas.append(draw(st.integers(1, sum(row))))

    def worth(players):
        return int(
            all(sum(row[i] for i in players) >= q for row, q in zip(weights, quotas, strict=True))
        )

    if max_criteria == 1:
        return WeightedVoting(weights[0], quotas[0]), worth
    return WeightedVoting(weights, quotas), worth


class TestOneQuota(GameContract):
    @staticmethod
    def small():
        return voting_games()

    @staticmethod
    def large():
        weights = np.random.default_rng(0).integers(1, 9, 120)
        return WeightedVoting(weights, int(weights.sum()) // 2 + 1)


class TestSeveralQuotas(GameContract):
    @staticmethod
    def small():
        return voting_games(max_criteria=2)

    @staticmethod
    def large():
        rng = np.random.default_rng(1)
        weights = [rng.integers(1, 4, 100), rng.integers(0, 3, 100), np.ones(100, dtype=int)]
        return WeightedVoting(
            weights,
            [int(w.sum() * share) for w, share in zip(weights, (0.85, 0.8, 0.75), strict=True)],
        )


def test_security_council():
    # Five permanent members and ten others; 9 votes with all of the five. Shapley-Shubik index
    # 421/2145 and 4/2145 (since 1966), 76/385 and 1/462 (before, 7 votes of 11).
    permanent = [1] * 5 + [0] * 10
    game = WeightedVoting([permanent, [1] * 15], [5, 9])
    values = game.exact_fractions("SV")
    assert values[0,] == Fraction(421, 2145)
    assert values[14,] == Fraction(4, 2145)
    swings = game.exact_fractions("BV")
    assert [swings[i,] * 2**14 for i in (0, 14)] == [848, 84]
    assert WeightedVoting([7] * 5 + [1] * 10, 39).exact_fractions("SV") == values
    before = WeightedVoting([permanent[:11], [1] * 11], [5, 7])
    assert before.exact_fractions("SV")[0,] == Fraction(76, 385)
    assert before.exact_fractions("SV")[10,] == Fraction(1, 462)


def test_pairs_of_the_electoral_college_against_their_definition_by_classes():
    """SII of two states from coalitions counted by other means: over classes of equal states."""
    (states,) = [
        game["game"]
        for game in json.loads(PUBLISHED.read_text())["games"]
        if game["name"] == "us_electoral_college_2024"
    ]
    weights, quota = states["weights"], states["quota"]
    pair = (0, 7)
    others = [w for i, w in enumerate(weights) if i not in pair]
    counts = {(0, 0): 1}
    for w in others:
        grown = dict(counts)
        for (size, weight), ways in counts.items():
            key = (size + 1, weight + w)
            grown[key] = grown.get(key, 0) + ways
        counts = grown
    expected = Fraction(0)
    n = len(weights)
    for (size, weight), ways in counts.items():
        derivative = sum(
            (-1) ** (a + b) * (weight + a * weights[0] + b * weights[7] >= quota)
            for a, b in product((0, 1), repeat=2)
        )
        if derivative:
            ordinary = Fraction(ways * derivative)
            total = 1
            for k in range(size):
                total = total * (n - 2 - k) // (k + 1)
            expected += ordinary / ((n - 1) * total)
    game = WeightedVoting(weights, quota)
    assert game.exact("SII", 2)[pair] == pytest.approx(float(expected), rel=1e-15)
    values = game.exact("SV").values
    # Mirrored pairs: states of equal weight have equal power, more weight has no less.
    for i, j in combinations(range(n), 2):
        assert (values[i] == values[j]) == (weights[i] == weights[j])


def test_hundreds_of_players_of_one_weight_are_a_majority_game():
    game = WeightedVoting([3] * 300, 452)
    values = game.exact_fractions("SV")
    assert {v for one, v in values.items() if one} == {Fraction(1, 300)}


def test_attributes_and_names():
    game = WeightedVoting([4, 4, 1], 5, player_names=["a", "b", "c"])
    assert game.weights == [[4, 4, 1]]
    assert game.quota == [5]
    assert game.exact()["c"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("weights", "quota", "text"),
    [
        ([1, -1], 1, "at least 0"),
        ([1, 0.5], 1, "not an integer"),
        ([1, 2], 1.5, "not an integer"),
        ([1, 2], 0, "more than 0 and at most 3"),
        ([1, 2], 4, "more than 0 and at most 3"),
        ([1, np.nan], 1, r"weights\[1\]"),
        ([], 1, "empty"),
        ([[1, 2], [1, 2, 3]], [2, 2], "2, 3"),
        ([[1, 2]], [2, 2], "1 lists of weights were given for 2 quotas"),
        ([2**52, 2**52], 3, "below"),
    ],
)
def test_what_is_no_voting_game(weights, quota, text):
    with pytest.raises(InputError, match=text):
        WeightedVoting(weights, quota)


def test_a_table_too_large_is_refused():
    with pytest.raises(MemoryLimitError, match="common factor"):
        WeightedVoting([10**9, 10**9, 10**9 - 1], 10**9).exact()
