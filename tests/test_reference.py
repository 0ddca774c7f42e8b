"""The oracle itself, against published numbers and against definitions by other means."""

from fractions import Fraction
from itertools import combinations

import pytest

from shapley_core.reference import indices as ref

GLOVE = [0, 0, 0, 1, 0, 1, 0, 1]  # player 0 has a left glove, 1 and 2 right ones
MAJORITY = [0, 0, 0, 1, 0, 1, 1, 1]


def test_glove_game_as_published():
    # Harris, Pymar, Rowat (2022): joint Shapley values of order 2 and 3.
    pairs = {
        (0,): Fraction(7, 18),
        (1,): Fraction(1, 18),
        (0, 1): Fraction(4, 18),
        (1, 2): Fraction(1, 18),
    }
    for S, value in pairs.items():
        assert ref.joint_shapley(GLOVE, S, 2) == value
    assert ref.joint_shapley(GLOVE, (0,), 3) == Fraction(7, 21)
    assert ref.joint_shapley(GLOVE, (0, 1, 2), 3) == Fraction(3, 21)
    assert [ref.shapley_value(GLOVE, (i,)) for i in range(3)] == [
        Fraction(2, 3),
        Fraction(1, 6),
        Fraction(1, 6),
    ]
    assert ref.shapley_interaction(GLOVE, (0, 1)) == Fraction(1, 2)
    assert ref.shapley_interaction(GLOVE, (1, 2)) == Fraction(-1, 2)
    assert ref.shapley_taylor(GLOVE, (0, 1), 2) == Fraction(2, 3)
    assert ref.shapley_taylor(GLOVE, (0,), 2) == 0


def test_majority_by_hand():
    for i in range(3):
        assert ref.shapley_value(MAJORITY, (i,)) == Fraction(1, 3)
        assert ref.banzhaf_value(MAJORITY, (i,)) == Fraction(1, 2)
        assert ref.fourier(MAJORITY, (i,)) == Fraction(-1, 4)
    assert ref.moebius(MAJORITY, (0, 1)) == 1 and ref.moebius(MAJORITY, (0, 1, 2)) == -2
    assert ref.co_moebius(MAJORITY, (0, 1)) == -1 and ref.co_moebius(MAJORITY, ()) == 1
    assert ref.banzhaf_interaction(MAJORITY, (0, 1)) == 0
    assert ref.banzhaf_interaction(MAJORITY, (0, 1, 2)) == -2


def test_bernoulli_numbers():
    wanted = [
        Fraction(1),
        Fraction(-1, 2),
        Fraction(1, 6),
        Fraction(0),
        Fraction(-1, 30),
        Fraction(0),
        Fraction(1, 42),
    ]
    assert [ref.bernoulli(m) for m in range(7)] == wanted


def test_solve():
    assert ref.solve(
        [[Fraction(0), Fraction(2)], [Fraction(1), Fraction(1)]], [Fraction(4), Fraction(5)]
    ) == [Fraction(3), Fraction(2)]


V = [1, -3, 2, 5, 0, 7, -4, 2, 8, 1, -6, 3, 3, -2, 9, 4]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_fits_are_the_best_there_are(order):
    """No change of one term, or exchange between two, lowers the squared error of the fit."""
    fit = ref.faith_banzhaf_fit(tuple(V), order)

    def error(terms):
        total = Fraction(0)
        for m, worth in enumerate(V):
            guess = sum(
                (x for S, x in terms.items() if ref.position(S) & m == ref.position(S)), Fraction(0)
            )
            total += (worth - guess) ** 2
        return total

    best = error(fit)
    for S in fit:
        for step in (Fraction(1, 1000), Fraction(-1, 1000)):
            assert error(fit | {S: fit[S] + step}) > best


def test_faith_shapley_of_order_one_is_the_shapley_value():
    for i in range(4):
        assert ref.faith_shapley(V, (i,), 1) == ref.shapley_value(V, (i,))
        assert ref.faith_banzhaf(V, (i,), 1) == ref.banzhaf_value(V, (i,))
        assert ref.joint_shapley(V, (i,), 1) == ref.shapley_value(V, (i,))
        assert ref.n_shapley(V, (i,), 1) == ref.shapley_value(V, (i,))
        assert ref.shapley_taylor(V, (i,), 1) == ref.shapley_value(V, (i,))
        assert ref.chaining_interaction(V, (i,)) == ref.shapley_value(V, (i,))
        assert ref.beta_shapley(V, (i,), 1, 1) == ref.shapley_value(V, (i,))


def test_efficiency_to_the_last_digit():
    everything = Fraction(V[-1] - V[0])
    for name in ("k-SII", "STII", "FSII", "JointSV"):
        for order in (1, 2, 3, 4):
            terms = [S for size in range(1, order + 1) for S in combinations(range(4), size)]
            assert sum(ref.INDICES[name](V, S, order) for S in terms) == everything


def test_chains():
    """The chaining index averages over maximal chains that pass S the moment they contain it."""
    from itertools import permutations

    for S in [(1,), (0, 2), (1, 2, 3)]:
        total = Fraction(0)
        for order in permutations(range(4)):
            last = max(order.index(i) for i in S)
            total += ref.derivative(V, S, tuple(i for i in order[:last] if i not in S))
        assert ref.chaining_interaction(V, S) == total / 24
