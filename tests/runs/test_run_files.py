"""Long runs: files larger than memory."""

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet
from random_trees import random_ensemble
from run_cases import NAMES, same

import shapley_core as sc
from shapley_core.errors import InputError
from shapley_core.runs import sources


@pytest.fixture(scope="module")
def files(tmp_path_factory, rows):
    place = tmp_path_factory.mktemp("files")
    rows.to_csv(place / "rows.csv", index=False)
    rows.to_csv(place / "rows.csv.gz", index=False)
    rows.to_csv(place / "ROWS.CSV.GZ", index=False, compression="gzip")
    rows.assign(target=1)[[*reversed(NAMES), "target"]].to_parquet(
        place / "rows.parquet", row_group_size=130
    )
    (place / "several").mkdir()
    for number, (start, stop) in enumerate([(0, 17), (17, 17), (17, 600), (600, 1000)]):
        part = rows[start:stop]
        part.to_parquet(place / "several" / f"{number}.parquet", row_group_size=100)
    return place


@pytest.mark.parametrize(
    "name", ["rows.csv", "rows.csv.gz", "ROWS.CSV.GZ", "rows.parquet", "several", "list"]
)
@pytest.mark.parametrize("size", [33, 1000])
def test_files_give_what_the_table_gives(tmp_path, explainer, files, name, size, monkeypatch):
    monkeypatch.setattr(sources, "READ_ROWS", 50)
    monkeypatch.setattr(sources, "CSV_BLOCK_BYTES", 1000)
    if name == "list":
        X = [str(path) for path in sorted((files / "several").iterdir())]
    else:
        X = sc.TableFile(files / name, drop=["target"])
    wanted = explainer(pd.read_csv(files / "rows.csv"))
    same(explainer(X, out=tmp_path / "run", chunk_rows=size).load(), wanted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("age", "years"), "lacks 'age' and has 'years'"),
        (lambda text: "\n".join(text.split("\n")[1:]), "lacks 'age', 'hours worked'"),
        (lambda text: f"{text}1,2,3\n", "Expected 4 columns, got 3"),
        (lambda text: f"{text}1,2,3,four\n", "invalid value 'four'"),
        (lambda text: text.replace("age", "x", 1), "more than one column named 'x'"),
    ],
)
def test_files_that_cannot_be_read_are_found_before_the_work(
    tmp_path, explainer, files, change, message, monkeypatch
):
    monkeypatch.setattr(sources, "CSV_BLOCK_BYTES", 5000)
    (tmp_path / "bad.csv").write_text(change((files / "rows.csv").read_text()))
    with pytest.raises(ValueError, match=message):
        explainer(tmp_path / "bad.csv", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_columns_of_text_by_the_models_labels(tmp_path):
    """Text that looks like numbers or like nothing, and categories of arrow, chunk by chunk."""
    labels = {0: ["01", "1", "NA"], 1: [3, 5]}
    made = random_ensemble(
        np.random.default_rng(8), n_features=3, n_trees=8, categories=labels, feature_names="abc"
    )
    rng = np.random.default_rng(9)
    table = pd.DataFrame(
        {
            "a": rng.choice(["01", "1", "NA"], 200),
            "b": rng.choice([3, 5], 200),
            "c": [*range(150), *rng.normal(size=50)],
        }
    )
    coded = table.assign(a=table["a"].map(labels[0].index), b=table["b"].map(labels[1].index))
    explainer = sc.TreeExplainer(made)
    wanted = explainer(coded.to_numpy())
    table.to_csv(tmp_path / "rows.csv", index=False)
    table.to_parquet(tmp_path / "text.parquet")
    table.astype({"a": "category"}).to_parquet(tmp_path / "rows.parquet", row_group_size=60)
    for name in ("rows.csv", "text.parquet", "rows.parquet"):
        stored = explainer(tmp_path / name, out=tmp_path / f"run-{name}", chunk_rows=70)
        np.testing.assert_array_equal(stored.load().values, wanted.values)


def test_parts_of_several_files_with_other_columns_or_types(tmp_path, explainer, rows):
    rows[:10].round().astype({"age": int}).to_parquet(tmp_path / "0.parquet")
    rows[10:20].to_parquet(tmp_path / "1.parquet")
    stored = explainer(tmp_path, out=tmp_path.parent / "mixed", chunk_rows=15)
    same(stored.load(), explainer(pd.concat([rows[:10].round(), rows[10:20]])))
    rows[20:].drop(columns="age").to_parquet(tmp_path / "2.parquet")
    with pytest.raises(InputError, match=r"2\.parquet and .*'age' is in one of them only"):
        explainer(tmp_path, out=tmp_path.parent / "other")
    (tmp_path / "more").mkdir()
    with pytest.raises(InputError, match="directories 'more'; give a list"):
        explainer(tmp_path, out=tmp_path.parent / "other")
    for wrong in (None, 3, b"rows.csv"):
        with pytest.raises(TypeError, match="a table is in a file"):
            sc.TableFile(wrong)
    # Of a text, each letter would be a column.
    with pytest.raises(TypeError, match="drop must be a list of columns, not 'target'"):
        sc.TableFile(tmp_path, drop="target")
    with pytest.raises(FileNotFoundError, match="no such file"):
        explainer(tmp_path / "none.parquet", out=tmp_path.parent / "other")
    with pytest.raises(InputError, match="need out"):
        explainer(tmp_path / "0.parquet")


def test_text_of_several_files_as_codes_or_not(tmp_path):
    background = pd.DataFrame({"town": ["a", "b", "c", None], "x": [1.0, 2.0, 3.0, 4.0]})
    explainer = sc.TabularExplainer(
        lambda rows: rows["town"].map({"a": 1.0, "b": 5.0}).fillna(9.0) * rows["x"], background
    )
    plain = pyarrow.array(["a", "b", "c", None])
    for number, town in enumerate(
        [plain, plain.dictionary_encode(), plain.cast(pyarrow.large_string()), pyarrow.nulls(4)]
    ):
        table = pyarrow.table({"town": town, "x": [1.0, 2.0, 3.0, 4.0]})
        parquet.write_table(table, tmp_path / f"{number}.parquet")
    wanted = explainer(background).values
    missing = explainer(background.assign(town=pd.Series([None] * 4, dtype="str"))).values
    for size in (3, 4, 7, 100):
        found = explainer(tmp_path, out=tmp_path.parent / f"run {size}", chunk_rows=size).load()
        np.testing.assert_array_equal(found.values, np.concatenate([wanted] * 3 + [missing]))
    parquet.write_table(table.set_column(0, "town", [[1, 2, 3, 4]]), tmp_path / "4.parquet")
    with pytest.raises(
        InputError, match=r"'town' holds int64 in .*4\.parquet, but large_string in"
    ):
        explainer(tmp_path, out=tmp_path.parent / "other", chunk_rows=4)
    assert not (tmp_path.parent / "other").exists()


def test_a_row_group_as_large_as_the_file_is_read_as_it_goes(tmp_path, explainer):
    n_rows = 1_000_000
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(n_rows, 4)), columns=NAMES)
    table.to_parquet(tmp_path / "rows.parquet", row_group_size=n_rows)
    source = sources.file_source(tmp_path / "rows.parquet", lambda names: {}, named=True)
    most = before = pyarrow.total_allocated_bytes()
    for _ in source.chunks(1000, 10_000):
        most = max(most, pyarrow.total_allocated_bytes())
    assert most - before < n_rows * 4 * 8 / 2
