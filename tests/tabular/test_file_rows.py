"""Rows of files beside backgrounds of every kind: the same entries as in memory, or an error."""

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from pyarrow import parquet

import shapley_core as sc
from shapley_core.errors import InputError

TOWNS = {"007": 100.0, "012": -50.0, "NA": 7.0}


def by_town(table):
    """Of the first column the town's worth, unknown ones 0, and the second as a number."""
    if hasattr(table, "to_pandas"):
        table = table.to_pandas()
    rows = np.asarray(table, object)
    return np.array([TOWNS.get(town, 0.0) + float(x) for town, x in rows])


def written(tmp_path, **columns):
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def in_file(tmp_path, explainer, path):
    return explainer(path, out=tmp_path / "run").load().values


@pytest.mark.parametrize("dtype", [object, "U3"])
def test_labels_of_arrays_stay_text(tmp_path, dtype):
    background = np.array([["007", "1"], ["012", "2"], ["NA", "3"]], object)
    if dtype is object:
        background[:, 1] = [1.0, 2.0, 3.0]
    background = background.astype(dtype)
    explainer = sc.TabularExplainer(by_town, background)
    (tmp_path / "rows.csv").write_text('town,x\n007,1\n"012",2\nNA,3\n')
    found = in_file(tmp_path, explainer, tmp_path / "rows.csv")
    np.testing.assert_allclose(found, explainer(background).values, atol=1e-12)


def test_what_is_a_label_in_one_column_is_missing_in_another(tmp_path):
    background = pd.DataFrame(
        {"town": ["007", "NA", None], "land": ["a", None, "b"], "x": [1.0, np.nan, 2.0]}
    )

    def told(rows):
        worth = rows["town"].map(TOWNS).fillna(0.0) + 3.0 * rows["land"].isna()
        return worth + 5.0 * (rows["land"] == "NA") + rows["x"].fillna(-9.0)

    explainer = sc.TabularExplainer(told, background)
    text = "town,land,x\nNA,NA,NA\nn/a,a,\n007,,2\n"
    (tmp_path / "rows.csv").write_text(text)
    rows = pd.DataFrame(
        {"town": ["NA", None, "007"], "land": [None, "a", None], "x": [np.nan, np.nan, 2.0]}
    )
    found = in_file(tmp_path, explainer, tmp_path / "rows.csv")
    np.testing.assert_allclose(found, explainer(rows).values, atol=1e-12)


def test_missing_labels_are_as_the_background_has_them(tmp_path):
    def count(rows):
        towns = [town for town, _ in rows]
        return np.array([5.0 * (t is None) + 10.0 * (t is pd.NA or t != t) for t in towns])

    path = written(tmp_path, town=["a", None, "b"], x=[1.0, 2.0, 3.0])
    for number, missing in enumerate((None, np.nan, pd.NA)):
        background = np.array([["a", 1.0], [missing, 2.0], ["b", 3.0]], object)
        held = pd.DataFrame(background, columns=["town", "x"], dtype=object)
        for kind, table in {"array": background, "frame": held}.items():
            explainer = sc.TabularExplainer(lambda rows: count(np.asarray(rows)), table)
            found = explainer(path, out=tmp_path / f"run {number} {kind}").load().values
            np.testing.assert_allclose(found, explainer(table).values, atol=1e-12)
            assert np.abs(found).max() > 0.5


def test_whole_numbers_among_objects_stay_whole(tmp_path):
    background = pd.DataFrame({"a": pd.Series([1, 2], dtype=object)})
    explainer = sc.TabularExplainer(lambda held: [len(str(one)) for one in held["a"]], background)
    found = explainer(written(tmp_path, a=[30, None]), out=tmp_path / "run").load().values
    np.testing.assert_array_equal(found, [[1.0], [3.0]])


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["0077", "NA"], "'0077', for which the background's dtype <U3 has no room"),
        (["007", None], "None, for which"),
        ([7, 12], "holds numbers, the background's text"),
    ],
)
def test_text_of_one_length(tmp_path, entries, said):
    explainer = sc.TabularExplainer(by_town, np.array([["007", "1"], ["NA", "2"]]))
    with pytest.raises(InputError, match=said):
        in_file(tmp_path, explainer, written(tmp_path, town=entries, x=["1", "2"]))


def test_text_and_numbers_in_one_column(tmp_path):
    background = np.array([["007", 1.0], [12, 2.0]], object)
    explainer = sc.TabularExplainer(by_town, background)
    with pytest.raises(InputError, match="column 0 of the background holds both text and other"):
        in_file(tmp_path, explainer, written(tmp_path, town=["007"], x=[1.0]))


def frame(**columns):
    return pd.DataFrame(columns)


KINDS = {
    "pandas": lambda table: table,
    "pandas string": lambda table: table.astype({"town": "string"}),
    "polars": polars.from_pandas,
    "pyarrow": lambda table: pyarrow.Table.from_pandas(table, preserve_index=False),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entries", [[7, 12], [7.0, 12.0], [True, False]])
def test_text_is_not_made_of_other_things(tmp_path, kind, entries):
    background = KINDS[kind](frame(town=["7", "12", "True"], x=[1.0, 2.0, 3.0]))
    explainer = sc.TabularExplainer(by_town, background)
    with pytest.raises(InputError, match=r"'town' of X holds .*, the background's text"):
        in_file(tmp_path, explainer, written(tmp_path, town=entries, x=[1.0, 2.0]))


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("column", ["flag", "x"])
def test_nothing_is_made_of_text(tmp_path, kind, column):
    background = KINDS[kind](frame(flag=[True, False, True], x=[1.0, 2.0, 3.0]))
    explainer = sc.TabularExplainer(lambda table: np.zeros(len(table)), background)
    entries = {"flag": [True, False], "x": [1.0, 2.0]} | {column: ["0", "1"]}
    with pytest.raises(InputError, match=f"{column}' of X holds text"):
        in_file(tmp_path, explainer, written(tmp_path, **entries))


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_missing_truth_is_none(tmp_path, name):
    def flags(table):
        return table["flag"].to_numpy(float, na_value=9.0) + table["x"].to_numpy()

    held = frame(flag=[True, False, True], x=[1.0, 2.0, 3.0])
    if name == "rows.csv":
        (tmp_path / name).write_text("flag,x\ntrue,1\n,2\nfalse,3\n")
    else:
        written(tmp_path, flag=[True, None, False], x=[1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="'flag' of X misses entries, the background's bool none"):
        in_file(tmp_path, sc.TabularExplainer(flags, held), tmp_path / name)
    nullable = held.astype({"flag": "boolean"})
    explainer = sc.TabularExplainer(flags, nullable)
    rows = frame(flag=pd.array([True, None, False], "boolean"), x=[1.0, 2.0, 3.0])
    found = explainer(tmp_path / name, out=tmp_path / "nullable").load().values
    np.testing.assert_allclose(found, explainer(rows).values, atol=1e-12)


@pytest.mark.parametrize("arrow", [False, True])
@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_whole_numbers_with_missing_ones(tmp_path, name, arrow):
    large = 2**53 + 1 if name == "rows.parquet" else 2**40 + 1

    def numbers(table):
        entries = table["id"].to_numpy(object)
        return np.array([0.0 if one is pd.NA else 1.0 + (one == large) for one in entries])

    dtype = pd.ArrowDtype(pyarrow.int64()) if arrow else "Int64"
    background = frame(id=pd.array([5, 6, None], dtype), x=[1.0, 2.0, 3.0])
    explainer = sc.TabularExplainer(numbers, background)
    written(tmp_path, id=[large, None], x=[1.0, 2.0])
    (tmp_path / "rows.csv").write_text(f"id,x\n{large},1\n,2\n")
    found = in_file(tmp_path, explainer, tmp_path / name)
    rows = frame(id=pd.array([large, None], dtype), x=[1.0, 2.0])
    np.testing.assert_allclose(found, explainer(rows).values, atol=1e-12)
    assert found[0, 0] > 0.9
    with pytest.raises(InputError, match="'id' of X cannot be made"):
        explainer(written(tmp_path, id=[1.5, 2.0], x=[1.0, 2.0]), out=tmp_path / "halves")


TIMES = pyarrow.array([10**9, 3 * 10**9 // 2], pyarrow.timestamp("ns"))
LENGTHS = pyarrow.array([3600, 90], pyarrow.duration("s"))


@pytest.mark.parametrize(
    ("background", "entries", "said"),
    [
        (np.array(["2020-01-01"], "M8[s]"), [1, 2], "holds numbers, the background's dates"),
        (np.array(["2020-01-01"], "M8[s]"), ["01/02/2020"] * 2, "holds text, the background's"),
        (np.array(["2020-01-01"], "M8[s]"), LENGTHS, "holds lengths of time, the background's d"),
        (np.array(["2020-01-01"], "M8[s]"), TIMES, "holds what the background's datetime64"),
        (np.array([1], "m8[s]"), [1, 2], "holds numbers, the background's lengths of time"),
        (np.array([1], "m8[s]"), pyarrow.array([1], pyarrow.duration("ns")), "holds what the"),
        (pd.Categorical([0, 1]), [True, False], "holds True, which is not among"),
        (pd.Categorical([True, False]), [1.0, 0.0], "holds 1.0, which is not among"),
    ],
)
def test_times_and_labels_are_made_of_nothing_else(tmp_path, background, entries, said):
    tables = [frame(a=background)]
    if isinstance(background, np.ndarray):
        tables += [background[:, None], polars.from_pandas(tables[0])]
    for number, table in enumerate(tables):
        # polars has no seconds; it tells by itself which times it cannot hold.
        if number == 2 and "what" in said:
            continue
        explainer = sc.TabularExplainer(lambda table: np.zeros(len(table)), table)
        with pytest.raises(InputError, match=said):
            explainer(written(tmp_path, a=entries), out=tmp_path / f"run {number}")


def test_times_from_files(tmp_path):
    days = pyarrow.array([0, None, 5], pyarrow.date32())
    for unit in ("D", "s", "ns"):
        background = np.array([["1970-01-02"], ["NaT"]], f"M8[{unit}]")

        def late(table):
            return (np.asarray(table) > np.datetime64("1970-01-01")).sum(axis=1) * 1.0

        for kind, table in {"array": background, "frame": frame(a=background[:, 0])}.items():
            explainer = sc.TabularExplainer(late, table)
            found = explainer(written(tmp_path, a=days), out=tmp_path / f"{unit} {kind}").load()
            np.testing.assert_array_equal(found.values, [[-0.5], [-0.5], [0.5]])


def test_columns_of_arrays(tmp_path):
    background = frame(a=pd.Series([np.array([1, 2]), np.array([3])], dtype=object))
    explainer = sc.TabularExplainer(lambda table: table["a"].map(sum).astype(float), background)
    found = explainer(written(tmp_path, a=[[1], [5, 6]]), out=tmp_path / "run").load()
    np.testing.assert_array_equal(found.values, [[-2.0], [8.0]])


INTEGERS = {
    "numpy": lambda ids: np.stack([ids, [1, 2]], axis=1),
    "numpy objects": lambda ids: np.stack([ids, [1, 2]], axis=1).astype(object),
    "pandas": lambda ids: frame(id=ids, x=[1.0, 2.0]),
    "pandas Int64": lambda ids: frame(id=pd.array(ids, "Int64"), x=[1.0, 2.0]),
    "pandas arrow": lambda ids: frame(id=ids, x=[1.0, 2.0]).convert_dtypes(dtype_backend="pyarrow"),
    "pandas objects": lambda ids: frame(id=ids.astype(object), x=[1.0, 2.0]),
    "categories": lambda ids: frame(id=pd.Categorical(ids), x=[1.0, 2.0]),
    "polars": lambda ids: polars.DataFrame({"id": ids, "x": [1.0, 2.0]}),
    "pyarrow": lambda ids: pyarrow.table({"id": ids, "x": [1.0, 2.0]}),
}


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_are_not_rounded_on_their_way_from_a_csv_file(tmp_path, kind):
    def last_digits(table):
        ids = np.asarray(table, object)[:, 0] if kind[:5] == "numpy" else list(table["id"])
        return np.array([float(getattr(one, "as_py", lambda one=one: one)() % 10) for one in ids])

    # Both are 2**53 as floats, or beside it.
    background = INTEGERS[kind](np.array([2**53 - 1, 2**53]))
    explainer = sc.TabularExplainer(last_digits, background)
    for number, large in enumerate((2**53 - 1, 2**53 + 1)):
        (tmp_path / "rows.csv").write_text(f"id,x\n5,1\n{large},2\n")
        out = tmp_path / f"run {number}"
        if large < 2**53:
            if kind != "categories":
                found = explainer(tmp_path / "rows.csv", out=out).load().values
                np.testing.assert_allclose(found[:, 0], [5 - 1.5, 1 - 1.5], atol=1e-12)
        else:
            with pytest.raises(InputError, match="9007199254740992 as a float"):
                explainer(tmp_path / "rows.csv", out=out)


@pytest.mark.parametrize("kind", ["numpy", "pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("missing", [[], [None]])
def test_integers_of_parquet_files_become_no_other_floats(tmp_path, kind, missing):
    background = INTEGERS[kind](np.array([1.5, np.nan]))
    explainer = sc.TabularExplainer(lambda table: np.zeros(len(table)), background)
    for number, large in enumerate((2**53, 2**53 + 1)):
        entries = [large, *missing]
        path = written(tmp_path, id=entries, x=[1.0] * len(entries))
        out = tmp_path / f"run {number}"
        if number == 0:
            assert explainer(path, out=out).n_rows == len(entries)
        else:
            with pytest.raises(InputError, match="column 'id' of X"):
                explainer(path, out=out)


def test_decimals_and_columns_of_nothing_are_numbers(tmp_path):
    numbers = pyarrow.array([1.5, 2.25]).cast(pyarrow.decimal128(5, 2))
    path = written(tmp_path, a=numbers, b=pyarrow.nulls(2))
    background = np.array([[0.0, 1.0], [1.0, np.nan]])

    def total(rows):
        return np.nan_to_num(np.asarray(rows, float), nan=-3.0).sum(axis=1)

    X = np.array([[1.5, np.nan], [2.25, np.nan]])
    for number, held in enumerate((background, pd.DataFrame(background, columns=["a", "b"]))):
        explainer = sc.TabularExplainer(total, held)
        found = explainer(path, out=tmp_path / f"run {number}").load().values
        np.testing.assert_allclose(found, sc.TabularExplainer(total, background)(X).values)
