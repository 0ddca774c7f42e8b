"""Marginal games as means of games beside some donors each."""

import numpy as np
import pandas as pd
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shapley_core as sc
from shapley_core import TableGame, indices
from shapley_core import coalitions as sets
from shapley_core._kernels import masking, transforms
from shapley_core.explainers import parted_rows
from shapley_core.explainers.donor_games import add_values, dealt, equal_players
from shapley_core.explainers.many_games import exact_values
from shapley_core.imputers.any_rows import rows_of
from shapley_core.imputers.rows import differing_pairs
from shapley_core.players import Players

from .games import DERIVATIVE, N, game_of, smooth, table, two_outputs


@pytest.mark.parametrize(("index", "order"), DERIVATIVE)
@pytest.mark.parametrize("groups", [None, [[2, 5], [1, 7, 3]]])
def test_values_are_those_of_the_whole_game_however_many_coalitions_suffice(index, order, groups):
    background, rows = table(1, 9), table(2, 3)
    rows[1, 1:] = background[2, 1:]
    weights = np.array([1.0, 2, 0, 3, 1, 1, 0.5, 1, 4])
    explainer = sc.TabularExplainer(two_outputs, background, weights=weights, groups=groups)
    members = explainer.players.members
    found = explainer(rows, index=index, order=order, budget=1 << len(members))
    for at, row in enumerate(rows):
        for output in range(2):
            game = game_of(two_outputs, row, background, weights, members, output)
            truth = sc.exact(game, index, order)
            one = found[at, output]
            np.testing.assert_allclose(one.values, truth.values, rtol=0, atol=1e-12)
            assert one.baseline == pytest.approx(truth.baseline, abs=1e-12)


def test_rows_beside_donors_that_differ_in_few_features_are_exact_with_few_coalitions():
    background, rows = table(1, 12, levels=1), table(2, 4, levels=1)
    background[::2, 3] = 5.0
    rows[2, 6:] = 4.0
    shown = []

    def counting(given):
        shown.append(len(given))
        return smooth(given)

    explainer = sc.TabularExplainer(counting, background, check_repeats=False)
    shown.clear()
    found = explainer(rows, budget=31)
    np.testing.assert_array_equal(found.std_error, np.zeros((4, N)))
    wanted = sum(
        (1 << int((row != donor).sum())) - 2 for row in rows for donor in background
    ) + len(rows)
    # Neither nothing nor everything is shown a second time.
    assert sum(shown) == wanted
    np.testing.assert_array_equal(found.n_evaluations, [4, 4, 16, 4])
    for at, row in enumerate(rows):
        game = game_of(smooth, row, background)
        np.testing.assert_allclose(found.values[at], sc.exact(game).values, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("index", "order"),
    [("SV", 1), ("BV", 1), ("FSII", 2), ("FBII", 2), ("k-SII", 2), ("STII", 2), ("CHII", 2)],
)
def test_estimates_err_as_little_as_they_say_and_add_up(index, order):
    background, rows = table(1, 40), table(2, 6)
    explainer = sc.TabularExplainer(smooth, background)
    truth = explainer(rows, index=index, order=order, budget=256)
    shown = []

    def counting(given):
        shown.append(len(given))
        return smooth(given)

    counted = sc.TabularExplainer(counting, background, check_repeats=False)
    shown.clear()
    found = counted(rows, index=index, order=order, budget=100)
    assert sum(shown) <= 100 * len(background) * len(rows)
    assert (found.n_evaluations == 100).all()
    gap, said = np.abs(found.values - truth.values), found.std_error
    assert (gap <= 2 * said + 1e-12).mean() > 0.9
    assert 0.2 < np.sqrt((gap**2).mean() / (said**2).mean()) < 2.0
    assert gap.max() < 0.05 * np.abs(truth.values).max()
    if index == "SV":
        whole = found.values.sum(axis=1) + found.base_values
        np.testing.assert_allclose(whole, smooth(rows), atol=1e-9)
    if index == "FBII":
        np.testing.assert_allclose(found.base_values, truth.base_values, atol=0.1)


@pytest.mark.parametrize("scale", [1e-4, 1e-3, 1e-1])
def test_errors_are_in_proportion_to_interactions_however_small(scale):
    rng = np.random.default_rng(0)
    background, rows = rng.normal(size=(8, 9)), rng.normal(size=(4, 9))

    def off(scale):
        def predict(table):
            return table.sum(axis=1) + scale * table[:, 0] * table[:, 1] * table[:, 2]

        explainer = sc.TabularExplainer(predict, background)
        truth = explainer(rows, budget=512).values
        found = [explainer(rows, budget=300, random_state=seed) for seed in range(6)]
        errors = np.stack([np.abs(one.values - truth) for one in found])
        said = np.stack([one.std_error for one in found])
        return np.sqrt((errors**2).mean()) / scale, (errors <= 2 * said).mean()

    small, covered = off(scale)
    assert small < 1.1 * off(1.0)[0]
    assert covered >= 0.85


@pytest.mark.parametrize("tolerance", [None, 0.05])
@pytest.mark.parametrize("exponent", [1000, 520, -520, -1000])
def test_errors_are_in_proportion_to_predictions_however_large(exponent, tolerance):
    rng = np.random.default_rng(8)
    background, X, weights = (rng.normal(size=(k, 10)) for k in (12, 3, 4))

    def plain(rows):
        return np.tanh(rows @ weights.T).sum(axis=1)

    options = {"budget": 400, "tolerance": tolerance}
    wanted = sc.TabularExplainer(plain, background)(X, **options)
    large = sc.TabularExplainer(lambda rows: np.ldexp(plain(rows), exponent), background)
    found = large(X, **options)
    np.testing.assert_allclose(np.ldexp(found.values, -exponent), wanted.values, atol=1e-12)
    np.testing.assert_allclose(np.ldexp(found.std_error, -exponent), wanted.std_error, rtol=1e-9)
    assert (found.std_error > 0).all()
    np.testing.assert_array_equal(found.n_evaluations, wanted.n_evaluations)


def test_parts_err_less_than_one_design_of_all_donors(monkeypatch):
    background, rows = np.random.default_rng(0).normal(size=(2, 64, N))
    truth = sc.TabularExplainer(smooth, background)(rows[:8], budget=256).values

    def error(seed):
        found = sc.TabularExplainer(smooth, background)(rows[:8], budget=48, random_state=seed)
        return ((found.values - truth) ** 2).mean()

    parted = np.mean([error(seed) for seed in range(4)])
    monkeypatch.setattr(parted_rows, "_PARTS", 1)
    assert parted < 0.7 * np.mean([error(seed) for seed in range(4)])


@pytest.mark.parametrize(
    "how", [{"batch_size": 37}, {"n_threads": 2}, {"memory": "1MB"}, {"weights": np.full(40, 3.0)}]
)
@pytest.mark.parametrize(("budget", "tolerance"), [(60, None), (256, None), (255, 0.02)])
def test_values_do_not_depend_on_how_they_are_found(how, budget, tolerance, monkeypatch):
    monkeypatch.setattr(parted_rows, "_FIRST_ROUND", 40)
    background, rows = table(1, 40), table(2, 30)
    settings = {"budget": budget, "tolerance": tolerance}
    wanted = sc.TabularExplainer(two_outputs, background)(rows, **settings)
    found = sc.TabularExplainer(two_outputs, background, **how)(rows, **settings)
    np.testing.assert_allclose(found.values, wanted.values, rtol=0, atol=1e-11)
    if budget < 256:
        np.testing.assert_allclose(found.std_error, wanted.std_error, rtol=0, atol=1e-9)
    if "n_threads" in how:
        np.testing.assert_array_equal(found.values, wanted.values)
    alone = sc.TabularExplainer(two_outputs, background)(rows[7:8], **settings)
    np.testing.assert_allclose(alone.values, wanted.values[7:8], rtol=0, atol=1e-11)


@pytest.mark.parametrize(("budget", "tolerance"), [(60, None), (256, None), (255, 0.02)])
def test_blocks_of_rows_change_nothing(budget, tolerance, monkeypatch):
    monkeypatch.setattr(parted_rows, "_FIRST_ROUND", 40)
    background, rows = table(1, 40), table(2, 7)
    explainer = sc.TabularExplainer(two_outputs, background)
    wanted = explainer(rows, budget=budget, tolerance=tolerance)
    monkeypatch.setattr(parted_rows, "_DIFFERING_BYTES", 7000)
    monkeypatch.setattr(parted_rows, "_WORTHS", 1000)
    monkeypatch.setattr(parted_rows, "_SOLVED_WORTHS", 1000)
    told = []
    found = explainer(
        rows,
        budget=budget,
        tolerance=tolerance,
        progress=lambda done, of: told.append(done),
    )
    np.testing.assert_allclose(found.values, wanted.values, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.n_evaluations, wanted.n_evaluations)
    assert told == sorted(told) and set(told) >= ({2, 4, 6, 7} if tolerance is None else {7})


@pytest.mark.parametrize(("n_donors", "alike"), [(40, True), (7, False)])
def test_interactions_of_a_row_are_its_own_beside_many_donors(n_donors, alike):
    # Beside few, what matters is learnt from all rows of a call.
    background, rows = np.random.default_rng(1).normal(size=(2, n_donors, N))
    explainer = sc.TabularExplainer(smooth, background)
    settings = {"index": "SII", "order": 2, "budget": 100}
    whole = explainer(rows[:6], **settings).values
    gap = np.abs(explainer(rows[:1], **settings).values - whole[:1]).max()
    assert (gap <= 1e-11 * np.abs(whole).max()) == alike


def test_features_may_be_renamed_where_values_are_exact():
    background, rows = table(1, 20), table(2, 5)
    order = np.random.default_rng(0).permutation(N)
    back = np.argsort(order)
    wanted = sc.TabularExplainer(smooth, background)(rows, budget=256).values
    moved = sc.TabularExplainer(lambda given: smooth(given[:, back]), background[:, order])
    found = moved(rows[:, order], budget=256).values
    np.testing.assert_allclose(found, wanted[:, order], rtol=0, atol=1e-12)


def test_frames_have_the_values_of_their_numbers():
    background, rows = table(1, 15), table(2, 4)
    wanted = sc.TabularExplainer(smooth, background)(rows, budget=60)
    names = [f"f{i}" for i in range(N)]

    exact = sc.TabularExplainer(smooth, background)(rows, budget=256)

    def pandas_frame(array, f3="int64"):
        frame = pd.DataFrame(array, columns=names)
        frame["f1"] = frame["f1"].map(lambda x: f"level {x:g}")
        frame["f2"] = pd.Categorical(frame["f2"], categories=[0.0, 1.0, 2.0])
        frame["f3"] = frame["f3"].astype(f3)
        return frame

    def pandas_model(frame):
        assert list(frame.columns) == names and frame["f2"].dtype.name == "category"
        plain = frame.assign(f1=frame["f1"].str[6:]).astype(float)
        return smooth(plain.to_numpy())

    found = sc.TabularExplainer(pandas_model, pandas_frame(background))(
        pandas_frame(rows), budget=60
    )
    np.testing.assert_allclose(found.values, wanted.values, rtol=0, atol=1e-11)
    explainer = sc.TabularExplainer(pandas_model, pandas_frame(background, "Int64"))
    found = explainer(pandas_frame(rows, "Int64"), budget=256)
    np.testing.assert_allclose(found.values, exact.values, rtol=0, atol=1e-12)

    def polars_frame(array):
        frame = polars.DataFrame(array, schema=names)
        return frame.with_columns(polars.col("f1").cast(polars.String))

    found = sc.TabularExplainer(
        lambda frame: smooth(frame.cast(polars.Float64).to_numpy()), polars_frame(background)
    )(polars_frame(rows), budget=60)
    np.testing.assert_allclose(found.values, wanted.values, rtol=0, atol=1e-11)
    objects = sc.TabularExplainer(
        lambda given: smooth(given.astype(float)), background.astype(object)
    )(rows.astype(object), budget=256)
    np.testing.assert_allclose(objects.values, exact.values, rtol=0, atol=1e-12)


def test_progress_comes_to_an_end_and_never_goes_back():
    told = []
    background, rows = table(1, 30), table(2, 7)
    explainer = sc.TabularExplainer(smooth, background, batch_size=500)
    explainer(rows, budget=60, progress=lambda done, of: told.append((done, of)))
    done = [count for count, _ in told]
    assert told[-1] == (7, 7) and done == sorted(done) and len(set(done)) > 2


def test_a_budget_too_small_is_refused_before_the_model_is_asked():
    shown = []

    def counting(given):
        shown.append(len(given))
        return smooth(given)

    background, rows = table(1, 30), table(2, 3)
    explainer = sc.TabularExplainer(counting, background)
    shown.clear()
    with pytest.raises(sc.errors.BudgetError, match=r"at least 20 .* 8 players; got 18"):
        explainer(rows, budget=18)
    assert shown == [3]


# What it is made of


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 9), st.integers(1, 70))
def test_every_pair_is_in_one_part_with_all_players_that_matter(seed, n_rows, n_donors, n):
    rng = np.random.default_rng(seed)
    differs = rng.random((n_rows, n_donors, n)) < rng.random()
    few = rng.random((n_rows, n_donors)) < 0.5
    numbers = rng.integers(1, n_donors + 1, n_rows)
    exact = equal_players(differs, few, min(2, n))
    others = dealt(differs, ~few, numbers, lambda count: min(count + 3, n), 0)
    seen = np.zeros((n_rows, n_donors), np.int64)
    for kind, group in (("few", exact), ("others", others)):
        for parts in group:
            for p, row in enumerate(parts.rows):
                donors = parts.donors[parts.starts[p] : parts.starts[p + 1]]
                assert (np.diff(donors) > 0).all() and len(donors)
                seen[row, donors] += 1
                assert (few[row, donors] == (kind == "few")).all()
                players = parts.players[p].tolist()
                assert len(set(players)) == len(players)
                outside = np.setdiff1d(np.arange(n), players)
                assert not differs[row][np.ix_(donors, outside)].any()
                if kind == "few":
                    assert (differs[row, donors] == differs[row, donors[0]]).all()
    assert (seen == 1).all()
    for row in range(n_rows):
        wanted = min(int(numbers[row]), int((~few[row]).sum()))
        assert sum(int((parts.rows == row).sum()) for parts in others) == wanted


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["f8", "f4", "i2", "?", "U3", "S5", "c16"]),
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.booleans(),
    st.booleans(),
)
def test_masked_rows_of_pairs(dtype, seed, k, grouped, by_column):
    rng = np.random.default_rng(seed)
    n, n_pairs = 9, int(rng.integers(1, 40))
    rows = rng.integers(0, 50, size=(n_pairs, n)).astype(dtype)
    donors = rng.integers(0, 50, size=(n_pairs, n)).astype(dtype)
    players = Players.of([[0, 4], [2, 3, 8]] if grouped else None, n, None)
    own = np.stack([rng.permutation(players.n_players)[:k] for _ in range(n_pairs)])
    of_feature = np.arange(n) if players.of_feature is None else players.of_feature
    held = (of_feature[None, :, None] == own[:, None, :]).any(axis=2)
    donors = np.where(held, donors, rows)
    masks = rng.random((int(rng.integers(1, 30)), k)) < 0.5
    inside = np.zeros((len(masks), n_pairs, players.n_players), np.bool_)
    for pair in range(n_pairs):
        inside[:, pair, own[pair]] = masks
    wanted = np.where(inside[:, :, of_feature], rows, donors).reshape(-1, n)
    out = np.empty(wanted.T.shape if by_column else wanted.shape, dtype)
    rows, donors = (part.T if by_column else part for part in (rows, donors))
    masking.mix_pairs(
        masks.view(np.uint8),
        np.ascontiguousarray(rows).view(np.uint8),
        np.ascontiguousarray(donors).view(np.uint8),
        own.astype(np.int32),
        *players.feature_lists,
        out.dtype.itemsize,
        by_column,
        out.view(np.uint8),
    )
    np.testing.assert_array_equal(out.T if by_column else out, wanted)


def test_pairs_that_differ_to_the_bit():
    rows = np.array([[0.0, np.nan, 1.0], [-0.0, 2.0, 1.0]])
    found = differing_pairs(rows, np.array([[0.0, np.nan, 1.0], [0.0, 2.0, 3.0]]))
    wanted = [[[0, 0, 0], [0, 1, 1]], [[1, 1, 0], [1, 0, 1]]]
    np.testing.assert_array_equal(found, np.array(wanted, bool))
    text = np.array([["a", "b"]], "U5")
    np.testing.assert_array_equal(
        differing_pairs(text, np.array([["a", "c"], ["ab", "b"]], "U5")),
        [[[False, True], [True, False]]],
    )
    frame = pd.DataFrame({"a": ["x", "y"], "b": [1.0, np.nan], "c": pd.array([1, None], "Int64")})
    of_frame = rows_of(frame, "X")
    found = of_frame.differing_donors(np.arange(2), of_frame)
    for column in range(3):
        np.testing.assert_array_equal(found[..., column], 1 - np.eye(2))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 150), st.sampled_from(DERIVATIVE), st.integers(0, 10**6))
def test_values_of_many_tables_are_those_of_each(n, n_games, which, seed):
    index, order = which
    worths = np.random.default_rng(seed).normal(size=(1 << n, n_games)) + 1e3
    if order > n:
        return
    spec = indices.get(index)
    found = exact_values(worths, spec, order)
    for game in (0, n_games // 2, n_games - 1):
        truth = sc.exact(TableGame(worths[:, game].copy()), index, order)
        np.testing.assert_allclose(found.values[:, game], truth.values, rtol=0, atol=1e-11)
        assert found.baseline[game] == pytest.approx(truth.baseline, abs=1e-9)
        alone = exact_values(np.ascontiguousarray(worths[:, [game]]), spec, order)
        np.testing.assert_array_equal(alone.values[:, 0], found.values[:, game])


def test_superset_sums_of_games():
    worths = np.random.default_rng(0).normal(size=(16, 3))
    weights = np.random.default_rng(1).normal(size=(2, 5))
    members = np.array([0, 0b101, 0b1000])
    out = np.zeros((2, 3, 3))
    transforms.fold_games(worths, weights, members, out)
    for w in range(2):
        for r, member in enumerate(members.tolist()):
            wanted = sum(
                weights[w, at.bit_count()] * (worths[at] - worths[0])
                for at in range(16)
                if at & member == member
            )
            np.testing.assert_allclose(out[w, r], wanted, atol=1e-13)


def test_values_are_added_where_their_players_are():
    rng = np.random.default_rng(2)
    differs = rng.random((2, 3, 5)) < 0.7
    for parts in dealt(differs, np.ones((2, 3), bool), np.array([2, 3]), lambda c: max(c, 2), 4):
        k, out = parts.n_players, np.zeros((2, 15, 2))
        values = rng.normal(size=(k + k * (k - 1) // 2, len(parts) * 2))
        shares = rng.random(len(parts))
        add_values(parts, values, shares, out, 2, 5)
        wanted = np.zeros_like(out)
        every = [tuple(s) for size in (1, 2) for s in sets.interactions_of_size(5, size).tolist()]
        own = [tuple(s) for size in (1, 2) for s in sets.interactions_of_size(k, size).tolist()]
        by_part = values.reshape(len(own), len(parts), 2)
        for p, row in enumerate(parts.rows):
            for at, members in enumerate(own):
                name = tuple(sorted(parts.players[p, list(members)].tolist()))
                wanted[row, every.index(name)] += shares[p] * by_part[at, p]
        np.testing.assert_allclose(out, wanted, atol=1e-15)
