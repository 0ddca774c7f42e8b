"""Exact values of any index, of a game small enough to tabulate.

Two routes, both from the worths themselves: never through Moebius coefficients, which lose digits.

*Fold* (low orders): every index is I(S) = Σ_{R ⊆ S} Σ_{T ⊇ R} c_|R|(|T|) v(T), so a few truncated
superset folds and a sum over the subsets of each interaction give all of them, O(order^2 2^n).

*Dense* (many interactions): quadrature of the mixing law, one in-place transform of the table a
node, O(n^2 2^n) for all sizes at once; an index without a law takes s + 2 transforms a size s.
"""

from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import coalitions as sets
from . import indices, transforms
from .arrays import check_integer
from .coalitions import InteractionSet
from .errors import InputError
from .game import as_table, check_table_size
from .indices import BetaLaw, IndexSpec, PointLaw, ProbabilisticValue
from .indices.tables import exact_moments
from .memory import check_memory, human_bytes
from .result import InteractionValues
from .threads import resolve_threads

Table = NDArray[np.float64]


def exact(
    game: Any, index: Any = "SV", order: int = 1, *, n_threads: int | None = None
) -> InteractionValues:
    """Exact values of all interactions of 1 to ``order`` players.

    Parameters
    ----------
    game : TableGame, CallableGame or another Game
        Evaluated on all ``2**n_players`` coalitions, unless it is a table already.
    index : str or IndexSpec
        ``indices.names()`` lists the names.
    order : int
        Largest size of an interaction, 1 to n_players. Each size has its own definition; for
        k-SII, STII, FSII, FBII, JointSV and kADD-SHAP the values of the smaller sizes depend on
        the order too.
    n_threads : int, optional
        Number of threads, by default all cores. The result does not depend on it.

    Returns
    -------
    InteractionValues
        The baseline is v(∅), which no index depends on, except for Fourier (the mean worth) and
        FBII (the intercept of its fit).

    Raises
    ------
    UnknownIndexError
        If the index, or the index at that order, does not exist.
    MemoryLimitError
        If the table or the result would not fit; the message says how much it takes.
    """
    threads = resolve_threads(n_threads)
    spec = index if isinstance(index, ProbabilisticValue) else indices.get(index)
    size_of_game = sets.check_n_players(game.n_players) if hasattr(game, "n_players") else None
    order = _check(spec, size_of_game, order)
    table = as_table(game)
    n = table.n_players
    values, baseline = table.values, table.baseline
    # What overflows is refused below.
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(spec, ProbabilisticValue):
            by_size = {1: _probabilistic(values, baseline, spec)}
        elif _few(n, order):
            by_size = _by_folds(values, baseline, spec, n, order, threads)
        else:
            by_size = _by_transforms(values, baseline, spec, n, order, threads)
        if isinstance(spec, IndexSpec) and spec.has_constant:
            weights = indices.fold_weights(spec, n, 0, order)
            baseline += float(transforms.fold(values, baseline, weights, 0, n, threads)[0, 0])
        found = np.concatenate([by_size.pop(size) for size in range(1, order + 1)])
    if not np.isfinite([found.min(), found.max(), baseline]).all():
        raise InputError(
            f"the worths, from {values.min():g} to {values.max():g}, are so large that their "
            "differences overflow float64: divide them all by one number"
        )
    return InteractionValues(
        found,
        InteractionSet.complete(n, order),
        index=spec.name,
        order=order,
        n_players=n,
        baseline=baseline,
        player_names=table.player_names,
        n_evaluations=1 << n,
    )


def _check(spec: IndexSpec | ProbabilisticValue, n_players: int | None, given: Any) -> int:
    """The order as an int, before anything is evaluated."""
    order = check_integer(given, "order")
    if n_players is None:
        return order
    spec.check(n_players, order)
    if isinstance(spec, ProbabilisticValue):
        return order
    check_table_size(n_players)
    count = sets.n_interactions(n_players, order)
    # By transforms: the table, the work and the sums, and three more to put the sums in order.
    arrays = 1 if _few(n_players, order) else 6
    # By folds: the values of each size, those of all, and what the interactions are found by.
    check_memory(
        8 * (arrays << n_players) + 8 * (order + 2) * count * (arrays == 1),
        f"the table of {n_players} players with {spec.name} of order {order} ({count} values, "
        f"{human_bytes(8 * count)})",
        "Ask for a lower order, or use an estimator",
    )
    return order


def _few(n_players: int, order: int) -> bool:
    """Whether the interactions are so few that folds are the shorter way."""
    # The transforms need a table of at least 16 worths.
    return (
        order <= 2
        or n_players < 4
        or 4 * (order + 1) * sets.n_interactions(n_players, order) <= 1 << n_players
    )


def _by_folds(
    values: Table, baseline: float, spec: IndexSpec, n: int, order: int, threads: int
) -> dict[int, Table]:
    def fold(weights: Table, level: int) -> Table:
        return transforms.fold(values, baseline, weights, level, n, threads)

    return values_by_folds(fold, spec, n, order)


def values_by_folds(
    fold: Callable[[Table, int], Table], spec: IndexSpec, n: int, order: int
) -> dict[int, Table]:
    """Values by size, from sums over the supersets of all sets of one size.

    ``fold(weights, size)`` gives them for weights of shape (n_weights, n + 1), by the size of the
    superset: (n_weights, C(n, size), ...), of any further shape, which is that of a value.
    """
    weights = {size: indices.fold_weights(spec, n, size, order) for size in range(1, order + 1)}
    out: dict[int, Table] = {}
    for level in range(order + 1):
        sizes = [size for size in weights if size >= level]
        found = fold(np.stack([weights[size][level] for size in sizes]), level)
        for size, sums in zip(sizes, found, strict=True):
            members = sets.interactions_of_size(n, size)
            if level == 0:
                out[size] = np.zeros((len(members), *sums.shape[1:]))
            for columns in combinations(range(size), level):
                out[size] += sums[sets.ranks(members[:, columns], n)]
    return out


def _by_transforms(
    values: Table, baseline: float, spec: IndexSpec, n: int, order: int, threads: int
) -> dict[int, Table]:
    work, sums = np.empty_like(values), np.zeros_like(values)
    nodes, others = _node_plan(spec, n, order)
    for x, by_size in nodes:
        # The weights of sizes that this node does not serve are 0, so sizes never mix.
        factors = np.zeros(n + 1)
        factors[list(by_size)] = list(by_size.values())
        parts = (
            [(1.0, [1 - x, x, -1.0, 1.0])]
            if spec.family == "derivative"
            else [(1.0, [1 - x, x, 0.0, 1.0]), (-1.0, [1 - x, x, 1.0, 0.0])]
        )
        for sign, matrix in parts:
            transforms.weigh(values, baseline, np.ones(n + 1), threads, work)
            transforms.transform(work, "general", threads, np.array(matrix))
            transforms.add_weighed(work, sign * factors, threads, sums)
    for size in others:
        _add_size(values, baseline, spec, n, size, order, threads, work, sums)
    del work  # before its room is needed to put the sums in order
    places = sets.positions_by_size(n, order)
    return {size: sums[places[size]] for size in range(1, order + 1)}


def _node_plan(
    spec: IndexSpec, n: int, order: int
) -> tuple[list[tuple[float, dict[int, float]]], list[int]]:
    """Nodes x of quadrature, each with the weights of the sizes it serves; and the other sizes."""
    points: dict[float, dict[int, float]] = {}
    densities: dict[int, BetaLaw] = {}
    others = []
    for size in range(1, order + 1):
        law = spec.law_of(size, order)
        scale = 1.0
        if law is None and spec.family == "derivative":
            # Geometric weights on Moebius coefficients are a point mass in disguise.
            mu = exact_moments(spec, n, size, order, n - size + 1)
            ratio = mu[1] / mu[0] if len(mu) > 1 and mu[0] else mu[0] * 0
            if all(mu[m] == mu[0] * ratio**m for m in range(len(mu))):
                law, scale = PointLaw(ratio), float(mu[0])
        if isinstance(law, PointLaw):
            points.setdefault(float(law.at), {})[size] = scale
        elif law is not None and law.a.denominator == law.b.denominator == 1:
            densities[size] = law
        else:
            others.append(size)
    nodes = list(points.items())
    if densities:
        # Densities that are polynomials share the nodes of the uniform law.
        degree = max(n - size + int(law.a + law.b) - 2 for size, law in densities.items())
        x, w = np.polynomial.legendre.leggauss(degree // 2 + 1)
        x, w = (x + 1) / 2, w / 2
        tables = {
            size: w * x ** float(law.a - 1) * (1 - x) ** float(law.b - 1) * _beta_scale(law)
            for size, law in densities.items()
        }
        nodes += [
            (float(node), {size: float(tables[size][q]) for size in tables})
            for q, node in enumerate(x)
        ]
    return nodes, others


def _beta_scale(law: BetaLaw) -> float:
    """1 / B(a, b) of integers a, b."""
    a, b = int(law.a), int(law.b)
    return float(a * comb(a + b - 1, a))


def _add_size(
    values: Table,
    baseline: float,
    spec: IndexSpec,
    n: int,
    size: int,
    order: int,
    threads: int,
    work: Table,
    sums: Table,
) -> None:
    """The values of one size from the weights of coalitions, added to ``sums`` at that size."""
    only = np.eye(n + 1)[size]
    held = np.zeros_like(values)
    if spec.family == "generalised":
        # Coalitions that hold all of S, less those that hold none of it: subsets of N∖S.
        p = indices.derivative_weights(spec, n, size, order)
        transforms.weigh(values, baseline, np.pad(p, (size, 0)), threads, work)
        transforms.transform(work, "superset-sum", threads)
        transforms.add_weighed(work, only, threads, sums)
        transforms.weigh(values, baseline, np.pad(p, (0, size)), threads, work)
        transforms.transform(work, "subset-sum", threads)
        held[:] = work[::-1]
        transforms.add_weighed(held, -only, threads, sums)
        return
    for level, weights in enumerate(indices.fold_weights(spec, n, size, order)):
        transforms.weigh(values, baseline, weights, threads, work)
        transforms.transform(work, "superset-sum", threads)
        transforms.add_weighed(work, np.eye(n + 1)[level], threads, held)
    transforms.transform(held, "subset-sum", threads)
    transforms.add_weighed(held, only, threads, sums)


def _probabilistic(values: Table, baseline: float, spec: ProbabilisticValue) -> Table:
    out = np.empty(spec.n_players)
    for player, row in enumerate(spec.weights):
        halves = (values - baseline).reshape(-1, 2, 1 << player)
        weights = row.reshape(-1, 2, 1 << player)[:, 0]
        out[player] = (weights * (halves[:, 1] - halves[:, 0])).sum()
    return out
