"""InteractionValues in files: whole, damaged, and of other kinds."""

import os
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_result import NAMES, make

from shapley_core.errors import InputError
from shapley_core.exact import exact
from shapley_core.game import TableGame
from shapley_core.result import InteractionValues


def same(a, b):
    assert a == b
    assert (a.n_evaluations, a.is_exact, a.player_names) == (
        b.n_evaluations, b.is_exact, b.player_names,
    )  # fmt: skip
    assert (a.std_error is None) == (b.std_error is None)
    if a.std_error is not None:
        np.testing.assert_array_equal(a.std_error, b.std_error)


@pytest.mark.parametrize(
    "r",
    [
        make(),
        make(player_names=None, std_error=None, n_evaluations=None, is_exact=True),
        exact(TableGame(np.arange(16.0) ** 2), "k-SII", 3),
        make([], [], std_error=None),
        make(player_names=["Größe", "年", ""]),
        make(n_evaluations=2**64 - 1),
        make(n_evaluations=2**64),
        make(n_evaluations=10**30, order=2**70),
        make(player_names=["a", "a\0", "\0a\0\0"]),
    ],
)
def test_save_and_load(r, tmp_path):
    path = tmp_path / "no extension"
    r.save(path)
    same(InteractionValues.load(path), r)
    same(InteractionValues.load(str(path)), r)
    assert [p.name for p in tmp_path.iterdir()] == ["no extension"]


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "r.npz"
    make().save(path)

    def broken(file, **fields):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(OSError, match="disk full"):
        make(baseline=9).save(path)
    assert InteractionValues.load(path) == make()
    assert len(list(tmp_path.iterdir())) == 1


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 3000), flip=st.integers(0, 3000))
def test_damaged_files_are_refused_or_whole(cut, flip, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "r.npz"
    make().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut] if cut < len(whole) else b"")
    with pytest.raises(InputError, match="not a file of shapley_core"):
        InteractionValues.load(path)
    flipped = bytearray(whole)
    flipped[flip % len(whole)] ^= 0x41
    path.write_bytes(flipped)
    with suppress(InputError):
        assert InteractionValues.load(path) == make()


def rewritten(path, **changed):
    with np.load(path) as loaded:
        fields = dict(loaded)
    fields.update(changed)
    np.savez(path, **{name: field for name, field in fields.items() if field is not None})


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"version": 99}, "version 99; this shapley_core reads versions up to 2"),
     ({"format": "other"}, "its format is other"), ({"format": None}, "KeyError"),
     ({"values": None}, "values is missing"), ({"values": np.ones(2)}, "each of the 3"),
     ({"interactions_2": np.array([[1, 0]])}, "not sorted"),
     ({"interactions_2": np.array([[0, 3]])}, "0..2"),
     ({"interactions_1": np.array([[2], [0]])}, "not sorted"),
     ({"interactions_1": np.array([[0.0], [2.0]])}, "float64"),
     ({"n_players": 0}, "not a file of"), ({"values": np.array(["a", "b", "c"])}, "damaged"),
     ({"n_players": 3.7}, "n_players"), ({"values": np.ones(3) * 1j}, "real numbers"),
     ({"version": 0}, "version is 0"), ({"player_names": None}, "player_names is missing"),
     ({"std_error": None}, "std_error is missing")],
)  # fmt: skip
def test_wrong_fields(changed, message, tmp_path):
    path = tmp_path / "r.npz"
    make().save(path)
    rewritten(path, **changed)
    with pytest.raises(InputError, match=message):
        InteractionValues.load(path)


def test_names_in_files_of_version_1(tmp_path):
    path = tmp_path / "r.npz"
    make().save(path)
    rewritten(path, version=1, player_names=np.array(NAMES))
    assert InteractionValues.load(path) == make()


def test_every_flip_of_a_byte_is_refused_or_harmless(tmp_path):
    path = tmp_path / "r.npz"
    make().save(path)
    whole = path.read_bytes()
    # The directory at the end: names, lengths and flags, which no checksum covers.
    for at in range(whole.index(b"PK\x01\x02"), len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        with suppress(InputError):
            got = InteractionValues.load(path)
            assert got == make()
            assert (got.n_evaluations, got.is_exact) == (7, False)
            np.testing.assert_array_equal(got.std_error, make().std_error)


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_saved_file_is_as_readable_as_any_other(tmp_path):
    make().save(tmp_path / "r.npz")
    (tmp_path / "other").touch()
    modes = [(tmp_path / name).stat().st_mode for name in ("r.npz", "other")]
    assert modes[0] == modes[1]


def test_other_files(tmp_path):
    path = tmp_path / "r.npz"
    with pytest.raises(FileNotFoundError):
        InteractionValues.load(path)
    np.save(path.with_suffix(".npy"), np.ones(3))
    path.write_bytes(path.with_suffix(".npy").read_bytes())
    with pytest.raises(InputError, match="no archive"):
        InteractionValues.load(path)
    np.savez(path, format=np.array([object()], dtype=object))
    with pytest.raises(InputError, match="not a file of"):
        InteractionValues.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match="not a file of"):
        InteractionValues.load(path)
