"""Explainers of tables of all kinds: pickled and copied, fresh and used, they give the same."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from shapley_core import TabularExplainer, imputers

RNG = np.random.default_rng(8)
X = RNG.normal(size=(12, 4))
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(
    c=pd.Categorical(np.where(X[:, 2] > 0, "u", "v")), d=pd.array(X[:, 3], dtype="Float64")
)
TABLES = {
    "numpy": X,
    "objects": FRAME.to_numpy(object),
    "pandas of one type": pd.DataFrame(X, columns=list("abcd")),
    "pandas": FRAME,
    "polars": pl.from_pandas(FRAME),
    "pyarrow": pl.from_pandas(FRAME).to_arrow(),
}


def predict(table):
    if not isinstance(table, np.ndarray):
        table = table.to_pandas() if hasattr(table, "to_pandas") else table
    rows = pd.DataFrame(table)
    first, second, third = (rows.iloc[:, at] for at in range(3))
    return first.to_numpy(float) * second.to_numpy(float) + (third.astype(str) == "u")


@pytest.mark.parametrize("link", ["identity", np.arctan])
@pytest.mark.parametrize("imputer", ["marginal", imputers.Marginal(5), imputers.Nearest(3)])
@pytest.mark.parametrize("kind", TABLES)
def test_copies_give_the_same(kind, imputer, link):
    table = TABLES[kind]
    explainer = TabularExplainer(predict, table[:6], link=link, imputer=imputer)
    fresh = pickle.loads(pickle.dumps(explainer))
    wanted = explainer(table[6:9], budget=12)
    for one in (fresh, pickle.loads(pickle.dumps(explainer)), copy.deepcopy(explainer)):
        found = one(table[6:9], budget=12)
        np.testing.assert_array_equal(found.values, wanted.values)
        np.testing.assert_array_equal(found.std_error, wanted.std_error)
        assert one.expected_value == explainer.expected_value
