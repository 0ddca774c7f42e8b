"""Make the fixtures of this directory: run with each old version of LightGBM that should be read.

    python make.py DIRECTORY

writes ``labels-VERSION.txt`` (pandas categories, NaN, no missing type) and ``zero-VERSION.txt``
(three classes, zero_as_missing) with what that version predicts, as JSON beside each.
"""

import json
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-35, -1e-35, 2e-35, -2e-35, -0.5, 0.5, 3.7, -1.0]
PARAMS = {
    "verbose": -1,
    "num_leaves": 6,
    "min_data_in_leaf": 4,
    "min_data_per_group": 2,
    "cat_smooth": 1.0,
    "cat_l2": 1.0,
    "max_cat_to_onehot": 1,
    "seed": 1,
    "num_threads": 1,
}


def save(booster, rows, path):
    booster.save_model(str(path))
    expected = {
        "rows": rows.tolist(),
        "raw": booster.predict(rows, raw_score=True).tolist(),
        "leaf": booster.predict(rows, pred_leaf=True).reshape(len(rows), -1).tolist(),
    }
    path.with_suffix(".json").write_text(json.dumps(expected))


def probes(random, booster, n_features):
    text = booster.model_to_string()
    lines = [line[10:] for line in text.split("\n") if line.startswith("threshold=")]
    found = np.array([float(word) for line in lines for word in line.split()])
    near = [found, np.nextafter(found, np.inf), np.nextafter(found, -np.inf), SPECIAL, range(-2, 9)]
    return random.choice(np.concatenate(near), (60, n_features))


def main(directory):
    random = np.random.RandomState(0)
    n = 160
    frame = pd.DataFrame(
        {
            "size of it": random.normal(size=n),
            "city": pd.Categorical(random.choice(["Oslo", "Łódź", "São Paulo", "a,b"], n)),
            "holes": np.where(random.rand(n) < 0.3, np.nan, random.normal(size=n)),
            "code": pd.Categorical(random.choice([7, 3, 5], n)),
        }
    )
    y = frame["size of it"] + 2.0 * (frame["city"] == "Oslo") + frame["holes"].fillna(3.0)
    y = y + (frame["code"] == 5)
    booster = lightgbm.train(PARAMS, lightgbm.Dataset(frame, y), 4)
    save(booster, probes(random, booster, 4), directory / f"labels-{lightgbm.__version__}.txt")

    X = random.normal(size=(n, 3)) * (random.rand(n, 3) < 0.6)
    X[:, 2] = random.randint(0, 40, n)
    classes = (X[:, 0] > 0).astype(int) + (X[:, 2] % 3 == 0)
    params = dict(PARAMS, objective="multiclass", num_class=3, zero_as_missing=True)
    data = lightgbm.Dataset(X, classes, categorical_feature=[2], params=params)
    booster = lightgbm.train(params, data, 3)
    save(booster, probes(random, booster, 3), directory / f"zero-{lightgbm.__version__}.txt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
