"""The model is shown its own kind of table, and the values are those of the table's numbers."""

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from shapley_core import TabularExplainer, imputers
from shapley_core.errors import InputError

RNG = np.random.default_rng(2)
N_ROWS = 12
CITIES = ["bern", "oslo", "rome"]


def pandas_frame(n_rows, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(50, 10, n_rows),
            "visits": rng.integers(0, 9, n_rows),
            "city": pd.Categorical(rng.choice(CITIES, n_rows), categories=CITIES),
            "note": rng.choice(["good", "bad", "ugly"], n_rows),
            "flag": rng.integers(0, 2, n_rows).astype(bool),
            "small": rng.normal(size=n_rows).astype(np.float32),
            "maybe": pd.array([None, *rng.integers(0, 5, n_rows - 1).tolist()], dtype="Int64"),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, n_rows), "D"),
        },
        index=[f"row {i}" for i in range(n_rows)],
    )


def objects_frame(n_rows, seed):
    return pandas_frame(n_rows, seed).astype({"note": object, "flag": object})


def polars_frame(n_rows, seed):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "age": rng.normal(50, 10, n_rows),
            "visits": rng.integers(0, 9, n_rows),
            "city": pl.Series(rng.choice(CITIES, n_rows).tolist(), dtype=pl.Enum(CITIES)),
            "note": rng.choice(["good", "bad", "ugly"], n_rows).tolist(),
            "flag": rng.integers(0, 2, n_rows).astype(bool),
            "small": rng.normal(size=n_rows).astype(np.float32),
            "maybe": [None, *rng.integers(0, 5, n_rows - 1).tolist()],
            "kind": pl.Series(rng.choice(["x", "y"], n_rows).tolist(), dtype=pl.Categorical),
        }
    )


def arrow_table(n_rows, seed):
    return polars_frame(n_rows, seed).to_arrow()


def schema_of(table):
    """Names and types of the columns."""
    if hasattr(table, "column_names"):
        return list(zip(table.column_names, table.schema.types, strict=True))
    return list(zip(table.columns, table.dtypes, strict=True))


def numbers_of(frame):
    """Each column as numbers, whatever the library: what the models below are made of."""
    if isinstance(frame, pa.Table):
        # pyarrow 14 makes no pandas categories of unsigned codes.
        plain = [
            column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
            for column in frame.columns
        ]
        frame = pa.table(plain, names=frame.column_names)
    frame = frame.to_pandas() if hasattr(frame, "to_pandas") else frame
    return np.column_stack(
        [
            frame["age"].to_numpy(float) / 50,
            frame["visits"].to_numpy(float) / 4,
            frame["city"].astype(str).map({c: i for i, c in enumerate(CITIES)}).to_numpy(float),
            frame["note"].astype(str).map({"good": 1.0, "bad": -1.0, "ugly": 0.5}).to_numpy(),
            frame["flag"].to_numpy(float),
            frame["small"].to_numpy(float),
            frame["maybe"].astype("Float64").fillna(-1).to_numpy(float),
            _last(frame.iloc[:, 7]),
        ]
    )


def _last(series):
    if series.name == "when":
        return (series - pd.Timestamp("2020-01-01")).dt.days.to_numpy(float) / 50
    return (series.astype(str) == "x").to_numpy(float)


def of_numbers(table):
    return (
        table[:, 0] * table[:, 1]
        + table[:, 2] * table[:, 3]
        + np.sin(table[:, 4] + table[:, 5] * table[:, 6])
        + table[:, 7] * table[:, 1]
    )


@pytest.mark.parametrize("make", [pandas_frame, objects_frame, polars_frame, arrow_table])
@pytest.mark.parametrize("batch_size", [None, 250])
@pytest.mark.parametrize("imputer", ["marginal", imputers.Nearest(4)])
@pytest.mark.parametrize("link", ["identity", lambda worths: 2 * worths])
def test_frames_of_every_type(make, batch_size, imputer, link):
    background, rows = make(N_ROWS, 1), make(2, 2)
    seen = []

    def model(table):
        assert type(table) is type(background)
        seen.append(table)
        return of_numbers(numbers_of(table))

    settings = {"imputer": imputer, "batch_size": batch_size, "link": link}
    explainer = TabularExplainer(model, background, **settings)
    found = explainer(rows)
    for table in seen:
        assert schema_of(table) == schema_of(background)
    names = tuple(name for name, _ in schema_of(background))
    assert found.feature_names == names and found.data is rows
    if imputer == "marginal":
        coded = TabularExplainer(of_numbers, numbers_of(background), link=link)(numbers_of(rows))
        np.testing.assert_allclose(found.values, coded.values, atol=1e-12)
    total = found.values.sum(axis=1) + found.base_values
    wanted = of_numbers(numbers_of(rows)) * (1 if link == "identity" else 2)
    np.testing.assert_allclose(total, wanted, atol=1e-12)


@pytest.mark.parametrize("make", [pandas_frame, polars_frame, arrow_table])
def test_nearest_looks_labels_up(make):
    background, row = make(N_ROWS, 1), make(1, 2)
    explainer = TabularExplainer(
        lambda table: numbers_of(table)[:, 0], background, imputer=imputers.Nearest(1)
    )
    games = explainer._games
    bound = games.filler.bind(games.rows.like(row, "X"))
    # Present: city and note alone.
    mask = np.array([[name in ("city", "note") for name, _ in schema_of(background)]])
    shown, _ = bound.fill(np.array([0]), mask, slice(0, 1), 1)
    coded, mine = numbers_of(background)[:, 2:4], numbers_of(row)[:, 2:4]
    nearest = int(np.argmin((coded != mine).sum(axis=1)))
    assert numbers_of(shown)[0, 0] == numbers_of(background)[nearest, 0]
    np.testing.assert_array_equal(numbers_of(shown)[0, 2:4], mine[0])


@pytest.mark.parametrize(
    "dtype", ["f8", "f4", "i4", "i8", "u1", "?", "<U5", "S3", "O", ">f8", "f2"]
)
def test_arrays_of_every_type(dtype):
    background = RNG.integers(0, 2 if dtype == "?" else 9, (6, 3)).astype(dtype)
    rows = RNG.integers(0, 2 if dtype == "?" else 9, (4, 3)).astype(dtype)

    def model(table):
        assert table.dtype == np.dtype(dtype) and table.shape[1] == 3
        numbers = table.astype(float)
        return numbers[:, 0] * numbers[:, 1] - numbers[:, 2]

    found = TabularExplainer(model, background)(rows)
    plain = TabularExplainer(
        lambda table: table[:, 0] * table[:, 1] - table[:, 2], background.astype(float)
    )(rows.astype(float))
    np.testing.assert_allclose(found.values, plain.values, atol=1e-12)


def test_numeric_frames_keep_their_one_type():
    background = pd.DataFrame(RNG.normal(size=(5, 3)).astype(np.float32), columns=[7, "b", "c"])
    kinds = set()

    def model(table):
        kinds.add((tuple(table.columns), tuple(table.dtypes)))
        return table["b"] * table[7]

    found = TabularExplainer(model, background)(background[:2])
    assert kinds == {((7, "b", "c"), (np.dtype("f4"),) * 3)}
    assert found.feature_names == ("7", "b", "c")


class OwnFrame(pd.DataFrame):
    @property
    def _constructor(self):
        return OwnFrame


@pytest.mark.parametrize("columns", [["age", "visits"], ["age", "city", "visits"]])
def test_frames_of_a_class_of_ones_own(columns):
    background, rows = pandas_frame(N_ROWS, 1)[columns], pandas_frame(2, 2)[columns]

    def model(table):
        return table["age"] * table["visits"]

    wanted = TabularExplainer(model, background)(rows).values
    for kind in (OwnFrame, pd.DataFrame):
        found = TabularExplainer(model, OwnFrame(background))(kind(rows)).values
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(InputError, match="OwnFrame, the background an array"):
        TabularExplainer(lambda table: table[:, 0], np.ones((2, 2)))(OwnFrame(np.ones((2, 2))))


def test_gaussian_shows_floats_in_a_frame():
    background = pd.DataFrame({"a": RNG.integers(0, 9, 20), "b": RNG.normal(size=20)})

    def model(table):
        assert list(table.columns) == ["a", "b"] and table["a"].dtype.kind in "fi"
        return table["a"] * table["b"]

    found = TabularExplainer(model, background, imputer="gaussian")(background[:3])
    total = found.values.sum(axis=1) + found.base_values
    np.testing.assert_allclose(total, (background["a"] * background["b"])[:3], atol=1e-12)


def test_missing_values_go_through():
    background = np.where(RNG.uniform(size=(8, 4)) < 0.3, np.nan, RNG.normal(size=(8, 4)))
    rows = np.where(RNG.uniform(size=(3, 4)) < 0.3, np.nan, RNG.normal(size=(3, 4)))

    def model(table):
        filled = np.nan_to_num(table, nan=7.0)
        return filled[:, 0] * filled[:, 1] + filled[:, 2] * filled[:, 3]

    found = TabularExplainer(model, background)(rows)
    filled = TabularExplainer(model, np.nan_to_num(background, nan=7.0))
    np.testing.assert_array_equal(found.values, filled(np.nan_to_num(rows, nan=7.0)).values)
    nearest = TabularExplainer(model, background, imputer=imputers.Nearest(3))(rows)
    np.testing.assert_allclose(
        nearest.values.sum(axis=1) + nearest.base_values, model(rows), atol=1e-12
    )


def test_columns_are_found_by_name():
    background, rows = pandas_frame(N_ROWS, 1), pandas_frame(3, 2)

    def model(table):
        return of_numbers(numbers_of(table))

    explainer = TabularExplainer(model, background)
    np.testing.assert_array_equal(
        explainer(rows[rows.columns[::-1]]).values, explainer(rows).values
    )
    named = TabularExplainer(model, background, groups={"place": ["city", "note"]})(rows)
    assert named.feature_names == tuple(
        "age visits place flag small maybe when".split()  # noqa: SIM905
    )
    assert list(named.to_frame().columns) == [*named.feature_names, "base_value"]


def test_lossless_conversions_are_made():
    background = pd.DataFrame({"a": RNG.normal(size=5), "b": pd.Categorical(list("xyxyx"))})
    rows = pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["y", "y"])})

    def model(table):
        assert table["b"].dtype == background["b"].dtype and table["a"].dtype == float
        return table["a"] * (table["b"] == "y")

    found = TabularExplainer(model, background)(rows)
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base_values, [1, 2])


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("more", [[], ["unused"]])
@pytest.mark.parametrize("imputer", ["marginal", imputers.Nearest(2)])
@pytest.mark.parametrize("link", ["identity", lambda worths: 2 * worths])
def test_categories_in_another_order(ordered, more, imputer, link):
    background = pd.DataFrame(
        {"city": pd.Categorical(CITIES, CITIES, ordered=ordered), "age": [1.0, 2.0, 3.0]}
    )
    rows = pd.DataFrame({"city": ["oslo", "bern", "rome"], "age": [3.0, 4.0, 5.0]})

    def model(table):
        assert table["city"].dtype == background["city"].dtype
        assert table["city"].cat.categories.tolist() == CITIES
        return (
            table["city"].map({"bern": 1.0, "oslo": 10.0, "rome": 100.0}).astype(float)
            * (table["age"])
        )

    explainer = TabularExplainer(model, background, imputer=imputer, link=link)
    wanted = explainer(rows.astype({"city": background["city"].dtype}))
    other = rows.assign(city=pd.Categorical(rows["city"], [*more, *CITIES[::-1]]))
    np.testing.assert_array_equal(explainer(other).values, wanted.values)


BACKGROUND = pd.DataFrame(
    {"a": [1.0, 2.0, 3.0], "b": pd.Categorical(["x", "y", "x"]), "c": [1, 2, 3]}
)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (BACKGROUND.drop(columns="b"), "lacks 'b'"),
        (BACKGROUND.assign(d=1), "has 'd'"),
        (BACKGROUND.assign(a=["1", "2", "3"]), "column 'a' of X has dtype (str|object)"),
        (BACKGROUND.assign(c=[1.5, 2, 3]), "column 'c' of X has dtype float64"),
        (BACKGROUND.assign(b=pd.Categorical(["x", "z", "x"])), "holds 'z'"),
        (BACKGROUND.to_numpy(), "the background a pandas frame"),
        (pl.from_pandas(BACKGROUND), "the background a pandas frame"),
        (BACKGROUND[:0], "X has no rows"),
    ],
)
def test_another_table_is_refused(rows, said):
    explainer = TabularExplainer(lambda table: table["a"], BACKGROUND)
    with pytest.raises(InputError, match=said):
        explainer(rows)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.ones((2, 4)), "has 4 columns"),
        (np.ones(3), "reshape"),
        (np.ones((2, 3), complex), "complex"),
        (np.array([["a", "b", "c"]]), "convert one of them"),
        (np.ma.masked_array(np.ones((2, 3)), mask=True), "masked"),
        (np.ones((0, 3)), "no rows"),
        (BACKGROUND, "the background an array"),
        (narwhals.from_native(BACKGROUND), "the background an array"),
        (None, "NoneType"),
        ([[1, 2, 3], [1, 2]], "equal lengths"),
    ],
)
def test_another_array_is_refused(rows, said):
    explainer = TabularExplainer(lambda table: table[:, 0], np.ones((3, 3)))
    with pytest.raises(InputError, match=said):
        explainer(rows)


@pytest.mark.parametrize(
    ("background", "said"),
    [
        (np.ones((0, 3)), "background has no rows"),
        (BACKGROUND[:0], "background has no rows"),
        (np.ones((3, 0)), "no columns"),
        (pl.DataFrame({"a": [1.0]}).lazy(), "collect"),
        (pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]), "more than one column"),
    ],
)
def test_a_background_that_is_none(background, said):
    with pytest.raises(InputError, match=said):
        TabularExplainer(lambda table: np.ones(len(table)), background)


@pytest.mark.parametrize(
    ("background", "rows", "said"),
    [
        (pd.DataFrame({"a": pd.array(["1"], "string")}), pd.Series(["1", 1], dtype=object), "1"),
        (
            pd.DataFrame({"a": pd.array(["1"], "string")}),
            pd.Series([None, 1.5], dtype=object),
            "1.5",
        ),
        (np.array([["2020-01-01"]], "M8[ns]"), np.array([["2920-01-01"]], "M8[D]"), "2920-01-01"),
        # Python has no nanoseconds: to numpy they are integers there.
        (np.array([[None]]), np.array([["2020-01-01"]], "M8[ns]"), "background's dtype object"),
        (np.array([["4"]], "U32"), np.array([[4.0]]), "X has dtype float64, the background <U32"),
        (np.array([["True"]], "U32"), np.array([[True]]), "X has dtype bool, the background <U32"),
        (np.array([["4"]], "U32"), np.array([[b"4"]]), "convert one of them"),
        (np.array([[1]], "m8[s]"), np.array([[1]]), "X has dtype int64, the background timedelta"),
        (np.array([[1.0]]), np.array([[2**53], [2**53 + 1]]), "X holds 9007199254740993, which"),
        (np.array([[1.0]]), np.array([[2**63 - 1]]), "X holds 9223372036854775807, which"),
        (np.array([[1.0]]), np.array([[2**64 - 1]]), "X holds 18446744073709551615, which"),
        (pd.DataFrame({"a": [1.0]}), pd.Series([1, 2**53 + 1]), "'a' of X holds 9007199254740993"),
        (
            pl.DataFrame({"a": [1.5]}, schema={"a": pl.Float32}),
            pl.DataFrame({"a": [2**30 + 1]}),
            "'a' of X has dtype Int64",
        ),
        (pl.DataFrame({"a": [1.5]}), pl.DataFrame({"a": [1.5]}).lazy(), "X is a polars LazyFrame"),
    ],
)
def test_nothing_is_lost_on_the_way_to_the_backgrounds_type(background, rows, said):
    explainer = TabularExplainer(lambda table: np.zeros(len(table)), background)
    with pytest.raises(InputError, match=said):
        explainer(rows.to_frame("a") if isinstance(rows, pd.Series) else rows)


def test_integers_that_are_floats_have_a_place():
    large = [2**53, -(2**53), 2**53 + 2, 2**62, 2**63, 2**64 - 2**11]
    for dtype, entries in (("int64", large[:4]), ("uint64", [large[0], *large[2:]])):
        rows = np.array([[1, one] for one in entries], dtype)
        wanted = TabularExplainer(lambda rows: rows[:, 1], np.ones((1, 2)))(rows.astype(float))
        found = TabularExplainer(lambda rows: rows[:, 1], np.ones((1, 2)))(rows)
        np.testing.assert_array_equal(found.values, wanted.values)
        frames = [pd.DataFrame(one, columns=["a", "b"]) for one in (np.ones((1, 2)), rows)]
        explainer = TabularExplainer(lambda rows: rows["b"], frames[0])
        np.testing.assert_array_equal(explainer(frames[1]).values, wanted.values)


def test_times_that_have_a_place_and_missing_ones():
    background = np.array([["2020-01-01", "NaT"]], "M8[ns]")
    rows = np.array([["2020-01-02", "2020-01-01"], ["NaT", "2020-01-03"]], "M8[D]")

    def model(table):
        assert table.dtype == "M8[ns]"
        return (~np.isnat(table)).sum(axis=1)

    found = TabularExplainer(model, background)(rows).values
    np.testing.assert_array_equal(found, [[0, 1], [-1, 1]])


def test_sparse_and_wrapped_tables_are_refused_with_advice():
    import scipy.sparse as sp

    wrapped = narwhals.from_native(pl.DataFrame({"a": [1]}))
    for table, advice in ((sp.eye(3).tocsr(), "toarray"), (wrapped, "to_native")):
        with pytest.raises(InputError, match=advice):
            TabularExplainer(lambda rows: rows, table)


def test_labels_have_no_normal_law():
    with pytest.raises(InputError, match="column 'b' of the background holds labels"):
        TabularExplainer(lambda table: table["a"], BACKGROUND, imputer="gaussian")


def test_arrow_tables_of_other_types():
    import pyarrow as pa

    background = pa.table({"a": [1.5, 2.0, None], "b": ["x", "y", "x"], "n": [1, 2, 3]})

    def model(table):
        assert table.schema.types == background.schema.types
        numbers = [0.0 if a is None else a for a in table["a"].to_pylist()]
        return np.array(numbers) * table["n"].to_numpy() + (np.array(table["b"].to_pylist()) == "x")

    explainer = TabularExplainer(model, background)
    whole = pa.table({"n": [5, 7], "b": ["x", "y"], "a": [3.0, 4.0]})
    expected = explainer(whole).values
    coded = whole.set_column(1, "b", whole["b"].dictionary_encode())
    narrow = whole.set_column(0, "n", pa.array([5, 7], pa.int16()))
    integers = whole.set_column(2, "a", pa.array([3, 4]))
    chunked = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 1)])
    for same in (coded, narrow, integers, chunked, whole.to_batches()[0]):
        np.testing.assert_array_equal(explainer(same).values, expected)
    for column, entries, said in (
        ("n", ["1", "2"], "'n' of X has dtype string, that of the background int64"),
        ("n", [1.0, 2.0], "'n' of X has dtype double"),
        ("b", [1, 2], "'b' of X has dtype int64"),
    ):
        at = whole.column_names.index(column)
        with pytest.raises(InputError, match=said):
            explainer(whole.set_column(at, column, pa.array(entries)))
    with pytest.raises(InputError, match="one kind of table"):
        explainer(whole.to_pandas())
    with pytest.raises(InputError, match="give a pyarrow"):
        TabularExplainer(model, background.schema)


def test_types_of_which_there_are_no_arrays():
    background, rows = {"a": [1, 5], "b": [2**70, 3]}, {"a": [2, 7], "b": [2**71, 4]}

    def model(table):
        a, b = (np.array(table[name].to_list(), float) for name in "ab")
        return a * b

    frames = [pl.DataFrame(one, {"a": pl.Int8, "b": pl.Int128}) for one in (background, rows)]
    found = TabularExplainer(model, frames[0])(frames[1])
    frames = [pd.DataFrame(one, dtype=float) for one in (background, rows)]
    wanted = TabularExplainer(lambda table: table["a"] * table["b"], frames[0])(frames[1])
    np.testing.assert_allclose(found.values, wanted.values)
    encoded = pa.table({"a": pc.run_end_encode(pa.array([1, 1, 2]))})
    with pytest.raises(InputError, match="of which pyarrow takes no rows; cast it"):
        TabularExplainer(lambda table: np.zeros(len(table)), encoded)
