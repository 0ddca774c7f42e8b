"""Sampling of the multilinear extension (Owen 1972)."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .. import indices
from .._kernels import sampling as kernels
from ..indices import BetaLaw, IndexSpec, PointLaw
from .base import Design, Estimates, Estimator, Task, estimates_of_sizes
from .registry import register
from .replicates import Matrix, Rows, Words, ends, error_of_sum, replicates_within

Law = BetaLaw | PointLaw

# Numbers of streams, away from those of other designs of the same seed.
_STREAM = 1 << 41


@dataclass(frozen=True, eq=False)
class Levels(Design):
    """Random coalitions at levels, each with all coalitions a few players away.

    Attributes
    ----------
    rows : int64 array of shape (n_replicates, n_laws, n_centres, c)
        Rows in ``words`` of G △ F, for each centre G and each set F of at most ``order`` players,
        by (size, lexicographic).
    inside : bool array of shape (n_replicates, n_laws, n_centres, n_players)
        The centres.
    levels : float64 array of shape (n_replicates,)
        The position of each replicate, in [0, 1): its levels are quantiles of the laws there.
    """

    rows: Rows
    inside: NDArray[np.bool_]
    levels: NDArray[np.float64]


@register
@dataclass(frozen=True)
class Owen(Estimator):
    """Discrete derivatives of all S at random coalitions, whose players are in with chance x.

    With x from the mixing law of the index, I(S) = E Δ_S(G ∖ S), G holding each player
    independently with probability x: for the Shapley value the integral of the multilinear
    extension's derivative along the diagonal (Owen 1972). One G and the coalitions that differ
    from it in at most ``order`` players give a sample of every interaction.

    Parameters
    ----------
    gauss : bool
        Whether x takes the nodes of the quadrature that integrates the law exactly, in
        proportion to their weights, instead of all values. Either way the levels of the
        replicates are evenly spread from a random start, and estimates are unbiased.
    antithetic : bool
        Whether each G comes with its mirror image: its players out at the mirrored level (its
        complement, where the law is symmetric).

    Notes
    -----
    Standard errors come from the differences between replicates at neighbouring levels. Additive
    games are exact; sums of Shapley values are not, as they are by permutations.
    """

    gauss: bool = False
    antithetic: bool = True

    # Coalitions are drawn with replacement.
    consistent = False

    def __post_init__(self) -> None:
        for name in ("gauss", "antithetic"):
            if not isinstance(given := getattr(self, name), bool | np.bool_):
                raise TypeError(f"{name} must be True or False, not {type(given).__name__}")

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        if spec.family != "derivative" or spec.has_constant:
            return False
        laws = [spec.law_of(size, order) for size in range(1, order + 1)]
        return None not in laws and not _is_end(laws[-1])

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        start = len(_start(n_players, spec, order))
        return start + 2 * self._cost(n_players, spec, order)

    def _cost(self, n_players: int, spec: IndexSpec, order: int) -> int:
        """Coalitions of one replicate."""
        around = 1 + sets.n_interactions(n_players, order)
        return around * len(_laws(spec, order)) * (1 + self.antithetic)

    def _design(self, task: Task) -> Design:
        n, laws = task.n_players, _laws(task.spec, task.order)
        flips = _flips(n, task.order)
        inside = np.zeros((0, 0, 0, n), dtype=np.bool_)
        levels = np.zeros(0)

        def draw(count: int) -> Words:
            nonlocal inside, levels
            shift = np.empty(1)
            kernels.uniform(task.seed, _STREAM, shift)
            levels = (_van_der_corput(count) + shift[0]) % 1.0
            thresholds = np.empty((count, len(laws), n))
            kernels.uniform(task.seed, _STREAM + 1, thresholds.reshape(-1))
            chances = np.stack([self._quantiles(law, levels, task) for law in laws], axis=1)
            inside = (thresholds < chances[:, :, None])[:, :, None]
            if self.antithetic:
                mirrored = [self._quantiles(law, 1.0 - levels, task) for law in laws]
                other = 1.0 - thresholds <= np.stack(mirrored, axis=1)[:, :, None]
                inside = np.concatenate([inside, other[:, :, None]], axis=2)
            centres = sets.pack(inside.reshape(-1, n))
            return (centres[:, None] ^ flips).reshape(count, -1, flips.shape[1])

        cost = self._cost(n, task.spec, task.order)
        start = _start(n, task.spec, task.order)
        words, rows = replicates_within(draw, start, cost, task.budget)
        count = len(rows)
        shape = (count, len(laws), 1 + self.antithetic, len(flips))
        return Levels(words, rows.reshape(shape), inside[:count], levels[:count])

    def _quantiles(self, law: Law, at: Matrix, task: Task) -> Matrix:
        """The level of each position in [0, 1]."""
        if isinstance(law, PointLaw):
            return np.full(len(at), float(law.at))
        if self.gauss:
            size = min(
                size
                for size in range(1, task.order + 1)
                if task.spec.law_of(size, task.order) == law
            )
            found = indices.quadrature(task.spec, size, task.order, task.n_players - size)
            assert found is not None
            nodes, weights = found
            place = np.searchsorted(np.cumsum(weights), at, side="right")
            return nodes[np.minimum(place, len(nodes) - 1)]
        if law.a == law.b == 1:
            return at
        from scipy.special import betaincinv

        quantiles: Matrix = betaincinv(float(law.a), float(law.b), at)
        return quantiles

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, Levels)
        laws = _laws(task.spec, task.order)
        by_level = np.argsort(design.levels)
        parts = []
        for size in range(1, task.order + 1):
            law = task.spec.law_of(size, task.order)
            if _is_end(law):
                parts.append(_at_an_end(task, design, worths, size))
                continue
            at = laws.index(law)  # type: ignore[arg-type]
            gains = _derivatives(
                task.n_players, size, design.rows[:, at], design.inside[:, at], worths
            )
            gains = gains.mean(axis=1)
            steps = np.diff(gains[by_level], axis=0)
            # Of overlapping differences, one is worth two thirds of a degree of freedom.
            error = error_of_sum((steps**2).mean(axis=0) / 2 / len(gains), 2 * len(steps) / 3)
            parts.append((gains.mean(axis=0), error))
        return estimates_of_sizes(parts)


def _is_end(law: Law | None) -> bool:
    """Whether the level is always 0 or always 1, so that nothing is random."""
    return isinstance(law, PointLaw) and law.at in (0, 1)


def _laws(spec: IndexSpec, order: int) -> list[Law]:
    """The different laws of levels; interactions of sizes with the same law share coalitions."""
    laws = [spec.law_of(size, order) for size in range(1, order + 1)]
    return list(dict.fromkeys(law for law in laws if law is not None and not _is_end(law)))


def _flips(n_players: int, order: int) -> Words:
    """All sets of at most ``order`` players, by (size, lexicographic)."""
    bits = sets.pack(np.eye(n_players, dtype=np.bool_))
    parts = [np.zeros((1, bits.shape[1]), dtype=np.uint64)]
    for size in range(1, order + 1):
        members = sets.interactions_of_size(n_players, size)
        parts.append(np.bitwise_or.reduce(bits[members], axis=1))
    return np.concatenate(parts)


def _end_sizes(spec: IndexSpec, order: int) -> dict[int, int]:
    """For each end, 0 and 1, the largest size whose derivatives are taken there alone."""
    laws = {size: spec.law_of(size, order) for size in range(1, order + 1)}
    return {
        int(law.at): size
        for size, law in laws.items()
        if isinstance(law, PointLaw) and _is_end(law)
    }


def _start(n_players: int, spec: IndexSpec, order: int) -> Words:
    """The empty and the grand coalition, and what the derivatives at the ends need."""
    both = ends(n_players)
    parts = [both]
    for end, size in _end_sizes(spec, order).items():
        parts.append(both[end] ^ _flips(n_players, size))
    words = np.concatenate(parts)
    places = np.empty(len(words), dtype=np.int64)
    kernels.first_places(words[:0], words, places)
    first: Words = words[places == np.arange(len(words))]
    return first


def _van_der_corput(count: int) -> Matrix:
    """The first numbers of the sequence 0, 1/2, 1/4, 3/4, 1/8, ...: always evenly spread."""
    at = np.arange(count)
    out = np.zeros(count)
    for bit in range(max(1, count.bit_length())):
        out += (at >> bit & 1) * 0.5 ** (bit + 1)
    return out


def _derivatives(
    n_players: int, size: int, rows: Rows, inside: NDArray[np.bool_], worths: Matrix
) -> Matrix:
    """Δ_S(G ∖ S) of all S of one size: from (..., c) and (..., n) to (..., C(n, size), n_games).

    With G △ F for L, where F ⊆ S and L = S ∩ (G △ F), the sign (-1)^(s - |L|) is
    (-1)^(|S ∖ G| + |F|).
    """
    members = sets.interactions_of_size(n_players, size)
    first = 0
    gains = np.zeros((*rows.shape[:-1], len(members), worths.shape[1]))
    for length in range(size + 1):
        for chosen in combinations(range(size), length):
            at = first + sets.ranks(members[:, list(chosen)], n_players)
            gains += (-1.0) ** length * worths[rows[..., at]]
        first += sets.n_interactions(n_players, length, length)
    odd = (size - inside[..., members].sum(axis=-1)) % 2 == 1
    gains[odd] *= -1.0
    return gains


def _at_an_end(task: Task, design: Levels, worths: Matrix, size: int) -> tuple[Matrix, Matrix]:
    """Δ_S(∅) or Δ_S(N ∖ S), exactly."""
    n = task.n_players
    law = task.spec.law_of(size, task.order)
    assert isinstance(law, PointLaw)
    centre = ends(n)[int(law.at)]
    rows = np.empty(len(_flips(n, size)), dtype=np.int64)
    kernels.first_places(design.words, centre ^ _flips(n, size), rows)
    inside = np.full(n, law.at == 1)
    values = _derivatives(n, size, rows, inside, worths)
    return values, np.zeros_like(values)
