"""Every kind of table gives the same rows, or an error that says what to do."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import hypothesis
import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import xgboost
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from table_cases import COLUMNS, FRAMES, NAMES, NAN, ROWS, in_blocks, whole

from shapley_core.errors import InputError
from shapley_core.tables import as_table, take_rows

# --- arrays


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a,
        np.asfortranarray,
        lambda a: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
        lambda a: a[::-1][::-1],
        lambda a: a.astype(">f8"),
        lambda a: a.astype(np.longdouble),
        lambda a: a.tolist(),
        lambda a: tuple(map(tuple, a)),
        np.ma.masked_invalid,
    ],
)
def test_numpy_layouts(make):
    given = make(ROWS)
    expected = np.where(np.isinf(ROWS), NAN, ROWS) if np.ma.isMaskedArray(given) else ROWS
    table = as_table(given, n_features=3, feature_names=NAMES)
    assert table.n_rows == len(table) == 4
    assert table.feature_names == NAMES
    assert table.source is given
    np.testing.assert_array_equal(whole(table), expected)
    np.testing.assert_array_equal(in_blocks(table, 3), expected)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u2", "i8", "u8", "?"])
def test_numbers_keep_their_type_and_memory(dtype):
    X = np.arange(12).reshape(4, 3).astype(dtype)
    X.setflags(write=False)
    block = as_table(X, n_features=3).block(1, 3)
    assert block.dtype == X.dtype
    assert np.shares_memory(block, X)
    np.testing.assert_array_equal(block, X[1:3])


@pytest.mark.parametrize("X", [np.empty((0, 3)), pd.DataFrame(columns=list("abc"), dtype=float)])
def test_no_rows(X):
    table = as_table(X, n_features=3, feature_names=NAMES)
    assert table.block(0, 0).shape == (0, 3)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(3), r"shape \(3,\).*reshape\(1, -1\)"),
        (pd.Series([1.0, 2.0, 3.0]), r"to_frame\(\)\.T"),
        (np.zeros((2, 3, 1)), r"shape \(2, 3, 1\)"),
        (np.zeros((5, 4)), "4 columns .* 3 features"),
        (np.array([[1, None, 2.0]], object), r"dtype object.*astype\(float\)"),
        (np.array([["1", "2", "3"]]), "dtype <U1"),
        (np.zeros((2, 3), complex), "complex"),
        (np.zeros((2, 3), "M8[s]"), "datetime64"),
        (np.zeros(2, [("a", "f8"), ("b", "f8")]), "structured array with fields"),
        ([[1, 2, 3], [4, 5]], "equal lengths"),
        (None, "NoneType"),
        ("table.csv", "is a str"),
        ({"a": [1]}, "is a dict"),
        (3.0, "shape"),
        (sp.lil_array(np.eye(3)), "tocsr"),
        (sp.csr_array(np.eye(3)) * 1j, "complex"),
        (sp.csr_array(np.eye(4)), "4 columns"),
        (lightgbm.Dataset(ROWS), "lightgbm Dataset"),
        (pl.LazyFrame({"a": [1]}), "collect"),
        (pl.Series("a", [1]), "cannot be read as a table"),
        (pa.array([1]), "cannot be read as a table"),
    ],
)
def test_what_is_no_table(X, message):
    with pytest.raises(InputError, match=message):
        as_table(X, n_features=3)


def test_dmatrix_is_refused():
    with pytest.raises(InputError, match="xgboost DMatrix"):
        as_table(xgboost.DMatrix(np.zeros((2, 3))), n_features=3)


def test_messages_use_the_tables_name():
    with pytest.raises(InputError, match=r"^background has shape"):
        as_table(np.zeros(3), n_features=3, what="background")


# --- sparse


@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix])
@pytest.mark.parametrize("absent", ["zero", "missing"])
def test_sparse_keeps_stored_zeros(make, absent):
    row, column = np.array([0, 0, 1, 3, 3]), np.array([2, 0, 1, 0, 2])
    X = make(sp.coo_array((np.array([5.0, 0.0, -1.0, NAN, 2.0]), (row, column)), shape=(4, 3)))
    gap = NAN if absent == "missing" else 0.0
    expected = [[0.0, gap, 5.0], [gap, -1.0, gap], [gap] * 3, [NAN, gap, 2.0]]
    table = as_table(X, n_features=3, sparse_absent=absent)
    np.testing.assert_array_equal(whole(table), expected)
    np.testing.assert_array_equal(in_blocks(table, 2), expected)
    assert table.block(2, 2).shape == (0, 3)


def test_sparse_entries_given_twice_are_summed_and_the_source_is_left_alone():
    X = sp.csr_array((np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 3])), (1, 3))
    for absent, gap in (("zero", 0.0), ("missing", NAN)):
        table = as_table(X, n_features=3, sparse_absent=absent)
        np.testing.assert_array_equal(whole(table), [[4.0, 3.0, gap]])
    assert X.nnz == 3


@hypothesis.given(
    hnp.arrays(np.int8, (6, 4), elements=st.integers(-1, 1)),
    st.integers(0, 6),
    st.integers(0, 6),
)
def test_sparse_equals_dense(dense, start, stop):
    start, stop = sorted((start, stop))
    table = as_table(sp.csc_matrix(dense), n_features=4)
    np.testing.assert_array_equal(table.block(start, stop), dense[start:stop])


# --- frames


@pytest.fixture(params=FRAMES, ids=list(FRAMES))
def frame(request):
    return FRAMES[request.param]


def test_frame(frame):
    table = as_table(frame(COLUMNS), n_features=3)
    assert table.feature_names == NAMES
    np.testing.assert_array_equal(whole(table), ROWS)
    np.testing.assert_array_equal(in_blocks(table, 3), ROWS)
    assert whole(table).dtype == np.float64


def test_columns_are_found_by_name(frame):
    given = frame({name: COLUMNS[name] for name in "cab"})
    table = as_table(given, n_features=3, feature_names=NAMES)
    np.testing.assert_array_equal(whole(table), ROWS)
    assert table.feature_names == NAMES


def test_columns_that_do_not_match(frame):
    with pytest.raises(InputError, match="X lacks 'c' and has 'd', which the model does not know"):
        as_table(frame({"a": [1], "b": [2], "d": [3]}), n_features=3, feature_names=NAMES)
    with pytest.raises(InputError, match="has 'z', which"):
        as_table(frame({**COLUMNS, "z": ROWS[:, 0]}), n_features=3, feature_names=NAMES)
    with pytest.raises(InputError, match=r"4 columns.*3 features"):
        as_table(frame({**COLUMNS, "z": ROWS[:, 0]}), n_features=3)
    many = [f"column {i}" for i in range(9)]
    with pytest.raises(InputError, match="and 4 more"):
        as_table(frame({"a": [1]}), n_features=9, feature_names=many)


def test_repeated_columns_are_refused():
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(InputError, match="more than one column named 'a'"):
        as_table(twice, n_features=2)
    with pytest.raises(InputError, match="'a'"):
        as_table(pa.table([[1], [2]], names=["a", "a"]), n_features=2)


def test_blanks_in_names_as_lightgbm_stores_them(frame):
    given = frame({"my feature": [1.0], "b": [2.0]})
    table = as_table(given, n_features=2, feature_names=("b", "my_feature"))
    np.testing.assert_array_equal(whole(table), [[2.0, 1.0]])
    both = frame({"my feature": [1.0], "my_feature": [3.0]})
    exact = as_table(both, n_features=2, feature_names=("my feature", "my_feature"))
    np.testing.assert_array_equal(whole(exact), [[1.0, 3.0]])
    with pytest.raises(InputError, match="has 'my feature', which"):
        as_table(both, n_features=1, feature_names=("my_feature",))


def test_pandas_names_that_are_numbers():
    X = pd.DataFrame(ROWS, columns=[2, 0, 1])
    table = as_table(X, n_features=3, feature_names=("0", "1", "2"))
    np.testing.assert_array_equal(whole(table), ROWS[:, [1, 2, 0]])


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean", "int64[pyarrow]", "float64"])
def test_pandas_nullable(dtype):
    X = pd.DataFrame({"a": pd.array([1, None, 0], dtype)})
    np.testing.assert_array_equal(whole(as_table(X, n_features=1)), [[1.0], [NAN], [0.0]])


def test_pandas_sparse_and_bool_columns():
    X = pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.0, NAN]), "b": [True, False, True]})
    np.testing.assert_array_equal(whole(as_table(X, n_features=2)), [[0, 1], [1, 0], [NAN, 1]])


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
def test_arrow_nulls_and_types(make):
    X = make({"a": [1, None, 3], "b": [True, None, False], "c": [None, None, None]})
    expected = [[1, 1, NAN], [NAN, NAN, NAN], [3, 0, NAN]]
    np.testing.assert_array_equal(in_blocks(as_table(X, n_features=3), 2), expected)


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pa.table])
def test_integers_beyond_2_53_round_to_the_nearest(make):
    X = make({"a": [2**53 + 1, 2**62 + 1], "b": [1, 2]})
    np.testing.assert_array_equal(whole(as_table(X, n_features=2))[:, 0], [2.0**53, 2.0**62])


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]"])
def test_nullable_integers_beyond_2_53(dtype):
    X = pd.DataFrame({"a": pd.array([2**53 + 1, None, 2**62 + 1], dtype)})
    frames = [X, pl.DataFrame({"a": [2**53 + 1, None, 2**62 + 1]})]
    frames.append(pa.table({"a": [2**53 + 1, None, 2**62 + 1]}))
    for frame in frames:
        rows = whole(as_table(frame, n_features=1))
        np.testing.assert_array_equal(rows[:, 0], [2.0**53, NAN, 2.0**62])


def test_columns_of_other_types(frame):
    dates = np.array(["2020-01-01", "2021-01-01"], "M8[ns]")
    for column in (dates, ["x", "y"]):
        with pytest.raises(InputError, match=r"column 'b' of X has dtype .*convert it to numbers"):
            as_table(frame({"a": [1, 2], "b": column}), n_features=2)
    with pytest.raises(InputError, match="column 'a' of X has dtype object"):
        as_table(pd.DataFrame({"a": [1, None]}, dtype=object), n_features=1)


# --- use


def test_blocks_from_many_threads(frame):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(5000, 6))
    table = as_table(frame({f"f{i}": rows[:, i] for i in range(6)}), n_features=6)
    starts = list(range(0, 5000, 50))
    with ThreadPoolExecutor(8) as pool:
        blocks = list(pool.map(lambda s: table.block(s, s + 50), starts))
    np.testing.assert_array_equal(np.concatenate(blocks), rows)


@pytest.mark.parametrize("start_stop", [(-1, 2), (3, 2), (0, 5)])
def test_blocks_outside_of_the_table(start_stop):
    with pytest.raises(IndexError, match="of a table of 4 rows"):
        as_table(ROWS, n_features=3).block(*start_stop)


def test_what_libraries_would_read_in_another_way_is_not_native():
    plain = pd.DataFrame(COLUMNS)
    labelled = pd.DataFrame({"a": pd.Categorical(["x", "y"])})
    native = [ROWS, ROWS[::-1], ROWS.tolist(), plain, pl.DataFrame(COLUMNS), pa.table(COLUMNS)]
    native += [plain.convert_dtypes(dtype_backend="numpy_nullable"), sp.csr_array(ROWS)]
    other = [np.ma.masked_invalid(ROWS), ROWS.astype(np.longdouble), ROWS.astype(">f8")]
    other += [plain.convert_dtypes(dtype_backend="pyarrow"), plain.astype(">f8")]
    other += [sp.csr_array((np.ones(2), np.array([1, 1]), np.array([0, 2])), (1, 3))]
    assert [as_table(X, n_features=3).native for X in native] == [True] * len(native)
    assert [as_table(X, n_features=3).native for X in other] == [False] * len(other)
    known = {0: ["x", "y"]}
    assert as_table(labelled, n_features=1, categories=known).native
    for X in (labelled.astype("str"), pl.from_pandas(labelled), pa.Table.from_pandas(labelled)):
        assert not as_table(X, n_features=1, categories=known).native
    mixed = as_table(
        labelled.astype("str").assign(b=1.0), n_features=2, categories=known, what="mixed"
    )
    assert not mixed.native


@pytest.mark.parametrize("rows", [slice(1, 4, 2), np.array([3, 1, 1]), slice(0, 0)])
@pytest.mark.parametrize(
    "source",
    [
        ROWS,
        ROWS.tolist(),
        sp.coo_array(ROWS),
        pd.DataFrame(COLUMNS, index=list("wxyz")),
        pl.DataFrame(COLUMNS),
        pa.table(COLUMNS),
    ],
    ids=["numpy", "list", "sparse", "pandas", "polars", "pyarrow"],
)
def test_take_rows(source, rows):
    taken = take_rows(source, rows)
    if not isinstance(source, list):
        assert isinstance(taken, type(source)) or sp.issparse(taken)
    np.testing.assert_array_equal(whole(as_table(taken, n_features=3)), ROWS[rows])


def test_pandas_does_without_narwhals_and_others_say_what_to_install():
    code = """
import sys
sys.modules["narwhals"] = None
import pandas, polars
from shapley_core.errors import InputError
from shapley_core.tables import as_table
assert as_table(pandas.DataFrame({"a": [1.5]}), n_features=1).block(0, 1)[0, 0] == 1.5
try:
    as_table(polars.DataFrame({"a": [1.5]}), n_features=1)
except InputError as error:
    assert "shapley_core[tables]" in str(error), error
else:
    raise SystemExit("no error")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
