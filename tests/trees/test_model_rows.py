"""What the library itself is asked about: in blocks on threads, quickly of few rows, ever anew."""

import sys
from types import SimpleNamespace

import lightgbm
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.ensemble
import xgboost
from parity import rows_with_holes, targets

import shapley_core as sc
from shapley_core.errors import AdditivityError
from shapley_core.explainers import model_rows
from shapley_core.explainers.model_rows import LiveModel
from shapley_core.trees.readers import lightgbm as lightgbm_reader
from shapley_core.trees.readers import xgboost as xgboost_reader

X = rows_with_holes()
REAL, BINARY, CLASSES, _ = targets(X)
NAMES = [f"f{i}" for i in range(X.shape[1])]
SITES = pd.Categorical(np.array(["a", "b", "c"])[np.arange(len(X)) % 3], categories=list("cab"))
FRAME = pd.DataFrame(X, columns=NAMES).assign(site=SITES)


def boosted(X=X, y=REAL, n_rounds=8, **parameters):
    data = xgboost.DMatrix(X, y, enable_categorical=True)
    return xgboost.train({"max_depth": 4, "nthread": 1} | parameters, data, n_rounds)


def light(X=X, y=REAL, n_rounds=8, **parameters):
    parameters = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3} | parameters
    data = lightgbm.Dataset(X, y, params=parameters, free_raw_data=False)
    return lightgbm.train(parameters, data, n_rounds, keep_training_booster=True)


def forest(X=X, y=REAL, **_):
    return sklearn.ensemble.RandomForestRegressor(8, max_depth=4, random_state=0).fit(X, y)


TRAIN = {"xgboost": boosted, "lightgbm": light}


@pytest.fixture(params=TRAIN)
def train(request):
    return TRAIN[request.param]


@pytest.fixture
def asked(monkeypatch):
    """Everything that the libraries are asked about."""
    seen = []
    for reader in (xgboost_reader, lightgbm_reader):

        def record(model, rows, ask=reader.predict_raw, **more):
            seen.append(rows)
            return ask(model, rows, **more)

        monkeypatch.setattr(reader, "predict_raw", record)
    return seen


TABLES = {
    "doubles": lambda: X,
    "floats": lambda: X.astype(np.float32),
    "by column": lambda: np.asfortranarray(X),
    "halves": lambda: X.astype(np.float16),
    "whole": lambda: np.nan_to_num(100 * X).astype(np.int16),
    "frame": lambda: pd.DataFrame(X, columns=NAMES),
    "csr": lambda: scipy.sparse.csr_matrix(np.nan_to_num(X)),
}


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("kind", TABLES)
def test_blocks_on_threads_are_asked_as_the_whole_is(train, kind, n_threads, asked, monkeypatch):
    model, table = train(), TABLES[kind]()
    explainer = sc.TreeExplainer(model)
    rows = explainer.ensemble.table(table)
    wanted = explainer._model.predict(explainer.ensemble, rows, n_threads)
    assert [block is table for block in asked] == [True]
    monkeypatch.setattr(model_rows, "AT_ONCE", 60)
    asked.clear()
    found = explainer._model.predict(explainer.ensemble, rows, n_threads)
    assert (found == wanted).all()
    assert len(asked) == n_threads * -(-4 // n_threads)
    assert sum(block.shape[0] for block in asked) == len(X)
    for block in asked:
        assert type(block) is type(table)
        if kind == "frame":
            assert list(block.dtypes) == list(table.dtypes)
        else:
            assert block.dtype == table.dtype
    asked.clear()
    assert (explainer._model.predict(explainer.ensemble, rows, 1) == wanted).all()
    assert [block is table for block in asked] == [True]
    explainer(table, n_threads=n_threads)


def test_categories_survive_the_cut(train, asked, monkeypatch):
    model = train(FRAME, REAL + 3 * (FRAME["site"] == "a"))
    explainer = sc.TreeExplainer(model)
    wanted = explainer(FRAME, n_threads=1)
    monkeypatch.setattr(model_rows, "AT_ONCE", 50)
    asked.clear()
    assert (explainer(FRAME, n_threads=2).values == wanted.values).all()
    assert len(asked) == 4
    assert all(block["site"].dtype == FRAME["site"].dtype for block in asked)


@pytest.mark.parametrize("index, order", [("SV", 1), ("k-SII", 2)])
def test_a_wrong_row_is_found_whatever_the_threads(train, index, order, monkeypatch):
    monkeypatch.setattr(model_rows, "AT_ONCE", 30)
    explainer = sc.TreeExplainer(train())
    odd = np.tile(X, (2, 1))
    for n_threads in (1, 2, 3):
        explainer(odd, index=index, order=order, n_threads=n_threads)
        for row in (0, 217, 399):
            ask = LiveModel._ask

            def wrong(self, rows, ask=ask, row=row):
                raw = ask(self, rows).copy()
                raw[(rows == odd[row]).all(axis=1)] += 1e-2
                return raw

            odd[row] = np.arange(X.shape[1])
            monkeypatch.setattr(LiveModel, "_ask", wrong)
            with pytest.raises(AdditivityError, match=f"row {row}, .* 1 of 400 rows"):
                explainer(odd, index=index, order=order, n_threads=n_threads)
            monkeypatch.setattr(LiveModel, "_ask", ask)
            odd[row] = X[row % len(X)]


def test_libraries_with_threads_of_their_own_are_asked_once(train, asked, monkeypatch):
    monkeypatch.setattr(model_rows, "AT_ONCE", 60)
    monkeypatch.setattr(model_rows, "available_threads", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    name = "nthread" if train is boosted else "num_threads"
    for own, calls in ((0, 1), (1, 4), (2, 4), (4, 1)):
        explainer = sc.TreeExplainer(train(**{name: own}))
        asked.clear()
        explainer(X, n_threads=4)
        assert len(asked) == calls, own
    explainer = sc.TreeExplainer(train(**{name: 0}))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    asked.clear()
    explainer(X, n_threads=4)
    assert len(asked) == 4


def test_other_libraries_are_asked_once(monkeypatch):
    monkeypatch.setattr(model_rows, "AT_ONCE", 60)
    explainer = sc.TreeExplainer(forest(np.nan_to_num(X)))
    rows = np.nan_to_num(X)
    assert (explainer(rows, n_threads=2).values == explainer(rows, n_threads=1).values).all()


# A model that is no longer the one that was read


def test_a_model_that_was_trained_further_is_noticed(train):
    model = train()
    explainer = sc.TreeExplainer(model)
    for rows in (X[:1], X):
        for _ in range(3):
            explainer(rows)
            explainer(rows, index="SII", order=2)
    if train is boosted:
        model.update(xgboost.DMatrix(X, 10 + REAL), 8)
    else:
        model.update(fobj=lambda predicted, data: (predicted - 10, np.ones(len(predicted))))
    for rows in (X[:1], X):
        with pytest.raises(AdditivityError):
            explainer(rows)
        with pytest.raises(AdditivityError):
            explainer(rows, index="SII", order=2)
        explainer(rows, check="trees")
    sc.TreeExplainer(model)(X)


def test_another_model_in_the_same_object_is_noticed():
    averaging = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    some, other = light(**averaging), light(n_rounds=5)
    explainer = sc.TreeExplainer(some)
    explainer(X)
    some.model_from_string(other.model_to_string())
    with pytest.raises(AdditivityError):
        explainer(X)
    sc.TreeExplainer(some)(X)
    light_again = sc.TreeExplainer(other)
    light_again(X)
    other.model_from_string(light(n_rounds=6, **averaging).model_to_string())
    with pytest.raises(AdditivityError):
        light_again(X)
    sc.TreeExplainer(other)(X)


# XGBoost's C function, asked without its Python


MODELS = {
    "real": {},
    "binary": {"objective": "binary:logistic", "y": BINARY},
    "classes": {"objective": "multi:softprob", "num_class": 3, "y": CLASSES},
    "vectors": {"multi_strategy": "multi_output_tree", "y": np.stack([REAL, -REAL], 1)},
    "dart": {"booster": "dart", "rate_drop": 0.3},
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rounds", [(0, 0), (2, 5)])
@pytest.mark.parametrize("missing", [np.nan, 0.5])
def test_the_direct_answer_is_the_librarys(kind, dtype, rounds, missing):
    model = boosted(**MODELS[kind])
    for rows in (X[:1], X[5:6], X[:40], np.where(np.isnan(X), 0.5, X)[:7]):
        rows = np.ascontiguousarray(rows, dtype)
        found = xgboost_reader._ask_directly(model, rows, rounds, missing)
        wanted = model.inplace_predict(
            rows,
            iteration_range=rounds,
            predict_type="margin",
            missing=missing,
            strict_shape=True,
        )
        assert found.shape == wanted.shape
        assert (found == wanted).all()


def test_what_is_not_asked_directly_is_asked_all_the_same(monkeypatch):
    model = boosted()
    wanted = xgboost_reader.predict_raw(model, X)
    for rows in (X[::2][:5], X[:5].astype(np.float16), X[:5].astype(">f8"), X[:5].tolist()):
        assert xgboost_reader._ask_directly(model, rows, (0, 0), np.nan) is None
    assert (xgboost_reader.predict_raw(model, X[::2][:5]) == wanted[::2][:5]).all()
    # More rounds than there are: what the library says of that.
    assert xgboost_reader._ask_directly(model, X[:1], (0, 99), np.nan) is None
    with pytest.raises(sc.errors.InputError, match="Out of range for tree layers"):
        xgboost_reader.predict_raw(model, X[:1], iteration_range=(0, 99))
    monkeypatch.setitem(sys.modules, "xgboost.core", SimpleNamespace())
    assert xgboost_reader._ask_directly(model, X[:1], (0, 0), np.nan) is None


@pytest.mark.parametrize("kind", ["pandas", "polars", "masked", "csr", "list"])
def test_trees_predict_tables_as_they_are_explained(train, kind):
    model = train(FRAME)
    ensemble = sc.trees.read_model(model)
    codes = np.column_stack([X, SITES.codes]).astype(float)
    wanted = ensemble.predict(codes)
    back = FRAME[FRAME.columns[::-1]]
    if kind == "csr":
        # Entries that are not stored are missing for one library and zero for the other.
        table = scipy.sparse.csr_matrix(np.nan_to_num(codes))
        wanted = sc.TreeExplainer(model)(table)
        wanted = wanted.values.sum(axis=1) + wanted.base_values
    elif kind == "polars":
        polars = pytest.importorskip("polars")
        table = polars.from_pandas(back.assign(site=back.site.astype(str)))
    else:
        masked = np.ma.masked_invalid(np.where(np.isnan(codes), np.inf, codes))
        table = {"pandas": back, "masked": masked, "list": codes.tolist()}[kind]
    np.testing.assert_allclose(ensemble.predict(table), wanted, rtol=0, atol=1e-12)
    if kind == "pandas":
        assert (ensemble.apply(table) == ensemble.apply(codes)).all()
        with pytest.raises(sc.errors.InputError, match="lacks 'f0' and has 'x'"):
            ensemble.predict(back.rename(columns={"f0": "x"}))
