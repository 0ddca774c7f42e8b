"""SampleReuse: every index exactly with all coalitions, the literal sum, honest errors."""

from itertools import combinations

import numpy as np
import pytest

import shapley_core as sc
from shapley_core import coalitions as sets
from shapley_core.errors import InputError
from shapley_core.estimators import SampleReuse, Task
from shapley_core.estimators.pairs import PairedDesign, SizedDesign
from shapley_core.estimators.reuse import scaled_weights, size_law

from .contracts import EstimatorContract

PARAMETRISED = ["WBV(0.25)", "WBII(0.75)", "BetaShapley(2, 3)"]


def random_game(n, seed=0):
    return sc.TableGame(np.random.default_rng(seed).normal(size=1 << n))


def solved(estimator, game, budget, seed, index, order):
    """What the formula gives for a design, without the short cut of the full budget."""
    task = Task(game.n_players, sc.indices.get(index), order, budget, seed)
    design = estimator._design(task)
    worths = game(sets.unpack(design.words, game.n_players))
    return design, estimator._solve(task, design, worths[:, None] - worths[0])


def control(n):
    return sc.games.SumOfUnanimity({(0,): 1.0, tuple(range(n)): 2.5, (): 0.5}, n)


@pytest.mark.parametrize("index", [*sc.indices.names(), *PARAMETRISED])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_every_index_is_exact_with_all_coalitions(n, index):
    game = random_game(n, seed=n)
    for order in range(1, min(n, 3, sc.indices.get(index).max_order or 3) + 1):
        true = sc.exact(game, index, order)
        for estimator in (SampleReuse(), SampleReuse(None), SampleReuse(control(n))):
            design, found = solved(estimator, game, 1 << n, 0, index, order)
            # Only Moebius and co-Moebius values leave sizes out.
            assert len(design.words) == 1 << n or "Moebius" in index
            np.testing.assert_allclose(found.values[0], true.values, rtol=0, atol=1e-10)
            np.testing.assert_allclose(found.std_error, 0.0, atol=1e-10)
            if index in ("FBII", "Fourier"):
                assert found.constant[0] + game.baseline == pytest.approx(true.baseline, abs=1e-10)
            else:
                assert found.constant is None


@pytest.mark.parametrize(("index", "order"), [("SII", 2), ("JointSV", 2), ("CHII", 3), ("BV", 1)])
@pytest.mark.parametrize("n", [6, 7])
def test_against_the_literal_sum(n, index, order):
    game = random_game(n, seed=2)
    design, found = solved(SampleReuse(None), game, 40, 1, index, order)
    per_draw = 2 if isinstance(design, PairedDesign) else 1
    assert isinstance(design, SizedDesign if index in ("JointSV", "CHII") else PairedDesign)
    probability = np.ones(len(design.words))
    drawn = (design.expected / np.exp(design.log_capacity))[design.strata]
    probability[2:] = np.repeat(drawn, per_draw)
    matrix = sets.unpack(design.words, n)
    worths = (game(matrix) - game.baseline) / probability
    spec = sc.indices.get(index)
    expected = []
    for size in range(1, order + 1):
        gamma = sc.indices.coalition_weights(spec, n, size, order)
        for S in combinations(range(n), size):
            expected.append(
                sum(
                    worth * gamma[row.sum(), row[list(S)].sum()]
                    for row, worth in zip(matrix, worths, strict=True)
                )
            )
    np.testing.assert_allclose(found.values[0], expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("SII", 2), ("WBV(0.2)", 1), ("STII", 2)])
@pytest.mark.parametrize("which", ["linear", None, "given"])
def test_right_within_the_standard_error(index, order, which):
    n = 9
    game = random_game(n, seed=4)
    estimator = SampleReuse(control(n) if which == "given" else which)
    true = sc.exact(game, index, order).values
    results = [
        estimator.estimate(game, 120, index=index, order=order, random_state=seed)
        for seed in range(60)
    ]
    errors = np.array([result.values - true for result in results])
    squares = np.array([result.std_error**2 for result in results])
    assert (errors**2 <= 4 * squares + 1e-24).mean() > 0.92
    # The variances are right on average, the values too.
    # (Those of STII of single players are certain: all that they ask for was evaluated.)
    assert index == "STII" or squares.all()
    sampled = squares.all(axis=0)
    np.testing.assert_allclose(errors[:, ~sampled], 0.0, atol=1e-12)
    errors, squares = errors[:, sampled], squares[:, sampled]
    assert 0.75 < (squares.mean(axis=0) / (errors**2).mean(axis=0)).mean() < 1.4
    bias = errors.mean(axis=0) / (errors.std(axis=0) / np.sqrt(len(errors)))
    assert np.abs(bias).max() < 5
    assert np.sqrt((bias**2).mean()) < 1.6


@pytest.mark.parametrize(
    ("index", "order", "times", "size"), [("STII", 2, 1, 1), ("STII", 3, 2, 1), ("STII", 3, 4, 2)]
)
def test_values_that_hang_on_coalitions_which_are_not_in(index, order, times, size):
    # A player's value hangs on his own coalition: without it the sample says nothing of it, and
    # that others of its size are in tells how far off it may be.
    estimator, inside = SampleReuse(), []
    for n in (12, 16):
        game, budget = random_game(n), times * estimator.least_budget(n, index, order)
        true = sc.exact(game, index, order)
        here = true.interaction_set.slice_of(size)
        for seed in range(30):
            found = estimator.estimate(game, budget, index=index, order=order, random_state=seed)
            off = np.abs(found.values - true.values)[here]
            inside.append((off <= 2 * found.std_error[here]).mean())
    assert np.mean(inside) > 0.91


@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_errors_of_any_unit_beside_a_control(factor):
    # Beside a game of the caller's the worths are not brought to a unit first.
    def at(scale):
        game = sc.TableGame(random_game(9).values * scale)
        known = sc.games.SumOfUnanimity({(0,): scale, tuple(range(9)): 2.5 * scale}, 9)
        return SampleReuse(known).estimate(game, 60, index="STII", order=2)

    alone, scaled = at(1.0), at(factor)
    np.testing.assert_allclose(scaled.std_error / factor, alone.std_error, rtol=1e-9)
    np.testing.assert_allclose(scaled.values / factor, alone.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("index", "order"), [("SII", 2), ("CHII", 1), ("JointSV", 2), ("FBII", 2)])
def test_additive_games_are_exact_by_the_control(index, order):
    game = sc.games.Additive(np.linspace(-1, 2, 30), offset=4.0)
    true = game.exact(index, order).values
    found = SampleReuse(game).estimate(game, 500, index=index, order=order)
    np.testing.assert_allclose(found.values, true, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.std_error, 0.0, atol=1e-9)
    # The ridge leaves a little; without a control all is left.
    scale = np.abs(true).max()
    fitted = SampleReuse().estimate(game, 500, index=index, order=order)
    plain = SampleReuse(None).estimate(game, 500, index=index, order=order)
    assert np.abs(fitted.values - true).max() < 0.05 * scale
    assert np.abs(plain.values - true).max() > 0.2 * scale


@pytest.mark.parametrize("n", [64, 65, 130, 1021])
def test_many_players(n):
    rng = np.random.default_rng(n)
    weights = rng.normal(size=n)
    game = sc.CallableGame(lambda c: c @ weights + 3.0 * (c[:, 0] & c[:, n - 1]), n)
    true = weights + 1.5 * np.isin(np.arange(n), [0, n - 1])
    for index in ("SV", "BV") if n < 1000 else ("SV",):
        inside = []
        for seed in range(5 if n < 1000 else 1):
            budget = 8 * n if n < 1000 else 2 * n + 2
            result = SampleReuse().estimate(game, budget, index=index, random_state=seed)
            inside.append(np.abs(result.values - true) <= 2 * result.std_error)
            assert np.isfinite(result.std_error).all()
            assert np.abs(result.values - true).max() < 5
        assert np.mean(inside) > 0.9


def test_order_two_of_many_players():
    n = 70
    game = sc.CallableGame(lambda c: 3.0 * (c[:, 0] & c[:, n - 1]) - 2.0 * c[:, 5], n)
    result = SampleReuse().estimate(game, 3000, index="SII", order=2)
    true = np.zeros(n + n * (n - 1) // 2)
    true[[0, n - 1]], true[5], true[n + n - 2] = 1.5, -2.0, 3.0
    assert (np.abs(result.values - true) <= 2 * result.std_error).mean() > 0.9
    assert abs(result[0, n - 1] - 3.0) < 4 * result.std_error[n + n - 2] < 3.0


def test_sizes_are_drawn_as_the_index_weighs_them():
    # A weighted Banzhaf value with p = 0.1 looks at small coalitions.
    game = random_game(12)
    task = Task(12, sc.indices.get("WBV(0.1)"), 1, 400, 0)
    design = SampleReuse()._design(task)
    assert (design.sizes * design.counts).sum() / design.counts.sum() < 3.5
    right = sc.exact(game, "WBV(0.1)").values
    z = []
    for seed in range(10):
        found = SampleReuse().estimate(game, 400, index="WBV(0.1)", random_state=seed)
        z.append((found.values - right) / found.std_error)
    assert (np.abs(z) < 2).mean() > 0.9


@pytest.mark.parametrize("index", ["SII", "CHII", "STII", "SGV", "JointSV", "WBII(0.3)"])
def test_laws_and_weights_against_all_coalitions(index):
    n, order = 7, 2
    spec = sc.indices.get(index)
    matrix = sets.all_coalitions(n)
    t = matrix.sum(axis=1)
    counts = np.bincount(t).astype(float)
    total = np.zeros(n + 1)
    for size in (1, 2):
        gamma = sc.indices.coalition_weights(spec, n, size, order)
        np.testing.assert_allclose(
            scaled_weights(spec, n, size, order), gamma * counts[:, None], rtol=1e-12, atol=1e-14
        )
        for S in combinations(range(n), size):
            total += np.bincount(t, gamma[t, matrix[:, list(S)].sum(axis=1)] ** 2) * counts
    np.testing.assert_allclose(size_law(spec, n, order), np.sqrt(total)[1:-1], rtol=1e-12)


def test_weights_of_a_thousand_players_are_moderate():
    for size in (1, 2):
        for index in ("SII", "STII", "CHII"):
            weights = scaled_weights(sc.indices.get(index), 1021, size, 2)
            assert np.isfinite(weights).all()
            assert 0 < np.abs(weights).max() < 1e7


def test_many_games_at_once():
    games = np.random.default_rng(0).normal(size=(3, 1 << 8))

    def worth(coalitions):
        return games[:, sets.positions(coalitions)].T

    for given in ("linear", None, control(8)):
        batch = SampleReuse(given).estimate_batch(worth, 8, 60, index="SII", order=2)
        for one, values in zip(batch, games, strict=True):
            alone = SampleReuse(given).estimate(sc.TableGame(values), 60, index="SII", order=2)
            np.testing.assert_allclose(one.values, alone.values, rtol=0, atol=1e-12)
            np.testing.assert_allclose(one.std_error, alone.std_error, rtol=0, atol=1e-12)


def test_wrong_controls():
    for wrong in ("tree", 3, random_game(4)):
        with pytest.raises(InputError, match='control must be "linear", None, or a game'):
            SampleReuse(wrong)
    with pytest.raises(InputError, match="control has 5 players, the game 9"):
        SampleReuse(control(5)).estimate(random_game(9), 60)


class TestSampleReuse(EstimatorContract):
    cases = (("SII", 2), ("JointSV", 2), ("WBV(0.25)", 1))
    unsupported = ("SV", 2)
    exact_on_additive = False
    exact_on_null = False

    @staticmethod
    def make():
        return SampleReuse()
