"""The recipes of the stored games: models are trained again and asked for some of the worths."""

import importlib.metadata
import os
from pathlib import Path

import numpy as np
import pytest

from shapley_core import coalitions, ground_truth
from shapley_core.errors import InputError
from shapley_core.exact import exact
from shapley_core.game import TableGame
from shapley_core.ground_truth import generate, library
from shapley_core.ground_truth.kinds import data_valuation, environments, imputation, tables
from shapley_core.ground_truth.kinds import total_correlation as shared
from shapley_core.ground_truth.recipes import recipes

FOLDER = os.environ.get(tables.DATA_VARIABLE, Path(__file__).parent / "data" / "tables")
N_COALITIONS = 12
# Distributions whose modules have another name.
MODULES = {"scikit-learn": "sklearn"}


def needed(recipe):
    """Skip unless the libraries and the table of a recipe are here."""
    for library_name in recipe.libraries:
        pytest.importorskip(MODULES.get(library_name, library_name))
    if recipe.table != "sentences":
        pytest.importorskip("sklearn")


def same_versions(name):
    """Whether the libraries here are those that made the game, but for the last number."""
    for distribution, made in ground_truth.load(name).versions.items():
        if distribution == "python":
            continue
        here = importlib.metadata.version(distribution)
        if here.split(".")[:2] != made.split(".")[:2]:
            return False
    return True


def test_recipes_and_stored_games_are_the_same():
    assert sorted(recipes()) == sorted(library.manifest())
    for name, recipe in recipes().items():
        truth = ground_truth.load(name)
        said = (truth.description, truth.model, truth.absent, truth.tolerance)
        assert said == (recipe.description, recipe.model, recipe.absent, recipe.tolerance)
        assert truth.source == tables.SOURCES[recipe.table].citation
        assert truth.licence == tables.SOURCES[recipe.table].licence


@pytest.mark.parametrize("name", recipes())
def test_worths_come_out_again(name):
    recipe = recipes()[name]
    needed(recipe)
    stored = ground_truth.load(name).game
    n = stored.n_players
    chosen = np.random.default_rng(len(name)).choice(1 << n, N_COALITIONS, replace=False)
    chosen[:2] = 0, (1 << n) - 1
    game = generate.play(recipe, FOLDER)
    assert game.player_names == stored.player_names
    found = game(coalitions.from_positions(chosen, n))
    off = np.abs(found - stored.values[chosen]).max() / np.abs(stored.values).max()
    if off > recipe.tolerance and not same_versions(name):
        pytest.skip(f"off by {off:.1e} with other versions of the libraries than it was made with")
    assert off <= recipe.tolerance


@pytest.mark.parametrize("name", data_valuation.NEIGHBOURS)
def test_nearest_neighbour_values_in_closed_form(name):
    pytest.importorskip("sklearn")
    n_points, n_judged, k = data_valuation.NEIGHBOURS[name]
    points, judged = data_valuation.split(tables.read(name), n_points, n_judged)
    closed = data_valuation.neighbour_shapley(points, judged, k)
    truth = ground_truth.load(f"data_valuation/{name}_neighbours")
    np.testing.assert_allclose(truth.stored["SV", 1].values, closed, rtol=0, atol=1e-13)


def test_linear_marginal_values_in_closed_form():
    model = pytest.importorskip("sklearn.linear_model")
    table = tables.read("diabetes")
    slopes = model.LinearRegression().fit(table.X, table.y).coef_
    background = table.sample(50, seed=1).X
    truth = ground_truth.load("local_explanation/diabetes_linear_marginal")
    expected = slopes * (table.X[10] - background.mean(axis=0))
    np.testing.assert_allclose(truth.stored["SV", 1].values, expected, rtol=0, atol=1e-9)
    pairs = truth.stored["SII", 2].values[10:]
    np.testing.assert_allclose(pairs, 0, atol=1e-9)


def test_gaussian_imputation_of_a_linear_model_is_the_conditional_mean():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) + [1.0, 2.0, 3.0, 4.0]
    row, slopes = data[3], np.array([1.0, -2.0, 0.5, 3.0])
    worth = imputation.gaussian(lambda X: X @ slopes, row, data, n_draws=6)
    mean, covariance = data.mean(axis=0), np.cov(data, rowvar=False)
    everything = coalitions.all_coalitions(4)
    found = worth(everything)
    for present, value in zip(everything, found, strict=True):
        # Regression of the absent on the present features, from the precision matrix.
        expected = row.copy()
        absent = ~present
        if absent.any():
            precision = np.linalg.inv(covariance)
            expected[absent] = mean[absent] - np.linalg.solve(
                precision[np.ix_(absent, absent)],
                precision[np.ix_(absent, present)] @ (row - mean)[present],
            )
        assert value == pytest.approx(expected @ slopes, rel=1e-6)


def test_gaussian_imputation_has_the_spread_of_the_conditional_law():
    rng = np.random.default_rng(1)
    data = rng.normal(size=(2000, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    worth = imputation.gaussian(lambda X: X[:, 1] ** 2, data[0], data, n_draws=20000)
    covariance = np.cov(data, rowvar=False)
    slope = covariance[0, 1] / covariance[0, 0]
    centre = data[:, 1].mean() + slope * (data[0, 0] - data[:, 0].mean())
    expected = centre**2 + covariance[1, 1] - slope * covariance[0, 1]
    found = worth(np.array([[True, False]]))[0]
    assert found == pytest.approx(expected, rel=0.03)


def test_marginal_and_nearest_imputation_by_hand():
    row = np.array([1.0, 10.0])
    data = np.array([[1.1, 20.0], [5.0, 30.0], [9.0, 70.0]])

    def product(X):
        return X[:, 0] * X[:, 1]

    coalition = np.array([[True, False], [False, False], [True, True]])
    marginal = imputation.marginal(product, row, data)(coalition)
    np.testing.assert_allclose(marginal, [40.0, (22 + 150 + 630) / 3, 10.0])
    nearest = imputation.nearest(product, row, data, n_nearest=2)(coalition)
    np.testing.assert_allclose(nearest, [25.0, (22 + 150 + 630) / 3, 10.0])
    baseline = imputation.baseline(product, row, data[1])(coalition)
    np.testing.assert_allclose(baseline, [30.0, 150.0, 10.0])


def test_total_correlation_by_hand():
    codes = np.array([[0, 0, 1], [0, 0, 0], [1, 1, 1], [1, 1, 0]])
    setting = shared.discrete(codes, ("a", "b", "c"))
    everything = coalitions.all_coalitions(3)
    log2 = np.log(2)
    np.testing.assert_allclose(
        setting.worth(everything), [0, 0, 0, log2, 0, 0, 0, log2], atol=1e-14
    )


def test_shifted_loss_by_hand():
    loss = np.array([1.0, 3.0])
    worth = environments.shifted_loss(loss, np.log([[1.0, 3.0], [1.0, 2.0]]))
    everything = coalitions.all_coalitions(2)
    # Weights 1 1; 1 1; 3 2; 3 2.
    np.testing.assert_allclose(worth(everything), [0, 0, 9 / 5 - 2, 9 / 5 - 2], atol=1e-15)


def test_density_ratios_of_mechanisms():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    is_target = np.arange(8000) % 2 == 1
    # The first column does not shift; the second, given the first, moves by 1.
    X = rng.normal(size=(8000, 2))
    X[:, 1] += X[:, 0] + is_target
    ratios = environments.log_ratios(X, is_target, [1, 2])
    source = X[~is_target]
    assert np.abs(ratios[:, 0]).max() < 0.25
    expected = np.clip(source[:, 1] - source[:, 0] - 0.5, -np.log(5), np.log(5))
    assert np.abs(ratios[:, 1] - expected).mean() < 0.06


def test_variance_by_order_is_that_of_the_definition():
    from shapley_core.ground_truth.page import variance_by_order

    truth = ground_truth.load("sentences/soup")
    parts = variance_by_order(truth)
    worths = truth.game.values
    n = truth.game.n_players
    signs = 1 - 2 * coalitions.all_coalitions(n)
    first = ((signs.T @ worths / len(worths)) ** 2).sum() / worths.var()
    assert parts[0] == pytest.approx(first)
    assert sum(parts) == pytest.approx(1)


def test_the_generator_writes_a_game_that_loads(tmp_path, monkeypatch, capsys):
    name = "total_correlation/breast_cancer_gaussian"
    pytest.importorskip("sklearn")
    kept = ground_truth.load(name)
    monkeypatch.setattr(library, "DATA", tmp_path / "data")
    monkeypatch.setattr(library, "MANIFEST", tmp_path / "manifest.json")
    library.manifest.cache_clear()
    try:
        assert generate.main([name]) == 0
        made = ground_truth.load(name)
        assert generate.main(["--check", name]) == 0
    finally:
        library.manifest.cache_clear()
    assert "the same bits" in capsys.readouterr().out
    np.testing.assert_allclose(made.game.values, kept.game.values, rtol=0, atol=1e-9)
    assert made.source == kept.source


def test_check_finds_another_game(monkeypatch, capsys):
    pytest.importorskip("sklearn")
    name = "total_correlation/breast_cancer_gaussian"
    right = ground_truth.load(name)
    off = TableGame(right.game.values + 1e-3, right.game.player_names)

    class Other:
        game = off

    monkeypatch.setattr(generate.library, "load", lambda name: Other)
    assert generate.main(["--check", name]) == 1
    assert "off by" in capsys.readouterr().out


def test_generator_refuses_what_it_cannot_make(tmp_path, capsys):
    with pytest.raises(SystemExit):
        generate.main(["sentences/poem"])
    assert "no recipe for sentences/poem" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"bike\.csv\.gz is not there"):
        tables.read("bike", tmp_path)
    assert generate.main(["group_valuation/bike_months", "--data", str(tmp_path)]) == 1
    assert "Say with --data" in capsys.readouterr().err


def test_the_page_is_up_to_date():
    from shapley_core.ground_truth.page import page

    kept = Path(library.HERE.parents[1] / "docs" / "ground-truth.md").read_text("utf-8")
    assert page() == kept


def test_engine_agrees_with_the_recipe_of_a_sentence():
    pytest.importorskip("vaderSentiment")
    game = generate.play(recipes()["sentences/soup"])
    found = exact(game, "SV")
    truth = ground_truth.load("sentences/soup")
    np.testing.assert_allclose(found.values, truth.stored["SV", 1].values, rtol=0, atol=1e-12)
