"""Values of the games of all rows of a table, block by block within a memory budget."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import coalitions as sets
from .. import indices
from ..errors import MemoryLimitError, UnknownIndexError
from ..estimators.base import Estimator
from ..estimators.randomness import seed_of
from ..estimators.registry import resolve
from ..estimators.regression import KernelRegression
from ..estimators.symmetric import MOST_PAIRS, SymmetricProcess
from ..imputers.rows import Rows
from ..indices import IndexSpec, ProbabilisticValue
from ..memory import human_bytes
from ..threads import row_blocks
from .many_games import ManyValues, estimated_values, exact_values
from .masked_games import MaskedGames, PerRow, RowGames
from .varying import Group, groups_of

# Arrays as large as the worths of a block of rows, while values are made of them.
_COPIES = 10
# The matrices of SymmetricProcess: beyond, they cost more than they bring.
_MOST_PLAYERS, _MOST_COLUMNS = 300, 1 << 22

Report = Callable[[int, int], object]


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
) -> tuple[Any, Any, Any, Any]:
    """Values, std_error (n_rows, n_interactions, n_outputs), baseline, evaluations of all rows."""
    n = games.players.n_players
    is_exact = n < budget.bit_length()
    m = 1 << n if is_exact else budget
    seed = seed_of(random_state)
    chosen = None if is_exact else _resolved(estimator, spec, order, n, budget)
    count = sets.n_interactions(n, order)

    def told(done: int) -> None:
        if progress is not None:
            progress(min(done // m, rows.n_rows), rows.n_rows)

    bound = RowGames(games, rows, threads, per_row, told)
    k = bound.n_outputs
    each = 8 * k * (_COPIES * m + 4 * count)
    if each > games.memory // 2:
        raise MemoryLimitError(
            f"the worths of {m} coalitions take about {human_bytes(each)} for one row, more than "
            f"half of memory={human_bytes(games.memory)}: raise it, or ask for a smaller budget"
        )
    values = np.zeros((rows.n_rows, count, k))
    error = None if is_exact else np.zeros_like(values)
    baseline = np.empty((rows.n_rows, k))
    evaluations = np.empty(rows.n_rows, np.int64)
    reduces = _ignores_null_players(spec) and not isinstance(estimator, Estimator)
    for start, stop in row_blocks(rows.n_rows, max(1, games.memory // 2 // each)):
        block = np.arange(start, stop)
        matter = bound.matter(block) if reduces else None
        for group in groups_of(matter, block, n, m, order):
            found = _found(bound, group, spec, order, m, chosen, seed, tolerance)
            group.put(found.values, values, order)
            if error is not None and found.std_error is not None:
                group.put(found.std_error, error, order)
            baseline[group.rows] = found.baseline.reshape(-1, k)
            evaluations[group.rows] = found.n_evaluations.reshape(-1, k)[:, 0]
    games.check_repeats()
    if progress is not None:
        progress(rows.n_rows, rows.n_rows)
    return values, error, baseline, evaluations


def _resolved(estimator: Any, spec: Any, order: int, n_players: int, budget: int) -> Any:
    """The estimator; by default one whose work is shared by all rows, where there is one."""
    if isinstance(estimator, str) and estimator == "auto":
        kernel, process = KernelRegression(), SymmetricProcess()
        if kernel.supports(spec, order):
            columns = sets.n_interactions(n_players, order) * min(budget // 2, MOST_PAIRS)
            small = n_players <= _MOST_PLAYERS and columns <= _MOST_COLUMNS
            return process if small and process.supports(spec, order) else kernel
    return resolve(estimator)


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
    order = sets.check_integer(order, "order")
    if isinstance(index, ProbabilisticValue):
        if order != 1 or index.n_players != n_players:
            raise UnknownIndexError(
                f"{index.name} has order 1 and {index.n_players} players; got order {order} and "
                f"{n_players} players"
            )
        return index, order
    spec = indices.get(index)
    spec.check(n_players, order)
    return spec, order
