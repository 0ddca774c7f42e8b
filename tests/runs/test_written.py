"""Long runs: what is written."""

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
import scipy.sparse
from pyarrow import parquet
from random_trees import random_ensemble
from run_cases import NAMES, StoppedError, same, stop_after

import shapley_core as sc
from shapley_core.errors import InputError
from shapley_core.runs import TableSource, run


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


@pytest.mark.parametrize(
    ("index", "order", "background"),
    [("k-SII", 2, None), ("STII", 3, None), ("BV", 1, 9), ("JointSV", 2, 9), ("FBII", 2, None)],
)
def test_any_index_of_any_order(tmp_path, ensemble, rows, index, order, background):
    given = None if background is None else rows[:background]
    wanted = sc.TreeExplainer(ensemble, given)(rows, index=index, order=order)
    # Another explainer, as another process would have.
    explainer = sc.TreeExplainer(ensemble, given)
    with pytest.raises(StoppedError):
        explainer(
            rows,
            index=index,
            order=order,
            out=tmp_path / "run",
            chunk_rows=300,
            progress=stop_after(400),
        )
    again = sc.TreeExplainer(ensemble, given)
    stored = again(rows, index=index, order=order, out=tmp_path / "run")
    same(stored.load(), wanted)
    with pytest.raises(InputError, match=f'index was "{index}"'):
        explainer(rows, index="BII", order=order, out=tmp_path / "run")


def test_the_largest_of_each_row_are_for_memory(tmp_path, explainer, rows):
    with pytest.raises(InputError, match="top and out do not go together"):
        explainer(rows, top=3, out=tmp_path / "run")


def test_interactions_standard_errors_and_counts(tmp_path):
    """What the values of other explainers have: all of it comes back."""
    X = np.random.default_rng(0).normal(size=(70, 3))
    pairs = [(0,), (1,), (2,), (0, 1), (1, 2)]

    def explain(rows, start):
        values = np.stack([rows[:, :1] * k + np.arange(2) for k in range(5)], axis=1)
        return sc.Explanation(
            values,
            rows[:, :2],
            rows,
            index="k-SII",
            order=2,
            interactions=pairs,
            output_names=["cat", "dog"],
            std_error=values**2,
            n_evaluations=np.arange(len(rows)) + start,
        )

    stored = run(
        lambda chunk: explain(chunk.rows, chunk.start),
        TableSource(X, 70, lambda: "hash"),
        tmp_path / "run",
        settings={},
        chunk_rows=30,
    )
    same(stored.load(), explain(X, 0))
    same(stored.rows(29, 64), explain(X, 0)[29:64])
    opened = pd.read_parquet(tmp_path / "run")
    assert "std_error of feature 0, feature 1 [dog]" in opened.columns
    assert opened["n_evaluations"].tolist() == list(range(70))
    # Older readers know this encoding of floats alone.
    group = parquet.ParquetFile(tmp_path / "run" / "part-00000000.parquet").metadata.row_group(0)
    *split, plain = ("BYTE_STREAM_SPLIT" in group.column(at).encodings for at in range(23))
    assert all(split) and not plain


def test_groups_come_back(tmp_path, ensemble, rows):
    explainer = sc.TreeExplainer(ensemble, groups={"both": ["age", "y"]})
    stored = explainer(rows, out=tmp_path / "run", chunk_rows=400)
    same(stored.load(), explainer(rows))
    with pytest.raises(InputError, match="groups was"):
        sc.TreeExplainer(ensemble)(rows, out=tmp_path / "run")
