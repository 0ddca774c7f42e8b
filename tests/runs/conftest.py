"""A model, its explainer and rows that all tests of long runs share."""

import numpy as np
import pandas as pd
import pytest
from random_trees import random_ensemble
from run_cases import NAMES, StoppedError, stop_after

import shapley_core as sc


@pytest.fixture(scope="module")
def ensemble():
    return random_ensemble(np.random.default_rng(3), n_features=4, n_trees=12, feature_names=NAMES)


@pytest.fixture(scope="module")
def explainer(ensemble):
    return sc.TreeExplainer(ensemble)


@pytest.fixture(scope="module")
def rows():
    table = pd.DataFrame(np.random.default_rng(4).normal(size=(1000, 4)), columns=NAMES)
    table.loc[::7, "x"] = np.nan
    return table


@pytest.fixture
def begun(tmp_path, explainer, rows):
    """A run of 1000 rows in parts of 100, of which three are finished."""
    with pytest.raises(StoppedError):
        explainer(rows, out=tmp_path / "run", chunk_rows=100, progress=stop_after(310))
    return tmp_path / "run"
