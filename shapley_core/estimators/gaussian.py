"""Values of a game as a normal process: the posterior mean, and its standard deviation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import sampling as kernels
from ..indices import IndexSpec
from . import covariance
from .base import Design, Estimates, Estimator, Task
from .covariance import EVEN, ODD, Prior
from .pairs import PairedDesign, paired_design
from .readout import Readout
from .registry import register
from .replicates import error_of_sum

Matrix = NDArray[np.float64]

# Pairs in one covariance matrix; where there are more, these predict the others.
_MOST_ROWS = 5000
# Games, of those of one batch, that the parameters are learnt from.
_LEARN_GAMES = 16
# Parts of the pairs that are left out in turn, to see how much the values hang on what was learnt.
_FOLDS = 4
_HYPER_STREAM = 1 << 62
# Cells of a work array.
_CELLS = 1 << 24


@register
@dataclass(frozen=True)
class GaussianProcess(Estimator):
    """Values under a normal process on the coalitions, whose covariance the worths choose.

    The game is held to be a draw from a normal process: interactions of all sizes, which fade
    with their size and with how little their players matter (``covariance.py``). Its parameters
    maximise the likelihood of the worths. Values are linear in the game, so their posterior means
    and variances are closed forms. What the process does not explain of the worths that were seen
    counts as it is, so with all coalitions the values are exact.

    Coalitions are drawn in pairs with their complements, sizes in proportion to
    1 / √(t (n - t)); a value of an index with a symmetric mixing law depends on the odd or the
    even part of the game alone (SV on the odd part, SII of pairs on the even one).

    It estimates every index whose values are mixtures of weighted Banzhaf values: SV, BV, SII,
    BII, CHII, weighted Banzhaf and beta-Shapley values.

    Notes
    -----
    After Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.2 and 5.4.1.
    Standard errors are posterior standard deviations, raised where the worths, each predicted
    from the others, are further off than the process says, and by an allowance for the parameters
    (n + 5 from m pairs: √(1 + 3 (n + 5) / m)).
    """

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        if spec.family != "derivative":
            return False
        return all(spec.law_of(size, order) is not None for size in range(1, order + 1))

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return n_players + 4

    def _design(self, task: Task) -> PairedDesign:
        sizes = np.arange(1, task.n_players // 2 + 1, dtype=np.float64)
        return paired_design(task, -0.5 * np.log(sizes * (task.n_players - sizes)))

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        sample = Sample.of(task, design, worths)
        values, errors = self._values(task, sample)
        if sample.few_worths and _FOLDS * 2 < len(sample.inside) <= _MOST_ROWS:
            errors = np.maximum(errors, self._learning_error(task, sample))
        return Estimates(values * sample.scales[:, None], errors * sample.scales[:, None])

    def _learning_error(self, task: Task, sample: "Sample") -> Matrix:
        """Standard errors by the jackknife, parameters and terms learnt anew each time.

        The posterior takes them for known. Games of few worths (votes) can be explained without
        rest, and wrongly, by a few of their players: then each part of the worths names others.
        """
        fits = [self._values(task, part)[0] for part in sample.without_folds()]
        variance = (_FOLDS - 1) * np.var(fits, axis=0).T
        # What is not drawn without replacement does not vary.
        left = 1.0 - len(sample.inside) / 2.0 ** min(task.n_players - 1, 1000)
        return error_of_sum(variance * left, _FOLDS - 1).T

    def _values(self, task: Task, sample: "Sample") -> tuple[Matrix, Matrix]:
        """Values and standard errors of the scaled games, shapes (n_games, n_interactions)."""
        return values_under(sample.learn(Prior.start(task.n_players)), task, sample)


@dataclass(frozen=True, eq=False)
class Sample:
    """The two parts of scaled games at one coalition of each pair.

    Attributes
    ----------
    inside : bool array of shape (m, n)
        The coalitions; the first is the empty one.
    parts : pair of float64 arrays of shape (m, n_games)
        Even and odd part.
    scales : float64 array of shape (n_games,)
        What the games were divided by.
    train : int64 array
        The pairs that the covariance is taken of; the others are predicted.
    weight : float64 array of shape (m,)
        For how many pairs each counts in what is left unexplained.
    uniform : float64 array of shape (m,)
        Random numbers.
    """

    inside: NDArray[np.bool_]
    parts: tuple[Matrix, Matrix]
    scales: Matrix
    train: NDArray[np.int64]
    weight: Matrix
    uniform: Matrix

    @classmethod
    def of(cls, task: Task, design: PairedDesign, worths: Matrix) -> "Sample":
        """From worths less v(∅)."""
        inside = sets.unpack(design.words[0::2], task.n_players)
        even, odd = (worths[0::2] + worths[1::2]) / 2, (worths[0::2] - worths[1::2]) / 2
        even -= even.mean(axis=0)
        scales = np.sqrt((even**2 + odd**2).mean(axis=0))
        # A game without worths has no scale: its values and errors are 0 whatever its process.
        divisors = np.where(scales == 0.0, 1.0, scales)
        m = len(inside)
        uniform = np.empty(m)
        kernels.uniform(task.seed, _HYPER_STREAM, uniform)
        train, weight = np.arange(m), np.ones(m)
        if m > _MOST_ROWS:
            train = np.concatenate([[0], np.sort(1 + np.argsort(uniform[1:])[: _MOST_ROWS - 1])])
            weight = held_weights(design, train)
        return cls(inside, (even / divisors, odd / divisors), scales, train, weight, uniform)

    @property
    def z(self) -> Matrix:
        """Signs of the pairs that the covariance is taken of."""
        return covariance.signs(self.inside[self.train])

    @property
    def few_worths(self) -> bool:
        """Whether most pairs have the worths of another pair, as in votes and other steps."""
        games = np.round(np.stack(self.parts, axis=2), 9).transpose(1, 0, 2)
        return any(2 * len(np.unique(game, axis=0)) <= len(game) for game in games)

    def without_folds(self) -> "Iterator[Sample]":
        """The sample without each of some parts of its pairs; the first pair stays."""
        fold = np.argsort(np.argsort(self.uniform[1:])) % _FOLDS
        for one in range(_FOLDS):
            keep = np.append(True, fold != one)
            m = int(keep.sum())
            parts = self.parts[EVEN][keep], self.parts[ODD][keep]
            yield Sample(
                self.inside[keep], parts, self.scales, np.arange(m), np.ones(m), self.uniform[keep]
            )

    def games(self) -> "Iterator[Sample]":
        """Each game by itself."""
        for game in range(len(self.scales)):
            one = slice(game, game + 1)
            parts = self.parts[0][:, one], self.parts[1][:, one]
            yield replace(self, parts=parts, scales=self.scales[one])

    def target(self, parity: int) -> Matrix:
        """One part at these pairs."""
        return self.parts[parity][self.train]

    def learn(self, prior: Prior) -> Prior:
        """The parameters that make the worths most likely."""
        rows = covariance.hyper_rows(len(self.train), self.uniform[self.train])
        few = slice(None, None, -(-len(self.scales) // _LEARN_GAMES))
        parts = self.target(EVEN)[:, few], self.target(ODD)[:, few]
        return covariance.learn(prior, self.z, parts, rows)


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


@dataclass(frozen=True, eq=False)
class Posterior:
    """One part of the games, given the worths: alpha = K⁻¹ y, and the factor of K."""

    parity: int
    lower: Matrix
    alpha: Matrix
    left: Matrix
    calibration: Matrix

    @classmethod
    def of(cls, prior: Prior, sample: Sample, parity: int) -> "Posterior":
        """Of the training pairs; ``left`` is what stays unexplained at all pairs."""
        from scipy.linalg import cho_solve, lapack

        z, y = sample.z, sample.target(parity)
        total = _structured(prior, parity, z, z)
        total[np.diag_indices(len(z))] += exp(prior.log_nugget)
        lower = covariance.factor(total)
        alpha = cho_solve((lower, True), y, check_finite=False)
        left = np.empty_like(sample.parts[parity])
        left[sample.train] = y - _predicted(prior, parity, z, z, alpha)
        held = np.setdiff1d(np.arange(len(left)), sample.train, assume_unique=True)
        step = max(1, _CELLS // len(z))
        for start in range(0, len(held), step):
            some = held[start : start + step]
            there = covariance.signs(sample.inside[some])
            left[some] = sample.parts[parity][some] - _predicted(prior, parity, there, z, alpha)
        inverse = lapack.dtrtri(lower, lower=1)[0]
        precision = np.einsum("ij,ij->j", np.tril(inverse), np.tril(inverse))
        # Squares of the errors of leave-one-out predictions over their variances.
        calibration = (alpha**2 / precision[:, None]).mean(axis=0)
        return cls(parity, lower, alpha, left, calibration)


def _structured(prior: Prior, parity: int, z: Matrix, other: Matrix) -> Matrix:
    part = covariance.smooth(prior, z, other)[parity]
    return covariance.structured(prior, parity, part, z, other)


def _predicted(prior: Prior, parity: int, there: Matrix, z: Matrix, alpha: Matrix) -> Matrix:
    """The part at other coalitions, its terms summed as their values are: rounding cancels."""
    found = covariance.smooth(prior, there, z)[parity] @ alpha
    own = list(prior.terms[parity])
    weights = [exp(prior.log_term)] * len(own)
    if parity == ODD:
        own += [(i,) for i in range(prior.n_players)]
        weights += [exp(prior.log_main)] * prior.n_players
    else:
        found = found + covariance.LEVEL * alpha.sum(axis=0)
    beta = np.array(weights)[:, None] * (covariance.characters(own, z).T @ alpha)
    predicted: Matrix = found + covariance.characters(own, there) @ beta
    return predicted


def values_under(prior: Prior, task: Task, sample: Sample) -> tuple[Matrix, Matrix]:
    """Posterior means and standard deviations, shapes (n_games, n_interactions)."""
    n, n_games = task.n_players, len(sample.scales)
    known: dict[int, Posterior] = {}
    values = np.zeros((len(task.interactions), n_games))
    errors = np.zeros_like(values)
    # The parameters are estimates too: an allowance, which vanishes as the sample grows.
    uncertain = 1 + 3 * (n + 5) / len(sample.train)
    for size in range(1, task.order + 1):
        members = task.interactions.block(size).astype(np.int64)
        readout = Readout(task.spec, task.order, n, members)
        here = task.interactions.slice_of(size)
        spread = _prior_variance(prior, readout)[:, None] * np.ones(n_games)
        raised = np.ones(n_games)
        for parity in readout.parities():
            if parity not in known:
                known[parity] = Posterior.of(prior, sample, parity)
            values[here] += _mean(prior, readout, sample, known[parity])
            spread -= _explained(prior, readout, sample, known[parity])[:, None]
            raised = np.maximum(raised, known[parity].calibration)
        # Differences of large numbers: below this they are rounding.
        floor = 1e-13 * _prior_variance(prior, readout)[:, None]
        errors[here] = np.sqrt(np.maximum(spread, floor) * raised * uncertain)
    return values.T, errors.T


def _mean(prior: Prior, readout: Readout, sample: Sample, part: Posterior) -> Matrix:
    z, parity = sample.z, part.parity
    out = readout.of_smooth(prior, z, parity, part.alpha)
    for term, variance in _terms(prior, readout, parity):
        beta = variance * (covariance.characters([term], z)[:, 0] @ part.alpha)
        rows = _holding(readout, term)
        out[rows] += readout.of_term(len(term)) * beta
    left = part.left * sample.weight[:, None]
    sign = -1.0 if parity == ODD else 1.0
    out += readout.of_worths(sample.inside, left)
    out += sign * readout.of_worths(~sample.inside, left)
    return out


def _terms(prior: Prior, readout: Readout, parity: int) -> list[tuple[tuple[int, ...], float]]:
    found = [(term, exp(prior.log_term)) for term in prior.terms[parity]]
    if parity == ODD:
        found += [((i,), exp(prior.log_main)) for i in range(prior.n_players)]
    return [pair for pair in found if len(pair[0]) >= readout.size]


def _holding(readout: Readout, term: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which interactions lie within a term."""
    inside = np.zeros(readout.n_players, dtype=bool)
    inside[list(term)] = True
    found: NDArray[np.bool_] = np.asarray(inside[readout.members].all(axis=1))
    return found


def _prior_variance(prior: Prior, readout: Readout) -> Matrix:
    other = replace(prior, slope=-prior.slope)
    out = (readout.variances(prior) + readout.variances(other)) / 2
    for parity in readout.parities():
        for term, variance in _terms(prior, readout, parity):
            out[_holding(readout, term)] += variance * readout.of_term(len(term)) ** 2
    return out + 2 * exp(prior.log_nugget) * readout.nugget_variance()


def _explained(prior: Prior, readout: Readout, sample: Sample, part: Posterior) -> Matrix:
    """By how much the worths lower the variance of each value."""
    from scipy.linalg import solve_triangular

    z, parity = sample.z, part.parity
    inside = sample.inside[sample.train]
    out = np.empty(len(readout.members))
    step = max(1, _CELLS // len(z))
    for start in range(0, len(out), step):
        some = slice(start, start + step)
        shared = readout.covariances(prior, z, parity, some)
        shared += exp(prior.log_nugget) * readout.of_nugget(inside, parity, some)
        for term, variance in _terms(prior, readout, parity):
            here = np.flatnonzero(_holding(readout, term)[some])
            chi = covariance.characters([term], z)
            shared[:, here] += variance * readout.of_term(len(term)) * chi
        solved = solve_triangular(part.lower, shared, lower=True, check_finite=False)
        out[some] = np.einsum("ij,ij->j", solved, solved)
    return out
