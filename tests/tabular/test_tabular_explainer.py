"""TabularExplainer against brute force, the tree engine and shap; rounds, memory, batches."""

import numpy as np
import pandas as pd
import pytest
import shap
import sklearn.linear_model as linear_models
import xgboost
from sklearn.ensemble import RandomForestRegressor
from sklearn.svm import SVC

from shapley_core import TabularExplainer, TreeExplainer, estimators, exact, imputers, indices
from shapley_core.errors import BudgetError, InputError, UnknownIndexError
from shapley_core.explainers.many_games import _SpentError, _Store
from shapley_core.explainers.predictor import REPEATED
from shapley_core.game import TableGame

RNG = np.random.default_rng(11)
N = 7
BACKGROUND = RNG.normal(size=(23, N))
X = RNG.normal(size=(9, N))


def smooth(rows):
    first = np.tanh(rows[:, 0] * rows[:, 1] + rows[:, 2])
    return first + rows[:, 3] * rows[:, 4] * rows[:, 5] - 0.3 * rows[:, 6]


def two_outputs(rows):
    return np.column_stack([smooth(rows), rows[:, 0] - np.cos(rows[:, 3])])


def game_of(row, output=0, background=BACKGROUND, function=two_outputs, members=None, link=None):
    """The table of worths of one row, coalition by coalition, and nothing shared with the code."""
    members = members or [[i] for i in range(N)]
    table = np.zeros(1 << len(members))
    for position in range(len(table)):
        rows = background.copy()
        for player, features in enumerate(members):
            if position >> player & 1:
                rows[:, features] = row[features]
        table[position] = np.asarray(function(rows)).reshape(len(rows), -1)[:, output].mean()
    return TableGame(table if link is None else link(table))


@pytest.mark.parametrize(
    ("index", "order"),
    [
        *[("SV", 1), ("BV", 1), ("SII", 2), ("k-SII", 3), ("FSII", 2), ("STII", 2), ("FBII", 2)],
        *[("SGV", 2), ("JointSV", 2), ("Fourier", 2), ("Moebius", N), ("SII", 5)],
    ],
)
def test_any_index_and_order_exactly(index, order):
    found = TabularExplainer(two_outputs, BACKGROUND)(X[:3], index=index, order=order)
    assert found.std_error is None and found.n_evaluations.tolist() == [1 << N] * 3
    for row in range(3):
        for output in range(2):
            expected = exact(game_of(X[row], output), index, order)
            mine = found[row, output]
            np.testing.assert_allclose(mine.values, expected.values, atol=1e-12, rtol=0)
            assert mine.baseline == pytest.approx(expected.baseline, abs=1e-12)
            assert mine.is_exact and mine.interactions == expected.interactions


def test_probabilistic_values():
    positions = np.arange(1 << N)
    outside = np.array([positions >> player & 1 == 0 for player in range(N)])
    weights = outside * RNG.uniform(size=outside.shape)
    spec = indices.ProbabilisticValue(weights / weights.sum(axis=1, keepdims=True))
    found = TabularExplainer(smooth, BACKGROUND)(X[:2], index=spec)
    for row in range(2):
        expected = exact(game_of(X[row]), spec).values
        np.testing.assert_allclose(found.values[row], expected, atol=1e-12)


def test_one_feature_and_one_row():
    found = TabularExplainer(lambda rows: rows[:, 0] ** 2, BACKGROUND[:, :1])(X[:1, :1])
    mean = (BACKGROUND[:, 0] ** 2).mean()
    assert found.values[0, 0] == pytest.approx(X[0, 0] ** 2 - mean)
    assert found.base_values[0] == pytest.approx(mean)


def test_expected_value_is_there_before_and_stays():
    explainer = TabularExplainer(two_outputs, BACKGROUND)
    before = explainer.expected_value
    np.testing.assert_allclose(before, two_outputs(BACKGROUND).mean(axis=0), rtol=1e-14)
    found = explainer(X)
    np.testing.assert_array_equal(explainer.expected_value, before)
    np.testing.assert_array_equal(found.base_values, np.tile(before, (len(X), 1)))
    assert isinstance(TabularExplainer(smooth, BACKGROUND).expected_value, float)


# Groups and links


def test_groups_play_as_one():
    members = [[0, 6], [1], [2], [3], [4, 5]]
    explainer = TabularExplainer(two_outputs, BACKGROUND, groups=[[5, 4], [0, 6]])
    found = explainer(X[:3], index="SII", order=2)
    assert explainer.players.members == tuple(map(tuple, members))
    assert found.groups == tuple(map(tuple, members))
    for row in range(3):
        expected = exact(game_of(X[row], 1, members=members), "SII", 2)
        np.testing.assert_allclose(found[row, 1].values, expected.values, atol=1e-12)
    # Not the sum of the members' values.
    single = TabularExplainer(two_outputs, BACKGROUND)(X[:3])
    together = explainer(X[:3]).values[:, 4]
    assert np.abs(together - single.values[:, [4, 5]].sum(axis=1)).max() > 1e-3


def test_links():
    def probability(rows):
        return 1 / (1 + np.exp(-smooth(rows)))

    def logit(worths):
        return np.log(worths / (1 - worths))

    for link in ("logit", logit):
        found = TabularExplainer(probability, BACKGROUND, link=link)(X[:3])
        for row in range(3):
            game = game_of(X[row], function=probability, link=logit)
            np.testing.assert_allclose(found[row].values, exact(game).values, atol=1e-12)
    np.testing.assert_allclose(
        found.values.sum(axis=1) + found.base_values, logit(probability(X[:3])), atol=1e-12
    )


# Against others


def test_trees_are_sent_to_the_tree_engine_and_agree_with_masking():
    model = xgboost.XGBRegressor(n_estimators=12, max_depth=4, n_jobs=1).fit(
        BACKGROUND, smooth(BACKGROUND)
    )
    quick = TabularExplainer(model, BACKGROUND)
    assert "trees, exact" in repr(quick)
    engine = TreeExplainer(model, BACKGROUND)(X)
    np.testing.assert_array_equal(quick(X).values, engine.values)
    slow = TabularExplainer(model.predict, BACKGROUND)(X)
    np.testing.assert_allclose(slow.values, engine.values, atol=1e-5)
    assert quick.expected_value == TreeExplainer(model, BACKGROUND).expected_value
    # A game of another imputer is that of the raw margin by masking.
    nearest = TabularExplainer(model, BACKGROUND, imputer="nearest")(X)
    by_hand = TabularExplainer(model.predict, BACKGROUND, imputer="nearest")(X)
    np.testing.assert_allclose(nearest.values, by_hand.values, atol=1e-5)
    one = TabularExplainer(model, BACKGROUND[:1], imputer="baseline")(X)
    np.testing.assert_array_equal(one.values, TreeExplainer(model, BACKGROUND[:1])(X).values)
    weights = RNG.uniform(size=len(BACKGROUND))
    few = TabularExplainer(model, BACKGROUND, imputer=imputers.Marginal(5, weights))
    chosen = few.imputer.chosen(weights)
    same = TreeExplainer(model, BACKGROUND[chosen], weights=weights[chosen])
    np.testing.assert_allclose(few(X).values, same(X).values, atol=1e-14)


def test_as_shap_at_full_budget():
    found = TabularExplainer(smooth, BACKGROUND)(X[:1]).values
    kernel = shap.KernelExplainer(smooth, BACKGROUND)
    theirs = kernel.shap_values(X[:1], nsamples=1 << N, l1_reg=0, silent=True)
    np.testing.assert_allclose(found, theirs, atol=1e-6)


def linear_cases():
    y = BACKGROUND @ np.arange(N) + 1.0
    labels = (y > 0).astype(int) + (y > 6)
    return {
        "least squares": (linear_models.LinearRegression().fit(BACKGROUND, y), "predict"),
        "two targets": (
            linear_models.Ridge().fit(BACKGROUND, np.column_stack([y, -2 * y])),
            "predict",
        ),
        "logistic": (
            linear_models.LogisticRegression().fit(BACKGROUND, labels > 0),
            "decision_function",
        ),
        "three classes": (
            linear_models.LogisticRegression().fit(BACKGROUND, labels),
            "decision_function",
        ),
    }


@pytest.mark.parametrize("name", linear_cases())
@pytest.mark.parametrize(
    ("index", "order"), [("SV", 1), ("SII", 2), ("FBII", 2), ("SGV", 2), ("Fourier", 2)]
)
@pytest.mark.parametrize("groups", [None, [[0, 5], [2, 3]]])
def test_linear_models_without_a_call(name, index, order, groups):
    model, method = linear_cases()[name]
    weights = RNG.uniform(size=len(BACKGROUND))
    quick = TabularExplainer(model, BACKGROUND, groups=groups, weights=weights)
    assert "linear, exact" in repr(quick)
    slow = TabularExplainer(getattr(model, method), BACKGROUND, groups=groups, weights=weights)
    mine, theirs = (one(X, index=index, order=order) for one in (quick, slow))
    assert mine.std_error is None and mine.values.shape == theirs.values.shape
    np.testing.assert_allclose(mine.values, theirs.values, atol=1e-10)
    np.testing.assert_allclose(mine.base_values, theirs.base_values, atol=1e-10)
    np.testing.assert_allclose(quick.expected_value, slow.expected_value, atol=1e-10)


def test_coefficients_are_a_model_and_other_imputers_call_it():
    coefficients = np.arange(N) - 2.0
    found = TabularExplainer((coefficients, 3.0), BACKGROUND)(X)
    np.testing.assert_allclose(
        found.values, coefficients * (X - BACKGROUND.mean(axis=0)), atol=1e-12
    )
    gaussian = TabularExplainer((coefficients, 3.0), BACKGROUND, imputer="conditional-mean")(X)
    by_hand = TabularExplainer(
        lambda rows: rows @ coefficients + 3.0, BACKGROUND, imputer="conditional-mean"
    )(X)
    np.testing.assert_allclose(gaussian.values, by_hand.values, atol=1e-10)


def test_named_columns_in_another_order():
    names = [f"n{i}" for i in range(N)]
    frame, rows = pd.DataFrame(BACKGROUND, columns=names), pd.DataFrame(X, columns=names)
    turned = names[::-1]
    for model in (
        linear_models.LinearRegression().fit(frame, smooth(BACKGROUND)),
        xgboost.XGBRegressor(n_estimators=5, n_jobs=1).fit(frame, smooth(BACKGROUND)),
    ):
        for groups in (None, {"g": ["n1", "n4"]}):
            straight = TabularExplainer(model, frame, groups=groups)
            other = TabularExplainer(model, frame[turned], groups=groups)
            assert straight.feature_names is not None and other.feature_names is not None
            a, b = straight(rows), other(rows[turned])
            assert other.feature_names == b.feature_names
            for name in a.feature_names:
                np.testing.assert_allclose(
                    a.values[:, a.feature_names.index(name)],
                    b.values[:, b.feature_names.index(name)],
                    atol=1e-12,
                )
        # By number the columns of the background are meant.
        numbered = TabularExplainer(model, frame[turned], groups={"g": [5, 2]})(rows[turned])
        np.testing.assert_array_equal(numbered.values, b.values)


def test_what_is_called_for_a_model():
    y = smooth(BACKGROUND) > 0
    model = SVC().fit(BACKGROUND, y)
    with pytest.raises(InputError, match="decision_function"):
        TabularExplainer(model, BACKGROUND)
    by_function = TabularExplainer(model.decision_function, BACKGROUND)(X)
    assert by_function.values.shape == X.shape
    from sklearn.naive_bayes import GaussianNB

    bayes = GaussianNB().fit(BACKGROUND, np.where(y, "yes", "no"))
    found = TabularExplainer(bayes, BACKGROUND)(X)
    assert found.output_names == ("no", "yes") and found.values.shape == (*X.shape, 2)
    np.testing.assert_allclose(found.values[:, :, 0], -found.values[:, :, 1], atol=1e-12)
    from sklearn.neighbors import KNeighborsRegressor

    regressor = KNeighborsRegressor().fit(BACKGROUND, smooth(BACKGROUND))
    np.testing.assert_array_equal(
        TabularExplainer(regressor, BACKGROUND)(X).values,
        TabularExplainer(regressor.predict, BACKGROUND)(X).values,
    )
    with pytest.raises(TypeError, match="function of a table"):
        TabularExplainer(3, BACKGROUND)


# Estimates


@pytest.mark.parametrize(
    ("name", "index", "order"),
    [
        ("SymmetricProcess", "SV", 1),
        ("Permutation", "SV", 1),
        ("SampleReuse", "SII", 2),
        ("SymmetricProcess", "FSII", 2),
    ],
)
def test_estimators_give_each_row_what_they_give_its_table(name, index, order):
    explainer = TabularExplainer(two_outputs, BACKGROUND, estimator=name)
    found = explainer(X[:2], budget=100, index=index, order=order)
    assert found.std_error.shape == found.values.shape and (found.n_evaluations <= 100).all()
    batch = estimators.estimate_batch(
        lambda coalitions: np.column_stack(
            [game_of(row, output)(coalitions) for row in X[:2] for output in range(2)]
        ),
        N,
        100,
        index=index,
        order=order,
        estimator=name,
    )
    flat = found.values.transpose(0, 2, 1).reshape(4, -1)
    np.testing.assert_allclose(flat, batch.values, atol=1e-8)
    errors = found.std_error.transpose(0, 2, 1).reshape(4, -1)
    np.testing.assert_allclose(errors, batch.std_error, atol=1e-7)
    row = found[1, 0]
    assert row.n_evaluations == found.n_evaluations[1]
    np.testing.assert_array_equal(row.std_error, found.std_error[1, :, 0])
    full = explainer(X[:2], budget=128, index=index, order=order)
    assert full.std_error is None


def test_standard_errors_tell_how_far_off_values_are():
    truth = TabularExplainer(smooth, BACKGROUND)(X)
    found = TabularExplainer(smooth, BACKGROUND, estimator="KernelRegression")(X, budget=100)
    gap = np.abs(found.values - truth.values)
    assert 1e-9 < gap.max() < 8 * found.std_error.max()


def test_all_rows_share_one_design_and_seeds_repeat():
    seen = set()

    def counting(rows):
        seen.add(len(rows))
        return smooth(rows)

    explainer = TabularExplainer(counting, BACKGROUND)
    first = explainer(X, budget=60, random_state=4)
    again = explainer(X, budget=60, random_state=4)
    other = explainer(X, budget=60, random_state=5)
    np.testing.assert_array_equal(first.values, again.values)
    assert (first.values != other.values).any()
    # A row alone gets what it gets among others.
    alone = explainer(X[3:4], budget=60, random_state=4)
    np.testing.assert_allclose(alone.values[0], first.values[3], atol=1e-13)


def test_easy_rows_stop_early():
    # Rows of the second kind have an interaction, the others are additive.
    def uneven(rows):
        bent = np.where(rows[:, 6] > 5, rows[:, 0] * rows[:, 1] * rows[:, 2], 0.0)
        return rows[:, :6].sum(axis=1) + 10 * bent

    rows = X.copy()
    rows[:, 6] = 0.0
    rows[::2, 6] = 9.0
    shown = []

    def counting(table):
        shown.append(len(table))
        return uneven(table)

    n = 14
    # Features that the model leaves alone, but that differ.
    more = np.random.default_rng(9).normal(size=(len(BACKGROUND), n - N))
    background = np.column_stack([BACKGROUND, more])
    rows = np.column_stack([rows, np.zeros((len(rows), n - N))])
    explainer = TabularExplainer(counting, background, estimator="KernelRegression")
    shown.clear()
    found = explainer(rows, budget=2000, tolerance=0.002)
    assert (found.n_evaluations[1::2] < found.n_evaluations[::2].min()).all()
    assert (found.n_evaluations <= 2000).all()
    done = found.n_evaluations < 2000
    spread = np.maximum(found.values.max(axis=1), 0) - np.minimum(found.values.min(axis=1), 0)
    assert (found.std_error.max(axis=1) <= 0.002 * spread)[done].all()
    # What is dropped is not paid for: full and empty coalitions cost a row or nothing.
    expected = ((found.n_evaluations - 2) * len(background) + 1).sum()
    # At the end the first few rows of the background once more.
    expected += REPEATED
    assert sum(shown) == expected
    # No rule, no rounds: the same design at the whole budget.
    whole = explainer(rows, budget=2000)
    np.testing.assert_allclose(found.values[~done], whole.values[~done], atol=1e-12)
    rule = estimators.stopping.StdErrorBelow(1e9)
    assert (explainer(rows, budget=2000, tolerance=rule).n_evaluations < 200).all()


def test_budget_too_small():
    with pytest.raises(BudgetError, match="at least"):
        TabularExplainer(smooth, BACKGROUND)(X, budget=5)
    with pytest.raises(UnknownIndexError):
        TabularExplainer(smooth, BACKGROUND)(X, index="SVV")
    with pytest.raises(UnknownIndexError):
        TabularExplainer(smooth, BACKGROUND)(X, index="SII", order=N + 1)


def test_rounds_never_ask_beyond_the_budget():
    asked = []

    def worths(coalitions, rows):
        asked.append(len(coalitions))
        return np.zeros((len(coalitions), len(rows), 1))

    store = _Store(worths, 3, 2, 1, budget=5)
    first = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0]], bool)
    assert store.ask(first).shape == (3, 2)
    assert store.ask(first[::-1]).shape == (3, 2) and asked == [3]
    assert store.ask(~first[2:]).shape == (1, 2) and store.n_evaluations == 4
    with pytest.raises(_SpentError):
        store.ask(np.array([[0, 1, 0], [0, 0, 1]], bool))
    assert asked == [3, 1]


def test_progress_ends_at_all_rows():
    told = []
    TabularExplainer(smooth, BACKGROUND, batch_size=50)(
        X, budget=60, progress=lambda done, of: told.append((done, of))
    )
    assert told[-1] == (len(X), len(X)) and len(told) > 10
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_forest_of_scikit_learn():
    model = RandomForestRegressor(n_estimators=5, random_state=0).fit(
        BACKGROUND, smooth(BACKGROUND)
    )
    found = TabularExplainer(model.predict, BACKGROUND)(X)
    gap = found.values.sum(axis=1) + found.base_values - model.predict(X)
    np.testing.assert_allclose(gap, 0, atol=1e-12)
