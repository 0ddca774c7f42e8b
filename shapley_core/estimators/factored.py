"""The covariance of one part of the games at the pairs that are in it, factored."""

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from . import covariance
from .covariance import Prior

Matrix = NDArray[np.float64]

# Pairs, at the end, that are predicted from all the others: they tell as much as all would, and
# their part of the inverse takes next to nothing.
CHECKED = 1024


@dataclass(frozen=True, eq=False)
class Factored:
    """K = L Lᵀ, with the nugget.

    Attributes
    ----------
    lower : float64 array of shape (m, m)
        L; above the diagonal there is anything.
    noise : float64 array of shape (m,)
        The part of the diagonal of K that is without structure.
    """

    lower: Matrix
    noise: Matrix

    @classmethod
    def of(cls, prior: Prior, parity: int, z: Matrix) -> "Factored":
        """Of different coalitions."""
        nugget = exp(prior.log_nugget)
        diagonal = covariance.variances(prior, parity, z) + nugget

        def filled() -> Matrix:
            matrix = covariance.upper(prior, parity, z)
            matrix[np.diag_indices(len(z))] = diagonal
            return matrix

        lower, rise = covariance.factor(filled)
        return cls(lower, nugget + rise * diagonal)

    def solve(self, right: Matrix) -> Matrix:
        """K⁻¹ right."""
        from scipy.linalg import lapack

        return np.asarray(lapack.dpotrs(self.lower, right, lower=1)[0])

    def half_solved(self, right: Matrix) -> Matrix:
        """L⁻¹ right: its squares sum to right K⁻¹ right."""
        from scipy.linalg import lapack

        return np.asarray(lapack.dtrtrs(self.lower, right, lower=1)[0])

    def precisions(self) -> Matrix:
        """The diagonal of K⁻¹ at the last ``CHECKED`` pairs."""
        from scipy.linalg import lapack

        # Of a triangular matrix the end of the inverse is the inverse of the end.
        end = np.triu(self.lower[-CHECKED:, -CHECKED:].T)
        inverse = lapack.dtrtri(end.T, lower=1, overwrite_c=1)[0]
        return np.asarray(np.einsum("ij,ij->j", inverse, inverse))
