"""The check on held-out worths: it sees none of them, and weighs processes by what they said."""

from dataclasses import replace

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import indices
from shapley_core.estimators import FourierRegression, GaussianProcess, covariance
from shapley_core.estimators.base import Task
from shapley_core.estimators.covariance import EVEN, ODD, Prior
from shapley_core.estimators.heldout import HeldOut, can_hold_out, left_out_of
from shapley_core.estimators.posterior import Posterior, predictions
from shapley_core.estimators.sample import Sample


def sample_of(game, budget, seed=0):
    task = Task(game.n_players, indices.get("SV"), 1, budget, seed)
    design = GaussianProcess()._design(task)
    worths = game(sc.coalitions.unpack(design.words, game.n_players))
    return task, Sample.of(task, design, (worths - worths[0])[:, None])


def soup():
    return sc.ground_truth.load("sentences/soup").game


def test_folds_are_predicted_without_being_seen():
    task, sample = sample_of(soup(), 60)
    processes = (FourierRegression(), GaussianProcess(least_noise=0.1))
    before = HeldOut.of(task, sample, processes, (EVEN, ODD))
    (_, held), *_ = sample.folds(4)
    parts = tuple(np.where(held[:, None], part + 5.0, part) for part in sample.parts)
    after = HeldOut.of(task, replace(sample, parts=parts), processes, (EVEN, ODD))
    first, m = slice(int(held.sum())), len(sample.inside)
    for parity in (EVEN, ODD):
        np.testing.assert_array_equal(before.mean[parity][:, first], after.mean[parity][:, first])
        np.testing.assert_allclose(after.truth[parity][first] - before.truth[parity][first], 5.0)
        assert not np.array_equal(before.mean[parity], after.mean[parity])
        assert before.mean[parity].shape == (2, m - 1, 1)
        assert before.variance[parity].shape == (2, m - 1)
        assert (before.variance[parity] > 0).all()


def test_every_pair_but_the_first_is_held_out_once():
    _, sample = sample_of(soup(), 60)
    times = sum(held.astype(int) for _, held in sample.folds(4))
    assert times.tolist() == [0] + [1] * (len(sample.inside) - 1)


def test_one_by_one_is_the_literal_posterior():
    task, sample = sample_of(soup(), 40)
    terms = (((0, 1),), ((0, 1, 2),))
    prior = replace(Prior.start(task.n_players), log_nugget=-2.0, slope=0.1, terms=terms)
    known = {parity: Posterior.of(prior, sample, parity) for parity in (EVEN, ODD)}
    found = HeldOut.one_by_one(sample, [left_out_of(known)])
    for parity in (EVEN, ODD):
        total = covariance.structured(prior, parity, sample.z, sample.z)
        diagonal = covariance.variances(prior, parity, sample.z)
        np.testing.assert_allclose(total.diagonal(), diagonal, rtol=1e-12)
        total += np.exp(prior.log_nugget) * np.eye(len(total))
        for at in (0, 3, 11):
            rest = np.delete(np.arange(len(total)), at)
            weights = np.linalg.solve(total[np.ix_(rest, rest)], total[rest, at])
            mean = weights @ sample.parts[parity][rest]
            variance = total[at, at] - weights @ total[rest, at]
            np.testing.assert_allclose(found.mean[parity][0, at], mean, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(found.variance[parity][0, at], variance, rtol=1e-6)


def test_predictions_elsewhere_are_the_literal_posterior():
    task, sample = sample_of(soup(), 40)
    prior = replace(Prior.start(task.n_players), log_nugget=-2.0, terms=(((0, 1),), ((0, 1, 2),)))
    there = covariance.signs(sc.coalitions.all_coalitions(task.n_players)[[5, 77]])
    for parity in (EVEN, ODD):
        total = covariance.structured(prior, parity, sample.z, sample.z)
        total += np.exp(prior.log_nugget) * np.eye(len(total))
        cross = covariance.structured(prior, parity, there, sample.z)
        own = covariance.structured(prior, parity, there, there) + np.exp(
            prior.log_nugget
        ) * np.eye(2)
        weights = np.linalg.solve(total, cross.T).T
        mean, variance = predictions(prior, Posterior.of(prior, sample, parity), sample, there)
        np.testing.assert_allclose(mean, weights @ sample.parts[parity], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(variance, (own - weights @ cross.T).diagonal(), rtol=1e-6)


def said(truth, *means):
    means = np.array(means)[:, :, None]
    ones = np.ones(means.shape[:2])
    return HeldOut({ODD: np.array(truth)[:, None]}, {ODD: means}, {ODD: ones})


def test_weights_are_those_of_the_least_squares():
    truth = np.array([1.0, 2.0, -1.0, 0.5])
    noise = np.array([0.3, -0.2, 0.4, 0.1])
    assert said(truth, truth, truth + noise).weights((ODD,)).tolist() == [1, 0]
    assert said(truth, truth + noise, truth).weights((ODD,)).tolist() == [0, 1]
    np.testing.assert_allclose(
        said(truth, truth + noise, truth - 3 * noise).weights((ODD,)), [0.75, 0.25]
    )
    # Beyond either process it does not go, and it keeps the first where nothing is gained.
    assert said(truth, truth + noise, truth + 2 * noise).weights((ODD,)).tolist() == [1, 0]
    assert said(truth, truth + noise, truth + 0.99 * noise).weights((ODD,)).tolist() == [1, 0]
    assert said(truth, truth + noise, truth + noise).weights((ODD,)).tolist() == [1, 0]
    assert said(truth, truth + noise).weights((ODD,)).tolist() == [1]


def test_calibration_is_the_mean_square_of_the_errors():
    check = said([1.0, 3.0], [0.0, 0.0], [2.0, 2.0])
    assert check.calibration((ODD,), np.array([1.0, 0.0])) == pytest.approx(5.0)
    assert check.calibration((ODD,), np.array([0.5, 0.5])) == pytest.approx(2.0)


def test_too_few_or_too_many_pairs_are_not_checked():
    _, sample = sample_of(soup(), 60)
    assert can_hold_out(sample)
    _, sample = sample_of(soup(), 14)
    assert not can_hold_out(sample)
