"""The README's Python runs as it stands, and its two set-up commands are there."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
EXAMPLES = ROOT / "shapley_core" / "examples"


def test_python_of_the_readme(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
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


def test_set_up_is_two_lines():
    lines = [line for line in README.read_text().splitlines() if "pip install" in line]
    assert lines == [
        "pip install '.[tables]' && python -m shapley_core demo",
        "pip install '.[test]' && python -m pytest -n auto",
    ]
