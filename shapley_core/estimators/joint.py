"""Joint Shapley values, and other values of players who join as a block, by sampling."""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..indices import IndexSpec
from .base import Design, Estimates, Estimator, Task
from .control import fit_control
from .incidence import (
    meeting_chances,
    size_scaled_weights,
    sums_over_subsets,
    superset_sums,
)
from .pairs import PairedDesign, paired_design
from .registry import register
from .replicates import effective_number, error_of_sum

Matrix = NDArray[np.float64]

# Neighbouring sizes are put together until there are so few groups, for their common mean.
_GROUPS = 8


@register
@dataclass(frozen=True)
class JointSampling(Estimator):
    """Every evaluated coalition serves every value, after an additive game is subtracted.

    A value is a sum over coalitions, φ_T = Σ_U γ_T(U) v(U), for joint Shapley values with
    γ_T(U) = q_(u-t) [T ⊆ U] - q_u [T ∩ U = ∅] (Harris, Pymar and Rowat 2022, Theorem 1). Pairs of
    coalitions are drawn without replacement; each counts γ_T(U) over its probability to be in
    (Horvitz and Thompson 1952). What is summed is not v but v - f, with f an additive game (and a
    term by size) fitted to it, whose own values are known and added. Each fifth of the pairs
    meets an f that was fitted to the others, so the fit costs no bias.

    Parameters
    ----------
    control : bool
        Whether to subtract an f at all.

    Notes
    -----
    Standard errors are those of the Horvitz-Thompson sum, with the finite-population correction
    of each size. Joint Shapley values sum to v(N) - v(∅) exactly.
    """

    control: bool = True

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.family == "generalised"

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return 2 + 2 * max(n_players, 5)

    def _design(self, task: Task) -> Design:
        return paired_design(task, log_law(task, self.control))

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        n = task.n_players
        inside = sets.unpack(design.words[2::2], n).astype(np.float64)
        grand, first, second = worths[1], worths[2::2], worths[3::2]
        sampled = np.zeros(n + 1, dtype=np.bool_)
        sampled[design.sizes[~design.complete]] = True
        sampled[n - design.sizes[~design.complete]] = True
        control = None
        if self.control and sampled.any():
            control = fit_control(design, inside, grand, first, second)
            rest, other = control.residuals(inside, first, second)
            # Sizes that are complete need no help.
            known = design.complete[design.strata][:, None]
            first, second = np.where(known, first, rest), np.where(known, second, other)
        values, errors = [], []
        for size in range(1, task.order + 1):
            value, variance, degrees = _sums(task, design, inside, first, second, size)
            value += size_scaled_weights(task.spec, n, size, task.order)[n, size] * grand
            if control is not None:
                value += control.values(task.spec, size, task.order, sampled)
            values.append(value)
            errors.append(error_of_sum(variance, degrees))
        return Estimates(np.concatenate(values).T.copy(), np.concatenate(errors).T.copy())


def _ways(size: int) -> Matrix:
    """The number of sets of r out of the players of S, for r = 0 .. s."""
    return np.array([float(comb(size, r)) for r in range(size + 1)])


def log_law(task: Task, controlled: bool) -> Matrix:
    """Logarithms of the weights of the sizes 1 .. n/2: how much their coalitions count."""
    n = task.n_players
    square = np.zeros(n + 1)
    for size in range(1, task.order + 1):
        weights = size_scaled_weights(task.spec, n, size, task.order)
        count = sets.n_interactions(n, size, size)
        square += count * (weights**2 * meeting_chances(n, size) * _ways(size)).sum(axis=1)
    both = (square + square[::-1])[1 : n // 2 + 1]
    if controlled:
        # What is left of the game when the additive part is gone is small for few players.
        size_range = np.arange(1, n // 2 + 1)
        both = both * size_range * (n - size_range)
    with np.errstate(divide="ignore"):
        law: Matrix = np.log(both) / 2
    return law


def _sums(
    task: Task, design: PairedDesign, inside: Matrix, first: Matrix, second: Matrix, size: int
) -> tuple[Matrix, Matrix, Matrix]:
    """Horvitz-Thompson sums over the pairs, for each S of one size, and their variances.

    Also the degrees of freedom of these, for each game.
    """
    n = task.n_players
    scaled = size_scaled_weights(task.spec, n, size, task.order)
    # Of the middle size a pair is both of its coalitions, elsewhere they are of two sizes.
    share = np.where(2 * design.sizes == n, 0.5, 1.0) / np.maximum(design.expected, 1e-300)
    by_first = (scaled[design.sizes] * share[:, None])[design.strata]
    by_second = (scaled[n - design.sizes, ::-1] * share[:, None])[design.strata]
    # What a pair counts, by the number of its players of S; (pairs, s + 1, games).
    counts = by_first[:, :, None] * first[:, None] + by_second[:, :, None] * second[:, None]
    value = _by_interaction(n, inside, counts)
    variance = np.zeros_like(value)
    missing = design.missing[design.strata][:, None, None]
    for rows in _groups(design):
        here, left = counts[rows], missing[rows]
        columns = np.concatenate([here, left * here, left * here**2], axis=2)
        found = _by_interaction(n, inside[rows], columns)
        total, partly, squares = np.split(found, 3, axis=1)
        mean = total / len(rows)
        spread = squares - 2 * mean * partly + mean**2 * left.sum()
        variance += np.maximum(spread, 0.0) * len(rows) / max(1, len(rows) - 1)
    chances = meeting_chances(n, size)[design.sizes] * _ways(size)
    parts = (missing * chances[design.strata][:, :, None] * counts**2).sum(axis=1)
    return value, variance, effective_number(parts)


def _by_interaction(n_players: int, inside: Matrix, by_meeting: Matrix) -> Matrix:
    """Σ_j by_meeting[j, |S ∩ T_j|] for each S, from shape (pairs, s + 1, k) to (C(n, s), k)."""
    size = by_meeting.shape[1] - 1
    levels = []
    for _ in range(size + 1):
        levels.append(by_meeting[:, 0])
        by_meeting = np.diff(by_meeting, axis=1)
    return sums_over_subsets(n_players, size, superset_sums(inside, levels))


def _groups(design: PairedDesign) -> list[NDArray[np.intp]]:
    """Pairs of neighbouring incomplete sizes, in groups of some size."""
    strata = design.strata
    open_pairs = np.flatnonzero(~design.complete[strata])
    if not len(open_pairs):
        return []
    wanted = max(8, len(open_pairs) // _GROUPS)
    starts = np.flatnonzero(np.diff(strata[open_pairs], prepend=-1))
    cuts, last = [], 0
    for start in starts:
        if start - last >= wanted and len(open_pairs) - start >= wanted:
            cuts.append(int(start))
            last = int(start)
    return np.split(open_pairs, cuts)
