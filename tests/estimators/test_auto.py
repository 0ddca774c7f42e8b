"""The estimator that chooses."""

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import indices
from shapley_core.estimators import Auto

GAME = "local_explanation/breast_cancer_forest_marginal"


def test_says_what_it_chose(tmp_path):
    game = sc.ground_truth.load(GAME).game
    found = sc.estimate(game, 60)
    assert found.estimator == "FourierRegression"
    assert "by FourierRegression" in repr(found)
    found.save(tmp_path / "values.npz")
    assert sc.InteractionValues.load(tmp_path / "values.npz").estimator == found.estimator
    same = sc.estimate(game, 60, estimator="FourierRegression")
    np.testing.assert_array_equal(found.values, same.values)


def test_many_games_share_what_they_learn():
    game = sc.ground_truth.load(GAME).game

    def worth(coalitions):
        return game(coalitions)[:, None] * np.arange(1.0, 7.0)

    found = sc.estimate_batch(worth, 10, 60)
    assert found.estimator == found[3].estimator == "GaussianProcess"
    np.testing.assert_allclose(found.values[5], 6 * found.values[0], rtol=1e-9)


@pytest.mark.parametrize("name", indices.names())
def test_every_index_that_anybody_estimates(name):
    spec = indices.get(name)
    others = [one for one in sc.estimators.names() if one != "Auto"]
    for order in (1, 2):
        able = [one for one in others if sc.estimators.get(one)().supports(spec, order)]
        assert Auto().supports(spec, order) == bool(able)


def test_an_index_that_is_no_mixture_goes_to_who_can():
    game = sc.ground_truth.load(GAME).game
    found = sc.estimate(game, 400, "k-SII", 2)
    assert found.estimator not in ("Auto", "FourierRegression", "GaussianProcess")
    true = sc.exact(game, "k-SII", 2).values
    assert np.abs(found.values - true).max() < np.abs(true).max()


def test_better_than_plain_regression():
    ratios = []
    for name in ("clusters/wine_agreement", "uncertainty/breast_cancer_entropy", GAME):
        game = sc.ground_truth.load(name).game
        true = sc.exact(game).values
        errors = [
            np.sqrt(np.mean((sc.estimate(game, 250, estimator=one).values - true) ** 2))
            for one in ("auto", "KernelRegression")
        ]
        ratios.append(errors[0] / errors[1])
    assert np.exp(np.mean(np.log(ratios))) < 0.5
