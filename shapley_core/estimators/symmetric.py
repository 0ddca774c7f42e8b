"""Values of many games as normal processes under which all players are alike: one factorisation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import sqrt
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..indices import IndexSpec
from ..threads import row_blocks
from .alike import Laws, agreeing_players, every_so_many
from .base import Design, Estimates, Estimator, Task
from .covariance import ODD
from .pairs import PairedDesign
from .posterior import blocks, parities_of
from .process_sizes import by_index
from .registry import register
from .regression import SPARE_ROWS, KernelRegression
from .reuse import SampleReuse

Matrix = NDArray[np.float64]
# Values of what is left of the worths.
Rest = Callable[[Matrix], Estimates]

# Pairs of one covariance matrix, at least and at most: as many times the terms that a regression
# would have, if these are not too many; and so many numbers that read values of the pairs.
_FEW_PAIRS, _MANY_PAIRS, _PAIRS_A_TERM, _MOST_TERMS = 512, 2048, 4, 256
_READOUT = 1 << 22
# Relative to the heaviest; what is lighter says nothing.
_LEAST_WEIGHT = 1e-12
# Numbers in a work array.
_CELLS = 1 << 22
# Bytes of matrices that are kept for the next games.
_MOST_KEPT = 1 << 26
# By how much variances are raised for each parameter that worths choose, n + 5, and each pair; and,
# times its square, for the share of all pairs that was seen: the smaller errors are, the more they
# are those of the laws themselves.
_UNCERTAIN, _SEEN = 1.0, 1.0


@register
@dataclass(frozen=True)
class SymmetricProcess(Estimator):
    """Values of many games at once, by an average over normal processes.

    Each game is held to be a draw from a normal process under which all players are alike: the
    covariance of two coalitions depends on the number d of players in which they differ alone,
    exp(-2 s d / n), with a variance of the terms of at most ``order`` players and one of each
    coalition by itself. There are four processes, from smooth games to noise and a regression,
    with parameters that are given. So the matrices that make values of worths follow from the
    design: they are factored once for all games, and a game costs a few matrix products,
    whatever the other games are. Its values are a mean over the processes, each weighted by how
    well it predicts pairs of worths, up to 64 of them, each from all the others.

    What a process does not explain of the worths that were seen counts as it is, so with all
    coalitions the values are exact. Beyond 512 pairs, or four for each player (or interaction, of
    up to 256) if that is more and at most 2048, the processes learn from so many of them and
    predict all, each from others; ``KernelRegression``, or ``SampleReuse`` where that does not give
    the index, estimates the values of what they leave. The values are an average of these and of
    those from these pairs alone, each by the inverse of its mean square standard error.

    Notes
    -----
    Leave-one-out errors as in Rasmussen and Williams, Gaussian Processes for Machine Learning
    (2006), 5.4.2; weights by their product, as in Yao et al. (2018), Using stacking to average
    Bayesian predictive distributions (pseudo-Bayes). Standard errors are those of the mixture of
    the posteriors, each scaled by its leave-one-out errors; where these are averaged with estimates
    of the rest, errors of the two are held to be correlated like means of a sample and of a part.
    """

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.family == "derivative"

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return 2 * n_players + 4

    def _design(self, task: Task) -> Design:
        return prepared(task).design

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        known = prepared(task)
        games = Games.of(worths)
        if known.rests:
            return _of_many_pairs(task, known, games, worths)
        return _of_mixtures(
            task, games, [Mixture.of(laws, games.part(at)) for at, laws in known.parts.items()]
        )


@dataclass(frozen=True, eq=False)
class Games:
    """Worths less v(∅) at pairs, and by what they are divided: their largest half difference."""

    first: Matrix
    second: Matrix
    scales: Matrix
    middle: Matrix

    @classmethod
    def of(cls, worths: Matrix) -> "Games":
        """From worths of shape (2 m, n_games)."""
        first, second = worths[0::2], worths[1::2]
        scales = np.abs(worths).max(axis=0)
        return cls(first, second, np.where(scales > 0.0, scales, 1.0), worths.mean(axis=0))

    def part(self, parity: int) -> Matrix:
        """The odd part, or the even one less the mean; of games of moderate size, (m, n_games)."""
        if parity == ODD:
            return (self.first - self.second) / (2 * self.scales)
        return ((self.first + self.second) / 2 - self.middle) / self.scales

    def estimates(self, task: Task, values: Matrix, errors: Matrix) -> Estimates:
        """Of the games themselves; from arrays (n_values, n_games), the constant first if any."""
        values, errors = (values * self.scales).T, (errors * self.scales).T
        if not task.spec.has_constant:
            return Estimates(values, errors)
        readout, _ = next(blocks(task))
        constant = values[:, 0] + self.middle * readout.of_term(0)
        return Estimates(values[:, 1:], errors[:, 1:], constant)


@dataclass(frozen=True, eq=False)
class Mixture:
    """One part of the games under each law, weighted by what it says of pairs that are checked.

    Attributes
    ----------
    laws : Laws
    y : float64 (m, n_games)
    scales : float64 (n_laws, n_games)
        Variance of the errors of a law's predictions over what it holds it to be.
    weights : float64 (n_laws, n_games)
    """

    laws: Laws
    y: Matrix
    scales: Matrix
    weights: Matrix

    @classmethod
    def of(cls, laws: Laws, y: Matrix) -> "Mixture":
        """Weigh the laws by what they say of each pair from all the others."""
        k, m = laws.inverses.shape[1:]
        alphas = (laws.inverses.reshape(-1, m) @ y).reshape(-1, k, y.shape[1])
        left_out = alphas / laws.diagonals[:, :, None]
        off = np.einsum("lkg,lkg->lg", left_out, left_out)
        # Below this they are rounding.
        off = np.maximum(off, 1e-28 * np.einsum("mg,mg->g", y, y))
        off = np.where(off > 0.0, off, 1.0)
        # Errors of the pairs that are not checked are held to be like those of the others.
        weights = (off.min(axis=0) / off) ** (m / 2)
        weights[weights < _LEAST_WEIGHT] = 0.0
        scales = np.einsum("lkg,lkg->lg", alphas, left_out) / k
        return cls(laws, y, scales, weights / weights.sum(axis=0))

    def values(self) -> tuple[Matrix, Matrix]:
        """Means and variances of the values of the whole, shapes (n_values, n_games)."""
        means = self.laws.values(self.y)
        mean = np.einsum("lg,lvg->vg", self.weights, means)
        variance = self.laws.variances.T @ (self.scales * self.weights)
        variance += np.einsum("lg,lvg->vg", self.weights, (means - mean) ** 2)
        return mean, variance

    def predicted(self, order: int, there: NDArray[np.bool_]) -> "Predicted":
        """What the laws predict, each of the games in which it has a weight."""
        y = np.ascontiguousarray(self.y.T)
        found = Predicted(
            np.zeros((len(y), self.laws.readouts.shape[1])),
            y.copy(),
            np.zeros_like(y),
            np.zeros((len(y), len(there))),
        )
        solved = []
        for one, weights in zip(self.laws.solutions, self.weights, strict=True):
            games = np.flatnonzero(weights)
            if not len(games):
                continue
            its = y[games] * weights[games, None]
            alpha = its @ one.inverse
            found.values[games] += one.values(its, alpha)
            found.others[games] -= alpha / one.inverse.diagonal()
            found.own[games] += one.law.nugget * alpha
            solved.append((one, games, its, alpha))
        for start, stop in row_blocks(len(there), max(1, _CELLS // len(self.y))):
            some = there[start:stop]
            agreeing = agreeing_players(some, self.laws.solutions[0].inside)
            for one, games, its, alpha in solved:
                found.there[games, start:stop] += one.predicted(order, its, alpha, some, agreeing)
        return found


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a mixture says of one part of games.

    Attributes
    ----------
    values : float64 (n_games, n_values)
        Of what it predicts of all coalitions.
    others : float64 (n_games, m)
        The part at each pair, from the others.
    own : float64 (n_games, m)
        What coalitions do by themselves, of the part at each pair.
    there : float64 (n_games, n_coalitions)
        The part at other coalitions.
    """

    values: Matrix
    others: Matrix
    own: Matrix
    there: Matrix


@dataclass(frozen=True, eq=False)
class Prepared:
    """What follows from a task alone: of each part the laws, and who can estimate the rest.

    Nobody where all pairs are in one matrix; and there are no laws where too few would be.
    """

    design: PairedDesign
    inside: NDArray[np.bool_]
    train: NDArray[np.int64]
    parts: dict[int, Laws]
    rests: list[Rest]

    @property
    def n_bytes(self) -> int:
        """Bytes of the largest arrays."""
        laws = sum(one.inverses.nbytes + one.readouts.nbytes for one in self.parts.values())
        return int(laws + self.inside.nbytes + self.design.words.nbytes)


class _Kept:
    """What was prepared for the last few tasks, up to a number of bytes."""

    def __init__(self) -> None:
        self._found: dict[Task, Prepared] = {}
        self._lock = Lock()

    def __call__(self, task: Task) -> Prepared:
        with self._lock:
            found = self._found.pop(task, None)
        if found is None:
            found = _prepare(task)
        with self._lock:
            # The last one is that which was asked for last.
            self._found[task] = found
            total = sum(one.n_bytes for one in self._found.values())
            for old in list(self._found)[:-1]:
                if total <= _MOST_KEPT:
                    break
                total -= self._found.pop(old).n_bytes
        return found


prepared = _Kept()


def most_pairs(n_players: int, order: int) -> int:
    """Pairs of one covariance matrix: of more, these predict all, and the residuals are sampled."""
    values = sets.n_interactions(n_players, order)
    terms = values if values <= _MOST_TERMS else n_players
    return max(_FEW_PAIRS, min(_PAIRS_A_TERM * terms, _MANY_PAIRS, _READOUT // values))


def _prepare(task: Task) -> Prepared:
    n = task.n_players
    design = by_index(task)
    inside = sets.unpack(design.words[0::2], n)
    train, most = np.arange(len(inside)), most_pairs(n, task.order)
    if len(inside) <= most:
        parts = {parity: Laws.of(task, parity, inside, whole=True) for parity in parities_of(task)}
        return Prepared(design, inside, train, parts, [])
    kernel, rests = KernelRegression(), list[Rest]()
    if kernel.supports(task.spec, task.order) and task.budget >= kernel.least_budget(
        n, task.spec, task.order
    ):
        rests.append(partial(kernel._solved, task, design, kernel._fits(task, design)))
    if most < n + SPARE_ROWS:
        # Fewer pairs than a regression has players: that knows more of the game.
        rests.append(partial(SampleReuse()._solve, task, design))
        return Prepared(design, inside, train[:0], {}, rests)
    if not rests:
        rests.append(partial(SampleReuse(control=None)._solve, task, design))
    train = every_so_many(len(inside), most)
    parts = {
        parity: Laws.of(task, parity, inside[train], whole=False) for parity in parities_of(task)
    }
    return Prepared(design, inside, train, parts, rests)


def _of_mixtures(task: Task, games: Games, mixtures: list[Mixture]) -> Estimates:
    """Values of the whole, as the processes have them."""
    found = [one.values() for one in mixtures]
    n_pairs = len(mixtures[0].y)
    raised = 1.0 + _UNCERTAIN * (task.n_players + 5) / n_pairs
    raised += _SEEN * (n_pairs * 2.0 ** (1 - task.n_players)) ** 2
    errors = np.sqrt(raised * np.sum([variance for _, variance in found], axis=0))
    return games.estimates(task, np.sum([mean for mean, _ in found], axis=0), errors)


def _of_many_pairs(task: Task, known: Prepared, games: Games, worths: Matrix) -> Estimates:
    """Values of what the processes predict, and those of the rest as another estimates them.

    On average with the values from those pairs alone that the processes learn from.
    """
    train, predicted, mixtures = known.train, np.zeros_like(worths), []
    held = np.append(0, np.setdiff1d(np.arange(len(known.inside)), train))
    values = np.zeros((task.spec.has_constant + len(task.interactions), worths.shape[1]))
    for parity, laws in known.parts.items():
        part = games.part(parity)
        y = part[train]
        mixtures.append(Mixture.of(laws, y))
        made = mixtures[-1].predicted(task.order, known.inside[held])
        values += made.values.T
        # What is left of a pair is by what others say of it: what it says of itself is too good.
        # The difference is known, and counts as it is.
        part[train] = made.others.T
        part[held] = made.there.T
        gap = made.others.T - (y - made.own.T)
        gap[0] = 0.0
        inside, sign = known.inside[train], -1.0 if parity == ODD else 1.0
        for readout, here in blocks(task):
            values[here] += readout.of_worths(inside, gap)
            values[here] += sign * readout.of_worths(~inside, gap)
        part *= games.scales
        predicted[0::2] += part
        predicted[1::2] += sign * part
    empty = predicted[0].copy()
    predicted -= empty
    found = games.estimates(task, values, np.zeros_like(values))
    several = [_of_mixtures(task, games, mixtures)] if mixtures else []
    for estimator in known.rests:
        rest, constant = estimator(worths - predicted), None
        if task.spec.has_constant:
            assert found.constant is not None and rest.constant is not None
            constant = found.constant - games.middle - empty + rest.constant
        several.append(Estimates(found.values + rest.values, rest.std_error, constant))
    # Estimates from the same pairs err together; means of nested samples are as much correlated.
    together = sqrt(len(train) / len(known.inside)) if mixtures else 1.0
    return _averaged(several, games.scales, together)


def _averaged(several: list[Estimates], scales: Matrix, together: float) -> Estimates:
    """Averages of each game's estimates, each by the inverse of its mean square standard error.

    So nothing is worse than what fewer pairs would give, and little is lost where two are alike.
    ``together`` is the correlation of their errors.
    """
    errors = np.stack([one.std_error for one in several]) / scales[:, None]
    squares = (errors**2).mean(axis=2)
    least = squares.min(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(squares > least, least / squares, 1.0)
    weights /= weights.sum(axis=0)
    parts = np.where(weights[:, :, None] > 0.0, weights[:, :, None] * errors, 0.0)
    squares = together * parts.sum(axis=0) ** 2 + (1 - together) * (parts**2).sum(axis=0)
    constants = [one.constant for one in several if one.constant is not None]
    return Estimates(
        np.einsum("eg,egv->gv", weights, np.stack([one.values for one in several])),
        np.sqrt(squares) * scales[:, None],
        np.einsum("eg,eg->g", weights, np.stack(constants)) if constants else None,
    )
