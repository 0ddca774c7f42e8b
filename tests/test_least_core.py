"""The least core and its most equal allocation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapley_core.errors import MemoryLimitError
from shapley_core.game import CallableGame, TableGame
from shapley_core.reference import structures as literal
from shapley_core.structures import egalitarian_least_core, least_core


@st.composite
def tables(draw):
    n = draw(st.integers(2, 4))
    return draw(st.lists(st.integers(-9, 9), min_size=2**n, max_size=2**n))


def surplus(worths, allocation):
    """x(S) - v(S) of the coalitions but the empty and the full one."""
    worths = np.asarray(worths, dtype=float)
    n = len(allocation)
    members = (np.arange(1, 2**n - 1)[:, None] >> np.arange(n)) & 1
    return members @ allocation - (worths[1:-1] - worths[0]), members


def is_nearest_to_zero(worths, allocation, epsilon):
    """The optimality conditions: -x is a combination of the tight constraints, weights >= 0."""
    from scipy.optimize import nnls

    gaps, members = surplus(worths, allocation)
    tight = members[gaps < -epsilon + 1e-7]
    n = len(allocation)
    # x = sum of weights * members of the tight + any multiple of all ones.
    system = np.vstack([tight, np.ones(n), -np.ones(n)]).T.astype(float)
    return nnls(system, np.asarray(allocation))[1] < 1e-7 * max(1.0, np.abs(allocation).max())


@settings(max_examples=40, deadline=None)
@given(tables())
def test_least_core_against_the_literal_least(worths):
    epsilon = float(literal.least_core_epsilon(worths))
    for solve in (least_core, egalitarian_least_core):
        allocation, found = solve(TableGame(worths))
        assert found == pytest.approx(epsilon, abs=1e-11)
        assert allocation.values.sum() == pytest.approx(worths[-1] - worths[0], abs=1e-10)
        assert surplus(worths, allocation.values)[0].min() == pytest.approx(-epsilon, abs=1e-8)
    assert is_nearest_to_zero(worths, allocation.values, epsilon)


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 9), st.integers(0, 2**32 - 1), st.sampled_from(["normal", "simple", "ties"]))
def test_egalitarian_least_core_is_optimal(n, seed, kind):
    rng = np.random.default_rng(seed)
    if kind == "normal":
        worths = rng.normal(size=2**n) * 1000
    elif kind == "simple":
        weights = rng.integers(1, 9, n)
        worths = (
            (np.arange(2**n)[:, None] >> np.arange(n) & 1) @ weights > weights.sum() / 2
        ) * 1.0
    else:
        worths = rng.integers(0, 3, 2**n).astype(float)
    game = TableGame(worths)
    some, epsilon = least_core(game)
    equal, same = egalitarian_least_core(game)
    scale = np.abs(worths).max()
    assert epsilon == pytest.approx(same, abs=1e-11 * scale)
    assert surplus(worths, some.values)[0].min() >= -epsilon - 1e-8 * scale
    assert surplus(worths, equal.values)[0].min() >= -epsilon - 1e-8 * scale
    assert is_nearest_to_zero(worths / scale, equal.values / scale, epsilon / scale)
    assert (equal.values**2).sum() <= (some.values**2).sum() + 1e-7 * scale**2


def test_known_least_cores():
    # CRAN package CoopGame, example of coreVertices(): a core of one point.
    one_point = TableGame([0, 0, 1, 3, 2, 4, 5, 6])
    allocation, epsilon = egalitarian_least_core(one_point)
    assert epsilon == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(allocation.values, [1, 2, 3], atol=1e-9)
    # A majority of three: by symmetry (1/3, 1/3, 1/3), and pairs lack 1 - 2/3.
    majority = TableGame([0, 0, 0, 1, 0, 1, 1, 1])
    allocation, epsilon = least_core(majority)
    assert epsilon == pytest.approx(1 / 3, abs=1e-12)
    np.testing.assert_allclose(allocation.values, [1 / 3] * 3, atol=1e-9)
    # Glove game: a left glove against two right ones; the core is (1, 0, 0) alone.
    glove = TableGame([0, 0, 0, 1, 0, 1, 0, 1])
    allocation, epsilon = egalitarian_least_core(glove)
    assert epsilon == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(allocation.values, [1, 0, 0], atol=1e-9)
    # An additive game with an offset: both may keep just what they bring, so e = 0.
    additive = TableGame([7, 8, 9, 10])
    allocation, epsilon = least_core(additive)
    assert epsilon == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(allocation.values, [1, 2], atol=1e-9)
    # A large core: the most equal allocation is equal shares, though e goes to its least first.
    roomy = TableGame([0, 0, 0, 0, 0, 0, 0, 9])
    allocation, epsilon = egalitarian_least_core(roomy)
    assert epsilon == pytest.approx(-3.0, abs=1e-12)
    np.testing.assert_allclose(allocation.values, [3, 3, 3], atol=1e-9)


@pytest.mark.parametrize("n", [3, 4, 5, 8, 9])
def test_miners_in_pairs(n):
    # v(S) = floor(|S| / 2): equal shares by symmetry, and for odd n all but one lack (n-1) / 2n.
    sizes = np.array([at.bit_count() for at in range(2**n)])
    allocation, epsilon = egalitarian_least_core(TableGame(sizes // 2))
    np.testing.assert_allclose(allocation.values, (n // 2) / n, atol=1e-12)
    assert epsilon == pytest.approx((n - 1) / (2 * n) if n % 2 else 0.0, abs=1e-12)


def test_least_core_comes_before_equality():
    # Player 2 brings nothing, the others 1 and 3: equal shares have a larger e than the least.
    worths = np.array([0, 1, 3, 4, 0, 1, 3, 5], dtype=float)
    epsilon = egalitarian_least_core(TableGame(worths)).epsilon
    equal = surplus(worths, np.full(3, 5 / 3))[0].min()
    assert -epsilon > equal + 0.1
    assert epsilon == pytest.approx(float(literal.least_core_epsilon(worths)), abs=1e-12)


def test_least_core_does_not_depend_on_scale_or_baseline():
    rng = np.random.default_rng(5)
    worths = rng.normal(size=64)
    base, epsilon = egalitarian_least_core(TableGame(worths))
    for scale, shift in ((1e9, 0.0), (1e-9, 0.0), (1.0, 1000.0)):
        other, e = egalitarian_least_core(TableGame(worths * scale + shift))
        np.testing.assert_allclose(other.values / scale, base.values, atol=1e-9)
        assert e / scale == pytest.approx(epsilon, abs=1e-10)
    one, e = least_core(TableGame([2.0, 5.0]))
    assert (one[0], e) == (3.0, 0.0)
    zero, e = egalitarian_least_core(TableGame(np.zeros(8)))
    assert e == 0.0
    np.testing.assert_array_equal(zero.values, np.zeros(3))


def test_least_core_refuses_too_many_players():
    game = CallableGame(lambda coalitions: coalitions.sum(axis=1), 23)
    with pytest.raises(MemoryLimitError, match="22"):
        least_core(game)
    assert game.n_evaluations == 0
