"""What an estimator of the normal process sees: the two parts of some games at pairs."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import sampling as kernels
from . import covariance
from .base import Task
from .covariance import EVEN, ODD, Prior
from .factored import CHECKED, Factored
from .pairs import PairedDesign

Matrix = NDArray[np.float64]

# Pairs in one covariance matrix; where there are more, these predict the others.
_MOST_ROWS = 5000
# Games, of those of one batch, that the parameters are learnt from.
_LEARN_GAMES = 16
_HYPER_STREAM = 1 << 62


@dataclass(frozen=True, eq=False)
class Sample:
    """The two parts of scaled games at one coalition of each pair.

    Attributes
    ----------
    inside : bool array of shape (m, n)
        The coalitions; the first is the empty one.
    parts : pair of float64 arrays of shape (m, n_games)
        Even and odd part.
    scales, middle : float64 arrays of shape (n_games,)
        What the games were divided by, and before that the mean that was taken off.
    train : int64 array
        The pairs that the covariance is taken of; the others are predicted. Where not all of
        them are checked they are in random order: the last ones are.
    weight : float64 array of shape (m,)
        For how many pairs each counts in what is left unexplained.
    uniform : float64 array of shape (m,)
        Random numbers.
    """

    inside: NDArray[np.bool_]
    parts: tuple[Matrix, Matrix]
    scales: Matrix
    middle: Matrix
    train: NDArray[np.int64]
    weight: Matrix
    uniform: Matrix
    # Of each parity the last prior under which its covariance was wanted, and that.
    _kept: dict[int, tuple[Prior, Factored]] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, task: Task, design: PairedDesign, worths: Matrix) -> "Sample":
        """From worths less v(∅)."""
        inside = sets.unpack(design.words[0::2], task.n_players)
        # A row a game while sums are taken, so that a game among others is what it is alone.
        first, second = np.ascontiguousarray(worths.T[:, 0::2]), worths.T[:, 1::2]
        even, odd = (first + second) / 2, (first - second) / 2
        middle = even.mean(axis=1)
        even -= middle[:, None]
        scales = np.sqrt((even**2 + odd**2).mean(axis=1))
        # A game without worths has no scale: its values and errors are 0 whatever its process.
        divisors = np.where(scales == 0.0, 1.0, scales)[:, None]
        m = len(inside)
        uniform = np.empty(m)
        kernels.uniform(task.seed, _HYPER_STREAM, uniform)
        train, weight = _ordered(uniform), np.ones(m)
        if m > _MOST_ROWS:
            train = train[:_MOST_ROWS]
            weight = held_weights(design, train)
        parts = (even / divisors).T, (odd / divisors).T
        return cls(inside, parts, scales, middle, train, weight, uniform)

    @property
    def z(self) -> Matrix:
        """Signs of the pairs that the covariance is taken of."""
        return covariance.signs(self.inside[self.train])

    @property
    def few_worths(self) -> bool:
        """Whether most pairs have the worths of another pair, as in votes and other steps."""
        games = np.round(np.stack(self.parts, axis=2), 9).transpose(1, 0, 2)
        return any(2 * len(np.unique(game, axis=0)) <= len(game) for game in games)

    def folds(self, n_folds: int) -> "list[tuple[Sample, NDArray[np.bool_]]]":
        """The sample without each of some parts of its pairs, and which these are.

        The first pair stays.
        """
        fold = np.argsort(np.argsort(self.uniform[1:])) % n_folds
        found = []
        for one in range(n_folds):
            keep = np.append(True, fold != one)
            parts = self.parts[EVEN][keep], self.parts[ODD][keep]
            part = replace(
                self,
                inside=self.inside[keep],
                parts=parts,
                train=_ordered(self.uniform[keep]),
                weight=np.ones(len(parts[EVEN])),
                uniform=self.uniform[keep],
            )
            found.append((part, ~keep))
        return found

    def games(self) -> "Iterator[Sample]":
        """Each game by itself."""
        for game in range(len(self.scales)):
            one = slice(game, game + 1)
            parts = self.parts[0][:, one], self.parts[1][:, one]
            yield replace(self, parts=parts, scales=self.scales[one], middle=self.middle[one])

    def target(self, parity: int) -> Matrix:
        """One part at these pairs."""
        return self.parts[parity][self.train]

    def factored(self, prior: Prior, parity: int) -> Factored:
        """The covariance of one part at these pairs; the last one is kept, for it takes long."""
        kept = self._kept.get(parity)
        if kept is None or kept[0] is not prior:
            # Before the next: a matrix is large.
            self._kept.pop(parity, None)
            kept = prior, Factored.of(prior, parity, self.z)
            self._kept[parity] = kept
        return kept[1]

    def learn(self, prior: Prior, least_nugget: float = covariance.LEAST_NUGGET) -> Prior:
        """The parameters that make the worths most likely."""
        rows = covariance.hyper_rows(len(self.train), self.uniform[self.train])
        few = slice(None, None, -(-len(self.scales) // _LEARN_GAMES))
        parts = self.target(EVEN)[:, few], self.target(ODD)[:, few]
        return covariance.learn(prior, self.z, parts, rows, least_nugget)


def _ordered(uniform: Matrix) -> NDArray[np.int64]:
    """The first pair, and the others, in random order where they are not all checked."""
    if len(uniform) <= min(CHECKED, _MOST_ROWS):
        return np.arange(len(uniform))
    return np.concatenate([[0], 1 + np.argsort(uniform[1:])])


def held_weights(design: PairedDesign, train: NDArray[np.int64]) -> Matrix:
    """Predicted pairs stand for all of their stratum that the covariance does not hold."""
    strata = design.strata
    held = np.ones(1 + len(strata), dtype=bool)
    held[train] = False
    n_held = np.bincount(strata[held[1:]], minlength=len(design.sizes))
    n_train = design.counts - n_held
    with np.errstate(divide="ignore", invalid="ignore"):
        each = (np.exp(np.minimum(design.log_capacity, 700.0)) - n_train) / n_held
    weight = np.ones(1 + len(strata))
    weight[held] = each[strata[held[1:]]]
    return weight
