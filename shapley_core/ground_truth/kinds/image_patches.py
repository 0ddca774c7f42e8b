"""Image patches: the players are patches of an 8 x 8 digit, a coalition is worth a probability.

Absent patches are painted with the mean image.
"""

import numpy as np
from numpy.typing import NDArray

from . import models
from .recipe import Floats, Recipe, Setting
from .tables import Table


def patched(table: Table, image: int, height: int, width: int, predict: models.Predict) -> Setting:
    """The game of an image cut in patches of that many pixels."""
    rows, columns = np.divmod(np.arange(64), 8)
    patch = rows // height * (8 // width) + columns // width
    x, mean = table.X[image], table.X.mean(axis=0)

    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        return predict(np.where(coalitions[:, patch], x, mean))

    names = (
        f"rows {top}-{top + height - 1}, columns {left}-{left + width - 1}"
        for top in range(0, 8, height)
        for left in range(0, 8, width)
    )
    return Setting(worth, tuple(names))


def digits_forest(table: Table) -> Setting:
    """A nine in eight patches, seen by a random forest."""
    predict = models.probability_of(models.forest_classifier(table), 9.0)
    return patched(table, 9, 2, 4, predict)


def digits_network(table: Table) -> Setting:
    """A three in sixteen patches, seen by a neural network."""
    scaled = Table(table.X / 16, table.y, table.columns)
    return patched(scaled, 3, 2, 2, models.network(scaled, 3.0))


def digits_logistic(table: Table) -> Setting:
    """An eight in eight patches, seen by logistic regression."""
    scaled = Table(table.X / 16, table.y, table.columns)
    predict = models.probability_of(models.logistic(scaled), 8.0)
    return patched(scaled, 8, 4, 2, predict)


DESCRIPTION = "players are patches of {size} pixels; a coalition is worth the probability of {n}"
ABSENT = "the mean of all images"

RECIPES = [
    Recipe(
        name="image_patches/digits_forest",
        description=DESCRIPTION.format(size="2 x 4", n="nine"),
        table="digits",
        model="random forest, 30 trees of depth 6 (image 9)",
        absent=ABSENT,
        build=digits_forest,
    ),
    Recipe(
        name="image_patches/digits_logistic",
        description=DESCRIPTION.format(size="4 x 2", n="eight"),
        table="digits",
        model="logistic regression (image 8)",
        absent=ABSENT,
        build=digits_logistic,
    ),
    Recipe(
        name="image_patches/digits_network",
        description=DESCRIPTION.format(size="2 x 2", n="three"),
        table="digits",
        model="neural network, layers of 16 and 8 (image 3)",
        absent=ABSENT,
        build=digits_network,
    ),
]
