"""Joint Shapley values, and other values of players who join as a block, by sampling."""

from dataclasses import dataclass

from ..indices import IndexSpec
from .base import Design, Estimates, Estimator, Task, estimates_of_sizes
from .pairs import PairedDesign, paired_design
from .registry import register
from .replicates import error_of_sum
from .sums import PRIOR, Matrix, horvitz_thompson, log_law, pairs_of


@register
@dataclass(frozen=True)
class JointSampling(Estimator):
    """Every evaluated coalition serves every value, after an additive game is subtracted.

    A value is a sum over coalitions, φ_T = Σ_U γ_T(U) v(U), for joint Shapley values with
    γ_T(U) = q_(u-t) [T ⊆ U] - q_u [T ∩ U = ∅] (Harris, Pymar and Rowat 2022, Theorem 1). Pairs of
    coalitions are drawn without replacement; each counts γ_T(U) over its probability to be in
    (Horvitz and Thompson 1952). What is summed is not v but v - f, with f an additive game (and a
    term by size) fitted to it, whose own values are known and added. Each fifth of the pairs
    meets an f that was fitted to the others, so the fit costs no bias, but for its penalty: one
    for all fifths, by how all of them are met. Measured, that is a twentieth of a standard
    deviation or so; ``control=False`` is unbiased.

    Parameters
    ----------
    control : bool
        Whether to subtract an f at all.

    Notes
    -----
    Standard errors are those of the Horvitz-Thompson sum, with the finite-population correction
    of each size, and ``inf`` where less than two pairs of sizes that are open are in. Joint Shapley
    values sum to v(N) - v(∅) exactly.
    """

    control: bool = True

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.family == "generalised"

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return 2 + 2 * max(n_players, 5)

    def _design(self, task: Task) -> Design:
        return paired_design(task, log_law(task))

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        pairs = pairs_of(task, design, worths, self.control)
        parts = []
        for size in range(1, task.order + 1):
            value, variance, degrees = horvitz_thompson(pairs, size)
            parts.append((value + pairs.known(size), error_of_sum(variance, degrees, PRIOR)))
        return estimates_of_sizes(parts)
