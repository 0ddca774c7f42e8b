"""Explanations in files: all of it comes back, and nothing damaged is believed."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from shapley_core.errors import InputError
from shapley_core.explanation import Explanation
from shapley_core.files import write_explanation

PAIRS = [(0,), (1,), (2,), (0, 2)]
X = np.arange(12.0).reshape(4, 3)


def explanation(data=X, **told):
    rng = np.random.default_rng(0)
    return Explanation(
        rng.normal(size=(4, 4, 2)),
        rng.normal(size=(4, 2)),
        data,
        **{"index": "k-SII", "order": 2, "interactions": PAIRS, **told},
    )


KINDS = {
    "plain": {},
    "named": {"feature_names": ["ä", "b", "c"], "output_names": ["cat", "dog"]},
    "estimated": {"std_error": np.ones((4, 4, 2)), "n_evaluations": np.arange(4)},
    "grouped": {"groups": [(0, 1), (2,), (3,)], "feature_names": ["a + b", "c", "d"]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(tmp_path, kind):
    e = explanation(**KINDS[kind])
    e.save(tmp_path / "e.npz")
    again = Explanation.load(str(tmp_path / "e.npz"))
    for name in ("values", "base_values", "data", "std_error", "n_evaluations"):
        got, wanted = getattr(again, name), getattr(e, name)
        assert (got is None) == (wanted is None)
        np.testing.assert_array_equal(got, wanted)
    for name in ("index", "order", "n_features", "interactions", "groups"):
        assert getattr(again, name) == getattr(e, name)
    assert again.feature_names == e.feature_names
    assert again.output_names == e.output_names
    assert again[1, 0] == e[1, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


def test_tables_in_files(tmp_path):
    frame = pd.DataFrame(X[:, ::-1], columns=list("cba"))
    for data, kept in [
        (frame, X),
        (X.astype(np.float32), X),
        (frame.assign(a=["x", "y", "z", "x"]), None),
        (scipy.sparse.csr_matrix(X), None),
        (None, None),
    ]:
        explanation(data, feature_names=list("abc")).save(tmp_path / "e.npz")
        again = Explanation.load(tmp_path / "e.npz")
        assert (again.data is None) == (kept is None)
        np.testing.assert_array_equal(again.data, kept)
        assert Explanation.load(tmp_path / "e.npz", data=frame).data is frame


def test_explanations_without_data(tmp_path):
    explanation(None, n_features=3).save(tmp_path / "e.npz")
    again = Explanation.load(tmp_path / "e.npz")
    assert again.n_features == 3
    assert again[1:3].data is None
    assert again[1:3].n_features == 3
    assert again.to_array().shape == (4, 3, 3, 2)
    assert again.to_shap().data is None


def test_truncated_and_damaged_files(tmp_path):
    path = tmp_path / "e.npz"
    explanation().save(path)
    whole = path.read_bytes()
    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at])
        with pytest.raises(InputError, match="damaged"):
            Explanation.load(path)
    good = Explanation.load(_written(path, whole))
    for at in range(0, len(whole), 41):
        try:
            read = Explanation.load(_written(path, whole[:at] + b"#" + whole[at + 1 :]))
        except InputError:
            continue
        # A byte that nothing depends on: a time, a padding.
        np.testing.assert_array_equal(read.values, good.values)
        np.testing.assert_array_equal(read.data, good.data)
        assert read.interactions == good.interactions


def _written(path, content):
    path.write_bytes(content)
    return path


def test_files_of_another_kind(tmp_path):
    explanation()[0, 1].save(tmp_path / "values.npz")
    with pytest.raises(InputError, match=r"its format is shapley_core\.InteractionValues"):
        Explanation.load(tmp_path / "values.npz")
    with pytest.raises(FileNotFoundError):
        Explanation.load(tmp_path / "none.npz")


def test_data_of_other_rows_is_refused(tmp_path):
    e = explanation()
    e.save(tmp_path / "e.npz")
    assert Explanation.load(tmp_path / "e.npz", data=X + 1).data[0, 0] == 1
    for data in (X[:3], pd.DataFrame(X[:2]), scipy.sparse.csr_matrix(X[:1])):
        with pytest.raises(InputError, match="rows, the values 4"):
            Explanation.load(tmp_path / "e.npz", data=data)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_columns_of_one_name_are_refused(tmp_path, ending):
    names = ["base_value", "b"]
    e = Explanation(np.ones((2, 2)), np.zeros(2), None, index="SV", feature_names=names)
    with pytest.raises(InputError, match="two columns named 'base_value'"):
        write_explanation(tmp_path / f"e.{ending}", e)
    assert not list(tmp_path.iterdir())
