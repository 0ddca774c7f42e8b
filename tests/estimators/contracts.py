"""What every estimator is held to: a test class per estimator inherits ``EstimatorContract``.

Or ``PosteriorContract``, if its values are expectations under a prior, which no seed averages to
the truth. The seeds are fixed, so a test that passes once passes always; the false-alarm rates
say how likely a right estimator was to fail when the seeds were chosen.
"""

import numpy as np
import pytest
from scipy.stats import t as student

from shapley_core import indices
from shapley_core.estimators.base import Task
from shapley_core.exact import exact
from shapley_core.game import CallableGame
from shapley_core.games import Additive, Airport, WeightedVoting

from .games import STORED, Counting, Cubic, random_table, spread, stored, unanimity
from .protocol import ProtocolContract

# Chance that one test of unbiasedness fails although the estimator is unbiased.
FALSE_ALARM = 1e-4


def null_and_symmetric(seed):
    """Of nine players 0 is null, 1 and 2 are symmetric, 5 to 8 do the same whoever is there."""
    inner = random_table(4, seed).values.reshape(2, 2, 2, 2)
    inner = (inner + inner.transpose(0, 1, 3, 2)) / 2

    def worth(z):
        z = z.astype(int)
        return inner[z[:, 4], z[:, 3], z[:, 2], z[:, 1]] + z[:, 5:] @ [0.5, -1.0, 0.25, 2.0]

    return CallableGame(worth, 9)


class EstimatorContract(ProtocolContract):
    """Right values, with errors that say how right, beside what the protocol asks."""

    # The bias that is allowed, as a multiple of the standard error (0 for an unbiased estimator).
    bias = 0.0
    # Whether additive games, null players and sums are exact at any budget.
    exact_on_additive = True
    exact_on_null = True
    efficient = frozenset()
    # Repetitions where errors are compared with what the estimator says of them.
    n_seeds = 8
    # Two budgets for 14 players, the error of the larger to be less than half (in squares).
    nearer = (400, 12_000)

    # --- right values ---------------------------------------------------------------------------

    def test_unbiased(self, case):
        # The mean of many estimates against the truth, in units of its own standard deviation.
        n_seeds = 40
        voting = WeightedVoting([9, 8, 6, 5, 4, 3, 2, 1, 1], 20)
        for game in (unanimity(9), voting):
            truth = game.exact(*case).values
            budget = min(self.budget(game.n_players, *case), 2**game.n_players - 2)
            found = [self.estimate(game, budget, case, seed) for seed in range(n_seeds)]
            values = np.array([one.values for one in found])
            errors = np.mean([one.std_error for one in found], axis=0)
            deviation = values.std(axis=0, ddof=1) / np.sqrt(n_seeds)
            limit = student.isf(FALSE_ALARM / 4 / len(truth), n_seeds - 1)
            allowed = limit * deviation + self.bias * errors + 1e-10 * spread(truth)
            off = np.abs(values.mean(axis=0) - truth)
            assert (off <= allowed).all(), (off / np.maximum(deviation, 1e-300)).max()

    def test_two_standard_errors_cover(self, case):
        inside = total = 0
        for name in STORED:
            game, truth = stored(name, *case)
            budget = min(self.budget(game.n_players, *case), 2 ** (game.n_players - 1))
            least = self.make().least_budget(game.n_players, index=case[0], order=case[1])
            if least >= 2**game.n_players:
                continue
            for seed in range(self.n_seeds):
                found = self.estimate(game, max(budget, least), case, seed)
                assert np.isfinite(found.std_error).all()
                assert (found.std_error >= 0).all()
                off = np.abs(found.values - truth)
                inside += (off <= 2 * found.std_error + 1e-10 * spread(truth)).sum()
                total += len(truth)
        assert inside >= 0.9 * total, inside / total

    def test_errors_are_not_idly_large(self, case):
        # An error bar that always covers says nothing: it must be of the size of the errors.
        ratios = []
        for name in STORED:
            game, truth = stored(name, *case)
            least = self.make().least_budget(game.n_players, index=case[0], order=case[1])
            budget = max(least, min(self.budget(game.n_players, *case), 2 ** (game.n_players - 1)))
            if least >= 2**game.n_players:
                continue
            found = [self.estimate(game, budget, case, seed) for seed in range(self.n_seeds)]
            off = np.sqrt(np.mean([(one.values - truth) ** 2 for one in found]))
            said = np.sqrt(np.mean([one.std_error**2 for one in found]))
            if off > 1e-9 * spread(truth):
                ratios.append(said / off)
        assert np.median(ratios) < 3.0

    def test_exact_at_full_budget(self, case):
        for n in (1, 2, 3, 5):
            if case[1] > n:
                continue
            game = random_table(n)
            truth = exact(game, *case)
            found = self.estimate(game, 2**n, case)
            assert found.is_exact
            assert found.n_evaluations <= 2**n
            np.testing.assert_allclose(found.values, truth.values, rtol=0, atol=1e-10)
            np.testing.assert_array_equal(found.std_error, 0)
            assert found.baseline == pytest.approx(truth.baseline, abs=1e-12)
            assert found.interactions == truth.interactions

    def test_the_formula_is_exact_at_full_budget(self, case):
        estimator = self.make()
        if not estimator.consistent:
            pytest.skip("draws with replacement")
        for n in (3, 4, 5, 6, 9):
            if case[1] > n:
                continue
            spec = indices.get(case[0])
            task = Task(n, spec, case[1], 2**n, 7)
            design = estimator._design(task)
            assert len(design.words) == 2**n
            games = [random_table(n, seed) for seed in range(2)]
            at = design.words[:, 0].astype(np.int64)
            worths = np.stack([game.values[at] - game.baseline for game in games], axis=1)
            found = estimator._solve(task, design, worths)
            for row, game in enumerate(games):
                truth = exact(game, *case).values
                np.testing.assert_allclose(found.values[row], truth, rtol=0, atol=1e-10)

    def test_additive_games(self, case):
        rng = np.random.default_rng(5)
        game = Additive(rng.normal(size=11), 2.5)
        truth = game.exact(*case).values
        found = self.estimate(game, self.budget(11, *case), case)
        if self.exact_on_additive:
            np.testing.assert_allclose(found.values, truth, rtol=0, atol=1e-9)
            np.testing.assert_allclose(found.std_error, 0, rtol=0, atol=1e-7)
        else:
            self.assert_within_errors(found, truth)

    def test_constant_games(self, case):
        n = 10
        game = CallableGame(lambda z: np.full(len(z), 1e3 / 3), n)
        found = self.estimate(game, self.budget(n, *case), case)
        np.testing.assert_allclose(found.values, 0, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.std_error, 0, rtol=0, atol=1e-9)
        if not indices.get(case[0]).has_constant:
            assert found.baseline == pytest.approx(1e3 / 3, rel=1e-14)

    def test_null_and_symmetric_players(self, case):
        game = null_and_symmetric(3)
        truth = exact(game, *case)
        found = self.estimate(game, min(self.budget(9, *case), 400), case, seed=3)
        self.assert_within_errors(found, truth.values)
        at = found.interaction_set
        if indices.get(case[0]).family == "derivative" and self.exact_on_null:
            for one in found.interactions:
                if 0 in one:
                    assert found[one] == pytest.approx(0, abs=1e-9), one
        error = np.hypot(found.std_error[at.position((1,))], found.std_error[at.position((2,))])
        assert abs(found[1] - found[2]) <= 5 * error + 1e-9

    def test_efficiency(self, case):
        if case not in self.efficient:
            pytest.skip("not guaranteed")
        game = unanimity(12, 4)
        for seed in range(3):
            found = self.estimate(game, self.budget(12, *case), case, seed)
            ends = game(np.array([[False] * 12, [True] * 12]))
            assert found.values.sum() == pytest.approx(ends[1] - ends[0], abs=1e-9)

    def test_many_players(self, case, n_large):
        if case[1] > 2 or (n_large > 100 and case != self.cases[0]):
            pytest.skip("its truth, or another test of so many players, takes long")
        budget = self.budget(n_large, *case)
        if budget > self.most:
            pytest.skip(f"{budget} evaluations")
        budget = min(3 * budget, self.most)
        game = Counting(Cubic(n_large))
        truth = game.game.exact(*case)
        found = self.estimate(game, budget, case)
        assert found.n_evaluations == len(game.asked) <= budget
        self.assert_within_errors(found, truth)

    def test_more_evaluations_are_nearer(self, case):
        game = unanimity(14, 6)
        truth = game.exact(*case).values
        least = self.make().least_budget(14, index=case[0], order=case[1])
        seeds = range(self.n_seeds)
        off = [
            np.mean([(self.estimate(game, budget, case, s).values - truth) ** 2 for s in seeds])
            for budget in (max(least, self.nearer[0]), self.nearer[1])
        ]
        assert off[1] < 0.5 * off[0] + 1e-18

    def assert_within_errors(self, found, truth):
        # The values of one game err together, so this is less than what is asked of many games.
        off = np.abs(found.values - truth)
        inside = off <= 2 * found.std_error + 1e-9 * spread(truth)
        assert inside.mean() >= 0.8
        mean_square = np.mean(found.std_error**2) * (1 + self.bias**2)
        assert np.mean(off**2) <= 4 * mean_square + 1e-18 * spread(truth) ** 2


class PosteriorContract(EstimatorContract):
    """For values that are expectations under a prior that the worths choose.

    Such values are drawn towards what is likely beforehand, on one game alike for all seeds, so
    their mean is not the truth; nor do they know additive games, null players or sums before
    they have seen much. What holds instead: two standard errors cover 90 % of the truths, over
    games and seeds; and they are exact once all is seen.
    """

    exact_on_additive = False
    exact_on_null = False
    n_seeds = 2
    # Their cost grows with the cube of the budget.
    most = 700
    enough = 500
    budgets = (151, 200)
    nearer = (100, 500)
    # Whether what one game of a batch shows is used for the others.
    shares = False

    test_unbiased = None

    def budget(self, n_players, index, order):
        least = self.make().least_budget(n_players, index=index, order=order)
        return max(2 * least, 60)

    def test_two_standard_errors_cover_analytic_games(self, case):
        games = [unanimity(n, seed) for n, seed in ((7, 5), (8, 6), (9, 1), (10, 2), (12, 3))]
        games += [WeightedVoting([9, 8, 6, 5, 4, 3, 2, 1, 1], 20), Airport(range(1, 11))]
        games *= 2
        truths = [game.exact(*case).values for game in games]
        self.assert_covered(games, truths, case)

    def test_null_and_symmetric_players(self, case):
        # Jagged on four players and smooth on the others: not what the prior expects.
        games = [null_and_symmetric(seed) for seed in range(20)]
        truths = [exact(game, *case).values for game in games]
        self.assert_covered(games, truths, case)

    def assert_covered(self, games, truths, case):
        inside = total = 0
        for seed, (game, truth) in enumerate(zip(games, truths, strict=True)):
            found = self.estimate(game, self.budget(game.n_players, *case), case, seed)
            off = np.abs(found.values - truth)
            sure = 1e-9 * spread(truth)
            inside += (off <= 2 * found.std_error + sure).sum()
            total += len(truth)
            # A value that is said to be known must be.
            assert (off <= 20 * found.std_error + sure).all()
        assert inside >= 0.9 * total, inside / total

    def test_batches_equal_one_by_one(self, case):
        if not self.shares:
            super().test_batches_equal_one_by_one(case)
            return
        # One game many times over tells no more than once.
        game, budget = unanimity(10), self.budget(10, *case)
        order = {"index": case[0], "order": case[1], "random_state": 6}

        def worth(coalitions):
            return np.outer(game(coalitions), [1.0, 1.0, -3.0])

        alone = self.estimate(game, budget, case, 6)
        scale = spread(alone.values)
        together = self.make().estimate_batch(worth, 10, budget, **order)
        for one, factor in zip(together, (1.0, 1.0, -3.0), strict=True):
            np.testing.assert_allclose(one.values / factor, alone.values, rtol=0, atol=1e-5 * scale)
            np.testing.assert_allclose(one.std_error / abs(factor), alone.std_error, rtol=1e-3)
            assert one.n_evaluations == alone.n_evaluations
        # Different games are each within their errors.
        games = [unanimity(10), unanimity(10, 2), unanimity(10, 3)]
        together = self.make().estimate_batch(
            lambda z: np.stack([one(z) for one in games], axis=1), 10, budget, **order
        )
        inside = [
            np.abs(one.values - its.exact(*case).values) <= 2 * one.std_error
            for one, its in zip(together, games, strict=True)
        ]
        assert np.mean(inside) >= 0.9
