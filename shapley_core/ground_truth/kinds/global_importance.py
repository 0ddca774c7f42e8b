"""Global importance: the players are features, a coalition is worth the loss that it saves.

v(S) = E[loss(y, f(no feature))] - E[loss(y, f(features S))], where f(features S) is the mean
output with the absent features from a background: Covert, Lundberg and Lee (2020), "Understanding
global feature contributions with additive importance measures" (SAGE).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from . import imputation, models
from .models import Predict
from .recipe import Floats, Recipe, Setting
from .tables import Table

N_ROWS = 60
N_BACKGROUND = 40


def squared_error(y: Floats, output: Floats) -> Floats:
    """Squared error of each prediction."""
    return (y - output) ** 2


def log_loss(y: Floats, output: Floats) -> Floats:
    """-log of the probability given to what happened; probabilities kept 1e-6 off 0 and 1."""
    p = np.clip(output, 1e-6, 1 - 1e-6)
    return -np.where(y == 1, np.log(p), np.log(1 - p))


def saved_loss(table: Table, predict: Predict, loss: Callable[[Floats, Floats], Floats]) -> Setting:
    """The game of a model on some rows of the table."""
    judged = table.sample(N_ROWS, seed=2)
    background = table.sample(N_BACKGROUND, seed=3).X
    of_rows = [imputation.marginal(predict, row, background) for row in judged.X]
    nothing = np.full(N_ROWS, predict(background).mean())
    without = loss(judged.y, nothing).mean()

    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        outputs = np.stack([of_row(coalitions) for of_row in of_rows])
        return np.asarray(without - loss(judged.y[:, None], outputs).mean(axis=0))

    return Setting(worth, table.columns)


def diabetes_linear(table: Table) -> Setting:
    """Linear regression, squared error."""
    return saved_loss(table, models.least_squares(table), squared_error)


def breast_cancer_logistic(raw: Table) -> Setting:
    """Logistic regression, log-loss."""
    table = raw.standardised()
    predict = models.probability_of(models.logistic(table), 1.0)
    return saved_loss(table, predict, log_loss)


def california_xgboost(table: Table) -> Setting:
    """Boosted trees, squared error."""
    return saved_loss(table, models.xgboost_regression(table), squared_error)


DESCRIPTION = (
    "players are features; a coalition is worth the mean {loss} that it saves over {rows} rows"
)
ABSENT = f"each of {N_BACKGROUND} rows of the table, outputs averaged before the loss is taken"

RECIPES = [
    Recipe(
        name="global_importance/diabetes_linear",
        description=DESCRIPTION.format(loss="squared error", rows=N_ROWS),
        table="diabetes",
        model="linear regression",
        absent=ABSENT,
        build=diabetes_linear,
    ),
    Recipe(
        name="global_importance/breast_cancer_logistic",
        description=DESCRIPTION.format(loss="log-loss", rows=N_ROWS),
        table="breast_cancer",
        model="logistic regression",
        absent=ABSENT,
        build=breast_cancer_logistic,
    ),
    Recipe(
        name="global_importance/california_xgboost",
        description=DESCRIPTION.format(loss="squared error", rows=N_ROWS),
        table="california",
        model="XGBoost, 60 trees of depth 5",
        absent=ABSENT,
        build=california_xgboost,
        libraries=("xgboost",),
    ),
]
