"""Any index of any order for tree models: which columns are computed and what becomes of them."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays import smallest
from ..coalitions import InteractionSet, n_interactions
from ..indices import IndexSpec
from ..indices.parts import layers
from ..indices.tables import exact_moments
from ..memory import check_memory, human_count
from ..trees.engines import Interventional, PathDependent
from ..trees.interactions import Columns, Interactions
from ..trees.occurring import Occurring

Values = NDArray[np.float64]
# Columns of one chunk of rows, where they are not the result itself.
CHUNK_BYTES = 1 << 27

# What must sum to the prediction: all values, those of single players, or nothing.
Sums = Literal["all", "singles", "none"]


class Plan:
    """One index of one order, for one model and game.

    Parameters
    ----------
    engine : PathDependent or Interventional
    spec : IndexSpec
    order : int
    row_bytes : int
        What each interaction takes in the result, over all rows.

    Attributes
    ----------
    interactions : InteractionSet
        Beside the result's columns.
    sums : "all", "singles" or "none"
    """

    def __init__(
        self,
        engine: PathDependent | Interventional,
        spec: IndexSpec,
        order: int,
        row_bytes: int,
    ) -> None:
        paths = engine.paths
        ensemble = paths.ensemble
        self.spec, self.order = spec, order
        self.n_players = paths.n_players
        self.n_outputs = ensemble.n_outputs
        spec.check(self.n_players, order)
        depth = int(paths.distinct.max(initial=0))
        check_memory(
            8 * (depth + 1) ** 2 * order,
            f"weights for paths of {depth} features",
            "Ask for a lower order",
        )
        if spec.family == "generalised":
            count = n_interactions(self.n_players, order)
            # Beside the values: the players of each interaction and the places of its parts.
            check_memory(
                (row_bytes + 4 * order + 8 * (2**order - 1)) * count,
                f"{spec.name} of all {human_count(count)} interactions",
                "Explain fewer rows a call, ask for a lower order, or for the largest of each row "
                "by top=",
            )
        found = Occurring(paths, self.n_players, order, row_bytes)
        parts = layers(spec, self.n_players, order, depth)
        self.columns = Columns(paths, found, [r for r, _, _ in parts])
        self.engine = Interactions(engine, self.columns, np.stack([c for _, _, c in parts]))
        self._combine: list[tuple[slice, NDArray[np.int64]]] = []
        if spec.family == "generalised":
            self.interactions = InteractionSet.complete(self.n_players, order)
            self._combine = self._sums_of_parts(found, [(r, t) for r, t, _ in parts])
        else:
            self.interactions = found.as_set()
        self.sums: Sums = "none"
        if "efficiency" in spec.axioms:
            self.sums = "all"
        elif _singles_are_shapley(spec, order, depth):
            self.sums = "singles"

    @property
    def is_plain(self) -> bool:
        """Whether the columns are the result itself."""
        return self.spec.family != "generalised" and not self.spec.has_constant

    def _sums_of_parts(
        self, found: Occurring, parts: list[tuple[int, int]]
    ) -> list[tuple[slice, NDArray[np.int64]]]:
        """Where among the columns the parts of each interaction stand, one place a part."""
        out = []
        start = dict(zip(parts, self.columns.starts.tolist(), strict=False))
        for t in range(1, self.order + 1):
            members = self.interactions.block(t)
            for r in range(1, t + 1):
                for chosen in combinations(range(t), r):
                    ranks = found.ranks(members[:, chosen])
                    # Parts that do not occur are 0: one column more.
                    place = np.where(ranks < 0, self.columns.n_columns, ranks + start[r, t])
                    out.append((self.interactions.slice_of(t), place))
        return out

    def rows_at_once(self) -> int:
        """Rows of one chunk."""
        return max(1, CHUNK_BYTES // (8 * (self.columns.n_columns + 1) * max(1, self.n_outputs)))

    def finish(self, columns: Values) -> tuple[Values, Values | None]:
        """Make values (rows, interactions, outputs) and constants (rows, outputs) of columns.

        ``columns`` has one column of zeros more than there are.
        """
        if self.spec.family == "generalised":
            out = np.zeros((len(columns), len(self.interactions), columns.shape[2]))
            for where, place in self._combine:
                out[:, where] += columns[:, place]
            return out, None
        count = len(self.interactions)
        return columns[:, :count], columns[:, count] if self.spec.has_constant else None


def _singles_are_shapley(spec: IndexSpec, order: int, depth: int) -> bool:
    if spec.law_of(1, order) is None and spec.moebius is None:
        return False
    moments = exact_moments(spec, depth + 1, 1, order, depth + 1)
    return all(mu == Fraction(1, m + 1) for m, mu in enumerate(moments))


def largest(values: Values, top: int) -> tuple[Values, NDArray[np.int32]]:
    """The ``top`` values of largest size of each row, largest first, and their columns.

    ``values`` is (rows, columns, outputs); so are the results, but for ``top`` columns. Of equal
    sizes the first column comes first.
    """
    n_rows, n_columns, n_outputs = values.shape
    size = -np.abs(values)
    by_output = np.moveaxis(size, 2, 1).reshape(-1, n_columns)
    columns = smallest(by_output, min(top, n_columns)).reshape(n_rows, n_outputs, -1)
    some = np.moveaxis(columns, 1, 2)
    order = np.argsort(np.take_along_axis(size, some, axis=1), axis=1, kind="stable")
    chosen = np.take_along_axis(some, order, axis=1)
    return np.take_along_axis(values, chosen, axis=1), chosen.astype(np.int32)


@dataclass
class Found:
    """What was computed of all rows.

    Parameters
    ----------
    values : float64 (n_rows, n_interactions or top, n_outputs)
    places : int32 like values, or None
        With ``top``, which interactions the values are of.
    constants : float64 (n_rows, n_outputs) or None
        The index's own constants, where it has them.
    sums : float64 (n_rows, n_outputs) or None
        Sums of what must sum to the prediction less the base value, if anything must.
    """

    values: Values
    places: NDArray[np.int32] | None
    constants: Values | None
    sums: Values | None


def compute(plan: Plan, n_rows: int, top: int | None, fill: Callable[[int, Values], None]) -> Found:
    """Compute the values of all rows; chunk by chunk, where the columns are not the result.

    ``fill(first, out)`` adds the columns of ``len(out)`` rows from ``first`` on.
    """
    n_outputs, count = plan.n_outputs, len(plan.interactions)
    width = count if top is None else min(top, count)
    shape = (n_rows, width, n_outputs)
    check_memory(
        (8 if top is None else 12) * prod(shape),
        f"{plan.spec.name} of {human_count(width)} interactions a row",
        "Explain fewer rows a call, ask for a lower order, or for the largest of each row by top=",
    )
    found = Found(
        np.zeros(shape),
        None if top is None else np.zeros(shape, np.int32),
        np.zeros((n_rows, n_outputs)) if plan.spec.has_constant else None,
        None if plan.sums == "none" else np.zeros((n_rows, n_outputs)),
    )
    counted = count if plan.sums == "all" else plan.n_players
    if plan.is_plain and top is None:
        fill(0, found.values)
        if found.sums is not None:
            for start in range(0, n_rows, 1024):
                part = found.values[start : start + 1024, :counted]
                found.sums[start : start + 1024] = part.sum(axis=1)
        return found
    step = plan.rows_at_once()
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        columns = np.zeros((rows.stop - start, plan.columns.n_columns + 1, n_outputs))
        fill(start, columns)
        values, constants = plan.finish(columns)
        if found.constants is not None and constants is not None:
            found.constants[rows] = constants
        if found.sums is not None:
            found.sums[rows] = values[:, :counted].sum(axis=1)
        if top is None:
            found.values[rows] = values
        else:
            found.values[rows], found.places[rows] = largest(values, width)  # type: ignore[index]
    return found
