"""Models that several kinds of game share, each as a function from rows to one number a row."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .recipe import Floats
from .tables import Table

Predict = Callable[[Floats], Floats]


def xgboost_regression(table: Table) -> Predict:
    """60 boosted trees of depth 5, with XGBoost."""
    import xgboost

    settings = {"max_depth": 5, "eta": 0.2, "nthread": 1, "seed": 0, "tree_method": "exact"}
    booster = xgboost.train(settings, xgboost.DMatrix(table.X, table.y), 60)
    return lambda X: np.asarray(booster.predict(xgboost.DMatrix(X)), dtype=np.float64)


def lightgbm_model(table: Table, objective: str) -> Predict:
    """60 boosted trees of 31 leaves, with LightGBM; a probability if the objective is binary."""
    import lightgbm

    settings = {
        "objective": objective,
        "num_threads": 1,
        "seed": 0,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    booster = lightgbm.train(settings, lightgbm.Dataset(table.X, table.y), 60)
    return lambda X: np.asarray(booster.predict(X, num_threads=1), dtype=np.float64)


def probability_of(model: Any, label: float) -> Predict:
    """The probability that a fitted classifier gives to a class."""
    column = int(np.flatnonzero(model.classes_ == label)[0])
    return lambda X: np.asarray(model.predict_proba(X)[:, column], dtype=np.float64)


def forest_classifier(table: Table) -> Any:
    """A random forest of 30 trees of depth 6."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(30, max_depth=6, random_state=0).fit(table.X, table.y)


def logistic(table: Table) -> Any:
    """Logistic regression; the columns should be standardised."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000).fit(table.X, table.y)


def least_squares(table: Table) -> Predict:
    """Linear regression."""
    from sklearn.linear_model import LinearRegression

    return _regression(LinearRegression().fit(table.X, table.y))


def network(table: Table, label: float) -> Predict:
    """A neural network with hidden layers of 16 and 8 units, trained by Adam.

    Few steps from a fixed start, with smooth units: training to the end would turn the rounding
    of another machine, or of another number of threads, into another network.
    """
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (16, 8), activation="tanh", learning_rate_init=0.01, batch_size=50, random_state=0
    )
    for _ in range(40):
        model.partial_fit(table.X, table.y, classes=np.unique(table.y))
    return probability_of(model, label)


def neighbours(table: Table) -> Predict:
    """The mean of the 10 nearest neighbours."""
    from sklearn.neighbors import KNeighborsRegressor

    return _regression(KNeighborsRegressor(10, algorithm="brute").fit(table.X, table.y))


def _regression(model: Any) -> Predict:
    return lambda X: np.asarray(model.predict(X), dtype=np.float64)
