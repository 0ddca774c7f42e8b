from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapley_core import coalitions as sets
from shapley_core.errors import InputError


@given(n=st.integers(1, 200), m=st.integers(0, 5), seed=st.integers(0, 99))
def test_pack_and_unpack(n, m, seed):
    matrix = np.random.default_rng(seed).random((m, n)) < 0.5
    words = sets.pack(matrix)
    assert words.dtype == np.uint64 and words.shape == (m, -(-n // 64))
    np.testing.assert_array_equal(sets.unpack(words, n), matrix)
    for row, packed in zip(matrix, words, strict=True):
        for i in range(n):
            assert bool(int(packed[i // 64]) >> (i % 64) & 1) == row[i]


@pytest.mark.parametrize("order", ["C", "F"])
def test_positions(order):
    everyone = sets.all_coalitions(5)
    assert everyone.shape == (32, 5)
    np.testing.assert_array_equal(sets.positions(np.asarray(everyone, order=order)), np.arange(32))
    assert sets.players_of(everyone[0b10110]) == (1, 2, 4)
    np.testing.assert_array_equal(sets.all_coalitions(5, 7, 9), everyone[7:9])
    big = np.zeros((1, 63), dtype=bool)
    big[0, 62] = True
    assert sets.positions(big)[0] == 1 << 62
    with pytest.raises(InputError, match="at most 63"):
        sets.positions(np.zeros((1, 64), dtype=bool))


def test_as_matrix():
    np.testing.assert_array_equal(sets.as_matrix([[0, 1]], 2), [[False, True]])
    np.testing.assert_array_equal(sets.as_matrix([[0.0, 1.0]], 2), [[False, True]])
    for wrong, message in [
        ([0, 1], r"shape \(m, 2\)"),
        ([[0, 1, 0]], r"shape \(1, 3\)"),
        ([[0, 2]], "only 0 and 1"),
        ([["a", "b"]], "must be bool"),
        ([[0, 1], [1]], r"shape \(m, 2\).*rows of different lengths"),
    ]:
        with pytest.raises(InputError, match=message):
            sets.as_matrix(wrong, 2)


@given(n=st.integers(1, 9), data=st.data())
def test_ranks(n, data):
    size = data.draw(st.integers(0, n))
    rows = sets.interactions_of_size(n, size)
    assert [tuple(row) for row in rows.tolist()] == list(combinations(range(n), size))
    np.testing.assert_array_equal(sets.ranks(rows, n), np.arange(comb(n, size)))
    positions = sets.interaction_positions(rows)
    assert [sets.players_of(row) for row in sets.from_positions(positions, n)] == [
        tuple(row) for row in rows.tolist()
    ]


@given(n=st.integers(1, 10), data=st.data())
def test_positions_by_size(n, data):
    order = data.draw(st.integers(0, n))
    got = sets.positions_by_size(n, order)
    assert len(got) == order + 1
    for size, positions in enumerate(got):
        wanted = sets.interaction_positions(sets.interactions_of_size(n, size))
        np.testing.assert_array_equal(positions, wanted)


def listed(n, order):
    return [S for size in range(1, order + 1) for S in combinations(range(n), size)]


@given(n=st.integers(1, 7), data=st.data())
def test_complete_set(n, data):
    order = data.draw(st.integers(1, n))
    chosen, wanted = sets.InteractionSet.complete(n, order), listed(n, order)
    assert len(chosen) == sets.n_interactions(n, order) == len(wanted)
    assert list(chosen) == wanted
    assert [chosen[i] for i in range(len(chosen))] == wanted
    assert [chosen.position(S) for S in wanted] == list(range(len(wanted)))
    assert chosen[-1] == wanted[-1] and chosen[1:3] == wanted[1:3]
    rebuilt, at = sets.InteractionSet.from_tuples(n, reversed([S[::-1] for S in wanted]))
    assert rebuilt == chosen and rebuilt.is_complete(order)
    np.testing.assert_array_equal(at, np.arange(len(wanted))[::-1])


def test_partial_set():
    chosen, at = sets.InteractionSet.from_tuples(5, [(4, 1), (2,), (0, 3)])
    assert list(chosen) == [(2,), (0, 3), (1, 4)]
    assert at.tolist() == [1, 2, 0]
    assert [chosen.position(S) for S in chosen] == [0, 1, 2]
    assert chosen.sizes == (1, 2) and chosen.slice_of(2) == slice(1, 3)
    assert chosen.count(3) == 0 and chosen.block(3).shape == (0, 3)
    assert chosen != sets.InteractionSet.complete(5, 2)
    for absent in [(0,), (0, 4), (0, 1, 2)]:
        with pytest.raises(KeyError):
            chosen.position(absent)
    with pytest.raises(IndexError):
        chosen[3]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [([()], "baseline"), ([(0, 0)], "not a set"), ([(5,)], "0..4"), ([(-1,)], "0..4"),
     ([(1, 0), (0, 1)], "twice")],
)  # fmt: skip
def test_wrong_interactions(wrong, message):
    with pytest.raises(InputError, match=message):
        sets.InteractionSet.from_tuples(5, wrong)
    for wrong in ([0, 1], [("a",)], [(0.0,)]):
        with pytest.raises(TypeError, match="an interaction is a tuple of players"):
            sets.InteractionSet.from_tuples(5, wrong)


def test_huge_sets_cost_nothing_until_asked():
    chosen = sets.InteractionSet.complete(1000, 4)
    assert len(chosen) == sum(comb(1000, size) for size in range(1, 5))
    last = len(chosen) - 1
    assert chosen[last] == (996, 997, 998, 999)
    assert chosen.position((996, 997, 998, 999)) == last


def test_checks():
    assert sets.check_n_players(np.int64(3)) == 3
    for wrong in (True, 2.0, "3", None):
        with pytest.raises(TypeError):
            sets.check_n_players(wrong)
    with pytest.raises(InputError):
        sets.check_n_players(0)
    assert sets.check_names(["a", 2], 2) == ("a", "2")
    with pytest.raises(InputError, match="2 names for 3"):
        sets.check_names(["a", "b"], 3)
    with pytest.raises(InputError, match="'a' is there twice"):
        sets.check_names(["a", "a"], 2)
    with pytest.raises(TypeError, match="one string"):
        sets.check_names("ab", 2)
    with pytest.raises(TypeError, match="list of names, not int"):
        sets.check_names(2, 2)
