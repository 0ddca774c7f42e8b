"""KernelSHAPIQ: the literal constrained regression, exactness, the sums that are known, errors."""

from fractions import Fraction
from itertools import combinations
from math import comb, factorial

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import coalitions as sets
from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.estimators import KernelSHAPIQ, Task
from shapley_core.reference.indices import bernoulli

from .contracts import EstimatorContract


def random_game(n, seed=0):
    return sc.TableGame(np.random.default_rng(seed).normal(size=1 << n) + 2.0)


def solved(estimator, game, budget, seed, order):
    """What the formula gives for a design, without the short cut of the full budget."""
    task = Task(game.n_players, sc.indices.get("SII"), order, budget, seed)
    design = estimator._design(task)
    worths = game(sets.unpack(design.words, game.n_players))
    return design, estimator._solve(task, design, worths[:, None] - worths[0])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 9])
def test_the_formula_is_exact_with_all_coalitions(n):
    game = random_game(n, seed=n)
    for order in range(1, min(n, 5) + 1):
        true = sc.exact(game, "SII", order)
        design, found = solved(KernelSHAPIQ(), game, 1 << n, 0, order)
        assert len(design.words) == 1 << n
        np.testing.assert_allclose(found.values[0], true.values, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.std_error, 0.0, atol=1e-12)


def literal(game, design, order):
    """The regressions as they are defined, on the coalitions of a design, order by order.

    Single coalitions, coefficients λ, the kernel μ; infinite weights are constraints for s <= 2,
    and from s = 3 the values of the border alone come from the definition of the index.
    """
    n = game.n_players
    inside = sets.unpack(design.words, n).astype(int)
    sizes = inside.sum(axis=1)
    rest = game(inside.astype(bool))
    rest = rest - rest[0]
    strata = np.repeat(design.strata, 2)
    chance = design.expected[strata] / np.exp(design.log_capacity[strata])
    values = []
    for s in range(1, order + 1):
        size_weight = [
            1 / ((n - 2 * s + 1) * comb(n - 2 * s, t - s)) if s <= t <= n - s else 0
            for t in range(n + 1)
        ]
        weights = np.array([size_weight[t] for t in sizes])
        weights[2:] /= chance
        adds = [
            float(sum((comb(r, j) * bernoulli(s - j) for j in range(1, r + 1)), Fraction(0)))
            for r in range(s + 1)
        ]
        members = list(combinations(range(n), s))
        meets = np.array([inside[:, one].sum(axis=1) for one in members]).T
        columns = np.array(adds)[meets]
        border = (sizes < s) | (sizes > n - s)
        if s <= 2:
            first = np.linalg.lstsq(columns[border], rest[border], rcond=1e-10)[0]
        else:
            gamma = np.zeros(meets.shape)
            for row in np.flatnonzero(border):
                for column, r in enumerate(meets[row].tolist()):
                    t = int(sizes[row]) - r
                    weight = Fraction(factorial(t) * factorial(n - s - t), factorial(n - s + 1))
                    gamma[row, column] = (-1) ** (s - r) * weight
            first = gamma.T @ rest
        _, singular, rows = np.linalg.svd(columns[border])
        free = rows[int((singular > 1e-9 * singular[0]).sum()) :].T
        roots = np.sqrt(weights[~border])[:, None]
        if free.shape[1]:
            inner = roots * columns[~border]
            target = roots[:, 0] * rest[~border] - inner @ first
            first = first + free @ np.linalg.lstsq(inner @ free, target, rcond=None)[0]
        rest = rest - columns @ first
        values.append(first)
    return np.concatenate(values)


@pytest.mark.parametrize(
    ("n", "order", "budget"),
    [(7, 1, 40), (7, 2, 90), (8, 2, 120), (8, 3, 190), (9, 3, 300), (9, 4, 420), (10, 4, 700)],
)
def test_against_the_literal_regressions(n, order, budget):
    game = random_game(n, seed=n)
    design, found = solved(KernelSHAPIQ(ridge=0.0), game, budget, 5, order)
    assert len(design.words) < 1 << n
    np.testing.assert_allclose(found.values[0], literal(game, design, order), rtol=0, atol=1e-10)


@pytest.mark.parametrize("order", [2, 3])
def test_the_known_sums_hold_at_any_budget(order):
    # Σ_i I(R ∪ i) = Δ_R(N∖R) - Δ_R(∅), as efficiency for R = ∅.
    n = 10
    game = random_game(n, seed=1)
    found = KernelSHAPIQ().estimate(
        game, KernelSHAPIQ().least_budget(n, "SII", order), index="SII", order=order
    )
    for size in range(order):
        for players in combinations(range(n), size):
            rest = [i for i in range(n) if i not in players]
            known = 0.0
            for inner in range(size + 1):
                for one in combinations(players, inner):
                    at = np.zeros((2, n), dtype=bool)
                    at[0, [*rest, *one]] = True
                    at[1, list(one)] = True
                    worths = game(at)
                    known += (-1) ** (size - inner) * (worths[0] - worths[1])
            total = sum(found[(*players, i)] for i in rest)
            assert total == pytest.approx(known, abs=1e-9)


@pytest.mark.parametrize(("order", "n"), [(1, 30), (2, 20), (2, 33)])
def test_without_a_ridge_games_of_no_more_players_are_found_exactly(order, n):
    rng = np.random.default_rng(0)
    terms = {
        tuple(sorted(rng.choice(n, size, replace=False).tolist())): float(rng.normal())
        for size in range(1, order + 1)
        for _ in range(20)
    }
    game = sc.games.SumOfUnanimity(terms, n)
    estimator = KernelSHAPIQ(ridge=0.0)
    budget = estimator.least_budget(n, "SII", order) + 100
    found = estimator.estimate(game, budget, index="SII", order=order)
    np.testing.assert_allclose(found.values, game.exact("SII", order).values, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.std_error, 0.0, atol=1e-8)


@pytest.mark.parametrize("order", [2, 3])
def test_the_ridge_helps_near_the_least_budget(order):
    game = random_game(10, seed=4)
    true = sc.exact(game, "SII", order).values
    budget = KernelSHAPIQ().least_budget(10, "SII", order) + 6
    off = []
    for one in (KernelSHAPIQ(), KernelSHAPIQ(ridge=0.0)):
        found = [
            one.estimate(game, budget, index="SII", order=order, random_state=seed).values
            for seed in range(6)
        ]
        off.append(np.mean((np.array(found) - true) ** 2))
    assert off[0] < 0.7 * off[1]


def test_the_bias_of_the_ridge_is_in_the_standard_error():
    # There is nothing else to err by: the game has no interactions of more than two players.
    game = sc.games.SumOfUnanimity({(i, (i + 3) % 12): 1.0 + i for i in range(12)}, 12)
    at = sc.exact(game, "SII", 2).interaction_set.slice_of(2)
    found = KernelSHAPIQ().estimate(game, 600, index="SII", order=2)
    off = np.abs(found.values - game.exact("SII", 2).values)[at]
    assert off.max() > 1e-4
    assert (off <= 2 * found.std_error[at] + 1e-12).all()
    assert found.std_error[at].max() < 3 * off.max()


def test_the_sizes_between_are_sampled_alike():
    task = Task(41, sc.indices.get("SII"), 3, 9000, 0)
    design = KernelSHAPIQ()._design(task)
    assert design.counts[:2].tolist() == [41, 820]
    assert design.complete[:2].all()
    between = design.counts[2:]
    assert between.max() - between.min() <= 1
    assert 2 + 2 * design.n_pairs == 9000


def test_a_regression_that_would_not_fit():
    asked = []
    game = sc.CallableGame(lambda c: asked.append(c), 2000)
    with pytest.raises(MemoryLimitError, match="regression on 1999000 interactions of 2"):
        KernelSHAPIQ().estimate(game, 10**8, index="SII", order=2)
    assert asked == []


def test_wrong_parameters():
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="ridge must be a finite number of at least 0"):
            KernelSHAPIQ(ridge=wrong)


class TestKernelSHAPIQ(EstimatorContract):
    cases = (("SII", 2), ("SII", 1), ("SII", 3))
    unsupported = ("STII", 2)
    exact_on_null = False
    # Order 2 of 65 players takes a second or two.
    large = (65, 300)
    most = 8400

    @staticmethod
    def make():
        return KernelSHAPIQ()
