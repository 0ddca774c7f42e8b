"""What an explainer keeps goes with it, at once: nothing large waits for the garbage collector."""

import gc
import weakref

import numpy as np
import pytest
from random_trees import random_ensemble, random_rows

from shapley_core import TreeExplainer


@pytest.mark.parametrize("options", [{}, {"index": "SII", "order": 2}])
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("depth", [4, 12])
def test_tables_go_with_the_explainer(depth, background, options):
    rng = np.random.default_rng(depth)
    ensemble = random_ensemble(rng, 12, depth=depth, n_outputs=1)
    rows = random_rows(rng, 2000, 12)
    explainer = TreeExplainer(ensemble, rows[:200] if background else None)
    for n_rows in (2000, 2000, 3):
        explanation = explainer(rows[:n_rows], n_threads=2, **options)
    engine = explainer._engine if explainer._plan is None else explainer._plan.engine
    held = [weakref.ref(one) for one in (explainer, engine, engine.tables, explanation.values)]
    gc.collect()
    gc.disable()
    try:
        del explainer, engine, explanation
        assert [one() for one in held] == [None] * 4
    finally:
        gc.enable()
