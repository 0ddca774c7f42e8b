"""The games of a table's rows: worths are means of a model's predictions of masked rows."""

from collections.abc import Callable
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import masking
from ..errors import InputError
from ..imputers.base import Filler
from ..imputers.rows import Pairs, Rows
from ..players import Players
from ..threads import row_blocks
from .predictor import REPEATED, Predictor

Link = Callable[[NDArray[np.float64]], NDArray[np.float64]] | None
# From predictions (n_coalitions, n_rows, n_donors, n_outputs) and the numbers of the rows.
PerRow = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]] | None

# Rows shown to a model at once where the user does not say: calls cost little beside so many, and a
# table of so many bytes is still in the cache when the model reads it.
_LEAST_BATCH_ROWS, _BATCH_BYTES = 1 << 11, 3 << 20


class MaskedGames:
    """What the games of all rows have in common.

    Parameters
    ----------
    rows : Rows
        The background.
    filler : Filler
    predictor : Predictor
    players : Players
    link : callable, optional
        Applied to the mean prediction.
    memory : int
        Bytes for masked rows and worths.
    batch_size : int, optional
        The most rows shown to the model at once.
    check_repeats : bool
        Whether to predict a few rows twice.
    per_row : bool
        Whether what is averaged depends on the explained row also where no feature is present.
    """

    def __init__(
        self,
        rows: Rows,
        filler: Filler,
        predictor: Predictor,
        players: Players,
        link: Link,
        memory: int,
        batch_size: int | None,
        check_repeats: bool,
        per_row: bool = False,
    ) -> None:
        self.rows = rows
        self.filler = filler
        self.predictor = predictor
        self.players = players
        self.link = link
        self.memory = memory
        # The table itself, what the model makes of it, and what numpy needs to mix objects.
        most = max(1, memory // 4 // max(1, filler.row_bytes + 64))
        if batch_size is None:
            batch_size = max(_LEAST_BATCH_ROWS, _BATCH_BYTES // max(1, filler.row_bytes))
            batch_size = min(batch_size, rows.batch_rows)
        self.batch_rows = min(most, batch_size)
        self._first: NDArray[np.float64] | None = None
        parts = [(outputs.copy(), w) for outputs, w in self._nothing(check_repeats)]
        self.nothing_outputs = np.concatenate([outputs for outputs, _ in parts])
        self.nothing_weights = np.concatenate([weights for _, weights in parts], axis=1)
        if not per_row:
            total = np.zeros((1, self.nothing_outputs.shape[1]))
            if not masking.add_means(self.nothing_outputs[None], self.nothing_weights, total):
                raise overflow(self.nothing_outputs)
            self.nothing = self.linked(total / self.nothing_weights.sum())[0]

    def _nothing(self, check_repeats: bool) -> Any:
        for start, stop in row_blocks(self.filler.n_nothing, self.batch_rows):
            table, weights = self.filler.nothing(slice(start, stop))
            outputs = self.predictor(table, stop - start)
            if check_repeats and start == 0:
                outputs = outputs.copy()
                self._first = outputs[:REPEATED]
                self.check_repeats()
            yield outputs, np.ascontiguousarray(weights)

    def check_repeats(self) -> None:
        """Ask about the first few rows once more, if that was wanted: v(∅) holds for all calls."""
        if self._first is not None:
            few = len(self._first)
            self.predictor.check_repeats(self.filler.nothing(slice(0, few))[0], few, self._first)

    def linked(self, worths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply the link."""
        return worths if self.link is None else self.link(worths)


class RowGames:
    """The games of the rows of one table.

    Parameters
    ----------
    games : MaskedGames
    rows : Rows
    n_threads : int
        For masking.
    per_row : callable, optional
        What is averaged, from predictions and the rows that they are about.
    progress : callable, optional
        Called with the number of worths found so far.
    """

    def __init__(
        self,
        games: MaskedGames,
        rows: Rows,
        n_threads: int,
        per_row: PerRow = None,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        self.games = games
        self.n_rows = rows.n_rows
        self.n_players = games.players.n_players
        self._rows = rows
        self.filler = games.filler.bind(rows)
        self.n_threads = n_threads
        self._per_row = per_row
        self._progress = progress
        self._done = 0
        self.full = np.concatenate(
            [
                self._whole(start, stop).copy()
                for start, stop in row_blocks(self.n_rows, games.batch_rows)
            ]
        )
        self.n_outputs = self.full.shape[1]
        if per_row is None:
            self.nothing = np.broadcast_to(games.nothing, self.full.shape)
        else:
            self.nothing = np.concatenate([self._empty(row) for row in range(self.n_rows)])

    def _whole(self, start: int, stop: int) -> NDArray[np.float64]:
        outputs = self.games.predictor(self._rows.take(slice(start, stop)), stop - start)
        found: NDArray[np.float64] = self._averaged(outputs[None], np.arange(start, stop))[0]
        return self.games.linked(found)

    def _empty(self, row: int) -> NDArray[np.float64]:
        games = self.games
        assert self._per_row is not None
        made = self._per_row(games.nothing_outputs[None, None], np.array([row]))[0]
        out = np.zeros((1, made.shape[2]))
        masking.add_means(np.ascontiguousarray(made), games.nothing_weights, out)
        return games.linked(out / games.nothing_weights.sum())

    def matter(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which players can matter to some rows, (len(rows), n_players); None for all to all."""
        differing = self.filler.differing(rows)
        return None if differing is None else self.games.players.having(differing)

    def worths(self, coalitions: NDArray[np.bool_], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Worths of coalitions of players for some of the rows.

        Parameters
        ----------
        coalitions : bool (m, n_players)
        rows : int64 (n_rows,)

        Returns
        -------
        float64 (m, n_rows, n_outputs)
        """
        out = np.empty((len(coalitions), len(rows), self.n_outputs))
        sizes = coalitions.sum(axis=1)
        out[sizes == 0] = self.nothing[rows]
        out[sizes == self.n_players] = self.full[rows]
        inner = np.flatnonzero((sizes > 0) & (sizes < self.n_players))
        self._count((len(coalitions) - len(inner)) * len(rows))
        masks = coalitions[inner]
        if self.games.players.of_feature is not None:
            masks = masks[:, self.games.players.of_feature]
        most = max(1, self.games.batch_rows // self.filler.n_donors)
        # Few rows of many coalitions share the work of masks, many rows of few that of an imputer
        # which has to work for each coalition.
        side = max(1, isqrt(most)) if self.filler.splits else most
        n_rows = min(len(rows), max(side, most // max(len(inner), 1)))
        n_coalitions = max(1, most // max(n_rows, 1))
        for start, stop in row_blocks(len(inner), n_coalitions):
            for first, last in row_blocks(len(rows), n_rows):
                found = self._batch(masks[start:stop], rows[first:last])
                out[inner[start:stop], first:last] = found
                self._count((stop - start) * (last - first))
        return out

    def _batch(self, masks: NDArray[np.bool_], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Worths (n_coalitions, n_rows, n_outputs) of coalitions neither empty nor full."""
        n_games = len(masks) * len(rows)
        sums = np.zeros((n_games, self.n_outputs))
        used = []
        n_donors = self.filler.n_donors
        # A background larger than a batch is shown in parts.
        step = self.games.batch_rows if self.filler.splits else n_donors
        for start, stop in row_blocks(n_donors, step):
            table, weights = self.filler.fill(rows, masks, slice(start, stop), self.n_threads)
            plain = self._per_row is None
            outputs = self.games.predictor(table, n_games * (stop - start), not plain)
            del table  # So that the next one may take its memory.
            if self._per_row is not None:
                shaped = outputs.reshape(len(masks), len(rows), stop - start, -1)
                outputs = np.ascontiguousarray(self._per_row(shaped, rows))
            weights = np.ascontiguousarray(weights)
            per_game = outputs.reshape(n_games, stop - start, -1)
            if not masking.add_means(per_game, weights, sums):
                self.games.predictor.check_finite(outputs)
                raise overflow(outputs)
            used.append(weights)
        # Of all at once: sums of parts are rounded otherwise, for other sizes of batches.
        sums /= np.concatenate(used, axis=1).sum(axis=1, keepdims=True)
        return self.games.linked(sums).reshape(len(masks), len(rows), -1)

    def of_donors(self, rows: NDArray[np.int64], donors: NDArray[np.int64]) -> NDArray[np.float64]:
        """What is averaged of donors where no feature of a row is present, (n, n_outputs)."""
        found: NDArray[np.float64] = self._averaged(self.games.nothing_outputs[donors][None], rows)[
            0
        ]
        return found

    def answers(self, pairs: Pairs) -> Callable[[NDArray[np.bool_]], NDArray[np.float64]]:
        """What is averaged, of coalitions of the players of pairs.

        A function of bool (n_coalitions, k) that gives (n_coalitions, n_pairs, n_outputs). The
        caller sees to it that predictions that are averaged as they are are finite.
        """
        each, mixed = len(pairs.rows), self.filler.mixer(pairs, self.n_threads)

        def found(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
            outputs = self.games.predictor(
                mixed(masks), len(masks) * each, check_finite=self._per_row is not None
            )
            return self._averaged(outputs.reshape(len(masks), each, -1), pairs.rows)

        return found

    def _averaged(
        self, outputs: NDArray[np.float64], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """What is averaged, from predictions (n_coalitions, n, n_outputs) about n rows."""
        if self._per_row is None:
            return outputs
        return np.ascontiguousarray(self._per_row(outputs[:, :, None], rows)[:, :, 0])

    def _count(self, worths: int) -> None:
        self._done += worths
        if self._progress is not None:
            self._progress(self._done)


def overflow(outputs: NDArray[np.float64]) -> InputError:
    """The error of predictions whose mean is too large."""
    return InputError(
        f"predictions up to {np.abs(outputs).max():g} have a mean that overflows float64: divide "
        "them all by one number"
    )
