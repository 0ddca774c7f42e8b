"""The Python of the README and of docs/ runs as it stands; what they name is there."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier

import shapley_core as sc

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
EXAMPLES = ROOT / "shapley_core" / "examples"


def python_of(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def test_python_of_the_readme(tmp_path, monkeypatch):
    (code,) = python_of(README)
    shutil.copy(EXAMPLES / "bike.csv", tmp_path / "rows.csv")
    shutil.copy(EXAMPLES / "bike.json", tmp_path / "model.json")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    e, explainer = names["e"], names["explainer"]
    assert e.values.shape == (500, 12)
    # Interventional over the same rows: the base value is their mean prediction.
    mean = np.mean(e.values.sum(axis=1) + e.base_values)
    assert explainer.expected_value == pytest.approx(mean)
    assert (tmp_path / "values.csv").exists()


def what_the_pages_take_for_granted():
    """A model of a few columns of 0 and 1, its rows and values, and a game."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (300, 6)).astype(float)
    y = (X[:, 0] * X[:, 3] + X[:, 1] + rng.normal(size=300) > 1).astype(int)
    model = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(X, y)
    explainer = sc.TreeExplainer(model)
    return {
        "sc": sc,
        "model": model,
        "predict": lambda rows: model.predict_proba(rows)[:, 1],
        "X": X[:40],
        "y": y[:40],
        "X_train": X[:30],
        "background": X[:30],
        "explainer": explainer,
        "e": explainer(X[:40], index="SII", order=2),
        "game": sc.games.WeightedVoting([3, 2, 2, 1], 5),
    }


@pytest.mark.parametrize(
    "page", [one for one in sorted((ROOT / "docs").glob("*.md")) if python_of(one)], ids=str
)
def test_python_of_the_docs(page, tmp_path, monkeypatch, capsys):
    names = what_the_pages_take_for_granted()
    monkeypatch.chdir(tmp_path)
    columns = [f"x{i}" for i in range(6)]
    rows = pd.DataFrame(np.random.default_rng(1).normal(size=(400, 6)), columns=columns)
    rows.to_parquet("rows.parquet")
    for code in python_of(page):
        exec(code, names)


def test_every_part_has_its_place_in_the_layout():
    page = (ROOT / "docs" / "design.md").read_text()
    named = set(re.findall(r"`(\w+)/?`", page.split("## Who may import whom")[0]))
    parts = {path.stem for path in (ROOT / "shapley_core").iterdir() if path.suffix == ".py"}
    parts |= {path.parent.name for path in (ROOT / "shapley_core").glob("*/__init__.py")}
    assert parts - {"__init__"} <= named


def test_set_up_is_two_lines():
    lines = [line for line in README.read_text().splitlines() if "pip install" in line]
    assert lines == [
        "pip install '.[tables]' && python -m shapley_core demo",
        "pip install '.[test]' && python -m pytest -n auto",
    ]
