"""LightGBM's text files: old versions, and damage of every kind; the library is not needed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapley_core.errors import InputError, ModelFileError, UnsupportedModelError
from shapley_core.trees.ensemble import TreeEnsemble
from shapley_core.trees.readers import lightgbm as reader

DATA = Path(__file__).parents[2] / "data" / "lightgbm"
VERSIONS = ("2.2.3", "3.3.5", "4.7.0")
FILES = [DATA / f"{kind}-{version}.txt" for kind in ("labels", "zero") for version in VERSIONS]
CONTENT = {path.stem: path.read_bytes() for path in FILES}
LABELS = CONTENT["labels-4.7.0"]


def read(content, **options):
    return reader.read_file(content, "it", **options)


def edited(old, new, content=LABELS, count=1):
    """Replace text by other text; tree_sizes are corrected."""
    assert old in content
    content = content.replace(old, new, count)
    start, end = content.index(b"\nTree=") + 1, content.index(b"end of trees")
    trees = re.split(rb"(?=^Tree=)", content[start:end], flags=re.MULTILINE)[1:]
    sizes = b" ".join(b"%d" % len(tree) for tree in trees)
    return re.sub(rb"tree_sizes=.*", b"tree_sizes=" + sizes, content, count=1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_version_predicts_as_it_did(path):
    assert reader.recognises_file(path.read_bytes())
    ensemble = read(path.read_bytes())
    expected = json.loads(path.with_suffix(".json").read_text())
    rows = np.array(expected["rows"])
    n_inner = (np.diff(ensemble.tree_offsets) - 1) // 2
    np.testing.assert_array_equal(ensemble.apply(rows) - n_inner, expected["leaf"])
    np.testing.assert_allclose(ensemble.predict(rows), expected["raw"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_file_describes(version):
    ensemble = read(CONTENT[f"labels-{version}"])
    assert ensemble.feature_names == ("size_of_it", "city", "holes", "code")
    assert ensemble.categories == {1: ["Oslo", "São Paulo", "a,b", "Łódź"], 3: [3, 5, 7]}
    assert ensemble.unseen_category == "missing"
    assert (ensemble.library, ensemble.objective) == ("lightgbm", "regression")
    assert (ensemble.cover[ensemble.tree_offsets[:-1]] == 160).all()
    unnamed = read(CONTENT[f"zero-{version}"])
    assert unnamed.feature_names is None
    assert unnamed.categories == {}
    assert (unnamed.n_features, unnamed.n_outputs, unnamed.n_trees) == (3, 3, 9)


def test_the_library_is_not_imported():
    code = (
        "import sys; sys.modules['lightgbm'] = None\n"
        "from pathlib import Path\n"
        "from shapley_core.trees.readers import lightgbm\n"
        "lightgbm.read_file(Path(sys.argv[1]).read_bytes(), 'it')\n"
        "assert not {'pandas', 'sklearn', 'scipy'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(FILES[0])], check=True)


def test_rounds_of_a_file():
    content = CONTENT["zero-4.7.0"]
    part = read(content, iteration_range=(1, 3))
    whole = read(content)
    assert part.n_trees == 6
    start = whole.tree_offsets[3]
    np.testing.assert_array_equal(part.threshold, whole.threshold[start:])
    with pytest.raises(InputError, match="3 rounds"):
        read(content, iteration_range=(0, 4))


def test_random_forest_file_is_the_mean():
    forest = read(edited(b"objective=", b"average_output\nobjective="))
    boosted = read(LABELS)
    np.testing.assert_array_equal(forest.values, boosted.values / boosted.n_trees)


def test_incomplete_last_round_is_ignored():
    content = CONTENT["zero-4.7.0"]
    start, end = content.index(b"Tree=8"), content.index(b"end of trees")
    ensemble = read(edited(content[start:end], b"", content))
    assert ensemble.n_trees == 6


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (b"version=v4", b"version=v9", UnsupportedModelError, "v9"),
        (b"version=v4", b"vorsion=v4", ModelFileError, "vorsion"),
        (b"is_linear=0", b"is_linear=1", UnsupportedModelError, "linear_tree"),
        (b"is_linear=0", b"new_entry=0", ModelFileError, "new_entry"),
        (b"num_class=1", b"num_class=x", ModelFileError, "whole number"),
        (b"num_class=1", b"num_class=2", ModelFileError, "2 classes"),
        (b"iteration=1", b"iteration=0", ModelFileError, "rounds"),
        (b"iteration=1", b"iteration=5", ModelFileError, "rounds"),
        (b"max_feature_idx=3", b"max_feature_idx=4", ModelFileError, "features"),
        (b"feature_names=size_of_it ", b"feature_names=", ModelFileError, "features"),
        (b"num_leaves=6", b"num_leaves=5", ModelFileError, "numbers"),
        (b"num_leaves=6", b"num_leaves=0", ModelFileError, "leaves"),
        (b"num_leaves=6", b"num_leaves=-6", ModelFileError, "leaves"),
        (b"num_leaves=6", b"num_leaves=2000000000", ModelFileError, "numbers"),
        (b"num_leaves=6", b"num_leaves=" + b"9" * 30, ModelFileError, "leaves"),
        (b"num_leaves=6\n", b"", ModelFileError, "whole number"),
        (b"left_child=", b"left_child=0 ", ModelFileError, "numbers"),
        (b"leaf_value=", b"leaf_valve=", ModelFileError, "leaf_valve"),
        (b"leaf_value=", b"leaf_value=1_0", ModelFileError, "leaf_value"),
        (b"num_cat=2", b"num_cat=3", ModelFileError, "cat_boundaries"),
        (b"num_cat=2", b"num_cat=0", ModelFileError, "cat_boundaries"),
        (b"cat_boundaries=0 1 2", b"cat_boundaries=0 2 1", ModelFileError, "cat_boundaries"),
        (b"cat_boundaries=0 1 2", b"cat_boundaries=0 1 3", ModelFileError, "cat_boundaries"),
        (b"cat_threshold=", b"cat_threshold=-", ModelFileError, "cat_boundaries"),
        (b"cat_threshold=", b"cat_threshold=99999999999", ModelFileError, "cat_boundaries"),
        (b"Tree=1", b"Tree=2", ModelFileError, "tree 1"),
        (b"\nend of parameters", b"", ModelFileError, "parameters"),
        (b"categorical:[[", b"categorical:[", ModelFileError, "JSON"),
        (b"categorical:[[", b'categorical:[{"a": 1}, [', ModelFileError, "labels"),
        (b"categorical:[[", b"categorical:[[null, ", ModelFileError, "labels"),
        (b"Oslo", b"\xff\xfe", ModelFileError, "UTF-8"),
        (b"size_of_it", b"\xff\xfe", ModelFileError, "UTF-8"),
    ],
)
def test_edits(old, new, error, message):
    with pytest.raises(error, match=message):
        read(edited(old, new))


def with_numbers(key, change, content=LABELS):
    """Change the numbers of the first tree's entry ``key``."""
    line = re.search(rb"^" + key + rb"=.*$", content, re.MULTILINE)[0]
    words = line.split(b"=")[1].split()
    return edited(line, key + b"=" + b" ".join(change(words)), content)


@pytest.mark.parametrize(
    ("key", "word", "message"),
    [
        (b"left_child", b"0", "child"),
        (b"left_child", b"5", "child"),
        (b"left_child", b"-7", "child"),
        (b"left_child", b"9" * 40, "number"),
        (b"split_feature", b"4", "feature 4"),
        (b"split_feature", b"-1", "negative feature"),
        (b"decision_type", b"12", "decision_type"),
        (b"decision_type", b"-2", "decision_type"),
        (b"decision_type", b"1e0", "number"),
        (b"leaf_value", b"nan", "finite"),
        (b"leaf_value", b"inf", "finite"),
        (b"leaf_value", b"1e999", "finite"),
        (b"leaf_count", b"-1", "leaf_count"),
        (b"leaf_count", b"0.5", "number"),
    ],
)
def test_numbers_that_cannot_be(key, word, message):
    with pytest.raises(ModelFileError, match=message):
        read(with_numbers(key, lambda words: [word, *words[1:]]))


@pytest.mark.parametrize("word", [b"2", b"-1", b"0.5", b"nan", b"inf", b"1e300"])
def test_categorical_node_without_its_set(word):
    types = re.search(rb"decision_type=(.*)", LABELS)[1].split()
    node = next(i for i, bits in enumerate(types) if int(bits) & 1)
    with pytest.raises(ModelFileError, match="category set"):
        read(with_numbers(b"threshold", lambda w: [*w[:node], word, *w[node + 1 :]]))


def test_threshold_that_is_nan():
    types = re.search(rb"decision_type=(.*)", LABELS)[1].split()
    node = next(i for i, bits in enumerate(types) if not int(bits) & 1)
    with pytest.raises(ModelFileError, match="NaN"):
        read(with_numbers(b"threshold", lambda w: [*w[:node], b"nan", *w[node + 1 :]]))


def test_cycle_and_shared_child():
    content = CONTENT["zero-4.7.0"]
    for left, right in [(b"1 0", b"-1 -2"), (b"1 1", b"-1 -2"), (b"-1 1", b"-2 -3")]:
        tree = (
            b"num_leaves=3\nnum_cat=0\nsplit_feature=0 1\nthreshold=0.5 0.5\ndecision_type=2 2\n"
            b"left_child=" + left + b"\nright_child=" + right + b"\nleaf_value=1 2 3\n\n"
        )
        start, end = content.index(b"num_leaves"), content.index(b"Tree=1")
        with pytest.raises(ModelFileError, match=r"child|cycle|parents|reach"):
            read(edited(content[start:end], tree, content))


def test_truncated_anywhere():
    content, whole = LABELS, read(LABELS)
    trees_end = content.index(b"end of trees\n") + len(b"end of trees\n")
    for end in [*range(0, trees_end, 3), *range(trees_end - 20, trees_end)]:
        with pytest.raises(ModelFileError):
            read(content[:end])
    kept = 0
    for end in [*range(trees_end, len(content), 5), *range(len(content) - 80, len(content))]:
        try:
            rest = read(content[:end])
        except ModelFileError:
            continue
        kept += 1
        np.testing.assert_array_equal(rest.values, whole.values)
        np.testing.assert_array_equal(rest.left, whole.left)
    assert kept < 5
    for end in range(content.index(b"pandas_categorical") + 1, len(content) - 1):
        with pytest.raises(ModelFileError):
            read(content[:end])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(CONTENT)), st.data())
def test_damage_is_an_error_or_a_model(stem, data):
    content = bytearray(CONTENT[stem])
    end = content.index(b"end of trees") + 20
    for _ in range(data.draw(st.integers(1, 3))):
        # Usually of equal length, so that tree_sizes still fit and the damage is found within.
        at = data.draw(st.integers(0, min(end, len(content)) - 1))
        old = data.draw(st.sampled_from([1, 1, 1, 0, 2, 40]))
        new = data.draw(st.one_of(st.sampled_from([b"0", b"9", b"-", b" ", b"="]), st.binary()))
        content[at : at + old] = new
    try:
        ensemble = read(bytes(content))
    except (ModelFileError, UnsupportedModelError) as error:
        assert "it " in str(error)
        return
    assert isinstance(ensemble, TreeEnsemble)
    rows = np.random.default_rng(0).normal(scale=5, size=(5, ensemble.n_features))
    assert np.isfinite(ensemble.predict(rows)).all()


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_anything_else_is_an_error(content):
    with pytest.raises((ModelFileError, UnsupportedModelError)):
        read(b"tree\n" + content)


def test_converted_line_endings_are_told():
    content = LABELS.replace(b"\n", b"\r\n")
    assert reader.recognises_file(content)
    with pytest.raises(ModelFileError, match="line endings"):
        read(content)


def test_a_model_without_trees():
    start, end = LABELS.index(b"\nTree=0"), LABELS.index(b"\nend of trees")
    content = re.sub(rb"tree_sizes=.*", b"tree_sizes=", LABELS[:start] + LABELS[end:])
    with pytest.raises(UnsupportedModelError, match="no trees"):
        read(content)


def test_json_dumps_are_refused():
    dump = json.dumps(
        {"name": "tree", "version": "v4", "max_feature_idx": 1, "feature_names": ["a", "b"]}
    ).encode()
    assert reader.recognises_file(dump)
    with pytest.raises(UnsupportedModelError, match="save_model"):
        read(dump)


@pytest.mark.parametrize("content", [b"", b"{}", b"tre", b"trees\n", b'{"learner": {}}', b"\x00"])
def test_other_files_are_not_recognised(content):
    assert not reader.recognises_file(content)
