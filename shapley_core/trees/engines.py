"""How the values of many rows are computed: in stages, each a kernel over some of the trees.

Trees of moderate depth go through tables of values by pattern (lookup.py) where there are rows
enough to pay for building them, else through the kernels that compute just the entries needed, in
the same order of summation: the values do not depend on which it was, bit for bit. Deeper trees
have tables of another kind in the path-dependent game (subtree_sums.py), by the same rule, and none
in the interventional one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._kernels import few_rows, pattern_tables, patterns
from .background import Background, BackgroundRows, TreePatterns, cube_shares
from .lookup import Fill, Groups, LookupTables, Tables
from .paths import CoverShares, Paths, Quadrature
from .row_tables import RowTables
from .subtree_sums import NO_TABLE, SubtreeSums

# Tables of one stage, and of all stages that are kept between calls; their copies for few rows.
STAGE_BYTES = 1 << 28
KEPT_BYTES = 1 << 30
TURNED_BYTES = 1 << 28
# Sums of one block of rows in the look-up: a level-2 cache's.
SUMS_BYTES = 1 << 20
# Measured: with more players on a path, the path-dependent game is faster by subtree sums.
MOST_PLAYERS = 8
# Rows of one task.
MANY_ROWS = 4096
FEW_ROWS = 512

NO_FLOATS = np.empty(0)
NO_NUMBERS = np.empty(0, np.int64)
NO_WORDS = np.empty((0, 1), np.uint64)
NO_SHARES = np.empty((0, 0))


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


class Engine(Protocol):
    """One of the two games of a tree ensemble; ``expected`` is the empty coalition's worth."""

    expected: NDArray[np.float64]

    def stages(self, n_rows: int, n_threads: int) -> Iterator[Stage]:
        """Yield what explains that many rows, in an order that depends on the model alone."""


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
        self._turned = 0
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
        by_row: RowTables | None = None
        to_turn = tables.built if kept else None

        def add(columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
            nonlocal by_row, to_turn
            if len(out) > self.few_rows:
                tables.explain(columns, at_once, out)
                return
            if to_turn is not None:
                with self._lock:
                    if to_turn is not None and self._turned + tables.table.nbytes <= TURNED_BYTES:
                        by_row = RowTables(self.groups, tables.trees, to_turn)
                        self._turned += tables.table.nbytes
                    to_turn = None
            if by_row is not None:
                by_row.explain(columns, out)
            else:
                tables.explain(columns, at_once, out)

        return Stage(len(tables.trees), MANY_ROWS, add, tables.table.nbytes)

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

            yield Stage(len(some), FEW_ROWS, add)


def _no_fill(*_: Any) -> None:
    """Subtree sums fill their tables themselves."""


class PathDependent:
    """The game in which a row that misses a feature is split by cover."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.shares = CoverShares.of(paths)
        self.expected = self.shares.expected
        self.rules = Quadrature.of(paths)
        self.groups = Groups.of(paths)
        self.tables = TableStages(self.groups)
        shallow = self.groups.has_tables & (paths.most_of_tree(paths.distinct) <= MOST_PLAYERS)
        self._weigh_passed(shallow)
        self.n_points = np.diff(self.rules.offsets)[self.rules.rule]
        some = np.flatnonzero(shallow).tolist()
        self._shallow = [self._costs(trees) for trees in self.tables.split(some)] if some else []
        rest = np.flatnonzero(~shallow)
        self.sums = SubtreeStages(SubtreeSums(self.groups, self.shares, rest))
        self._deep = self.sums.split(rest.tolist()) if len(rest) else []

    def _costs(self, trees: tuple[int, ...]) -> tuple[tuple[int, ...], float, float]:
        """Trees of a stage, with the nanoseconds of a call and of a row without tables."""
        numbers = np.array(trees, np.int64)
        nodes = np.diff(self.paths.ensemble.tree_offsets)[numbers]
        row_cost = float((nodes * (1 + 1.5 * self.n_points[numbers])).sum())
        return trees, float(40 * nodes.sum()), row_cost

    def _weigh_passed(self, shallow: NDArray[np.bool_]) -> None:
        """Tabulate the share of a passed feature at each edge and point of the shallow trees."""
        rules, offsets = self.rules, self.paths.ensemble.tree_offsets
        parts, ends = [NO_FLOATS], [0]
        for tree, has_tables in enumerate(shallow):
            if has_tables:
                t = rules.points_of(tree)
                z = self.shares.share[offsets[tree] : offsets[tree + 1], None]
                parts.append(((1.0 - z) / (z * (1.0 - t) + t)).ravel())
            ends.append(ends[-1] + (len(parts[-1]) if has_tables else 0))
        self.passed_offsets = np.array(ends[:-1], np.int64)
        self.passed = np.concatenate(parts)

    def stages(self, n_rows: int, n_threads: int) -> Iterator[Stage]:
        """Yield the stages: shallow trees, then deep ones."""
        for trees, call_cost, row_cost in self._shallow:
            if self.tables.pays(trees, n_rows, row_cost + call_cost / max(n_rows, 1)):
                yield self.tables.stage(trees, self._fill, n_threads, keep=True)
            else:
                yield self._few(np.array(trees, np.int64))
        yield from self.sums.stages(self._deep, n_rows, n_threads)

    def _fill(
        self,
        tree: int,
        group_offsets: NDArray[np.int64],
        group_columns: NDArray[np.int64],
        columns: NDArray[np.int64],
        table: NDArray[np.float64],
    ) -> None:
        paths, groups = self.paths, self.groups
        pattern_tables.build(
            paths.ensemble.kernel,
            tree,
            paths.kernel,
            groups.subtree,
            groups.bits,
            int(groups.max_bits[tree]),
            self.shares.share,
            self.rules.points_of(tree),
            self.rules.weights_of(tree),
            NO_NUMBERS,
            NO_WORDS,
            NO_NUMBERS,
            NO_SHARES,
            NO_SHARES,
            group_offsets,
            group_columns,
            columns,
            table,
        )

    def _few(self, trees: NDArray[np.int64]) -> Stage:
        paths, groups, rules = self.paths, self.groups, self.rules

        def add(columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
            few_rows.explain(
                paths.ensemble.kernel,
                trees,
                columns,
                paths.kernel,
                groups.subtree,
                groups.bits,
                groups.max_bits,
                self.shares.share,
                rules.rule,
                rules.offsets,
                rules.points,
                rules.weights,
                self.passed_offsets,
                self.passed,
                out,
            )

        return Stage(len(trees), 64, add)


class Interventional:
    """The game in which a row that misses a feature takes it from the background."""

    def __init__(
        self,
        paths: Paths,
        rows: BackgroundRows,
        n_threads: int,
    ) -> None:
        self.paths = paths
        self.groups = Groups.of(paths)
        self.tables = TableStages(self.groups)
        self.background = Background(self.groups, rows, n_threads)
        self.expected = self.background.expected
        gain, loss = cube_shares(int(paths.distinct.max(initial=0)))
        self.gain, self.loss = gain / rows.whole, loss / rows.whole

    def stages(self, n_rows: int, n_threads: int) -> Iterator[Stage]:
        """Yield the stages: of each batch of patterns the shallow trees, then the deep ones."""
        shallow = self.groups.has_tables
        keep = self.background.is_kept
        for batch in self.background.batches(n_threads):
            of_tree = {found.tree: found for found in batch}

            def fill(tree: int, *arrays: Any, of_tree: dict[int, TreePatterns] = of_tree) -> None:
                self._fill(of_tree[tree], *arrays)

            some = [found.tree for found in batch if shallow[found.tree]]
            for trees in self.tables.split(some) if some else []:
                # Each leaf's groups are met by every row; beside a background the tables take up
                # to twice as long to build.
                row_cost = sum(1.0 * len(of_tree[tree].count) for tree in trees)
                if self.tables.pays(trees, n_rows, row_cost):
                    yield self.tables.stage(trees, fill, n_threads, keep)
                else:
                    yield self._meet([of_tree[tree] for tree in trees], n_rows, n_threads)
            deep = [found for found in batch if not shallow[found.tree]]
            if deep:
                yield self._meet(deep, n_rows, n_threads)

    def _fill(
        self,
        found: TreePatterns,
        group_offsets: NDArray[np.int64],
        group_columns: NDArray[np.int64],
        columns: NDArray[np.int64],
        table: NDArray[np.float64],
    ) -> None:
        paths, groups = self.paths, self.groups
        pattern_tables.build(
            paths.ensemble.kernel,
            found.tree,
            paths.kernel,
            groups.subtree,
            groups.bits,
            int(groups.max_bits[found.tree]),
            NO_FLOATS,
            NO_FLOATS,
            NO_FLOATS,
            found.start,
            found.words,
            found.count,
            self.gain,
            self.loss,
            group_offsets,
            group_columns,
            columns,
            table,
        )

    def _meet(self, batch: list[TreePatterns], n_rows: int, n_threads: int) -> Stage:
        paths, groups = self.paths, self.groups

        def add(columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
            for found in batch:
                patterns.interventional(
                    paths.ensemble.kernel,
                    found.tree,
                    columns,
                    paths.kernel,
                    groups.subtree,
                    groups.bits,
                    int(groups.max_bits[found.tree]),
                    int(self.background.levels[found.tree]),
                    found.start,
                    found.words,
                    found.count,
                    self.gain,
                    self.loss,
                    out,
                )

        # The more rows meet the groups at once, the fewer meetings a row.
        return Stage(len(batch), max(64, min(MANY_ROWS, -(-n_rows // n_threads))), add)
