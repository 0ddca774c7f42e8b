"""How much a model's features lower its loss: the loss game over a data set, and its values."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import coalitions as sets
from ..errors import InputError
from ..estimators import estimate
from ..estimators.randomness import seed_of
from ..exact import exact
from ..result import InteractionValues
from ..threads import row_blocks
from .losses import Loss
from .moments import Moments
from .views import check_weights

# Predictions held at a time, 64 MiB.
PREDICTIONS = 1 << 23
BLOCKS = 30
ROWS_AT_ONCE = 4096


class RowPredictions(Protocol):
    """What a model predicts for rows of which only some players are known."""

    n_players: int
    n_rows: int
    player_names: tuple[str, ...] | None

    def __call__(
        self, coalitions: NDArray[np.bool_], rows: NDArray[np.int64], /
    ) -> NDArray[np.float64]:
        """Predictions (m, n_some_rows, n_outputs) for coalitions (m, n_players)."""


class LossGame:
    """The game of a loss over a data set: v(S) is how much knowing S lowers the mean loss.

    v(S) = mean over rows of ``loss(y, f(x; nothing)) - loss(y, f(x; S))``, where ``f(x; S)`` is
    the model's prediction averaged over what may stand in place of the features outside S. So
    v(∅) = 0, and v(N) is what the model gains over its own mean prediction: the game of Covert,
    Lundberg and Lee (2020), "Understanding global feature contributions with additive importance
    measures". It is a game like any other, for ``exact`` and ``estimate``.

    Parameters
    ----------
    predictions : RowPredictions
    y : array (n_rows, ...)
    loss : "squared", "log" or callable
        As `sage` takes it.
    weights : array (n_rows,), optional
        Of the rows; equal by default.
    rows : int64 array, optional
        The game of some of the rows only.
    """

    def __init__(
        self,
        predictions: RowPredictions,
        y: Any,
        loss: Any = "squared",
        *,
        weights: ArrayLike | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        self._predictions = predictions
        self._loss = loss if isinstance(loss, Loss) else Loss(loss, y)
        if len(self._loss.y) != predictions.n_rows:
            raise InputError(
                f"y has {len(self._loss.y)} entries; wanted {predictions.n_rows}, one for each row"
            )
        every = check_weights(weights, predictions.n_rows)
        self._rows = np.arange(predictions.n_rows) if rows is None else rows
        self._weights = every[self._rows]
        self.weight = float(self._weights.sum())
        if not self.weight:
            raise InputError("no row of the game has a weight")
        nothing = np.zeros((1, self.n_players), np.bool_)
        #: Mean loss where nothing is known.
        self.loss_of_nothing = float(self._mean_losses(nothing)[0])

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self._predictions.n_players

    @property
    def player_names(self) -> tuple[str, ...] | None:
        """Names of the players, if they have any."""
        return self._predictions.player_names

    def __call__(self, coalitions: Any, /) -> NDArray[np.float64]:
        """Worths, shape (m,), of the coalitions, a bool matrix of shape (m, n_players)."""
        return self.loss_of_nothing - self._mean_losses(sets.as_matrix(coalitions, self.n_players))

    def _mean_losses(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        # Blocks of rows that do not depend on how many coalitions are asked for at once, so that
        # neither do the sums.
        sums = np.zeros(len(coalitions))
        for first, last in row_blocks(len(self._rows), ROWS_AT_ONCE):
            rows, weights = self._rows[first:last], self._weights[first:last]
            at_once = max(1, PREDICTIONS // len(rows))
            for start, stop in row_blocks(len(coalitions), at_once):
                found = self._predictions(coalitions[start:stop], rows)
                losses = self._loss(rows, found)
                sums[start:stop] += (losses * weights).sum(axis=1)
        return sums / self.weight


def loss_values(
    predictions: RowPredictions,
    y: Any,
    loss: Any = "squared",
    *,
    weights: ArrayLike | None = None,
    index: Any = "SV",
    order: int = 1,
    budget: int = 512,
    estimator: Any = "auto",
    n_blocks: int = BLOCKS,
    random_state: Any = 0,
    progress: Callable[[int, int], object] | None = None,
) -> InteractionValues:
    """Values of the loss game, from independent games of blocks of rows; see `sage`."""
    seed = seed_of(random_state)
    every = check_weights(weights, predictions.n_rows)
    used = np.flatnonzero(every)
    count = sets.check_integer(n_blocks, "n_blocks")
    if count < 2:
        raise InputError(f"n_blocks must be at least 2, for the standard errors; not {count}")
    root = np.random.SeedSequence(seed)
    shuffled = np.random.default_rng(root).permutation(used)
    blocks = np.array_split(shuffled, min(count, len(used)))
    measure = Loss(loss, y)
    n = predictions.n_players
    is_exact = n < sets.check_integer(budget, "budget").bit_length()
    moments: Moments | None = None
    each: InteractionValues | None = None
    for number, (rows, child) in enumerate(zip(blocks, root.spawn(len(blocks)), strict=True)):
        game = LossGame(predictions, y, measure, weights=every, rows=np.sort(rows))
        if is_exact:
            each = exact(game, index=index, order=order)
        else:
            each = estimate(
                game,
                budget,
                index=index,
                order=order,
                estimator=estimator,
                random_state=int(child.generate_state(1, np.uint64)[0]),
            )
        moments = moments or Moments(each.values.shape)
        moments.add(each.values[None], np.array([game.weight]))
        if progress is not None:
            progress(number + 1, len(blocks))
    assert moments is not None and each is not None
    return InteractionValues(
        moments.mean,
        each.interaction_set,
        index=each.index,
        order=each.order,
        n_players=n,
        baseline=0.0,
        player_names=predictions.player_names,
        std_error=moments.std_error,
        n_evaluations=1 << n if is_exact else each.n_evaluations,
        is_exact=is_exact,
    )
