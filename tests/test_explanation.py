"""What an Explanation holds, gives row by row, and hands on to pandas and shap."""

import itertools
import pickle

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import shap
import xgboost

from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.explanation import Explanation
from shapley_core.tables import feature_values

NAMES = ("age", "hour", "rain")
RNG = np.random.default_rng(7)
DATA = pd.DataFrame(RNG.normal(size=(6, 3)), columns=list(NAMES), index=list("uvwxyz"))
ARROW = pa.Table.from_pandas(DATA, preserve_index=False)
PAIRS = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]


def single(**changes):
    given = {
        "values": RNG.normal(size=(6, 3)),
        "base_values": np.arange(6.0),
        "data": DATA,
        "index": "SV",
        "feature_names": NAMES,
    }
    return Explanation(**{**given, **changes})


def several(**changes):
    given = {
        "values": RNG.normal(size=(6, 3, 2)),
        "base_values": np.arange(12.0).reshape(6, 2),
        "output_names": ("cat", "dog"),
    }
    return single(**{**given, **changes})


def pairs(index="SII", n_outputs=0, **changes):
    tail = (n_outputs,) if n_outputs else ()
    given = {
        "values": RNG.normal(size=(6, 6, *tail)),
        "base_values": RNG.normal(size=(6, *tail)),
        "index": index,
        "order": 2,
        "interactions": PAIRS,
    }
    return single(**{**given, **changes})


def test_one_output():
    e = single()
    assert (e.n_rows, len(e), e.n_features, e.n_outputs, e.order) == (6, 6, 3, 1, 1)
    assert e.interactions == [(0,), (1,), (2,)]
    assert repr(e) == "Explanation(SV, order 1: 6 rows, 3 features)"
    assert e.data is DATA
    assert e.output(0) is e
    assert repr(several()) == "Explanation(SV, order 1: 6 rows, 3 features, 2 outputs)"
    assert repr(pairs()) == "Explanation(SII, order 2: 6 rows, 6 interactions)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.zeros(6)}, r"values have shape \(6,\)"),
        ({"base_values": np.zeros(5)}, r"base_values have shape \(5,\); wanted \(6,\)"),
        ({"base_values": np.zeros((6, 1))}, r"base_values have shape \(6, 1\)"),
        ({"data": DATA[:5]}, "data has 5 rows, the values 6"),
        ({"data": np.zeros((7, 3)).tolist()}, "data has 7 rows, the values 6"),
        ({"feature_names": ("a",)}, "1 feature_names for 3"),
        ({"output_names": ("a", "b")}, "2 output_names for 1"),
        ({"order": 2}, "need their interactions"),
        ({"order": 2, "interactions": PAIRS}, "3 columns of values, 6 interactions"),
    ],
)
def test_what_does_not_fit_together(changes, message):
    with pytest.raises(InputError, match=message):
        single(**changes)


# --- rows


@pytest.mark.parametrize("row", [0, 5, -1, np.int64(3)])
def test_a_row(row):
    e = pairs()
    r = e[row]
    assert (r.index, r.order, r.n_players, r.player_names) == ("SII", 2, 3, NAMES)
    assert r.baseline == e.base_values[row]
    assert r["hour"] == e.values[row, 1]
    assert r["rain", "age"] == e.values[row, 4]
    np.testing.assert_array_equal(r.values, e.values[row])


def test_a_row_of_several_outputs():
    e = several()
    for choose in (lambda: e[2, 1], lambda: e[2, "dog"], lambda: e.output("dog")[2]):
        np.testing.assert_array_equal(choose().values, e.values[2, :, 1])
        assert choose().baseline == e.base_values[2, 1]
    with pytest.raises(InputError, match=r"2 outputs: choose one, e\[2, 0\].*cat, dog"):
        e[2]


def test_outputs():
    e = several()
    dog = e.output(1)
    assert np.shares_memory(dog.values, e.values)
    assert dog.values.shape == (6, 3)
    assert dog.output_names == ("dog",)
    np.testing.assert_array_equal(dog.base_values, e.base_values[:, 1])
    with pytest.raises(InputError, match="'cow'; outputs are cat, dog"):
        e.output("cow")
    for wrong in (None, True, 0.5, [0]):
        with pytest.raises(TypeError, match="must be an integer"):
            several().output(wrong)
    with pytest.raises(InputError, match="output 2 is out of range"):
        e.output(2)
    with pytest.raises(InputError, match="no output is named"):
        several(output_names=None).output("cat")


@pytest.mark.parametrize(
    "key",
    [
        slice(1, 5, 2),
        slice(None, None, -1),
        slice(6, 9),
        [3, -1, 3],
        [],
        np.array([], np.uint8),
        np.array([True, False, True, True, False, False]),
        pd.Series([False, True, True, False, False, True]),
    ],
)
@pytest.mark.parametrize("make", [single, several, pairs])
def test_some_rows(key, make):
    e = make()
    part = e[key]
    plain = key if isinstance(key, slice) else np.asarray(key, None if len(key) else int)
    np.testing.assert_array_equal(part.values, e.values[plain])
    np.testing.assert_array_equal(part.base_values, e.base_values[plain])
    pd.testing.assert_frame_equal(part.data, DATA.iloc[plain])
    assert part.interactions == e.interactions
    assert (part.index, part.feature_names, part.output_names) == (
        e.index,
        e.feature_names,
        e.output_names,
    )


def test_slices_share_memory_and_iteration_ends():
    e = single()
    assert np.shares_memory(e[2:4].values, e.values)
    assert [r.baseline for r in e] == list(e.base_values)


@pytest.mark.parametrize(
    "key", [6, -7, [0, 6], [-7], [True, False], [0.5], "age", (0, 0, 0), [[0], [1, 2]]]
)
def test_rows_that_are_not_there(key):
    with pytest.raises(IndexError):
        single()[key]


@pytest.mark.parametrize(
    "data",
    [sp.csr_array(DATA.to_numpy()), pl.from_pandas(DATA), ARROW, [[1, 2, 3]] * 6],
)
def test_data_of_every_kind_is_cut_along(data):
    part = single(data=data)[[4, -5]]
    expected = feature_values(data, NAMES)[[4, 1]]
    np.testing.assert_array_equal(feature_values(part.data, NAMES), expected)


# --- dense arrays


@pytest.mark.parametrize("index", ["SII", "BII", "k-SII", "STII", "FSII"])
@pytest.mark.parametrize("n_outputs", [0, 2])
def test_to_array_2(index, n_outputs):
    e = pairs(index, n_outputs)
    dense = e.to_array(2)
    assert dense.shape == (6, 3, 3, *e.values.shape[2:])
    np.testing.assert_array_equal(dense, dense.swapaxes(1, 2))
    for column, (i, j) in enumerate(PAIRS[3:], start=3):
        np.testing.assert_array_equal(dense[:, i, j], e.values[:, column] / 2)
    singles = e.values[:, :3]
    if index in ("SII", "BII"):
        np.testing.assert_allclose(dense.sum(axis=2), singles, rtol=0, atol=1e-14)
    else:
        np.testing.assert_array_equal(dense[:, range(3), range(3)], singles)
        np.testing.assert_allclose(dense.sum(axis=(1, 2)), e.values.sum(axis=1), rtol=0, atol=1e-14)
    by_row = (e if n_outputs == 0 else e.output(1))[3].to_array(2)
    np.testing.assert_allclose(dense[3] if n_outputs == 0 else dense[3, ..., 1], by_row, atol=1e-15)


def test_to_array_2_is_the_convention_of_xgboost():
    X = RNG.normal(size=(50, 3))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    model = xgboost.train({"nthread": 1, "max_depth": 3}, xgboost.DMatrix(X, y), 5)
    native = model.predict(xgboost.DMatrix(X), pred_interactions=True).astype(float)
    order_1 = model.predict(xgboost.DMatrix(X), pred_contribs=True).astype(float)
    # XGBoost halves each pair; SII itself is the whole of it.
    columns = [order_1[:, i] for i in range(3)]
    columns += [2 * native[:, i, j] for i, j in itertools.combinations(range(3), 2)]
    e = pairs(values=np.stack(columns, axis=1), base_values=order_1[:, -1], data=X)
    e = Explanation(e.values, e.base_values, X, index="SII", order=2, interactions=PAIRS)
    np.testing.assert_allclose(e.to_array(2), native[:, :3, :3], atol=1e-5)


def test_to_array_of_other_orders():
    e = pairs()
    np.testing.assert_array_equal(e.to_array(1), e.values[:, :3])
    np.testing.assert_array_equal(e.to_array(), e.to_array(2))
    three = [*PAIRS, (0, 1, 2)]
    e = single(values=RNG.normal(size=(6, 7)), index="SII", order=3, interactions=three)
    dense = e.to_array(3)
    assert dense.shape == (6, 3, 3, 3)
    np.testing.assert_allclose(dense.sum(axis=(1, 2, 3)), e.values[:, 6])
    np.testing.assert_array_equal(dense[:, 2, 0, 1], e.values[:, 6] / 6)
    for wrong in (0, 4):
        with pytest.raises(InputError, match="of order 3"):
            e.to_array(wrong)


def test_to_array_with_few_interactions():
    some = [(0,), (2,), (0, 2)]
    e = single(values=np.ones((6, 3)), index="k-SII", order=2, interactions=some)
    assert e.n_features == 3
    expected = [[1, 0, 0.5], [0, 0, 0], [0.5, 0, 1]]
    np.testing.assert_array_equal(e.to_array(2)[4], expected)


def test_to_array_refuses_what_has_no_meaning_or_no_room():
    with pytest.raises(InputError, match="SGV values a coalition as a whole"):
        pairs("SGV").to_array(2)
    wide = Explanation(
        np.zeros((1, 1)),
        np.zeros(1),
        sp.csr_array((1, 500_000)),
        index="SII",
        order=2,
        interactions=[(0, 499_999)],
    )
    with pytest.raises(MemoryLimitError, match=r"TiB.*fewer rows"):
        wide.to_array(2)


# --- tables and shap


def test_to_frame():
    e = single()
    frame = e.to_frame()
    assert list(frame.columns) == [*NAMES, "base_value"]
    assert list(frame.index) == list("uvwxyz")
    np.testing.assert_array_equal(frame[list(NAMES)], e.values)
    np.testing.assert_array_equal(frame["base_value"], e.base_values)
    assert list(single(data=DATA.to_numpy()).to_frame().index) == list(range(6))


def test_to_frame_of_pairs_and_outputs():
    frame = pairs(n_outputs=2, output_names=("cat", "dog")).to_frame()
    assert frame.shape == (6, 14)
    assert list(frame.columns[[0, 3, 6, 7, 13]]) == [
        "age [cat]",
        "age, hour [cat]",
        "base_value [cat]",
        "age [dog]",
        "base_value [dog]",
    ]
    e = several(feature_names=None, output_names=None)
    frame = e.to_frame()
    assert frame.columns[4] == "feature 0 [output 1]"
    np.testing.assert_array_equal(frame["feature 2 [output 1]"], e.values[:, 2, 1])
    np.testing.assert_array_equal(frame["base_value [output 1]"], e.base_values[:, 1])
    assert single()[:0].to_frame().shape == (0, 4)


def test_mean_abs():
    values = np.tile(RNG.normal(size=(6, 3, 2)), (2000, 1, 1))
    e = several(values=values, base_values=np.zeros((12000, 2)), data=None)
    np.testing.assert_allclose(e.mean_abs(), np.abs(e.values).mean(axis=0))
    np.testing.assert_array_equal(single()[:0].mean_abs(), np.zeros(3))


def test_pickle():
    e = several()
    copy = pickle.loads(pickle.dumps(e))
    np.testing.assert_array_equal(copy.values, e.values)
    np.testing.assert_array_equal(copy.base_values, e.base_values)
    assert (copy.index, copy.feature_names, copy.output_names) == ("SV", NAMES, ("cat", "dog"))
    pd.testing.assert_frame_equal(copy.data, DATA)


def test_base_values_may_be_a_broadcast():
    base = np.broadcast_to(2.5, (6,))
    e = single(base_values=base)
    assert e[3].baseline == 2.5
    assert not np.shares_memory(e.to_shap().base_values, base)


@pytest.mark.parametrize("plot", ["waterfall", "beeswarm"])
@pytest.mark.parametrize("named", [True, False])
def test_shap_draws_it(plot, named):
    e = single() if named else single(data=DATA.to_numpy(), feature_names=None)
    s = e.to_shap()
    assert isinstance(s, shap.Explanation)
    np.testing.assert_array_equal(s.values, e.values)
    plt.figure()
    if plot == "waterfall":
        shap.plots.waterfall(s[2], show=False)
    else:
        shap.plots.beeswarm(s, show=False)
    labels = [t.get_text() for axes in plt.gcf().axes for t in axes.get_yticklabels()]
    assert any(("hour" if named else "Feature 1") in label for label in labels)
    plt.close("all")


def test_shap_of_one_output_among_several():
    s = several().to_shap()
    assert s.shape == (6, 3, 2)
    assert s.output_names == ["cat", "dog"]
    shap.plots.waterfall(s[2, :, 1], show=False)
    plt.close("all")
    assert several().output("dog").to_shap().output_names == "dog"


def test_shap_of_pairs():
    e = pairs()
    np.testing.assert_array_equal(e.to_shap().values, e.to_array(2))
    three = single(values=np.zeros((6, 1)), order=3, interactions=[(0, 1, 2)])
    with pytest.raises(InputError, match="order 3"):
        three.to_shap()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_shap_gets_the_columns_in_the_models_order(make):
    data = make({"rain": [3.0, None], "age": [1, 2], "hour": ["noon", "night"]})
    s = single(values=np.ones((2, 3)), base_values=np.zeros(2), data=data).to_shap()
    assert s.data[1, :2].tolist() == [2, "night"]
    assert s.data[0].tolist() == [1, "noon", 3.0]
    assert s.data[1, 2] is None or np.isnan(s.data[1, 2])
    shap.plots.waterfall(s[0], show=False)
    shap.plots.beeswarm(s, show=False)
    plt.close("all")


def test_shap_of_sparse_rows_and_missing_numbers():
    data = sp.csr_array(np.eye(6, 3))
    np.testing.assert_array_equal(single(data=data).to_shap().data, np.eye(6, 3))
    data = pd.DataFrame({"age": pd.array([1, None, 3, 4, 5, 6], "Int64"), "hour": 1.0, "rain": 2})
    shown = single(data=data).to_shap().data
    assert shown.dtype == np.float64
    assert np.isnan(shown[1, 0])
