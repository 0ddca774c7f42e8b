"""The estimator that chooses, and all that are registered on stored games."""

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import indices
from shapley_core.estimators import Auto
from shapley_core.estimators.base import Task

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


STORED = ["global_importance/california_xgboost", "local_explanation/california_xgboost_nearest"]


@pytest.mark.parametrize("estimator", sc.estimators.names())
def test_all_coalitions_give_the_stored_values(estimator):
    made = sc.estimators.get(estimator)()
    if not made.consistent:
        pytest.skip("draws with replacement")
    for name in STORED:
        stored = sc.ground_truth.load(name)
        n = stored.game.n_players
        for index, order in (("SV", 1), ("SII", 2), ("k-SII", 2), ("BII", 2)):
            if not made.supports(index, order):
                continue
            task = Task(n, indices.get(index), order, 1 << n, 5)
            design = made._design(task)
            if len(design.words) != 1 << n:
                pytest.skip("its design holds no more than it needs")
            worths = stored.game.values[design.words[:, 0].astype(np.int64)]
            found = made._solve(task, design, (worths - worths[0])[:, None])
            true = stored.true(index, order=order).values
            scale = np.abs(true).max()
            np.testing.assert_allclose(found.values[0], true, rtol=0, atol=1e-10 * scale)
