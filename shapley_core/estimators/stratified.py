"""SVARM and SVARM-IQ: means over strata of coalitions by size and intersection."""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from ..indices import IndexSpec
from .base import Design, Estimates, Estimator, Task, estimates_of_sizes
from .incidence import meeting_chances, subset_ranks, superset_sums
from .pairs import PairedDesign, paired_design
from .registry import register
from .replicates import degrees_of_sum, error_of_sum
from .sums import PRIOR, Matrix, Pairs, horvitz_thompson, log_law, pair_weights, pairs_of

# A size is cut into strata by intersection if the least of them may expect so many pairs.
_LEAST_EXPECTED = 4.0
# Makes the coalitions of one player, and of all but one, come first.
_BORDER = 60.0


@register
@dataclass(frozen=True)
class SVARM(Estimator):
    """Each evaluated coalition updates one stratum mean of every interaction.

    I(S) is a weighted sum of the mean worths of the strata of coalitions T with |T| = u and
    T ∩ S = W, for order 1 SVARM (Kolpaczki, Bengs, Muschalik and Hüllermeier 2024, stratified
    version), beyond it SVARM-IQ (Kolpaczki, Muschalik, Fumagalli, Hammer and Hüllermeier 2024).
    The coalitions of one player and of all but one are evaluated all. Others are drawn in pairs
    with their complements, without replacement, and shared by all interactions. A size of which
    there are too few pairs to fill its strata is summed up as one.

    Parameters
    ----------
    control : bool
        Whether an additive game fitted to the worths is subtracted before, and its values added.
        It takes most of the variance; the papers do without.

    Notes
    -----
    Standard errors come from the variance within the strata.
    """

    control: bool = True

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return not spec.has_constant

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        # Two pairs of each size, and for the control variate a few more than players.
        return 2 + 2 * max(n_players + 2 * (n_players // 2 - 1), 5)

    def _design(self, task: Task) -> Design:
        law = log_law(task)
        if len(law):
            law[0] = law.max() + _BORDER
        return paired_design(task, law)

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        pairs = pairs_of(task, design, worths, self.control)
        parts = []
        for size in range(1, task.order + 1):
            cut = _cut(design, task.n_players, size)
            value, variance, degrees = horvitz_thompson(pairs, size, ~cut)
            value += pairs.known(size)
            within = np.zeros_like(variance)
            for stratum in np.flatnonzero(cut):
                mean, spread = _by_intersection(pairs, size, int(stratum))
                value += mean
                within += spread
            if cut.any() and np.isfinite(variance).all():
                # Every cut size has some pairs for each mean: no fewer degrees than these.
                of_cut = np.full_like(degrees, design.counts[cut].sum() / 2.0**size)
                both = np.stack([variance, within])
                degrees = degrees_of_sum(both, np.stack([degrees, of_cut]))
            variance = variance + within
            parts.append((value, error_of_sum(variance, degrees, PRIOR)))
        return estimates_of_sizes(parts)


def _cut(design: PairedDesign, n_players: int, size: int) -> NDArray[np.bool_]:
    """Which sizes have pairs enough for strata by intersection."""
    chances = meeting_chances(n_players, size)[design.sizes]
    least = np.where(chances > 0, chances, 1.0).min(axis=1)
    enough: NDArray[np.bool_] = design.counts * least >= _LEAST_EXPECTED
    return enough & ~design.complete


def _by_intersection(pairs: Pairs, size: int, stratum: int) -> tuple[Matrix, Matrix]:
    """What the coalitions of a size and their complements add to I(S), and its variance."""
    design, n = pairs.design, pairs.task.n_players
    rows = np.flatnonzero(design.strata == stratum)
    words, first, second = design.words[2 + 2 * rows], pairs.first[rows], pairs.second[rows]
    middle = 2 * design.sizes[stratum] == n
    if middle:
        # Either coalition of a pair may be called the first; strata are of both ways.
        words = np.concatenate([words, design.words[3 + 2 * rows]])
        first, second = np.concatenate([first, second]), np.concatenate([second, first])
    columns = np.concatenate(
        [np.ones((len(words), 1)), first, second, first**2, first * second, second**2], axis=1
    )
    by_set = _sums_by_intersection(n, size, superset_sums(words, 1, n, [columns] * (size + 1)))
    weights = [weight[stratum] for weight in pair_weights(pairs, size)]
    chances = meeting_chances(n, size)[design.sizes[stratum]]
    shape = (by_set.shape[1], first.shape[1])
    value, variance = np.zeros(shape), np.zeros(shape)
    total, squares = np.zeros(shape), np.zeros(shape)
    empty = np.zeros((shape[0], 1), dtype=np.bool_)
    for held, sums in enumerate(by_set):
        r = held.bit_count()
        if chances[r] == 0:
            continue
        a, b = weights[0][r], weights[1][r]
        count = np.rint(sums[:, :1])
        one, two, one_one, one_two, two_two = np.split(sums[:, 1:], 5, axis=1)
        here = a * one + b * two
        square = a**2 * one_one + 2 * a * b * one_two + b**2 * two_two
        mean = here / np.maximum(count, 1.0)
        spread = np.maximum(square - mean * here, 0.0) / np.maximum(count - 1.0, 1.0)
        value += chances[r] * mean
        variance += chances[r] ** 2 * spread / np.maximum(count, 1.0)
        total += here
        squares += square
        empty |= count < 2
    # Where by chance a stratum has no two pairs, the size is one stratum.
    n_rows = len(words)
    plain = np.maximum(squares - total**2 / n_rows, 0.0) / (n_rows - 1) / n_rows
    value = np.where(empty, total / n_rows, value)
    # Each pair of the middle size was counted twice.
    variance = np.where(empty, plain, variance) * (2.0 if middle else 1.0)
    return value, variance * design.missing[stratum]


def _sums_by_intersection(n_players: int, size: int, by_level: list[Matrix]) -> Matrix:
    """Sums over the rows that meet S in exactly W, shape (2^s, C(n, s), k), W by its bits."""
    out = np.empty((1 << size, comb(n_players, size), by_level[0].shape[1]))
    for places, ranks in subset_ranks(n_players, size):
        out[sum(1 << place for place in places)] = by_level[len(places)][ranks]
    for bit in range(size):
        for held in range(1 << size):
            if not held >> bit & 1:
                out[held] -= out[held | 1 << bit]
    return out
