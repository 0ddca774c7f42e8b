"""Values of a game as a normal process: the posterior mean, and its standard deviation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, log

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

Matrix = NDArray[np.float64]

# Pairs in one covariance matrix; where there are more, these predict the others.
_MOST_ROWS = 5000
# Games, of those of one batch, that the parameters are learnt from.
_LEARN_GAMES = 16
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

    It estimates every index that is linear in discrete derivatives, of any order: SV, BV, SII, BII,
    k-SII, STII, FSII, FBII, CHII, weighted Banzhaf and beta-Shapley values and the others.

    Parameters
    ----------
    least_noise : float
        The least share of the worths' variance that is held to have no structure.

    Notes
    -----
    After Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.2 and 5.4.1.
    Standard errors are posterior standard deviations, raised where the worths, each predicted
    from the others, are further off than the process says, and by an allowance for the parameters
    (n + 5 from m pairs: √(1 + 3 (n + 5) / m)).
    """

    least_noise: float = 0.0

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.family == "derivative"

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return n_players + 4

    def _design(self, task: Task) -> PairedDesign:
        sizes = np.arange(1, task.n_players // 2 + 1, dtype=np.float64)
        return paired_design(task, -0.5 * np.log(sizes * (task.n_players - sizes)))

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        sample = Sample.of(task, design, worths)
        return estimates(task, sample, *self._values(task, sample))

    def _values(self, task: Task, sample: "Sample") -> tuple[Matrix, Matrix]:
        """Values and standard errors as ``values_under`` gives them."""
        return values_under(self.prior(task, sample), task, sample)

    def prior(self, task: Task, sample: "Sample") -> Prior:
        """The parameters that the worths choose."""
        start = Prior.start(task.n_players)
        if self.least_noise > 0.0:
            start = replace(start, log_nugget=log(4 * self.least_noise))
        return self._learnt(start, sample)

    def _learnt(self, prior: Prior, sample: "Sample") -> Prior:
        least = log(self.least_noise) if self.least_noise > 0.0 else covariance.LEAST_NUGGET
        return sample.learn(prior, least)


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
        The pairs that the covariance is taken of; the others are predicted.
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

    @classmethod
    def of(cls, task: Task, design: PairedDesign, worths: Matrix) -> "Sample":
        """From worths less v(∅)."""
        inside = sets.unpack(design.words[0::2], task.n_players)
        even, odd = (worths[0::2] + worths[1::2]) / 2, (worths[0::2] - worths[1::2]) / 2
        middle = even.mean(axis=0)
        even -= middle
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
        parts = even / divisors, odd / divisors
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
            m = int(keep.sum())
            parts = self.parts[EVEN][keep], self.parts[ODD][keep]
            part = replace(
                self,
                inside=self.inside[keep],
                parts=parts,
                train=np.arange(m),
                weight=np.ones(m),
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

    def learn(self, prior: Prior, least_nugget: float = covariance.LEAST_NUGGET) -> Prior:
        """The parameters that make the worths most likely."""
        rows = covariance.hyper_rows(len(self.train), self.uniform[self.train])
        few = slice(None, None, -(-len(self.scales) // _LEARN_GAMES))
        parts = self.target(EVEN)[:, few], self.target(ODD)[:, few]
        return covariance.learn(prior, self.z, parts, rows, least_nugget)


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
    """One part of the games, given the worths.

    alpha = K⁻¹ y, the factor of K, what stays unexplained, the errors of leave-one-out predictions,
    their variances, and the mean of the squares of the former over the latter.
    """

    parity: int
    lower: Matrix
    alpha: Matrix
    left: Matrix
    left_out: Matrix
    left_out_variance: Matrix
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
        calibration = (alpha**2 / precision[:, None]).mean(axis=0)
        left_out = alpha / precision[:, None]
        return cls(parity, lower, alpha, left, left_out, 1 / precision, calibration)


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
    # Of what the sizes decide, the sizes.
    weighed = np.zeros((prior.n_players + 1, alpha.shape[1]))
    np.add.at(weighed, covariance.sizes_of(z), alpha)
    of_sizes = covariance.by_size(prior)[parity] @ weighed
    found = found + of_sizes[covariance.sizes_of(there)]
    predicted: Matrix = found + covariance.characters(own, there) @ beta
    return predicted


def predictions(
    prior: Prior, part: Posterior, sample: Sample, there: Matrix
) -> tuple[Matrix, Matrix]:
    """Posterior mean and variance of one part of the first game at other coalitions."""
    from scipy.linalg import solve_triangular

    mean = _predicted(prior, part.parity, there, sample.z, part.alpha)[:, 0]
    shared = _structured(prior, part.parity, sample.z, there)
    solved = solve_triangular(part.lower, shared, lower=True, check_finite=False)
    variance = covariance.variances(prior, part.parity, there) + exp(prior.log_nugget)
    least = exp(prior.log_nugget) + covariance.JITTER * variance
    return mean, np.maximum(variance - np.einsum("ij,ij->j", solved, solved), least)


def allowance(task: Task, sample: Sample) -> float:
    """What variances are multiplied by: the parameters are estimates too, the fewer the worse."""
    return 1 + 3 * (task.n_players + 5) / len(sample.train)


def values_under(prior: Prior, task: Task, sample: Sample) -> tuple[Matrix, Matrix]:
    """Posterior means and standard deviations of the scaled games, as ``blocks`` orders them.

    Shapes (n_games, n_interactions), and a column more where the index has a constant.
    """
    n_games = len(sample.scales)
    known: dict[int, Posterior] = {}
    values = np.zeros((task.spec.has_constant + len(task.interactions), n_games))
    errors = np.zeros_like(values)
    uncertain = allowance(task, sample)
    for readout, here in blocks(task):
        before = np.maximum(_prior_variance(prior, readout), 0.0)[:, None]
        spread = before * np.ones(n_games)
        raised = np.ones(n_games)
        for parity in readout.parities():
            if parity not in known:
                known[parity] = Posterior.of(prior, sample, parity)
            values[here] += _mean(prior, readout, sample, known[parity])
            spread -= _explained(prior, readout, sample, known[parity])[:, None]
            raised = np.maximum(raised, known[parity].calibration)
        # Differences of large numbers: below this they are rounding.
        errors[here] = np.sqrt(np.maximum(spread, 1e-13 * before) * raised * uncertain)
    return values.T, errors.T


def blocks(task: Task) -> Iterator[tuple[Readout, slice]]:
    """What each size is of a game, and its columns; the constant comes first if there is one."""
    constant = int(task.spec.has_constant)
    if constant:
        yield Readout(task.spec, task.order, task.n_players, np.zeros((1, 0), np.int64)), slice(1)
    for size in range(1, task.order + 1):
        members = task.interactions.block(size).astype(np.int64)
        here = task.interactions.slice_of(size)
        readout = Readout(task.spec, task.order, task.n_players, members)
        yield readout, slice(here.start + constant, here.stop + constant)


def parities_of(task: Task) -> list[int]:
    """The parts of a game that the values depend on."""
    return sorted({parity for readout, _ in blocks(task) for parity in readout.parities()})


def estimates(
    task: Task, sample: Sample, values: Matrix, errors: Matrix, estimator: str | None = None
) -> Estimates:
    """Of the games themselves."""
    values, errors = values * sample.scales[:, None], errors * sample.scales[:, None]
    if not task.spec.has_constant:
        return Estimates(values, errors, estimator=estimator)
    readout, _ = next(blocks(task))
    constant = values[:, 0] + sample.middle * readout.of_term(0)
    return Estimates(values[:, 1:], errors[:, 1:], constant, estimator)


def _mean(prior: Prior, readout: Readout, sample: Sample, part: Posterior) -> Matrix:
    z, parity = sample.z, part.parity
    out = readout.of_smooth(prior, z, parity, part.alpha)
    of_sizes = covariance.by_size(prior)[parity] @ readout.sizes()
    out += of_sizes[covariance.sizes_of(z)] @ part.alpha
    if readout.size == 0 and parity == EVEN:
        out += readout.of_term(0) * covariance.LEVEL * part.alpha.sum(axis=0)
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
    out = readout.variances(prior)
    if prior.slope > 0.0:
        out = (out + readout.variances(replace(prior, slope=-prior.slope))) / 2
    for parity in readout.parities():
        for term, variance in _terms(prior, readout, parity):
            out[_holding(readout, term)] += variance * readout.of_term(len(term)) ** 2
    for part in covariance.by_size(prior):
        out += readout.sizes() @ part @ readout.sizes()
    if readout.size == 0:
        out += covariance.LEVEL * readout.of_term(0) ** 2
    return out + 2 * exp(prior.log_nugget) * readout.nugget_variance()


def _explained(prior: Prior, readout: Readout, sample: Sample, part: Posterior) -> Matrix:
    """By how much the worths lower the variance of each value."""
    from scipy.linalg import solve_triangular

    z, parity = sample.z, part.parity
    inside = sample.inside[sample.train]
    out = np.empty(len(readout.members))
    of_sizes = (covariance.by_size(prior)[parity] @ readout.sizes())[covariance.sizes_of(z)]
    if readout.size == 0 and parity == EVEN:
        of_sizes = of_sizes + covariance.LEVEL * readout.of_term(0)
    step = max(1, _CELLS // len(z))
    for start in range(0, len(out), step):
        some = slice(start, start + step)
        shared = readout.covariances(prior, z, parity, some)
        shared += exp(prior.log_nugget) * readout.of_nugget(inside, parity, some)
        shared += of_sizes[:, None]
        for term, variance in _terms(prior, readout, parity):
            here = np.flatnonzero(_holding(readout, term)[some])
            chi = covariance.characters([term], z)
            shared[:, here] += variance * readout.of_term(len(term)) * chi
        solved = solve_triangular(part.lower, shared, lower=True, check_finite=False)
        out[some] = np.einsum("ij,ij->j", solved, solved)
    return out
