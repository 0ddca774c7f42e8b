"""The factor of a covariance, and what follows from it, beside the plain formulas."""

from dataclasses import replace

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import indices
from shapley_core.estimators import (
    GaussianProcess,
    candidates,
    covariance,
    factored,
    fourier,
    posterior,
    recovery,
)
from shapley_core.estimators import sample as samples
from shapley_core.estimators.base import Task
from shapley_core.estimators.covariance import EVEN, ODD, Prior
from shapley_core.estimators.factored import Factored
from shapley_core.estimators.heldout import HeldOut, left_out_of
from shapley_core.estimators.posterior import Posterior, values_under
from shapley_core.estimators.sample import Sample


def some(n, m, slope=0.2):
    rng = np.random.default_rng(n)
    z = covariance.signs(np.unique(rng.random((m, n)) < 0.5, axis=0))
    terms = (((0, 1), (2, 3)), ((0, 1, 2),))
    log_b = Prior.start(n).log_b + rng.normal(size=n) / 2
    return replace(Prior.start(n), log_b=log_b, slope=slope, log_nugget=-4.0, terms=terms), z


def sample_of(game, n, budget, seed=1):
    task = Task(n, indices.get("SV"), 1, budget, seed)
    design = GaussianProcess()._design(task)
    worths = game(sc.coalitions.unpack(design.words, n))
    return task, Sample.of(task, design, (worths - worths[0])[:, None])


def smooth_game(n):
    weights, more = np.random.default_rng(n).normal(size=(2, n))
    return lambda coalitions: np.tanh(coalitions @ weights) + np.cos(coalitions @ more)


@pytest.mark.parametrize("slope", [0.0, 0.2])
@pytest.mark.parametrize("parity", [EVEN, ODD])
def test_a_covariance_in_blocks_is_the_whole(parity, slope, monkeypatch):
    prior, z = some(7, 60, slope)
    whole = covariance.structured(prior, parity, z, z)
    np.testing.assert_allclose(whole, whole.T, rtol=1e-12)
    monkeypatch.setattr(covariance, "_CELLS", 9 * len(z))
    found = covariance.upper(prior, parity, z)
    np.testing.assert_allclose(np.triu(found), np.triu(whole), rtol=1e-12)
    # Where one exponential is not the other's inverse, for that would vanish.
    monkeypatch.setattr(covariance, "_MODERATE", 0.0)
    found = covariance.structured(prior, parity, z, z)
    np.testing.assert_allclose(found, whole, rtol=1e-10, atol=1e-13)


def test_worths_of_very_different_coalitions_do_not_overflow():
    prior, z = some(300, 20)
    prior = replace(prior, log_b=np.full(300, 1.5), slope=0.0)
    for parity in (EVEN, ODD):
        assert np.isfinite(covariance.structured(prior, parity, z, -z)).all()


@pytest.mark.parametrize("checked", [5, 1000])
@pytest.mark.parametrize("parity", [EVEN, ODD])
def test_what_is_solved_is_that_of_the_inverse(parity, checked, monkeypatch):
    monkeypatch.setattr(factored, "CHECKED", checked)
    prior, z = some(7, 60)
    total = covariance.structured(prior, parity, z, z) + np.exp(-4.0) * np.eye(len(z))
    known = Factored.of(prior, parity, z)
    right = np.random.default_rng(0).normal(size=(len(z), 3))
    inverse = np.linalg.inv(total)
    np.testing.assert_allclose(known.solve(right), inverse @ right, rtol=1e-6, atol=1e-6)
    squares = (known.half_solved(right) ** 2).sum(axis=0)
    np.testing.assert_allclose(squares, (right * (inverse @ right)).sum(axis=0), rtol=1e-6)
    expected = inverse.diagonal()[-checked:]
    assert len(known.precisions()) == min(checked, len(z))
    np.testing.assert_allclose(known.precisions(), expected, rtol=1e-6)
    np.testing.assert_allclose(known.noise, np.exp(-4.0), rtol=1e-6)


def test_a_diagonal_is_raised_until_there_is_a_factor():
    whole = np.ones((30, 30)) + 1e-6 * np.diag(np.r_[-1.0, np.ones(29)])
    lower, rise = covariance.factor(whole.copy)
    assert 1e-6 <= rise <= 1e-3
    raised = whole + rise * np.diag(whole.diagonal())
    np.testing.assert_allclose(np.tril(lower) @ np.tril(lower).T, raised, rtol=1e-12)


def test_what_is_left_of_the_worths_is_the_noise(monkeypatch):
    task, sample = sample_of(smooth_game(12), 12, 400)
    prior = sample.learn(Prior.start(12))
    found = []
    for many in (1 << 20, 0):
        monkeypatch.setattr(posterior, "_MANY_SEEN", many)
        found.append((Posterior.of(prior, sample, ODD), *values_under(prior, task, sample)))
    literal, quick = found
    assert np.abs(literal[0].left).max() > 0
    np.testing.assert_allclose(quick[0].left, literal[0].left, rtol=0, atol=1e-9)
    np.testing.assert_allclose(quick[1], literal[1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(quick[2], literal[2], rtol=1e-9)


def test_pairs_are_predicted_as_if_all_were_checked(monkeypatch):
    task, sample = sample_of(smooth_game(9), 9, 60)
    found = []
    for checked in (1000, 7):
        monkeypatch.setattr(factored, "CHECKED", checked)
        prior = Prior.start(9)
        known = posterior.posteriors_of(prior, task, sample)
        found.append(HeldOut.one_by_one(sample, [left_out_of(known)]))
    every, some = found
    assert some.truth[ODD].shape == (7, 1) and every.truth[ODD].shape == (30, 1)
    np.testing.assert_array_equal(some.truth[ODD], every.truth[ODD][-7:])
    np.testing.assert_allclose(some.mean[ODD], every.mean[ODD][:, -7:], rtol=1e-8)
    np.testing.assert_allclose(some.variance[ODD], every.variance[ODD][:, -7:], rtol=1e-8)


def test_a_factor_is_kept_for_the_last_prior():
    _, sample = sample_of(smooth_game(9), 9, 60)
    prior = Prior.start(9)
    first = sample.factored(prior, ODD)
    assert sample.factored(prior, ODD) is first
    assert sample.factored(replace(prior, slope=0.5), ODD) is not first
    assert sample.factored(prior, ODD) is not first
    # Other rows have another.
    part, _ = sample.folds(4)[0]
    assert len(part.factored(prior, ODD).lower) == len(part.train) < len(sample.train)


def test_pairs_that_are_checked_are_of_all_sizes(monkeypatch):
    monkeypatch.setattr(samples, "CHECKED", 50)
    monkeypatch.setattr(samples, "_MOST_ROWS", 150)
    _, sample = sample_of(smooth_game(10), 10, 400)
    m = len(sample.inside)
    assert sample.train[0] == 0 and len(set(sample.train.tolist())) == len(sample.train) == 150
    # The sizes of the last are those of all, not the last of all.
    sizes = np.minimum(sample.inside.sum(axis=1), 10 - sample.inside.sum(axis=1))
    assert abs(sizes[sample.train[-50:]].mean() - sizes.mean()) < 0.5 < sizes[-50:].mean() - 4
    for part, held in sample.folds(4):
        assert sorted(part.train.tolist()) == list(range(m - int(held.sum())))
        assert part.train[0] == 0 and part.train.tolist() != sorted(part.train.tolist())


def test_votes_are_given_so_many_terms(monkeypatch):
    def vote(coalitions):
        return np.where(coalitions @ np.arange(3.0, 15.0) > 51, 1.0, 0.0)

    _, sample = sample_of(vote, 12, 600)
    prior = sample.learn(Prior.start(12))
    every = fourier.select(prior, sample, ODD)
    monkeypatch.setattr(fourier, "_MOST_OF_VOTES", 1)
    assert sample.few_worths and len(every) > 1
    found = fourier.select(prior, sample, ODD)
    assert found == every[:1]
    assert fourier.select(replace(prior, terms=((), found)), sample, ODD) == ()
    monkeypatch.setattr(Sample, "few_worths", False)
    assert fourier.select(prior, sample, ODD) == every


def test_terms_are_chosen_as_by_the_inverse(monkeypatch):
    """The greedy choice, with a matrix that is inverted anew after each term."""
    # In several steps.
    monkeypatch.setattr(candidates, "_CANDIDATES", 2)
    _, sample = sample_of(smooth_game(8), 8, 120)
    prior = replace(sample.learn(Prior.start(8)), log_scale=-6.0, log_nugget=-4.0)
    z, y = sample.z, sample.target(ODD)[:, 0]
    total = covariance.structured(prior, ODD, z, z)
    total[np.diag_indices(len(z))] += np.exp(prior.log_nugget)
    found = fourier.select(prior, sample, ODD)
    assert len(found) > 2
    for term in found:
        chi = covariance.characters([term], z)
        inverse = np.linalg.inv(total)
        gram, projected = chi.T @ inverse @ chi, (y @ inverse @ chi)
        gain, variance = fourier._gains(gram[0], projected)
        assert gain[0] > candidates.penalty_of(8, len(term))
        total += variance * (chi @ chi.T)


@pytest.mark.parametrize("n_terms", [3, 40, 90])
def test_terms_that_fit_are_not_held_to_leave_something(n_terms):
    rng = np.random.default_rng(n_terms)
    z = covariance.signs(rng.random((200, 15)) < 0.5)
    terms = [tuple(sorted(rng.choice(15, 3, replace=False).tolist())) for _ in range(n_terms)]
    terms = list(dict.fromkeys(terms))
    y = covariance.characters(terms, z) @ rng.normal(size=len(terms))
    assert not recovery._surely_left(terms, z, y)
    off = y.copy()
    off[150] += 1e-3
    assert recovery._surely_left(terms, z, off)
    assert recovery._fit(terms, z, y) is not None and recovery._fit(terms, z, off) is None


def test_children_are_scored_by_their_sums():
    rng = np.random.default_rng(6)
    inside, n = rng.random((80, 22)) < 0.5, 22
    z, alpha = covariance.signs(inside), rng.normal(size=80)
    pool = candidates.Candidates(inside, ODD, ((0, 1, 2),), np.arange(16))
    pool.add([(3, 4, 20), (5,)])
    found = pool._children(alpha, 2.0)
    assert any(len(term) == 5 for term in found) and any(20 in term for term in found)
    for term, score in found.items():
        sums = alpha @ z[:, list(term)].prod(axis=1)
        assert score == pytest.approx(sums**2 / 4 - candidates.penalty_of(n, len(term)))
