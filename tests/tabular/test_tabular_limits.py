"""Batches, threads and memory of TabularExplainer, and arguments and tables that are none."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier

from shapley_core import TabularExplainer, TreeExplainer, imputers
from shapley_core.errors import BudgetError, InputError, MemoryLimitError

from .test_tabular_explainer import BACKGROUND, N, X, smooth, two_outputs

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("imputer", ["marginal", "nearest", "gaussian"])
@pytest.mark.parametrize("budget", [60, 128])
def test_batches_threads_and_layouts_give_the_same_bits(imputer, budget):
    def make(background=BACKGROUND, **more):
        return TabularExplainer(two_outputs, background, imputer=imputer, **more)

    X = RNG.normal(size=(4, N))
    reference = make(n_threads=1)(X, budget=budget)
    for explainer, rows in (
        (make(batch_size=1), X),
        (make(batch_size=7), X),
        (make(batch_size=100, n_threads=3), X),
        (make(memory="1MB"), X),
        (make(np.asfortranarray(BACKGROUND)), np.asfortranarray(X)),
        (make(np.repeat(BACKGROUND, 2, axis=1)[:, ::2]), np.repeat(X, 2, axis=0)[::2]),
    ):
        found = explainer(rows, budget=budget)
        np.testing.assert_array_equal(found.values, reference.values)
        np.testing.assert_array_equal(found.base_values, reference.base_values)


def test_batches_of_weighted_donors_give_the_same_bits():
    # Weights a third and a sixth of the largest: sums of them hang on the order.
    weights = np.resize([3.0, 0.5, 1.0, 0.5, 3.0], len(BACKGROUND))
    values = [
        TabularExplainer(two_outputs, BACKGROUND, weights=weights, link=np.tanh, batch_size=size)(
            X, budget=128
        ).values
        for size in (None, 1, 3, 7)
    ]
    for found in values[1:]:
        np.testing.assert_array_equal(found, values[0])


def test_threads_mask_large_blocks_alike():
    wide = RNG.normal(size=(3, 4000))
    groups = np.array_split(np.arange(4000), 9)

    def total(rows):
        return np.einsum("rf->r", rows) ** 2

    one, two = (
        TabularExplainer(total, wide, groups=groups, n_threads=threads)(wide[:2])
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one.values, two.values)


def test_memory_bounds_the_peak():
    rows, background = RNG.normal(size=(20, 13)), RNG.normal(size=(700, 13))

    def cheap(table):
        return table[:, 0]

    explainer = TabularExplainer(cheap, background, memory="8MB")
    tracemalloc.start()
    explainer(rows, budget=400)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 1e6 < peak < 8e6
    small = TabularExplainer(lambda table: table[:, :3], background[:2], memory="1MB")
    with pytest.raises(MemoryLimitError, match="for one row"):
        small(rows, budget=8192)


def peak_of(call):
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_bounds_what_tells_rows_and_donors_apart():
    rows, background = RNG.normal(size=(400, 20)), RNG.normal(size=(500, 20))
    small, large = (
        TabularExplainer(lambda table: table[:, 0], background, memory=memory)
        for memory in ("4MB", "1GB")
    )
    assert peak_of(lambda: small(rows, budget=44)) < 12e6
    np.testing.assert_array_equal(
        small(rows[:60], budget=44).values, large(rows[:60], budget=44).values
    )


def test_memory_does_not_grow_with_the_distances():
    rows, background = RNG.normal(size=(700, 3)), RNG.normal(size=(9000, 3))
    explainer = TabularExplainer(
        lambda table: table[:, 0], background, imputer=imputers.Nearest(k=1), memory="8MB"
    )
    explainer(rows[:1])
    # The distances alone are 50 MB.
    assert peak_of(lambda: explainer(rows)) < 25e6


def test_a_background_that_is_written_to_later_stays_what_it_was():
    def of_table(table):
        return smooth(np.asarray(table)[:, :N].astype(float))

    for make in (np.array, pd.DataFrame, lambda rows: pd.DataFrame(rows).assign(label="a")):
        given = make(np.tile(BACKGROUND, (2, 1)))
        explainer = TabularExplainer(of_table, given)
        rows = given[:3].copy()
        before = explainer(rows).values
        if isinstance(given, np.ndarray):
            given[30:] = 5.0
        else:
            given.iloc[30:, :N] = 5.0
        np.testing.assert_array_equal(explainer(rows).values, before)


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "pandas of arrow", "pandas"])
def test_a_background_of_columns_that_lie_in_arrays_of_ones_own(kind):
    def made(columns):
        if kind == "polars":
            return pl.DataFrame([pl.Series(f"f{at}", one) for at, one in enumerate(columns)])
        arrow = [pa.array(one) for one in columns]
        if kind == "pyarrow":
            return pa.table(arrow, names=[f"f{at}" for at in range(N)])
        arrow = [pd.arrays.ArrowExtensionArray(one) for one in arrow]
        held = columns if kind == "pandas" else arrow
        return pd.DataFrame({f"f{at}": one for at, one in enumerate(held)}, copy=False)

    def of_table(table):
        columns = [table[f"f{at}"] for at in range(N)]
        return smooth(np.stack([np.asarray(one, float) for one in columns], axis=1))

    owned = [np.array(column) for column in np.tile(BACKGROUND, (2, 1)).T]
    explainer = TabularExplainer(of_table, made(owned))
    rows = made([column[:3].copy() for column in owned])
    before = explainer(rows).values
    for column in owned:
        column[30:] = 5.0
    np.testing.assert_array_equal(explainer(rows).values, before)


@pytest.mark.parametrize("budget", [0, -1, -8, -5000])
def test_a_budget_that_is_none(budget, tmp_path):
    explainer = TabularExplainer(smooth, BACKGROUND)
    for call in (
        lambda: explainer(X, budget=budget),
        lambda: explainer(X, budget=budget, out=tmp_path / "run"),
        lambda: TabularExplainer((np.arange(7.0), 0.0), BACKGROUND)(X, budget=budget),
    ):
        with pytest.raises(BudgetError, match=f"at least 1; got {budget}"):
            call()
    assert not (tmp_path / "run").exists()


def test_entries_that_are_lists():
    background = pd.DataFrame({"a": [[1.0], [2.0, 3.0], [4.0]], "b": [1.0, 2.0, 3.0]})

    def sums(table):
        return np.array([sum(entry) for entry in table["a"]]) * table["b"].to_numpy()

    rows = background[:2].assign(b=[5.0, 7.0])
    plain = TabularExplainer(sums, background)(rows)
    linked = TabularExplainer(sums, background, link=lambda worths: 2 * worths)(rows)
    np.testing.assert_allclose(linked.values, 2 * plain.values)
    with pytest.raises(InputError, match="column 'a' of the background holds lists"):
        TabularExplainer(sums, background, imputer="nearest")


FOREST = RandomForestClassifier(3, max_depth=2, random_state=0).fit(
    BACKGROUND, BACKGROUND[:, 0] > 0
)
EXPLAINERS = {
    "trees": lambda: TreeExplainer(FOREST),
    "probabilities of trees": lambda: TreeExplainer(FOREST, BACKGROUND, output="probability"),
    "any model, trees": lambda: TabularExplainer(FOREST, BACKGROUND),
    "any model, linear": lambda: TabularExplainer((np.ones(N), 0.0), BACKGROUND),
    "any model": lambda: TabularExplainer(smooth, BACKGROUND),
}


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"progress": 3}, TypeError, r"a function progress\(rows_done, n_rows\), not int"),
        ({"tolerance": -1}, InputError, "must be a positive number, not -1"),
        ({"tolerance": "low"}, TypeError, "tolerance must be a number"),
        ({"budget": 2.5}, TypeError, "budget must be an integer"),
        ({"random_state": "a"}, TypeError, "random_state must be an integer"),
    ],
)
def test_wrong_arguments_are_refused_where_nothing_is_estimated(name, wrong, error, message):
    if name == "trees" and "progress" not in wrong:
        return
    with pytest.raises(error, match=message):
        EXPLAINERS[name]()(X, **wrong)


@pytest.mark.parametrize("model", [FOREST, (np.ones(N), 0.0), smooth])
def test_an_estimator_that_there_is_not_is_refused_at_once(model):
    with pytest.raises(InputError, match="unknown estimator 'kernel'"):
        TabularExplainer(model, BACKGROUND, estimator="kernel")
    with pytest.raises(TypeError, match="estimator must be a name"):
        TabularExplainer(model, BACKGROUND, estimator=3)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_progress_ends_with_all_rows(name):
    told = []
    EXPLAINERS[name]()(X, progress=lambda *done: told.append(done))
    assert told[-1] == (len(X), len(X))


@pytest.mark.parametrize(
    ("table", "n_columns", "most"),
    [
        (np.asarray, 12, 16_384),
        (np.asarray, 91, 3 * 2**20 // 728),
        (np.asarray, 1000, 2048),
        (pd.DataFrame, 12, 32_768),
        (lambda rows: pd.DataFrame(rows).astype({3: np.float32}), 12, 32_768),
    ],
)
def test_batches_that_nobody_bounds(table, n_columns, most):
    shown = []

    def model(rows):
        shown.append(len(rows))
        return np.asarray(rows)[:, 0]

    rows = RNG.normal(size=(100, n_columns))
    TabularExplainer(model, table(rows[:97]))(table(rows[97:]), budget=max(400, 3 * n_columns))
    # Not all of them are full: pairs and coalitions make up a grid.
    assert 0.97 * most < max(shown) <= most
