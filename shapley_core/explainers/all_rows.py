"""Values of the games of all rows of a table, block by block within a memory budget."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import coalitions as sets
from .. import indices
from ..arrays import check_integer
from ..errors import BudgetError, MemoryLimitError
from ..estimators.base import Estimator
from ..estimators.randomness import seed_of
from ..estimators.registry import resolve
from ..estimators.stopping import as_rule
from ..imputers.rows import Rows
from ..indices import IndexSpec, ProbabilisticValue
from ..memory import human_bytes
from ..threads import check_progress, row_blocks
from .many_games import (
    COPIES,
    ManyValues,
    RowValues,
    estimated_values,
    exact_values,
    shared_estimator,
)
from .masked_games import MaskedGames, PerRow, RowGames
from .parted_rows import donors_dealt, put_parted_values
from .varying import Group, groups_of

Report = Callable[[int, int], object]


def checked_budget(budget: Any) -> int:
    """The most coalitions that may be asked for, as an integer of at least 1."""
    found = check_integer(budget, "budget")
    if found < 1:
        raise BudgetError(f"the budget is the most coalitions to ask for, at least 1; got {found}")
    return found


def check_course(tolerance: Any, progress: Any) -> None:
    """Refuse a tolerance that is none and a progress that cannot be called, before any work."""
    as_rule(tolerance)
    check_progress(progress)


def values_of_rows(
    games: MaskedGames,
    rows: Rows,
    spec: IndexSpec | ProbabilisticValue,
    order: int,
    budget: int,
    estimator: Any,
    random_state: Any,
    tolerance: Any,
    threads: int,
    progress: Report | None,
    per_row: PerRow = None,
) -> RowValues:
    """Values of all rows."""
    n = games.players.n_players
    is_exact = n < budget.bit_length()
    m = 1 << n if is_exact else budget
    seed = seed_of(random_state)
    named = resolve(estimator)
    by_default = isinstance(estimator, str) and estimator == "auto"
    count = sets.n_interactions(n, order)

    def told(done: int) -> None:
        if progress is not None:
            progress(min(done, rows.n_rows), rows.n_rows)

    bound = RowGames(games, rows, threads, per_row, lambda worths: told(worths // m))
    k = bound.n_outputs
    each = 8 * k * (COPIES * m + 4 * count)
    if each > games.memory // 2:
        raise MemoryLimitError(
            f"the worths of {m} coalitions take about {human_bytes(each)} for one row, more than "
            f"half of memory={human_bytes(games.memory)}: raise it, or ask for a smaller budget"
        )
    out = RowValues.empty(rows.n_rows, count, k, is_exact)
    # An estimator that the user names sees the coalitions that it asks for, of the whole game.
    reduces = _ignores_null_players(spec) and not isinstance(estimator, Estimator)
    n_donors = donors_dealt(bound) if reduces else 0
    shared = None if is_exact else shared_estimator(spec, order, n, budget, n_donors)
    chosen = shared if by_default and shared is not None else named
    if n_donors and (is_exact or chosen is shared):
        assert isinstance(spec, IndexSpec)
        put_parted_values(bound, spec, order, m, seed, tolerance, out, told)
    else:
        for start, stop in row_blocks(rows.n_rows, max(1, games.memory // 2 // each)):
            block = np.arange(start, stop)
            matter = bound.matter(block) if reduces else None
            for group in groups_of(matter, block, n, m, order):
                found = _found(bound, group, spec, order, m, chosen, seed, tolerance)
                group.put(found, out, order)
    games.check_repeats()
    if progress is not None:
        progress(rows.n_rows, rows.n_rows)
    return out


def _found(
    bound: RowGames,
    group: Group,
    spec: Any,
    order: int,
    budget: int,
    estimator: Any,
    seed: int,
    tolerance: Any,
) -> ManyValues:
    """Values of the rows of a group, as games of its players."""
    n = group.n_players
    if n < budget.bit_length():
        table = group.worths(bound, sets.all_coalitions(n), np.arange(len(group.rows)))
        return exact_values(table.reshape(1 << n, -1), spec, order)
    return estimated_values(
        lambda coalitions, some: group.worths(bound, coalitions, some),
        n,
        len(group.rows),
        bound.n_outputs,
        estimator=estimator,
        budget=budget,
        index=spec,
        order=order,
        seed=seed,
        tolerance=tolerance,
    )


def _ignores_null_players(spec: IndexSpec | ProbabilisticValue) -> bool:
    """Whether values stay what they are when null players are left out of the game."""
    # Its weights on Moebius coefficients do not know n.
    return isinstance(spec, IndexSpec) and spec.family == "derivative" and spec.weights is None


def checked_index(
    index: Any, n_players: int, order: Any
) -> tuple[IndexSpec | ProbabilisticValue, int]:
    """The index, and the order as an int, if they exist for that many players."""
    order = check_integer(order, "order")
    spec = index if isinstance(index, ProbabilisticValue) else indices.get(index)
    spec.check(n_players, order)
    return spec, order
