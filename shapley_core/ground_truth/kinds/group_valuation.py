"""Data valuation of groups of points: the players are groups of training rows.

A coalition is worth the score, on rows that belong to no group, of a model trained with the rows
of its groups.
"""

import numpy as np
from numpy.typing import NDArray

from .recipe import Recipe, Setting, one_by_one, score_r2
from .tables import Table


def breast_cancer_logistic(raw: Table) -> Setting:
    """Ten groups of 12 tumours, of groups 8 and 9 half and all labels wrong."""
    from sklearn.linear_model import LogisticRegression

    table = raw.standardised()
    order = np.random.default_rng(6).permutation(len(table.y))
    groups = order[:120].reshape(10, 12)
    judged = table.rows(order[120:])
    y = table.y.copy()
    wrong = np.concatenate([groups[8, :6], groups[9]])
    y[wrong] = 1 - y[wrong]

    def worth(players: NDArray[np.intp]) -> float:
        if not len(players):
            return float(np.mean(judged.y == 1))
        rows = groups[players].ravel()
        model = LogisticRegression(max_iter=1000).fit(table.X[rows], y[rows])
        return float(np.mean(model.predict(judged.X) == judged.y))

    names = [f"group {i}" for i in range(8)] + ["half wrong labels", "wrong labels"]
    return Setting(one_by_one(worth), tuple(names))


def diabetes_ridge(raw: Table) -> Setting:
    """Eight groups of patients by age."""
    from sklearn.linear_model import Ridge

    table = raw.standardised()
    judge = np.arange(len(table.y)) % 3 == 0
    judged, rest = table.rows(judge), table.rows(~judge)
    age = rest.X[:, rest.columns.index("age")]
    groups = np.array_split(np.argsort(age, kind="stable"), 8)

    def worth(players: NDArray[np.intp]) -> float:
        if not len(players):
            return 0.0
        rows = np.concatenate([groups[i] for i in players])
        model = Ridge(alpha=1.0).fit(rest.X[rows], rest.y[rows])
        return score_r2(judged.y, model.predict(judged.X))

    return Setting(one_by_one(worth), tuple(f"age, eighth {i + 1}" for i in range(8)))


def bike_months(table: Table) -> Setting:
    """The months of 2011, judged on 2012."""
    from sklearn.tree import DecisionTreeRegressor

    year, month = (table.X[:, table.columns.index(name)] for name in ("year", "month"))
    features = table.without("year", "month", "season")
    train, judge = np.flatnonzero(year == 2011)[::4], np.flatnonzero(year == 2012)[::8]
    first, judged, months = features.rows(train), features.rows(judge), month[train]

    def worth(players: NDArray[np.intp]) -> float:
        if not len(players):
            return score_r2(judged.y, np.zeros(len(judged.y)))
        chosen = np.isin(months, players + 1)
        model = DecisionTreeRegressor(max_depth=6, random_state=0)
        model.fit(first.X[chosen], first.y[chosen])
        return score_r2(judged.y, model.predict(judged.X))

    names = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
    return Setting(one_by_one(worth), tuple(names.split()))


DESCRIPTION = (
    "players are groups of training rows ({groups}); a coalition is worth the {score} of a model "
    "trained with them, on other rows"
)

RECIPES = [
    Recipe(
        name="group_valuation/breast_cancer_logistic",
        description=DESCRIPTION.format(groups="12 each, labels partly wrong", score="accuracy"),
        table="breast_cancer",
        model="logistic regression",
        absent="left out of training; without rows every tumour is called benign",
        build=breast_cancer_logistic,
    ),
    Recipe(
        name="group_valuation/diabetes_ridge",
        description=DESCRIPTION.format(groups="eighths by age", score="R2"),
        table="diabetes",
        model="ridge regression",
        absent="left out of training; no rows are worth 0",
        build=diabetes_ridge,
    ),
    Recipe(
        name="group_valuation/bike_months",
        description=DESCRIPTION.format(groups="months of 2011", score="R2 on 2012"),
        table="bike",
        model="regression tree of depth 6",
        absent="left out of training; without rows the model predicts 0",
        build=bike_months,
    ),
]
