"""Data valuation of single points: the players are training points.

A coalition is worth the utility of the nearest-neighbour classifier that has its points alone;
this game has its Shapley values in closed form, which the tests hold the stored ones against.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .recipe import Floats, Recipe, Setting, one_by_one, score_r2
from .tables import Table


def split(raw: Table, n_points: int, n_judged: int) -> tuple[Table, Table]:
    """Some points to value and others to judge by."""
    both = raw.standardised()
    order = np.random.default_rng(5).permutation(len(both.y))
    return both.rows(order[:n_points]), both.rows(order[n_points : n_points + n_judged])


def matches_by_distance(points: Table, judged: Table) -> tuple[NDArray[np.intp], Floats]:
    """For each judged row the points, nearest first, and whether each has the row's class."""
    distance = ((judged.X[:, None, :] - points.X) ** 2).sum(axis=2)
    order = np.argsort(distance, axis=1, kind="stable")
    return order, (points.y[order] == judged.y[:, None]).astype(np.float64)


def neighbour_utility(points: Table, judged: Table, k: int) -> Setting:
    """The game of Jia et al. (2019): 1/k times the number of right ones of the k nearest points.

    "Efficient task-specific data valuation for nearest neighbor algorithms", equation 5; the
    mean over the judged rows. A coalition of fewer than k points still divides by k.
    """
    order, match = matches_by_distance(points, judged)

    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        present = coalitions[:, order]
        counted = present & (np.cumsum(present, axis=2) <= k)
        return np.asarray((counted * match).sum(axis=2).mean(axis=1) / k)

    return Setting(worth, tuple(f"point {i}" for i in range(len(points.y))))


def neighbour_shapley(points: Table, judged: Table, k: int) -> Floats:
    """The Shapley values of that game in closed form: Jia et al. (2019), theorem 1."""
    order, match = matches_by_distance(points, judged)
    n = len(points.y)
    values = np.zeros(n)
    for nearest_first, right in zip(order, match, strict=True):
        value = right[-1] * min(k, n) / (n * k)
        values[nearest_first[-1]] += value
        for at in range(n - 2, -1, -1):
            value += (right[at] - right[at + 1]) / k * min(k, at + 1) / (at + 1)
            values[nearest_first[at]] += value
    return values / len(judged.y)


# Instance: points, judged rows, neighbours.
NEIGHBOURS = {"breast_cancer": (12, 100, 3), "wine": (13, 80, 5)}


def neighbours(name: str) -> Callable[[Table], Setting]:
    """The game of one of ``NEIGHBOURS``."""
    n_points, n_judged, k = NEIGHBOURS[name]
    return lambda table: neighbour_utility(*split(table, n_points, n_judged), k)


def diabetes_ridge(table: Table) -> Setting:
    """Twelve points that train a ridge regression on four features."""
    from sklearn.linear_model import Ridge

    points, judged = split(table.only("bmi", "bp", "s5", "sex"), 12, 150)

    def worth(players: NDArray[np.intp]) -> float:
        if not len(players):
            return score_r2(judged.y, np.full(len(judged.y), 150.0))
        model = Ridge(alpha=1.0).fit(points.X[players], points.y[players])
        return score_r2(judged.y, model.predict(judged.X))

    return Setting(one_by_one(worth), tuple(f"point {i}" for i in range(12)))


RECIPES = [
    *(
        Recipe(
            name=f"data_valuation/{name}_neighbours",
            description=(
                "players are training points; a coalition is worth the share of right ones among "
                f"the {k} nearest of its points, over {n_judged} rows"
            ),
            table=name,
            model=f"{k} nearest neighbours",
            absent="left out of the training points",
            build=neighbours(name),
        )
        for name, (_, n_judged, k) in NEIGHBOURS.items()
    ),
    Recipe(
        name="data_valuation/diabetes_ridge",
        description=(
            "players are training points; a coalition is worth the R2 on 150 other rows of a "
            "model trained with it"
        ),
        table="diabetes",
        model="ridge regression on four features",
        absent="left out of training; without points the model predicts 150",
        build=diabetes_ridge,
    ),
]
