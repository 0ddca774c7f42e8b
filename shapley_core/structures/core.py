"""The least core and its most equal allocation, by linear programs on growing sets of coalitions.

All programs here are one: over the allocations that give some coalitions a fixed total, maximise
the least surplus ``x(S) - v(S)`` of the other coalitions. The first is the least core itself
(surplus ``-e``). At its solution the coalitions with a positive dual weight have that surplus in
*every* solution, so they are fixed, and the same program tells whether the rest can do better; when
it can, the fixed coalitions describe the least core's affine hull and the rest its inequalities.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MemoryLimitError
from ..game import Game, as_table, checked_game
from ..result import InteractionValues
from ._values import check_overflow, player_values

Vector = NDArray[np.float64]

_MAX_PLAYERS = 22
# With worths scaled to at most 1: a surplus that differs by more than this is another surplus.
_TOLERANCE = 1e-9
_CUTS = 100


class CoreSolution(NamedTuple):
    """An allocation of the least core.

    Attributes
    ----------
    allocation : InteractionValues
        What each player gets; sums to ``v(N) - v(empty)``.
    epsilon : float
        The least ``e`` for which every coalition S other than the empty and the full one can get
        ``v(S) - v(empty) - e``; the core is not empty if and only if it is at most 0.
    """

    allocation: InteractionValues
    epsilon: float


def least_core(game: Game) -> CoreSolution:
    """An allocation of the least core, and its ``e``.

    Minimises ``e`` subject to ``sum_{i in S} x_i >= v(S) - e`` for all coalitions S but the empty
    and the full one, and ``sum_i x_i = v(N)``, where ``v(empty)`` is subtracted from every worth.
    Any allocation that reaches the least ``e`` may be returned.

    Parameters
    ----------
    game : Game
        A game of 2 to 22 players (1 player gets all, with ``e = 0``); it is tabulated.

    Returns
    -------
    CoreSolution
        The allocation (index ``"LeastCore"``) and ``e``; accurate to 1e-9 of the largest worth
        (1e-14 in what was tried).

    Raises
    ------
    MemoryLimitError
        If there are more than 22 players.

    References
    ----------
    Maschler, Peleg, Shapley (1979), Geometric properties of the kernel, nucleolus, and related
    solution concepts, Mathematics of Operations Research 4(4).
    """
    return _solve(game, "LeastCore")


def egalitarian_least_core(game: Game) -> CoreSolution:
    """The allocation of the least core with the least sum of squares.

    Unique, and the same for players who are interchangeable. ``e`` is minimised first, exactly as
    in ``least_core``; the sum of squares only decides between allocations that reach it.

    Parameters
    ----------
    game : Game
        A game of 1 to 22 players; it is tabulated.

    Returns
    -------
    CoreSolution
        The allocation (index ``"EgalitarianLeastCore"``) and ``e``; accurate to 1e-9 of the
        largest worth (1e-13 in what was tried).

    Raises
    ------
    MemoryLimitError
        If there are more than 22 players.

    References
    ----------
    Yan, Procaccia (2021), If you like Shapley then you'll love the core, AAAI 35. The least
    distance is found by non-negative least squares: Lawson, Hanson (1974), Solving Least Squares
    Problems, algorithm LDP (23.27).
    """
    return _solve(game, "EgalitarianLeastCore")


def _solve(game: Game, index: str) -> CoreSolution:
    checked = checked_game(game)
    n = checked.n_players
    if n > _MAX_PLAYERS:
        raise MemoryLimitError(
            f"the least core of {n} players has 2**{n} constraints; the most is {_MAX_PLAYERS} "
            "players"
        )
    table = as_table(checked).values
    with np.errstate(over="ignore"):
        worths = table - table[0]
    scale = float(np.abs(worths).max()) or 1.0
    check_overflow(scale)
    worths /= scale
    if n == 1:
        allocation, surplus = worths[1:], 0.0
    else:
        allocation, surplus = _least_core(worths, n, egalitarian=index == "EgalitarianLeastCore")
    with np.errstate(over="ignore"):
        allocation = allocation * scale
    epsilon = (0.0 - surplus) * scale  # not -0.0
    check_overflow(epsilon)
    return CoreSolution(player_values(allocation, checked, index, float(table[0]), 1 << n), epsilon)


def _least_core(worths: Vector, n: int, egalitarian: bool) -> tuple[Vector, float]:
    """An allocation of the least core and the surplus ``-e`` of its worst coalitions."""
    fixed = np.array([len(worths) - 1])
    totals = worths[-1:]
    surplus, allocation, tight = _most_surplus(worths, n, fixed, totals)
    if not egalitarian:
        return allocation, surplus
    while True:
        fixed = np.concatenate([fixed, tight])
        totals = np.concatenate([totals, worths[tight] + surplus])
        if np.linalg.matrix_rank(_rows(fixed, n)) == n:
            return _least_squares(_rows(fixed, n), totals), surplus
        further, allocation, tight = _most_surplus(worths, n, fixed, totals)
        if further > surplus + _TOLERANCE:
            return _nearest_to_zero(worths, n, fixed, totals, surplus), surplus


def _most_surplus(
    worths: Vector, n: int, fixed: NDArray[np.int64], totals: Vector
) -> tuple[float, Vector, NDArray[np.int64]]:
    """Maximise the least surplus over coalitions not fixed; also who holds it there (the duals).

    Coalitions enter the program when a solution violates them, a few of the worst at a time.
    """
    from scipy.optimize import linprog

    free = ~_spanned(fixed, n)
    rows = _rows(fixed, n)
    equal = np.column_stack([rows, np.zeros(len(rows))])
    objective = np.zeros(n + 1)
    objective[-1] = -1.0
    singles = np.array([1 << i for i in range(n)])
    working = np.unique(np.concatenate([singles, len(worths) - 1 - singles]))
    working = working[free[working]]
    if len(working) == 0:
        working = np.flatnonzero(free)[:1]
    while True:
        members = _rows(working, n)
        found = linprog(
            objective,
            A_ub=np.column_stack([-members, np.ones(len(working))]),
            b_ub=-worths[working],
            A_eq=equal,
            b_eq=totals,
            # Without bounds few coalitions leave the program unbounded; none below is attained.
            bounds=[(None, None)] * n + [(None, 4.0)],
            method="highs-ds",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if found.status != 0 or found.x is None:
            raise InputError(f"the linear program of the least core failed: {found.message}")
        allocation, surplus = found.x[:n], float(found.x[n])
        gaps = np.where(free, _totals(allocation, n) - worths, np.inf)
        gaps[[0, -1]] = np.inf
        gaps[working] = np.inf
        worst = np.argpartition(gaps, min(_CUTS, len(gaps) - 1))[:_CUTS]
        worst = worst[gaps[worst] < surplus - _TOLERANCE / 10]
        if len(worst) == 0:
            break
        working = np.concatenate([working, worst])
    return surplus, allocation, working[found.ineqlin.marginals < -1e-7]


def _nearest_to_zero(
    worths: Vector, n: int, fixed: NDArray[np.int64], totals: Vector, surplus: float
) -> Vector:
    """The least-squares allocation with the fixed totals and at least ``surplus`` elsewhere."""
    rows = _rows(fixed, n)
    particular = _least_squares(rows, totals)  # the nearest to zero of the affine hull
    _, sizes, right = np.linalg.svd(rows)
    directions = right[int((sizes > 1e-9).sum()) :]
    free = ~_spanned(fixed, n)
    free[[0, -1]] = False
    wanted = worths + surplus
    working = np.zeros(0, dtype=np.int64)
    allocation = particular
    while True:
        gaps = np.where(free, _totals(allocation, n) - wanted, np.inf)
        gaps[working] = np.inf
        worst = np.argpartition(gaps, min(_CUTS, len(gaps) - 1))[:_CUTS]
        worst = worst[gaps[worst] < -1e-12]
        if len(worst) == 0:
            return allocation
        working = np.concatenate([working, worst])
        members = _rows(working, n)
        step = _least_distance(members @ directions.T, wanted[working] - members @ particular)
        allocation = particular + step @ directions


def _least_distance(rows: Vector, least: Vector) -> Vector:
    """The shortest ``y`` with ``rows @ y >= least``, by non-negative least squares."""
    from scipy.optimize import nnls

    system = np.vstack([rows.T, least])
    target = np.zeros(len(system))
    target[-1] = 1.0
    weights, _ = nnls(system, target, maxiter=50 * len(least) + 100)
    residual = system @ weights - target
    if residual[-1] > -1e-14:
        raise InputError("the least core's inequalities contradict each other within rounding")
    shortest: Vector = -residual[:-1] / residual[-1]
    return shortest


def _least_squares(rows: Vector, wanted: Vector) -> Vector:
    """The shortest of the ``x`` for which ``rows @ x`` is nearest to what is wanted."""
    return np.asarray(np.linalg.lstsq(rows, wanted, rcond=None)[0], dtype=np.float64)


def _rows(coalitions: NDArray[np.int64], n: int) -> Vector:
    """Membership of the coalitions at the given positions, shape (m, n)."""
    return ((coalitions[:, None] >> np.arange(n)) & 1).astype(np.float64)


def _totals(allocation: Vector, n: int) -> Vector:
    """What each of the 2**n coalitions gets, by doubling."""
    totals = np.zeros(1 << n)
    for i in range(n):
        totals[1 << i : 2 << i] = totals[: 1 << i] + allocation[i]
    return totals


def _spanned(fixed: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    """Coalitions whose total the fixed ones determine: orthogonal to every free direction."""
    _, sizes, right = np.linalg.svd(_rows(fixed, n))
    spanned = np.ones(1 << n, dtype=np.bool_)
    for direction in right[int((sizes > 1e-9).sum()) :]:
        spanned &= np.abs(_totals(direction, n)) < 1e-9
    return spanned
