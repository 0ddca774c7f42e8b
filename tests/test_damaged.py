"""Files that claim more than they hold, and files whose checksums tell of damage."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from shapley_core import Explanation, InteractionValues, TableGame, TreeExplainer, exact, memory
from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.examples import __file__ as examples
from shapley_core.files import read_table
from shapley_core.trees import read_model

MODEL, DATA = Path(examples).parent / "bike.json", Path(examples).parent / "bike.csv"


def header(shape):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return out.getvalue()


def put_another(path, name, content):
    """Write bad.npz beside an archive: the same but for the content of one name."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(path.with_name("bad.npz"), "w") as new:
        for one in old.namelist():
            new.writestr(one, content if one == name else old.read(one))


@pytest.mark.parametrize("shape", [(10**12,), (1 << 40, 1 << 40), (5,)])
def test_arrays_that_are_not_as_long_as_they_say(tmp_path, shape):
    exact(TableGame(np.arange(16.0))).save(tmp_path / "r.npz")
    TreeExplainer(MODEL)(pd.read_csv(DATA)[:3]).save(tmp_path / "e.npz")
    for name, load in (("r.npz", InteractionValues.load), ("e.npz", Explanation.load)):
        put_another(tmp_path / name, "values.npy", header(shape) + bytes(32))
        with pytest.raises(InputError, match=r"bad\.npz is not .*values.npy has another length"):
            load(tmp_path / "bad.npz")


def test_what_would_not_fit(tmp_path, monkeypatch):
    exact(TableGame(np.arange(16.0))).save(tmp_path / "r.npz")
    monkeypatch.setattr(memory, "physical_memory", lambda: 1000)
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    with pytest.raises(MemoryLimitError, match=r"r\.npz: what it holds takes"):
        InteractionValues.load(tmp_path / "r.npz")


def field_of(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("version.npy", field_of(np.array([1, 2]))),
        ("version.npy", field_of(np.array(np.inf))),
        ("fields.npy", field_of(np.array(3))),
        ("fields.npy", field_of(np.zeros((2, 2)))),
        ("format.npy", field_of(np.array(1))),
        ("format.npy", field_of(np.array("ab")).replace(b"a\0\0\0", b"a\0\0\xff")),
        ("values.npy", field_of(np.zeros(15)).replace(b"(15,)", b"((15,")),
        ("values.npy", field_of(np.zeros(15)).replace(b"(15,)", b"(1 5)")),
    ],
)
def test_fields_that_are_not_what_they_should_be(tmp_path, name, content):
    exact(TableGame(np.arange(16.0))).save(tmp_path / "r.npz")
    TreeExplainer(MODEL)(pd.read_csv(DATA)[:3]).save(tmp_path / "e.npz")
    for given, load in (("r.npz", InteractionValues.load), ("e.npz", Explanation.load)):
        put_another(tmp_path / given, name, content)
        with pytest.raises(InputError, match=r"bad\.npz is not a file of"):
            load(tmp_path / "bad.npz")


def test_texts_and_numbers_of_values_that_are_damaged(tmp_path):
    exact(TableGame(np.arange(16.0))).save(tmp_path / "r.npz")
    text = field_of(np.array("SV")).replace(b"S\0\0\0", b"S\0\0\xff")
    for name, content in (("index.npy", text), ("n_players.npy", field_of(np.array(2**62)))):
        put_another(tmp_path / "r.npz", name, content)
        with pytest.raises(InputError, match=r"bad\.npz is not a file of"):
            InteractionValues.load(tmp_path / "bad.npz")


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY", b"\x80\x04."])
def test_no_archives(tmp_path, content):
    (tmp_path / "no.npz").write_bytes(content)
    for load in (InteractionValues.load, Explanation.load):
        with pytest.raises(InputError, match=r"no\.npz is not a file of .*no archive"):
            load(tmp_path / "no.npz")


def test_checksums_of_parquet_files_are_verified(tmp_path):
    path = tmp_path / "rows.parquet"
    table = pa.Table.from_pandas(pd.read_csv(DATA)[:50], preserve_index=False)
    pa.parquet.write_table(
        table, path, write_page_checksum=True, compression="none", use_dictionary=False
    )
    explainer = TreeExplainer(MODEL)
    assert read_table(path, explainer.ensemble).num_rows == 50
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(table["temp"][0].as_py()).tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"rows\.parquet cannot be read"):
        read_table(path, read_model(MODEL))
    with pytest.raises(InputError, match=r"rows\.parquet cannot be read"):
        explainer(path, out=tmp_path / "run")
