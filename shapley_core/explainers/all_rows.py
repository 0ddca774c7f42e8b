"""Values of the games of all rows of a table, block by block within a memory budget."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .. import indices
from ..errors import MemoryLimitError, UnknownIndexError
from ..estimators.randomness import seed_of
from ..estimators.registry import resolve
from ..estimators.regression import KernelRegression
from ..imputers.rows import Rows
from ..indices import IndexSpec, ProbabilisticValue
from ..memory import human_bytes
from ..threads import row_blocks
from .many_games import ManyValues, estimated_values, exact_values
from .masked_games import MaskedGames, PerRow, RowGames

# Arrays as large as the worths of a block of rows, while values are made of them.
_COPIES = 6

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
    chosen = None if is_exact else _resolved(estimator, spec, order)
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
    values = np.empty((rows.n_rows, count, k))
    error = None if is_exact else np.empty_like(values)
    baseline = np.empty((rows.n_rows, k))
    evaluations = np.empty(rows.n_rows, np.int64)
    for start, stop in row_blocks(rows.n_rows, max(1, games.memory // 2 // each)):
        block = np.arange(start, stop)
        if is_exact:
            every = sets.all_coalitions(n)
            found = exact_values(bound.worths(every, block).reshape(m, -1), spec, order)
        else:

            def ask(
                coalitions: NDArray[np.bool_], some: NDArray[np.int64], start: int = start
            ) -> NDArray[np.float64]:
                return bound.worths(coalitions, start + some)

            found = estimated_values(
                ask,
                n,
                stop - start,
                k,
                estimator=chosen,
                budget=budget,
                index=spec,
                order=order,
                seed=seed,
                tolerance=tolerance,
            )
        _put(found, values[start:stop], None if error is None else error[start:stop])
        baseline[start:stop] = found.baseline.reshape(-1, k)
        evaluations[start:stop] = found.n_evaluations.reshape(-1, k)[:, 0]
    games.check_repeats()
    if progress is not None:
        progress(rows.n_rows, rows.n_rows)
    return values, error, baseline, evaluations


def _resolved(estimator: Any, spec: Any, order: int) -> Any:
    """The estimator; by default one whose work is shared by all rows, where there is one."""
    if isinstance(estimator, str) and estimator == "auto":
        kernel = KernelRegression()
        if kernel.supports(spec, order):
            return kernel
    return resolve(estimator)


def _put(found: ManyValues, values: NDArray[np.float64], error: NDArray[np.float64] | None) -> None:
    shape = (values.shape[1], values.shape[0], values.shape[2])
    values[:] = found.values.reshape(shape).transpose(1, 0, 2)
    if error is not None:
        assert found.std_error is not None
        error[:] = found.std_error.reshape(shape).transpose(1, 0, 2)


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
