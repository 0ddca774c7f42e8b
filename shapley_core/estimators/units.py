"""Worths of moderate size, so that squares of them neither overflow nor vanish."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Exponents = NDArray[np.int32]

# Estimators take fourth powers of worths: those of 2**200 and of 2**-200 leave room for weights.
_MOST = 200


def moderate(worths: Matrix) -> tuple[Matrix, Exponents]:
    """Worths less those of the first row, each game in a unit of its own.

    The unit is 1 but for games whose worths are far from 1; else it is a power of two, so that no
    digit changes.

    Parameters
    ----------
    worths : array of shape (m, n_games)
        Finite numbers, the first row that of the empty coalition.

    Returns
    -------
    differences : array of shape (m, n_games)
        (worths - worths[0]) / 2**exponents.
    exponents : int32 array of shape (n_games,)
    """
    # Twice: worths of 1e308 differ by more than is a float64, and large ones may differ by little.
    first = _exponents(worths)
    if first.any():
        worths = np.ldexp(worths, -first)
    differences = worths - worths[0]
    second = _exponents(differences)
    if second.any():
        differences = np.ldexp(differences, -second)
    return differences, first + second


def _exponents(worths: Matrix) -> Exponents:
    """Of each game that of the largest worth, 0 where that is moderate."""
    found: Exponents = np.frexp(np.maximum(worths.max(axis=0), -worths.min(axis=0)))[1]
    return np.where(np.abs(found) > _MOST, found, np.int32(0))
