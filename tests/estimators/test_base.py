"""What every estimator shares: arguments, budget, batches, rounds, results."""

import pickle
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import shapley_core as sc
from shapley_core.errors import BudgetError, InputError, UnknownIndexError
from shapley_core.estimators import Estimates, Estimator, KernelRegression, stopping
from shapley_core.estimators.randomness import seed_of

N = 9

# What is tested here is common to all: the quickest of them does.
estimate = partial(sc.estimate, estimator="KernelRegression")
estimate_batch = partial(sc.estimate_batch, estimator="KernelRegression")


def worth(coalitions):
    x = coalitions @ np.arange(1.0, coalitions.shape[1] + 1)
    return np.sin(x) + 0.1 * x


def game(n=N):
    return sc.CallableGame(worth, n)


@dataclass(frozen=True)
class Greedy(Estimator):
    """An estimator whose larger designs share nothing with the smaller ones."""

    def _supports(self, spec, order):
        return spec.name == "SV"

    def _least_budget(self, n_players, spec, order):
        return 4

    def _design(self, task):
        words = np.arange(task.budget, dtype=np.uint64)[:, None]
        words[1:] = words[1:] + np.uint64(task.budget % 64)
        return sc.estimators.Design(words)

    def _solve(self, task, design, worths):
        values = np.ones((worths.shape[1], task.n_players))
        return Estimates(values, values)


def test_the_game_is_asked_in_the_order_of_the_design_in_batches():
    asked = []

    def counted(coalitions):
        asked.append(coalitions.copy())
        return worth(coalitions)

    estimator = KernelRegression()
    result = estimator.estimate(sc.CallableGame(counted, N), 101, batch_size=32)
    assert [len(batch) for batch in asked] == [32, 32, 32, 4]
    assert result.n_evaluations == 100
    every = np.concatenate(asked)
    assert len(np.unique(every, axis=0)) == 100
    assert not every[0].any()
    assert every[1].all()


@pytest.mark.parametrize("batch_size", [1, 7, 10**9])
def test_the_result_does_not_depend_on_the_batches(batch_size):
    one, other = estimate(game(), 100), estimate(game(), 100, batch_size=batch_size)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.std_error, other.std_error)


def test_seeds():
    def values(random_state):
        return estimate(game(), 100, random_state=random_state).values

    np.testing.assert_array_equal(values(3), values(np.int32(3)))
    assert (values(3) != values(4)).any()
    assert (values(None) != values(None)).any()
    rng = np.random.default_rng(5)
    first, second = values(rng), values(rng)
    assert (first != second).any()
    np.testing.assert_array_equal(first, values(np.random.default_rng(5)))


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    estimate(game(), 100, random_state=None)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("wrong", ["0", 1.5, True, np.random.RandomState(0)])
def test_random_states_of_the_wrong_type(wrong):
    with pytest.raises(TypeError, match="random_state"):
        estimate(game(), 100, random_state=wrong)


@pytest.mark.parametrize("wrong", [-1, 1 << 64])
def test_seeds_out_of_range(wrong):
    with pytest.raises(InputError, match="random_state must be 0 to"):
        seed_of(wrong)


def test_full_budget_is_exact():
    for budget in (512, 10**30):
        result = estimate(game(), budget)
        assert result.is_exact
        assert result.n_evaluations == 512
        np.testing.assert_array_equal(result.std_error, 0.0)
        np.testing.assert_allclose(result.values, sc.exact(game()).values, atol=1e-14)


def test_a_result_says_what_it_is():
    named = sc.CallableGame(worth, 3, ["a", "b", "c"])
    result = estimate(named, 8)
    assert result.player_names == ("a", "b", "c")
    result = estimate(sc.CallableGame(lambda c: worth(c) + 7, N), 100)
    assert result.baseline == 7
    assert not result.is_exact
    assert (result.index, result.order, result.n_players) == ("SV", 1, N)


def test_any_game_is_welcome():
    voting = sc.games.WeightedVoting([5, 4, 3, 2, 2, 1, 1, 1], quota=10)
    for one in (
        voting,
        sc.CallableGame(voting, 8),
        sc.TableGame(voting(sc.coalitions.all_coalitions(8))),
    ):
        np.testing.assert_array_equal(estimate(one, 60).values, estimate(voting, 60).values)


def test_a_large_offset_does_not_matter():
    far = sc.CallableGame(lambda c: worth(c) + 2.0**40, N)
    # Worths are rounded to 2**-12 there.
    near = estimate(game(), 100).values
    np.testing.assert_allclose(estimate(far, 100).values, near, rtol=0, atol=2.0**-12)


def test_too_small_a_budget_names_the_least():
    least = KernelRegression().least_budget(N)
    with pytest.raises(BudgetError, match=f"at least {least} evaluations .* got {least - 1}"):
        estimate(game(), least - 1)
    assert estimate(game(), least).n_evaluations <= least
    assert KernelRegression().least_budget(2) == 4
    assert KernelRegression().least_budget(5000) == 10006


@pytest.mark.parametrize("budget", ["100", 100.0, None, True])
def test_budget_is_an_integer(budget):
    with pytest.raises(TypeError, match="budget must be an integer"):
        estimate(game(), budget)


def test_an_index_that_is_not_supported():
    with pytest.raises(UnknownIndexError, match=r"KernelRegression does not estimate CHGV"):
        KernelRegression().estimate(game(), 100, index="CHGV")
    with pytest.raises(UnknownIndexError, match="SV has order 1 only"):
        estimate(game(), 100, order=2)
    with pytest.raises(UnknownIndexError, match="unknown index"):
        estimate(game(), 100, index="Shapley")


def test_supports():
    assert KernelRegression().supports("SV")
    assert not KernelRegression().supports("SV", 2)
    assert not KernelRegression().supports("SV", 0)
    with pytest.raises(UnknownIndexError):
        KernelRegression().supports("Shapley")


def test_worths_that_are_not_finite():
    def wrong(coalitions):
        return np.where(coalitions.sum(axis=1) == 1, np.nan, 1.0)

    with pytest.raises(InputError, match=r"nan for coalition \{"):
        estimate(sc.CallableGame(wrong, N), 100)


def test_worths_beyond_float64():
    huge = sc.CallableGame(lambda c: 1.7e308 * np.where(c[:, 0], 1.0, -1.0), N)
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(InputError, match="so large"):
        estimate(huge, 100)


def test_what_is_no_game():
    with pytest.raises(TypeError, match="a game is wanted"):
        estimate(worth, 100)


@pytest.mark.parametrize("batch_size", [0, -3])
def test_batch_size_is_positive(batch_size):
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        estimate(game(), 100, batch_size=batch_size)


def test_progress():
    seen = []
    estimate(game(), 101, batch_size=40, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(40, 101), (80, 101), (100, 101)]
    with pytest.raises(TypeError, match="progress must be a function"):
        estimate(game(), 100, progress=3)


# --- many games --------------------------------------------------------------------------------


def many(coalitions):
    return np.stack([worth(coalitions) * k + k for k in range(1, 5)], axis=1)


@pytest.mark.parametrize("budget", [80, 512])
def test_many_games_are_as_one_by_one(budget):
    batch = estimate_batch(many, N, budget)
    assert batch.values.shape == batch.std_error.shape == (4, N)
    assert len(batch) == 4
    assert batch.is_exact == (budget == 512)
    for k, one in enumerate(batch, start=1):
        alone = estimate(sc.CallableGame(lambda c, k=k: worth(c) * k + k, N), budget)
        np.testing.assert_allclose(one.values, alone.values, atol=1e-12)
        np.testing.assert_allclose(one.std_error, alone.std_error, atol=1e-12)
        assert one.baseline == alone.baseline == k
        assert one.n_evaluations == alone.n_evaluations
    assert [one[0] for one in batch[1:3]] == [batch[1][0], batch[2][0]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda c: np.zeros(len(c)), r"shape \(\d+, n_games\)"),
        (lambda c: np.zeros((len(c) + 1, 2)), r"shape \(\d+, n_games\)"),
        (lambda c: np.zeros((len(c), 0)), r"shape \(\d+, n_games\)"),
        (lambda c: np.full((len(c), 2), np.inf), r"inf for coalition \{\} of game 0"),
        (lambda c: [["a"]] * len(c), "real numbers"),
        (lambda c: np.zeros((len(c), 1 + c.all(axis=1).sum())), "1 games first, now 2"),
    ],
)
def test_wrong_worths_of_many_games(wrong, message):
    with pytest.raises(InputError, match=message):
        estimate_batch(wrong, N, 80, batch_size=1)


def test_worth_of_many_games_is_a_function():
    with pytest.raises(TypeError, match="worth must be a function"):
        estimate_batch(game().table().values, N, 80)


# --- tolerance ---------------------------------------------------------------------------------


def smooth(coalitions):
    n = coalitions.shape[1]
    return np.tanh(coalitions @ np.linspace(0.2, 2, n) / n)


def test_a_tolerance_stops_before_the_budget():
    asked = []

    def counted(coalitions):
        asked.append(coalitions)
        return smooth(coalitions)

    one = sc.CallableGame(counted, 20)
    result = estimate(one, 100_000, tolerance=0.01)
    assert result.n_evaluations < 5000
    assert result.std_error.max() <= 0.01 * result.values.max()
    every = np.concatenate(asked)
    assert len(every) == result.n_evaluations == one.n_evaluations
    assert len(np.unique(every, axis=0)) == len(every)


def test_a_tolerance_that_is_not_reached_uses_the_budget():
    result = estimate(sc.CallableGame(smooth, 20), 1000, tolerance=1e-9)
    whole = estimate(sc.CallableGame(smooth, 20), 1000)
    assert result.n_evaluations == 1000
    np.testing.assert_allclose(result.values, whole.values, rtol=0, atol=1e-12)


def test_a_tolerance_with_a_budget_for_all_coalitions():
    result = estimate(sc.CallableGame(smooth, 12), 10**9, tolerance=0.02)
    assert result.n_evaluations < 4096
    assert not result.is_exact
    result = estimate(sc.CallableGame(smooth, 12), 10**9, tolerance=1e-12)
    assert result.is_exact
    assert result.n_evaluations == 4096


def test_rounds_that_share_nothing_never_exceed_the_budget():
    one = sc.CallableGame(worth, N)
    result = Greedy().estimate(one, 300, tolerance=1e-9)
    assert one.n_evaluations == result.n_evaluations <= 300


def test_rules_combine():
    def at(n_evaluations=10, seconds=1.0, std_error=0.1, values=(0.0, 2.0)):
        return stopping.Progress(
            n_evaluations, 20, seconds, np.array([values]), np.full((1, 2), std_error)
        )

    loose, tight = stopping.StdErrorBelow(0.2), stopping.StdErrorBelow(0.05)
    assert loose(at())
    assert not tight(at())
    assert (loose | tight)(at())
    assert not (loose & tight)(at())
    assert stopping.BudgetSpent()(at(n_evaluations=20))
    assert not stopping.BudgetSpent()(at())
    assert stopping.TimeSpent(0.5)(at())
    assert not stopping.TimeSpent(1.5)(at())
    assert stopping.RelativeStdErrorBelow(0.05)(at())
    assert not stopping.RelativeStdErrorBelow(0.04)(at())
    # Values that are all the same have a range too: 0 is part of it.
    assert stopping.RelativeStdErrorBelow(0.05)(at(values=(2.0, 2.0)))
    with pytest.raises(TypeError, match="stopping rule"):
        loose | 0.1


@pytest.mark.parametrize("wrong", ["0.1", None, True, np.array([0.1, 0.2]), 1j])
def test_bounds_that_are_no_numbers(wrong):
    for rule in (stopping.StdErrorBelow, stopping.RelativeStdErrorBelow, stopping.TimeSpent):
        with pytest.raises(TypeError, match="must be a positive number"):
            rule(wrong)


@pytest.mark.parametrize("kind", ["StdErrorBelow", "RelativeStdErrorBelow", "TimeSpent"])
def test_bounds_of_any_size(kind):
    rule = getattr(stopping, kind)
    for bound in (10**30, Fraction(1, 3), np.float32(0.5)):
        found = estimate(game(), 100, tolerance=rule(bound))
        assert found.n_evaluations <= 100
    with pytest.raises(InputError, match="must be a positive number"):
        rule(10**400)


def test_a_tolerance_is_real():
    with pytest.raises(TypeError, match="tolerance must be a number"):
        estimate(game(), 100, tolerance=np.complex128(0.1))
    assert estimate(game(), 100, tolerance=np.float32(0.1)).n_evaluations <= 100


def test_rules_in_use():
    one = sc.CallableGame(smooth, 20)
    result = estimate(one, 100_000, tolerance=stopping.StdErrorBelow(0.001))
    assert result.std_error.max() <= 0.001
    assert result.n_evaluations < 100_000
    quick = estimate(one, 10_000, tolerance=stopping.TimeSpent(1e-9))
    assert quick.n_evaluations < 200


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_tolerances_out_of_range(wrong):
    with pytest.raises(InputError, match="must be a positive number"):
        estimate(game(), 100, tolerance=wrong)


@pytest.mark.parametrize("wrong", ["0.1", True, [0.1]])
def test_tolerances_of_the_wrong_type(wrong):
    with pytest.raises(TypeError, match="tolerance must be"):
        estimate(game(), 100, tolerance=wrong)


# --- names -------------------------------------------------------------------------------------


def test_names():
    assert "KernelRegression" in sc.estimators.names()
    for name in sc.estimators.names():
        one = sc.estimators.get(name)()
        assert type(one).__name__ == name
        assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(InputError, match=r"unknown estimator 'kernelregresion'; did you mean Kern"):
        sc.estimators.get("kernelregresion")


def test_an_estimator_by_name_class_or_itself():
    expected = estimate(game(), 100, estimator=KernelRegression("kernel")).values
    assert (estimate(game(), 100, estimator="KernelRegression").values != expected).any()
    for one in ("KernelRegression", KernelRegression, KernelRegression()):
        np.testing.assert_array_equal(
            estimate(game(), 100, estimator=one).values,
            KernelRegression().estimate(game(), 100).values,
        )
    with pytest.raises(TypeError, match="estimator must be"):
        estimate(game(), 100, estimator=3)
