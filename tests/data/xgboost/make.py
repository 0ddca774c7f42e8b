"""Write one small set of XGBoost models, and what they predict, with the version installed here.

Run in an environment of each version in turn (numpy, pandas, scikit-learn and xgboost, or
xgboost-cpu, of 1.7.6, 2.1.4, 3.0.5, 3.2.0 and 3.4.1; 1.7.6 writes the old binary format too):

    python make.py

The tests read these files without that version: the rows and the raw predictions of the library
are in rows.csv (the same for every version), the rest is in <version>.zip.
"""

import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb

HERE = Path(__file__).parent
VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
BASE = {"max_depth": 3, "eta": 0.5, "nthread": 1, "tree_method": "hist", "seed": 0}
CODED = ("one hot", "partition", "vector leaves, categories")
COLOURS = ["red", "green", "blue", "grey"]


def make_rows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3)).round(3)
    rows[:, 1] = rng.integers(0, 70, 60)
    rows[::7, 0] = np.nan
    return rows


def main():
    rows = make_rows()
    clean = np.nan_to_num(rows)
    score = clean[:, 0] + np.sin(clean[:, 1]) + clean[:, 2] ** 2
    plain = xgb.DMatrix(rows, label=score)
    coded = xgb.DMatrix(rows, label=score, feature_types=["q", "c", "q"], enable_categorical=True)
    models = {}

    def add(name, parameters, data=plain, label=score, rounds=2):
        data.set_label(label)
        models[name] = xgb.train({**BASE, **parameters}, data, rounds)

    add("logistic", {"objective": "binary:logistic", "base_score": 0.3}, label=score > 1)
    add("tweedie", {"objective": "reg:tweedie"}, label=np.exp(score / 3))
    classes = {"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 2}
    add("forest of classes", {**classes, "subsample": 0.5}, label=np.clip(score // 1, 0, 2))
    add("dart", {"booster": "dart", "rate_drop": 0.6, "one_drop": 1}, rounds=5)
    add("one hot", {"max_cat_to_onehot": 100}, data=coded)
    add("partition", {"max_cat_to_onehot": 1}, data=coded)
    add("pruned", {"tree_method": "exact", "gamma": 2.0, "max_depth": 5})
    two = np.column_stack([score, clean[:, 2]])
    add("targets", {}, label=two)
    if VERSION >= (2, 0):
        add("vector leaves", {"multi_strategy": "multi_output_tree"}, label=two)
        add("quantiles", {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.8]})
    if VERSION >= (3, 3):
        vector = {"multi_strategy": "multi_output_tree"}
        add("vector leaves, categories", vector, data=coded, label=two)
        add("vector dart", {**vector, "rate_drop": 0.6, "one_drop": 1}, label=two, rounds=5)
        add("expectiles", {"objective": "reg:expectileerror", "expectile_alpha": [0.1, 0.5, 0.9]})

    predicted, files = {}, {}
    for name, booster in models.items():
        kinds = ["q", "c", "q"] if name in CODED else None
        data = xgb.DMatrix(rows, feature_types=kinds, enable_categorical=kinds is not None)
        predicted[name] = booster.predict(data, output_margin=True).tolist()
        for kind in ("json", "ubj"):
            files[f"{name}.{kind}"] = bytes(booster.save_raw(kind))

    codes = np.arange(60) % 4
    frame = pd.DataFrame({"x": rows[:, 2], "colour": pd.Categorical.from_codes(codes, COLOURS)})
    model = xgb.XGBRegressor(
        n_estimators=2, max_depth=3, enable_categorical=True, tree_method="hist"
    )
    model.fit(frame, score + codes)
    predicted["labels"] = model.predict(frame, output_margin=True).tolist()
    files["labels.ubj"] = bytes(model.get_booster().save_raw("ubj"))
    if VERSION == (1, 7):
        with tempfile.TemporaryDirectory() as folder:
            old = Path(folder) / "logistic.deprecated"
            models["logistic"].save_model(old)
            files[old.name] = old.read_bytes()

    files["predicted.json"] = json.dumps(predicted).encode()
    np.savetxt(HERE / "rows.csv", rows, delimiter=",", fmt="%.3f")
    archive = HERE / f"{xgb.__version__}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in sorted(files.items()):
            out.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
