"""Long runs: what is refused, and leaves nothing behind."""

import os
import re

import numpy as np
import pytest
from random_trees import random_ensemble
from run_cases import LOCK, NAMES, contents, part_files, same

import shapley_core as sc
from shapley_core.errors import AdditivityError, InputError, MemoryLimitError
from shapley_core.runs import journal, parts


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
        before[LOCK] = after[LOCK]
        assert after == before
    same(explainer(rows, out=begun).load(), explainer(rows))


def test_a_version_that_may_compute_otherwise_is_refused(begun, explainer, rows):
    text = (begun / journal.NAME).read_text()
    assert f'"package": "{sc.__version__}"' in text
    (begun / journal.NAME).write_text(text.replace(f'"{sc.__version__}"', '"0.0"'))
    with pytest.raises(InputError, match=r'package was "0\.0", is now') as refused:
        explainer(rows, out=begun)
    # And what to do about it.
    assert "another directory, or" in str(refused.value)
    assert "and shapley_core 0.0, which goes on with it; this is" in str(refused.value)


def test_settings_that_an_earlier_state_of_the_code_had_not_are_named(begun, explainer, rows):
    text = (begun / journal.NAME).read_text()
    (begun / journal.NAME).write_text(text.replace('"check": ', '"former": '))
    wanted = 'check was no setting, is now "model"; former was "model", is now no setting. Give'
    with pytest.raises(InputError, match=wanted) as refused:
        explainer(rows, out=begun)
    assert str(refused.value).endswith("or the settings that it was begun with")


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


def test_settings_of_another_kind_are_others(begun, explainer, rows):
    path = begun / journal.NAME
    path.write_bytes(re.sub(rb'"data": {.*?}', b'"data": 1.5', path.read_bytes()))
    with pytest.raises(InputError, match=r"other settings: data, all was 1\.5, is now no setting"):
        explainer(rows, out=begun)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: b"", "damaged"),
        (lambda text: b"{}\n" + text, "damaged"),
        (lambda text: text[300:], "damaged"),
        (lambda text: re.sub(rb'"settings": .*}}', b'"settings": 3}', text), "settings are none"),
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
    before[LOCK] = contents(begun)[LOCK]
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
