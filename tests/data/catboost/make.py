"""Make the stored CatBoost models: ``python tests/data/catboost/make.py``, where it is installed.

Of each model its JSON as CatBoost wrote it (but for the parameters of training, which are long),
and rows with the library's raw predictions of them.
"""

import json
import tempfile
from pathlib import Path

import catboost
import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SMALL = {"iterations": 3, "depth": 3, "verbose": 0, "allow_writing_files": False, "random_seed": 0}


def table():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(150, 4)).round(3)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    real = np.nan_to_num(rows).sum(axis=1) + np.isnan(rows[:, 0])
    return rows, real


def frame():
    rng = np.random.default_rng(1)
    columns = {
        "size": rng.normal(size=150).round(3),
        "city": rng.choice(["x", "y", "ü", "7"], 150),
        "code": rng.integers(-1, 5, 150),
    }
    made = pd.DataFrame(columns)
    real = made["size"] + 2 * (made["city"] == "ü") + (made["code"] == -1) * 3
    return made, real + (made["city"] == "7")


def store(name, model, rows, **save):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.json"
        model.save_model(str(path), format="json", **save)
        document = json.loads(path.read_text())
    info = document["model_info"]
    info["params"] = {"loss_function": info["params"]["loss_function"]}
    for key in ("output_options", "training", "train_finish_time", "model_guid"):
        info.pop(key)
    (HERE / f"{name}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    raw = model.predict(rows, prediction_type="RawFormulaVal").tolist()
    values = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
    told = {"rows": values, "columns": list(rows.columns), "raw": raw}
    (HERE / f"{name}-expected.json").write_text(json.dumps(told) + "\n")


def main():
    rows, real = table()
    probes = pd.DataFrame(rows[:40])
    classes = np.array(["low", "mid", "high"])[np.digitize(real, [-1, 1])]
    for policy in ("SymmetricTree", "Depthwise", "Lossguide"):
        grow = {**SMALL, "grow_policy": policy}
        model = catboost.CatBoostRegressor(nan_mode="Max", **grow).fit(rows, real)
        store(f"numbers-{policy}", model, probes)
        model = catboost.CatBoostClassifier(**grow).fit(rows, classes)
        store(f"classes-{policy}", model, probes)
    labelled, real = frame()
    pool = catboost.Pool(labelled, real, cat_features=["city", "code"])
    for policy in ("SymmetricTree", "Lossguide"):
        grow = {**SMALL, "grow_policy": policy, "one_hot_max_size": 10, "iterations": 6}
        model = catboost.CatBoostRegressor(**grow).fit(pool)
        store(f"categories-{policy}", model, labelled[:40], pool=pool)


if __name__ == "__main__":
    main()
