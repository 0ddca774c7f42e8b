"""Values of rows of a marginal game, each a mean over the games of its parts: some donors each.

Beside donors from which a row differs in few players values are exact. The other donors are dealt
out into parts, and each part is asked about coalitions of its own: at the same number of masked
rows more coalitions are seen than where all donors share them, and errors average out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..indices import IndexSpec
from ..threads import row_blocks
from .donor_games import DonorGames, Parts, add_values, dealt, equal_players
from .many_games import (
    COPIES,
    ManyValues,
    RowValues,
    estimated_values,
    exact_values,
    shared_estimator,
)
from .masked_games import RowGames
from .varying import rounded_players

# Parts that the donors of a row are dealt into: of more, errors are no longer independent.
_PARTS = 16
# A part has a donor for so many coalitions at least: to solve for the values of a game takes a
# time that grows with their square, to evaluate them one that grows with them and the donors.
_COALITIONS = 128
# Where all donors together differ from a row in so many times the players that one does, parts are
# smaller, and as many as there are: those of few donors have few players.
_WIDE, _WIDE_COALITIONS = 1.5, 512
# By how much errors of two parts of a row are correlated: their games are alike. Of 150 tables and
# models two standard errors then cover 0.98, at least 0.91 in any; without, 0.96 and 0.84.
_ALIKE = 0.04
# Worths of parts that are found at once: so few that they stay in the cache, but more of games that
# are solved by the same matrices, which are read each time.
_WORTHS, _SOLVED_WORTHS = 1 << 16, 1 << 18
# Bytes of what tells rows and donors apart.
_PAIR_BYTES, _DIFFERING_BYTES = 64, 1 << 26


def may_be_parted(bound: RowGames) -> bool:
    """Whether the games are means over donors, whose players can be told in the memory given."""
    weights = bound.filler.donor_weights
    if bound.games.link is not None or weights is None:
        return False
    return len(weights) * (bound.n_players + _PAIR_BYTES) <= bound.games.memory // 4


def put_parted_values(
    bound: RowGames,
    spec: IndexSpec,
    order: int,
    budget: int,
    seed: int,
    out: RowValues,
    progress: Callable[[int], object],
) -> None:
    """Values of all rows, of an index that ignores null players.

    Parameters
    ----------
    bound : RowGames
        That `may_be_parted`.
    budget : int
        The most coalitions that are asked for beside each donor.
    progress : callable
        Called with the number of rows done.
    """
    n, k = bound.n_players, bound.n_outputs
    least = min(order, n)
    games = DonorGames(bound)
    squares = np.zeros(0) if out.std_error is None else np.zeros_like(out.std_error)
    out.baseline[:] = 0.0 if spec.has_constant else bound.nothing
    room = bound.games.memory // 2 // (8 * COPIES)
    each = len(games.weights) * (n + _PAIR_BYTES)
    at_once = min(_DIFFERING_BYTES, bound.games.memory // 4) // each
    for start, stop in row_blocks(bound.n_rows, max(1, at_once)):
        differs = games.differing(np.arange(start, stop))
        few = np.maximum(differs.sum(axis=2), least) < budget.bit_length()
        exact = equal_players(differs, few, least)
        others = dealt(
            differs,
            ~few,
            _numbers_of_parts(differs, ~few, budget),
            lambda count: rounded_players(max(count, least), n, budget),
            seed,
        )
        # Neither nothing nor everything is shown.
        planned = sum(len(parts.donors) * ((1 << parts.n_players) - 2) for parts in exact)
        planned += sum(len(parts.donors) * (budget - 2) for parts in others)
        games.shown = _Shown(start, stop - start, planned, progress)
        # Those of most players first: if the budget is too small for them nothing is lost.
        for parts in reversed(others):
            estimator = shared_estimator(spec, order, parts.n_players, budget)
            for some in parts.after(start).blocks(
                max(1, min(_SOLVED_WORTHS, room) // (budget * k))
            ):
                found = estimated_values(
                    partial(_worths, games, some),
                    parts.n_players,
                    len(some),
                    k,
                    estimator=estimator,
                    budget=budget,
                    index=spec,
                    order=order,
                    seed=seed,
                    tolerance=None,
                )
                _add(games, some, found, spec, order, out, squares)
        for parts in exact:
            size = 1 << parts.n_players
            for some in parts.after(start).blocks(max(1, min(_WORTHS, room) // (size * k))):
                table = games.worths(some, sets.all_coalitions(parts.n_players))
                found = exact_values(table.reshape(size, -1), spec, order)
                _add(games, some, found, spec, order, out, squares)
    if out.std_error is not None:
        np.sqrt(_ALIKE * out.std_error**2 + (1 - _ALIKE) * squares, out=out.std_error)


@dataclass
class _Shown:
    """Tells how many rows are done, by the number of masked rows that were shown."""

    first: int
    n_rows: int
    planned: int
    progress: Callable[[int], object]
    done: int = 0

    def __call__(self, rows: int) -> None:
        self.done += rows
        self.progress(self.first + self.n_rows * min(self.done, self.planned) // self.planned)


def _worths(
    games: DonorGames, parts: Parts, coalitions: NDArray[np.bool_], every: NDArray[np.int64]
) -> NDArray[np.float64]:
    return games.worths(parts, coalitions)


def _add(
    games: DonorGames,
    parts: Parts,
    found: ManyValues,
    spec: IndexSpec,
    order: int,
    out: RowValues,
    squares: NDArray[np.float64],
) -> None:
    """Add values of parts, by their shares, to their rows'; and errors, and squares of them."""
    shares, n = games.shares(parts), games.bound.n_players
    add_values(parts, found.values, shares, out.values, order, n)
    if found.std_error is not None and out.std_error is not None:
        add_values(parts, found.std_error, shares, out.std_error, order, n)
        add_values(parts, found.std_error**2, shares**2, squares, order, n)
    if spec.has_constant:
        np.add.at(
            out.baseline, parts.rows, found.baseline.reshape(len(parts), -1) * shares[:, None]
        )
    assert out.n_evaluations is not None
    np.maximum.at(out.n_evaluations, parts.rows, found.n_evaluations.reshape(len(parts), -1)[:, 0])


def _numbers_of_parts(
    differs: NDArray[np.bool_], of: NDArray[np.bool_], budget: int
) -> NDArray[np.int64]:
    """How many parts the wanted pairs of each row are dealt into, int64 (n_rows,)."""
    donors = np.maximum(of.sum(axis=1), 1)
    together = (differs & of[:, :, None]).any(axis=1).sum(axis=1)
    on_average = (differs.sum(axis=2) * of).sum(axis=1) / donors
    number = np.clip(donors // max(1, budget // _COALITIONS), 1, _PARTS)
    small = donors // max(1, budget // _WIDE_COALITIONS)
    found: NDArray[np.int64] = np.where(together > _WIDE * on_average, np.maximum(small, 1), number)
    return found
