"""Where results are written to: links, pipes and devices; and what is said where that fails."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shapley_core
from shapley_core import InteractionValues, TableGame, cli, exact

EXAMPLES = Path(shapley_core.__file__).parent / "examples"
MODEL, DATA = EXAMPLES / "bike.json", EXAMPLES / "bike.csv"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent.parent)}


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def reader_of(pipe):
    """Make a pipe, and a thread that reads it into the list that comes with it."""
    os.mkfifo(pipe)
    read = []
    thread = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    thread.start()
    return thread, read


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_link_stays_and_leads_to_the_new_file(tmp_path, ending):
    folder, link = tmp_path / "folder", tmp_path / f"link.{ending}"
    folder.mkdir()
    link.symlink_to(folder / f"values.{ending}")
    for _ in range(2):
        assert run("explain", MODEL, DATA, "-o", link) == 0
        assert link.is_symlink()
        assert [path.name for path in folder.iterdir()] == [f"values.{ending}"]
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    assert read(folder / f"values.{ending}").shape == (500, 13)


def test_a_saved_file_behind_a_link(tmp_path):
    r = exact(TableGame(np.arange(8.0)))
    (tmp_path / "old.npz").write_text("old")
    (tmp_path / "link.npz").symlink_to(tmp_path / "old.npz")
    r.save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert InteractionValues.load(tmp_path / "old.npz") == r


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have names")
def test_pipes_are_written_to(tmp_path, capsys):
    pipe = tmp_path / "pipe.csv"
    thread, read = reader_of(pipe)
    assert run("explain", MODEL, DATA, "-o", pipe) == 0
    thread.join(10)
    assert pipe.is_fifo() and read[0].count(b"\n") == 501
    assert run("explain", MODEL, DATA, "-o", tmp_path / "values.csv") == 0
    assert (tmp_path / "values.csv").read_bytes() == read[0]

    r = exact(TableGame(np.arange(8.0)))
    thread, read = reader_of(tmp_path / "pipe.npz")
    r.save(tmp_path / "pipe.npz")
    thread.join(10)
    (tmp_path / "r.npz").write_bytes(read[0])
    assert InteractionValues.load(tmp_path / "r.npz") == r

    os.mkfifo(tmp_path / "pipe.parquet")
    assert run("explain", MODEL, DATA, "-o", tmp_path / "pipe.parquet") == 1
    assert "pipe.parquet is no file" in capsys.readouterr().err


def test_standard_output_behind_a_link(tmp_path):
    (tmp_path / "out.csv").symlink_to("/dev/stdout")
    command = [sys.executable, "-m", "shapley_core", "explain", MODEL, DATA, "-o", "out.csv"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=True)
    assert done.stdout.count(b"\n") == 501 and not done.stderr
    assert (tmp_path / "out.csv").is_symlink()


@pytest.mark.parametrize(
    "arguments", [["explain", MODEL, DATA, "-o", ""], ["explain", MODEL, "", "-o", "x"],
                  ["info", ""], ["demo", "-o", ""]]
)  # fmt: skip
def test_empty_paths_are_wrong_use(tmp_path, capsys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as error:
        run(*arguments)
    assert error.value.code == 2
    assert "empty; wanted a path" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="out is empty"):
        shapley_core.TreeExplainer(MODEL)(np.zeros((1, 12)), out="")


def test_errors_name_the_file_that_was_asked_for(tmp_path, capsys):
    r = exact(TableGame(np.arange(8.0)))
    with pytest.raises(FileNotFoundError) as error:
        r.save(tmp_path / "nowhere" / "r.npz")
    assert error.value.filename == str(tmp_path / "nowhere" / "r.npz")
    with pytest.raises(IsADirectoryError):
        r.save(tmp_path)


def test_a_disk_that_takes_nothing(tmp_path, monkeypatch):
    opened, unlink = Path.open, Path.unlink

    def full(path, *given, **named):
        if not path.name.startswith("."):
            return opened(path, *given, **named)
        opened(path, *given, **named).close()
        raise OSError(28, "No space left on device")

    def read_only(path, *given, **named):
        if path.name.startswith("."):
            raise OSError(30, "Read-only file system", str(path))
        unlink(path, *given, **named)

    monkeypatch.setattr(Path, "open", full)
    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(OSError, match="No space left") as error:
        exact(TableGame(np.arange(8.0))).save(tmp_path / "r.npz")
    assert error.value.filename == str(tmp_path / "r.npz")
    with pytest.raises(OSError, match="No space left") as error:
        shapley_core.TreeExplainer(MODEL)(DATA, out=tmp_path / "run")
    assert error.value.filename == str(tmp_path / "run" / "_manifest.jsonl")


def test_an_interruption_amid_the_imports():
    code = """
import runpy, sys
class Interrupts:
    def find_spec(name, path=None, target=None):
        if name == "shapley_core.explainers":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts)
runpy.run_module("shapley_core", run_name="__main__")
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"shapley-core: interrupted\n")
