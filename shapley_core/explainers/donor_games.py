"""Games of rows beside some donors each, of fewer players than the game whose mean they make.

The marginal game of a row is a weighted mean over donors, and so are its values: Sundararajan and
Najmi (2020), "The many Shapley values for model explanation", section 2, of random baselines.
Features in which a donor is what the row is are null players of its game.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import masking
from ..imputers.rows import Pairs
from ..threads import row_blocks
from .masked_games import RowGames, overflow
from .varying import by_count, places

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Parts:
    """Games of one row and some donors each, with equally many players.

    Attributes
    ----------
    rows : int64 (n_parts,)
    players : int32 (n_parts, k)
        Those that may matter, in the order in which coalitions name them.
    donors : int64 (n_pairs,)
        The donors of part p from ``starts[p]`` to ``starts[p + 1]``.
    starts : int64 (n_parts + 1,)
    """

    rows: Rows
    players: NDArray[np.int32]
    donors: Rows
    starts: Rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_players(self) -> int:
        """Players of each part."""
        return int(self.players.shape[1])

    def after(self, first: int) -> "Parts":
        """The same parts, of rows counted from that one on."""
        return Parts(self.rows + first, self.players, self.donors, self.starts)

    def blocks(self, most: int) -> Iterator["Parts"]:
        """The same parts, at most so many at a time."""
        for first, last in row_blocks(len(self), most):
            start, stop = self.starts[first], self.starts[last]
            yield Parts(
                self.rows[first:last],
                self.players[first:last],
                self.donors[start:stop],
                self.starts[first : last + 1] - start,
            )


class DonorGames:
    """Worths of parts of the games of a table's rows.

    Parameters
    ----------
    bound : RowGames
        Without a link, of a filler whose donors can be had one by one.

    Attributes
    ----------
    shown : callable
        Called with the number of rows that were shown to the model.
    """

    def __init__(self, bound: RowGames) -> None:
        weights = bound.filler.donor_weights
        assert bound.games.link is None and weights is not None
        self.bound = bound
        self.weights = weights
        self.shown: Callable[[int], object] = lambda rows: None

    def differing(self, rows: Rows) -> NDArray[np.bool_]:
        """Which players can matter to rows beside each donor, (n_rows, n_donors, n_players)."""
        return self.bound.games.players.having(self.bound.filler.differing_donors(rows))

    def shares(self, parts: Parts) -> Array:
        """Weights of the parts among all donors of their row, float64 (n_parts,)."""
        sums = np.add.reduceat(self.weights[parts.donors], parts.starts[:-1])
        found: Array = sums / self.weights.sum()
        return found

    def worths(self, parts: Parts, coalitions: NDArray[np.bool_]) -> Array:
        """Worths of coalitions of the players of each part.

        Parameters
        ----------
        parts : Parts
        coalitions : bool (m, k)

        Returns
        -------
        float64 (m, n_parts, n_outputs)
        """
        sizes = coalitions.sum(axis=1)
        out = np.zeros((len(coalitions), len(parts), self.bound.n_outputs))
        inner = np.flatnonzero((sizes > 0) & (sizes < parts.n_players))
        inner = inner[_near_each_other(coalitions[inner])]
        masks = np.ascontiguousarray(coalitions[inner])
        owners = np.repeat(np.arange(len(parts)), np.diff(parts.starts))
        rows = parts.rows[owners]
        weights = self.weights[parts.donors]
        # So that those of a single donor, and equal ones, are 1 and round nothing.
        heaviest = np.maximum.reduceat(weights, parts.starts[:-1])
        weights = weights / heaviest[owners]
        totals = np.add.reduceat(weights, parts.starts[:-1])[:, None]
        most = self.bound.games.batch_rows
        # As many pairs as coalitions, if there are so many: both are read often for what they take.
        # An odd number: rows of two coalitions are not a power of two apart, where they would fight
        # for the same places of the cache.
        together = max(isqrt(most), most // max(len(inner), 1)) - 1 | 1
        nothing = np.zeros((1, len(parts), self.bound.n_outputs))
        of_nothing = self.bound.of_donors(rows, parts.donors)[None]
        masking.add_parts(of_nothing, weights, parts.starts, np.zeros(1, np.int64), nothing)
        for start, stop in row_blocks(len(rows), together):
            first, last = owners[start], owners[stop - 1] + 1
            # Parts may begin before these pairs, or end behind them.
            starts = parts.starts[first : last + 1] - start
            starts[0], starts[-1] = 0, stop - start
            answers = self.bound.answers(
                Pairs(
                    rows[start:stop],
                    parts.donors[start:stop],
                    parts.players[owners[start:stop]],
                    self.bound.games.players.feature_lists,
                )
            )
            weight, target = weights[start:stop], out[:, first:last]
            for low, high in row_blocks(len(inner), max(1, most // (stop - start))):
                outputs = answers(masks[low:high])
                if not masking.add_parts(outputs, weight, starts, inner[low:high], target):
                    rows_shown = outputs.reshape(-1, self.bound.n_outputs)
                    self.bound.games.predictor.check_finite(rows_shown)
                    raise overflow(outputs)
                self.shown((stop - start) * (high - low))
        out[sizes == 0] = nothing
        if (totals != 1.0).any():
            out /= totals
        out[sizes == parts.n_players] = self.bound.full[parts.rows]
        return out


def _near_each_other(coalitions: NDArray[np.bool_]) -> NDArray[np.intp]:
    """An order of coalitions in which those that differ in few players are close: a Gray code."""
    n = coalitions.shape[1]
    if n > 62:
        return np.arange(len(coalitions))
    # A bit of the rank is the parity of those of the code from it on.
    parities = np.logical_xor.accumulate(coalitions[:, ::-1], axis=1)
    ranks = sets.pack(parities[:, ::-1])[:, 0]
    return np.argsort(ranks, kind="stable")


def equal_players(differs: NDArray[np.bool_], of: NDArray[np.bool_], least: int) -> list[Parts]:
    """Parts of pairs beside which the same players matter, by their number.

    Parameters
    ----------
    differs : bool (n_rows, n_donors, n_players)
    of : bool (n_rows, n_donors)
        The pairs that are wanted.
    least : int
        Parts have at least so many players.
    """
    rows, donors = np.nonzero(of)
    words = sets.pack(differs[rows, donors])
    order = np.lexsort((*words.T, rows))
    rows, donors, words = rows[order], donors[order], words[order]
    starts = np.flatnonzero(
        np.append(True, (rows[1:] != rows[:-1]) | (words[1:] != words[:-1]).any(axis=1))
        if len(rows)
        else np.zeros(0, np.bool_)
    )
    held = differs[rows[starts], donors[starts]]
    counts = np.maximum(held.sum(axis=1), least)
    return list(_by_count(rows, donors, starts, held, counts))


def dealt(
    differs: NDArray[np.bool_],
    of: NDArray[np.bool_],
    n_parts: NDArray[np.int64],
    rounded: Callable[[int], int],
    seed: int,
) -> list[Parts]:
    """Parts of the pairs that are wanted, so many to a row, by their number of players.

    Each part of a row calls its players in another order, so that a design of coalitions is one of
    its own.

    Parameters
    ----------
    differs, of
        As `equal_players` has them.
    n_parts : int64 (n_rows,)
    rounded : callable
        To how many players a number of them is raised.
    seed : int
    """
    rows, donors = np.nonzero(of)
    if not len(rows):
        return []
    count = of.sum(axis=1)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    number = place % n_parts[rows]
    order = np.lexsort((number, rows))
    rows, donors, number = rows[order], donors[order], number[order]
    first = np.append(True, (rows[1:] != rows[:-1]) | (number[1:] != number[:-1]))
    starts = np.flatnonzero(first)
    held = np.logical_or.reduceat(differs[rows, donors], starts, axis=0)
    counts = np.array([rounded(k) for k in held.sum(axis=1).tolist()])
    found = []
    for parts in _by_count(rows, donors, starts, held, counts):
        k = parts.n_players
        numbers = number[starts][counts == k]
        orders = np.array([_order(seed, k, j) for j in range(number.max() + 1)])
        players = np.take_along_axis(parts.players, orders[numbers], axis=1)
        found.append(Parts(parts.rows, players, parts.donors, parts.starts))
    return found


@lru_cache(maxsize=4096)
def _order(seed: int, n_players: int, part: int) -> tuple[int, ...]:
    """In what order a part calls its players."""
    return tuple(np.random.default_rng((seed, n_players, part)).permutation(n_players).tolist())


def _by_count(
    rows: Rows, donors: Rows, starts: Rows, held: NDArray[np.bool_], counts: NDArray[np.int64]
) -> Iterator[Parts]:
    """Parts by their number of players, which begin at ``starts`` of the pairs; ascending."""
    lengths = np.diff(np.append(starts, len(rows)))
    for some, players in by_count(held, counts):
        pairs = np.repeat(some, lengths)
        bounds = np.append(0, np.cumsum(lengths[some]))
        yield Parts(rows[starts[some]], players.astype(np.int32), donors[pairs], bounds)


def add_values(
    parts: Parts,
    values: Array,
    shares: Array,
    out: Array,
    order: int,
    n_players: int,
    add: np.ufunc = np.add,
) -> None:
    """Add values of the players of parts, (n_interactions, n_parts * n_outputs), to their rows'.

    ``out`` has the shape (n_rows in all, n_interactions in all, n_outputs); C-contiguous.
    ``add`` makes one number of two.
    """
    n_outputs = out.shape[2]
    found = values.reshape(len(values), len(parts), n_outputs) * shares[:, None]
    # Flat: so it is quick.
    at = parts.rows[:, None] * out.shape[1] + places(parts.players, n_players, order)
    at = (at * n_outputs)[:, :, None] + np.arange(n_outputs)
    add.at(out.reshape(-1), at.reshape(-1), found.transpose(1, 0, 2).reshape(-1))
