"""What every estimator is held to: a test class per estimator inherits ``EstimatorContract``.

The seeds are fixed, so a test that passes once passes always; the false-alarm rates say how
likely a right estimator was to fail when the seeds were chosen.
"""

import pickle
from functools import cache

import numpy as np
import pytest
from scipy.stats import t as student

from shapley_core import ground_truth, indices
from shapley_core.errors import BudgetError, InputError, UnknownIndexError
from shapley_core.estimators.base import Task
from shapley_core.exact import exact
from shapley_core.game import CallableGame, TableGame
from shapley_core.games import Additive, SumOfUnanimity, WeightedVoting

# Chance that one test of unbiasedness fails although the estimator is unbiased.
FALSE_ALARM = 1e-4

# Stored games of 8 to 10 players: models, data, words, voting; smooth ones and jagged ones.
STORED = [
    "clusters/breast_cancer_agreement",
    "ensemble_selection/digits_accuracy",
    "feature_selection/diabetes_ridge",
    "global_importance/california_xgboost",
    "image_patches/digits_forest",
    "local_explanation/breast_cancer_forest_marginal",
    "sentences/soup",
    "uncertainty/diabetes_spread",
]


@cache
def stored(name, index, order):
    game = ground_truth.load(name).game
    return game, exact(game, index, order).values


@cache
def unanimity(n_players, seed=1):
    """A game with main effects and interactions of 2 to 5 players, and a baseline."""
    rng = np.random.default_rng(seed)
    singles = rng.normal(size=n_players).round(3).tolist()
    coefficients = {(): 3.0} | {(i,): x for i, x in enumerate(singles)}
    for size in range(2, min(5, n_players) + 1):
        for _ in range(12):
            players = tuple(sorted(rng.choice(n_players, size, replace=False).tolist()))
            coefficients[players] = round(float(rng.normal()), 3)
    return SumOfUnanimity(coefficients, n_players)


def random_table(n_players, seed=0):
    return TableGame(np.random.default_rng(seed + 100 * n_players).normal(size=1 << n_players))


def spread(values):
    return max(float(np.max(values) - np.min(values)), float(np.max(np.abs(values))), 1e-300)


class Cubic:
    """v(S) = 1 + c·x + (a·x)^2 + Σ_k (b_k·x)^3: dense interactions of up to three players.

    Its values come from sums over the players, whatever their number.
    """

    player_names = None

    def __init__(self, n_players, seed=0):
        rng = np.random.default_rng(seed)
        self.n_players = n_players
        self.c = rng.normal(size=n_players)
        self.a = rng.normal(size=n_players) / np.sqrt(n_players)
        self.b = (rng.normal(size=(10, n_players)) + 0.2) / np.sqrt(n_players)

    def __call__(self, coalitions):
        z = coalitions.astype(float)
        return 1.0 + z @ self.c + (z @ self.a) ** 2 + ((z @ self.b.T) ** 3).sum(axis=1)

    def exact(self, index, order):
        """Values of sizes 1 to ``order`` (at most 2), from the Moebius coefficients' sums."""
        spec, n = indices.get(index), self.n_players
        single = self.c + self.a**2 + (self.b**3).sum(axis=0)
        pair = 2 * np.outer(self.a, self.a)
        over_one, over_two = np.zeros((n, n)), np.zeros(n)
        for b in self.b:
            pair += 3 * np.outer(b**2, b) + 3 * np.outer(b, b**2)
            # Σ of the triples' coefficients 6 b_i b_j b_k over k, and over j < k.
            over_one += 6 * np.outer(b, b) * (b.sum() - np.add.outer(b, b))
            over_two += 3 * b * ((b.sum() - b) ** 2 - (np.sum(b**2) - b**2))
        np.fill_diagonal(pair, 0)
        values = []
        for size in range(1, order + 1):
            mu = np.zeros(3)
            known = indices.moebius_weights(spec, n, size, order)[:3]
            mu[: len(known)] = known
            if size == 1:
                values.append(single * mu[0] + pair.sum(axis=1) * mu[1] + over_two * mu[2])
                continue
            i, j = np.triu_indices(n, 1)
            if spec.family == "derivative":
                values.append(pair[i, j] * mu[0] + over_one[i, j] * mu[1])
                continue
            inside = single[i] + single[j] + pair[i, j]
            one_more = pair.sum(axis=1)[i] + pair.sum(axis=1)[j] - 2 * pair[i, j] + over_one[i, j]
            two_more = over_two[i] + over_two[j] - 2 * over_one[i, j]
            values.append(inside * mu[0] + one_more * mu[1] + two_more * mu[2])
        return np.concatenate(values)


class Counting:
    """A game that is no CallableGame, and notes what it was asked for."""

    player_names = None

    def __init__(self, game):
        self.game, self.n_players = game, game.n_players
        self.asked, self.sizes = [], []

    def __call__(self, coalitions):
        assert coalitions.dtype == np.bool_
        self.sizes.append(len(coalitions))
        self.asked += [row.tobytes() for row in coalitions]
        return self.game(coalitions)


class EstimatorContract:
    """Subclasses give ``make`` and ``cases``, and say what their estimator guarantees."""

    # (index, order) pairs that all tests run on; the first is the main one.
    cases = (("SV", 1),)
    # An index, or an order of one, that it does not estimate.
    unsupported = ("Moebius", 3)
    # The bias that is allowed, as a multiple of the standard error (0 for an unbiased estimator).
    bias = 0.0
    # Whether additive games, null players and sums are exact at any budget.
    exact_on_additive = True
    exact_on_null = True
    efficient = frozenset()
    # Numbers of players beyond a table.
    large = (64, 65, 300)
    # No test spends more evaluations than this.
    most = 30_000

    @staticmethod
    def make():
        """A new estimator."""
        raise NotImplementedError

    def slack(self, n_players, index, order):
        """How many evaluations of a budget may be left over."""
        return 2

    def budget(self, n_players, index, order):
        """A budget at which the estimate is neither exact nor at its least."""
        least = self.make().least_budget(n_players, index=index, order=order)
        return max(2 * least, least + 4 * n_players)

    def pytest_generate_tests(self, metafunc):
        if "case" in metafunc.fixturenames:
            ids = [f"{index}-{order}" for index, order in self.cases]
            metafunc.parametrize("case", self.cases, ids=ids)
        if "n_large" in metafunc.fixturenames:
            metafunc.parametrize("n_large", self.large)

    def estimate(self, game, budget, case, seed=0, **more):
        index, order = case
        return self.make().estimate(
            game, budget, index=index, order=order, random_state=seed, **more
        )

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
            for seed in range(8):
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
            found = [self.estimate(game, budget, case, seed) for seed in range(6)]
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
        # Player 0 is null; 1 and 2 are symmetric.
        inner = random_table(4, 3).values.reshape(2, 2, 2, 2)
        inner = (inner + inner.transpose(0, 1, 3, 2)) / 2

        def worth(z):
            z = z.astype(int)
            return inner[z[:, 4], z[:, 3], z[:, 2], z[:, 1]] + z[:, 5:] @ [0.5, -1.0, 0.25, 2.0]

        game = CallableGame(worth, 9)
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
        off = [
            np.mean(
                [(self.estimate(game, budget, case, seed).values - truth) ** 2 for seed in range(8)]
            )
            for budget in (max(least, 400), 12_000)
        ]
        assert off[1] < 0.5 * off[0] + 1e-18

    def assert_within_errors(self, found, truth):
        # The values of one game err together, so this is less than what is asked of many games.
        off = np.abs(found.values - truth)
        inside = off <= 2 * found.std_error + 1e-9 * spread(truth)
        assert inside.mean() >= 0.8
        mean_square = np.mean(found.std_error**2) * (1 + self.bias**2)
        assert np.mean(off**2) <= 4 * mean_square + 1e-18 * spread(truth) ** 2

    # --- budget ---------------------------------------------------------------------------------

    def test_budget_is_kept_and_spent(self, case):
        least = self.make().least_budget(9, index=case[0], order=case[1])
        for budget in sorted({least, least + 1, least + 30, 300, 411, 511} - set(range(least))):
            if budget >= 512:
                continue
            game = Counting(unanimity(9))
            found = self.estimate(game, budget, case, seed=budget)
            assert found.n_evaluations == len(game.asked) <= budget
            assert len(set(game.asked)) == len(game.asked), "a coalition was asked for twice"
            assert len(game.asked) >= budget - self.slack(9, *case)
            assert not found.is_exact
        game = CallableGame(unanimity(9), 9)
        found = self.estimate(game, max(least, 200), case)
        assert game.n_evaluations == found.n_evaluations

    def test_too_small_a_budget_names_the_least(self, case):
        for n in (2, 3, 6, 12):
            if case[1] > n:
                continue
            least = self.make().least_budget(n, index=case[0], order=case[1])
            assert 2 <= least <= 2**n
            game = Counting(unanimity(n))
            with pytest.raises(BudgetError, match=rf"\b{least}\b"):
                self.estimate(game, least - 1, case)
            assert game.asked == []
            found = self.estimate(game, least, case)
            assert len(game.asked) <= least
            assert np.isfinite(found.values).all()
            assert np.isfinite(found.std_error).all()

    def test_tolerance(self, case):
        game = unanimity(13, 8)
        limit = max(8000, self.budget(13, *case))
        counts = []
        for tolerance in (0.3, 0.05):
            found = self.estimate(game, limit, case, tolerance=tolerance)
            reached = found.std_error.max() <= tolerance * np.ptp(found.values)
            counts.append(found.n_evaluations)
            assert reached or limit - found.n_evaluations <= self.slack(13, *case)
            assert found.n_evaluations <= limit
        assert counts[0] <= counts[1]

    def test_progress(self, case):
        seen = []
        budget = self.budget(10, *case)
        found = self.estimate(
            unanimity(10), budget, case, progress=lambda done, of: seen.append((done, of))
        )
        done = [one for one, _ in seen]
        assert done == sorted(done)
        assert done[-1] == found.n_evaluations
        assert {of for _, of in seen} == {budget}

    # --- repeatable -----------------------------------------------------------------------------

    def test_seeds(self, case):
        game, budget = unanimity(10), self.budget(10, *case)
        first = self.estimate(game, budget, case, 1)
        again = self.estimate(game, budget, case, 1)
        np.testing.assert_array_equal(first.values, again.values)
        np.testing.assert_array_equal(first.std_error, again.std_error)
        other = self.estimate(game, budget, case, 2)
        assert (first.values != other.values).any()
        drawn = [
            self.estimate(game, budget, case, np.random.default_rng(9)).values for _ in range(2)
        ]
        np.testing.assert_array_equal(*drawn)
        assert np.isfinite(self.estimate(game, budget, case, None).values).all()

    def test_batch_size_changes_nothing(self, case):
        budget = self.budget(10, *case)
        whole = self.estimate(unanimity(10), budget, case, 4)
        for size in (7, 64):
            game = Counting(unanimity(10))
            cut = self.estimate(game, budget, case, 4, batch_size=size)
            assert max(game.sizes) <= size
            np.testing.assert_array_equal(whole.values, cut.values)
            np.testing.assert_array_equal(whole.std_error, cut.std_error)

    def test_pickled(self, case):
        estimator = self.make()
        again = pickle.loads(pickle.dumps(estimator))
        assert type(again) is type(estimator)
        budget = self.budget(8, *case)
        kwargs = {"index": case[0], "order": case[1], "random_state": 3}
        found = [one.estimate(unanimity(8), budget, **kwargs).values for one in (estimator, again)]
        np.testing.assert_array_equal(*found)

    # --- many games at once ---------------------------------------------------------------------

    def test_batches_equal_one_by_one(self, case):
        games = [unanimity(10), unanimity(10, 2), random_table(10)]
        budget = self.budget(10, *case)
        index, order = case
        calls = []

        def worth(coalitions):
            calls.append(len(coalitions))
            return np.stack([game(coalitions) for game in games], axis=1)

        together = list(
            self.make().estimate_batch(worth, 10, budget, index=index, order=order, random_state=6)
        )
        assert len(together) == len(games)
        assert sum(calls) <= budget
        for one, game in zip(together, games, strict=True):
            alone = self.estimate(game, budget, case, 6)
            scale = spread(alone.values)
            np.testing.assert_allclose(one.values, alone.values, rtol=0, atol=1e-10 * scale)
            np.testing.assert_allclose(one.std_error, alone.std_error, rtol=1e-6, atol=1e-9 * scale)
            assert one.baseline == alone.baseline
            assert one.n_evaluations == alone.n_evaluations
            assert one.index == indices.get(index).name

    # --- refusals -------------------------------------------------------------------------------

    def test_worths_that_are_not_finite(self, case):
        n, budget = 10, self.budget(10, *case)

        def worth(coalitions):
            out = coalitions.sum(axis=1).astype(float)
            out[out == 1] = np.nan
            out[out == n] = np.inf
            return out

        game = Counting(unanimity(n))
        game.game = worth
        for bad in (game, CallableGame(worth, n)):
            with pytest.raises(InputError, match="finite"):
                self.estimate(bad, budget, case)

    def test_what_it_does_not_estimate(self):
        estimator = self.make()
        index, order = self.unsupported
        assert not estimator.supports(index, order=order)
        for name, size in self.cases:
            assert estimator.supports(name, order=size)
        with pytest.raises(UnknownIndexError):
            estimator.estimate(unanimity(8), 200, index=index, order=order)
        with pytest.raises(UnknownIndexError):
            estimator.estimate(unanimity(8), 200, index="Shaply")

    def test_parameters_are_fixed(self):
        estimator = self.make()
        with pytest.raises((AttributeError, TypeError)):
            estimator.something_new = 1
        assert type(estimator).__name__ in repr(estimator)
