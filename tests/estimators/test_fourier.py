"""Regression on parities: terms that are planted are found, sparse games are recovered."""

from dataclasses import replace

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import indices
from shapley_core.estimators import GaussianProcess, fourier, recovery
from shapley_core.estimators.base import Task
from shapley_core.estimators.covariance import EVEN, ODD, Prior, characters, signs
from shapley_core.estimators.sample import Sample


class Planted:
    """A few parities: values are known."""

    def __init__(self, n, terms):
        self.n, self.terms = n, terms

    def __call__(self, coalitions):
        z = signs(np.asarray(coalitions))
        return characters(list(self.terms), z) @ np.array(list(self.terms.values()))

    def shapley(self):
        out = np.zeros(self.n)
        for term, beta in self.terms.items():
            if len(term) % 2:
                # 2 E[(2x - 1)^(u-1)] = 2 / u.
                out[list(term)] += 2 * beta / len(term)
        return out

    def pairs(self):
        out = np.zeros((self.n, self.n))
        for term, beta in self.terms.items():
            if len(term) % 2 == 0 and len(term):
                rows = np.ix_(term, term)
                out[rows] += 4 * beta / (len(term) - 1)
        return out[np.triu_indices(self.n, 1)]


TERMS = {
    (0,): 1.0,
    (1,): -0.5,
    (0, 2, 4): 0.7,
    (0, 2, 4, 6, 8): 0.3,
    (2, 3): 0.4,
    (1, 2, 3, 5): 0.2,
}


@pytest.mark.parametrize("n", [12, 24, 70])
def test_sparse_games_are_recovered(n):
    game = Planted(n, TERMS)
    asked = sc.CallableGame(game, n)
    found = sc.estimate(asked, 30 * n, estimator="FourierRegression")
    np.testing.assert_allclose(found.values, game.shapley(), rtol=0, atol=1e-10)
    assert (found.std_error < 1e-8).all()
    if n <= 24:
        pairs = sc.estimate(asked, 30 * n, "SII", 2, estimator="FourierRegression")
        np.testing.assert_allclose(pairs.values[n:], game.pairs(), rtol=0, atol=1e-10)
        np.testing.assert_allclose(pairs.values[:n], game.shapley(), rtol=0, atol=1e-10)


def sample_of(game, n, budget, noise=0.0):
    task = Task(n, indices.get("SV"), 1, budget, 1)
    design = GaussianProcess()._design(task)
    coalitions = sc.coalitions.unpack(design.words, n)
    worths = game(coalitions) + noise * np.random.default_rng(0).normal(size=len(coalitions))
    return Sample.of(task, design, (worths - worths[0])[:, None])


@pytest.mark.parametrize("n", [12, 24])
def test_terms_that_stand_out_are_selected(n):
    odd = [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
    even = [(0, 3), (4, 8), (1, 6)]
    terms = dict.fromkeys([*odd, *even], 1.0) | {(i,): 1.0 for i in range(n)}
    sample = sample_of(Planted(n, terms), n, 900, noise=0.02)
    # A prior that expects hardly any interactions.
    prior = replace(Prior.start(n), log_scale=-6.0, log_nugget=-4.0)
    assert set(odd) <= set(fourier.select(prior, sample, ODD))
    assert set(even) <= set(fourier.select(prior, sample, EVEN))


def test_nothing_is_selected_from_noise():
    noise = np.random.default_rng(3).normal(size=1 << 11)
    sample = sample_of(lambda c: noise[c @ (1 << np.arange(11))], 11, 300)
    prior = sample.learn(Prior.start(11))
    assert fourier.select(prior, sample, ODD) == fourier.select(prior, sample, EVEN) == ()
    assert recovery.recover(prior, sample, ODD) is None


def test_games_of_pairs_are_recovered_from_a_few_rows_to_spare():
    rng = np.random.default_rng(4)
    terms = {(i,): rng.normal() for i in range(10)}
    terms |= {(i, j): rng.normal() for i in range(10) for j in range(i)}
    game = Planted(10, {tuple(sorted(term)): beta for term, beta in terms.items()})
    asked = sc.CallableGame(game, 10)
    # 46 terms of the even part, 49 pairs and the empty coalition.
    found = sc.estimate(asked, 100, "SII", 2)
    np.testing.assert_allclose(found.values[10:], game.pairs(), rtol=0, atol=1e-10)
    found = sc.estimate(asked, 40)
    np.testing.assert_allclose(found.values, game.shapley(), rtol=0, atol=1e-10)


def test_as_many_terms_as_rows_prove_nothing():
    # Six players matter, in 32 odd terms; 25 pairs cannot tell.
    worths = np.random.default_rng(5).normal(size=64)

    def worth(coalitions):
        return worths[coalitions[:, :6] @ (1 << np.arange(6))]

    true = sc.exact(sc.TableGame(worths)).values
    found = sc.estimate(sc.CallableGame(worth, 12), 50, estimator="FourierRegression")
    off = np.abs(found.values[:6] - true)
    assert off.max() > 0.01 and (off <= 4 * found.std_error[:6]).all()


def test_different_rows_are_counted_up_to_complements():
    sample = sample_of(Planted(8, {(0, 1, 2): 1.0}), 8, 256)
    assert recovery._different(sample, [(0,), (1,)]) == 2
    assert recovery._different(sample, [(0, 1, 2)]) == 4
    assert recovery._different(sample, [()]) == 1


def test_games_are_taken_one_by_one():
    names = ["local_explanation/breast_cancer_forest_marginal", "feature_selection/diabetes_ridge"]
    games = [sc.ground_truth.load(name).game for name in names]

    def worth(coalitions):
        return np.stack([game(coalitions) for game in games], axis=1)

    together = sc.estimate_batch(worth, 10, 60, estimator="FourierRegression")
    for one, game in zip(together, games, strict=True):
        alone = sc.estimate(game, 60, estimator="FourierRegression")
        np.testing.assert_allclose(one.values, alone.values, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one.std_error, alone.std_error, rtol=1e-9, atol=1e-12)
