"""From the values of an index back to the worths of the game."""

from fractions import Fraction
from functools import lru_cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from . import coalitions as sets
from . import indices, transforms
from .errors import InputError
from .game import TableGame, check_table_size
from .indices import IndexSpec
from .indices.tables import exact_moments
from .memory import check_memory
from .result import InteractionValues
from .threads import resolve_threads


def to_game(values: InteractionValues, *, n_threads: int | None = None) -> TableGame:
    """The game that has these values: the inverse of ``exact`` at full order.

    Moebius values may be of any interactions, those absent count as 0, so this also builds a game
    from its dividends. Any other index must be complete, of order ``n_players``; the generalised
    values (SGV, BGV, CHGV, JointSV) have no inverse here. ``exact`` of the result converts to any
    other index.

    Estimated values give the game of the estimates. For SII, CHII and BII the inverse has
    alternating weights that grow with the number of players, and costs digits accordingly.

    Parameters
    ----------
    values : InteractionValues
        Values of all interactions.
    n_threads : int, optional
        Number of threads, by default all cores.

    Returns
    -------
    TableGame

    Raises
    ------
    InputError
        If the values do not determine the game.
    MemoryLimitError
        If the table would not fit.
    """
    if not isinstance(values, InteractionValues):
        raise TypeError(f"InteractionValues are wanted, not {type(values).__name__}")
    spec = indices.get(values.index)
    threads = resolve_threads(n_threads)
    n = values.n_players
    check_table_size(n)
    given = values.interaction_set
    is_moebius = spec.name == "Moebius"
    if spec.family != "derivative":
        raise InputError(f"values of {spec.name} cannot be turned back into a game")
    if not is_moebius and not (
        values.order == n and all(given.is_complete(size) for size in range(1, n + 1))
    ):
        raise InputError(
            f"{spec.name} determines the game only with all interactions up to order {n}; these "
            f"are {len(values)} of order {values.order}. Only Moebius values may be partial"
        )
    full = list(given.sizes) == list(range(1, n + 1)) and len(given) == (1 << n) - 1
    if full:
        # The table, and what either the transforms or the positions of the values take.
        check_memory(8 * (5 << n), f"a table of {n} players from its values", "Use fewer players")
    table = np.zeros(1 << n)
    if full:
        table[np.concatenate(sets.positions_by_size(n, n)[1:])] = values.values
    else:
        for size in given.sizes:
            at = sets.interaction_positions(given.block(size))
            table[at] = values.values[given.slice_of(size)]
    if spec.has_constant:
        table[0] = values.baseline
    if not is_moebius:
        table = _moebius(table, spec, n, threads)
    transforms.transform(table, "subset-sum", threads)
    if not spec.has_constant:
        table += values.baseline
    return TableGame(table, values.player_names)


def _moebius(
    table: NDArray[np.float64], spec: IndexSpec, n: int, threads: int
) -> NDArray[np.float64]:
    """Moebius coefficients from the values of all interactions, both in the order of a table."""
    inverse = _inverse_weights(spec, n)
    only = np.eye(n + 1)
    work, out = np.empty_like(table), np.zeros_like(table)
    for size in range(0 if spec.has_constant else 1, n + 1):
        transforms.weigh(table, 0.0, inverse[size], threads, work)
        transforms.transform(work, "superset-sum", threads)
        transforms.add_weighed(work, only[size], threads, out)
    return out


@lru_cache(maxsize=32)
def _inverse_weights(spec: IndexSpec, n: int) -> NDArray[np.float64]:
    """λ(s, t): a(S) = Σ_{T ⊇ S} λ(s, t) I(T), as I(S) = Σ_{T ⊇ S} μ_s(t - s) a(T).

    Composing the two sums over the sets between S and T gives
    Σ_u C(t-s, u-s) λ(s, u) μ_u(t - u) = [s = t], solved by ascending t.
    """
    first = 0 if spec.has_constant else 1
    mu = {s: exact_moments(spec, n, s, n, n - s + 1) for s in range(first, n + 1)}
    if any(row[0] == 0 for row in mu.values()):
        raise InputError(f"values of {spec.name} do not determine the game")
    out = np.zeros((n + 1, n + 1))
    for s in range(first, n + 1):
        row: list[Fraction] = []
        for t in range(s, n + 1):
            known = sum(
                (comb(t - s, u - s) * row[u - s] * mu[u][t - u] for u in range(s, t)), Fraction(0)
            )
            row.append((Fraction(s == t) - known) / mu[t][0])
        out[s, s:] = [float(x) for x in row]
    return out
