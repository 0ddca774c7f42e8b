"""Sums over the sets of absent players, by size and by budget: a dynamic program.

In the games here a coalition loses by who is missing: it is worth ``g(B - w(U))``, where ``U`` are
its absentees, ``w`` their weight, ``B`` a budget, and ``g`` is 0 below 0. A coalition that must
reach a quota ``q`` of a total ``W`` wins when its absentees weigh at most ``B = W - q``, so ``g``
is 1; several quotas make several budgets. With ``F(u, b)`` the sum of ``g(b - w(U))`` over the
sets U of u players, one more player of weight w makes it ``F(u, b) + F(u - 1, b - w)``: budgets
beyond ``B`` are never needed, and the same step backwards takes any player out again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MemoryLimitError

_MAX_BYTES = 2**30

Cells = npt.NDArray[np.int64] | npt.NDArray[np.object_]
Weight = tuple[int, ...]


class AbsenteeSums:
    """``F(u, b)`` for all sizes u and all budgets b up to the largest, in exact integers.

    Sums that fit are kept as int64, an axis for each budget. Others are Python integers, and each
    of them holds the whole last axis, a slot of bits per budget: shifting it adds a weight to all
    sums at once.

    Parameters
    ----------
    budget
        The largest budget of each criterion.
    weights
        A tuple of non-negative weights, one per criterion, for each player.
    max_absent
        The largest size of a set that is wanted.
    worth_is_rest
        Whether ``g(b)`` is b, of a single criterion, instead of 1.
    """

    def __init__(
        self,
        budget: Sequence[int],
        weights: Sequence[Weight],
        max_absent: int,
        worth_is_rest: bool = False,
    ) -> None:
        bits = len(weights) + (budget[0].bit_length() if worth_is_rest else 1) + 1
        self._packed = bits > 63 and len(budget) > 0
        size = 64 if bits <= 63 else bits
        n_budgets = prod(b + 1 for b in budget)
        if (max_absent + 1) * n_budgets * size > 8 * _MAX_BYTES:
            raise MemoryLimitError(
                f"counting coalitions by size and weight takes {max_absent + 1} x {n_budgets} "
                f"integers of {size} bits, more than {_MAX_BYTES} bytes: give integers without a "
                "common factor, rounded to fewer digits where that is right, or for up to 30 "
                "players use shapley_core.exact"
            )
        first = np.arange(n_budgets) if worth_is_rest else np.ones(n_budgets, dtype=np.int64)
        worths: Cells = first.reshape([b + 1 for b in budget])
        if self._packed:
            self._slot = bits
            self._everything = (1 << bits * worths.shape[-1]) - 1
            worths = _packed(worths, bits)
        shape = (max_absent + 1, *worths.shape)
        kind = np.int64 if bits <= 63 else object
        cells: Cells = np.zeros(shape, dtype=kind)
        cells[0] = worths.astype(kind)
        for n_before, weight in enumerate(weights):
            filled = cells[: n_before + 2]  # no larger set can have been met
            target, moved = self._moved(filled[:-1], weight)
            filled[1:][target] += moved
        self._cells = cells

    def without(self, weight: Weight) -> "AbsenteeSums":
        """The sums without one player of that weight."""
        rest = object.__new__(AbsenteeSums)
        rest.__dict__.update(self.__dict__)
        cells = self._cells.copy()
        for size in range(1, len(cells)):
            target, moved = self._moved(cells[size - 1 : size], weight)
            cells[size : size + 1][target] -= moved
        rest._cells = cells
        return rest

    def at(self, budget: Sequence[int]) -> list[int]:
        """``F(u, budget)`` by size u; nothing where a budget is below 0."""
        if min(budget, default=0) < 0:
            return []
        place: tuple[Any, ...] = (slice(None), *(budget[:-1] if self._packed else budget))
        column = self._cells[place].tolist()
        if not self._packed:
            return list(column)
        slot = (1 << self._slot) - 1
        return [whole >> self._slot * budget[-1] & slot for whole in column]

    def _moved(self, cells: Cells, weight: Weight) -> tuple[tuple[slice, ...], Cells]:
        """What sets gain by one more player of that weight, and the cells that gain it."""
        spans = cells.shape[1:]
        axes = list(zip(weight, spans, strict=False))
        target = (slice(None), *(slice(min(w, span), None) for w, span in axes))
        moved = cells[(slice(None), *(slice(0, max(span - w, 0)) for w, span in axes))]
        if self._packed:
            moved = (moved << self._slot * weight[-1]) & self._everything
        return target, moved

    def without_each(
        self, keys: Iterable[tuple[Any, ...]], weight_of: Callable[[Any], Weight]
    ) -> Iterator[tuple[tuple[Any, ...], "AbsenteeSums"]]:
        """The sums without the players of each key in turn; keys in lexicographic order.

        Sums of the shared beginning of one key and the next are kept, no others.
        """
        kept: list[tuple[Any, AbsenteeSums]] = []
        for key in keys:
            shared = 0
            while shared < min(len(kept), len(key)) and kept[shared][0] == key[shared]:
                shared += 1
            del kept[shared:]
            for one in key[shared:]:
                last = kept[-1][1] if kept else self
                kept.append((one, last.without(weight_of(one))))
            yield key, kept[-1][1] if kept else self


def _packed(worths: Cells, bits: int) -> npt.NDArray[np.object_]:
    """Each row of the last axis as one integer, the first of it in the lowest bits."""
    rows = worths.reshape(-1, worths.shape[-1]).tolist()
    packed = np.zeros(len(rows), dtype=object)
    for at, row in enumerate(rows):
        digits = "".join(f"{worth:0{bits}b}" for worth in reversed(row))
        packed[at] = int(digits, 2)
    return packed.reshape(worths.shape[:-1])


def by_present(by_absent: list[int], others: int) -> list[int]:
    """From sums by how many of the others are absent, to sums by how many are present."""
    by_absent = by_absent[: others + 1]
    return [0] * (others + 1 - len(by_absent)) + by_absent[::-1]
