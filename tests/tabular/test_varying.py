"""Features that a row shares with all donors, and masked rows that are the same."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars
import pytest

import shapley_core as sc
from shapley_core.explainers.varying import groups_of
from shapley_core.imputers.any_rows import rows_of

from .games import DERIVATIVE, game_of

RNG = np.random.default_rng(3)
N = 8
# Of the background three columns are constant; some rows share two of the constants, or all three.
BACKGROUND = RNG.normal(size=(6, N))
BACKGROUND[:, [1, 4, 6]] = [2.0, np.nan, -0.0]
X = RNG.normal(size=(5, N))
X[1:, 1] = 2.0
X[2:, 4] = np.nan
X[3, 6] = -0.0
X[4, 6] = 0.0


def smooth(rows):
    z = np.nan_to_num(rows, nan=0.3)
    return (
        np.tanh(z[:, 0] * z[:, 1] + z[:, 2] * z[:, 4] - z[:, 3]) + z[:, 5] * z[:, 6] + z[:, 7] ** 2
    )


@pytest.mark.parametrize(("index", "order"), DERIVATIVE)
def test_rows_of_fewer_players_have_the_values_of_the_whole_game(index, order):
    explainer = sc.TabularExplainer(smooth, BACKGROUND)
    # 128 coalitions are all of those of seven players, not of eight.
    found = explainer(X, index=index, order=order, budget=128 if order < 3 else 255)
    for at, row in enumerate(X[1:], 1):
        truth = sc.exact(game_of(smooth, row, BACKGROUND), index, order)
        one = found[at]
        np.testing.assert_allclose(one.values, truth.values, rtol=0, atol=1e-12)
        assert one.baseline == pytest.approx(truth.baseline, abs=1e-12)
        assert (one.std_error == 0.0).all()
    # To the bit: 0 is not -0, though it is equal.
    assert found.n_evaluations.tolist()[1:] == [128, 64, 32, 64]
    if index in ("Moebius", "Co-Moebius"):
        # So many coalitions are all that these hang on, of as many players as there are.
        truth = sc.exact(game_of(smooth, X[0], BACKGROUND), index, order)
        np.testing.assert_allclose(found[0].values, truth.values, rtol=0, atol=1e-12)
    else:
        assert (found.std_error[0] > 0.0).any()


def test_what_a_model_is_shown_is_no_more_than_that():
    shown = []

    def counting(rows):
        shown.append(len(rows))
        return smooth(rows)

    explainer = sc.TabularExplainer(counting, BACKGROUND, check_repeats=False)
    shown.clear()
    explainer(X[3:4], budget=4096)
    assert sum(shown) == 1 + 30 * len(BACKGROUND)


def test_a_row_like_all_donors_has_no_values():
    background = np.repeat(BACKGROUND[:1], 3, axis=0)
    explainer = sc.TabularExplainer(smooth, background)
    for order in (1, 2):
        found = explainer(background[:1], index="k-SII", order=order, budget=40)
        assert (found.values == 0.0).all() and (found.n_evaluations <= 4).all()


def test_groups_matter_when_one_feature_does():
    # Players of nothing but shared features: {1, 4} for all but the first two rows.
    groups = [[1, 4], [6, 7]]
    explainer = sc.TabularExplainer(smooth, BACKGROUND, groups=groups)
    found = explainer(X, budget=63)
    assert found.n_evaluations.tolist()[2:] == [32, 32, 32]
    truth = explainer(X, budget=64)
    np.testing.assert_allclose(found.values[2:], truth.values[2:], rtol=0, atol=1e-13)


def test_numbers_of_players_are_rounded_up():
    matter = np.zeros((4, 50), np.bool_)
    for row, count in enumerate((0, 9, 17, 50)):
        matter[row, 50 - count :] = True
    found = list(groups_of(matter, np.arange(4), 50, 100, 2))
    assert [group.n_players for group in found] == [2, 12, 20, 50]
    assert [group.rows.tolist() for group in found] == [[0], [1], [2], [3]]
    # Those that matter, and the first of the others.
    assert found[1].players[0].tolist() == [0, 1, 2, *range(41, 50)]


@pytest.mark.parametrize("budget", [40, 100])
def test_rows_of_few_players_take_turns(budget):
    # Rows of each kind alone, together, and in blocks of little memory.
    rows = np.tile(X[[3, 0, 2, 4, 1, 3, 0]], (20, 1))
    explainer = sc.TabularExplainer(smooth, BACKGROUND)
    together = explainer(rows, budget=budget)
    alone = [explainer(row[None], budget=budget) for row in rows[:7]]
    small = sc.TabularExplainer(smooth, BACKGROUND, memory="1MB")(rows, budget=budget)
    np.testing.assert_allclose(small.values, together.values, rtol=0, atol=1e-13)
    for at, one in enumerate(alone):
        np.testing.assert_allclose(one.values[0], together.values[at], rtol=0, atol=1e-13)
        np.testing.assert_allclose(one.std_error[0], together.std_error[at], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("kind", ["numbers", "text", "pandas", "polars", "objects", "categories"])
def test_where_rows_differ_from_donors(kind):
    first = np.array([1, 1, 2, 1]), np.array([1, 1, 1])
    second = np.array(["a", "b", "a", "a"]), np.array(["a", "a", "a"])
    third = np.array([0.5, 0.5, 0.5, 0.5]), np.array([0.5, 0.25, 0.5])
    wanted = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [0, 0, 1]], bool)
    tables = [dict(zip("xyz", (first[i], second[i], third[i]), strict=True)) for i in (0, 1)]
    if kind == "numbers":
        made = [np.column_stack([t["x"], t["y"] == "a", t["z"]]).astype(np.float32) for t in tables]
    elif kind == "text":
        made = [np.column_stack([t["x"].astype(str), t["y"], t["z"].astype(str)]) for t in tables]
    elif kind == "objects":
        made = [np.column_stack([t["x"], t["y"], t["z"]]).astype(object) for t in tables]
    elif kind == "polars":
        made = [polars.DataFrame(t) for t in tables]
    else:
        made = [pd.DataFrame(t) for t in tables]
        if kind == "categories":
            made = [t.astype({"y": pd.CategoricalDtype(["b", "a"])}) for t in made]
    donors = rows_of(made[1], "the background")
    found = donors.like(made[0], "X").differing(np.arange(4), donors)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("as_frame", [False, True])
def test_objects_that_compare_equal_are_not_the_same(as_frame):
    nan, when, price = float("nan"), pd.Timestamp("2020-01-01"), Decimal("1.5")
    entries = ["1", b"1", 1, 1.0, True, 0.0, -0.0, nan, None, pd.NA, pd.NaT, np.float64(1), price]
    entries += [np.float32(1), np.int64(1), np.datetime64("2020-01-01"), when, ("a",)]
    column = np.empty((len(entries), 1), object)
    column[:, 0] = entries
    table = pd.DataFrame(column) if as_frame else column
    donors = rows_of(table, "the background")
    found = donors.like(table, "X").differing_donors(np.arange(len(entries)), donors)[:, :, 0]
    wanted = ~np.eye(len(entries), dtype=bool)
    # Whether two of these are the same cannot be seen.
    unseen = [at for at, one in enumerate(entries) if type(one) in (Decimal, pd.Timestamp, tuple)]
    wanted[unseen, unseen] = True
    np.testing.assert_array_equal(found, wanted)


def test_arrays_of_objects_leave_out_what_a_donor_shares():
    shown = []

    def model(table):
        shown.append(len(table))
        return (table[:, 0] == "a") * table[:, 1].astype(float) + (table[:, 2] == "b")

    background = np.array([["a", 1.0, "b"], ["c", 2.0, "b"]], object)
    explainer = sc.TabularExplainer(model, background, check_repeats=False)
    shown.clear()
    found = explainer(np.array([["a", 2.0, "b"]], object), budget=8)
    # Beside each donor one player matters: the row itself is all that is shown.
    assert sum(shown) == 1
    np.testing.assert_array_equal(found.values, [[1.0, 0.5, 0.0]])


# Masked rows that are the same


def sparse(seed, n_rows, n_features=60, share=0.08):
    return (np.random.default_rng(seed).random((n_rows, n_features)) < share).astype(float)


WIDE = np.random.default_rng(5).normal(size=(60, 2))


def two_outputs(rows):
    return np.tanh(np.einsum("rf,fk->rk", rows, WIDE))


def test_a_model_of_wide_tables_is_checked_all_the_same():
    background, rows = sparse(1, 30), sparse(2, 1)

    def bad(table):
        return np.where(table.sum(axis=1) > rows.sum() + 1, np.nan, 1.0)

    with pytest.raises(sc.errors.InputError, match="must be finite"):
        sc.TabularExplainer(bad, background[:, :])(rows, budget=400)

    def huge(table):
        return np.full(len(table), 1e308)

    with pytest.raises(sc.errors.InputError, match="overflow"):
        sc.TabularExplainer(huge, background, check_repeats=False)(rows, budget=400)
