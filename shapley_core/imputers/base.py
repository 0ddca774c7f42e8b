"""What an imputer is: it fills in absent features, and so defines the game that is explained."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import products
from ..arrays import scaled_row_weights
from .rows import Mixer, Pairs, Rows

# A table to show to the model, and weights of its rows: (n_coalitions * n_rows or 1, n_donors).
Filled = tuple[Any, NDArray[np.float64]]


class Imputer(ABC):
    """Parameters of a way to fill in absent features; immutable.

    Each defines v(S) of a row x: a weighted mean of predictions of rows that agree with x in the
    features of S. v(N) is the prediction of x, and v(∅) the same for all rows.
    """

    @abstractmethod
    def fit(self, background: Rows) -> "Filler":
        """Learn what is needed from the background."""

    @property
    @abstractmethod
    def game(self) -> str:
        """The game that it defines, in words."""


class Filler(ABC):
    """An imputer fitted to a background.

    Attributes
    ----------
    n_donors : int
        Rows that are shown to the model for one coalition of one row.
    n_nothing : int
        Rows that are shown to it for v(∅).
    splits : bool
        Whether a part of the donors can be asked for.
    row_bytes : int
        Memory that a row shown to the model takes.
    """

    n_donors: int
    n_nothing: int
    splits: bool = False
    row_bytes: int

    @abstractmethod
    def bind(self, rows: Rows) -> "Filler":
        """Make ready for the rows of one table."""

    @abstractmethod
    def fill(
        self, rows: NDArray[np.int64], masks: NDArray[np.bool_], donors: slice, n_threads: int
    ) -> Filled:
        """Rows to show, for coalitions that are neither empty nor full.

        Parameters
        ----------
        rows : int64 (n_rows,)
            Which rows of the bound table.
        masks : bool (n_coalitions, n_features)
        donors : slice
            Which of the donors; all of them unless ``splits``.
        n_threads : int

        Returns
        -------
        table of n_coalitions * n_rows * n_donors rows, weights
        """

    def differing(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Where some of the rows to show for a coalition depend on whether a feature is in it.

        Shape (n_rows, n_features); None where that may be everywhere.
        """
        return None

    #: float64 (n_donors,), where a worth is a weighted mean over donors each of which can be had by
    #: itself: then `differing_donors` and `mixer` are there.
    donor_weights: NDArray[np.float64] | None = None

    def differing_donors(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where some of the rows are not what each donor is: (n_rows, n_donors, n_features)."""
        raise NotImplementedError

    def mixer(self, pairs: Pairs, n_threads: int) -> Mixer:
        """What makes rows to show for pairs of a row and a donor: see `Rows.mixer`."""
        raise NotImplementedError

    @abstractmethod
    def nothing(self, donors: slice) -> Filled:
        """Rows to show for the empty coalition, (of 0 .. n_nothing) which ``donors`` says."""


def product(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix product, adding in one order: BLAS rounds by how many rows it is given."""
    out = np.zeros((len(left), right.shape[1]))
    products.product(np.ascontiguousarray(left), np.ascontiguousarray(right), out)
    return out


def mean_and_correlation(
    data: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, standard deviation (1 of a constant) and correlation of columns, of two rows or more.

    The mean of equal numbers may be rounded to another, about which they would vary: on that scale
    what differs from them is far away, and rounding errors are correlations. Constants have none.
    """
    # Squares of large numbers overflow, and those of small ones vanish: each column has a unit.
    exponent = np.frexp(np.abs(data).max(axis=0))[1]
    units = np.ldexp(data, -exponent)
    mean, covariance = units.mean(axis=0), np.atleast_2d(np.cov(units, rowvar=False))
    constant = (data == data[0]).all(axis=0)
    mean[constant] = units[0, constant]
    covariance[constant] = covariance[:, constant] = 0.0
    scale = np.sqrt(np.diag(covariance))
    scale[constant | (scale == 0)] = 1.0
    correlation = covariance / np.outer(scale, scale)
    # A constant has no unit either.
    scale = np.where(constant, 1.0, np.ldexp(scale, exponent))
    return np.ldexp(mean, exponent), scale, correlation


def check_weights(given: Any, n_rows: int) -> NDArray[np.float64]:
    """Weights of background rows, the largest 1, so that equal ones sum without rounding."""
    return scaled_row_weights(given, n_rows, "row of the background")
