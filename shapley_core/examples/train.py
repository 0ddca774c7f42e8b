"""Train the model of the examples: ``python train.py bike.csv.gz``; needs pandas and xgboost.

Writes ``bike.json``, the model, and ``bike.csv``, rows that it was not trained on, beside this
file. See README.md there for where the table comes from.
"""

import sys
from pathlib import Path
from typing import Any

TARGET = "count"
N_ROWS = 500


def split(path: str) -> tuple[Any, Any]:
    """Read the whole table; return the rows to train on and those to explain."""
    import pandas

    table = pandas.read_csv(path)
    for name in ("season", "weather"):
        table[name] = table[name].astype("category")
    held_out = table.sample(N_ROWS, random_state=0).index
    return table.drop(held_out), table.loc[held_out].sort_index()


def main(path: str) -> None:
    """Train, report the error on the rows held out, write both files."""
    import numpy
    import xgboost

    train, sample = split(path)
    settings = {
        "objective": "reg:squarederror",
        "max_depth": 5,
        "eta": 0.2,
        "min_child_weight": 5,
        "max_cat_to_onehot": 1,
        "seed": 0,
        "nthread": 1,
    }
    features = train.drop(columns=TARGET)
    rows = xgboost.DMatrix(features, train[TARGET], enable_categorical=True)
    model = xgboost.train(settings, rows, num_boost_round=60)
    explained = sample.drop(columns=TARGET)
    predicted = model.predict(xgboost.DMatrix(explained, enable_categorical=True))
    error = numpy.sqrt(numpy.mean((predicted - sample[TARGET]) ** 2))
    here = Path(__file__).parent
    model.save_model(here / "bike.json")
    explained.to_csv(here / "bike.csv", index=False)
    sys.stdout.write(f"root mean squared error on {N_ROWS} rows: {error:.1f} bicycles an hour\n")


if __name__ == "__main__":
    main(sys.argv[1])
