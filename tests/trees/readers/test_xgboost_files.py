"""XGBoost files of other versions, which need not be installed, and damaged documents."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from contracts import assert_same_ensembles, edge_rows, leaf_values, read_damaged
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shapley_core.errors import ModelFileError, UnsupportedModelError
from shapley_core.trees import read_model
from shapley_core.trees.readers import ubjson
from shapley_core.trees.readers import xgboost as reader
from shapley_core.trees.readers.xgboost_document import ensemble_from_document

DATA = Path(__file__).parents[2] / "data" / "xgboost"
ROWS = np.genfromtxt(DATA / "rows.csv", delimiter=",")
COLOURS = ["red", "green", "blue", "grey"]
VERSIONS = ["1.7.6", "2.1.4", "3.0.5", "3.2.0", "3.4.1"]


def files_of(version):
    with zipfile.ZipFile(DATA / f"{version}.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


FILES = {version: files_of(version) for version in VERSIONS}
MODELS = [(v, n) for v in VERSIONS for n in FILES[v] if n.endswith((".json", ".ubj"))]
MODELS = [(v, n) for v, n in MODELS if n.partition(".")[0] not in ("predicted", "labels")]


@pytest.mark.parametrize(("version", "name"), MODELS)
def test_models_of_every_version_predict_what_it_predicted(version, name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[version][name])
    ensemble = read_model(path)
    assert ensemble.library == f"xgboost {version}"
    own = np.array(json.loads(FILES[version]["predicted.json"])[name.partition(".")[0]])
    assert ensemble.predict(ROWS).shape == own.shape
    total = np.repeat(ensemble.base.astype(np.float32)[None], len(ROWS), 0)
    added = leaf_values(ensemble, ROWS).astype(np.float32)
    for tree, output in enumerate(ensemble.tree_outputs):
        total[:, output : output + added.shape[2]] += added[:, tree]
    np.testing.assert_array_equal(total.astype(float), own.reshape(len(ROWS), -1))
    other = name.replace(".json", ".ubj")
    assert_same_ensembles(reader.read_file(FILES[version][other], "other"), ensemble)


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_of_every_version(version):
    """Since 3.1 a model keeps its labels; before, codes are those of the given column."""
    ensemble = reader.read_file(FILES[version]["labels.ubj"], "labels.ubj")
    known = version.startswith(("3.2", "3.4"))
    assert ensemble.categories == ({1: COLOURS} if known else {})
    assert ensemble.feature_names == ("x", "colour")
    own = np.array(json.loads(FILES[version]["predicted.json"])["labels"])
    rows = np.column_stack([ROWS[:, 2], np.arange(60) % 4])
    np.testing.assert_allclose(ensemble.predict(rows), own, rtol=1e-6)


def test_covers_are_absent_from_early_vector_leaves():
    assert reader.read_file(FILES["2.1.4"]["vector leaves.ubj"], "x").cover is None
    assert reader.read_file(FILES["3.4.1"]["vector leaves.ubj"], "x").cover is not None


def test_the_old_binary_format_is_refused(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(FILES["1.7.6"]["logistic.deprecated"])
    with pytest.raises(ModelFileError, match=r"model\.bin: .*save_model"):
        read_model(path)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"{}",
        b'{"learner": 3}',
        b'{"learner": {}}',
        b'{"tree_info": []}',
        b'{"a": ' + b"[" * 100_000,
        b'{"a": "\xff"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"{L\0\0\0\0\0\0\0\x07learnerZ}",
    ],
)
def test_files_that_are_not_models_are_refused(content):
    with pytest.raises(ModelFileError, match="given"):
        reader.read_file(content, "given")


SMALL = ["partition", "dart", "forest of classes", "vector leaves, categories"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SMALL), st.sampled_from(["json", "ubj"]), st.floats(0, 1, exclude_max=True))
def test_truncation_at_any_byte_is_an_error(name, kind, share):
    content = FILES["3.4.1"][f"{name}.{kind}"]
    assert read_damaged(reader, content[: int(share * len(content))]) is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(SMALL),
    st.sampled_from(["json", "ubj"]),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    ),
)
def test_changed_bytes_give_a_sound_model_or_an_error(name, kind, changes):
    content = bytearray(FILES["3.4.1"][f"{name}.{kind}"])
    for share, byte in changes:
        content[int(share * len(content))] = byte
    ensemble = read_damaged(reader, bytes(content))
    if ensemble is not None and ensemble.n_features < 1000:
        assert ensemble.predict(edge_rows(ensemble, 5)).shape[0] == 5


def places(value, path=()):
    """All paths into a document."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value[:3])
        for key, inner in items:
            yield from places(inner, (*path, key))


DOCUMENTS = {name: json.loads(FILES["3.4.1"][f"{name}.json"]) for name in SMALL}
PLACES = [(name, path) for name in SMALL for path in places(DOCUMENTS[name]) if path]
NUMBERS = [-1, 2, 10**6, 2**31, 2**63, 2**64, 1.5, float("nan"), float("inf")]
TEXTS = ["", "x", "-1", "99999999999"]
OTHERS = [None, True, [], {}, [1], ["a"], [[1], [2, 3]], [None], [2**70], [-1, -1], {"a": 1}]
NOISE = st.sampled_from([*NUMBERS, *TEXTS, *OTHERS])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), NOISE)
@example((SMALL[0], ("learner", "learner_model_param", "num_class")), "1000000")
@example((SMALL[0], ("learner", "learner_model_param", "num_class")), "99999999999")
@example((SMALL[0], ("learner", "gradient_booster", "model", "iteration_indptr")), [0, 5, 2])
@example((SMALL[0], ("learner", "gradient_booster", "model", "tree_info")), [0, -1])
@example((SMALL[0], ("learner", "gradient_booster", "name")), "gbforest")
@example((SMALL[0], ("learner", "learner_model_param", "num_feature")), "99999999999")
@example((SMALL[0], ("learner", "learner_model_param", "num_feature")), "²")
@example((SMALL[1], ("learner", "gradient_booster", "model", "weight_drop", 0)), [])
@example((SMALL[0], ("learner", "gradient_booster", "model", "trees", 0, "id")), float("inf"))
def test_changed_documents_give_a_sound_model_or_an_error(place, noise):
    name, path = place
    document = json.loads(FILES["3.4.1"][f"{name}.json"])
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = noise
    ensemble = read_damaged(reader, json.dumps(document).encode())
    if ensemble is not None and ensemble.n_features < 1000:
        assert ensemble.predict(edge_rows(ensemble, 5)).shape[0] == 5


def changed(version, name, change):
    """The file after ``change`` was applied to its document, its model and its first tree."""
    document = json.loads(FILES[version][f"{name}.json"])
    booster = document["learner"]["gradient_booster"]
    model = booster.get("gbtree", booster)["model"]
    change(document, model, model["trees"][0])
    return json.dumps(document).encode()


def refusal(version, name, change):
    with pytest.raises(ModelFileError) as caught:
        reader.read_file(changed(version, name, change), "changed")
    return str(caught.value)


def set_item(array, position, value):
    array[position] = value


@pytest.mark.parametrize("key", ["left_children", "right_children"])
@pytest.mark.parametrize(("position", "child"), [(0, 99), (0, 0), (2, 1), (0, -5)])
def test_cycles_and_wrong_children_are_errors(key, position, child):
    assert refusal("3.4.1", "logistic", lambda d, m, tree: set_item(tree[key], position, child))
    assert refusal("3.4.1", "logistic", lambda d, m, tree: tree[key].insert(position, child))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_signalling_nan_is_an_error_and_no_warning(dtype):
    document = json.loads(FILES["3.4.1"]["logistic.json"])
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    nan = {"f4": np.uint32(0x7FA00000), "f8": np.uint64(0x7FF4000000000000)}[dtype]
    conditions = np.array(tree["split_conditions"], dtype)
    conditions.view(nan.dtype)[0] = nan
    tree["split_conditions"] = conditions
    with pytest.raises(ModelFileError, match="threshold"):
        ensemble_from_document(document)


def test_children_that_are_not_neighbours_are_errors():
    """XGBoost itself never looks at the right child, so it would predict something else."""

    def swap(document, model, tree):
        tree["left_children"][0], tree["right_children"][0] = 2, 1

    assert "neighbours" in refusal("3.4.1", "logistic", swap)


def test_category_sets_must_lie_in_their_tree():
    for key, value in (
        ("categories_segments", -1),
        ("categories_sizes", 10**6),
        ("categories_sizes", 0),
        ("categories", -1),
        ("categories", 1 << 24),
        ("categories_nodes", 999),
        ("categories_nodes", -1),
    ):
        assert "categor" in refusal(
            "3.4.1", "partition", lambda d, m, tree, k=key, v=value: set_item(tree[k], 0, v)
        )


def test_vector_leaves_are_found_by_their_number():
    def permute(document, model, tree):
        leaves = [node for node, left in enumerate(tree["left_children"]) if left == -1]
        first, second = leaves[:2]
        right, weights = tree["right_children"], tree["leaf_weights"]
        right[first], right[second] = right[second], right[first]
        weights[0:2], weights[2:4] = weights[2:4], weights[0:2]

    whole = reader.read_file(FILES["3.4.1"]["vector leaves.json"], "whole")
    permuted = reader.read_file(changed("3.4.1", "vector leaves", permute), "permuted")
    assert_same_ensembles(whole, permuted)
    outside = refusal(
        "3.4.1", "vector leaves", lambda d, m, tree: set_item(tree["right_children"], -1, 99)
    )
    assert "leaf weights" in outside


def test_claimed_outputs_are_bounded():
    def claim(document, model, tree):
        document["learner"]["learner_model_param"]["num_class"] = "2000000"

    assert "2000000 outputs" in refusal("2.1.4", "logistic", claim)


def test_rounds_that_do_not_add_up_are_errors():
    """Before 2.0 they are counted, since then listed."""

    def drop(document, model, tree):
        model["trees"].pop()
        model["tree_info"].pop()

    assert "rounds" in refusal("1.7.6", "forest of classes", drop)
    assert "rounds" in refusal("3.4.1", "forest of classes", drop)
    for value in (-1, -2):

        def negative(document, model, tree, value=value):
            model["tree_info"] = [value] * len(model["trees"])

        assert "output" in refusal("1.7.6", "logistic", negative)


def test_dart_weights_must_fit_the_trees():
    for version in ("2.1.4", "3.4.1"):
        document = json.loads(FILES[version]["dart.json"])
        booster = document["learner"]["gradient_booster"]
        holder = booster if "weight_drop" in booster else booster["model"]
        assert len(set(holder["weight_drop"])) > 1
        holder["weight_drop"].pop()
        assert read_damaged(reader, json.dumps(document).encode()) is None
    document = json.loads(FILES["2.1.4"]["dart.json"])
    del document["learner"]["gradient_booster"]["weight_drop"]
    assert read_damaged(reader, json.dumps(document).encode()) is None


def test_huge_declared_lengths_do_not_allocate():
    content = FILES["3.4.1"]["logistic.ubj"]
    at = content.index(b"base_weights") + len(b"base_weights")
    assert content[at : at + 5] == b"[$d#L"
    huge = content[: at + 5] + (2**60).to_bytes(8, "big") + content[at + 13 :]
    with pytest.raises(ModelFileError, match="the input ends before"):
        reader.read_file(huge, "model.ubj")
    with pytest.raises(ModelFileError):
        ubjson.decode(huge)


def test_rounds_of_files():
    content = FILES["1.7.6"]["forest of classes.ubj"]
    whole = reader.read_file(content, "x")
    last = reader.read_file(content, "x", iteration_range=(1, 2))
    assert (whole.n_trees, last.n_trees) == (12, 6)
    assert last.tree_outputs.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(last.values, whole.values[whole.tree_offsets[6] :])


def test_labels_that_were_cut_are_refused():
    document = json.loads(FILES["3.2.0"]["logistic.json"])
    labels = {"offsets": [0, 1, 2], "values": [99, -61]}
    empty = {"offsets": [], "values": []}
    model = document["learner"]["gradient_booster"]["model"]
    model["cats"] = {"enc": [empty, labels, empty], "feature_segments": [], "sorted_idx": []}
    with pytest.raises(UnsupportedModelError, match="ASCII"):
        reader.read_file(json.dumps(document).encode(), "x")
    labels.update(offsets=[0, 1, 3], values=[99, -61, -68])
    document["version"] = [3, 4, 1]
    assert reader.read_file(json.dumps(document).encode(), "x").categories == {1: ["c", "ü"]}
    model["cats"]["enc"][1] = {"type": 12, "values": [3, -1]}
    assert reader.read_file(json.dumps(document).encode(), "x").categories == {1: [3, 65535]}
