"""Kernel regression: values as the best fit of a game without high interactions."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..arrays import check_integer
from ..errors import InputError
from ..indices import IndexSpec
from ..memory import check_memory, human_count
from .base import Design, Estimates, Estimator, Task
from .laws import kernel_law, leverage_law, log_kernel
from .pairs import PairedDesign, paired_design
from .parity import ParityFit, readout, terms_of_parity
from .registry import register

Matrix = NDArray[np.float64]

# The indices of the best fit under the Shapley kernel, and under equal weights.
_SHAPLEY = ("SV", "FSII", "kADD-SHAP")
_BANZHAF = ("BV", "BII", "FBII", "Fourier")
# Rows beyond the free coefficients, of which the error is seen; with fewer it is seen badly.
SPARE_ROWS = 3
# A preparation that takes no more than a megabyte or two is kept for the next game.
_MOST_KEPT_TERMS, _MOST_KEPT_BITS = 1 << 8, 1 << 21


@register
@dataclass(frozen=True)
class KernelRegression(Estimator):
    """Values by weighted least squares on pairs of coalitions.

    The game f without interactions of more than k players that minimises
    Σ_T w(T) (v(T) - f(T))² has the faithful interaction indices of order k of v as its Moebius
    coefficients (Tsai, Yeh and Ravikumar 2023). With w(T) = 1 / (C(n, t) t (n - t)) and
    f(∅) = v(∅), f(N) = v(N) these are FSII, of order 1 the Shapley values (Charnes et al. 1988;
    Lundberg and Lee 2017), and kADD-SHAP is the SII of f; with w = 1 they are FBII, and BV and BII
    are those of f. Here the sum is over a sample of coalitions in pairs with their complements,
    each weighted by the inverse of the probability that it is in. f is written in parities, so the
    fit falls into one of half differences and one of half sums, with a row a pair. Efficiency is
    not a heavy row but a projection: it holds to rounding.

    Parameters
    ----------
    sampling : "leverage" or "kernel"
        The law of sizes: as their leverage scores in the regression, which for order 1 are all
        the same (Musco and Witter 2025), or as the weights w.
    degree : int, optional
        The most players of an interaction of f, by default the order. A larger one fits the game
        better but takes a larger budget; the values are the same in the limit.

    Notes
    -----
    Standard errors are of the linearised estimate under the sampling design: strata of sizes,
    without replacement, residuals corrected for the leverage of their row; the bias of the fit is
    in them. A value that the
    sample does not determine has the standard error inf.
    """

    sampling: str = "leverage"
    degree: int | None = None

    def __post_init__(self) -> None:
        if self.sampling not in ("leverage", "kernel"):
            raise InputError(f'sampling must be "leverage" or "kernel", not {self.sampling!r}')
        if self.degree is not None:
            check_integer(self.degree, "degree", 1)

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.name in _SHAPLEY + _BANZHAF

    def _degree(self, n_players: int, order: int) -> int:
        return min(n_players, order if self.degree is None else max(order, self.degree))

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        degree = self._degree(n_players, order)
        fixed = spec.name in _SHAPLEY
        counts = [
            sum(sets.n_interactions(n_players, size, size) for size in range(parity, degree + 1, 2))
            for parity in ((1,) if degree == 1 and fixed else (0, 1))
        ]
        return 2 + 2 * (max(counts) - fixed + SPARE_ROWS)

    def _design(self, task: Task) -> PairedDesign:
        # Before the game is asked for anything.
        degree = self._degree(task.n_players, task.order)
        _check_size(sets.n_interactions(task.n_players, degree), task.n_players, degree)
        return _prepared(self, task)[0] if self._is_small(task) else self._drawn(task)

    def _drawn(self, task: Task) -> PairedDesign:
        degree, banzhaf = self._degree(task.n_players, task.order), task.spec.name in _BANZHAF
        if self.sampling == "leverage":
            return paired_design(task, leverage_law(task.n_players, degree, banzhaf))
        return paired_design(task, kernel_law(task.n_players, banzhaf))

    def _is_small(self, task: Task) -> bool:
        """Whether the preparation is worth keeping for the next game."""
        degree = self._degree(task.n_players, task.order)
        return (
            sets.n_interactions(task.n_players, degree) <= _MOST_KEPT_TERMS
            and task.budget * task.n_players <= _MOST_KEPT_BITS
        )

    def _fits(self, task: Task, design: PairedDesign) -> "Fits":
        n, degree = task.n_players, self._degree(task.n_players, task.order)
        banzhaf = task.spec.name in _BANZHAF
        words, counts, weights = design.words, design.counts, _weights(n, design, banzhaf)
        if banzhaf:
            # Here the empty and the full coalition are a pair like the others.
            counts, weights = np.append(1, counts), np.append(2.0 * 2.0**-n, weights)
        else:
            words = words[2:]
        halves = []
        for parity in (0, 1):
            terms = terms_of_parity(n, degree, parity)
            weight = readout(terms, task.spec, n, task.order)
            if weight.any():
                fit = ParityFit(words, 2, counts, weights, terms, not banzhaf)
                halves.append((parity, fit, weight))
        return Fits(counts, halves)

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        fits = _prepared(self, task)[1] if self._is_small(task) else self._fits(task, design)
        return self._solved(task, design, fits, worths)

    def _solved(self, task: Task, design: PairedDesign, fits: "Fits", worths: Matrix) -> Estimates:
        """The values, from the fits of a design."""
        banzhaf = task.spec.name in _BANZHAF
        rows = worths if banzhaf else worths[2:]
        half = worths[1] / 2
        parts = []
        for parity, fit, weight in fits.halves:
            # Half differences are seen by the odd sets, half sums by the even ones.
            target = (rows[::2] - rows[1::2] if parity else rows[::2] + rows[1::2]) / 2
            total = None if banzhaf else -half if parity else half
            parts.append(Part(fit, weight, target, total))
        values = np.sum([part.values for part in parts], axis=0)
        error = linearised_error(parts, design, fits.counts)
        for part in parts:
            error[part.fit.lost @ (part.readout != 0.0)] = np.inf
        constant = values[0] if task.spec.has_constant else None
        return Estimates(values[1:].T, error[1:].T, constant)


@dataclass(frozen=True, eq=False)
class Fits:
    """What follows from a task alone: pairs of each stratum, and (parity, fit, readout)."""

    counts: NDArray[np.int64]
    halves: list[tuple[int, ParityFit, Matrix]]


@lru_cache(maxsize=8)
def _prepared(estimator: KernelRegression, task: Task) -> tuple[PairedDesign, Fits]:
    """Design and fits of a task, kept: rows explained in a call each share them all the same."""
    design = estimator._drawn(task)
    return design, estimator._fits(task, design)


class Part:
    """The fit of the odd, or of the even, half of the worths."""

    def __init__(self, fit: ParityFit, readout: Matrix, targets: Matrix, total: Matrix | None):
        self.fit = fit
        self.readout = readout
        self.targets = targets
        self.coefficients = fit.coefficients(targets, total)
        self.values = readout.T @ self.coefficients
        # Most values are read from one coefficient: what a row does to them stands in the product
        # that gives its leverage. The others are columns beside.
        mixed = np.flatnonzero((readout != 0.0).sum(axis=0) > 1)
        self._seen = np.hstack([fit.inverse, fit.inverse @ readout[:, mixed]])
        self._columns = np.abs(readout).argmax(axis=0)
        self._scale = readout[self._columns, np.arange(readout.shape[1])]
        self._columns[mixed] = len(fit.terms) + np.arange(len(mixed))
        self._scale[mixed] = 1.0

    def block(self, start: int, stop: int) -> tuple[Matrix, Matrix, Matrix]:
        """What each row's residual does to the values, and the residuals, of some rows.

        The residuals are what they would be if the row had not been there. Last, how far the row
        took the fit towards itself.
        """
        rows = self.fit.parities(start, stop)
        weights = self.fit.weights[start:stop, None]
        seen = rows @ self._seen
        leverage = weights[:, 0] * np.einsum("ij,ij->i", seen[:, : rows.shape[1]], rows)
        residuals = self.targets[start:stop] - rows @ self.coefficients
        residuals /= np.maximum(1.0 - leverage, 1e-9)[:, None]
        influence: Matrix = np.take(seen, self._columns, axis=1)
        influence *= weights
        influence *= self._scale
        return influence, residuals, residuals * leverage[:, None]


def linearised_error(parts: list[Part], design: PairedDesign, counts: NDArray[np.int64]) -> Matrix:
    """Standard errors, shape (1 + n_interactions, n_games), from residuals within each stratum."""
    # A pair of the empty and the full coalition, if there is one, is sure.
    missing = np.append(np.zeros(len(counts) - len(design.counts)), design.missing)
    ends = np.cumsum(counts)
    variance, total, squares, bias = (np.zeros_like(parts[0].values) for _ in range(4))
    step = min(part.fit.block_rows for part in parts)
    for start in range(0, int(counts.sum()), step):
        stop = min(start + step, int(ends[-1]))
        first, last = np.searchsorted(ends, [start, stop - 1], side="right").tolist()
        if not missing[first : last + 1].any():
            continue
        blocks = [part.block(start, stop) for part in parts]
        for at in range(first, last + 1):
            if missing[at] == 0.0 or counts[at] == 0:
                continue
            here = slice(max(int(ends[at] - counts[at]), start) - start, int(ends[at]) - start)
            some = [tuple(part[here] for part in block) for block in blocks]
            for k, (influence, residuals, taken) in enumerate(some):
                # Both at once: it is the influence that is large.
                sums, pull = np.split(influence.T @ np.hstack([residuals, taken]), 2, axis=1)
                total += sums
                bias += missing[at] * pull
                squares += (influence**2).T @ residuals**2
                for other, its, _ in some[:k]:
                    squares += 2 * (influence * other).T @ (residuals * its)
            if ends[at] > stop:
                continue
            if counts[at] > 1:
                squares = (squares - total**2 / counts[at]) * (counts[at] / (counts[at] - 1))
            variance += missing[at] * squares
            total, squares = np.zeros_like(total), np.zeros_like(squares)
    # Where rows pull the fit to one side it is biased, by what the jackknife (Quenouille 1956)
    # says; in games that the sizes decide that can be more than what varies.
    error: Matrix = np.hypot(np.sqrt(np.maximum(variance, 0.0)), bias)
    return error


def _weights(n_players: int, design: PairedDesign, banzhaf: bool) -> Matrix:
    """The weight of each stratum's pairs: the kernel, over the probability that they are in."""
    both = np.log(np.where(2 * design.sizes == n_players, 1.0, 2.0))
    # Number of coalitions times kernel over the number of those that are in.
    log_total = np.array([log_kernel(n_players, t, banzhaf) for t in design.sizes.tolist()])
    with np.errstate(divide="ignore"):
        weights = np.exp(log_total + both - np.log(design.expected))
    return np.where(design.counts > 0, weights, 0.0)


def _check_size(n_terms: int, n_players: int, degree: int) -> None:
    check_memory(
        # Both parities together, with what inverts and reads them.
        3 * 8 * n_terms**2,
        f"a regression on {human_count(n_terms)} interactions of up to {degree} of {n_players} "
        "players",
        "Ask for a lower order or degree, or use another estimator",
    )
