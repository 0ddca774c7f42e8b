"""Memory of masked rows: taken again, but never while anybody holds the rows that were in it."""

import pickle
import weakref

import numpy as np
import pandas as pd
import pytest

from shapley_core import TabularExplainer
from shapley_core.imputers.any_rows import rows_of
from shapley_core.imputers.scratch import Scratch

FLOAT = np.dtype(np.float64)


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_taken_again_once_nobody_holds_it():
    scratch = Scratch()
    first = scratch.array((50, 4), FLOAT)
    first[:] = 1.0
    at = address(first)
    held = scratch.array((50, 4), FLOAT)
    assert address(held) != at
    held[:] = 2.0
    assert (first == 1.0).all()
    last, at = held[3:, 1], address(held)
    del first, held
    # A part of it is enough to keep it.
    other = scratch.array((50, 4), FLOAT)
    other[:] = 3.0
    assert (last == 2.0).all() and address(other) != at
    at = address(other)
    del last, other
    smaller = scratch.array((7, 3), np.dtype(np.int16))
    assert address(smaller) == at and smaller.shape == (7, 3) and smaller.flags.c_contiguous


def test_a_pickle_has_none_of_the_memory():
    rows = rows_of(np.zeros((2, 3)), "X")
    rows._scratch.array((1000, 1000), FLOAT)
    stored = pickle.dumps(rows)
    assert len(stored) < 1000
    assert pickle.loads(stored)._scratch.array((2, 3), FLOAT).shape == (2, 3)


@pytest.mark.parametrize("kind", ["array", "frame", "columns"])
@pytest.mark.parametrize("budget", [32, 1024])
def test_tables_that_a_model_keeps_stay_what_they_were(kind, budget):
    rng = np.random.default_rng(3)
    background, rows = rng.normal(size=(6, 9)), rng.normal(size=(2, 9))
    kept = []

    def keeping(X):
        kept.append((X, np.array(X)))
        return np.asarray(X, float) @ np.arange(9.0)

    def plain(X):
        return np.asarray(X, float) @ np.arange(9.0)

    def tables(*arrays):
        frames = tuple(map(pd.DataFrame, arrays))
        if kind == "columns":
            frames = tuple(frame.astype({2: np.float32, 5: object}) for frame in frames)
        return arrays if kind == "array" else frames

    background, rows = tables(background, rows)
    settings = {"budget": budget, "random_state": 1}
    found = TabularExplainer(keeping, background, batch_size=64)(rows, **settings)
    wanted = TabularExplainer(plain, background, batch_size=64)(rows, **settings)
    np.testing.assert_array_equal(found.values, wanted.values)
    assert len(kept) > 4
    for table, was in kept:
        np.testing.assert_array_equal(np.array(table), was)


def test_a_model_may_answer_with_a_part_of_its_table():
    rng = np.random.default_rng(3)
    background, rows = rng.normal(size=(6, 9)), rng.normal(size=(2, 9))
    found = TabularExplainer(lambda X: X[:, 2], background, batch_size=64)(rows, budget=100)
    wanted = np.zeros((2, 9))
    wanted[:, 2] = rows[:, 2] - background[:, 2].mean()
    np.testing.assert_allclose(found.values, wanted, atol=1e-12)


@pytest.mark.parametrize(("settings", "n_donors"), [({}, 8), ({"tolerance": 1e-9}, 1200)])
def test_masked_rows_of_one_call_take_the_memory_of_those_before(settings, n_donors):
    rng = np.random.default_rng(3)
    before, again = [lambda: None], []

    def model(X):
        again.append(X.base is not None and before[0]() is X.base)
        before[0] = weakref.ref(X if X.base is None else X.base)
        return np.sin(5 * X.sum(axis=1))

    explainer = TabularExplainer(model, rng.normal(size=(n_donors, 12)), batch_size=512)
    again.clear()
    explainer(rng.normal(size=(4, 12)), budget=500, **settings)
    # At first they grow.
    assert len(again) > 20 and sum(again) > 0.7 * len(again)
