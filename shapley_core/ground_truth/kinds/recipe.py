"""What a recipe for a stored game holds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .tables import Table

Floats = NDArray[np.float64]
Worth = Callable[[NDArray[np.bool_]], Floats]


class Setting(NamedTuple):
    """A game ready to be played: its worths and the names of its players."""

    worth: Worth
    players: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How a stored game is made.

    Attributes
    ----------
    name : str
        The kind of game, a slash, the instance.
    description : str
        Who the players are and what a coalition is worth.
    table : str
        The table that it is made from, a key of ``tables.SOURCES``.
    model : str
        The model, or the procedure, that is asked for worths.
    absent : str
        What stands in for absent players.
    build : callable
        From the table to the setting; trains the model.
    libraries : tuple of str
        Distributions that the worths depend on, beside numpy.
    tolerance : float
        How far worths made again may be from the stored ones, as a fraction of the largest, on
        another machine with the same versions: sums of floating-point numbers run in another
        order there.
    """

    name: str
    description: str
    table: str
    model: str
    absent: str
    build: Callable[[Table], Setting]
    libraries: tuple[str, ...] = ("scikit-learn",)
    tolerance: float = 1e-9


def one_by_one(worth: Callable[[NDArray[np.intp]], float]) -> Worth:
    """Worths of many coalitions from a function of one, given as the players in it."""

    def worths(coalitions: NDArray[np.bool_]) -> Floats:
        return np.array([worth(np.flatnonzero(one)) for one in coalitions], dtype=np.float64)

    return worths


def score_r2(y: Any, predicted: Any) -> float:
    """1 - (mean squared error) / (variance of y)."""
    return float(1 - np.mean((y - predicted) ** 2) / np.var(y))
