"""Coalitions in pairs: distinct, complements, in the right numbers, uniform, nested."""

from itertools import combinations
from math import comb, log

import numpy as np
import pytest

from shapley_core import coalitions as sets
from shapley_core._kernels import sampling as kernels
from shapley_core.estimators import Task
from shapley_core.estimators.pairs import (
    allocate,
    capacity,
    log_capacity,
    paired_design,
    sized_design,
)
from shapley_core.estimators.replicates import ends
from shapley_core.indices import get


def task(n, budget, seed=0):
    return Task(n, get("SV"), 1, budget, seed)


def leverage(n, budget, seed=0):
    return paired_design(task(n, budget, seed), np.zeros(n // 2))


def drawn(n, size, count, seed):
    words = np.zeros((2 * count, -(-n // 64)), dtype=np.uint64)
    kernels.strata(n, seed, np.array([size]), np.array([count]), 2, words)
    return words


def test_known_numbers_of_a_stream():
    # A result published with a seed must come out the same ever after.
    out = np.empty(4)
    kernels.uniform(12345, 7, out)
    expected = [0.3891512977117876, 0.9497009061130828, 0.7783007412207927, 0.08686189494191432]
    assert out.tolist() == expected


@pytest.mark.parametrize(("seed", "stream"), [(0, 0), (12345, 7), ((1 << 64) - 1, 1 << 63)])
def test_the_generator_in_whole_numbers(seed, stream):
    mask = (1 << 64) - 1

    def mix(x):
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ x >> 27) * 0x94D049BB133111EB & mask
        return x ^ x >> 31

    golden = 0x9E3779B97F4A7C15
    mixed = mix(seed + golden & mask)
    first = mix(mixed ^ mix(stream + 0xD1B54A32D192ED03 & mask))
    second = mix(first + mixed + 0x8CB92BA72F3D8DD7 & mask)
    words = [mix(mix(first + golden * k & mask) ^ second) for k in range(5)]
    out = np.empty(5)
    kernels.uniform(seed, stream, out)
    assert out.tolist() == [(word >> 11) / 2**53 for word in words]


def test_streams_are_uniform_and_unrelated():
    streams = np.empty((64, 4096))
    for at, row in enumerate(streams):
        kernels.uniform(at // 8, at % 8, row)
    # 64 means of 4096: standard error 1 / sqrt(12 * 4096).
    z = (streams.mean(axis=1) - 0.5) * np.sqrt(12 * 4096)
    assert np.abs(z).max() < 4.5
    assert np.abs(np.corrcoef(streams) - np.eye(64)).max() < 5.5 / np.sqrt(4096)
    bits = (streams * 2.0**53).astype(np.uint64)
    ones = [(bits >> np.uint64(b) & np.uint64(1)).mean() for b in range(53)]
    assert np.abs(np.array(ones) - 0.5).max() < 5 / np.sqrt(4 * streams.size)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 11])
def test_all_coalitions_when_the_budget_allows(n):
    design = leverage(n, 1 << n)
    assert sorted(design.words[:, 0].tolist()) == list(range(1 << n))
    assert design.complete.all()
    np.testing.assert_allclose(np.exp(design.log_capacity), design.counts, rtol=1e-12)


@pytest.mark.parametrize("n", [4, 7, 20, 63, 64, 65, 66, 67, 130, 300])
def test_pairs_are_distinct_complements_of_their_size(n):
    budget = 4 * n + 2
    design = leverage(n, budget if n > 6 else 12)
    matrix = sets.unpack(design.words, n)
    assert len(matrix) == 2 + 2 * design.n_pairs
    assert not matrix[0].any()
    assert matrix[1].all()
    assert (matrix[2::2] ^ matrix[3::2]).all()
    np.testing.assert_array_equal(matrix[2::2].sum(axis=1), np.repeat(design.sizes, design.counts))
    assert len(np.unique(matrix, axis=0)) == len(matrix)


@pytest.mark.parametrize("n", [2, 9, 64, 100, 1000, 1021])
@pytest.mark.parametrize("budget", [None, 5001])
def test_the_budget_is_spent_in_pairs(n, budget):
    budget = min(budget or 2 * n + 3, 1 << n)
    assert len(leverage(n, budget).words) == 2 + 2 * ((budget - 2) // 2)


@pytest.mark.parametrize("n", [2, 5, 8, 20, 65, 130, 1000])
def test_single_coalitions_of_all_sizes(n):
    budget = min(1 << n, 3 * n)
    design = sized_design(task(n, budget), np.zeros(n - 1))
    matrix = sets.unpack(design.words, n)
    assert len(matrix) == len(np.unique(matrix, axis=0)) == budget
    np.testing.assert_array_equal(matrix[2:].sum(axis=1), np.repeat(design.sizes, design.counts))
    np.testing.assert_array_equal(design.sizes, np.arange(1, n))
    if budget == 1 << n:
        assert design.complete.all()


def test_every_coalition_of_a_stratum_is_as_likely():
    # 6000 draws of 4 out of the 20 coalitions of 3 of 6 players, by pairs: 4 of 10.
    n_seeds, count = 6000, 4
    seen = np.zeros(64)
    together = 0
    for seed in range(n_seeds):
        words = drawn(6, 3, count, seed)[:, 0]
        seen[words] += 1
        together += 0b100011 in words and 0b100101 in words
    assert {sum(1 << i for i in c) for c in combinations(range(6), 3)} == set(np.flatnonzero(seen))
    p = count / 10
    z = (seen[seen > 0] - n_seeds * p) / np.sqrt(n_seeds * p * (1 - p))
    assert np.abs(z).max() < 4
    both = count * (count - 1) / 90
    assert abs(together - n_seeds * both) < 4 * np.sqrt(n_seeds * both)


@pytest.mark.parametrize(("n", "size"), [(10, 4), (10, 5), (64, 30), (65, 32), (67, 33), (300, 9)])
def test_a_stratum_begins_the_same_however_many_are_drawn(n, size):
    few, more = drawn(n, size, 20, 3), drawn(n, size, 90, 3)
    np.testing.assert_array_equal(few, more[:40])
    assert (drawn(n, size, 20, 4) != few).any()


@pytest.mark.parametrize(("n", "law"), [(9, "even"), (24, "even"), (24, "steep"), (150, "even")])
def test_a_larger_budget_adds_coalitions(n, law):
    weights = np.zeros(n // 2) if law == "even" else -3.0 * np.log(np.arange(1, n // 2 + 1))
    smaller = set()
    for budget in (20, 21, 50, 52, 100, 200, 400):
        rows = {row.tobytes() for row in paired_design(task(n, budget), weights).words}
        assert smaller <= rows
        smaller = rows


def test_counts_follow_the_weights_and_fill_small_strata():
    capacities = [10, 45, 120, 210, 126]
    weights = np.log([1.0, 1.0, 1.0, 1.0, 0.5])
    counts, expected = allocate(200, capacities, weights, 0)
    assert counts.sum() == 200
    # The first two are full; the rest share 145 as 2 : 2 : 1.
    np.testing.assert_array_equal(counts[:2], [10, 45])
    np.testing.assert_allclose(counts[2:], [58, 58, 29], atol=1.0)
    np.testing.assert_array_equal(expected, counts)


def test_strata_of_less_than_one_pair_are_in_as_often_as_they_should():
    capacities = [1000] * 12
    weights = np.log(np.linspace(0.2, 2.0, 12))
    seen = np.zeros(12)
    for seed in range(1500):
        counts, _ = allocate(5, capacities, weights, seed)
        assert counts.sum() == 5
        seen += counts
    np.testing.assert_allclose(seen / 1500, 5 * np.exp(weights) / np.exp(weights).sum(), atol=0.06)


def test_left_out_sizes_get_nothing():
    counts, _ = allocate(100, [10, 45, 120], np.array([0.0, -np.inf, 0.0]), 0)
    assert counts.tolist() == [10, 0, 90]
    # Weights that vanish beside the others leave a size out too.
    counts, _ = allocate(300, [10, 45, 120], np.array([0.0, -2000.0, 0.0]), 0)
    assert counts.tolist() == [10, 0, 120]
    counts, _ = allocate(500, [10, 45, 120], np.array([0.0, -np.inf, 0.0]), 0)
    assert counts.tolist() == [10, 0, 120]


@pytest.mark.parametrize(("n", "size"), [(2, 1), (10, 3), (10, 5), (64, 32), (1000, 2)])
def test_number_of_pairs(n, size):
    pairs = comb(n, size) // (2 if 2 * size == n else 1)
    assert capacity(n, size, 2) == pairs
    assert log_capacity(n, size, 2) == pytest.approx(np.log(float(pairs)), rel=1e-12)
    for one in (size, n - size):
        assert capacity(n, one, 1) == comb(n, size)
        assert log_capacity(n, one, 1) == pytest.approx(np.log(float(comb(n, size))), rel=1e-12)


def test_endless_strata():
    assert capacity(1021, 500, 1) == capacity(1021, 500, 2) == 1 << 62
    assert log_capacity(1021, 510, 2) == pytest.approx(log(comb(1021, 510)), rel=1e-12)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 128])
def test_the_words_of_both_ends(n):
    assert not ends(n)[0].any() and sets.unpack(ends(n)[1:], n).all()
    assert sum(int(word).bit_count() for word in ends(n)[1]) == n


@pytest.mark.parametrize("n", [5, 64, 130])
def test_first_places(n):
    rng = np.random.default_rng(1)
    pool = sets.pack(np.unique(rng.integers(0, 2, size=(30, n)).astype(bool), axis=0))
    known = pool[:7]
    words = pool[rng.integers(0, len(pool), size=200)]
    places = np.empty(200, dtype=np.int64)
    kernels.first_places(known, words, places)
    rows = [row.tobytes() for row in np.concatenate([known, words])]
    assert places.tolist() == [rows.index(row) for row in rows[7:]]
