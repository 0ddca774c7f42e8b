"""Ensemble selection: the players are fitted classifiers, a coalition is worth its score.

A coalition predicts the mean of its members' probabilities for rows that none was trained on;
the empty one predicts the shares of the classes in the training rows.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recipe import Floats, Recipe, Setting, one_by_one
from .tables import Table


def candidates() -> dict[str, Any]:
    """The classifiers, of different families and strengths."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    return {
        "stump": DecisionTreeClassifier(max_depth=1, random_state=0),
        "tree_3": DecisionTreeClassifier(max_depth=3, random_state=0),
        "tree_8": DecisionTreeClassifier(max_depth=8, random_state=0),
        "extra_trees": ExtraTreesClassifier(10, max_depth=4, random_state=0),
        "neighbour_1": KNeighborsClassifier(1, algorithm="brute"),
        "neighbours_25": KNeighborsClassifier(25, algorithm="brute"),
        "naive_bayes": GaussianNB(var_smoothing=1e-3),
        "discriminant": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
        "logistic_weak": LogisticRegression(C=0.001, max_iter=1000),
        "logistic": LogisticRegression(C=1.0, max_iter=1000),
    }


def right(y: NDArray[np.intp], probability: Floats) -> float:
    """The share of rows whose class has the largest probability, of equal ones the first.

    Rounded first: which of two equal means is the larger is otherwise the machine's choice.
    """
    return float(np.mean(probability.round(9).argmax(axis=1) == y))


def log_likelihood(y: NDArray[np.intp], probability: Floats) -> float:
    """Mean logarithm of the probability given to the class; probabilities kept above 1e-3."""
    return float(np.mean(np.log(np.maximum(probability[np.arange(len(y)), y], 1e-3))))


def averaged(table: Table, score: Callable[[NDArray[np.intp], Floats], float]) -> Setting:
    """The game of the candidates: every third row trains them, the others judge."""
    y = table.y.astype(np.intp)
    train = np.arange(len(y)) % 3 == 0
    members = candidates()
    shares = np.bincount(y[train]) / train.sum()
    outputs = np.stack(
        [
            model.fit(table.X[train], y[train]).predict_proba(table.X[~train])
            for model in members.values()
        ]
    )
    prior = np.tile(shares, (int((~train).sum()), 1))

    def worth(players: NDArray[np.intp]) -> float:
        return score(y[~train], outputs[players].mean(axis=0) if len(players) else prior)

    return Setting(one_by_one(worth), tuple(members))


def breast_cancer_likelihood(table: Table) -> Setting:
    """Judged by the likelihood."""
    return averaged(table.standardised(), log_likelihood)


def digits_accuracy(table: Table) -> Setting:
    """Judged by accuracy."""
    return averaged(table, right)


DESCRIPTION = (
    "players are classifiers; a coalition is worth the {score} of their mean probabilities on "
    "held-out rows"
)
MODEL = "ten classifiers: trees, neighbours, naive Bayes, discriminant analysis, logistic"
ABSENT = "left out of the mean; the empty coalition predicts the shares of the classes"

RECIPES = [
    Recipe(
        name="ensemble_selection/breast_cancer_likelihood",
        description=DESCRIPTION.format(score="mean log-likelihood"),
        table="breast_cancer",
        model=MODEL,
        absent=ABSENT,
        build=breast_cancer_likelihood,
    ),
    Recipe(
        name="ensemble_selection/digits_accuracy",
        description=DESCRIPTION.format(score="accuracy"),
        table="digits",
        model=MODEL,
        absent=ABSENT,
        build=digits_accuracy,
        # Pixels are integers: which of equally near images are the 25 nearest is the machine's
        # choice. Measured with other instructions: one row of 1198.
        tolerance=2e-3,
    ),
]
