"""Fast transforms of a table of 2^n worths: in place, on all cores, the same bits for any number.

The work is cut into blocks that depend on the size of the table alone.
"""

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from . import coalitions as sets
from ._kernels import transforms as kernels
from .threads import run_blocks

Kind = Literal[
    "subset-sum", "subset-difference", "superset-sum", "superset-difference", "walsh", "general"
]
_KINDS: dict[str, int] = {
    "subset-sum": 0,
    "subset-difference": 1,
    "superset-sum": 2,
    "superset-difference": 3,
    "walsh": 4,
    "general": 5,
}
Table = NDArray[np.float64]

# Bits of a block that stays in the second-level cache; of the rows above it that are taken
# together; of the blocks of the fold, which stay in the first-level cache; of the work that is
# worth handing to a thread; and the most bits that tell such pieces apart.
_CACHE_BITS = 15
_ROW_BITS = 6
_FOLD_BITS = 11
_TASK_BITS = 20
_MOST_CHUNK_BITS = 6
# Sixteen neighbours are weighed at once; smaller tables are padded or left to numpy.
_LANE_BITS = 4


def n_bits(table: Table) -> int:
    """Number of players of a table of 2^n worths."""
    return int(table.shape[0]).bit_length() - 1


def transform(table: Table, kind: Kind, n_threads: int, matrix: Table | None = None) -> None:
    """Apply a 2 x 2 matrix along each player's axis of the table, in place.

    With x the number of a coalition without the player and y of that with the player:
    subset-sum y += x; subset-difference y -= x (worths to Moebius coefficients); superset-sum
    x += y; superset-difference x -= y; walsh (x + y, x - y); general
    (m[0] x + m[1] y, m[2] x + m[3] y).
    """
    code = _KINDS[kind]
    factors = np.zeros(4) if matrix is None else np.ascontiguousarray(matrix, dtype=np.float64)
    total = n_bits(table)
    low = min(total, _CACHE_BITS)

    task = 1 << min(total, _TASK_BITS)

    def do_low(start: int) -> None:
        kernels.butterflies_low(factors, start, start + task, low, code, table)

    run_blocks(do_low, range(0, 1 << total, task), n_threads)
    first = low
    while first < total:
        count = min(_ROW_BITS, total - first)
        width = 1 << min(first, _TASK_BITS - count)

        def do_high(start: int, first: int = first, count: int = count, width: int = width) -> None:
            kernels.butterflies_high(factors, start, first, count, width, code, table)

        tops = range(0, 1 << total, 1 << (first + count))
        run_blocks(
            do_high, [top + at for top in tops for at in range(0, 1 << first, width)], n_threads
        )
        first += count


def _sixteen(weights: Table) -> Table:
    """From weights of sizes 0 .. n, shape (..., n + 1), those of 16 neighbours by first size."""
    at = np.arange(weights.shape[-1] - _LANE_BITS)[:, None] + _lane_sizes()
    return np.ascontiguousarray(weights[..., at])


@lru_cache(maxsize=1)
def _lane_sizes() -> NDArray[np.int64]:
    return np.array([lane.bit_count() for lane in range(1 << _LANE_BITS)])


def weigh(table: Table, offset: float, weights: Table, n_threads: int, out: Table) -> None:
    """out[T] = (table[T] - offset) * weights[|T|]."""
    if table.shape[0] < 1 << _LANE_BITS:
        out[:] = (table - offset) * weights[_lane_sizes()[: table.shape[0]]]
        return
    sixteen = _sixteen(weights)
    length = min(table.shape[0], 1 << _TASK_BITS)

    def work(start: int) -> None:
        kernels.weigh(table, offset, sixteen, start, start + length, out)

    run_blocks(work, range(0, table.shape[0], length), n_threads)


def add_weighed(table: Table, weights: Table, n_threads: int, out: Table) -> None:
    """out[T] += table[T] * weights[|T|]."""
    if table.shape[0] < 1 << _LANE_BITS:
        out += table * weights[_lane_sizes()[: table.shape[0]]]
        return
    sixteen = _sixteen(weights)
    length = min(table.shape[0], 1 << _TASK_BITS)

    def work(start: int) -> None:
        kernels.add_weighed(table, sixteen, start, start + length, out)

    run_blocks(work, range(0, table.shape[0], length), n_threads)


def _padded(table: Table, offset: float) -> Table:
    """The table with players added up to four, whose coalitions are worth ``offset``."""
    if table.shape[0] >= 1 << _LANE_BITS:
        return table
    out = np.full(1 << _LANE_BITS, offset)
    out[: table.shape[0]] = table
    return out


def fold(
    values: Table, offset: float, weights: Table, order: int, n_players: int, n_threads: int
) -> Table:
    """Weighted sums over the supersets of every interaction R of one size.

    out[w, R] = Σ_{T ⊇ R} weights[w, |T|] (values[T] - offset), R in lexicographic order: the
    truncated superset fold, about 2 (order + 1) 2^n additions a row of weights.

    Parameters
    ----------
    values : array of shape (2**n_players,)
        Worths.
    offset : float
        Taken off every worth first: it carries no information and costs digits.
    weights : array of shape (n_weights, n_players + 1)
        Weights of the sizes of coalitions.
    order : int
        Size of R, 0 to n_players.
    n_players : int
        Number of players.
    n_threads : int
        Number of threads.

    Returns
    -------
    array of shape (n_weights, C(n_players, order))
    """
    table = _padded(values, offset)
    total = n_bits(table)
    if total > n_players:
        weights = np.pad(weights, ((0, 0), (0, total - n_players)))
    top_bits = min(max(total - _TASK_BITS, 0), _MOST_CHUNK_BITS)
    chunk_bits = total - top_bits
    low = min(chunk_bits, _FOLD_BITS)
    sizes, counts, chosen = _fold_sets(n_players, total, low, order)
    sixteen = _sixteen(weights)
    chunks = np.empty((1 << top_bits, weights.shape[0], counts[chunk_bits]))

    def work(chunk: int) -> None:
        kernels.fold(
            table, offset, sixteen, sizes, counts, order, low, chunk_bits, chunk, chunks[chunk]
        )

    run_blocks(work, range(len(chunks)), n_threads)
    for step in range(chunk_bits, total):
        grows = sizes[: counts[step]] < order
        without, having = chunks[0::2], chunks[1::2]
        chunks = np.concatenate([without + having, having[..., grows]], axis=-1)
    out: Table = chunks[0][:, chosen]
    return out


@lru_cache(maxsize=32)
def _fold_sets(
    n_players: int, total: int, low: int, order: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """The sets that a fold makes, in its order: sizes, counts by step, where size ``order`` is."""
    masks = np.zeros(1, dtype=np.int64)
    sizes = np.zeros(1, dtype=np.uint8)
    counts = [1]
    for player in [*range(low - 1, -1, -1), *range(low, total)]:
        grows = sizes < order
        masks = np.concatenate([masks, masks[grows] | (1 << player)])
        sizes = np.concatenate([sizes, sizes[grows] + np.uint8(1)])
        counts.append(len(masks))
    wanted = sets.interaction_positions(sets.interactions_of_size(n_players, order))
    by_mask = np.argsort(masks)
    chosen = by_mask[np.searchsorted(masks, wanted, sorter=by_mask)]
    return sizes, np.array(counts, dtype=np.int64), chosen
