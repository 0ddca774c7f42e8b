"""Long runs: stopped, killed, resumed."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from run_cases import LOCK, StoppedError, part_files, same, stop_after, written

import shapley_core as sc
from shapley_core.errors import InputError
from shapley_core.runs import journal, parts


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
            LOCK,
            journal.NAME,
            *(parts.file_name(number) for number in range(3)),
        ]
    assert ended
    assert at > 30


def test_one_writer_at_a_time_and_none_locked_out_by_the_dead(tmp_path, explainer, rows):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).write_text("1\n")
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
