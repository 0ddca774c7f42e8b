"""The real tables that the games are made from, with their sources and licences."""

import csv
import gzip
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError

# Where tables that no package holds are looked for unless the generator is told.
DATA_VARIABLE = "SHAPLEY_CORE_DATA"


class Source(NamedTuple):
    """Where a table comes from."""

    citation: str
    licence: str
    file: str | None = None
    target: str = ""


SOURCES = {
    "bike": Source("UCI Bike Sharing (Fanaee-T, Gama 2013)", "CC BY 4.0", "bike.csv.gz", "count"),
    "california": Source(
        "California housing, StatLib (Pace, Barry 1997)",
        "public",
        "california_housing.csv.gz",
        "MedHouseVal",
    ),
    "adult": Source("UCI Adult (Becker, Kohavi 1996)", "CC BY 4.0", "adult_census.csv.gz", "class"),
    "breast_cancer": Source(
        "UCI Breast Cancer Wisconsin, Diagnostic (Wolberg, Mangasarian, Street, Street 1995), "
        "as scikit-learn has it",
        "CC BY 4.0",
    ),
    "wine": Source("UCI Wine (Aeberhard, Forina 1992), as scikit-learn has it", "CC BY 4.0"),
    "diabetes": Source(
        "Diabetes (Efron, Hastie, Johnstone, Tibshirani 2004), as scikit-learn has it", "public"
    ),
    "digits": Source(
        "UCI Optical Recognition of Handwritten Digits (Alpaydin, Kaynak 1998), as scikit-learn "
        "has it",
        "CC BY 4.0",
    ),
    "sentences": Source(
        "sentences written for this package, scored with the lexicon of VADER (Hutto, Gilbert "
        "2014)",
        "MIT",
    ),
}

# Text in its natural order; other text is numbered in alphabetical order, "" (missing) first.
_ORDERED = {
    "season": ("spring", "summer", "fall", "winter"),
    "weather": ("clear", "misty", "rain", "heavy_rain"),
}


@dataclass(frozen=True)
class Table:
    """A table of numbers: features ``X`` (rows, columns), target ``y`` (rows,), column names."""

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    columns: tuple[str, ...]

    def without(self, *names: str) -> "Table":
        """The same table without these columns."""
        return self.only(*(name for name in self.columns if name not in names))

    def only(self, *names: str) -> "Table":
        """The same table with these columns alone, in that order."""
        return Table(self.X[:, [self.columns.index(name) for name in names]], self.y, names)

    def sample(self, n_rows: int, seed: int = 0) -> "Table":
        """So many rows, drawn without replacement, in the order of the table."""
        chosen = np.random.default_rng(seed).choice(len(self.X), n_rows, replace=False)
        return self.rows(np.sort(chosen))

    def rows(self, chosen: Any) -> "Table":
        """The same table with these rows alone: positions, or a bool for each."""
        return Table(self.X[chosen], self.y[chosen], self.columns)

    def standardised(self) -> "Table":
        """The same table, each feature with mean 0 and variance 1."""
        X = (self.X - self.X.mean(axis=0)) / self.X.std(axis=0)
        return Table(X, self.y, self.columns)


def read(name: str, folder: str | os.PathLike[str] | None = None) -> Table:
    """One of ``SOURCES``.

    Parameters
    ----------
    name : str
        Its name.
    folder : path, optional
        Where the tables lie that scikit-learn does not bring, by default where the environment
        variable SHAPLEY_CORE_DATA says.

    Raises
    ------
    InputError
        If the file of the table is not there.
    """
    source = SOURCES[name]
    if name == "sentences":
        return Table(np.zeros((0, 0)), np.zeros(0), ())
    if source.file is None:
        return _bundled(name)
    folder = folder or os.environ.get(DATA_VARIABLE)
    path = Path(folder or ".") / source.file
    if not path.exists():
        raise InputError(
            f"{path} is not there; it holds {source.citation}. Say with --data, or with the "
            f"environment variable {DATA_VARIABLE}, where it lies"
        )
    return _read_csv(path, source.target)


@cache
def _bundled(name: str) -> Table:
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    X = np.asarray(data.data, dtype=np.float64)
    columns = tuple(str(column) for column in data.feature_names)
    table = Table(X, np.asarray(data.target, dtype=np.float64), columns)
    # The other twenty are standard errors and extremes of the same ten.
    return table.only(*columns[:10]) if name == "breast_cancer" else table


@cache
def _read_csv(path: Path, target: str) -> Table:
    with gzip.open(path) as file:
        header, *rows = csv.reader(io.TextIOWrapper(file, "utf-8"))
    columns = {name: _numbers(name, [row[at] for row in rows]) for at, name in enumerate(header)}
    y = columns.pop(target)
    return Table(np.column_stack(list(columns.values())), y, tuple(columns))


def _numbers(name: str, texts: Sequence[str]) -> NDArray[np.float64]:
    try:
        return np.array([float(text) for text in texts])
    except ValueError:
        order = _ORDERED.get(name) or sorted(set(texts))
        code = {text: float(at) for at, text in enumerate(order)}
        return np.array([code[text] for text in texts])
