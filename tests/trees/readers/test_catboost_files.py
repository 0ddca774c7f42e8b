"""CatBoost's JSON, read without the library: its raw predictions are stored beside the models."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from contracts import read_damaged

import shapley_core as sc
from shapley_core.cli import main
from shapley_core.errors import InputError, ModelFileError, UnsupportedModelError
from shapley_core.reference import trees as literal
from shapley_core.trees import read_model
from shapley_core.trees.readers import catboost as reader
from shapley_core.trees.tree import LEAF

DATA = Path(__file__).parents[2] / "data" / "catboost"
NAMES = sorted(path.stem for path in DATA.glob("*.json") if not path.stem.endswith("expected"))
NUMBERS = [name for name in NAMES if not name.startswith("categories")]
CATEGORIES = [name for name in NAMES if name.startswith("categories")]


def content(name):
    return (DATA / f"{name}.json").read_bytes()


def expected(name):
    told = json.loads((DATA / f"{name}-expected.json").read_text())
    frame = pd.DataFrame(told["rows"], columns=told["columns"])
    return frame, np.array(told["raw"])


def changed(name, change):
    document = json.loads(content(name))
    change(document)
    return json.dumps(document).encode()


def test_there_are_models_of_every_kind():
    assert len(NUMBERS) == 6 and len(CATEGORIES) == 2


@pytest.mark.parametrize("name", NUMBERS)
def test_predicts_what_the_library_predicted(name):
    frame, raw = expected(name)
    rows = frame.to_numpy(float)
    ensemble = read_model(DATA / f"{name}.json")
    np.testing.assert_allclose(ensemble.predict(rows), raw, rtol=0, atol=1e-14)
    assert ensemble.feature_names is None and ensemble.cover is not None
    names = ("high", "low", "mid") if "classes" in name else None
    assert ensemble.output_names == names
    assert ensemble.objective == ("MultiClass" if names else "RMSE")


@pytest.mark.parametrize("name", NAMES)
def test_covers_add_up_to_all_rows(name):
    ensemble = read_model(DATA / f"{name}.json")
    inner = ensemble.feature != LEAF
    children = ensemble.cover[ensemble.left[inner]] + ensemble.cover[ensemble.right[inner]]
    np.testing.assert_array_equal(ensemble.cover[inner], children)
    np.testing.assert_array_equal(ensemble.cover[ensemble.tree_offsets[:-1]], 150)


@pytest.mark.parametrize("name", NUMBERS)
def test_path_dependent_values_are_the_literal_ones(name):
    rows = expected(name)[0].to_numpy(float)[:3]
    ensemble = read_model(DATA / f"{name}.json")
    values = sc.TreeExplainer(DATA / f"{name}.json")(rows).values
    for row, got in zip(rows, values.reshape(3, 4, -1), strict=True):
        worth = lambda coalition, row=row: literal.path_dependent(ensemble, row, coalition)  # noqa: E731
        wanted = [[float(v) for v in of] for of in literal.shapley_values(worth, 4)]
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CATEGORIES)
def test_labels_of_categories(name):
    frame, raw = expected(name)
    explainer = sc.TreeExplainer(DATA / f"{name}.json")
    assert explainer.feature_names == ("size", "city", "code")
    tables = [
        frame,
        frame[["code", "size", "city"]],
        frame.astype({"city": "category", "code": "category"}),
        frame.astype({"code": str}),
        pl.DataFrame(frame.to_dict("list")),
        pl.DataFrame(frame.to_dict("list")).to_arrow(),
    ]
    for table in tables:
        explanation = explainer(table)
        total = explanation.values.sum(axis=1) + explanation.base_values
        np.testing.assert_allclose(total, raw, rtol=0, atol=1e-13)
        assert np.abs(explanation.values[:, 1:]).max() > 0.1
    # A category that it has not seen passes no test, like one that no split names.
    other = explainer(frame.assign(city="new", code=pd.Categorical([99] * len(frame))))
    ensemble = explainer.ensemble
    rows = np.stack([frame["size"], [np.nan] * 40, [np.nan] * 40], axis=1)
    total = other.values.sum(axis=1) + other.base_values
    np.testing.assert_allclose(total, ensemble.predict(rows), rtol=0, atol=1e-13)
    for array in (rows, rows.tolist()):
        with pytest.raises(InputError, match=r"no frame.*'city', 'code'.*labels"):
            explainer(array)
    with pytest.raises(InputError, match=r"'code'.*astype\('category'\)"):
        explainer(frame.astype({"code": float}))


def test_borders_are_rounded_to_float32():
    def shorten(document):
        for tree in document["oblivious_trees"]:
            for split in tree["splits"]:
                split["border"] = float(f"{split['border']:.9g}")

    short = reader.read_file(changed("numbers-SymmetricTree", shorten), "it")
    exact = read_model(DATA / "numbers-SymmetricTree.json")
    np.testing.assert_array_equal(short.threshold, exact.threshold)


def test_categories_need_their_names():
    without = changed(CATEGORIES[0], lambda d: d["features_info"].pop("cat_features_hash"))
    with pytest.raises(UnsupportedModelError, match="pool=the pool"):
        reader.read_file(without, "it")


@pytest.mark.parametrize("name", [NUMBERS[0], NUMBERS[-1], CATEGORIES[0]])
def test_the_command_line(name, tmp_path, capsys):
    frame, raw = expected(name)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    model, out = str(DATA / f"{name}.json"), tmp_path / "out.csv"
    assert main(["info", model]) == 0
    told = capsys.readouterr().out
    assert "catboost" in told and "trees:" in told
    frame.set_axis(frame.columns.astype(str), axis=1).to_parquet(tmp_path / "rows.parquet")
    for kind in ("csv", "parquet"):
        assert main(["explain", model, str(tmp_path / f"rows.{kind}"), "-o", str(out)]) == 0
        values = pd.read_csv(out).to_numpy(float)
        if "classes" not in name:
            np.testing.assert_allclose(values.sum(axis=1), raw, rtol=0, atol=1e-12)


# Damage


@pytest.mark.parametrize("name", NAMES)
def test_truncated_files_are_errors(name):
    whole = content(name).rstrip()
    for cut in np.unique(np.linspace(0, len(whole) - 1, 60).astype(int)):
        assert read_damaged(reader, whole[:cut]) is None, cut


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bytes_give_a_sound_model_or_an_error(name):
    rng = np.random.default_rng(0)
    whole = content(name)
    for _ in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[at] = rng.integers(32, 127)
        ensemble = read_damaged(reader, bytes(damaged))
        if ensemble is not None:
            ensemble.predict(np.zeros((2, ensemble.n_features)))


def first_split(document):
    if "oblivious_trees" in document:
        return document["oblivious_trees"][0]["splits"][0]
    return document["trees"][0]["split"]


DAMAGE = {
    "no features": lambda d: d.pop("features_info"),
    "features are a number": lambda d: d["features_info"].update(float_features=3),
    "a feature is a number": lambda d: d["features_info"]["float_features"].append(3),
    "a feature twice": lambda d: d["features_info"]["float_features"].append(
        d["features_info"]["float_features"][0]
    ),
    "no trees": lambda d: d.pop("oblivious_trees", None) or d.pop("trees", None),
    "trees are an object": lambda d: d.update(oblivious_trees={}),
    "a tree is a number": lambda d: d.update(oblivious_trees=[3]),
    "a tree of the other kind is a number": lambda d: (
        d.pop("oblivious_trees", 0), d.update(trees=[3])),
    "no bias": lambda d: d.update(scale_and_bias=[1, []]),
    "no scale": lambda d: d.update(scale_and_bias=[]),
    "a scale is text": lambda d: d.update(scale_and_bias=["1", [0]]),
    "an infinite bias": lambda d: d.update(scale_and_bias=[1, [1e999]]),
    "too many outputs": lambda d: d.update(scale_and_bias=[1, [0] * 9]),
    "no such feature": lambda d: first_split(d).update(float_feature_index=9, cat_feature_index=9),
    "a negative feature": lambda d: first_split(d).update(
        float_feature_index=-1, cat_feature_index=-1),
    "a border is text": lambda d: first_split(d).update(border="1", value="1"),
    "no type of split": lambda d: first_split(d).pop("split_type"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["numbers-SymmetricTree", "numbers-Lossguide", *CATEGORIES])
def test_damage_is_a_clear_error(name, damage):
    with pytest.raises((ModelFileError, UnsupportedModelError), match=r"^it: "):
        reader.read_file(changed(name, DAMAGE[damage]), "it")


def test_leaves_and_weights_of_the_wrong_number():
    for key in ("leaf_values", "leaf_weights"):
        short = changed("numbers-SymmetricTree", lambda d, k=key: d["oblivious_trees"][1][k].pop())
        with pytest.raises(ModelFileError, match=f"{key} is not a list of 8"):
            reader.read_file(short, "it")


def test_trees_nested_beyond_all_bounds_are_an_error():
    deep = b'{"features_info": {"float_features": []}, "trees": [' + b'{"left": ' * 100_000
    with pytest.raises(ModelFileError, match="damaged JSON"):
        reader.read_file(deep, "it")


def test_other_splits_and_treatments_are_refused():
    other = changed(
        "numbers-SymmetricTree", lambda d: first_split(d).update(split_type="OnlineCtr")
    )
    with pytest.raises(UnsupportedModelError, match=r"OnlineCtr.*one_hot_max_size"):
        reader.read_file(other, "it")

    for treatment in ("AsZero", ["AsFalse"], {}):

        def treat(document, treatment=treatment):
            document["features_info"]["float_features"][0]["nan_value_treatment"] = treatment

        with pytest.raises(UnsupportedModelError, match=r"nan_value_treatment .* is not known"):
            reader.read_file(changed("numbers-SymmetricTree", treat), "it")
    gap = changed("numbers-SymmetricTree", lambda d: d["features_info"]["float_features"].pop(0))
    with pytest.raises(UnsupportedModelError, match="neither numbers nor categories"):
        reader.read_file(gap, "it")
    empty = changed("numbers-SymmetricTree", lambda d: d.update(oblivious_trees=[]))
    with pytest.raises(UnsupportedModelError, match="no trees"):
        reader.read_file(empty, "it")


@pytest.mark.parametrize("name", ["numbers-SymmetricTree", "numbers-Lossguide"])
def test_models_without_weights_have_no_covers(name):
    text = content(name).decode().replace("leaf_weights", "other").replace('"weight"', '"other"')
    zeros = json.loads(content(name))
    for tree in zeros.get("oblivious_trees", []):
        tree["leaf_weights"] = [0] * 8
    ensemble = reader.read_file(text.encode(), "it")
    assert ensemble.cover is None
    if "oblivious_trees" in zeros:
        assert reader.read_file(json.dumps(zeros).encode(), "it").cover is None
    with pytest.raises(UnsupportedModelError, match="give a background"):
        sc.TreeExplainer(ensemble)
    sc.TreeExplainer(ensemble, np.zeros((1, 4)))(np.ones((2, 4)))


def test_scale_and_bias():
    ensemble = read_model(DATA / "numbers-Lossguide.json")
    frame, raw = expected("numbers-Lossguide")
    for bias in (7, [7]):
        moved = changed("numbers-Lossguide", lambda d, b=bias: d.update(scale_and_bias=[2.5, b]))
        got = reader.read_file(moved, "it").predict(frame.to_numpy(float))
        np.testing.assert_allclose(got, 2.5 * (raw - ensemble.base) + 7, rtol=0, atol=1e-13)


def test_the_librarys_binary_files_need_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "catboost", None)
    assert reader.recognises_file(b"CBM1\x00\x00")
    with pytest.raises(UnsupportedModelError, match=r'it: a \.cbm file.*format="json"'):
        reader.read_file(b"CBM1\x00\x00", "it")
