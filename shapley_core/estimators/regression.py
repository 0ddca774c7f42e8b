"""Kernel regression: values as the best fit of a simple game to the sampled worths."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import normal as kernels
from ..errors import InputError
from ..indices import IndexSpec
from ..threads import row_blocks
from .base import Design, Estimates, Estimator, Task
from .pairs import PairedDesign, paired_design
from .registry import register

Matrix = NDArray[np.float64]

# Pairs looked at together, when their residuals are computed.
_BLOCK = 4096


@register
@dataclass(frozen=True)
class KernelRegression(Estimator):
    """Shapley values by weighted least squares on pairs of coalitions.

    The Shapley values are the φ with Σφ = v(N) - v(∅) that minimise
    Σ_T (v(T) - v(∅) - Σ_{i ∈ T} φ_i)² / (C(n, t) t (n - t)) over all coalitions (Charnes et al.
    1988; Lundberg and Lee 2017). Here the sum is over a sample, each coalition weighted by the
    inverse of the probability that it is in. Coalitions come in pairs with their complements; of
    a pair only (v(T) - v(N∖T)) / 2 matters, so the regression has a row a pair. Efficiency is
    not a heavy row but a projection: it holds to rounding.

    Parameters
    ----------
    sampling : "leverage" or "kernel"
        The law of sizes: all sizes equally, which are the leverage scores of the regression
        (Musco and Witter 2025), or in proportion to 1 / (t (n - t)).

    Notes
    -----
    Standard errors are of the linearised estimate under the sampling design: strata, without
    replacement, residuals corrected for the leverage of their row.
    """

    sampling: str = "leverage"

    def __post_init__(self) -> None:
        if self.sampling not in ("leverage", "kernel"):
            raise InputError(f'sampling must be "leverage" or "kernel", not {self.sampling!r}')

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.name == "SV"

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        # A row more than the n - 1 values that are free: without one there is no error to see.
        return 2 + 2 * n_players

    def _design(self, task: Task) -> PairedDesign:
        sizes = np.arange(1, task.n_players // 2 + 1)
        if self.sampling == "leverage":
            return paired_design(task, np.zeros(len(sizes)))
        return paired_design(task, -np.log(sizes * (task.n_players - sizes.astype(float))))

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        n = task.n_players
        shares = np.repeat(worths[1:2] / n, n, axis=0)
        if n == 1:
            return Estimates(shares.T, np.zeros_like(shares.T))
        pairs = _Pairs(n, design)
        targets = (worths[2::2] - worths[3::2]) / 2
        # What an equal share of v(N) explains of (v(T) - v(N∖T)) / 2.
        targets += (n / 2 - pairs.size_of_row)[:, None] * shares[:1]
        inverse, lost = pairs.inverse()
        values = inverse @ pairs.projected(targets)
        error = pairs.std_error(inverse, values, targets)
        error[lost] = np.inf
        return Estimates((shares + values).T, error.T)


class _Pairs:
    """The regression of (v(T) - v(N∖T)) / 2 on the players of T, each +1/2 or -1/2."""

    def __init__(self, n_players: int, design: PairedDesign) -> None:
        self.n = n_players
        self.design = design
        self.words = design.words[2:]
        t = design.sizes.astype(np.float64)
        self.size_of_row = np.repeat(t, design.counts)
        # 1 / (C(n, t) t (n - t)) over the probability to be in, without the binomials; twice,
        # for both of a pair, but where C(n, t) counts each pair twice.
        both = np.where(2 * design.sizes == n_players, 1.0, 2.0)
        with np.errstate(divide="ignore"):
            weights = both / (t * (n_players - t)) / design.expected
        self.weights = np.where(design.counts > 0, weights, 0.0)
        self.weight_of_row = np.repeat(self.weights, design.counts)

    def projected(self, targets: Matrix) -> Matrix:
        """Σ weight x y over the rows, shape (n, n_games), less its mean over the players."""
        weighted = self.weight_of_row[:, None] * targets
        sums = np.zeros((self.n, targets.shape[1]))
        kernels.player_sums(self.words, 2, weighted, sums)
        # The -1/2 of every player is the same, so the mean takes it away.
        sums -= sums.mean(axis=0)
        return sums

    def inverse(self) -> tuple[Matrix, NDArray[np.bool_]]:
        """Pseudo-inverse of the normal matrix on the values that sum to 0; players not determined.

        With all coalitions the matrix is the projection itself, over n.
        """
        n = self.n
        gram = np.zeros((n, n))
        kernels.common_players(self.words, 2, self.design.counts, self.weights, gram)
        gram += np.tril(gram, -1).T
        # Projected on both sides, as the ±1/2 would be: constants drop out.
        gram -= gram.mean(axis=0)
        gram -= gram.mean(axis=1)[:, None]
        scale = np.trace(gram) / n
        if scale == 0.0:
            return np.zeros((n, n)), np.ones(n, dtype=bool)
        try:
            # The sum of the values is known: give it the size of the rest, and take it off again.
            factor = np.linalg.cholesky(gram + scale / n)
            if factor.diagonal().min() ** 2 > 1e-8 * scale:
                return np.linalg.inv(gram + scale / n) - 1.0 / (n * scale), np.zeros(n, dtype=bool)
        except np.linalg.LinAlgError:
            pass
        values, vectors = np.linalg.eigh(gram)
        kept = values > 1e-10 * scale
        vectors, lost = vectors[:, kept], vectors[:, ~kept]
        # One direction is always lost, (1, ..., 1): it is the sum, which is known.
        away = 1.0 - (vectors**2).sum(axis=1) - 1.0 / n
        assert lost.shape[1] >= 1
        return (vectors / values[kept]) @ vectors.T, away > 1e-8

    def std_error(self, inverse: Matrix, values: Matrix, targets: Matrix) -> Matrix:
        """Standard errors, shape (n, n_games), from the residuals within each stratum."""
        missing = self.design.missing
        variance, total, squares = (np.zeros_like(values) for _ in range(3))
        ends = np.cumsum(self.design.counts)
        for start, stop in row_blocks(int(ends[-1]), _BLOCK):
            rows = sets.unpack(self.words[2 * start : 2 * stop : 2], self.n) - 0.5
            influence = self.weight_of_row[start:stop, None] * (rows @ inverse)
            leverage = np.minimum((influence * rows).sum(axis=1), 1 - 1e-9)
            residuals = targets[start:stop] - rows @ values
            residuals /= (1.0 - leverage)[:, None]
            first, last = np.searchsorted(ends, [start, stop - 1], side="right").tolist()
            for at in range(first, last + 1):
                count = int(self.design.counts[at])
                if count == 0 or self.design.complete[at]:
                    continue
                here = slice(max(int(ends[at]) - count, start) - start, int(ends[at]) - start)
                squares += (influence[here] ** 2).T @ residuals[here] ** 2
                total += influence[here].T @ residuals[here]
                if ends[at] > stop:
                    continue
                if count > 1:
                    squares = (squares - total**2 / count) * (count / (count - 1))
                variance += missing[at] * squares
                total, squares = np.zeros_like(values), np.zeros_like(values)
        return np.sqrt(np.maximum(variance, 0.0))
