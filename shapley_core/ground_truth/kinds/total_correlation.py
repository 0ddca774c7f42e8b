"""Unsupervised importance: the players are features, a coalition is worth its total correlation.

Sum of the entropies of the features less the entropy of all together, in nats: what each feature
shares with the others, without any target. Balestra, Li and Müller (2022), "Unsupervised features
ranking via coalitional game theory for categorical data".
"""

import numpy as np
from numpy.typing import NDArray

from .recipe import Floats, Recipe, Setting, one_by_one
from .tables import Table


def gaussian(table: Table) -> Setting:
    """Of the normal law with the table's correlations: minus half the log-determinant."""
    correlation = np.asarray(np.corrcoef(table.X, rowvar=False))

    def worth(players: NDArray[np.intp]) -> float:
        if len(players) < 2:
            return 0.0
        _, log_determinant = np.linalg.slogdet(correlation[np.ix_(players, players)])
        return float(-log_determinant / 2)

    return Setting(one_by_one(worth), table.columns)


def entropy(codes: NDArray[np.int64]) -> float:
    """Entropy of the rows of a table of codes, in nats, from their shares."""
    if not codes.shape[1]:
        return 0.0
    key = np.zeros(len(codes), dtype=np.int64)
    for column in codes.T:
        # Renumbered after each column, so that keys stay small.
        key = np.unique(key * (column.max() + 1) + column, return_inverse=True)[1]
    shares = np.bincount(key) / len(key)
    return float(-(shares * np.log(shares)).sum())


def discrete(codes: NDArray[np.int64], columns: tuple[str, ...]) -> Setting:
    """Of the observed shares of a table of codes."""
    single = np.array([entropy(codes[:, [i]]) for i in range(codes.shape[1])])

    def worth(players: NDArray[np.intp]) -> float:
        return float(single[players].sum()) - entropy(codes[:, players])

    return Setting(one_by_one(worth), columns)


def binned(X: Floats, n_bins: int) -> NDArray[np.int64]:
    """The number of the quantile bin of each entry, by column."""
    edges = np.quantile(X, np.arange(1, n_bins) / n_bins, axis=0)
    return np.asarray((X[None] > edges[:, None, :]).sum(axis=0), dtype=np.int64)


def breast_cancer_gaussian(table: Table) -> Setting:
    """Ten measures of a tumour."""
    return gaussian(table)


def wine_discrete(table: Table) -> Setting:
    """Thirteen measures of a wine, each low or high."""
    return discrete(binned(table.X, 2), table.columns)


def adult_discrete(table: Table) -> Setting:
    """The eight columns of text of a survey."""
    chosen = table.only(
        "workclass",
        "education",
        "marital-status",
        "occupation",
        "relationship",
        "race",
        "sex",
        "native-country",
    )
    return discrete(chosen.X.astype(np.int64), chosen.columns)


DESCRIPTION = "players are features; a coalition is worth its total correlation (nats)"
ABSENT = "left out of the joint law"

RECIPES = [
    Recipe(
        name="total_correlation/breast_cancer_gaussian",
        description=DESCRIPTION,
        table="breast_cancer",
        model="normal law with the correlations of the table",
        absent=ABSENT,
        build=breast_cancer_gaussian,
        libraries=(),
    ),
    Recipe(
        name="total_correlation/wine_discrete",
        description=DESCRIPTION,
        table="wine",
        model="observed shares, each feature below or above its median",
        absent=ABSENT,
        build=wine_discrete,
        libraries=(),
    ),
    Recipe(
        name="total_correlation/adult_discrete",
        description=DESCRIPTION,
        table="adult",
        model="observed shares of eight categorical columns",
        absent=ABSENT,
        build=adult_discrete,
        libraries=(),
    ),
]
