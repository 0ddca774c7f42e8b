"""Feature selection: the players are features, a coalition is worth the score of a new model.

The model is trained with the features of the coalition alone, and judged on rows that it has not
seen.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recipe import Floats, Recipe, Setting, one_by_one, score_r2
from .tables import Table


def accuracy(y: Floats, predicted: Floats) -> float:
    """The share of predictions that are right."""
    return float(np.mean(predicted == y))


def retrained(model: Any, table: Table, score: Callable[[Floats, Floats], float]) -> Setting:
    """The game of five-fold predictions.

    Without features, the mean of the training rows is predicted, or their most frequent class.
    """
    from sklearn.base import clone, is_classifier
    from sklearn.dummy import DummyClassifier, DummyRegressor

    folds = np.arange(len(table.y)) % 5
    nothing = DummyClassifier() if is_classifier(model) else DummyRegressor()

    def worth(players: NDArray[np.intp]) -> float:
        X = table.X[:, players]
        predicted = np.empty(len(table.y))
        for fold in range(5):
            train = folds != fold
            fitted = clone(model if len(players) else nothing).fit(X[train], table.y[train])
            predicted[~train] = fitted.predict(X[~train])
        return score(table.y, predicted)

    return Setting(one_by_one(worth), table.columns)


def diabetes_ridge(table: Table) -> Setting:
    """Ridge regression."""
    from sklearn.linear_model import Ridge

    return retrained(Ridge(alpha=0.01), table, score_r2)


def breast_cancer_bayes(table: Table) -> Setting:
    """Naive Bayes, whose predictions don't hang on ties as those of neighbours do."""
    from sklearn.naive_bayes import GaussianNB

    return retrained(GaussianNB(), table.standardised(), accuracy)


def bike_tree(table: Table) -> Setting:
    """A regression tree on a sample of the hours."""
    from sklearn.tree import DecisionTreeRegressor

    model = DecisionTreeRegressor(max_depth=6, random_state=0)
    return retrained(model, table.sample(1500), score_r2)


DESCRIPTION = (
    "players are features; a coalition is worth the {score} of a model trained with them alone "
    "(five folds)"
)
ABSENT = (
    "left out of training and prediction; without features, the mean or most frequent class is "
    "predicted"
)

RECIPES = [
    Recipe(
        name="feature_selection/diabetes_ridge",
        description=DESCRIPTION.format(score="R2"),
        table="diabetes",
        model="ridge regression",
        absent=ABSENT,
        build=diabetes_ridge,
    ),
    Recipe(
        name="feature_selection/breast_cancer_bayes",
        description=DESCRIPTION.format(score="accuracy"),
        table="breast_cancer",
        model="naive Bayes with normal laws",
        absent=ABSENT,
        build=breast_cancer_bayes,
    ),
    Recipe(
        name="feature_selection/bike_tree",
        description=DESCRIPTION.format(score="R2"),
        table="bike",
        model="regression tree of depth 6, on 1500 rows",
        absent=ABSENT,
        build=bike_tree,
    ),
]
