"""Each imputer gives the game that it says, worth by worth."""

from itertools import chain, combinations

import numpy as np
import pytest

from shapley_core import TabularExplainer, exact, imputers
from shapley_core.arrays import smallest
from shapley_core.errors import InputError
from shapley_core.game import TableGame
from shapley_core.imputers.base import product

RNG = np.random.default_rng(5)
N = 4
MIX = np.array([[1.0, 0.8, 0.2, 0.0], [0, 1, 0.5, 0.3], [0, 0, 1, 0.4], [0, 0, 0, 1]])
BACKGROUND = RNG.normal(size=(40, N)) @ MIX + 1.0
X = RNG.normal(size=(5, N)) @ MIX + 1.0


def model(rows):
    return np.sin(rows[:, 0] * rows[:, 1]) + rows[:, 2] ** 2 * rows[:, 3]


def subsets(n):
    return chain.from_iterable(combinations(range(n), size) for size in range(n + 1))


def values_of(worth, n=N):
    """Shapley values of a game given by worth(players), from its definition by the exact engine."""
    table = np.zeros(1 << n)
    for players in subsets(n):
        table[sum(1 << i for i in players)] = worth(list(players))
    return exact(TableGame(table)).values, table[0]


def check(explainer, worth_of_row, rows=X, atol=1e-12):
    found = explainer(rows)
    for at, row in enumerate(rows):
        expected, empty = values_of(lambda players, row=row: worth_of_row(row, players))
        np.testing.assert_allclose(found.values[at], expected, atol=atol, rtol=0)
        np.testing.assert_allclose(found.base_values[at], empty, atol=atol, rtol=0)
    np.testing.assert_allclose(
        found.values.sum(axis=1) + found.base_values, model(rows), atol=1e-12, rtol=0
    )


def shown(row, players, others):
    rows = np.array(others)
    rows[:, players] = row[players]
    return rows


def test_baseline():
    check(
        TabularExplainer(model, BACKGROUND[:1], imputer="baseline"),
        lambda row, players: model(shown(row, players, BACKGROUND[:1]))[0],
    )


def test_a_baseline_is_one_row():
    with pytest.raises(InputError, match="the background has 40"):
        TabularExplainer(model, BACKGROUND, imputer="baseline")


def test_marginal_takes_every_row():
    many = np.repeat(BACKGROUND, 300, axis=0)
    many[-1] += 100.0
    explainer = TabularExplainer(model, many)
    assert "every row" in explainer.game
    check(explainer, lambda row, players: model(shown(row, players, many)).mean(), X[:2], atol=1e-9)


def test_marginal_with_weights():
    weights = RNG.integers(0, 4, len(BACKGROUND))
    check(
        TabularExplainer(model, BACKGROUND, weights=weights),
        lambda row, players: np.average(model(shown(row, players, BACKGROUND)), weights=weights),
    )


def test_marginal_of_a_stated_sample():
    imputer = imputers.Marginal(n_rows=7, random_state=3)
    assert "7 sampled rows" in imputer.game
    chosen = imputer.chosen(np.ones(len(BACKGROUND)))
    assert len(set(chosen.tolist())) == 7
    check(
        TabularExplainer(model, BACKGROUND, imputer=imputer),
        lambda row, players: model(shown(row, players, BACKGROUND[chosen])).mean(),
    )
    other = imputers.Marginal(n_rows=7, random_state=4).chosen(np.ones(len(BACKGROUND)))
    assert chosen.tolist() != other.tolist()


def conditional(row, players, mean, covariance):
    """Mean and covariance of the absent features by the partitioned inverse of a covariance."""
    absent = [i for i in range(len(mean)) if i not in players]
    precision = np.linalg.inv(covariance)
    spread = np.linalg.inv(precision[np.ix_(absent, absent)])
    shift = spread @ precision[np.ix_(absent, players)] @ (row[players] - mean[players])
    return absent, mean[absent] - shift, spread


def test_conditional_mean():
    mean, covariance = BACKGROUND.mean(axis=0), np.cov(BACKGROUND, rowvar=False)

    def worth(row, players):
        filled = row.copy()
        absent, centre, _ = conditional(row, players, mean, covariance)
        filled[absent] = centre
        return model(filled[None])[0]

    check(TabularExplainer(model, BACKGROUND, imputer="conditional-mean"), worth, atol=1e-10)


def test_gaussian_draws_have_the_conditional_law():
    # Of a quadratic model the mean is known: f(mean) + half the trace of Hessian times covariance.
    def quadratic(rows):
        return rows[:, 0] * rows[:, 1] + rows[:, 2] ** 2 - rows[:, 3] * rows[:, 0]

    hessian = np.zeros((N, N))
    hessian[0, 1] = hessian[1, 0] = 1
    hessian[2, 2] = 2
    hessian[0, 3] = hessian[3, 0] = -1
    mean, covariance = BACKGROUND.mean(axis=0), np.cov(BACKGROUND, rowvar=False)
    explainer = TabularExplainer(quadratic, BACKGROUND, imputer=imputers.Gaussian(n_draws=40000))
    found = explainer(X[:2])
    for at, row in enumerate(X[:2]):

        def worth(players, row=row):
            if len(players) == N:
                return quadratic(row[None])[0]
            absent, centre, spread = conditional(row, players, mean, covariance)
            filled = row.copy()
            filled[absent] = centre
            half_trace = (hessian[np.ix_(absent, absent)] * spread).sum() / 2
            return quadratic(filled[None])[0] + half_trace

        expected, _ = values_of(worth)
        np.testing.assert_allclose(found.values[at], expected, atol=0.03, rtol=0)


def test_gaussian_of_a_linear_model_needs_no_luck():
    # Draws in pairs of opposite sign cancel: two of them give the conditional mean.
    def linear(rows):
        return rows @ np.array([1.0, -2.0, 0.5, 3.0])

    draws = TabularExplainer(linear, BACKGROUND, imputer=imputers.Gaussian(n_draws=2))(X)
    mean = TabularExplainer(linear, BACKGROUND, imputer="conditional-mean")(X)
    np.testing.assert_allclose(draws.values, mean.values, atol=1e-10)


def test_gaussian_with_features_that_are_copies_and_constants():
    copies = np.column_stack([BACKGROUND, BACKGROUND[:, 0], np.ones(len(BACKGROUND))])
    rows = np.column_stack([X, X[:, 0], np.ones(len(X))])

    def of_the_copy(table):
        return 3 * table[:, 4] + table[:, 5]

    found = TabularExplainer(of_the_copy, copies, imputer="conditional-mean")(rows)
    # Either copy says all there is to know, so they share alike; the constant tells nothing.
    np.testing.assert_allclose(found.values[:, 0], found.values[:, 4], atol=1e-8)
    np.testing.assert_allclose(found.values[:, 5], 0, atol=1e-8)


@pytest.mark.parametrize("imputer", ["gaussian", "conditional-mean", imputers.Nearest(3)])
@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e8, 1e12, 1e160, 1e307])
def test_a_normal_law_does_not_depend_on_units(imputer, scale):
    units = np.array([1.0, 1.0, scale, 1.0])
    wanted = TabularExplainer(model, BACKGROUND, imputer=imputer)(X)
    scaled = TabularExplainer(lambda rows: model(rows / units), BACKGROUND * units, imputer=imputer)
    np.testing.assert_allclose(scaled(X * units).values, wanted.values, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("metric", ["mahalanobis", "euclidean"])
@pytest.mark.parametrize("bandwidth", [None, 0.7])
def test_nearest(metric, bandwidth):
    k = 6
    covariance = np.cov(BACKGROUND, rowvar=False)
    if metric == "euclidean":
        covariance = np.diag(np.diag(covariance))

    def worth(row, players):
        if not players:
            return model(BACKGROUND).mean()
        if len(players) == N:
            return model(row[None])[0]
        inverse = np.linalg.inv(covariance[np.ix_(players, players)])
        gaps = (BACKGROUND - row)[:, players]
        squared = np.einsum("ri,ij,rj->r", gaps, inverse, gaps) / len(players)
        chosen = np.argsort(squared, kind="stable")[:k]
        weights = np.ones(k)
        if bandwidth is not None:
            weights = np.exp(-squared[chosen] / (2 * bandwidth**2))
        return np.average(model(shown(row, players, BACKGROUND[chosen])), weights=weights)

    check(
        TabularExplainer(
            model, BACKGROUND, imputer=imputers.Nearest(k, bandwidth=bandwidth, metric=metric)
        ),
        worth,
    )


@pytest.mark.parametrize("k", [1, 3, 11, 12])
@pytest.mark.parametrize("kinds", [1, 3, 1000])
def test_of_rows_equally_far_the_first_are_taken(k, kinds):
    distance = np.random.default_rng(kinds).integers(0, kinds, (50, 12)).astype(float)
    wanted = np.sort(np.argsort(distance, axis=1, kind="stable")[:, :k], axis=1)
    np.testing.assert_array_equal(smallest(distance, k, 1e-12), wanted)


@pytest.mark.parametrize(
    "shape", [(0, 3, 2), (4, 0, 2), (4, 3, 0), (1, 1, 1), (9, 6, 1), (9, 7, 5)]
)
def test_a_product_adds_in_one_order(shape):
    m, k, n = shape
    left, right = RNG.normal(size=(m, k)), RNG.normal(size=(n, k)).T
    found = product(left, right)
    terms = (left[:, at, None] * right[at] for at in range(k))
    np.testing.assert_array_equal(found, sum(terms, np.zeros((m, n))))
    for row, alone in zip(left, found, strict=True):
        np.testing.assert_array_equal(product(row[None], right)[0], alone)


def test_nearest_takes_the_same_rows_beside_a_constant_and_a_copy():
    # These leave the covariance singular, and say nothing about how far rows are apart.
    def taken(background, rows, masks):
        games = TabularExplainer(model, background, imputer=imputers.Nearest(6))._games
        bound = games.filler.bind(games.rows.like(rows, "X"))
        filled, _ = bound.fill(np.arange(len(rows)), masks, slice(0, 6), 1)
        return filled[:, :N]

    def wider(rows):
        return np.column_stack([rows, np.ones(len(rows)), rows[:, 0]])

    masks = np.array([[True, False, False, False], [True, True, True, False]])
    for constant, copy in ((True, False), (False, True), (True, True)):
        beside = np.column_stack([masks, [[constant, copy]] * 2])
        np.testing.assert_array_equal(
            taken(wider(BACKGROUND), wider(X), beside), taken(BACKGROUND, X, masks)
        )


@pytest.mark.parametrize("imputer", ["gaussian", "conditional-mean", imputers.Nearest(2)])
@pytest.mark.parametrize("constant", [0.1, -0.9072133404548357, 1e5 / 3])
def test_a_constant_tells_nothing_of_the_others_whatever_it_is(imputer, constant):
    # The mean of seven of them may be another number, about which they seem to vary.
    background, rows = BACKGROUND[:7].copy(), X.copy()
    background[:, 0] = 0.0

    def of_others(given):
        return model(np.roll(given, -1, axis=1)[:, [0, 1, 2, 0]])

    wanted = TabularExplainer(of_others, background, imputer=imputer)(rows).values
    background[:, 0] = constant
    found = TabularExplainer(of_others, background, imputer=imputer)(rows).values
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("metric", ["mahalanobis", "euclidean"])
def test_rows_on_opposite_sides_are_equally_far(metric):
    later = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, step = rng.integers(-5, 6, 3).astype(float), rng.integers(1, 4, 3)
        far = rng.integers(50, 90, (20, 3)) * rng.choice([-1, 1], (20, 3))
        table = np.vstack([far, x + step, x - step])
        # The last column says which row was taken.
        background = np.column_stack([table, np.arange(len(table))])
        imputer = imputers.Nearest(1, metric=metric)
        games = TabularExplainer(lambda rows: rows[:, 3], background, imputer=imputer)._games
        bound = games.filler.bind(games.rows.like(np.append(x, 0.0)[None], "X"))
        rows, _ = bound.fill(np.array([0]), np.arange(4)[None] < 3, slice(0, 1), 1)
        later += rows[0, 3] == len(table) - 1
    assert not later


def test_a_narrow_bandwidth_leaves_the_nearest():
    one, narrow = (
        TabularExplainer(model, BACKGROUND, imputer=imputer)(X)
        for imputer in (imputers.Nearest(1), imputers.Nearest(5, bandwidth=1e-165))
    )
    np.testing.assert_allclose(narrow.values, one.values, atol=1e-12)


def test_nearest_counts_labels_and_missing_values():
    background = np.array([[0, 1.0, 10], [1, 1.1, 20], [0, np.nan, 30], [2, 0.9, 40]])

    def last(rows):
        return rows[:, 2]

    imputer = imputers.Nearest(1, metric="euclidean", categorical=[0])
    games = TabularExplainer(last, background, imputer=imputer)._games

    def nearest(row, mask):
        bound = games.filler.bind(games.rows.like(np.array([row]), "X"))
        table, _ = bound.fill(np.array([0]), np.array([mask]), slice(0, 1), 1)
        np.testing.assert_array_equal(table[0, mask], np.array(row)[mask])
        return table[0, 2]

    both, label = [True, True, False], [True, False, False]
    # A variance of 0.02 / 3: 1.05 is 0.4 from the 1.1 of the same label, 1.0 is 1.5 from it, and
    # has its own number with another label at a distance of 1.
    assert nearest([1, 1.05, 0.0], both) == 20
    assert nearest([1, 1.0, 0.0], both) == 10
    # A missing value is nearest to a missing one; of rows equally far the first is taken.
    assert nearest([0, np.nan, 0.0], both) == 30
    assert nearest([0, np.nan, 0.0], label) == 10


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: imputers.Gaussian(n_draws=3), "even"),
        (lambda: imputers.Gaussian(n_draws=0), "at least 2"),
        (
            lambda: TabularExplainer(model, BACKGROUND, imputer=imputers.Gaussian(2 * 10**15)),
            "table of draws takes",
        ),
        (lambda: imputers.Nearest(k=0), "at least 1"),
        (lambda: imputers.Nearest(bandwidth=np.inf), "positive"),
        (lambda: imputers.Nearest(bandwidth=np.nan), "positive"),
        (lambda: imputers.Nearest(metric=np.array(["euclidean", "cosine"])), "mahalanobis"),
        (lambda: imputers.Nearest(categorical=np.array(1)), "list columns"),
        (lambda: imputers.Nearest(bandwidth=-1.0), "positive"),
        (lambda: imputers.Nearest(metric="cosine"), "mahalanobis"),
        (lambda: imputers.Nearest(categorical=1), "list columns, as \\[1\\]"),
        (lambda: imputers.Nearest(categorical="a"), "list columns"),
        (lambda: imputers.get("mean"), "'baseline', 'marginal'"),
        (lambda: TabularExplainer(model, BACKGROUND, imputer=imputers.Marginal(99)), "99"),
        (
            lambda: TabularExplainer(
                model, BACKGROUND, imputer=imputers.Nearest(categorical=["a"])
            ),
            "'a'",
        ),
        (
            lambda: TabularExplainer(model, BACKGROUND, imputer="gaussian", weights=np.ones(40)),
            "marginal imputer",
        ),
        (lambda: TabularExplainer(model, BACKGROUND, weights=np.zeros(40)), "not all zero"),
        (lambda: TabularExplainer(model, BACKGROUND, weights=np.ones(3)), "wanted \\(40,\\)"),
        (lambda: TabularExplainer(model, BACKGROUND[:1], imputer="gaussian"), "takes two"),
        (
            lambda: TabularExplainer(
                model, np.where(BACKGROUND > 2, np.nan, BACKGROUND), imputer="gaussian"
            ),
            "missing or infinite",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


@pytest.mark.parametrize("wrong", ["1", True, np.ones(2), np.datetime64("2020"), 1j])
def test_a_bandwidth_is_a_number(wrong):
    with pytest.raises(TypeError, match="bandwidth must be a number"):
        imputers.Nearest(bandwidth=wrong)


@pytest.mark.parametrize("wrong", [1.5, True, np.nan, None, [0]])
def test_a_categorical_column_is_a_name_or_a_whole_number(wrong):
    imputer = imputers.Nearest(categorical=[wrong])
    with pytest.raises(TypeError, match=r"a categorical column .* must be an integer"):
        TabularExplainer(model, BACKGROUND, imputer=imputer)(BACKGROUND[:1])
