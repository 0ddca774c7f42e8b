"""KernelRegression: the literal regression, exactness, efficiency, standard errors."""

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import coalitions as sets
from shapley_core.errors import InputError
from shapley_core.estimators import KernelRegression, Task

SAMPLINGS = ["leverage", "kernel"]


def random_game(n, seed=0):
    return sc.TableGame(np.random.default_rng(seed).normal(size=1 << n))


def solved(estimator, game, budget, seed=0, index="SV", order=1):
    """What the formula gives for a design, without the short cut of the full budget."""
    task = Task(game.n_players, sc.indices.get(index), order, budget, seed)
    design = estimator._design(task)
    worths = game(sets.unpack(design.words, game.n_players))
    return design, estimator._solve(task, design, worths[:, None] - worths[0])


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 11])
def test_the_formula_is_exact_with_all_coalitions(n, sampling):
    game = random_game(n)
    _, found = solved(KernelRegression(sampling), game, 1 << n)
    np.testing.assert_allclose(found.values[0], sc.exact(game).values, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.std_error, 0.0, atol=1e-10)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(("n", "budget"), [(6, 30), (7, 60), (10, 80), (12, 300)])
def test_against_the_literal_weighted_least_squares(n, budget, sampling):
    game = random_game(n, seed=n)
    design, found = solved(KernelRegression(sampling), game, budget, seed=5)
    matrix = sets.unpack(design.words, n)[2:]
    sizes = matrix.sum(axis=1)
    # Every coalition, weighted by its kernel over the probability to be in.
    strata = np.repeat(design.strata, 2)
    probability = design.expected[strata] / np.exp(design.log_capacity[strata])
    binomials = np.array([float(sc.coalitions.comb(n, t)) for t in sizes.tolist()])
    weights = 1 / (binomials * sizes * (n - sizes)) / probability
    worths = game(matrix) - game.baseline
    total = game.grand_worth - game.baseline
    # Lagrange: minimise subject to the sum.
    system = np.zeros((n + 1, n + 1))
    system[:n, :n] = 2 * (matrix * weights[:, None]).T @ matrix
    system[n, :n] = system[:n, n] = 1
    right = np.append(2 * (matrix * weights[:, None]).T @ worths, total)
    np.testing.assert_allclose(
        found.values[0], np.linalg.solve(system, right)[:n], rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("n", [2, 20, 63, 64, 65, 130, 300])
def test_efficiency_and_additive_games(n):
    weights = np.random.default_rng(n).normal(size=n)
    game = sc.games.Additive(weights, offset=3.0)
    result = KernelRegression().estimate(game, min(1 << n, 2 * n + 40))
    np.testing.assert_allclose(result.values, weights, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.std_error, 0.0, atol=1e-9)
    assert result.baseline == 3.0

    def curved(coalitions):
        return np.exp(coalitions @ weights / n)

    result = KernelRegression().estimate(sc.CallableGame(curved, n), 2 * n + 2)
    assert result.values.sum() == pytest.approx(np.exp(weights.sum() / n) - 1, abs=1e-10)


def test_a_thousand_players():
    n = 1021
    weights = np.linspace(0, 1, n)
    result = KernelRegression().estimate(sc.games.Additive(weights), 2 * n + 100)
    np.testing.assert_allclose(result.values, weights, rtol=0, atol=1e-8)


def test_pairs_are_exact_for_games_of_pairs():
    rng = np.random.default_rng(0)
    terms = {(i, j): rng.normal() for i in range(20) for j in range(i, 20)}
    game = sc.games.SumOfUnanimity({tuple({i, j}): x for (i, j), x in terms.items()}, 20)
    result = KernelRegression().estimate(game, 80)
    np.testing.assert_allclose(result.values, game.exact().values, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.std_error, 0.0, atol=1e-9)


def test_a_player_the_design_does_not_determine_has_no_finite_error():
    class Few(KernelRegression):
        def _least_budget(self, n_players, spec, order):
            return 4

    result = Few().estimate(random_game(10), 12)
    assert np.isinf(result.std_error).any()
    assert np.isfinite(result.values).all()


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(("n", "budget"), [(8, 40), (10, 80), (12, 400)])
def test_unbiased_within_the_standard_error(n, budget, sampling):
    game = random_game(n, seed=1)
    true = sc.exact(game).values
    z = []
    for seed in range(60):
        result = KernelRegression(sampling).estimate(game, budget, random_state=seed)
        z.append((result.values - true) / result.std_error)
    z = np.array(z)
    assert (np.abs(z) < 2).mean() > 0.9
    # And not far too wide either.
    assert 0.5 < np.sqrt((z**2).mean()) < 1.3
    assert np.abs(z.mean(axis=0)).max() < 0.7


def test_an_unknown_sampling():
    with pytest.raises(InputError, match='sampling must be "leverage" or "kernel"'):
        KernelRegression("uniform")
