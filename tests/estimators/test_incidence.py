"""Sums over samples of coalitions by interactions, literally."""

from itertools import combinations

import numpy as np
import pytest

from shapley_core.coalitions import pack
from shapley_core.estimators.incidence import (
    common_players,
    sums_by_meeting,
    sums_over_subsets,
    superset_sums,
)


@pytest.mark.parametrize(("n", "m"), [(1, 2), (5, 3), (9, 64), (9, 200), (64, 65), (70, 130)])
@pytest.mark.parametrize("step", [1, 2])
def test_superset_sums(n, m, step):
    rng = np.random.default_rng(n + m)
    inside = rng.random((step * m, n)) < rng.random((step * m, 1))
    most = min(n, 3 if n < 20 else 2)
    # More columns than one thread takes.
    levels = [rng.normal(size=(m, 18)) for _ in range(most + 1)]
    found = superset_sums(pack(inside), step, n, levels)
    for size, (level, sums) in enumerate(zip(levels, found, strict=True)):
        players = list(combinations(range(n), size))
        assert sums.shape == (len(players), 18)
        for at in range(0, len(players), 1 + len(players) // 100):
            rows = inside[::step, list(players[at])].all(axis=1)
            np.testing.assert_allclose(sums[at], level[rows].sum(axis=0), rtol=0, atol=1e-11)


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_sums_over_subsets(size):
    n = 6
    rng = np.random.default_rng(size)
    sets = [list(combinations(range(n), level)) for level in range(size + 1)]
    levels = [rng.normal(size=(len(some), 2)) for some in sets]
    found = sums_over_subsets(n, size, levels)
    for at, S in enumerate(combinations(range(n), size)):
        wanted = sum(
            levels[level][sets[level].index(R)]
            for level in range(size + 1)
            for R in combinations(S, level)
        )
        np.testing.assert_allclose(found[at], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [0, 1, 2, 3])
@pytest.mark.parametrize("step", [1, 2])
def test_sums_by_meeting(size, step):
    n, m = 7, 20
    rng = np.random.default_rng(size)
    inside = rng.random((step * m, n)) < 0.5
    by_meeting = rng.normal(size=(m, size + 1, 2))
    chosen = list(combinations(range(n), size))
    members = np.array(chosen, int).reshape(len(chosen), size)
    common = common_players(inside[::step], members)
    wanted = [[sum(row[i] for i in S) for S in chosen] for row in inside[::step]]
    np.testing.assert_array_equal(common, wanted)
    found = sums_by_meeting(pack(inside), step, n, by_meeting)
    each = by_meeting[np.arange(m)[:, None], common]
    np.testing.assert_allclose(found, each.sum(axis=0), rtol=0, atol=1e-12)
