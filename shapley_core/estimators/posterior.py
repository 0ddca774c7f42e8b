"""Games given their worths: posterior means and variances of worths and of values."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp

import numpy as np
from numpy.typing import NDArray

from ..threads import row_blocks
from . import covariance
from .base import Estimates, Task
from .covariance import EVEN, ODD, Prior
from .factored import Factored
from .readout import Readout
from .sample import Sample

Matrix = NDArray[np.float64]

# Cells of a work array, and of one that stays in the cache.
_CELLS, _CACHED = 1 << 24, 1 << 18
# Where the matrix has a pair for so many coalitions, what is left of the worths counts by much, and
# is taken from what is predicted, whose rounding then cancels.
_MANY_SEEN = 16


@dataclass(frozen=True, eq=False)
class Posterior:
    """One part of the games, given the worths.

    Attributes
    ----------
    parity : int
    known : Factored
        The covariance K of the worths.
    alpha : float64 array of shape (m, n_games)
        K⁻¹ y.
    left : float64 array of shape (n_pairs, n_games)
        What stays unexplained, at all pairs.
    left_out, left_out_variance : float64 arrays of shape (k, n_games) and (k,)
        Errors of predictions of each pair from all the others, and their variances: of the last
        of the pairs in K, as many as are checked.
    calibration : float64 array of shape (n_games,)
        The mean of the squares of the former over the latter.
    """

    parity: int
    known: Factored
    alpha: Matrix
    left: Matrix
    left_out: Matrix
    left_out_variance: Matrix
    calibration: Matrix

    @classmethod
    def of(cls, prior: Prior, sample: Sample, parity: int) -> "Posterior":
        """Of the training pairs."""
        z, y = sample.z, sample.target(parity)
        known = sample.factored(prior, parity)
        alpha = known.solve(y)
        left = np.empty_like(sample.parts[parity])
        if _MANY_SEEN * len(z) >= 2 ** min(prior.n_players, 60):
            left[sample.train] = y - _predicted(prior, parity, z, z, alpha)
        else:
            left[sample.train] = known.noise[:, None] * alpha
        held = np.setdiff1d(np.arange(len(left)), sample.train)
        if len(held):
            there = covariance.signs(sample.inside[held])
            said = _predicted(prior, parity, there, z, alpha)
            left[held] = sample.parts[parity][held] - said
        precision = known.precisions()
        some = alpha[-len(precision) :]
        calibration = (some**2 / precision[:, None]).mean(axis=0)
        left_out = some / precision[:, None]
        return cls(parity, known, alpha, left, left_out, 1 / precision, calibration)


def _predicted(prior: Prior, parity: int, there: Matrix, z: Matrix, alpha: Matrix) -> Matrix:
    """The part at other coalitions, its terms summed as their values are: rounding cancels."""
    found = np.empty((len(there), alpha.shape[1]))
    # Arrays of a few rows stay in the cache.
    for start, stop in row_blocks(len(there), max(1, _CACHED // len(z))):
        found[start:stop] = covariance.smooth(prior, parity, there[start:stop], z) @ alpha
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
    """Posterior means (m, n_games) and variances (m,) of one part at other coalitions."""
    mean = _predicted(prior, part.parity, there, sample.z, part.alpha)
    solved = part.known.half_solved(covariance.structured(prior, part.parity, sample.z, there))
    variance = covariance.variances(prior, part.parity, there) + exp(prior.log_nugget)
    least = exp(prior.log_nugget) + covariance.JITTER * variance
    return mean, np.maximum(variance - np.einsum("ij,ij->j", solved, solved), least)


def allowance(task: Task, sample: Sample) -> float:
    """What variances are multiplied by: the parameters are estimates too, the fewer the worse."""
    return 1 + 3 * (task.n_players + 5) / len(sample.train)


def posteriors_of(prior: Prior, task: Task, sample: Sample) -> dict[int, Posterior]:
    """The posterior of each part that the values depend on."""
    return {parity: Posterior.of(prior, sample, parity) for parity in parities_of(task)}


def values_under(
    prior: Prior, task: Task, sample: Sample, known: dict[int, Posterior] | None = None
) -> tuple[Matrix, Matrix]:
    """Posterior means and standard deviations of the scaled games, as ``blocks`` orders them.

    Shapes (n_games, n_interactions), and a column more where the index has a constant. ``known``
    is what ``posteriors_of`` gives, if it is at hand.
    """
    n_games = len(sample.scales)
    known = posteriors_of(prior, task, sample) if known is None else known
    values = np.zeros((task.spec.has_constant + len(task.interactions), n_games))
    errors = np.zeros_like(values)
    uncertain = allowance(task, sample)
    for readout, here in blocks(task):
        before = np.maximum(_prior_variance(prior, readout), 0.0)[:, None]
        spread = before * np.ones(n_games)
        raised = np.ones(n_games)
        for parity in readout.parities():
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
        rows = readout.within(term)
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


def _prior_variance(prior: Prior, readout: Readout) -> Matrix:
    out = readout.variances(prior)
    if prior.slope > 0.0:
        out = (out + readout.variances(replace(prior, slope=-prior.slope))) / 2
    for parity in readout.parities():
        for term, variance in _terms(prior, readout, parity):
            out[readout.within(term)] += variance * readout.of_term(len(term)) ** 2
    for part in covariance.by_size(prior):
        out += readout.sizes() @ part @ readout.sizes()
    if readout.size == 0:
        out += covariance.LEVEL * readout.of_term(0) ** 2
    return out + 2 * exp(prior.log_nugget) * readout.nugget_variance()


def _explained(prior: Prior, readout: Readout, sample: Sample, part: Posterior) -> Matrix:
    """By how much the worths lower the variance of each value."""
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
            here = np.flatnonzero(readout.within(term)[some])
            chi = covariance.characters([term], z)
            shared[:, here] += variance * readout.of_term(len(term)) * chi
        solved = part.known.half_solved(shared)
        out[some] = np.einsum("ij,ij->j", solved, solved)
    return out
