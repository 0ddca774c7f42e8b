"""Estimates are linear in the game, whatever the unit of its worths."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shapley_core as sc
from shapley_core.errors import InputError
from shapley_core.estimators import Estimates, SampleReuse
from shapley_core.estimators.units import moderate

from .test_base import Greedy

N = 6
NAMES = sc.estimators.names()
scales = st.tuples(st.integers(-600, 600), st.sampled_from([1.0, -1.0]))
# Multiples of 1/64, so that sums with small integers are exact.
tables = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(-640, 641, 1 << N) / 64
)


def case(name):
    """An index and an order of an estimator."""
    of = sc.estimators.get(name)()
    return next(one for one in (("SII", 2), ("JointSV", 2), ("SV", 1)) if of.supports(*one))


def settled(name, values, case_, **more):
    """The estimates, without any warning."""
    made = sc.estimators.get(name)()
    index, order = case_
    budget = min(made.least_budget(N, index, order) + 6, 62)
    if made.least_budget(N, index, order) > 62:
        (index, order), budget = ("SV", 1), 40
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return made.estimate(sc.TableGame(values), budget, index=index, order=order, **more)


def quiet_trees(name):
    if name == "TreeProxy":
        pytest.importorskip("lightgbm")


@pytest.mark.parametrize("name", NAMES)
def test_estimates_are_linear(name):
    quiet_trees(name)

    @settings(max_examples=4 if name in ("Auto", "TreeProxy") else 12, deadline=None)
    @given(values=tables, scale=scales, offset=st.integers(-50, 50), seed=st.integers(0, 99))
    def check(values, scale, offset, seed):
        factor = np.ldexp(scale[1], scale[0])
        plain = settled(name, values, case(name), random_state=seed)
        found = settled(name, (values + offset) * factor, case(name), random_state=seed)
        size = np.abs(values).max()
        close = {"rtol": 1e-9, "atol": 1e-12 * size}
        np.testing.assert_allclose(found.values / factor, plain.values, **close)
        np.testing.assert_allclose(found.std_error / abs(factor), plain.std_error, **close)
        assert found.baseline / factor == pytest.approx(plain.baseline + offset, abs=1e-9)
        assert found.estimator == plain.estimator
        assert np.abs(plain.std_error).max() > 0

    check()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-565, 2.0**530, 2.0**1000])
def test_extreme_worths_err_as_ordinary_ones(name, scale):
    quiet_trees(name)
    values = np.random.default_rng(3).normal(size=1 << N)
    plain = settled(name, values, case(name))
    found = settled(name, values * scale, case(name))
    np.testing.assert_array_equal(found.values / scale, plain.values)
    np.testing.assert_array_equal(found.std_error / scale, plain.std_error)


@pytest.mark.parametrize("name", NAMES)
def test_games_of_a_batch_have_units_of_their_own(name):
    quiet_trees(name)
    values = np.random.default_rng(4).normal(size=1 << N)
    factors = np.array([1.0, 2.0**-700, -(2.0**700)])

    def worth(factors):
        return lambda z: np.outer(sc.TableGame(values)(z), factors)

    index, order = ("SII", 1) if case(name)[0] == "SII" else case(name)
    asked = {"n_players": N, "budget": 40, "index": index, "order": order, "estimator": name}
    same = sc.estimate_batch(worth(np.sign(factors)), **asked)
    found = sc.estimate_batch(worth(factors), **asked)
    size = np.abs(factors)[:, None]
    np.testing.assert_array_equal(found.values / size, same.values)
    np.testing.assert_array_equal(found.std_error / size, same.std_error)
    np.testing.assert_array_equal(found.baseline / size[:, 0], same.baseline)


def test_constants_have_the_unit_of_the_worths():
    values = np.random.default_rng(5).normal(size=1 << N)
    plain = sc.estimate(sc.TableGame(values), 40, "FBII", 1)
    found = sc.estimate(sc.TableGame(values * 2.0**-800), 40, "FBII", 1)
    assert found.baseline * 2.0**800 == plain.baseline


def test_rounds_of_a_tolerance_stop_alike():
    def worth(scale):
        return sc.CallableGame(lambda z: scale * np.tanh(z @ np.linspace(0.2, 2, 12) / 5), 12)

    plain, found = (
        sc.estimate(worth(scale), 2000, estimator="KernelRegression", tolerance=0.02)
        for scale in (1.0, 2.0**-900)
    )
    assert plain.n_evaluations == found.n_evaluations < 2000
    np.testing.assert_array_equal(found.values * 2.0**900, plain.values)


@settings(deadline=None)
@given(
    worths=st.lists(st.floats(-1.0, 1.0, allow_subnormal=False), min_size=2, max_size=9),
    exponent=st.integers(-1000, 1023),
)
def test_moderate_worths(worths, exponent):
    given_worths = np.ldexp(np.array(worths), exponent)[:, None]
    differences, exponents = moderate(given_worths)
    size = np.abs(differences).max()
    assert size == 0.0 or 2.0**-201 <= size <= 2.0**200
    with np.errstate(over="ignore"):
        true = given_worths / 2 - given_worths[0] / 2
        back = np.ldexp(differences, exponents - 1)
    np.testing.assert_allclose(back, true, rtol=0, atol=1e-15 * np.abs(given_worths).max())
    if 2.0**-190 < np.abs(given_worths - given_worths[0]).max() < 2.0**190:
        # Ordinary worths are what they were, to the last bit.
        np.testing.assert_array_equal(differences, given_worths - given_worths[0])
        assert not exponents.any()


def test_a_control_of_ones_own_is_in_the_unit_of_the_worths():
    game = sc.games.Additive(np.arange(1.0, 9.0) * 2.0**250)
    table = sc.TableGame(game(sc.coalitions.all_coalitions(8)))
    found = SampleReuse(control=game).estimate(table, 60)
    np.testing.assert_allclose(found.values, game.exact("SV", 1).values, rtol=1e-12)


def test_values_beyond_float64_are_refused():
    huge = sc.CallableGame(lambda c: 1.7e308 * np.where(c[:, 0], 1.0, -1.0), 9)
    with warnings.catch_warnings(), pytest.raises(InputError, match="so large that the values"):
        warnings.simplefilter("error")
        sc.estimate(huge, 100, estimator="KernelRegression")
    # Differences that overflow in values that do not.
    rng = np.random.default_rng(6)
    table = sc.TableGame(1.7e308 * np.sign(rng.normal(size=512)))
    assert np.isfinite(sc.estimate(table, 200, estimator="KernelRegression").values).all()


@dataclass(frozen=True)
class Faulty(Greedy):
    """An estimator that gives what it is told to."""

    values: float = 1.0
    error: float = 1.0
    extra: int = 0

    def _solve(self, task, design, worths):
        shape = worths.shape[1], task.n_players + self.extra
        return Estimates(np.full(shape, self.values), np.full(shape, self.error))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"values": np.nan},
            "_solve gives values with numbers that are not finite for SV",
        ),
        ({"values": np.inf}, "_solve gives values with numbers that are not finite"),
        ({"error": np.nan}, "_solve gives std_error with NaN or negative numbers"),
        ({"error": -1.0}, "_solve gives std_error with NaN or negative numbers"),
        ({"extra": 1}, r"_solve gives values of shape \(1, 10\), not \(1, 9\)"),
    ],
)
def test_what_an_estimator_must_not_give(wrong, message):
    game = sc.CallableGame(lambda z: z.sum(axis=1) * 1.0, 9)
    with pytest.raises(InputError, match=rf"Faulty\.{message}"):
        Faulty(**wrong).estimate(game, 100)
    assert np.isinf(Faulty(error=np.inf).estimate(game, 100).std_error).all()


def test_a_design_beyond_the_budget():
    @dataclass(frozen=True)
    class Lavish(Greedy):
        def _design(self, task):
            return sc.estimators.Design(np.arange(task.budget + 1, dtype=np.uint64)[:, None])

    game = sc.CallableGame(lambda z: z.sum(axis=1) * 1.0, 9)
    with pytest.raises(InputError, match=r"Lavish\._design gives more than the 100 coalitions"):
        Lavish().estimate(game, 100)
