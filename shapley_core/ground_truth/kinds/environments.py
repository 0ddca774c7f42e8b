"""A drop of performance between two environments: the players are distributions that may shift.

The joint law of an environment is a product of mechanisms, each the law of a block of columns
given those before it, the last that of the target given all columns. A coalition is worth the
loss that a model would have if its mechanisms were those of the target environment and all others
those of the source, less the loss in the source: Zhang, Singh, Ghassemi and Joshi (2023), "Why
did the model fail?: Attributing model performance changes to distribution shifts".

The loss comes from rows of the source, reweighted by the product of the mechanisms' density
ratios; these come from classifiers that tell the environments apart, one on each prefix of the
blocks. That is an estimate: where an environment goes beyond what the source has seen, or its law
is not log-linear in the columns, the worth of all mechanisms differs from the loss observed in
the target. The game is defined by the estimate, so its values are exact all the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recipe import Floats, Recipe, Setting
from .tables import Table


def log_ratios(X: Floats, is_target: NDArray[np.bool_], ends: Sequence[int]) -> Floats:
    """Log density ratio, target to source, of each mechanism (columns) for the source's rows.

    ``ends`` says after which column each block ends. The ratio of a prefix is the odds that
    five-fold logistic regression gives, less the odds of the environments; the ratio of a
    mechanism is that of its prefix over that of the prefix before, kept between 1/5 and 5.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    prior = np.log(is_target.sum() / (~is_target).sum())
    prefixes = [np.zeros(int((~is_target).sum()))]
    for end in ends:
        odds: Any = cross_val_predict(
            LogisticRegression(max_iter=1000),
            X[:, :end],
            is_target,
            cv=folds,
            method="decision_function",
        )
        prefixes.append(odds[~is_target] - prior)
    return np.clip(np.diff(np.stack(prefixes, axis=1), axis=1), -np.log(5), np.log(5))


def shifted_loss(loss: Floats, ratios: Floats) -> Any:
    """Worths: the weighted mean loss of the source's rows less their mean loss.

    The weights are divided by their sum, which keeps the worth within the range of the losses.
    """

    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        log_weights = coalitions @ ratios.T
        weights = np.exp(log_weights)
        return np.asarray((weights * loss).sum(axis=1) / weights.sum(axis=1) - loss.mean())

    return worth


def prepared(columns: Floats, y: Floats, residual: Floats) -> Floats:
    """Columns for the classifiers: standardised features, target, and the squared error.

    Given the features, the squared error is a function of the target; with it a linear
    classifier sees changes in the spread of the target too.
    """
    X = np.column_stack([columns, y, residual**2])
    return np.asarray((X - X.mean(axis=0)) / X.std(axis=0))


def diabetes_sexes(raw: Table) -> Setting:
    """Linear regression fitted to one sex and applied to the other; squared error."""
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import cross_val_predict

    sex = raw.X[:, raw.columns.index("sex")]
    is_target = sex > 0
    table = raw.without("sex").standardised()
    source = table.rows(~is_target)
    predicted = LinearRegression().fit(source.X, source.y).predict(table.X)
    held_out = cross_val_predict(LinearRegression(), source.X, source.y, cv=5)
    X = prepared(table.X, table.y, table.y - predicted)
    n = table.X.shape[1]
    ratios = log_ratios(X, is_target, [*range(1, n + 1), n + 2])
    players = (*(f"law of {name}" for name in table.columns), "law of the target")
    return Setting(shifted_loss((source.y - held_out) ** 2, ratios), players)


BIKE_BLOCKS = {
    "month": ("season", "month"),
    "hour": ("hour",),
    "holiday": ("holiday",),
    "weekday": ("weekday", "workingday"),
    "weather": ("weather",),
    "temperature": ("temp", "feel_temp"),
    "humidity": ("humidity",),
    "windspeed": ("windspeed",),
}
ADULT_BLOCKS = {
    "age": ("age",),
    "race": ("race",),
    "sex": ("sex",),
    "education": ("education-num",),
    "family": ("marital-status", "relationship"),
    "workclass": ("workclass",),
    "occupation": ("occupation",),
    "hours": ("hours-per-week",),
    "capital": ("capital-gain", "capital-loss"),
}


def trees_in_blocks(
    table: Table, is_target: NDArray[np.bool_], blocks: dict[str, tuple[str, ...]]
) -> Setting:
    """LightGBM fitted to half of the source, judged on the other half; squared error."""
    from .models import lightgbm_model

    chosen = table.only(*(name for names in blocks.values() for name in names))
    source = np.flatnonzero(~is_target)
    predict = lightgbm_model(chosen.rows(source[::2]), "regression")
    keep = np.sort(np.concatenate([source[1::2], np.flatnonzero(is_target)]))
    judged, target = chosen.rows(keep), is_target[keep]
    residual = judged.y - predict(judged.X)
    ends = np.cumsum([len(names) for names in blocks.values()]).tolist()
    X = prepared(judged.X, judged.y, residual)
    ratios = log_ratios(X, target, [*ends, X.shape[1]])
    players = (*(f"law of {name}" for name in blocks), "law of the target")
    return Setting(shifted_loss(residual[~target] ** 2, ratios), players)


def bike_years(full: Table) -> Setting:
    """From 2011 to 2012."""
    table = full.rows(slice(None, None, 2))
    return trees_in_blocks(table, table.X[:, table.columns.index("year")] == 2012, BIKE_BLOCKS)


def adult_countries(full: Table) -> Setting:
    """From people born in the country that most were born in to all others."""
    sampled = full.sample(12000, seed=4)
    country = sampled.X[:, sampled.columns.index("native-country")]
    codes, counts = np.unique(country, return_counts=True)
    return trees_in_blocks(sampled, country != codes[counts.argmax()], ADULT_BLOCKS)


DESCRIPTION = (
    "players are the laws of blocks of columns given those before; a coalition is worth the rise "
    "of the mean squared error when they shift ({shift})"
)
ABSENT = "the law of the source environment"

RECIPES = [
    Recipe(
        name="environments/diabetes_sexes",
        description=DESCRIPTION.format(shift="from one sex to the other"),
        table="diabetes",
        model="linear regression of the source; ratios from logistic regression",
        absent=ABSENT,
        build=diabetes_sexes,
        tolerance=1e-5,
    ),
    Recipe(
        name="environments/bike_years",
        description=DESCRIPTION.format(shift="from 2011 to 2012"),
        table="bike",
        model="LightGBM of the source; ratios from logistic regression",
        absent=ABSENT,
        build=bike_years,
        libraries=("lightgbm", "scikit-learn"),
        tolerance=1e-5,
    ),
    Recipe(
        name="environments/adult_countries",
        description=DESCRIPTION.format(shift="from born in the United States to elsewhere"),
        table="adult",
        model="LightGBM of the source; ratios from logistic regression",
        absent=ABSENT,
        build=adult_countries,
        libraries=("lightgbm", "scikit-learn"),
        tolerance=1e-5,
    ),
]
