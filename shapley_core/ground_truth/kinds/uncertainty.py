"""Uncertainty explanation: the players are features, a coalition is worth certainty.

How sure a model is of one row when it knows the features of the coalition: Watson, O'Hara,
Tax, Mudd and Guy (2023), "Explaining predictive uncertainty with information theoretic Shapley
values".
"""

import numpy as np
from numpy.typing import NDArray

from . import models
from .recipe import Floats, Recipe, Setting
from .tables import Table

N_BACKGROUND = 50


def mixtures(coalitions: NDArray[np.bool_], row: Floats, background: Floats) -> Floats:
    """Rows (coalitions * background, features): the row's own features, the others' rest."""
    return np.where(coalitions[:, None, :], row, background).reshape(-1, len(row))


def certainty(table: Table, row: int) -> Setting:
    """Minus the entropy, in nats, of a forest's probabilities averaged over the background."""
    model = models.forest_classifier(table)
    x, background = table.X[row], table.sample(N_BACKGROUND, seed=1).X

    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        outputs = model.predict_proba(mixtures(coalitions, x, background))
        p = outputs.reshape(len(coalitions), N_BACKGROUND, -1).mean(axis=1)
        return np.asarray((p * np.log(np.maximum(p, 1e-300))).sum(axis=1))

    return Setting(worth, table.columns)


def breast_cancer_entropy(table: Table) -> Setting:
    """A tumour that is hard to tell."""
    return certainty(table, 81)


def wine_entropy(table: Table) -> Setting:
    """A wine between two cultivars."""
    return certainty(table, 83)


def diabetes_spread(table: Table) -> Setting:
    """Minus the variance among the trees of a forest, averaged over the background."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(20, max_depth=6, random_state=0).fit(table.X, table.y)
    x, background = table.X[10], table.sample(N_BACKGROUND, seed=1).X

    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        rows = mixtures(coalitions, x, background).astype(np.float32)
        outputs = np.stack([tree.predict(rows) for tree in forest.estimators_])
        spread = outputs.var(axis=0).reshape(len(coalitions), N_BACKGROUND)
        return np.asarray(-spread.mean(axis=1))

    return Setting(worth, table.columns)


ENTROPY = "players are features; a coalition is worth minus the entropy (nats) of the prediction"
ABSENT = f"each of {N_BACKGROUND} rows of the table"

RECIPES = [
    Recipe(
        name="uncertainty/breast_cancer_entropy",
        description=ENTROPY,
        table="breast_cancer",
        model="random forest, 30 trees of depth 6 (row 81)",
        absent=ABSENT,
        build=breast_cancer_entropy,
    ),
    Recipe(
        name="uncertainty/wine_entropy",
        description=ENTROPY,
        table="wine",
        model="random forest, 30 trees of depth 6 (row 83)",
        absent=ABSENT,
        build=wine_entropy,
    ),
    Recipe(
        name="uncertainty/diabetes_spread",
        description=(
            "players are features; a coalition is worth minus the variance among the trees of a "
            "forest"
        ),
        table="diabetes",
        model="random forest, 20 trees of depth 6 (row 10)",
        absent=ABSENT,
        build=diabetes_spread,
    ),
]
