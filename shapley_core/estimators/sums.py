"""Sums over a sample of pairs of coalitions that stand for the sums over all of them."""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .base import Task
from .control import Control, fit_control
from .incidence import meeting_chances, sums_by_meeting
from .pairs import PairedDesign, degrees_of_draws
from .reuse import scaled_weights, size_law

Matrix = NDArray[np.float64]

# Neighbouring sizes are put together until there are so few groups, for their common mean.
_GROUPS = 8
# Degrees of freedom of the mean variance of all values. Each pair tells of all of them, so what is
# hardly known of one value, as the coalitions that it hangs on are not in, is known on average.
PRIOR = 8


@dataclass(frozen=True, eq=False)
class Pairs:
    """A sample of pairs of coalitions with what they are worth beyond what is known.

    Attributes
    ----------
    task, design
        What is asked, and the design.
    grand : array of shape (n_games,)
        v(N) - v(∅).
    first, second : arrays of shape (n_pairs, n_games)
        Worths of the first coalition and of its complement less v(∅), and of sizes that are not
        complete less the control variate.
    control : Control or None
        The control variate.
    """

    task: Task
    design: PairedDesign
    grand: Matrix
    first: Matrix
    second: Matrix
    control: Control | None

    def known(self, size: int) -> Matrix:
        """What N and the control variate add to the values of one size, (C(n, s), n_games)."""
        task, n = self.task, self.task.n_players
        weight = scaled_weights(task.spec, n, size, task.order)[n, size]
        out: Matrix = np.tile(weight * self.grand, (comb(n, size), 1))
        if self.control is not None:
            out += self.control.values(task.spec, size, task.order)
        return out


def pairs_of(task: Task, design: PairedDesign, worths: Matrix, controlled: bool) -> Pairs:
    """The pairs of a design, less a control variate if that is wanted and of use."""
    grand, first, second = worths[1], worths[2::2], worths[3::2]
    control = None
    if controlled and not design.complete.all():
        inside = sets.unpack(design.words[2::2], task.n_players)
        control = fit_control(design, inside, grand, first, second)
        first, second = control.residuals(inside, first, second)
    return Pairs(task, design, grand, first, second, control)


def log_law(task: Task) -> Matrix:
    """Logarithms of the weights of the sizes 1 .. n/2: how much their coalitions count."""
    law = size_law(task.spec, task.n_players, task.order)
    # A pair of sizes counts as its two members do, but for the middle size, which is both.
    both = (law**2 + law[::-1] ** 2)[: task.n_players // 2]
    with np.errstate(divide="ignore"):
        logarithms: Matrix = np.log(both) / 2
    return logarithms


def pair_weights(pairs: Pairs, size: int) -> tuple[Matrix, Matrix]:
    """What the two coalitions of a pair count if it stands for its stratum, by stratum and r.

    Both of shape (n_strata, s + 1), r being the players of S in the first coalition.
    """
    task, sizes, n = pairs.task, pairs.design.sizes, pairs.task.n_players
    scaled = scaled_weights(task.spec, n, size, task.order)
    # Of the middle size a pair is both of its coalitions, elsewhere they are of two sizes.
    share = np.where(2 * sizes == n, 0.5, 1.0)[:, None]
    return scaled[sizes] * share, scaled[n - sizes, ::-1] * share


def horvitz_thompson(
    pairs: Pairs, size: int, strata: NDArray[np.bool_] | None = None
) -> tuple[Matrix, Matrix, Matrix]:
    """Sums over pairs, each over the probability that it is in, for each S of one size.

    Parameters
    ----------
    pairs : Pairs
        The sample.
    size : int
        Size of the interactions.
    strata : bool array of shape (n_strata,), optional
        Which sizes to take, by default all.

    Returns
    -------
    values, variances : arrays of shape (C(n, s), n_games)
        Sums and estimates of their variance, infinite where less than two pairs tell of it.
    degrees : array of shape (n_games,)
        Degrees of freedom of the variances.
    """
    design, n = pairs.design, pairs.task.n_players
    rows = np.arange(design.n_pairs)
    if strata is not None:
        rows = np.flatnonzero(strata[design.strata])
    of = design.strata[rows]
    words, first, second = design.words[2 + 2 * rows], pairs.first[rows], pairs.second[rows]
    chance = 1.0 / np.maximum(design.expected, 1e-300)[:, None]
    by_first, by_second = (weights * chance for weights in pair_weights(pairs, size))
    # What a pair counts, by the number of its players of S; (pairs, s + 1, games).
    counts = by_first[of][:, :, None] * first[:, None]
    counts += by_second[of][:, :, None] * second[:, None]
    value = sums_by_meeting(words, 1, n, counts)
    variance = np.zeros_like(value)
    missing = design.missing[of][:, None, None]
    for group in _groups(of, design.complete[of]):
        here, left = counts[group], missing[group]
        columns = np.concatenate([here, left * here, left * here**2], axis=2)
        total, partly, squares = np.split(sums_by_meeting(words[group], 1, n, columns), 3, axis=1)
        if len(group) == 1:
            # As of draws by chance, each for itself: there is no mean to take off.
            variance += squares
            continue
        mean = total / len(group)
        spread = squares - 2 * mean * partly + mean**2 * left.sum()
        variance += np.maximum(spread, 0.0) * len(group) / (len(group) - 1)
    counting = (by_first != 0.0) | (by_second != 0.0)
    if _is_open(design, counting, size, n):
        variance[:] = np.inf
    return value, variance, degrees_of_draws(design, n, counts, rows)


def _is_open(design: PairedDesign, counting: NDArray[np.bool_], size: int, n_players: int) -> bool:
    """Whether sizes that count are open, and so few of their pairs are in that none can vary."""
    if design.counts[~design.complete].sum() > 1:
        return False
    meets = meeting_chances(n_players, size)[design.sizes] > 0.0
    counts = (meets & counting).any(axis=1)
    return bool((counts & ~design.complete).any())


def _groups(strata: NDArray[np.int64], complete: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Pairs of neighbouring incomplete sizes, in groups of some size."""
    open_pairs = np.flatnonzero(~complete)
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
