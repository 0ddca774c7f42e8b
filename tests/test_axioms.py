"""Every index satisfies the axioms that its description says."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_games import TOLERANCE, close, few, values_of
from strategies import (
    additive_up_to,
    all_indices,
    halves,
    mask,
    merged,
    orders,
    relabel,
    with_axiom,
    with_null,
    worths,
)


def cases(axiom, most=3):
    return [(name, k) for name in with_axiom(axiom) for k in orders(name, 6, most=most)]


@pytest.mark.parametrize(("name", "order"), cases("linearity"))
@few
@given(v=worths(4, 4), w=worths(4, 4))
def test_linearity(name, order, v, w):
    both = values_of(2.0 * np.array(v) - 3.0 * np.array(w), name, order)
    apart = 2.0 * values_of(v, name, order) - 3.0 * values_of(w, name, order)
    assert both.allclose(apart, atol=TOLERANCE)


@pytest.mark.parametrize(("name", "order"), cases("symmetry"))
@few
@given(v=worths(5, 5), to=st.permutations(range(5)))
def test_symmetry(name, order, v, to):
    r, renamed = values_of(v, name, order), values_of(relabel(v, to), name, order)
    for S in r.interactions:
        assert close(r[S], renamed[tuple(to[i] for i in S)])


@pytest.mark.parametrize(("name", "order"), cases("null"))
@few
@given(v=worths(3, 4), player=st.integers(0, 3))
def test_null(name, order, v, player):
    r = values_of(with_null(v, player), name, order)
    for S in r.interactions:
        assert player not in S or close(r[S], 0)


@pytest.mark.parametrize(("name", "order"), cases("dummy"))
@few
@given(v=worths(3, 4), player=st.integers(0, 3), adds=st.integers(-9, 9))
def test_dummy(name, order, v, player, adds):
    r = values_of(with_null(v, player, adds), name, order)
    for S in r.interactions:
        assert player not in S or close(r[S], adds if len(S) == 1 else 0)


@pytest.mark.parametrize(("name", "order"), cases("efficiency", most=6))
@few
@given(v=worths(6, 6))
def test_efficiency(name, order, v):
    assert close(values_of(v, name, order).values.sum(), v[-1] - v[0])


@pytest.mark.parametrize(("name", "order"), cases("joint-null"))
@few
@given(v=worths(5, 5), data=st.data())
def test_joint_null(name, order, v, data):
    T = tuple(sorted(data.draw(st.permutations(range(5)))[:order]))
    v = np.array(v, dtype=float)
    for m in range(32):
        if m & mask(T) == 0:
            v[m | mask(T)] = v[m]
    assert close(values_of(v, name, order)[T], 0)


@pytest.mark.parametrize("name", with_axiom("recursion"))
@few
@given(v=worths(5, 5), player=st.integers(0, 4))
def test_recursion(name, v, player):
    absent, present = halves(v, player)
    others = [i for i in range(5) if i != player]
    r = values_of(v, name, 3)
    less, more = values_of(absent, name, 2), values_of(present, name, 2)
    for S in less.interactions:
        there = tuple(others[i] for i in S)
        assert close(r[(*there, player)], more[S] - less[S])


@pytest.mark.parametrize("name", with_axiom("2-efficiency"))
@few
@given(v=worths(5, 5), pair=st.sampled_from(list(combinations(range(5), 2))))
def test_two_efficiency(name, v, pair):
    r = values_of(v, name, 1)
    assert close(values_of(merged(v, pair), name, 1)[3], r[pair[0]] + r[pair[1]])


@pytest.mark.parametrize(("name", "order"), cases("self-duality"))
@few
@given(v=worths(5, 5))
def test_self_duality(name, order, v):
    dual = v[-1] - np.array(v)[::-1]
    r, other = values_of(v, name, order), values_of(dual, name, order)
    for S in r.interactions:
        assert close(r[S], (-1) ** (len(S) + 1) * other[S])


def partnership(v, P):
    """The game in which the members of P add nothing unless all are there."""
    v = np.array(v, dtype=float)
    for m in range(len(v)):
        if m & mask(P) != mask(P):
            v[m] = v[m & ~mask(P)]
    return v


@pytest.mark.parametrize("name", with_axiom("reduced-partnership"))
@few
@given(v=worths(5, 5), P=st.sampled_from([(0, 3), (1, 2), (0, 2, 4), (1, 2, 3, 4)]))
def test_reduced_partnership(name, v, P):
    v = partnership(v, P)
    assert close(values_of(v, name, 4)[P], values_of(merged(v, P), name, 1)[5 - len(P)])


@pytest.mark.parametrize("name", with_axiom("partnership-allocation"))
@few
@given(v=worths(5, 5), P=st.sampled_from([(0, 3), (1, 2), (0, 2, 4), (1, 2, 3, 4)]))
def test_partnership_allocation(name, v, P):
    r = values_of(partnership(v, P), name, 4)
    assert close(r[P], sum(r[i] for i in P))


@pytest.mark.parametrize("name", with_axiom("merged-player"))
@few
@given(v=worths(5, 5))
def test_merged_player(name, v):
    r = values_of(v, name, 4)
    for S in [(2,), (0, 3), (1, 2, 4), (0, 1, 2, 3)]:
        assert close(r[S], values_of(merged(v, S), name, 1)[5 - len(S)])


@pytest.mark.parametrize(("name", "order"), cases("surrogate"))
@few
@given(v=worths(5, 5))
def test_surrogate(name, order, v):
    r, shapley = values_of(v, name, order), values_of(v, "SV", 1)
    for i in range(5):
        assert close(sum(r[S] / len(S) for S in r.interactions if i in S), shapley[i])


@pytest.mark.parametrize(("name", "order"), cases("interpolation"))
@few
@given(dividends=worths(5, 5))
def test_interpolation(name, order, dividends):
    r = values_of(additive_up_to(dividends, order), name, order)
    for S in r.interactions:
        assert close(r[S], dividends[mask(S)])


@pytest.mark.parametrize("name", sorted(set(all_indices()) - {"Fourier", "FBII"}))
@few
@given(v=worths(4, 4), offset=st.integers(-50, 50))
def test_offset_changes_the_baseline_alone(name, v, offset):
    r = values_of(v, name, orders(name, 4, most=2)[-1])
    moved = values_of(np.array(v) + offset, name, r.order)
    np.testing.assert_array_equal(moved.values, r.values)
    assert moved.baseline == r.baseline + offset
