"""The estimator that chooses."""

import pickle

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


@pytest.mark.parametrize("index", ["Moebius", "Co-Moebius"])
def test_what_the_budget_pays_in_full_is_exact(index):
    game = sc.ground_truth.load(GAME).game
    # The empty and the grand coalition, those of one player and those of two.
    found = sc.estimate(game, 2 + 10 + 45, index, 2)
    np.testing.assert_allclose(found.values, sc.exact(game, index, 2).values, rtol=0, atol=1e-12)
    assert found.std_error.max() < 1e-12
    assert sc.estimate(game, 2 + 10 + 44, index, 2).std_error.max() > 0


def test_an_index_that_no_process_gives_goes_to_who_can():
    game = sc.ground_truth.load(GAME).game
    found = sc.estimate(game, 400, "JointSV", 2)
    assert found.estimator == "JointSampling"
    true = sc.exact(game, "JointSV", 2).values
    off = np.abs(found.values - true)
    assert np.mean(off <= 2 * found.std_error) >= 0.9
    assert off.max() < 0.02 * np.abs(true).max()


@pytest.mark.parametrize("index", ["k-SII", "FSII", "FBII", "STII"])
def test_pairs_of_every_index_by_the_process(index):
    game = sc.ground_truth.load(GAME).game
    true = sc.exact(game, index, 2).values
    errors = {}
    for one in ("auto", "SampleReuse"):
        found = sc.estimate(game, 250, index, 2, estimator=one)
        off = np.abs(found.values - true)
        assert one != "auto" or np.mean(off <= 2 * found.std_error) >= 0.9
        errors[one] = np.sqrt(np.mean(off**2) / np.mean(true**2))
    assert "FourierRegression" in sc.estimate(game, 250, index, 2).estimator
    assert errors["auto"] < 0.05 and errors["auto"] < 0.25 * errors["SampleReuse"]


def test_games_of_few_worths_are_not_explained_by_a_few_players():
    ratios, inside = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        n = 10 + seed
        weights = rng.integers(1, 20, n).tolist()
        game = sc.games.WeightedVoting(weights, quota=sum(weights) // 2 + 1)
        true = game.exact().values
        for times in (6, 12):
            found = {
                one: sc.estimate(game, times * n, estimator=one)
                for one in ("auto", "KernelRegression")
            }
            off = np.abs(found["auto"].values - true)
            inside.append(np.mean(off <= 2 * found["auto"].std_error))
            plain = np.abs(found["KernelRegression"].values - true)
            ratios.append(np.sqrt(np.mean(off**2) / np.mean(plain**2)))
            assert "GaussianProcess(least_noise=0.05)" in found["auto"].estimator
    assert np.mean(inside) >= 0.9
    assert np.exp(np.mean(np.log(ratios))) < 0.9


def test_the_same_again_and_after_pickling():
    game = sc.games.WeightedVoting([5, 4, 3, 3, 2, 2, 1, 1, 1, 1], quota=12)
    first = sc.estimate(game, 60, "k-SII", 2)
    for estimator in (Auto(), pickle.loads(pickle.dumps(Auto()))):
        again = sc.estimate(game, 60, "k-SII", 2, estimator=estimator)
        np.testing.assert_array_equal(first.values, again.values)
        np.testing.assert_array_equal(first.std_error, again.std_error)
        assert first.estimator == again.estimator


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
