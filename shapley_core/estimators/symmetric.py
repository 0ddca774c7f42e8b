"""Values of many games as normal processes under which all players are alike: one factorisation."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..indices import IndexSpec
from ..threads import row_blocks
from .alike import Solution, agreeing_players, solutions
from .base import Design, Estimates, Estimator, Task
from .covariance import EVEN, ODD
from .pairs import PairedDesign, paired_design
from .posterior import blocks, estimates, parities_of
from .registry import register
from .regression import KernelRegression
from .reuse import SampleReuse
from .sample import Sample

Matrix = NDArray[np.float64]

# Pairs of one covariance matrix: of more, these predict all, and the residuals are sampled.
MOST_PAIRS = 640
# Relative to the heaviest; what is lighter says nothing.
_LEAST_WEIGHT = 1e-12
# Numbers in a work array.
_CELLS = 1 << 22
# Bytes of matrices that are kept for the next games.
_MOST_KEPT = 1 << 26
# By how much variances are raised for each parameter that worths choose, n + 5, and each pair.
_UNCERTAIN = 1.0


@register
@dataclass(frozen=True)
class SymmetricProcess(Estimator):
    """Values of many games at once, by an average over normal processes.

    Each game is held to be a draw from a normal process under which all players are alike: the
    covariance of two coalitions depends on the number d of players in which they differ alone,
    exp(-2 s d / n), with a variance of the terms of at most ``order`` players and one of each
    coalition by itself. There are five processes, from smooth games to noise and a regression,
    with parameters that are given. So the matrices that make values of worths follow from the
    design: they are factored once for all games, and a game costs a few matrix products,
    whatever the other games are. Its values are a mean over the processes, each weighted by how
    well it predicts every pair of worths from the others.

    What a process does not explain of the worths that were seen counts as it is, so with all
    coalitions the values are exact. Beyond 640 pairs the processes learn from so many of them and
    predict all, each from others; ``KernelRegression``, or ``SampleReuse`` where that does not give
    the index, estimates the values of what they leave.

    Notes
    -----
    Leave-one-out errors as in Rasmussen and Williams, Gaussian Processes for Machine Learning
    (2006), 5.4.2; weights by their product, as in Yao et al. (2018), Using stacking to average
    Bayesian predictive distributions (pseudo-Bayes). Standard errors are those of the mixture of
    the posteriors, each scaled by its leave-one-out errors; or those of the estimator of the rest.
    """

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.family == "derivative"

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return 2 * n_players + 4

    def _design(self, task: Task) -> Design:
        return prepared(task).design

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        known = prepared(task)
        sample = Sample.of(task, known.design, worths)
        if known.rest is not None:
            return _of_rest(task, known, sample, worths)
        shape = (task.spec.has_constant + len(task.interactions), worths.shape[1])
        values, variances = np.zeros(shape), np.zeros(shape)
        for parity, found in known.solutions.items():
            mixture = Mixture.of(found, sample.parts[parity])
            mean, variance = mixture.values()
            values += mean
            variances += variance
        raised = 1.0 + _UNCERTAIN * (task.n_players + 5) / len(sample.inside)
        return estimates(task, sample, values.T, np.sqrt(variances * raised).T)


@dataclass(frozen=True, eq=False)
class Mixture:
    """One part of the games under each law, weighted: alphas (n_laws, m, n_games)."""

    solutions: list[Solution]
    y: Matrix
    alphas: list[Matrix]
    weights: Matrix  # (n_laws, n_games)

    @classmethod
    def of(cls, found: list[Solution], y: Matrix) -> "Mixture":
        """Weigh the laws by what they say of each pair that is left out."""
        m = len(y)
        alphas = [one.inverse @ y for one in found]
        off = np.array(
            [
                np.einsum("ij,ij,i->j", alpha, alpha, one.inverse.diagonal() ** -2.0) / m
                for one, alpha in zip(found, alphas, strict=True)
            ]
        )
        # Below this they are rounding.
        off = np.maximum(off, 1e-28 * np.einsum("ij,ij->j", y, y) / m)
        off = np.where(off > 0.0, off, 1.0)
        weights = (off.min(axis=0) / off) ** (m / 2)
        weights[weights < _LEAST_WEIGHT] = 0.0
        return cls(found, y, alphas, weights / weights.sum(axis=0))

    def values(self) -> tuple[Matrix, Matrix]:
        """Means and variances, shapes (n_values, n_games)."""
        means = [
            one.values(self.y, alpha)
            for one, alpha in zip(self.solutions, self.alphas, strict=True)
        ]
        mean = sum(w * one for w, one in zip(self.weights, means, strict=True))
        variance = np.zeros_like(means[0])
        every = zip(self.solutions, self.alphas, means, self.weights, strict=True)
        for one, alpha, own, weight in every:
            # The law's scale is that of the errors of its predictions.
            scale = np.einsum("ij,ij,i->j", alpha, alpha, 1 / one.inverse.diagonal()) / len(alpha)
            variance += weight * (np.outer(one.variance, scale) + (own - mean) ** 2)
        return np.asarray(mean), variance

    def explained(self) -> Matrix:
        """The part at the pairs, but for what each coalition does by itself: (m, n_games)."""
        found: Matrix = sum(  # type: ignore[assignment]
            weight * one.explained(self.y, alpha) for one, alpha, weight in self._every()
        )
        return found

    def predicted(self, order: int, there: NDArray[np.bool_]) -> Matrix:
        """The part at other coalitions, shape (len(there), n_games)."""
        found = np.zeros((len(there), self.y.shape[1]))
        step = max(1, _CELLS // len(self.y))
        for start, stop in row_blocks(len(there), step):
            some = there[start:stop]
            agreeing = agreeing_players(some, self.solutions[0].inside)
            for one, alpha, weight in self._every():
                if weight.any():
                    there_is = one.predicted(order, self.y, alpha, some, agreeing)
                    found[start:stop] += weight * there_is
        return found

    def left_out(self) -> Matrix:
        """What the others say of each pair, shape (m, n_games)."""
        found: Matrix = self.y - sum(
            weight * alpha / one.inverse.diagonal()[:, None] for one, alpha, weight in self._every()
        )
        return found

    def _every(self) -> Iterator[tuple[Solution, Matrix, Matrix]]:
        return zip(self.solutions, self.alphas, self.weights, strict=True)


@dataclass(frozen=True, eq=False)
class Prepared:
    """What follows from a task alone: of each part the solutions, and who estimates the rest."""

    design: PairedDesign
    train: NDArray[np.int64]
    solutions: dict[int, list[Solution]]
    rest: Estimator | None

    @property
    def n_bytes(self) -> int:
        """Bytes of the largest arrays."""
        every = [one for found in self.solutions.values() for one in found]
        return self.design.words.nbytes + sum(s.inverse.nbytes + s.readout.nbytes for s in every)


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


def _prepare(task: Task) -> Prepared:
    n = task.n_players
    rest: Estimator | None = None
    design = _process_design(task)
    if design.n_pairs >= MOST_PAIRS:
        rest = KernelRegression()
        fits = rest.supports(task.spec, task.order) and task.budget >= rest.least_budget(
            n, task.spec, task.order
        )
        if fits:
            design = rest._design(task)
        else:
            rest = SampleReuse(control=None)
    inside = sets.unpack(design.words[0::2], n)
    train = np.arange(len(inside))
    if rest is not None:
        # Every so many-th pair of each size; the first is the empty coalition's.
        train = np.unique(np.linspace(0, len(inside) - 1, MOST_PAIRS).astype(np.int64))
    found = {
        parity: solutions(task, parity, inside[train], rest is None)
        for parity in parities_of(task)
    }
    return Prepared(design, train, found, rest)


def _process_design(task: Task) -> PairedDesign:
    sizes = np.arange(1, task.n_players // 2 + 1, dtype=np.float64)
    return paired_design(task, -0.5 * np.log(sizes * (task.n_players - sizes)))


def _of_rest(task: Task, known: Prepared, sample: Sample, worths: Matrix) -> Estimates:
    """Values of what the processes predict, and those of the rest as another estimates them."""
    assert known.rest is not None
    parts = [np.zeros_like(sample.parts[0]), np.zeros_like(sample.parts[0])]
    values = np.zeros((task.spec.has_constant + len(task.interactions), worths.shape[1]))
    for parity, found in known.solutions.items():
        train = known.train
        mixture = Mixture.of(found, sample.parts[parity][train])
        values += mixture.values()[0]
        # What is left of a pair is by what others say of it: what it says of itself is too good.
        # The difference is known, and counts as it is.
        others, explained = mixture.left_out(), mixture.explained()
        held = np.append(0, np.setdiff1d(np.arange(len(sample.inside)), train))
        parts[parity][train] = others
        parts[parity][held] = mixture.predicted(task.order, sample.inside[held])
        others[0] = explained[0] = parts[parity][0]
        differing = others - explained
        inside, sign = sample.inside[train], -1.0 if parity == ODD else 1.0
        for readout, here in blocks(task):
            values[here] += readout.of_worths(inside, differing)
            values[here] += sign * readout.of_worths(~inside, differing)
    even, odd = parts[EVEN] * sample.scales, parts[ODD] * sample.scales
    predicted = np.empty_like(worths)
    predicted[0::2], predicted[1::2] = even + odd, even - odd
    empty = predicted[0].copy()
    rest = known.rest._solve(task, known.design, worths - (predicted - empty))
    of_games = estimates(task, sample, values.T, np.zeros_like(values.T))
    constant = None
    if task.spec.has_constant:
        assert of_games.constant is not None and rest.constant is not None
        constant = of_games.constant - sample.middle - empty + rest.constant
    return Estimates(of_games.values + rest.values, rest.std_error, constant)
