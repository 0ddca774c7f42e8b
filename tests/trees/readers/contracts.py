"""What every reader of a tree library must do; a reader's test class inherits `ReaderContract`.

class TestMine(ReaderContract):
    reader = shapley_core.trees.readers.mine
    own_module = "mine"

    @pytest.fixture(scope="class", params=[...])
    def case(self, request):
        return Case(...)
"""

import gc
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from shapley_core.errors import InputError, ModelFileError, UnsupportedModelError
from shapley_core.trees import TreeEnsemble, read_model
from shapley_core.trees.tree import CATEGORICAL, LEAF


@dataclass
class Case:
    """A live model and what is known of it.

    ``leaves(rows)`` are the library's own leaf numbers (n_rows, n_trees), counted so that equal
    numbers mean equal leaves; ``files`` are the model as its library saves it, by kind of file.
    ``n_rounds`` is 0 for a model without rounds.
    ``takes_infinity`` says whether ``leaves`` accepts infinities.
    """

    model: Any
    rows: np.ndarray
    n_rounds: int
    files: dict[str, bytes]
    leaves: Callable[[np.ndarray], np.ndarray]
    takes_infinity: bool = True
    same_numbers: bool = True


CODES = [-1e9, -2, -1, -0.5, -0.0, 0, 0.5, 1, 2, 3.7, 31, 32, 63, 64, 65, 299, 1e6, 2.0**24, 1e12]
NUMBERS = [0.0, -0.0, 1e-35, -1e-35, 1e-45, 1e-300, 1.0, -1.0, 1e6, -1e6, 3e38, -3e38]


def edge_values(ensemble: TreeEnsemble, feature: int) -> np.ndarray:
    """Values of a feature that a reader may send the wrong way."""
    at = ensemble.feature == feature
    thresholds = np.unique(ensemble.threshold[at & (ensemble.flags & CATEGORICAL == 0)])
    narrow = thresholds.astype(np.float32)
    values = [thresholds, NUMBERS, [np.nan, np.inf, -np.inf]]
    for side in (-np.inf, np.inf):
        values.append(np.nextafter(thresholds, side))
        with np.errstate(over="ignore"):
            beside = np.nextafter(narrow, np.float32(side)).astype(np.float64)
        values += [beside, (beside + thresholds) / 2]
    if (at & (ensemble.flags & CATEGORICAL != 0)).any():
        values.append(CODES)
        values.append(ensemble.category_values.get(feature, ()))
    return np.concatenate([np.asarray(v, np.float64) for v in values])


def edge_rows(
    ensemble: TreeEnsemble, n_rows: int, seed: int = 0, infinite: bool = True
) -> np.ndarray:
    """Draw rows from the edge values of every feature."""
    rng = np.random.default_rng(seed)
    rows = np.empty((n_rows, ensemble.n_features))
    largest = np.finfo(ensemble.input_dtype).max
    for feature in range(ensemble.n_features):
        values = edge_values(ensemble, feature)
        if not infinite or feature in ensemble.category_values:
            values = values[~np.isinf(values)]
        if not ensemble.takes_infinite:
            values = values[~(np.abs(values) > largest)]
        if not ensemble.takes_missing:
            values = values[~np.isnan(values)]
        rows[:, feature] = rng.choice(values, n_rows)
    return rows


def leaf_values(ensemble: TreeEnsemble, rows: np.ndarray) -> np.ndarray:
    """What each tree adds to each row's outputs, (n_rows, n_trees, width)."""
    return ensemble.values[ensemble.apply(rows) + ensemble.tree_offsets[:-1]]


def assert_same_ensembles(one: TreeEnsemble, other: TreeEnsemble, but: tuple[str, ...] = ()):
    for field in fields(TreeEnsemble):
        if field.name in but:
            continue
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), field.name
        else:
            assert a == b or (a != a and b != b), field.name


def read_damaged(reader: Any, content: bytes) -> TreeEnsemble | None:
    """Read bytes that may be damaged; anything but a model or a clear error fails the test."""
    try:
        ensemble = reader.read_file(content, "damaged")
    except (ModelFileError, UnsupportedModelError) as error:
        assert "damaged" in str(error)
        return None
    return ensemble


class ReaderContract:
    reader: Any
    own_module: str
    # The library's own rounding, relative to the sum of magnitudes of base and leaves.
    tolerance = 1e-6

    @pytest.fixture
    def case(self) -> Case:
        raise NotImplementedError

    def assert_predicts(self, case: Case, rows: np.ndarray, ensemble: TreeEnsemble) -> None:
        own = self.reader.predict_raw(case.model, rows)
        mine = ensemble.predict(rows)
        assert own.dtype == np.float64 and own.shape == mine.shape
        magnitude = np.abs(ensemble.base).max() + np.abs(leaf_values(ensemble, rows)).max(2).sum(1)
        error = np.abs(own - mine).reshape(len(rows), -1).max(1, initial=0)
        assert (error <= self.tolerance * magnitude + 1e-30).all(), error.max()

    def test_predicts_what_the_library_predicts(self, case):
        ensemble = self.reader.read(case.model)
        for rows in (case.rows, edge_rows(ensemble, 400), edge_rows(ensemble, 400, seed=1)):
            self.assert_predicts(case, rows, ensemble)

    def test_routes_every_row_to_the_librarys_leaf(self, case):
        ensemble = self.reader.read(case.model)
        for rows in (case.rows, edge_rows(ensemble, 400, infinite=case.takes_infinity)):
            own, mine = case.leaves(rows).reshape(len(rows), -1), ensemble.apply(rows)
            if case.same_numbers:
                np.testing.assert_array_equal(own, mine)
            for tree in range(ensemble.n_trees):
                pairs = set(zip(own[:, tree].tolist(), mine[:, tree].tolist(), strict=True))
                assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})

    def test_files_give_the_same_model_as_the_live_object(self, case, tmp_path):
        live = self.reader.read(case.model)
        for kind, content in case.files.items():
            path = tmp_path / f"model.{kind}"
            path.write_bytes(content)
            assert self.reader.recognises_file(content)
            assert_same_ensembles(read_model(path), live, but=("missing", "output_names"))

    def test_rounds_add_up(self, case):
        if not case.n_rounds:
            pytest.skip("no rounds")
        whole = self.reader.read(case.model, iteration_range=(0, case.n_rounds))
        rows = edge_rows(whole, 50)
        total = np.zeros((50, whole.n_outputs)) + whole.base
        for number in range(case.n_rounds):
            one = self.reader.read(case.model, iteration_range=(number, number + 1))
            self.assert_one_round(case, one, rows, number)
            total += one.predict(rows).reshape(50, -1) - one.base
        np.testing.assert_allclose(total, whole.predict(rows).reshape(50, -1), rtol=1e-9, atol=1e-9)

    def assert_one_round(self, case, one: TreeEnsemble, rows: np.ndarray, number: int) -> None:
        own = self.reader.predict_raw(case.model, rows, iteration_range=(number, number + 1))
        scale = np.abs(one.values).max() + np.abs(one.base).max()
        np.testing.assert_allclose(one.predict(rows), own, rtol=0, atol=self.tolerance * scale)

    def test_rounds_outside_the_model_are_refused(self, case):
        n = case.n_rounds
        for outside in ((0, n + 1), (-1, 1), (n, n), (2, 1), (0, 0)):
            with pytest.raises(InputError, match="iteration_range"):
                self.reader.read(case.model, iteration_range=outside)

    def test_layouts_and_types_of_rows(self, case):
        rows = np.nan_to_num(np.abs(case.rows[:20])).astype(np.float32)
        expected = self.reader.predict_raw(case.model, rows.astype(np.float64))
        ensemble = self.reader.read(case.model)
        whole = np.clip(np.round(rows), 0, 200)
        read_only = rows.copy()
        read_only.setflags(write=False)
        for given in (rows, np.asfortranarray(rows), np.repeat(rows, 2, 0)[::2], read_only):
            assert (self.reader.predict_raw(case.model, given) == expected).all()
        expected = self.reader.predict_raw(case.model, whole)
        for given in (whole.astype(np.int64), whole.astype(np.int16), whole.astype(np.uint8)):
            assert (self.reader.predict_raw(case.model, given) == expected).all()
            assert (ensemble.predict(given) == ensemble.predict(whole)).all()
        assert self.reader.predict_raw(case.model, rows[:0]).shape == expected[:0].shape

    def test_sparse_rows(self, case):
        ensemble = self.reader.read(case.model)
        rows = np.where(np.arange(20 * ensemble.n_features).reshape(20, -1) % 3, case.rows[:20], 0)
        absent = np.nan if ensemble.sparse_absent == "missing" else 0.0
        filled = np.where(rows == 0, absent, rows)
        expected = self.reader.predict_raw(case.model, filled)
        for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.csr_array):
            assert (self.reader.predict_raw(case.model, kind(rows)) == expected).all()

    def test_wrong_number_of_columns_is_refused(self, case):
        for shape in ((3, case.rows.shape[1] + 1), (3, case.rows.shape[1] - 1)):
            with pytest.raises(InputError, match="columns"):
                self.reader.predict_raw(case.model, np.zeros(shape))

    def test_threads_share_a_model(self, case):
        rows = edge_rows(self.reader.read(case.model), 200)
        expected = self.reader.predict_raw(case.model, rows)
        with ThreadPoolExecutor(4) as pool:
            results = pool.map(lambda _: self.reader.predict_raw(case.model, rows), range(12))
            assert all((result == expected).all() for result in results)

    def test_the_ensemble_outlives_the_model_and_pickles(self, case):
        ensemble = pickle.loads(pickle.dumps(self.reader.read(case.model)))
        gc.collect()
        assert_same_ensembles(ensemble, self.reader.read(case.model))

    def test_reading_leaves_the_model_alone_and_prints_nothing(self, case, capfd):
        before = pickle.dumps(case.model)
        self.reader.read(case.model)
        self.reader.predict_raw(case.model, case.rows)
        assert pickle.dumps(case.model) == before
        assert capfd.readouterr() == ("", "")

    def test_truncated_files_are_errors(self, case):
        for content in case.files.values():
            # A text whose last newline is gone is still whole.
            whole = len(content.rstrip())
            cuts = np.unique(np.linspace(0, whole - 1, 150).astype(int))
            for cut in cuts:
                assert read_damaged(self.reader, content[:cut]) is None, cut

    def test_flipped_bytes_give_a_sound_model_or_an_error(self, case):
        rng = np.random.default_rng(0)
        for content in case.files.values():
            for _ in range(150):
                damaged = bytearray(content)
                for at in rng.integers(0, len(content), rng.integers(1, 4)):
                    damaged[at] = rng.integers(0, 256)
                ensemble = read_damaged(self.reader, bytes(damaged))
                if ensemble is not None and ensemble.n_features < 1000:
                    ensemble.predict(np.zeros((2, ensemble.n_features)))

    def test_covers_are_where_nodes_are(self, case):
        ensemble = self.reader.read(case.model)
        if ensemble.cover is not None:
            assert len(ensemble.cover) == ensemble.n_nodes and np.isfinite(ensemble.cover).all()
            inner = ensemble.feature != LEAF
            children = ensemble.cover[ensemble.left[inner]] + ensemble.cover[ensemble.right[inner]]
            np.testing.assert_allclose(ensemble.cover[inner], children, rtol=1e-3, atol=1e-3)

    def test_other_objects_and_files_are_not_recognised(self):
        for other in (None, 3, "model", np.zeros(3), {"learner": {}}, type("Booster", (), {})()):
            assert not self.reader.recognises(other)
        for content in (b"", b"a,b\n1,2\n", b"\x89PNG\r\n", b"PAR1\0\0"):
            assert not self.reader.recognises_file(content)

    def test_the_library_is_not_imported(self):
        code = (
            "import sys, shapley_core.trees.readers as r; "
            f"assert {self.own_module!r} not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
