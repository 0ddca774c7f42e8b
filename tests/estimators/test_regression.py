"""KernelRegression: the literal regression, exactness, efficiency, standard errors."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import coalitions as sets
from shapley_core._kernels import normal as kernels
from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.estimators import KernelRegression, Task
from shapley_core.estimators.laws import leverage_law

from .contracts import EstimatorContract

SAMPLINGS = ["leverage", "kernel"]


def random_game(n, seed=0):
    return sc.TableGame(np.random.default_rng(seed).normal(size=1 << n))


def solved(estimator, game, budget, seed=0, index="SV", order=1):
    """What the formula gives for a design, without the short cut of the full budget."""
    task = Task(game.n_players, sc.indices.get(index), order, budget, seed)
    design = estimator._design(task)
    worths = game(sets.unpack(design.words, game.n_players))
    return design, estimator._solve(task, design, worths[:, None] - worths[0])


ORDERS = [("SV", 1), ("BV", 1)] + [
    (name, order) for name in ("FSII", "kADD-SHAP", "BII", "FBII", "Fourier") for order in (1, 2, 3)
]


@pytest.mark.parametrize("degree", [None, 3])
@pytest.mark.parametrize(("index", "order"), ORDERS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_the_formula_is_exact_with_all_coalitions(n, index, order, degree):
    if order > n:
        return
    game = random_game(n)
    true = sc.exact(game, index, order)
    for sampling in SAMPLINGS:
        estimator = KernelRegression(sampling, degree)
        _, found = solved(estimator, game, 1 << n, index=index, order=order)
        np.testing.assert_allclose(found.values[0], true.values, rtol=0, atol=1e-11)
        np.testing.assert_allclose(found.std_error, 0.0, atol=1e-10)
        if true.index in ("FBII", "Fourier"):
            assert found.constant[0] + game.baseline == pytest.approx(true.baseline, abs=1e-11)
        else:
            assert found.constant is None


LITERAL = [
    ("SV", 1, 6, 40),
    ("SV", 1, 10, 80),
    ("FSII", 2, 7, 90),
    ("FSII", 2, 10, 300),
    ("FSII", 3, 7, 110),
    ("FBII", 1, 7, 60),
    ("FBII", 2, 9, 200),
]


@pytest.mark.parametrize("n", [5, 64, 130])
@pytest.mark.parametrize("step", [1, 2])
def test_parities_and_their_products(n, step):
    rng = np.random.default_rng(n)
    counts, weights = np.array([70, 0, 4200, 1]), np.array([0.5, 9.0, 0.25, 3.0])
    rows = int(counts.sum())
    matrix = rng.integers(0, 2, size=(step * rows, n)).astype(bool)
    terms = np.full((6, 3), -1, dtype=np.int32)
    members = [(), (0,), (n - 1,), (0, 3), (2, n - 1), (1, 2, n - 2)]
    for row, one in zip(terms, members, strict=True):
        row[: len(one)] = one
    signs = np.stack([(-1.0) ** matrix[::step, one].sum(axis=1) for one in map(list, members)], 1)
    found = np.empty((rows - 5, 6))
    words = sets.pack(matrix)
    kernels.parities(words, step, 5, terms, found)
    np.testing.assert_array_equal(found, signs[5:])
    products = np.zeros((6, 6))
    kernels.parity_products(words, step, counts, weights, terms, products)
    expected = (signs * np.repeat(weights, counts)[:, None]).T @ signs
    np.testing.assert_array_equal(products, np.tril(expected))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(
    ("index", "order", "n", "budget"),
    LITERAL,
)
def test_against_the_literal_weighted_least_squares(index, order, n, budget, sampling):
    game = random_game(n, seed=n)
    estimator = KernelRegression(sampling)
    design, found = solved(estimator, game, budget, seed=5, index=index, order=order)
    matrix = sets.unpack(design.words, n)
    sizes = matrix.sum(axis=1)
    # Every coalition, weighted by its kernel over the probability to be in.
    strata = np.repeat(design.strata, 2)
    probability = design.expected[strata] / np.exp(design.log_capacity[strata])
    weights = np.ones(len(matrix))
    weights[2:] /= probability
    if index != "FBII":
        counts = np.array([float(comb(n, t)) for t in sizes.tolist()])
        weights[2:] /= (counts * sizes * (n - sizes))[2:]
        weights[:2] = 0.0
    first = 0 if index == "FBII" else 1
    members = [S for size in range(first, order + 1) for S in combinations(range(n), size)]
    inside = np.array([[set(S) <= set(np.flatnonzero(row)) for S in members] for row in matrix])
    worths = game(matrix) - game.baseline
    # Lagrange: minimise, subject to the sum where there is one.
    k = len(members)
    system = np.zeros((k + 1, k + 1))
    system[:k, :k] = (inside * weights[:, None]).T @ inside
    system[k, :k] = system[:k, k] = float(first)
    system[k, k] = 1.0 - first
    right = np.append((inside * weights[:, None]).T @ worths, first * worths[1])
    expected = np.linalg.solve(system, right)[:k]
    np.testing.assert_allclose(found.values[0], expected[1 - first :], rtol=0, atol=1e-8)
    if index == "FBII":
        assert found.constant[0] == pytest.approx(expected[0], abs=1e-8)


@pytest.mark.parametrize("banzhaf", [False, True])
@pytest.mark.parametrize(("n", "degree"), [(2, 1), (6, 1), (6, 2), (7, 3), (8, 2)])
def test_leverage_of_sizes_against_the_hat_matrix(n, degree, banzhaf):
    matrix = sets.all_coalitions(n)
    sizes = matrix.sum(axis=1)
    members = [S for size in range(degree + 1) for S in combinations(range(n), size)]
    inside = np.array([[row[list(S)].all() for S in members] for row in matrix], dtype=float)
    weights = np.ones(1 << n)
    if not banzhaf:
        middle = (sizes > 0) & (sizes < n)
        weights[middle] = [1 / (comb(n, t) * t * (n - t)) for t in sizes[middle].tolist()]
        # Games that are 0 at the empty and at the full coalition.
        inside = inside @ np.linalg.svd(inside[[0, -1]])[2][2:].T
    basis, _ = np.linalg.qr(np.sqrt(weights)[:, None] * inside)
    scores = np.bincount(sizes, (basis**2).sum(axis=1))
    law = np.exp(leverage_law(n, degree, banzhaf))
    np.testing.assert_allclose(law, scores[1 : n // 2 + 1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("n", [300, 1021, 3000])
@pytest.mark.parametrize("degree", [1, 2])
def test_leverage_of_many_players(n, degree):
    for banzhaf in (False, True):
        law = leverage_law(n, degree, banzhaf)
        both = np.exp(law) * np.where(2 * np.arange(1, n // 2 + 1) == n, 1, 2)
        # Leverage scores sum to the number of coefficients; the empty and full coalition's are 0.
        free = sum(comb(n, size) for size in range(degree + 1)) - (0 if banzhaf else 2)
        assert both.sum() == pytest.approx(free, rel=1e-6)


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

    result = KernelRegression().estimate(sc.CallableGame(curved, n), 2 * n + 6)
    assert result.values.sum() == pytest.approx(np.exp(weights.sum() / n) - 1, abs=1e-10)


def test_a_thousand_players():
    n = 1021
    weights = np.linspace(0, 1, n)
    result = KernelRegression().estimate(sc.games.Additive(weights), 2 * n + 100)
    np.testing.assert_allclose(result.values, weights, rtol=0, atol=1e-8)


@pytest.mark.parametrize("n", [1000, 1200])
def test_sizes_of_next_to_no_weight(n):
    # That of a size of few or nearly all players is below the least number: no warning, no loss.
    effects = np.random.default_rng(0).normal(size=n)
    game = sc.CallableGame(lambda coalitions: coalitions @ effects, n)
    found = KernelRegression().estimate(game, 2 * n + 100, index="BV", random_state=0)
    assert found.n_evaluations == 2 * n + 100
    np.testing.assert_allclose(found.values, effects, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("n", "index"), [(20, "FSII"), (40, "FBII"), (30, "kADD-SHAP")])
def test_games_without_higher_interactions_are_found_exactly(n, index):
    rng = np.random.default_rng(0)
    terms = {tuple({i, j}): rng.normal() for i in range(0, n, 2) for j in range(i, n, 3)}
    game = sc.games.SumOfUnanimity(terms, n)
    estimator = KernelRegression()
    budget = estimator.least_budget(n, index, 2) + 200
    result = estimator.estimate(game, budget, index=index, order=2)
    np.testing.assert_allclose(result.values, game.exact(index, 2).values, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.std_error, 0.0, atol=1e-8)


def test_a_higher_degree_finds_games_of_triples():
    terms = {(i, i + 2, i + 3): 1.0 + i for i in range(7)}
    game = sc.games.SumOfUnanimity(terms, 10)
    found = KernelRegression(degree=3).estimate(game, 400)
    np.testing.assert_allclose(found.values, game.exact().values, rtol=0, atol=1e-9)
    assert np.abs(KernelRegression().estimate(game, 400).values - game.exact().values).max() > 1e-3


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


@pytest.mark.parametrize(
    ("index", "order", "n", "budget"),
    [
        ("SV", 1, 8, 40),
        ("SV", 1, 12, 400),
        ("FSII", 2, 8, 120),
        ("FBII", 2, 9, 200),
        ("BII", 2, 9, 250),
        ("BV", 1, 10, 90),
        ("kADD-SHAP", 2, 8, 160),
    ],
)
def test_unbiased_within_the_standard_error(index, order, n, budget):
    game = random_game(n, seed=1)
    true = sc.exact(game, index, order).values
    z = []
    for seed in range(40):
        result = KernelRegression().estimate(
            game, budget, index=index, order=order, random_state=seed
        )
        z.append((result.values - true) / result.std_error)
    z = np.array(z)
    assert (np.abs(z) < 2).mean() > 0.9
    # And not far too wide either.
    assert 0.5 < np.sqrt((z**2).mean()) < 1.3
    assert np.abs(z.mean(axis=0)).max() < 0.8


@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("FSII", 2)])
def test_variances_are_right_on_average_when_most_coalitions_are_in(index, order):
    # Three quarters of the coalitions: sampling with replacement would err twice as much.
    game = random_game(9, seed=3)
    true = sc.exact(game, index, order).values
    errors, squares = [], []
    for seed in range(60):
        found = KernelRegression().estimate(game, 390, index=index, order=order, random_state=seed)
        errors.append((found.values - true) ** 2)
        squares.append(found.std_error**2)
    ratio = np.mean(squares, axis=0) / np.mean(errors, axis=0)
    assert 0.8 < ratio.mean() < 1.6


def test_a_regression_that_would_not_fit():
    asked = []
    game = sc.CallableGame(lambda c: asked.append(c), 2000)
    with pytest.raises(MemoryLimitError, match="regression on 2001000 interactions of up to 2"):
        KernelRegression(degree=2).estimate(game, 10**8)
    assert asked == []


def test_wrong_parameters():
    with pytest.raises(InputError, match='sampling must be "leverage" or "kernel"'):
        KernelRegression("uniform")
    with pytest.raises(InputError, match="degree must be at least 1"):
        KernelRegression(degree=0)
    with pytest.raises(TypeError, match="degree must be an integer"):
        KernelRegression(degree=1.5)


class TestShapleyKernel(EstimatorContract):
    cases = (("SV", 1), ("FSII", 2))
    unsupported = ("SII", 2)
    efficient = frozenset({("SV", 1), ("FSII", 2)})
    exact_on_null = False
    most = 8000

    @staticmethod
    def make():
        return KernelRegression()


class TestBanzhafKernel(EstimatorContract):
    cases = (("BII", 2), ("BV", 1))
    unsupported = ("WBV(0.2)", 1)
    exact_on_null = False
    most = 8000

    @staticmethod
    def make():
        return KernelRegression()


@pytest.mark.parametrize(("n", "order", "budget"), [(8, 2, 253), (8, 3, 253), (11, 3, 716)])
@pytest.mark.parametrize("leading", [0.0, 3.0])
def test_the_bias_of_the_fit_is_in_the_error(n, order, budget, leading):
    # What a game of sizes leaves of a fit is the same for all coalitions of a size: where many
    # terms make up a value it hardly varies, but is off by what the fit itself is biased.
    inside = sets.all_coalitions(n)
    game = sc.TableGame(np.sqrt(inside.sum(axis=1)) * (1.0 + leading * inside[:, 0]))
    truth, covered = sc.exact(game, "FSII", order), []
    for seed in range(12):
        found = KernelRegression().estimate(
            game, budget, index="FSII", order=order, random_state=seed
        )
        off = np.abs(found.values - truth.values)[:n]
        covered.append((off <= 2 * found.std_error[:n] + 1e-9).mean())
    assert np.mean(covered) > 0.88
