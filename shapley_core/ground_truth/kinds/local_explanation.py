"""Local explanations: the players are features, a coalition is worth the model's output.

Trees, a linear model, a neural network and nearest neighbours, each with absent features taken
from one row (baseline), from a background (marginal), or from rows that resemble the present
features (conditional).
"""

from collections.abc import Callable

import numpy as np

from . import imputation, models
from .models import Predict
from .recipe import Recipe, Setting
from .tables import Table

ABSENT = {
    "baseline": "the medians of the table",
    "marginal": "each of 50 rows of the table",
    "gaussian": "64 draws from the normal law given the present features (conditional)",
    "nearest": "the 20 rows nearest in the present features (conditional)",
}


def explained(
    table: Table, predict: Predict, how: str, row: int, data: Table | None = None
) -> Setting:
    """The game of one row of the table, under one of ``ABSENT``."""
    x, X = table.X[row], (data or table).X
    worth = {
        "baseline": lambda: imputation.baseline(predict, x, np.median(X, axis=0)),
        "marginal": lambda: imputation.marginal(predict, x, table.sample(50, seed=1).X),
        "gaussian": lambda: imputation.gaussian(predict, x, X),
        "nearest": lambda: imputation.nearest(predict, x, X),
    }[how]()
    return Setting(worth, table.columns)


def california_trees(how: str) -> Callable[[Table], Setting]:
    """XGBoost on prices of houses."""
    return lambda table: explained(table, models.xgboost_regression(table), how, 4000)


def bike_trees(how: str) -> Callable[[Table], Setting]:
    """LightGBM on the number of bicycles hired in an hour."""
    return lambda table: explained(table, models.lightgbm_model(table, "regression"), how, 5000)


def adult_trees(how: str) -> Callable[[Table], Setting]:
    """LightGBM on incomes above 50,000 dollars."""

    def build(full: Table) -> Setting:
        # A weight of the survey, and the text of education-num.
        table = full.without("fnlwgt", "education")
        return explained(table, models.lightgbm_model(table, "binary"), how, 7, table.sample(4000))

    return build


def cancer_trees(how: str) -> Callable[[Table], Setting]:
    """A random forest on tumours."""

    def build(table: Table) -> Setting:
        predict = models.probability_of(models.forest_classifier(table), 1.0)
        return explained(table, predict, how, 13)

    return build


def cancer_logistic(how: str) -> Callable[[Table], Setting]:
    """Logistic regression on tumours."""

    def build(raw: Table) -> Setting:
        table = raw.standardised()
        return explained(table, models.probability_of(models.logistic(table), 1.0), how, 13)

    return build


def diabetes_linear(how: str) -> Callable[[Table], Setting]:
    """Linear regression on the progression of diabetes."""
    return lambda table: explained(table, models.least_squares(table), how, 10)


def diabetes_neighbours(how: str) -> Callable[[Table], Setting]:
    """Nearest neighbours on the progression of diabetes."""
    return lambda table: explained(table, models.neighbours(table), how, 10)


def wine_network(how: str) -> Callable[[Table], Setting]:
    """A neural network on three cultivars of wine."""

    def build(raw: Table) -> Setting:
        table = raw.standardised()
        return explained(table, models.network(table, 1.0), how, 70)

    return build


Builder = Callable[[str], Callable[[Table], Setting]]
# Instance: its table, its model, who builds it, the libraries, and how absence is modelled.
INSTANCES: list[tuple[str, str, str, Builder, tuple[str, ...], tuple[str, ...]]] = [
    (
        "california_xgboost",
        "california",
        "XGBoost, 60 trees of depth 5 (the price predicted for row 4000)",
        california_trees,
        ("xgboost",),
        ("baseline", "marginal", "nearest"),
    ),
    (
        "bike_lightgbm",
        "bike",
        "LightGBM, 60 trees of 31 leaves (the hires predicted for row 5000)",
        bike_trees,
        ("lightgbm",),
        ("baseline", "marginal"),
    ),
    (
        "adult_lightgbm",
        "adult",
        "LightGBM, 60 trees of 31 leaves (the probability of a high income of row 7)",
        adult_trees,
        ("lightgbm",),
        ("marginal", "nearest"),
    ),
    (
        "breast_cancer_forest",
        "breast_cancer",
        "random forest, 30 trees of depth 6 (the probability of a benign tumour of row 13)",
        cancer_trees,
        ("scikit-learn",),
        ("baseline", "marginal", "nearest"),
    ),
    (
        "breast_cancer_logistic",
        "breast_cancer",
        "logistic regression (the probability of a benign tumour of row 13)",
        cancer_logistic,
        ("scikit-learn",),
        ("baseline", "gaussian"),
    ),
    (
        "diabetes_linear",
        "diabetes",
        "linear regression (the progression predicted for row 10)",
        diabetes_linear,
        ("scikit-learn",),
        ("marginal", "gaussian"),
    ),
    (
        "wine_network",
        "wine",
        "neural network, layers of 16 and 8 (the probability of the second cultivar of row 70)",
        wine_network,
        ("scikit-learn",),
        ("baseline", "marginal", "gaussian"),
    ),
    (
        "diabetes_neighbours",
        "diabetes",
        "10 nearest neighbours (the progression predicted for row 10)",
        diabetes_neighbours,
        ("scikit-learn",),
        ("baseline", "marginal", "gaussian"),
    ),
]

RECIPES = [
    Recipe(
        name=f"local_explanation/{instance}_{how}",
        description="players are features; a coalition is worth the model's output for one row",
        table=table,
        model=model,
        absent=ABSENT[how],
        build=builder(how),
        libraries=libraries,
    )
    for instance, table, model, builder, libraries, ways in INSTANCES
    for how in ways
]
