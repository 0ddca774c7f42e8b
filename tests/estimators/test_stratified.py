"""SVARM and SVARM-IQ against the contract; strata against their definition."""

from itertools import combinations

import numpy as np
import pytest

from shapley_core import CallableGame, exact, indices
from shapley_core.coalitions import pack, players_of, unpack
from shapley_core.estimators import SVARM, Task
from shapley_core.estimators.incidence import sums_over_subsets, superset_sums
from shapley_core.estimators.stratified import _cut, _sums_by_intersection

from .contracts import EstimatorContract, random_table, stored, unanimity


class TestSVARM(EstimatorContract):
    cases = (("SV", 1), ("BV", 1), ("k-SII", 2))
    unsupported = ("FBII", 2)
    # A null player is one only of the game, not of what the control leaves of it.
    exact_on_null = False

    @staticmethod
    def make():
        return SVARM()


@pytest.mark.parametrize("order", [3, 4])
def test_higher_orders_are_exact_with_all_coalitions(order):
    for n in (4, 5, 6):
        game = random_table(n)
        task = Task(n, indices.get("SII"), order, 2**n, 1)
        design = SVARM()._design(task)
        worths = game.values[design.words[:, 0].astype(np.int64)] - game.baseline
        found = SVARM()._solve(task, design, worths[:, None]).values[0]
        truth = exact(game, "SII", order).values
        np.testing.assert_allclose(found, truth, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("SII", 2)])
@pytest.mark.parametrize("n", [9, 10])
def test_strata_by_intersection_are_unbiased(index, order, n):
    # Without a control, so that the means of the strata carry all of the values.
    game, estimator = unanimity(n), SVARM(control=False)
    truth = game.exact(index, order).values
    budget = {9: 320, 10: 520}[n]
    design = estimator._design(Task(n, indices.get(index), order, budget, 0))
    cut = _cut(design, n, order)
    assert cut[1:].any()
    assert n == 9 or cut[n // 2 - 1], "the middle size is to be among them"
    kwargs = {"index": index, "order": order}
    found = [estimator.estimate(game, budget, random_state=s, **kwargs) for s in range(40)]
    values = np.array([one.values for one in found])
    deviation = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0) - truth) <= 4.5 * deviation + 1e-10).all()
    inside = [np.abs(one.values - truth) <= 2 * one.std_error + 1e-10 for one in found]
    assert np.mean(inside) > 0.9


def test_a_stratum_that_does_not_vary_has_no_negative_variance():
    # Of worths that repeat, sums of squares less squared sums fall below zero by rounding.
    odd, n = [1, 4, 6], 9
    game = CallableGame(lambda c: c[:, odd].sum(axis=1) % 2 + 0.3 * c[:, 0], n_players=n)
    for seed in range(12):
        found = SVARM().estimate(game, 200, index="SII", order=2, random_state=seed)
        assert (found.std_error >= 0).all()


def test_coalitions_of_one_player_and_of_all_but_one_come_first():
    n = 40
    task = Task(n, indices.get("SII"), 2, SVARM().least_budget(n, "SII", 2), 0)
    design = SVARM()._design(task)
    assert len(design.words) == task.budget
    assert design.complete[0]
    sizes = unpack(design.words, n).sum(axis=1)
    assert (sizes == 1).sum() == (sizes == n - 1).sum() == n


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_sums_by_intersection(size):
    rng = np.random.default_rng(size)
    n, inside = 6, (rng.random((30, 6)) < 0.5).astype(float)
    columns = rng.normal(size=(30, 2))
    by_level = superset_sums(pack(inside > 0), 1, n, [columns] * (size + 1))
    found = _sums_by_intersection(n, size, by_level)
    subsets = sums_over_subsets(n, size, by_level)
    for at, S in enumerate(combinations(range(n), size)):
        for held in range(1 << size):
            wanted = {i for bit, i in enumerate(S) if held >> bit & 1}
            rows = [set(S) & set(players_of(row)) == wanted for row in inside]
            np.testing.assert_allclose(found[held, at], columns[rows].sum(axis=0), atol=1e-12)
        weights = 2.0 ** inside[:, S].sum(axis=1)
        np.testing.assert_allclose(subsets[at], weights @ columns, atol=1e-12)


def test_the_control_takes_most_of_the_variance():
    for index, order in (("SV", 1), ("SII", 2)):
        game, truth = stored("sentences/soup", index, order)
        off = []
        for control in (True, False):
            estimator = SVARM(control=control)
            found = [
                estimator.estimate(game, 300, index=index, order=order, random_state=s)
                for s in range(12)
            ]
            off.append(np.mean([(one.values - truth) ** 2 for one in found]))
            inside = [np.abs(one.values - truth) <= 2 * one.std_error for one in found]
            assert np.mean(inside) > 0.85
        assert off[0] < 0.7 * off[1]


@pytest.mark.parametrize(
    ("index", "order", "times"), [("Moebius", 2, 2), ("Co-Moebius", 2, 2), ("STII", 3, 4)]
)
def test_values_that_hang_on_coalitions_which_are_not_in(index, order, times):
    # A pair's value hangs on the coalition of the two: without it the sample says nothing of it,
    # and that others of its size are in tells how far off it may be.
    n = 12
    game, estimator = random_table(n), SVARM()
    budget = times * estimator.least_budget(n, index, order)
    truth = exact(game, index, order)
    pairs = truth.interaction_set.slice_of(2)
    inside = []
    for seed in range(10):
        found = estimator.estimate(game, budget, index=index, order=order, random_state=seed)
        inside.append(np.abs(found.values - truth.values) <= 2 * found.std_error + 1e-10)
    assert np.mean([one[pairs] for one in inside]) > 0.9


@pytest.mark.parametrize(("seed", "n", "times"), [(5, 8, 2), (5, 12, 2), (6, 16, 4)])
def test_values_that_hang_on_few_coalitions_most(seed, n, times):
    # With others present once in twenty times, a pair's value is mostly the worths of the two, of
    # each and of none; every other coalition counts for next to nothing, but it does.
    estimator, case, inside = SVARM(), {"index": "WBII(0.05)", "order": 2}, []
    for one in range(6):
        game = unanimity(n, seed + one)
        truth = exact(game, "WBII(0.05)", 2)
        pairs = truth.interaction_set.slice_of(2)
        budget = times * estimator.least_budget(n, "WBII(0.05)", 2)
        for state in range(10):
            found = estimator.estimate(game, budget, random_state=state, **case)
            off = np.abs(found.values - truth.values)[pairs]
            inside.append((off <= 2 * found.std_error[pairs] + 1e-10).mean())
    assert np.mean(inside) > 0.92
