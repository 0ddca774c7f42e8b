"""Maximum sample reuse: every coalition adds to every interaction, for any index and order."""

from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .. import indices
from ..arrays import is_one_of
from ..errors import InputError
from ..indices import IndexSpec
from ..indices.tables import exact_moments, exact_weights
from ..threads import row_blocks
from .base import Design, Estimates, Estimator, Task
from .incidence import sums_by_meeting
from .pairs import (
    PairedDesign,
    StratifiedDesign,
    degrees_of_draws,
    paired_design,
    sized_design,
)
from .parity import ParityFit, terms_of_parity
from .registry import register

Matrix = NDArray[np.float64]

# Numbers in a work array: for so many, games are taken apart.
_CELLS = 1 << 23
# Draws that the mean variance of a size counts for, beside the draws there are.
_STEADY = 20


@register
@dataclass(frozen=True)
class SampleReuse(Estimator):
    """Values of any index and order as weighted sums of the sampled worths.

    Every index is I(S) = Σ_T γ(|T|, |T ∩ S|) v(T) (Fumagalli et al. 2023, SHAP-IQ, Theorem 4.1);
    a sample gives the sum of γ v(T) / π_T, π_T the probability that T is in (Horvitz and Thompson
    1952). A control f, of which the values are known, is subtracted from v before and its values
    are added after, so that only what f does not explain is sampled.

    Sizes are drawn in proportion to the root mean square of their γ over all interactions, which
    is best where v - f varies alike on all sizes; so weighted Banzhaf and beta-Shapley values
    get samples of their own sizes. For indices that treat sizes t and n - t alike, coalitions
    come in pairs with their complements.

    Parameters
    ----------
    control : "linear", None, or a game that knows its values
        "linear" fits an additive game to the same sample, by ridge regression (its bias is of the
        order of 1 / m and vanishes with all coalitions); None subtracts v(∅) alone; or an object
        with ``control(coalitions)`` and ``control.exact(index, order)``, such as one of
        ``shapley_core.games``, which keeps the estimate unbiased.

    Notes
    -----
    Standard errors are those of the sampling design: strata of sizes, without replacement.
    """

    control: Any = "linear"

    def __post_init__(self) -> None:
        known = callable(self.control) and hasattr(self.control, "exact")
        if self.control is not None and not known and not is_one_of(self.control, ("linear",)):
            raise InputError(
                'control must be "linear", None, or a game with exact(index, order), not '
                f"{self.control!r}"
            )

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return True

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        # Two draws a size on average: with one there is no variance to see.
        return 2 * n_players + 2

    def sees_all(self, task: Task) -> bool:
        """Whether the budget pays all coalitions that the index asks for: values are exact."""
        n, left = task.n_players, task.budget - 2
        if task.budget < self._least_budget(n, task.spec, task.order):
            return False
        for t in np.flatnonzero(size_law(task.spec, n, task.order)) + 1:
            left -= comb(n, int(t))
            if left < 0:
                return False
        return True

    def _design(self, task: Task) -> StratifiedDesign:
        law = size_law(task.spec, task.n_players, task.order)
        with np.errstate(divide="ignore"):
            if np.allclose(law, law[::-1], rtol=1e-9, atol=0.0):
                return paired_design(task, np.log(law[: task.n_players // 2]))
            return sized_design(task, np.log(law))

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, StratifiedDesign)
        n, spec, order = task.n_players, task.spec, task.order
        sizes = range(0 if spec.has_constant else 1, order + 1)
        if self.control == "linear":
            coefficients, residuals, outside = _linear_fit(task, design, worths)
            known = [_of_linear(spec, n, size, order, coefficients) for size in sizes]
        elif self.control is None:
            residuals = outside = worths
            known = [np.zeros((comb(n, size), worths.shape[1])) for size in sizes]
        else:
            fitted, known = self._given(task, design, sizes)
            residuals = outside = worths - fitted
        values, variance = [], []
        for size, own in zip(sizes, known, strict=True):
            found, spread, degrees = _sums(task, design, size, residuals, outside)
            values.append(own.T + found)
            variance.append(steadied(spread, degrees[:, None]))
        every, error = np.hstack(values), np.sqrt(np.maximum(np.hstack(variance), 0.0))
        start = 1 - sizes[0]
        return Estimates(every[:, start:], error[:, start:], every[:, 0] if start else None)

    def _given(
        self, task: Task, design: StratifiedDesign, sizes: range
    ) -> tuple[Matrix, list[Matrix]]:
        """Worths less that of ∅, and values by size, of the control that is given."""
        n = task.n_players
        if self.control.n_players != n:
            raise InputError(f"control has {self.control.n_players} players, the game {n}")
        worths = np.asarray(self.control(sets.unpack(design.words, n)), dtype=np.float64)
        exact = self.control.exact(task.spec.name, task.order)
        own = exact.baseline - worths[0]
        known = [
            exact.values[exact.interaction_set.slice_of(size)][:, None]
            if size
            else np.array([[own]])
            for size in sizes
        ]
        return worths[:, None] - worths[0], known


def _sums(
    task: Task, design: StratifiedDesign, size: int, residuals: Matrix, outside: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    """The sampled part of the values of a size, and their variance: (n_games, n_values) each.

    From residuals, of shape (m, n_games); the variance from those of fits without the own draw.
    With it come its degrees of freedom, shape (n_games,).
    """
    n, n_games = task.n_players, residuals.shape[1]
    gains = scaled_weights(task.spec, n, size, task.order)
    # The empty and the full coalition: their γ as it is.
    values = np.outer(residuals[0], np.full(comb(n, size), gains[0, 0]))
    values += gains[n, size] * residuals[1][:, None]
    variance, degrees = np.zeros_like(values), np.ones(n_games)
    step = 2 if isinstance(design, PairedDesign) else 1
    words = design.words[2:]
    each = max(comb(n, size), (size + 1) * len(residuals))
    for start, stop in row_blocks(n_games, max(1, _CELLS // each)):
        some = slice(start, stop)
        draws = _counted(task, design, gains, residuals[:, some])
        values[some] += sums_by_meeting(words, step, n, draws).T
        if outside is not residuals:
            draws = _counted(task, design, gains, outside[:, some])
        degrees[some] = degrees_of_draws(design, n, draws)
        stop_row = 0
        for count, missing in zip(design.counts.tolist(), design.missing.tolist(), strict=True):
            first, stop_row = stop_row, stop_row + count
            if count == 0 or missing == 0.0:
                continue
            here = draws[first:stop_row]
            both = np.concatenate([here, here**2], axis=2)
            both = sums_by_meeting(words[step * first :], step, n, both)
            total, squares = np.split(both.T, 2)
            if count > 1:
                squares = (squares - total**2 / count) * (count / (count - 1.0))
            variance[some] += missing * squares
    return values, variance, degrees


def _counted(task: Task, design: StratifiedDesign, gains: Matrix, worths: Matrix) -> Matrix:
    """What each draw adds to the value of an S that its coalition meets in r players.

    Its worths times γ over the probability to be in, shape (n_draws, s + 1, n_games).
    """
    n, rows = task.n_players, worths[2:]
    with np.errstate(divide="ignore"):
        chance = np.where(design.expected > 0.0, 1.0 / design.expected, 0.0)
    here = gains[design.sizes] * chance[:, None]
    if not isinstance(design, PairedDesign):
        return np.asarray(here[design.strata][:, :, None] * rows[:, None])
    # Of the middle size a pair is both of its coalitions, elsewhere they are of two sizes.
    share = np.where(2 * design.sizes == n, 0.5, 1.0)[:, None]
    there = gains[n - design.sizes, ::-1] * chance[:, None]
    out: Matrix = (share * here)[design.strata][:, :, None] * rows[0::2, None]
    out += (share * there)[design.strata][:, :, None] * rows[1::2, None]
    return out


def steadied(variance: Matrix, draws: Any) -> Matrix:
    """Variances drawn towards the mean of their size, as if a few draws more had shown that.

    From few draws a variance is itself uncertain, and where it comes out small by chance the
    interval misses the value.

    Parameters
    ----------
    variance : array of shape (n_games, n_values)
    draws : float or array of shape (n_games, 1)
        How many draws have shown each.
    """
    own = draws / (draws + _STEADY)
    steadied: Matrix = own * variance + (1.0 - own) * variance.mean(axis=1, keepdims=True)
    return steadied


def scaled_weights(spec: IndexSpec, n_players: int, size: int, order: int) -> Matrix:
    """C(n, t) γ(t, r), shape (n + 1, s + 1): numbers of moderate size, for any n.

    With q_t = C(n-s, t) p_t, γ(t, r) is ± q_(t-r) / C(n-s, t-r) (derivative family), and the
    binomials leave n .. (n-s+1) / (t .. (t-r+1) (n-t) .. (n-t-s+r+1)).
    """
    n, s = n_players, size
    q = indices.size_weights(spec, n, s, order)
    if s == 0:
        q = np.array(
            [float(comb(n, t) * p) for t, p in enumerate(exact_weights(spec, n, 0, order))]
        )
    out = np.zeros((n + 1, s + 1))
    t = np.arange(n + 1, dtype=np.float64)
    for r in range(s + 1):
        ratio = np.ones(n + 1)
        for k in range(s):
            below = t - k if k < r else n - t - (k - r)
            ratio *= (n - k) / np.where(below > 0, below, np.inf)
        if spec.family == "generalised":
            if r == s:
                out[s:, r] += q * ratio[s:]
            if r == 0:
                out[: n - s + 1, 0] -= q * ratio[: n - s + 1]
        else:
            sign = 1.0 if (s - r) % 2 == 0 else -1.0
            out[r : n - s + r + 1, r] = sign * q * ratio[r : n - s + r + 1]
    return out


@lru_cache(maxsize=64)
def size_law(spec: IndexSpec, n_players: int, order: int) -> NDArray[np.float64]:
    """C(n, t) times the root mean square of γ over S and T, for the sizes t = 1 .. n - 1."""
    n = n_players
    t = np.arange(n + 1, dtype=np.float64)
    total = np.zeros(n + 1)
    for size in range(1, order + 1):
        gains = scaled_weights(spec, n, size, order)
        for r in range(size + 1):
            # The probability that a T of size t meets S in r players.
            meets = np.full(n + 1, float(comb(size, r)))
            for k in range(size):
                meets *= np.maximum(t - k if k < r else n - t - (k - r), 0.0) / (n - k)
            total += comb(n, size) * meets * gains[:, r] ** 2
    law: NDArray[np.float64] = np.sqrt(total[1:-1])
    law.flags.writeable = False
    return law


def _linear_fit(
    task: Task, design: StratifiedDesign, worths: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    """An additive game, shape (1 + n, n_games): its worth of ∅ and what each player adds.

    And what it leaves of the worths, and what the fits without the own draw leave. Draws
    weigh as they do in the variance of the values; the ridge, towards equal shares, keeps the fit
    defined when there are few.
    """
    n, words = task.n_players, design.words[2:]
    share = worths[1] / n
    sizes = np.repeat(design.sizes, design.counts).astype(np.float64)
    law = size_law(task.spec, n, task.order)[design.sizes - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.nan_to_num(design.missing * (law / design.expected) ** 2)
    weights = np.where(design.counts > 0, weights, 0.0)
    weights /= max(weights.max(initial=0.0), 1e-300)
    used = max(int(design.counts[weights > 0].sum()), 1)
    ridge = 0.1 * ((n + 1) / used) ** 4
    both = [terms_of_parity(n, 1, parity) for parity in (0, 1)]
    residuals, outside = np.zeros_like(worths), np.zeros_like(worths)
    if isinstance(design, PairedDesign):
        # The constant sees the half sums, the players the half differences.
        even, odd = (worths[2::2] + worths[3::2]) / 2, (worths[2::2] - worths[3::2]) / 2
        targets = [even - worths[1] / 2, odd - (sizes - n / 2)[:, None] * share]
        fits = [ParityFit(words, 2, design.counts, weights, one, False, ridge) for one in both]
        parts = [fit.coefficients(y) for fit, y in zip(fits, targets, strict=True)]
        left = [fit.residuals(b, y) for fit, b, y in zip(fits, parts, targets, strict=True)]
        for out, evens, odds in zip((residuals, outside), *left, strict=True):
            out[2::2], out[3::2] = evens + odds, evens - odds
        found = np.vstack(parts)
    else:
        fit = ParityFit(words, 1, design.counts, weights, np.concatenate(both), False, ridge)
        target = worths[2:] - sizes[:, None] * share
        found = fit.coefficients(target)
        residuals[2:], outside[2:] = fit.residuals(found, target)
    # Of ∅ and of N.
    residuals[0] = -found.sum(axis=0)
    residuals[1] = found[1:].sum(axis=0) - found[0]
    # f = b_∅ + Σ b_i (1 - 2 z_i), beside the equal shares.
    coefficients = np.vstack([found.sum(axis=0), share - 2.0 * found[1:]])
    return coefficients, residuals, outside


def _of_linear(
    spec: IndexSpec, n_players: int, size: int, order: int, coefficients: Matrix
) -> Matrix:
    """Values of an additive game, shape (n_values, n_games)."""
    n_games = coefficients.shape[1]
    constant, adds = coefficients[0], coefficients[1:]
    moments = exact_moments(spec, n_players, size, order, 2 if size == 0 else 1)
    if size == 0:
        found: Matrix = float(moments[0]) * constant + float(moments[1]) * adds.sum(axis=0)
        return found[None]
    members = sets.interactions_of_size(n_players, size)
    if spec.family == "generalised" or size == 1:
        found = float(moments[0]) * adds[members].sum(axis=1)
        return found
    return np.zeros((len(members), n_games))
