"""Joint Shapley values by sampling, against the contract and against orders of arrival."""

import numpy as np

from shapley_core.estimators import JointSampling

from .contracts import EstimatorContract, stored


class TestJointSampling(EstimatorContract):
    cases = (("JointSV", 2), ("JointSV", 1), ("JointSV", 3), ("SGV", 2), ("BGV", 2))
    unsupported = ("SII", 2)
    exact_on_null = False
    efficient = frozenset({("JointSV", 1), ("JointSV", 2), ("JointSV", 3)})

    @staticmethod
    def make():
        return JointSampling()


class TestWithoutControl(EstimatorContract):
    cases = (("JointSV", 2),)
    unsupported = ("SV", 1)
    exact_on_additive = exact_on_null = False
    efficient = frozenset({("JointSV", 2)})

    @staticmethod
    def make():
        return JointSampling(control=False)


def arrivals(game, order, budget, seed):
    """Random blocks of at most ``order`` players arrive, each as likely as any other that may."""
    rng = np.random.default_rng(seed)
    n = game.n_players
    from itertools import combinations

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
