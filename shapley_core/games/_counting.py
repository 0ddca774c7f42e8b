"""Sums over the sets of absent players, by size and by budget: a dynamic program.

In the games here a coalition loses by who is missing: it is worth ``g(B - w(U))``, where ``U`` are
its absentees, ``w`` their weight, ``B`` a budget, and ``g`` is 0 below 0. A coalition that must
reach a quota ``q`` of a total ``W`` wins when its absentees weigh at most ``B = W - q``, so ``g``
is 1; several quotas make several budgets. With ``F(u, b)`` the sum of ``g(b - w(U))`` over the
sets U of u players, one more player of weight w makes it ``F(u, b) + F(u - 1, b - w)``: budgets
beyond ``B`` are never needed, and the same step backwards takes any player out again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
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

    Sums that fit are kept as int64, an axis for sizes before one for each budget. Others are Python
    integers, one for each cell of the budgets, which hold all sizes, a slot of bits for each:
    shifting it adds a player to all sets at once.

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
        kind = np.int64 if bits <= 63 else object
        first = np.arange(n_budgets) if worth_is_rest else np.ones(n_budgets, dtype=np.int64)
        worths: Cells = first.reshape([b + 1 for b in budget]).astype(kind)
        if self._packed:
            # Whole bytes, so that slots are slices of bytes.
            self._slot = 8 * -(-bits // 8)
            self._all_bits = self._slot * (max_absent + 1)
            self._everything = (1 << self._all_bits) - 1
            self._strides = [prod(worths.shape[axis + 1 :]) for axis in range(worths.ndim)]
            for weight in weights:
                target, source = _moves(worths.shape, weight)
                worths[target] += self._one_more(worths[source])
            self._cells = worths
            return
        cells: Cells = np.zeros((max_absent + 1, *worths.shape), dtype=kind)
        cells[0] = worths
        for n_before, weight in enumerate(weights):
            filled = cells[: n_before + 2]  # no larger set can have been met
            target, source = _moves(worths.shape, weight)
            filled[1:][:, *target] += filled[:-1][:, *source]
        self._cells = cells

    def without(self, weight: Weight) -> "AbsenteeSums":
        """The sums without one player of that weight."""
        rest = object.__new__(AbsenteeSums)
        rest.__dict__.update(self.__dict__)
        rest._cells = cells = self._cells.copy()
        if not self._packed:
            target, source = _moves(cells.shape[1:], weight)
            into, of = cells[:, *target], cells[:, *source]
            for size in range(1, len(cells)):
                into[size] -= of[size - 1]
        elif not any(weight):
            rest._cells = self._divided(cells)
        else:
            # Cells within one weight of each other do not depend on each other.
            axis = next(at for at, w in enumerate(weight) if w)
            target, source = _moves(cells.shape, weight)
            step = weight[axis]
            into, of = np.moveaxis(cells[target], axis, 0), np.moveaxis(cells[source], axis, 0)
            for start in range(0, len(into), step):
                some = slice(start, start + step)
                into[some] -= self._one_more(of[some])
        return rest

    def at(self, budget: Sequence[int]) -> list[int]:
        """``F(u, budget)`` by size u; nothing where a budget is below 0."""
        if min(budget, default=0) < 0:
            return []
        if not self._packed:
            place: tuple[Any, ...] = (slice(None), *budget)
            return list(self._cells[place].tolist())
        return self._sizes(self._cells[tuple(budget)])

    def at_without(self, weight: Weight, budget: Sequence[int]) -> list[int]:
        """``without(weight).at(budget)``, from the few cells that it takes."""
        if min(budget, default=0) < 0:
            return []
        if not any(weight):
            return self._sizes(self._divided(self._cells[tuple(budget)]))
        steps = min(b // w for b, w in zip(budget, weight, strict=True) if w)
        place, step = (
            sum(x * size for x, size in zip(cell, self._strides, strict=True))
            for cell in (budget, weight)
        )
        found = 0
        for whole in self._cells.reshape(-1)[place - steps * step : place + 1 : step].tolist():
            found = whole - ((found << self._slot) & self._everything)
        return self._sizes(found)

    def _one_more(self, packed: Any) -> Any:
        """Sets with one more player; those that are larger than wanted are dropped."""
        return (packed << self._slot) & self._everything

    def _divided(self, packed: Any) -> Any:
        """What gives ``packed`` when a player without weight joins.

        The series 1 / (1 + x) is (1 - x) (1 + x^2) (1 + x^4) ..., and slots borrow from the next.
        """
        packed = packed - (packed << self._slot)
        reach = 2 * self._slot
        while reach < self._all_bits:
            packed = packed + (packed << reach)
            reach *= 2
        return packed & self._everything

    def _sizes(self, packed: int) -> list[int]:
        width = self._slot // 8
        slots = packed.to_bytes(self._all_bits // 8, "little")
        return [
            int.from_bytes(slots[at : at + width], "little") for at in range(0, len(slots), width)
        ]

    def without_each(
        self, keys: Iterable[tuple[Any, ...]], weight_of: Callable[[Any], Weight]
    ) -> Iterator[tuple[tuple[Any, ...], Callable[[Sequence[int]], list[int]]]]:
        """For each key in turn, what gives ``F(u, budget)`` by u without the players of the key.

        Keys come in lexicographic order: sums of the shared beginning of one key and the next are
        kept, no others.
        """
        kept: list[tuple[Any, AbsenteeSums]] = []
        for key in keys:
            # Of packed sums few cells are wanted without the last player.
            whole = key[:-1] if self._packed else key
            shared = 0
            while shared < min(len(kept), len(whole)) and kept[shared][0] == whole[shared]:
                shared += 1
            del kept[shared:]
            for one in whole[shared:]:
                last = kept[-1][1] if kept else self
                kept.append((one, last.without(weight_of(one))))
            rest = kept[-1][1] if kept else self
            if len(whole) < len(key):
                yield key, partial(rest.at_without, weight_of(key[-1]))
            else:
                yield key, rest.at


def _moves(spans: tuple[int, ...], weight: Weight) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The cells that gain by one more player of that weight, and the cells that they gain from."""
    axes = list(zip(weight, spans, strict=True))
    return (
        tuple(slice(min(w, span), None) for w, span in axes),
        tuple(slice(0, max(span - w, 0)) for w, span in axes),
    )


def by_present(by_absent: list[int], others: int) -> list[int]:
    """From sums by how many of the others are absent, to sums by how many are present."""
    by_absent = by_absent[: others + 1]
    return [0] * (others + 1 - len(by_absent)) + by_absent[::-1]
