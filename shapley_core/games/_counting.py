"""Coalitions counted by size and by weight: the dynamic program behind voting games.

The tables count the sets of *absent* players. A coalition that must reach a quota ``q`` of a total
``W`` wins when its absentees weigh at most ``W - q``; several quotas make a box, and cutting the
table off at the box loses nothing that adding or removing a player needs.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import MemoryLimitError

# Counts of up to 62 players fit an int64, sums and differences included; beyond, Python integers.
_INT64_PLAYERS = 62
_MAX_CELLS = 2**26

Counts = npt.NDArray[np.int64] | npt.NDArray[np.object_]


def count_absentees(
    weights: Sequence[tuple[int, ...]], budget: tuple[int, ...], max_absent: int
) -> Counts:
    """Count the sets of absent players by size and by weight, in exact integers.

    Parameters
    ----------
    weights
        One tuple of non-negative weights, one per criterion, for each of the n players.
    budget
        The largest weight of a set that is counted, per criterion.
    max_absent
        The largest size of a set that is counted.

    Returns
    -------
    ndarray
        Shape ``(max_absent + 1, budget[0] + 1, ...)``: the number of sets of that size and weight.
    """
    shape = (max_absent + 1, *(b + 1 for b in budget))
    wide = len(weights) > _INT64_PLAYERS
    if math.prod(shape) > _MAX_CELLS:
        raise MemoryLimitError(
            f"counting coalitions by size and weight takes a table of {math.prod(shape):.3g} cells "
            f"(at most {_MAX_CELLS}): give integers without a common factor, rounded to fewer "
            "digits where that is right, or for up to 30 players use shapley_core.exact"
        )
    counts = np.zeros(shape, dtype=object if wide else np.int64)
    counts[(0,) * len(shape)] = 1
    for n_before, weight in enumerate(weights):
        filled = counts[: n_before + 2]  # no larger set can have been met
        target, source = _shifts(counts, weight)
        filled[1:][target] += filled[:-1][source]
    return counts


def remove_player(counts: Counts, weight: tuple[int, ...]) -> Counts:
    """Return the counts of the sets that do not hold one player of that weight."""
    counts = counts.copy()
    target, source = _shifts(counts, weight)
    for size in range(1, len(counts)):
        counts[size : size + 1][target] -= counts[size - 1 : size][source]
    return counts


def _shifts(counts: Counts, weight: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of the cells that one more player of that weight leads to, and comes from."""
    spans = counts.shape[1:]
    target = tuple(slice(min(w, span), None) for w, span in zip(weight, spans, strict=True))
    source = tuple(slice(0, max(span - w, 0)) for w, span in zip(weight, spans, strict=True))
    return (slice(None), *target), (slice(None), *source)
