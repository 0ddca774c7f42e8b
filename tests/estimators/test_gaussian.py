"""The normal process: its covariance, what is read out of it, and the posterior, literally."""

from dataclasses import replace

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import coalitions as sets
from shapley_core import indices
from shapley_core.errors import InputError
from shapley_core.estimators import GaussianProcess, covariance, posterior, sample
from shapley_core.estimators.base import Task
from shapley_core.estimators.covariance import EVEN, ODD, Prior
from shapley_core.estimators.readout import Readout
from shapley_core.estimators.sample import Sample

INDICES = [
    ("SV", 1),
    ("BV", 1),
    ("SII", 2),
    ("SII", 3),
    ("BII", 2),
    ("CHII", 2),
    ("STII", 2),
    ("k-SII", 2),
    ("k-SII", 3),
    ("FSII", 2),
    ("FSII", 3),
    ("kADD-SHAP", 2),
    ("WBV(1/3)", 1),
    ("BetaShapley(2,3)", 1),
]


def test_sizes_that_an_index_hangs_on_are_seen():
    n = 12
    sizes = {}
    for index in ("SV", "STII", "BetaShapley(16,1)", "Moebius"):
        task = Task(n, indices.get(index), 1 + (index == "STII"), 60, 0)
        design = GaussianProcess()._design(task)
        sizes[index] = np.bincount(sets.unpack(design.words, n).sum(axis=1), minlength=n + 1)
    np.testing.assert_array_equal(sizes["SV"], sizes["STII"])
    assert sizes["SV"][1] < n
    assert sizes["BetaShapley(16,1)"][1] == sizes["Moebius"][1] == n


def some_prior(n, slope=0.3, terms=((), ())):
    rng = np.random.default_rng(n)
    start = Prior.start(n)
    log_b = start.log_b + rng.normal(0, 0.5, n)
    return replace(start, log_b=log_b, slope=slope, log_nugget=-3.0, terms=terms)


def lattice(n):
    return covariance.signs(sets.all_coalitions(n))


def literal(prior):
    """k on all coalitions, with either sign of the slope as likely: the parts are independent."""
    z = lattice(prior.n_players)
    k = np.exp(prior.log_scale) * np.exp(
        sum(np.exp(b) * (np.outer(x, x) - 1) for b, x in zip(prior.log_b, z.T, strict=True))
    )
    size = z.sum(axis=1)
    return k * np.cosh(prior.slope / 2 * np.add.outer(size, size))


def functional(n, index, order):
    """The values as a matrix on worths, from the exact engine on one coalition at a time."""
    rows = []
    for position in range(1 << n):
        worths = np.zeros(1 << n)
        worths[position] = 1.0
        rows.append(sc.exact(sc.TableGame(worths), index, order).values)
    return np.array(rows).T


def readouts(n, index, order):
    every = sc.coalitions.InteractionSet.complete(n, order)
    spec = indices.get(index)
    for size in range(1, order + 1):
        yield Readout(spec, order, n, every.block(size).astype(np.int64)), every.slice_of(size)


def test_the_parts_of_the_covariance():
    n = 5
    prior = some_prior(n)
    z = lattice(n)[[0, 3, 9, 30]]
    even, odd = (covariance.smooth(prior, parity, z, z) for parity in (EVEN, ODD))
    at = [0, 3, 9, 30]
    other = [(1 << n) - 1 - p for p in at]
    full = literal(prior)
    for sign, part in ((1, even), (-1, odd)):
        expected = (
            full[np.ix_(at, at)]
            + sign * full[np.ix_(at, other)]
            + sign * full[np.ix_(other, at)]
            + full[np.ix_(other, other)]
        ) / 4
        np.testing.assert_allclose(part, expected, rtol=1e-12)


def test_gradient_of_the_likelihood():
    rng = np.random.default_rng(0)
    n = 6
    z = covariance.signs(rng.random((20, n)) < 0.5)
    parts = rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    prior = some_prior(n, terms=(((0, 1),), ((0, 1, 2),)))
    features = tuple(covariance.characters(prior.terms[p], z) for p in (EVEN, ODD))
    at = prior.vector()

    def loss(vector):
        return covariance._loss(prior.at(vector), z, parts, features)

    steps = 1e-6 * np.eye(len(at))
    numeric = [(loss(at + step)[0] - loss(at - step)[0]) / 2e-6 for step in steps]
    np.testing.assert_allclose(loss(at)[1], numeric, rtol=1e-5, atol=1e-5)


def test_learning_raises_the_likelihood():
    rng = np.random.default_rng(1)
    z = covariance.signs(rng.random((30, 6)) < 0.5)
    parts = np.ones((30, 1)) * 0.1, z[:, :1] + 0.2 * z[:, 1:2] * z[:, 2:3] * z[:, 3:4]
    start = Prior.start(6)
    found = covariance.learn(start, z, parts, np.arange(30))
    features = (np.empty((30, 0)),) * 2
    before, _ = covariance._loss(start, z, parts, features)
    after, _ = covariance._loss(found, z, parts, features)
    assert after < before - 10
    # The players that matter are alike no more.
    assert found.log_b[1] > found.log_b[4] and found.log_b[2] > found.log_b[5]


@pytest.mark.parametrize(("index", "order"), INDICES)
def test_values_of_the_covariance_are_those_of_its_table(index, order):
    n = 5
    prior = some_prior(n)
    z = lattice(n)[[1, 6, 12]]
    gamma = functional(n, index, order)
    every = [covariance.smooth(prior, parity, lattice(n), z) for parity in (EVEN, ODD)]
    for readout, here in readouts(n, index, order):
        for parity in readout.parities():
            tables = every[parity]
            expected = gamma[here] @ tables
            cov = readout.covariances(prior, z, parity, slice(None))
            np.testing.assert_allclose(cov.T, expected, rtol=1e-10, atol=1e-12)
            alpha = np.array([[1.0, 2.0], [0.5, 0.0], [-1.0, 3.0]])
            np.testing.assert_allclose(
                readout.of_smooth(prior, z, parity, alpha), cov.T @ alpha, rtol=1e-10, atol=1e-12
            )
        one, two = readout.variances(prior), readout.variances(replace(prior, slope=-prior.slope))
        expected = np.einsum("ij,jk,ik->i", gamma[here], literal(prior), gamma[here])
        np.testing.assert_allclose((one + two) / 2, expected, rtol=1e-10)
        squares = (gamma[here] ** 2).sum(axis=1)
        np.testing.assert_allclose(readout.nugget_variance(), squares, rtol=1e-12)
        by_size = np.random.default_rng(0).normal(size=n + 1)
        expected = gamma[here] @ by_size[covariance.sizes_of(lattice(n))]
        np.testing.assert_allclose(expected, readout.sizes() @ by_size, atol=1e-12)
        for size in range(readout.size, n + 1):
            chi = covariance.characters([tuple(range(size))], lattice(n))[:, 0]
            assert (gamma[here] @ chi)[0] == pytest.approx(readout.of_term(size), abs=1e-12)


@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("SII", 2), ("BII", 2)])
def test_posterior_is_the_literal_one(index, order):
    n = 5
    terms = (((0, 1, 2, 3),), ((1, 2, 4),))
    prior = some_prior(n, terms=terms)
    spec = indices.get(index)
    task = Task(n, spec, order, 18, 3)
    estimator = GaussianProcess()
    design = estimator._design(task)
    worths = np.random.default_rng(2).normal(size=(len(design.words), 1))
    worths -= worths[0]
    seen_there = Sample.of(task, design, worths)
    values, errors = posterior.values_under(prior, task, seen_there)
    # The game on the whole lattice: smooth part, main effects, terms, level, nugget.
    z = lattice(n)
    total = literal(prior) + np.exp(prior.log_main) * z @ z.T + covariance.LEVEL
    mean = z.mean(axis=1) * np.exp(-prior.log_reach)
    total += np.exp(prior.log_alike - np.subtract.outer(mean, mean) ** 2 / 2)
    for parity in (EVEN, ODD):
        chi = covariance.characters(terms[parity], z)
        total += np.exp(prior.log_term) * chi @ chi.T
    # Of either part the nugget has the variance η, so of the game 2 η.
    total += 2 * np.exp(prior.log_nugget) * np.eye(1 << n)
    at = design.words[:, 0].astype(int)
    pairs = at[0::2], at[1::2]
    gamma = functional(n, index, order)
    for size in range(1, order + 1):
        here = task.interactions.slice_of(size)
        sign = -1.0 if size % 2 else 1.0
        see = np.zeros((len(pairs[0]), 1 << n))
        see[np.arange(len(see)), pairs[0]] += 0.5
        see[np.arange(len(see)), pairs[1]] += 0.5 * sign
        seen = see @ total @ see.T
        cross = gamma[here] @ total @ see.T
        weights = np.linalg.solve(seen, cross.T).T
        target = seen_there.parts[size % 2][:, 0]
        variance = np.einsum("ij,jk,ik->i", gamma[here], total, gamma[here])
        variance -= (weights * cross).sum(axis=1)
        np.testing.assert_allclose(values[0, here], weights @ target, rtol=1e-7, atol=1e-9)
        inverse = np.linalg.inv(seen)
        calibration = np.mean((inverse @ target) ** 2 / inverse.diagonal())
        allowance = max(1.0, calibration) * (1 + 3 * (n + 5) / len(see))
        np.testing.assert_allclose(errors[0, here], np.sqrt(variance * allowance), rtol=1e-6)


@pytest.mark.parametrize(("index", "order"), INDICES)
def test_exact_with_all_coalitions(index, order):
    for n in (1, 2, 3, 6):
        if order > n:
            continue
        worths = np.random.default_rng(n).normal(size=1 << n)
        task = Task(n, indices.get(index), order, 1 << n, 0)
        estimator = GaussianProcess()
        design = estimator._design(task)
        assert len(design.words) == 1 << n
        seen = (worths[design.words[:, 0].astype(int)] - worths[0])[:, None]
        found = estimator._solve(task, design, seen)
        expected = sc.exact(sc.TableGame(worths), index, order).values
        np.testing.assert_allclose(found.values[0], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("index", "order"), [("FBII", 2), ("FBII", 3), ("Fourier", 2)])
def test_constants_are_exact_with_all_coalitions(index, order):
    worths = np.random.default_rng(8).normal(size=64)
    task = Task(6, indices.get(index), order, 64, 0)
    estimator = GaussianProcess()
    design = estimator._design(task)
    seen = (worths[design.words[:, 0].astype(int)] - worths[0])[:, None]
    found = estimator._solve(task, design, seen)
    expected = sc.exact(sc.TableGame(worths), index, order)
    np.testing.assert_allclose(found.values[0], expected.values, rtol=0, atol=1e-10)
    assert found.constant[0] + worths[0] == pytest.approx(expected.baseline, abs=1e-10)


def test_a_constant_is_estimated():
    game = sc.ground_truth.load("uncertainty/diabetes_spread").game
    true = sc.exact(game, "FBII", 2)
    found = sc.estimate(game, 300, "FBII", 2, estimator="GaussianProcess")
    assert abs(found.baseline - true.baseline) < 0.02 * np.abs(true.values).max()


def test_the_parts_that_an_index_depends_on():
    n = 6
    for index, order, expected in [
        ("SII", 2, [(1,), (0,)]),
        ("k-SII", 2, [(0, 1), (0,)]),
        ("FSII", 2, [(0, 1), (0,)]),
        ("FBII", 2, [(0, 1), (0,)]),
        ("STII", 2, [(0, 1), (0, 1)]),
    ]:
        found = [readout.parities() for readout, _ in readouts(n, index, order)]
        assert found == expected, index


@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("k-SII", 2), ("FSII", 2)])
def test_more_players_than_nodes(index, order):
    """Σ of the values of up to k players is the worth of all, whatever the prior."""
    n = 90
    weights = np.random.default_rng(0).random(n)
    game = sc.CallableGame(lambda c: np.sqrt(1 + c @ weights), n)
    found = sc.estimate(game, 2 * n, index, order, estimator="GaussianProcess")
    assert found.values.sum() == pytest.approx(np.sqrt(1 + weights.sum()) - 1, rel=1e-6)


def test_least_noise_is_a_share():
    for wrong in (-0.1, 1.0, float("nan")):
        with pytest.raises(InputError, match="least_noise must be at least 0 and less than 1"):
            GaussianProcess(least_noise=wrong)


def test_more_pairs_than_the_covariance_takes(monkeypatch):
    game = sc.ground_truth.load("global_importance/california_xgboost").game
    true = sc.exact(game).values
    monkeypatch.setattr(sample, "_MOST_ROWS", 40)
    found = sc.estimate(game, 200, estimator="GaussianProcess")
    assert np.abs(found.values - true).max() < 0.02 * np.abs(true).max()
    # With all coalitions, those that are only predicted count as they are.
    task = Task(8, indices.get("SV"), 1, 256, 0)
    design = GaussianProcess()._design(task)
    worths = game.values[design.words[:, 0].astype(int)] - game.values[0]
    values = GaussianProcess()._solve(task, design, worths[:, None]).values[0]
    np.testing.assert_allclose(values, true, rtol=0, atol=1e-10 * np.abs(true).max())


def test_many_games_at_once():
    names = ["local_explanation/breast_cancer_forest_marginal", "feature_selection/diabetes_ridge"]
    games = [sc.ground_truth.load(name).game for name in names]

    def worth(coalitions):
        at = sets.positions(coalitions)
        return np.stack([game.values[at] for game in games], axis=1) * [1.0, 1e6]

    found = sc.estimate_batch(worth, 10, 200, estimator="GaussianProcess")
    for row, game, scale in zip(found.values, games, (1.0, 1e6), strict=True):
        true = sc.exact(game).values * scale
        assert np.abs(row - true).max() < 0.1 * np.abs(true).max()
    assert found.estimator == found[0].estimator == "GaussianProcess"


def test_two_standard_errors_cover():
    inside = []
    kinds = ("data_valuation", "feature_selection", "local_explanation", "uncertainty")
    names = [name for kind in kinds for name in sc.ground_truth.names(kind)]
    for name in names[::2]:
        game = sc.ground_truth.load(name).game
        n = game.n_players
        for index, order in (("SV", 1), ("SII", 2)):
            true = sc.exact(game, index, order).values
            found = sc.estimate(game, 10 * n, index, order, estimator="GaussianProcess")
            off = np.abs(found.values - true)
            inside.append(np.mean(off <= 2 * found.std_error + 1e-12 * np.abs(true).max()))
            # And they are of the size of the errors.
            assert np.sqrt(np.mean(found.std_error**2)) < 30 * np.sqrt(np.mean(off**2)) + 1e-9
    assert np.mean(inside) >= 0.9, inside


def test_a_constant_game_and_few_worths():
    for n in (2, 3, 40):
        found = sc.estimate(sc.CallableGame(lambda c: np.full(len(c), 3.0), n), n + 4)
        np.testing.assert_allclose(found.values, 0, atol=1e-12)
        assert found.baseline == 3.0


@pytest.mark.parametrize(("n", "budget"), [(64, 300), (65, 300), (300, 400)])
def test_many_players(n, budget):
    weights = np.random.default_rng(n).random(n)
    game = sc.CallableGame(lambda c: np.sqrt(c @ weights), n)
    found = sc.estimate(game, budget, estimator="GaussianProcess")
    assert found.n_evaluations <= budget
    assert found.values.sum() == pytest.approx(np.sqrt(weights.sum()), rel=1e-6)
    # Marginal contributions are nearly in proportion to the weights.
    near = weights / weights.sum() * np.sqrt(weights.sum())
    assert np.mean(np.abs(found.values - near) <= 3 * found.std_error) > 0.9
    if budget > 4 * n:
        assert np.corrcoef(found.values, weights)[0, 1] > 0.95
