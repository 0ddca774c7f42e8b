"""The command line: what it writes, what it says, and its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet
import pytest
import xgboost

import shapley_core
from shapley_core import cli
from shapley_core.explainers import TreeExplainer
from shapley_core.trees import read_model

EXAMPLES = Path(shapley_core.__file__).parent / "examples"
MODEL, DATA = EXAMPLES / "bike.json", EXAMPLES / "bike.csv"


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def fails(capsys, *arguments, status=1):
    """Run; return the one line on standard error."""
    assert run(*arguments) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("shapley-core: ")
    assert printed.err.count("\n") == 1
    return printed.err


def native(rows):
    """XGBoost's own contributions for the example's model, and its base value last."""
    table = rows.astype({"season": "category", "weather": "category"})
    booster = xgboost.Booster({"nthread": 1}, model_file=MODEL)
    told = 0.0
    if tuple(int(part) for part in xgboost.__version__.split(".")[:2]) < (3, 1):
        # It reads no labels, and takes 0.5 for the base score, which newer ones write as a list.
        for feature, labels in read_model(MODEL).categories.items():
            name = table.columns[feature]
            table[name] = table[name].cat.set_categories(labels)
        learner = json.loads(MODEL.read_text())["learner"]["learner_model_param"]
        told = json.loads(learner["base_score"])[0] - 0.5
    found = booster.predict(xgboost.DMatrix(table, enable_categorical=True), pred_contribs=True)
    found[:, -1] += told
    return found


@pytest.fixture
def example():
    return pd.read_csv(DATA)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A LightGBM model file whose features are labels: text like numbers, NA, and numbers."""
    rng = np.random.default_rng(3)
    labels = {"code": ["01", "1", "02"], "country": ["NA", "DE", "FR"], "month": [9, 3, 5]}
    codes = {name: rng.integers(0, 3, 400) for name in labels}
    X = pd.DataFrame({n: pd.Categorical.from_codes(codes[n], labels[n]) for n in labels})
    X["x"] = rng.normal(size=400)
    y = codes["code"] + 10 * codes["country"] + 100 * codes["month"] + X["x"]
    settings = {"verbose": -1, "num_threads": 1, "min_data_per_group": 1, "cat_smooth": 0}
    model = lightgbm.train({**settings, "min_data_in_leaf": 1}, lightgbm.Dataset(X, y), 20)
    path = tmp_path_factory.mktemp("labelled") / "model.txt"
    model.save_model(path)
    return path, model, labels


# --- demo


def test_demo_needs_no_library_of_trees_or_frames(tmp_path):
    code = """
import sys
class Blocked:
    def find_spec(name, path=None, target=None):
        if name in ("xgboost", "lightgbm", "pandas", "polars", "sklearn", "shap", "matplotlib"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked)
from shapley_core.cli import main
sys.exit(main(["demo"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    out = tmp_path / "shapley_values.csv"
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    assert str(out) in done.stdout
    written = pd.read_csv(out)
    expected = native(pd.read_csv(DATA))
    np.testing.assert_allclose(written, expected, rtol=0, atol=2e-3)
    first = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    importance = np.abs(expected[:, :-1]).mean(axis=0)
    order = np.argsort(-importance)[:5]
    assert [name for name, _ in first] == [written.columns[at] for at in order]
    assert [float(value) for _, value in first] == pytest.approx(importance[order], abs=0.06)


# --- explain


@pytest.mark.parametrize("source", ["csv", "parquet", "csv.gz", "CSV.GZ"])
@pytest.mark.parametrize("target", ["csv", "parquet"])
def test_explain_from_and_to_every_format(tmp_path, capsys, example, source, target):
    data, out = tmp_path / f"rows.{source}", tmp_path / f"values.{target}"
    shuffled = example[example.columns[::-1]]
    if source == "parquet":
        shuffled.set_axis([f"row {i}" for i in range(500)]).to_parquet(data)
    else:
        shuffled.to_csv(data, index=False, compression="gzip" if "z" in source.lower() else None)
    assert run("explain", MODEL, data, "-o", out) == 0
    assert capsys.readouterr() == ("", "")
    exactly = {"float_precision": "round_trip"}
    written = pd.read_csv(out, **exactly) if target == "csv" else pd.read_parquet(out)
    assert list(written.columns) == [*example.columns, "base_value"]
    expected = TreeExplainer(MODEL)(example)
    np.testing.assert_array_equal(written.iloc[:, :-1], expected.values)
    np.testing.assert_array_equal(written["base_value"], expected.base_values)
    np.testing.assert_allclose(written, native(example), rtol=0, atol=2e-3)


def test_explain_with_a_background(tmp_path, example):
    background, out = tmp_path / "background.parquet", tmp_path / "values.csv"
    example[50:80].to_parquet(background)
    few = tmp_path / "few.csv"
    example[:20].to_csv(few, index=False)
    assert run("explain", MODEL, few, "--background", background, "-o", out) == 0
    written = pd.read_csv(out)
    mean = native(example[50:80]).sum(axis=1).mean()
    np.testing.assert_allclose(written["base_value"], mean, rtol=1e-5)
    predicted = native(example[:20]).sum(axis=1)
    np.testing.assert_allclose(written.sum(axis=1), predicted, rtol=0, atol=2e-3)


def test_several_outputs_get_columns_of_their_own(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
    model = xgboost.train(settings, xgboost.DMatrix(X, rng.integers(0, 3, 200)), 3)
    model.save_model(tmp_path / "model.ubj")
    X.to_csv(tmp_path / "rows.csv", index=False)
    assert (
        run("explain", tmp_path / "model.ubj", tmp_path / "rows.csv", "-o", tmp_path / "o.csv") == 0
    )
    written = pd.read_csv(tmp_path / "o.csv")
    assert written.shape == (200, 9)
    assert list(written.columns[:4]) == [
        "a [output 0]",
        "b [output 0]",
        "base_value [output 0]",
        "a [output 1]",
    ]
    contributions = model.predict(xgboost.DMatrix(X), pred_contribs=True).reshape(200, 9)
    np.testing.assert_allclose(written, contributions, rtol=0, atol=1e-5)


def test_columns_the_model_does_not_know(tmp_path, capsys, example):
    data, out = tmp_path / "rows.csv", tmp_path / "values.csv"
    example.assign(count=7, id="x").to_csv(data, index=False)
    line = fails(capsys, "explain", MODEL, data, "-o", out)
    assert "'count', 'id', which the model does not know; --drop COL" in line
    assert not out.exists()
    assert run("explain", MODEL, data, "-o", out, "--drop", "count", "--drop", "id") == 0
    assert pd.read_csv(out).shape == (500, 13)
    # One that is not there takes nothing away: what is no feature is refused all the same.
    whole = out.read_bytes()
    dropped = ["--drop", "count", "--drop", "id", "--drop", "Count"]
    assert run("explain", MODEL, data, "-o", out, *dropped) == 0
    assert out.read_bytes() == whole
    assert "'count'" in fails(capsys, "explain", MODEL, data, "-o", out, *dropped[2:])
    example.drop(columns="hour").to_csv(data, index=False)
    line = fails(capsys, "explain", MODEL, data, "-o", out)
    assert "lacks 'hour'" in line
    assert "--drop" not in line


def test_no_rows(tmp_path, example):
    data, out = tmp_path / "rows.csv", tmp_path / "values.csv"
    example[:0].to_csv(data, index=False)
    assert run("explain", MODEL, data, "-o", out) == 0
    assert pd.read_csv(out).shape == (0, 13)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_labels_in_files(tmp_path, labelled, ending):
    path, model, labels = labelled
    rows = pd.DataFrame(
        {
            "month": [5, 9, 3, 3, 9],
            "code": ["1", "01", "02", "02", None],
            "country": ["NA", "FR", "DE", None, "NA"],
            "x": [1, 2, 0.5, None, -1],
        }
    )
    data, out = tmp_path / f"rows.{ending}", tmp_path / "values.csv"
    # NA is a label of countries, and means in the other columns that an entry is missing.
    told = rows.astype(object).fillna({"code": "NA", "x": "NA"})
    told.to_csv(data, index=False) if ending == "csv" else rows.to_parquet(data)
    assert run("explain", path, data, "-o", out) == 0
    frame = pd.DataFrame({n: pd.Categorical(rows[n], categories=labels[n]) for n in labels})
    frame["x"] = rows["x"]
    expected = model.predict(frame, pred_contrib=True)
    np.testing.assert_allclose(pd.read_csv(out), expected, rtol=0, atol=1e-9)


def test_an_unseen_label(tmp_path, capsys, example):
    data = tmp_path / "rows.csv"
    example.loc[3, "weather"] = "frogs"
    example.to_csv(data, index=False)
    line = fails(capsys, "explain", MODEL, data, "-o", tmp_path / "values.csv")
    assert f"{data}: column 'weather' of X holds 'frogs'" in line


def test_numbers_whose_first_lines_are_whole(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": np.arange(200_000) // 2, "b": rng.integers(0, 2, 200_000) == 1})
    X["a"] = X["a"].astype(object)
    X.loc[199_999, "a"] = 0.5
    X["empty"] = None
    X.to_csv(tmp_path / "rows.csv", index=False)
    train = pd.DataFrame(rng.normal(size=(100, 3)), columns=["a", "b", "empty"])
    model = xgboost.train({"nthread": 1}, xgboost.DMatrix(train, train["a"] * train["b"]), 2)
    model.save_model(tmp_path / "m.json")
    assert run("explain", tmp_path / "m.json", tmp_path / "rows.csv", "-o", tmp_path / "o.csv") == 0
    frame = X.astype({"a": float, "empty": float})
    predicted = model.predict(xgboost.DMatrix(frame), output_margin=True)
    written = pd.read_csv(tmp_path / "o.csv").sum(axis=1)
    np.testing.assert_allclose(written, predicted, rtol=0, atol=1e-5)


# --- what goes wrong


def test_files_that_cannot_be_used(tmp_path, capsys, example):
    out = tmp_path / "values.csv"
    assert "no such file" in fails(capsys, "explain", MODEL, tmp_path / "no.csv", "-o", out)
    assert "No such file" in fails(capsys, "explain", tmp_path / "no.json", DATA, "-o", out)
    assert "No such file" in fails(capsys, "info", tmp_path / "no.json")
    assert "must end in .csv" in fails(capsys, "explain", MODEL, MODEL, "-o", out)
    assert "must end in .csv" in fails(capsys, "explain", MODEL, DATA, "-o", tmp_path / "out.txt")
    nowhere = tmp_path / "nowhere" / "o.csv"
    assert "no such directory" in fails(capsys, "explain", MODEL, DATA, "-o", nowhere)
    assert "not a model file" in fails(capsys, "info", DATA)
    cut = tmp_path / "cut.json"
    cut.write_bytes(MODEL.read_bytes()[:1000])
    fails(capsys, "info", cut)
    for content in (b"", b"a,b\n1,2\n3\n", b"\xff\xfe\x00\n", b"PAR1"):
        for ending in ("csv", "parquet"):
            bad = tmp_path / f"bad.{ending}"
            bad.write_bytes(content)
            for into in (out, f"{tmp_path}/parts/"):
                line = fails(capsys, "explain", MODEL, bad, "-o", into)
                assert line.startswith(f"shapley-core: {bad}") and line.count(str(bad)) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.csv", "bad.parquet", "cut.json"]


def test_inputs_are_not_overwritten(tmp_path, capsys, example):
    data = tmp_path / "rows.csv"
    example.to_csv(data, index=False)
    before = data.read_bytes()
    (tmp_path / "link.csv").symlink_to(data)
    for out in (data, tmp_path / "link.csv"):
        assert "is an input" in fails(capsys, "explain", MODEL, data, "-o", out)
    assert data.read_bytes() == before


def test_a_csv_without_a_header(tmp_path, capsys):
    X = np.random.default_rng(0).normal(size=(100, 2))
    model = xgboost.train({"nthread": 1}, xgboost.DMatrix(X, X[:, 0]), 2)
    model.save_model(tmp_path / "m.json")
    np.savetxt(tmp_path / "rows.csv", X, delimiter=",")
    out = tmp_path / "o.csv"
    for into in (out, f"{tmp_path}/parts/"):
        line = fails(capsys, "explain", tmp_path / "m.json", tmp_path / "rows.csv", "-o", into)
        assert line.startswith(f"shapley-core: {tmp_path / 'rows.csv'}: the first line must name")
    pd.DataFrame(X).to_csv(tmp_path / "rows.csv", index=False)
    assert run("explain", tmp_path / "m.json", tmp_path / "rows.csv", "-o", out) == 0
    assert list(pd.read_csv(out).columns) == ["0", "1", "base_value"]
    pd.DataFrame(X, columns=["a", "b"]).assign(c=1).to_csv(tmp_path / "rows.csv", index=False)
    for into in (out, f"{tmp_path}/parts/"):
        line = fails(capsys, "explain", tmp_path / "m.json", tmp_path / "rows.csv", "-o", into)
        assert "has 3 columns" in line and "--drop COL" in line


def test_without_pyarrow(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    line = fails(capsys, "explain", MODEL, DATA, "-o", tmp_path / "values.csv")
    assert "pip install 'shapley_core[tables]'" in line


def test_a_write_that_fails_leaves_the_old_file(capsys, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    out = tmp_path / "values.csv"
    out.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(cli.Explanation, "columns", full)
        assert "No space left" in fails(capsys, "explain", MODEL, DATA, "-o", out)
    assert out.read_text() == "old"

    class Writer(pyarrow.csv.CSVWriter):
        write_table = full

    monkeypatch.setattr(pyarrow.csv, "CSVWriter", Writer)
    assert "No space left" in fails(capsys, "explain", MODEL, DATA, "-o", out)
    assert out.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_wrong_usage(capsys, tmp_path):
    for arguments in ([], ["explain", "a", "b"], ["nonsense"], ["demo", "--order", "x"]):
        with pytest.raises(SystemExit) as error:
            run(*arguments)
        assert error.value.code == 2
    capsys.readouterr()
    out = tmp_path / "values.csv"
    fails(capsys, "explain", MODEL, DATA, "-o", out, "--index", "nonsense", status=2)
    line = fails(capsys, "explain", MODEL, "no.csv", "-o", out, "--index", "WBV(x)", status=2)
    assert line == "shapley-core: p must be a finite number, not 'x'\n"
    assert "n_threads" in fails(capsys, "explain", MODEL, DATA, "-o", out, "--threads", 0)


def test_interruption(capsys, monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "TreeExplainer", interrupted)
    line = fails(capsys, "explain", MODEL, DATA, "-o", tmp_path / "values.csv", status=130)
    assert line == "shapley-core: interrupted\n"


def test_a_reader_that_goes_away():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "shapley_core", "info", str(MODEL)]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent.parent)}
    environment.pop("PYTHONUNBUFFERED", None)
    done = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


# --- the rest


def test_progress_on_a_terminal_only(capsys, monkeypatch, tmp_path):
    out = tmp_path / "values.csv"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run("explain", MODEL, DATA, "-o", out) == 0
    shown = capsys.readouterr().err
    assert "\r100 % of 500 rows" in shown
    assert shown.endswith("\r\033[K")


def test_info(capsys, labelled):
    assert run("info", MODEL) == 0
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    given = {name: value.strip() for name, value in lines.items()}
    assert given["trees"] == "60"
    assert given["features"] == "12"
    assert given["depth"] == "5"
    assert given["labelled features"] == "season, weather"
    assert given["objective"] == "reg:squarederror"
    assert run("info", labelled[0]) == 0
    assert "code, country, month" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as error:
        run("--version")
    assert error.value.code == 0
    assert capsys.readouterr().out.strip() == shapley_core.__version__


# --- explain into a directory


@pytest.mark.parametrize("exists", [False, True])
def test_explain_into_a_directory_goes_on(tmp_path, capsys, example, exists):
    data, out = tmp_path / "rows.parquet", tmp_path / "values"
    example.assign(target=1).to_parquet(data)
    if exists:
        out.mkdir()
    given = out if exists else f"{out}/"
    line = fails(capsys, "explain", MODEL, data, "-o", given)
    assert line.startswith(f"shapley-core: {data}: ") and "; --drop COL" in line
    for _ in range(2):
        assert run("explain", MODEL, data, "-o", given, "--drop", "target") == 0
    assert capsys.readouterr() == ("", "")
    stored = shapley_core.open_explanation(out)
    np.testing.assert_array_equal(stored.load().values, TreeExplainer(MODEL)(example).values)
    message = fails(capsys, "explain", MODEL, DATA, "-o", given)
    assert f"{DATA}: {out} holds values of other settings: data, columns was" in message


def test_explain_a_directory_of_files_into_a_directory(tmp_path, capsys, example):
    (tmp_path / "rows").mkdir()
    for number in range(3):
        part = example[number * 150 : min(500, number * 150 + 150)]
        part.to_parquet(tmp_path / "rows" / f"{number}.parquet")
    assert run("explain", MODEL, tmp_path / "rows", "-o", f"{tmp_path}/values/") == 0
    written = pd.read_parquet(tmp_path / "values")
    expected = TreeExplainer(MODEL)(example[:450]).to_frame()
    np.testing.assert_array_equal(written, expected)
    (tmp_path / "file").write_text("")
    assert "is a directory" not in fails(capsys, "explain", MODEL, DATA, "-o", f"{tmp_path}/file/")
