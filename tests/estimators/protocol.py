"""What every estimator is held to but for its values: budget, seeds, batches, refusals."""

import pickle

import numpy as np
import pytest

from shapley_core import indices
from shapley_core.errors import BudgetError, InputError, UnknownIndexError
from shapley_core.game import CallableGame

from .games import Counting, random_table, spread, unanimity


class ProtocolContract:
    """Subclasses give ``make`` and ``cases``, and say what their estimator guarantees."""

    # (index, order) pairs that all tests run on; the first is the main one.
    cases = (("SV", 1),)
    # An index, or an order of one, that it does not estimate.
    unsupported = ("Moebius", 3)
    # Numbers of players beyond a table.
    large = (64, 65, 300)
    # No test spends more evaluations than this; one with a tolerance as many as this.
    most = 30_000
    enough = 8_000
    # Budgets for nine players beside the least.
    budgets = (300, 411, 511)

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

    # --- budget ---------------------------------------------------------------------------------

    def test_budget_is_kept_and_spent(self, case):
        least = self.make().least_budget(9, index=case[0], order=case[1])
        for budget in sorted({least, least + 1, least + 30, *self.budgets} - set(range(least))):
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
        limit = max(self.enough, self.budget(13, *case))
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
