"""Stages of a computation: trees of bounded memory with their tables, which are kept between calls.

Tables are built where there are rows enough to pay for it, else a kernel computes just the entries
needed, in the same order of summation: the values do not depend on which it was, bit for bit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .lookup import Fill, LookupTables, Tables
from .row_tables import RowTables
from .subtree_sums import NO_TABLE, SubtreeSums

# Tables of one stage, and of all stages that are kept between calls; their copies for few rows.
STAGE_BYTES = 1 << 28
KEPT_BYTES = 1 << 30
TURNED_BYTES = 1 << 28
# Sums of one block of rows in the look-up: a level-2 cache's.
SUMS_BYTES = 1 << 20
# Rows of one task.
MANY_ROWS = 4096
FEW_ROWS = 512
# Deep trees take a task of at most so many nanoseconds, for it ends before an interruption does.
TASK_TIME, LEAST_ROWS = 5e8, 64

NO_NUMBERS = np.empty(0, np.int64)


@dataclass(frozen=True)
class Stage:
    """Some of the trees, and the kernel that adds their values.

    Parameters
    ----------
    n_trees : int
    n_rows : int
        Rows of one task.
    add : callable of (columns, out)
        Adds the values of prepared rows to ``out`` (rows by features by outputs).
    nbytes : int
        What its tables take.
    """

    n_trees: int
    n_rows: int
    add: Callable[[NDArray[np.float64], NDArray[np.float64]], None]
    nbytes: int = 0


class Lookup(Protocol):
    """Tables of some trees that explain rows."""

    trees: NDArray[np.int64]
    table: NDArray[np.float64]

    @property
    def built(self) -> Tables | None:
        """The tables column by column, if they can be laid out anew for few rows."""

    def explain(
        self, columns: NDArray[np.float64], n_rows_at_once: int, out: NDArray[np.float64]
    ) -> None:
        """Add the values of prepared rows to ``out`` (rows by columns by outputs)."""


class TableStages:
    """Builds tables a stage at a time and keeps them between calls, up to a bound."""

    # Measured: up to so many rows of a call are faster pattern by pattern (row_tables.py).
    few_rows = 8
    # Nanoseconds that reading a model and describing its paths takes, and each node of it.
    setup_cost = 6e6, 1000.0

    def __init__(self, groups: Any) -> None:
        self.groups = groups
        self._kept: dict[tuple[int, ...], Stage] = {}
        self._turned: list[int] = []
        self._saved: dict[tuple[int, ...], float] = {}
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the tables out; they are built again."""
        left_out = ("_kept", "_turned", "_saved", "_lock")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        TableStages.__init__(self, state["groups"])
        self.__dict__.update(state)

    def _build(self, trees: tuple[int, ...], fill: Fill, n_threads: int) -> Lookup:
        n_players = self.groups.paths.n_players
        return LookupTables(self.groups, trees, fill, n_players, n_threads)

    def split(self, trees: Sequence[int]) -> list[tuple[int, ...]]:
        """Cut trees into stages of bounded memory."""
        ends = 8 * np.cumsum(self.groups.n_entries[list(trees)]) // STAGE_BYTES
        return [tuple(np.array(trees)[ends == end].tolist()) for end in np.unique(ends)]

    def stage(self, trees: tuple[int, ...], fill: Fill, n_threads: int, keep: bool) -> Stage:
        """Look up, building the tables first if they are not there."""
        ready = self._kept.get(trees)
        if ready is not None:
            return ready
        with self._lock:
            ready = self._kept.get(trees)
            if ready is None:
                tables = self._build(trees, fill, n_threads)
                held = sum(stage.nbytes for stage in self._kept.values())
                kept = keep and held + tables.table.nbytes <= KEPT_BYTES
                ready = self._stage_of(tables, kept)
                if kept:
                    self._kept[trees] = ready
                else:
                    # Spent: the next time rows alone must pay.
                    self._saved[trees] = -self._setup_of(list(trees))
        return ready

    def _stage_of(self, tables: Lookup, kept: bool) -> Stage:
        paths = self.groups.paths
        row_bytes = 8 * max(1, paths.n_players * paths.ensemble.n_outputs)
        at_once = min(max(SUMS_BYTES // row_bytes, 8), MANY_ROWS)
        # Without a reference to these stages, which keep the new one: in a cycle the tables would
        # stay until the garbage is collected.
        few_rows, groups, turned, lock = self.few_rows, self.groups, self._turned, self._lock
        by_row: RowTables | None = None
        to_turn = tables.built if kept else None

        def add(columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
            nonlocal by_row, to_turn
            if len(out) > few_rows:
                tables.explain(columns, at_once, out)
                return
            if to_turn is not None:
                with lock:
                    if to_turn is not None and sum(turned) + tables.table.nbytes <= TURNED_BYTES:
                        by_row = RowTables(groups, tables.trees, to_turn)
                        turned.append(tables.table.nbytes)
                    to_turn = None
            if by_row is not None:
                by_row.explain(columns, out)
            else:
                tables.explain(columns, at_once, out)

        return Stage(len(tables.trees), self._rows_of(tables.trees), add, tables.table.nbytes)

    def _rows_of(self, trees: NDArray[np.int64]) -> int:
        """Rows of one task."""
        return MANY_ROWS

    def pays(self, trees: tuple[int, ...], n_rows: int, row_cost: float) -> bool:
        """Tell whether to look up, where a row costs ``row_cost`` nanoseconds without tables.

        Tables are built once the rows of all calls so far would have paid for them. A second call
        tells that there will be more: then they may also cost as much as reading the model did.
        There are none if one tree alone would fill the memory of a stage (many outputs to a leaf).
        """
        if trees in self._kept:
            return True
        numbers = list(trees)
        if 8 * int(self.groups.n_entries[numbers].max()) > STAGE_BYTES:
            return False
        credit = self._saved.get(trees, 0.0) + n_rows * row_cost
        called_before = trees in self._saved
        self._saved[trees] = credit
        if called_before:
            credit += self._setup_of(numbers)
        return float(self.groups.build_cost[numbers].sum()) < credit

    def _setup_of(self, trees: list[int]) -> float:
        """Rough nanoseconds that it took to read some trees."""
        nodes = np.diff(self.groups.paths.ensemble.tree_offsets)[trees]
        return self.setup_cost[0] + self.setup_cost[1] * float(nodes.sum())


class SubtreeStages(TableStages):
    """Stages of deep trees in the path-dependent game; its groups are `SubtreeSums`."""

    def _build(self, trees: tuple[int, ...], fill: Fill, n_threads: int) -> Lookup:
        tables: Lookup = self.groups.tables(trees, n_threads)
        return tables

    def _rows_of(self, trees: NDArray[np.int64]) -> int:
        return _rows_in_time(MANY_ROWS, self.groups.look_up_cost[trees])

    def stages(self, trees: list[tuple[int, ...]], n_rows: int, n_threads: int) -> Iterator[Stage]:
        """Yield the stages of some trees, each with tables or without."""
        sums: SubtreeSums = self.groups
        for some in trees:
            numbers = np.array(some, np.int64)
            saved = float((sums.few_cost - sums.look_up_cost)[numbers].sum())
            if self.pays(some, n_rows, saved):
                yield self.stage(some, _no_fill, n_threads, keep=True)
                continue

            def add(
                columns: NDArray[np.float64],
                out: NDArray[np.float64],
                numbers: NDArray[np.int64] = numbers,
            ) -> None:
                sums.explain(numbers, NO_NUMBERS, NO_TABLE, columns, out)

            yield Stage(len(some), _rows_in_time(FEW_ROWS, sums.few_cost[numbers]), add)


def _rows_in_time(most: int, costs: NDArray[np.float64]) -> int:
    """How many rows a task may have, where trees take so many nanoseconds a row."""
    return int(np.clip(TASK_TIME / max(float(costs.sum()), 1.0), LEAST_ROWS, most))


def _no_fill(*_: Any) -> None:
    """Subtree sums fill their tables themselves."""
