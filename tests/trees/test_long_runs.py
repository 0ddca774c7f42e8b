"""Long runs: what is written, killed, resumed, refused."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pyarrow
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from random_trees import random_ensemble

import shapley_core as sc
from shapley_core.errors import AdditivityError, InputError, MemoryLimitError
from shapley_core.runs import Chunk, TableSource, journal, lock, parts, run, sources


NAMES = ("age", "hours worked", "x", "y")


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


def same(explanation, wanted):
    __tracebackhide__ = True
    np.testing.assert_array_equal(explanation.values, wanted.values)
    np.testing.assert_array_equal(explanation.base_values, wanted.base_values)
    for name in ("index", "order", "n_features", "feature_names", "output_names", "interactions"):
        assert getattr(explanation, name) == getattr(wanted, name)


def part_files(directory):
    return sorted(path.name for path in directory.glob("part-*"))


class Stopped(Exception):
    pass


def stop_after(rows_done):
    def progress(done, n_rows):
        if done >= rows_done:
            raise Stopped

    return progress


# --- what is written


def test_parts_hold_the_values_of_all_rows(tmp_path, explainer, rows):
    wanted = explainer(rows)
    stored = explainer(rows, out=tmp_path / "run", chunk_rows=300)
    assert (stored.n_rows, stored.n_parts, stored.chunk_rows) == (1000, 4, 300)
    assert stored.shape == wanted.values.shape
    assert stored.feature_names == NAMES
    assert [len(part) for part in stored] == [300, 300, 300, 100]
    for opened in (stored, sc.open_explanation(str(tmp_path / "run"))):
        same(opened.load(), wanted)
    for start, stop in ((0, 0), (299, 301), (300, 600), (123, 1000), (1000, 1000)):
        same(stored.rows(start, stop), wanted[start:stop])
    assert stored.rows(5, 7, data=rows[5:7]).data.equals(rows[5:7])
    with pytest.raises(InputError, match="out of range"):
        stored.rows(5, 1001)
    with pytest.raises(InputError, match="out of range"):
        stored.part(4)


def test_parts_are_plain_tables_to_everybody(tmp_path, explainer, rows):
    explainer(rows, out=tmp_path / "run", chunk_rows=300)
    expected = explainer(rows).to_frame().reset_index(drop=True)
    for read in (
        pd.read_parquet(tmp_path / "run"),
        polars.read_parquet(tmp_path / "run" / "part-*.parquet").to_pandas(),
    ):
        pd.testing.assert_frame_equal(read, expected)


def test_several_outputs_and_no_names(tmp_path):
    made = random_ensemble(np.random.default_rng(5), n_features=3, n_outputs=2, vector=True)
    X = np.random.default_rng(6).normal(size=(50, 3))
    background = X[:7]
    explainer = sc.TreeExplainer(made, background)
    stored = explainer(X, out=tmp_path / "run", chunk_rows=20)
    assert stored.shape == (50, 3, 2)
    same(stored.load(), explainer(X))


def test_rows_of_all_kinds(tmp_path, explainer, rows):
    wanted = explainer(rows)
    arrow = pyarrow.Table.from_pandas(rows[list(reversed(NAMES))], preserve_index=False)
    for number, table in enumerate((rows.to_numpy(), polars.from_pandas(rows), arrow)):
        same(explainer(table, out=tmp_path / f"{number}", chunk_rows=400).load(), wanted)
    filled = np.where(np.random.default_rng(1).random((90, 4)) < 0.5, 0, rows.to_numpy()[:90])
    for form in ("csr", "csc", "coo"):
        matrix = scipy.sparse.coo_matrix(filled).asformat(form)
        stored = explainer(matrix, out=tmp_path / form, chunk_rows=40)
        same(stored.load(), explainer(filled))


def test_no_rows(tmp_path, explainer, rows):
    rows[:0].to_csv(tmp_path / "none.csv", index=False)
    rows[:0].astype(float).to_parquet(tmp_path / "none.parquet")
    for X in (rows[:0], tmp_path / "none.csv", tmp_path / "none.parquet"):
        stored = explainer(X, out=tmp_path / f"run {type(X)} {str(X)[-4:]}")
        assert (stored.n_rows, stored.n_parts) == (0, 1)
        assert stored.load().values.shape == (0, 4)


def test_base_margins_are_cut_along(tmp_path, explainer, rows):
    margin = np.arange(1000.0)
    out = tmp_path / "run"
    stored = explainer(rows, out=out, chunk_rows=300, base_margin=margin)
    same(stored.load(), explainer(rows, base_margin=margin))
    with pytest.raises(InputError, match="base_margin was"):
        explainer(rows, out=out)
    with pytest.raises(InputError, match="one entry for each of the 1000 rows"):
        explainer(rows, out=tmp_path / "other", base_margin=margin[:7])


def test_interactions_standard_errors_and_counts(tmp_path):
    """What the values of other explainers have: all of it comes back."""
    rng = np.random.default_rng(0)
    pairs = [(0,), (1,), (2,), (0, 1), (1, 2)]
    X = rng.normal(size=(70, 3))

    class Estimated(sc.Explanation):
        std_error = n_evaluations = None

    def explain(chunk):
        held = chunk.rows
        values = np.stack([held[:, :1] * k + np.arange(2) for k in range(5)], axis=1)
        made = Estimated(
            values, held[:, :2], held, index="k-SII", order=2, interactions=pairs, n_features=3
        )
        made.std_error, made.n_evaluations = values**2, np.arange(len(held)) + chunk.start
        return made

    run(explain, TableSource(X, 70, lambda: "hash"), tmp_path / "run", settings={}, chunk_rows=30)
    about = parts.arrays_of(explain(Chunk(X, 0, {}, None)))
    journalled = journal.read(tmp_path / "run")
    read = [parts.read_arrays(journalled, number) for number in range(3)]
    for name, array in about.items():
        np.testing.assert_array_equal(np.concatenate([one[name] for one in read]), array)
    opened = pd.read_parquet(tmp_path / "run")
    assert "std_error of feature 0, feature 1 [output 1]" in opened.columns
    assert opened["n_evaluations"].tolist() == list(range(70))


# --- files larger than memory


@pytest.fixture(scope="module")
def files(tmp_path_factory, rows):
    place = tmp_path_factory.mktemp("files")
    rows.to_csv(place / "rows.csv", index=False)
    rows.to_csv(place / "rows.csv.gz", index=False)
    rows.assign(target=1)[[*reversed(NAMES), "target"]].to_parquet(
        place / "rows.parquet", row_group_size=130
    )
    (place / "several").mkdir()
    for number, (start, stop) in enumerate([(0, 17), (17, 17), (17, 600), (600, 1000)]):
        part = rows[start:stop]
        part.to_parquet(place / "several" / f"{number}.parquet", row_group_size=100)
    return place


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.parquet", "several", "list"])
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
