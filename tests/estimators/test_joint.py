"""Joint Shapley values by sampling, against the contract and against orders of arrival."""

from itertools import combinations

import numpy as np
import pytest

from shapley_core import exact, indices
from shapley_core.estimators import SVARM, JointSampling, Task
from shapley_core.estimators import control as controls
from shapley_core.games import Airport, WeightedVoting

from .contracts import EstimatorContract, random_table, stored, unanimity


class TestJointSampling(EstimatorContract):
    cases = (("JointSV", 2), ("JointSV", 1), ("SGV", 2))
    unsupported = ("SII", 2)
    exact_on_null = False
    efficient = frozenset({("JointSV", 1), ("JointSV", 2)})

    @staticmethod
    def make():
        return JointSampling()


def arrivals(game, order, budget, seed):
    """Random blocks of at most ``order`` players arrive, each as likely as any other that may."""
    rng = np.random.default_rng(seed)
    n = game.n_players
    sums, count, spent = {}, 0, 2
    while True:
        left, steps, at = list(range(n)), [], 0
        while left:
            blocks = [b for size in range(1, order + 1) for b in combinations(left, size)]
            block = blocks[rng.integers(len(blocks))]
            after = at | sum(1 << i for i in block)
            steps.append((block, at, after))
            left = [i for i in left if i not in block]
            at = after
        spent += len(steps) - 1
        if spent > budget:
            return sums, count
        count += 1
        for block, before, after in steps:
            gain = game.values[after] - game.values[before]
            sums[block] = sums.get(block, 0.0) + gain


def test_better_than_orders_of_arrival():
    # The sampler that the definition suggests, at equal budget.
    ratios = []
    for name in ("global_importance/california_xgboost", "sentences/soup"):
        game, truth = stored(name, "JointSV", 2)
        ours = arrived = 0.0
        for seed in range(6):
            found = JointSampling().estimate(game, 150, index="JointSV", order=2, random_state=seed)
            ours += np.mean((found.values - truth) ** 2)
            sums, count = arrivals(game, 2, 150, seed)
            values = np.array([sums.get(one, 0.0) / count for one in found.interactions])
            arrived += np.mean((values - truth) ** 2)
        ratios.append(arrived / ours)
    assert min(ratios) > 4


@pytest.mark.parametrize("n", [3, 4, 6, 7])
@pytest.mark.parametrize("order", [3, 4])
def test_higher_orders_are_exact_with_all_coalitions(n, order):
    if order > n:
        pytest.skip("no such order")
    game, estimator = random_table(n), JointSampling()
    task = Task(n, indices.get("JointSV"), order, 2**n, 3)
    design = estimator._design(task)
    worths = game.values[design.words[:, 0].astype(np.int64)] - game.baseline
    found = estimator._solve(task, design, worths[:, None]).values[0]
    truth = exact(game, "JointSV", order).values
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-12)


def test_third_order_is_unbiased_and_adds_up():
    game = unanimity(8)
    truth = exact(game, "JointSV", 3).values
    found = [
        JointSampling().estimate(game, 90, index="JointSV", order=3, random_state=s)
        for s in range(40)
    ]
    values = np.array([one.values for one in found])
    deviation = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0) - truth) <= 4.5 * deviation).all()
    np.testing.assert_allclose(values.sum(axis=1), truth.sum(), rtol=0, atol=1e-9)


def test_the_control_takes_most_of_the_variance():
    game, truth = stored("feature_selection/diabetes_ridge", "JointSV", 2)
    off = []
    for control in (True, False):
        estimator = JointSampling(control=control)
        found = [
            estimator.estimate(game, 120, index="JointSV", order=2, random_state=s)
            for s in range(10)
        ]
        off.append(np.mean([(one.values - truth) ** 2 for one in found]))
        inside = [np.abs(one.values - truth) <= 2 * one.std_error for one in found]
        assert np.mean(inside) > 0.85
    assert off[0] < 0.2 * off[1]


@pytest.mark.parametrize("case", [("JointSV", 1), ("JointSV", 3), ("SGV", 1), ("CHGV", 1)])
def test_a_single_pair_tells_no_error(case):
    # Of four players the pairs of single ones may all be in, and one of the others.
    index, order = case
    found = []
    for seed in range(20):
        game = random_table(4, seed)
        truth = exact(game, index, order).values
        one = JointSampling().estimate(game, 13, index=index, order=order, random_state=seed)
        assert (one.std_error[np.abs(one.values - truth) > 1e-6] > 0.0).all()
        found.append(np.isinf(one.std_error).any())
        # Two pairs tell one.
        assert np.isfinite(
            JointSampling().estimate(game, 14, index=index, order=order).std_error
        ).all()
    assert 0 < sum(found) < 20


@pytest.mark.parametrize(
    ("estimator", "case", "game"),
    [
        (JointSampling(), ("JointSV", 2), WeightedVoting([9, 13, 8, 18, 3, 11], 35)),
        (SVARM(), ("SV", 1), Airport([0.1, 0.3, 0.5, 0.6, 0.9, 0.95])),
    ],
)
def test_the_fit_of_the_control_costs_no_bias(estimator, case, game, monkeypatch):
    # Its one penalty for all folds looks at all of them, so here there is no choice.
    monkeypatch.setattr(controls, "_PENALTIES", (0.03,))
    index, order = case
    truth = game.exact(index, order).values
    found = np.array(
        [
            estimator.estimate(game, 38, index=index, order=order, random_state=seed).values
            for seed in range(1500)
        ]
    )
    deviation = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - truth) <= 4.5 * deviation + 1e-12).all()
