"""Long runs: what is written, killed, resumed, refused."""

import os
import pickle
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
import pytest
import scipy.sparse
from random_trees import random_ensemble

import shapley_core as sc
from shapley_core.errors import AdditivityError, InputError, MemoryLimitError
from shapley_core.runs import TableSource, journal, parts, run, sources

ABOUT = ("index", "order", "n_features", "feature_names", "output_names", "interactions")
ABOUT += ("groups", "absent_is_zero")
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
    for name in ("std_error", "n_evaluations"):
        got, held = getattr(explanation, name), getattr(wanted, name)
        assert (got is None) == (held is None)
        np.testing.assert_array_equal(got, held)
    for name in ABOUT:
        assert getattr(explanation, name) == getattr(wanted, name)


def part_files(directory):
    return sorted(path.name for path in directory.glob("part-*"))


class StoppedError(Exception):
    pass


def stop_after(rows_done):
    def progress(done, n_rows):
        if done >= rows_done:
            raise StoppedError

    return progress


# --- what is written


def written(path):
    """When a file was written; not when it was read."""
    told = path.stat()
    return told.st_ino, told.st_size, told.st_mtime_ns


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


def test_groups_come_back(tmp_path, ensemble, rows):
    explainer = sc.TreeExplainer(ensemble, groups={"both": ["age", "y"]})
    stored = explainer(rows, out=tmp_path / "run", chunk_rows=400)
    same(stored.load(), explainer(rows))
    with pytest.raises(InputError, match="groups was"):
        sc.TreeExplainer(ensemble)(rows, out=tmp_path / "run")


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
    with pytest.raises(FileNotFoundError, match="no such file"):
        explainer(tmp_path / "none.parquet", out=tmp_path.parent / "other")
    with pytest.raises(InputError, match="need out"):
        explainer(tmp_path / "0.parquet")


def test_a_row_group_as_large_as_the_file_is_read_as_it_goes(tmp_path, explainer):
    n_rows = 1_000_000
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(n_rows, 4)), columns=NAMES)
    table.to_parquet(tmp_path / "rows.parquet", row_group_size=n_rows)
    source = sources.file_source(tmp_path / "rows.parquet", lambda names: {}, named=True)
    most = before = pyarrow.total_allocated_bytes()
    for _ in source.chunks(1000, 10_000):
        most = max(most, pyarrow.total_allocated_bytes())
    assert most - before < n_rows * 4 * 8 / 2


# --- stopping and going on


def test_a_stopped_run_goes_on(tmp_path, explainer, rows):
    seen = []
    with pytest.raises(StoppedError):
        explainer(rows, out=tmp_path / "run", chunk_rows=100, progress=stop_after(320))
    assert part_files(tmp_path / "run") == [parts.file_name(number) for number in range(3)]
    with pytest.raises(InputError, match="not finished: 3 of 10 parts are there"):
        sc.open_explanation(tmp_path / "run")
    before = {path: written(path) for path in (tmp_path / "run").glob("part-*")}
    stored = explainer(rows, out=tmp_path / "run", progress=lambda *told: seen.append(told))
    assert seen == sorted(seen)
    assert seen[0][0] > 300
    assert seen[-1] == (1000, 1000)
    # Nothing that was finished is touched.
    assert {path: written(path) for path in before} == before
    same(stored.load(), explainer(rows))
    again = explainer(rows, out=tmp_path / "run", progress=lambda *told: pytest.fail("no work"))
    same(again.load(), stored.load())


SCRIPT = """
import pickle, sys, time
import shapley_core as sc
ensemble, data, out = sys.argv[1:]
explainer = sc.TreeExplainer(pickle.load(open(ensemble, "rb")))
explainer(data, out=out, chunk_rows=50, progress=lambda *told: time.sleep(0.004))
"""


def test_a_killed_run_goes_on(tmp_path, ensemble, explainer, rows):
    rows.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(ensemble))
    (tmp_path / "script.py").write_text(SCRIPT)
    root = Path(sc.__file__).parent.parent
    names = ["script.py", "model.pickle", "rows.parquet", "run"]
    child = subprocess.Popen(
        [sys.executable, *names],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while len(part_files(tmp_path / "run")) < 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    # While it runs, nobody else may write there.
    with pytest.raises(InputError, match=rf"another process \(number {child.pid}\)"):
        explainer(tmp_path / "rows.parquet", out=tmp_path / "run", chunk_rows=50)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, child.stderr.read()
    child.stderr.close()
    kept = {path: written(path) for path in (tmp_path / "run").glob("part-*")}
    assert 5 <= len(kept) < 20
    stored = explainer(tmp_path / "rows.parquet", out=tmp_path / "run")
    assert {path: written(path) for path in kept} == kept
    assert list((tmp_path / "run").glob(".*")) == []
    same(stored.load(), explainer(rows))
    same(stored.load(), explainer(rows, out=tmp_path / "at once", chunk_rows=50).load())


class DiedError(BaseException):
    pass


class Dying:
    """Ends everything at the n-th change of a directory, as if the process had been killed."""

    def __init__(self, monkeypatch, at):
        self.at = at
        self.dead = False
        for owner, name in ((Path, "replace"), (Path, "open"), (os, "fsync"), (os, "truncate")):
            monkeypatch.setattr(owner, name, self.wrapped(name, getattr(owner, name)))
        unlink = Path.unlink
        # The dead remove nothing.
        monkeypatch.setattr(Path, "unlink", lambda *a, **k: self.dead or unlink(*a, **k))

    def step(self):
        self.at -= 1
        if self.at < 0:
            self.dead = True
            raise DiedError

    def wrapped(self, name, function):
        def changed(*args, **kwargs):
            if name == "open" and not (len(args) > 1 and args[1] in ("wb", "ab")):
                return function(*args, **kwargs)
            self.step()
            result = function(*args, **kwargs)
            if name == "open":
                write = result.write
                opened = Writing(result)
                opened.write = lambda content: self.halves(write, result.flush, content)
                return opened
            self.step()
            return result

        return changed

    def halves(self, write, flush, content):
        content = bytes(content)
        write(content[: len(content) // 2])
        flush()
        self.step()
        return write(content[len(content) // 2 :])


class Writing:
    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_death_at_every_step_loses_at_most_the_chunk_at_hand(tmp_path, explainer, rows):
    wanted = explainer(rows[:30])

    def go(out, at):
        finished = []
        with pytest.MonkeyPatch.context() as patch:
            Dying(patch, at)
            try:
                explainer(
                    rows[:30],
                    out=out,
                    chunk_rows=10,
                    n_threads=1,
                    check=None,
                    progress=lambda done, _: finished.append(done),
                )
            except DiedError:
                # Told once by the explainer, once more when the part is on disk.
                return sum(finished.count(done) > 1 for done in (10, 20, 30)), False
        return 3, True

    ended = False
    for at in range(200):
        out = tmp_path / f"run {at}"
        done, ended = go(out, at)
        if ended:
            break
        held = len(part_files(out)) if out.exists() else 0
        assert done <= held <= done + 1
        # Killed once more, soon after it went on; then to the end.
        go(out, 3)
        assert (len(part_files(out)) if out.exists() else 0) >= held
        stored = explainer(rows[:30], out=out, chunk_rows=10, check=None)
        same(stored.load(), wanted)
        assert sorted(path.name for path in out.iterdir()) == [
            lock_name,
            journal.NAME,
            *(parts.file_name(number) for number in range(3)),
        ]
    assert ended
    assert at > 30


lock_name = "_lock"


def test_one_writer_at_a_time_and_none_locked_out_by_the_dead(tmp_path, explainer, rows):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / lock_name).write_text("1\n")
    inside, go_on = threading.Event(), threading.Event()

    def wait(done, n_rows):
        inside.set()
        go_on.wait(30)

    first = threading.Thread(
        target=lambda: explainer(rows, out=tmp_path / "run", chunk_rows=500, progress=wait)
    )
    first.start()
    assert inside.wait(30)
    with pytest.raises(InputError, match=rf"another process \(number {os.getpid()}\)"):
        explainer(rows, out=tmp_path / "run", chunk_rows=500)
    go_on.set()
    first.join()
    same(explainer(rows, out=tmp_path / "run").load(), explainer(rows))


# --- refused


@pytest.fixture
def begun(tmp_path, explainer, rows):
    """A run of 1000 rows in parts of 100, of which three are finished."""
    with pytest.raises(StoppedError):
        explainer(rows, out=tmp_path / "run", chunk_rows=100, progress=stop_after(310))
    return tmp_path / "run"


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_directory_of_other_settings_is_refused(begun, ensemble, explainer, rows, monkeypatch):
    before = contents(begun)
    changed = rows.copy()
    changed.iloc[999, 2] += 1e-9
    background = sc.TreeExplainer(ensemble, rows[:10])
    pruned = random_ensemble(
        np.random.default_rng(3), n_features=4, n_trees=11, feature_names=NAMES
    )
    for begin, message in [
        (lambda: explainer(changed, out=begun), "data, hash was"),
        (lambda: explainer(rows[:900], out=begun), "data, rows was 1000, is now 900"),
        (lambda: background(rows, out=begun), "background was null, is now"),
        (lambda: sc.TreeExplainer(pruned)(rows, out=begun), "model was"),
        (lambda: explainer(rows, out=begun, chunk_rows=99), "chunk_rows was 100, is now 99"),
        (lambda: explainer(rows, out=begun, check=None), 'check was "model", is now null'),
    ]:
        with pytest.raises(InputError, match=f"other settings: .*{message}"):
            begin()
        after = contents(begun)
        before[lock_name] = after[lock_name]
        assert after == before
    same(explainer(rows, out=begun).load(), explainer(rows))


def test_a_version_that_may_compute_otherwise_is_refused(begun, explainer, rows):
    text = (begun / journal.NAME).read_text()
    assert f'"package": "{sc.__version__}"' in text
    (begun / journal.NAME).write_text(text.replace(f'"{sc.__version__}"', '"0.0"'))
    with pytest.raises(InputError, match=r'package was "0\.0", is now'):
        explainer(rows, out=begun)


def test_files_that_changed_are_refused(tmp_path, explainer, rows):
    data, out = tmp_path / "rows.parquet", tmp_path / "run"
    rows.to_parquet(data)

    def change(done, n_rows):
        if done > 250:
            os.utime(data, ns=(1, 1))

    with pytest.raises(InputError, match="changed while it was read"):
        explainer(data, out=out, chunk_rows=100, progress=change)
    assert part_files(out) == [parts.file_name(0), parts.file_name(1)]
    with pytest.raises(InputError, match="data, files was"):
        explainer(data, out=out)


def test_foreign_files_are_left_alone(tmp_path, begun, explainer, rows):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("a")
    with pytest.raises(InputError, match=r"files that are of no run \(a\.jpg\)"):
        explainer(rows, out=tmp_path / "photos")
    assert contents(tmp_path / "photos") == {"a.jpg": b"a"}
    with pytest.raises(NotADirectoryError):
        explainer(rows, out=tmp_path / "photos" / "a.jpg")
    with pytest.raises(FileNotFoundError):
        explainer(rows, out=tmp_path / "none" / "run")
    (begun / "notes.txt").write_text("mine")
    theirs = begun / parts.file_name(5)
    for content in (b"mine", (begun / parts.file_name(2)).read_bytes()):
        theirs.write_bytes(content)
        with pytest.raises(InputError, match=r"no part of a long run|is of another run"):
            explainer(rows, out=begun)
        assert theirs.read_bytes() == content
    theirs.unlink()

    def appears(done, n_rows):
        if done > 500:
            theirs.write_bytes(b"mine")

    with pytest.raises(InputError, match="appeared while its values were computed"):
        explainer(rows, out=begun, progress=appears)
    theirs.unlink()
    same(explainer(rows, out=begun).load(), explainer(rows))
    assert (begun / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[:500] + b"?" + path.read_bytes()[501:]),
        lambda path: path.write_bytes(b""),
    ],
)
def test_damaged_parts_are_found(begun, explainer, rows, damage):
    path = begun / parts.file_name(1)
    damage(path)
    damaged = path.read_bytes()
    with pytest.raises(InputError, match="is not the file that was written"):
        explainer(rows, out=begun)
    assert path.read_bytes() == damaged
    path.unlink()
    stored = explainer(rows, out=begun)
    same(stored.load(), explainer(rows))
    damage(path)
    with pytest.raises(InputError, match="is not the file that was written"):
        list(sc.open_explanation(begun))
    path.unlink()
    with pytest.raises(InputError, match="is missing"):
        stored.load()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: b"", "damaged"),
        (lambda text: b"{}\n" + text, "damaged"),
        (lambda text: text[300:], "damaged"),
        (lambda text: text.replace(b'"version": 1', b'"version": 2'), "of version 2"),
        (lambda text: text.replace(b'"stop": 100', b'"stop": 101'), "other rows than it should"),
    ],
)
def test_damaged_manifests_are_found(begun, explainer, rows, damage, message):
    path = begun / journal.NAME
    path.write_bytes(damage(path.read_bytes()))
    before = contents(begun)
    for begin in (lambda: explainer(rows, out=begun), lambda: sc.open_explanation(begun)):
        with pytest.raises(InputError, match=message):
            begin()
    before[lock_name] = contents(begun)[lock_name]
    assert contents(begun) == before
    with pytest.raises(InputError, match="holds no values of a long run"):
        sc.open_explanation(begun.parent)


def test_a_full_disk(begun, explainer, rows, monkeypatch):
    fsync = os.fsync

    def full(descriptor):
        if len(part_files(begun)) == 5:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device; 4 of 10 parts are finished"):
            explainer(rows, out=begun)
    assert not list(begun.glob(".*"))
    same(explainer(rows, out=begun).load(), explainer(rows))


def test_an_attempt_that_finished_nothing_binds_nobody(tmp_path, ensemble, explainer, rows):
    class Wrong(sc.TreeExplainer):
        def __call__(self, X, **options):
            explanation = super().__call__(X, **options)
            if options.get("out") is None and len(X):
                raise AdditivityError("row 0 is wrong")
            return explanation

    out = tmp_path / "run"
    with pytest.raises(AdditivityError, match=r"among rows 0 to 299 .* row 0 is wrong"):
        Wrong(ensemble)(rows, out=out, chunk_rows=300)
    same(explainer(rows, out=out, chunk_rows=200, check=None).load(), explainer(rows))


def test_wrong_arguments_leave_nothing_behind(tmp_path, explainer, rows):
    for options in ({"index": "SW"}, {"order": 0}, {"check": "no"}, {"chunk_rows": 0}):
        with pytest.raises(InputError):
            explainer(rows, out=tmp_path / "run", **options)
        assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="lacks 'y'"):
        explainer(rows[["age", "x", "hours worked"]], out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_loading_more_than_there_is_memory(tmp_path, explainer, rows, monkeypatch):
    stored = explainer(rows, out=tmp_path / "run")
    monkeypatch.setattr("shapley_core.memory.physical_memory", lambda: 1000 * 8 * 5 - 1)
    with pytest.raises(MemoryLimitError, match="Read fewer rows"):
        stored.load()
    assert len(stored.rows(0, 999)) == 999
