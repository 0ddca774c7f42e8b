"""Tables for a row at a time: when they are built, and that nobody can tell by the values."""

import numpy as np
import pytest
from random_trees import random_ensemble, random_rows

from shapley_core.explainers import TreeExplainer
from shapley_core.trees import row_tables, stages

WAYS = [{}, {"index": "SII", "order": 2}]


def tables_of(explainer, way):
    return explainer._plan.engine.tables if way else explainer._engine.tables


@pytest.fixture
def turned(monkeypatch):
    """How many rows each call of the few rows' look-up had."""
    seen = []
    explain = row_tables.RowTables.explain

    def record(self, columns, out):
        seen.append(len(out))
        explain(self, columns, out)

    monkeypatch.setattr(row_tables.RowTables, "explain", record)
    return seen


@pytest.mark.parametrize("way", WAYS, ids=["values", "pairs"])
@pytest.mark.parametrize("with_background", [False, True])
@pytest.mark.parametrize("vector", [False, True])
def test_few_rows_take_the_same_bits(vector, with_background, way, turned, monkeypatch):
    rng = np.random.default_rng(21)
    ensemble = random_ensemble(rng, n_features=8, n_trees=12, depth=8, n_outputs=2, vector=vector)
    rows = random_rows(rng, 300, 8)
    background = random_rows(rng, 40, 8) if with_background else None
    monkeypatch.setattr(stages.TableStages, "pays", lambda *_: False)
    wanted = TreeExplainer(ensemble, background)(rows, **way).values
    assert not turned
    monkeypatch.setattr(stages.TableStages, "pays", lambda *_: True)
    explainer = TreeExplainer(ensemble, background)
    assert (explainer(rows, n_threads=1, **way).values == wanted).all()
    assert not turned
    for n in range(1, 41):
        values = explainer(rows[n : 2 * n], n_threads=1, **way).values
        assert (values == wanted[n : 2 * n]).all()
    few = tables_of(explainer, way).few_rows
    assert turned == list(range(1, few + 1))
    # Without room for them, or without the lasting tables that they are made of.
    turned.clear()
    for name in ("TURNED_BYTES", "KEPT_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(stages, name, 0)
            frugal = TreeExplainer(ensemble, background)
            assert (frugal(rows[:2], **way).values == wanted[:2]).all()
    assert not turned


@pytest.mark.parametrize("way", WAYS, ids=["values", "pairs"])
def test_tables_are_built_from_the_second_call_on(way, turned):
    rng = np.random.default_rng(22)
    ensemble = random_ensemble(rng, n_features=10, n_trees=50, depth=5)
    rows = random_rows(rng, 10, 10)
    explainer = TreeExplainer(ensemble)
    wanted = TreeExplainer(ensemble)(rows, **way).values
    for row in range(10):
        values = explainer(rows[row : row + 1], n_threads=1, **way).values
        assert (values == wanted[row]).all()
        assert len(tables_of(explainer, way)._kept) == (row > 0)
    assert turned == [1] * 9


def test_a_single_call_builds_what_its_rows_pay_for():
    rng = np.random.default_rng(23)
    ensemble = random_ensemble(rng, n_features=10, n_trees=50, depth=5)
    rows = random_rows(rng, 4000, 10)
    explainer = TreeExplainer(ensemble)
    explainer(rows[:1])
    assert not explainer._engine.tables._kept
    explainer = TreeExplainer(ensemble)
    explainer(rows)
    assert explainer._engine.tables._kept


@pytest.mark.parametrize("way", WAYS, ids=["values", "pairs"])
def test_tables_that_cannot_be_kept_are_not_built_for_every_row(way, monkeypatch):
    rng = np.random.default_rng(24)
    ensemble = random_ensemble(rng, n_features=10, n_trees=50, depth=5)
    rows = random_rows(rng, 10, 10)
    wanted = TreeExplainer(ensemble)(rows, **way).values
    monkeypatch.setattr(stages, "KEPT_BYTES", 0)
    built = []
    stage_of = stages.TableStages._stage_of

    def record(self, *given):
        built.append(self)
        return stage_of(self, *given)

    monkeypatch.setattr(stages.TableStages, "_stage_of", record)
    explainer = TreeExplainer(ensemble)
    for row in range(10):
        values = explainer(rows[row : row + 1], n_threads=1, **way).values
        assert (values == wanted[row]).all()
    assert len(built) == 1
