"""Permutation against the contract, and each scheme against all orders of a small game."""

from itertools import permutations

import numpy as np
import pytest

from shapley_core import exact, indices
from shapley_core.coalitions import players_of, unpack
from shapley_core.errors import InputError
from shapley_core.estimators import Permutation, Task

from .contracts import EstimatorContract, random_table, unanimity


class TestPermutation(EstimatorContract):
    cases = (("SV", 1), ("BV", 1), ("BetaShapley(2, 3)", 1), ("SII", 2), ("STII", 2))
    unsupported = ("Moebius", 2)
    efficient = frozenset({("SV", 1), ("STII", 2)})

    @staticmethod
    def make():
        return Permutation()

    def budget(self, n_players, index, order):
        least = super().budget(n_players, index, order)
        # Rings, where these take the place of pairs of orders, and some pairs beside them.
        rings = 2 + 3 * n_players * (n_players - 1) + 5 * n_players
        return max(least, rings) if order == 1 and n_players < 100 else least

    def slack(self, n_players, index, order):
        walk = n_players - 1 if order == 1 else (n_players + 2) * (n_players - 1) // 2
        # Where a ring is paid for, at least two pairs of orders are.
        return 4 * walk if order == 1 else 2 * walk


class TestAntithetic(EstimatorContract):
    efficient = frozenset({("SV", 1)})

    @staticmethod
    def make():
        return Permutation("antithetic")

    def slack(self, n_players, index, order):
        return 2 * (n_players - 1)


class TestPlain(EstimatorContract):
    efficient = frozenset({("SV", 1)})

    @staticmethod
    def make():
        return Permutation(scheme="plain")

    def slack(self, n_players, index, order):
        return n_players - 1


@pytest.mark.parametrize(
    ("index", "order", "schemes"),
    [
        ("SV", 1, ["plain", "antithetic", "balanced"]),
        ("BV", 1, ["balanced"]),
        ("STII", 2, ["plain", "antithetic"]),
        ("STII", 3, ["plain"]),
        ("SII", 2, ["antithetic"]),
    ],
)
def test_the_mean_over_all_orders_is_the_index(monkeypatch, index, order, schemes):
    # Where no importance weights vary, the mean over all 5! orders is the value itself.
    from shapley_core.estimators import permutation

    n = 5
    every = np.array(list(permutations(range(n))), dtype=np.int32)

    def shuffled(seed, stream, out):
        out[:] = every[np.arange(len(out)) % len(every)]

    monkeypatch.setattr(permutation.kernels, "shuffled", shuffled, raising=False)
    monkeypatch.setattr(permutation, "replicates_within", all_of(len(every)))
    game = random_table(n)
    for scheme in schemes:
        estimator = Permutation(scheme)
        # Whole rings, and none of the pairs that take the rest of a budget.
        task = Task(n, indices.get(index), order, 10_002, 0)
        design = estimator._design(task)
        assert design.rings == (scheme == "balanced")
        worths = game.values[design.words[:, 0].astype(np.int64)] - game.baseline
        found = estimator._solve(task, design, worths[:, None])
        truth = exact(game, index, order).values
        np.testing.assert_allclose(found.values[0], truth, rtol=0, atol=1e-12)


def all_of(count):
    """Stands in for ``replicates_within``: so many replicates, whatever they cost."""

    def within(draw, start, cost, budget):
        drawn = draw(count)
        flat = drawn.reshape(-1, drawn.shape[-1])
        words = np.concatenate([start, flat])
        return words, len(start) + np.arange(len(flat)).reshape(count, -1)

    return within


def test_games_of_pairs_are_exact_by_antithetic_orders():
    rng = np.random.default_rng(3)
    pairs = rng.normal(size=(12, 12))

    class Pairs:
        n_players, player_names = 12, None

        def __call__(self, coalitions):
            z = coalitions.astype(float)
            return ((z @ pairs) * z).sum(axis=1)

    # The value of i is its own worth and half of its interactions.
    truth = np.diag(pairs) + ((pairs + pairs.T).sum(axis=1) - 2 * np.diag(pairs)) / 2
    for scheme in ("antithetic", "balanced"):
        found = Permutation(scheme).estimate(Pairs(), 300)
        np.testing.assert_allclose(found.values, truth, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.std_error, 0, rtol=0, atol=1e-12)


def test_a_ring_holds_every_coalition_of_its_orders_once():
    n = 12
    task = Task(n, indices.get("SV"), 1, 700, 5)
    design = Permutation()._design(task)
    assert design.rings
    for order, rows in zip(design.orders, design.rows, strict=True):
        found = {players_of(row) for row in unpack(design.words[rows], n)}
        assert len(found) == len(rows) == n * (n - 1)
        turned = [np.roll(order, -start) for start in range(n)]
        walks = [*turned, *(one[::-1] for one in turned)]
        wanted = {tuple(sorted(one[:size])) for one in walks for size in range(1, n)}
        assert found == wanted


def test_what_rings_leave_goes_to_pairs_of_orders():
    n, ring, pair = 20, 380, 38
    for left in (0, pair, 5 * pair):
        budget = 2 + 3 * ring + left
        design = Permutation()._design(Task(n, indices.get("SV"), 1, budget, 4))
        assert len(design.orders) == 3
        assert len(design.words) == len(np.unique(design.words)) <= budget
        if left == 0:
            assert design.beside is None
        if left == 5 * pair:
            # Coalitions that coincide pay some more.
            assert 5 <= len(design.beside.orders) <= 8
            assert budget - len(design.words) < pair
    # They lower the error although they are of another kind.
    game = unanimity(12, 3)
    truth = game.exact("SV").values
    off = []
    for budget in (2 + 2 * 132, 2 + 2 * 132 + 120):
        found = [Permutation().estimate(game, budget, random_state=s) for s in range(100)]
        off.append(np.mean([(one.values - truth) ** 2 for one in found]))
    assert off[1] < 0.9 * off[0]


def test_the_rings_of_a_round_with_a_tolerance_serve_the_next():
    n, budget = 14, 2 + 9 * 182 + 100
    game = unanimity(n, 2)
    found = Permutation().estimate(game, budget, tolerance=1e-9)
    whole = Permutation().estimate(game, budget)
    np.testing.assert_array_equal(found.values, whole.values)
    assert found.n_evaluations == whole.n_evaluations


def test_balanced_is_nearer_than_antithetic_and_that_nearer_than_plain():
    game = unanimity(12, 3)
    truth = game.exact("SV").values
    off = []
    for scheme in ("balanced", "antithetic", "plain"):
        found = [Permutation(scheme).estimate(game, 700, random_state=s) for s in range(30)]
        off.append(np.mean([(one.values - truth) ** 2 for one in found]))
    assert off[0] < 0.9 * off[1] < 0.9 * off[2]


def test_unknown_schemes():
    with pytest.raises(InputError, match="balanced, antithetic, plain"):
        Permutation("latin")
