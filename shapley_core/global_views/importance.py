"""How much a model's features lower its loss: the loss game over a data set, and its values."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import coalitions as sets
from .. import imputers
from ..arrays import check_integer, scaled_row_weights
from ..errors import InputError
from ..estimators import estimate, get
from ..estimators.randomness import seed_of
from ..exact import exact
from ..explainers.all_rows import checked_budget
from ..explainers.masked_games import MaskedGames, RowGames
from ..explainers.predictor import Predictor, function_of
from ..imputers.any_rows import rows_of
from ..memory import memory_bytes
from ..players import Groups, Players
from ..result import InteractionValues
from ..threads import check_progress, resolve_threads, row_blocks
from .losses import Loss
from .moments import Moments

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
        every = scaled_row_weights(weights, predictions.n_rows, "row explained")
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
    estimator: Any = None,
    n_blocks: int = BLOCKS,
    random_state: Any = 0,
    progress: Callable[[int, int], object] | None = None,
) -> InteractionValues:
    """Values of the loss game, from independent games of blocks of rows; see `sage`."""
    check_progress(progress, "progress(blocks_done, n_blocks)")
    seed = seed_of(random_state)
    every = scaled_row_weights(weights, predictions.n_rows, "row explained")
    used = np.flatnonzero(every)
    # Fewer have no standard errors.
    count = check_integer(n_blocks, "n_blocks", 2)
    root = np.random.SeedSequence(seed)
    shuffled = np.random.default_rng(root).permutation(used)
    blocks = np.array_split(shuffled, min(count, len(used)))
    measure = Loss(loss, y)
    estimator = _hardly_biased(index, order) if estimator is None else estimator
    n = predictions.n_players
    is_exact = n < checked_budget(budget).bit_length()
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


def _hardly_biased(index: Any, order: int) -> str:
    for name in ("KernelRegression", "SampleReuse"):
        if get(name)().supports(index, order):
            return name
    return "auto"


class MaskedPredictions:
    """Predictions averaged over what an imputer puts in place of unknown features.

    Parameters
    ----------
    predict : callable or fitted model
    X, background : table of rows by features
    imputer, groups, memory, n_threads
        As `sage` takes them.
    """

    def __init__(
        self,
        predict: Any,
        X: Any,
        background: Any,
        *,
        imputer: Any = "marginal",
        groups: Groups | None = None,
        memory: int | str = "1GB",
        n_threads: int | None = None,
    ) -> None:
        donors = rows_of(background, "the background")
        if not donors.n_rows:
            raise InputError("the background has no rows; give at least one")
        rows = donors.like(X, "X")
        if not rows.n_rows:
            raise InputError("X has no rows; give at least one")
        function, names = function_of(predict)
        players = Players.of(groups, donors.n_features, donors.names)
        self.n_players = players.n_players
        self.n_rows = rows.n_rows
        self.player_names = players.names
        games = MaskedGames(
            donors,
            imputers.get(imputer).fit(donors),
            Predictor(function, names),
            players,
            None,
            memory_bytes(memory),
            None,
            check_repeats=True,
        )
        self._games = RowGames(games, rows, resolve_threads(n_threads))

    def __call__(
        self, coalitions: NDArray[np.bool_], rows: NDArray[np.int64], /
    ) -> NDArray[np.float64]:
        """Predictions (m, n_some_rows, n_outputs) for coalitions (m, n_players)."""
        return self._games.worths(coalitions, rows)


def sage(
    predict: Any,
    X: Any,
    y: Any,
    background: Any,
    *,
    loss: Any = "squared",
    index: Any = "SV",
    order: int = 1,
    budget: int = 512,
    imputer: Any = "marginal",
    groups: Groups | None = None,
    weights: ArrayLike | None = None,
    estimator: Any = None,
    n_blocks: int = BLOCKS,
    random_state: Any = 0,
    memory: int | str = "1GB",
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> InteractionValues:
    """How much each feature lowers a model's loss: Shapley values of the loss game (SAGE).

    The game is `LossGame`: v(S) is the mean loss of the model's mean prediction, less that of its
    predictions where the features of S are known. The rows are split at random into blocks, each
    of which is a game of its own, estimated from coalitions of its own; the result is their mean.

    Parameters
    ----------
    predict : callable, or fitted model
        As `TabularExplainer` takes functions and models; of a classifier its ``predict_proba``.
    X : table of rows by features
        The data set whose loss is explained; of the background's kind.
    y : array (n_rows, ...)
        The truth.
    background : table of rows by features
        What unknown features are averaged over.
    loss : "squared", "log" or callable
        ``(y - prediction)**2``, summed over outputs; minus the logarithm of the probability
        predicted for the class that happened (y is 0, 1, 2, ... in the order of the outputs, or 1
        for the event whose probability is the only output); or ``loss(y, predictions)`` that
        gives m losses for m rows.
    index, order : str or IndexSpec, int
        Any index of the loss game.
    budget : int
        Coalitions evaluated for each row, each by as many model rows as the background has. With
        2**n_players or more every block is exact.
    imputer : str or Imputer
        As `TabularExplainer` takes it.
    groups : mapping of name to features, or list of lists of features, optional
        Features that are one player together.
    weights : array (n_rows,), optional
        Of the rows; equal by default.
    estimator : str or Estimator, optional
        By default one with hardly any bias that gives the index, for the mean over blocks takes
        noise away but not bias: "KernelRegression", else "SampleReuse", else "auto".
    n_blocks : int
        At least 2. The standard errors are as sure as a spread of so many numbers is.
    random_state : int, numpy Generator or None
    memory : int or str
        Bytes, as ``"1GB"``, for masked rows.
    n_threads : int, optional
    progress : callable of (blocks done, blocks), optional

    Returns
    -------
    InteractionValues
        ``std_error`` is from the spread of the blocks: it covers the choice of rows, as if drawn
        independently, and the sampling of coalitions; not the choice of the background, nor a
        bias of the estimator. ``is_exact`` if all coalitions were evaluated: then the values are
        exact for these rows, and the standard errors those of the choice of rows alone.

    Raises
    ------
    InputError
        If a table, the truth, a loss or a prediction cannot be used.
    BudgetError
        If the budget is too small for the estimator; the message names the least.
    """
    predictions = MaskedPredictions(
        predict,
        X,
        background,
        imputer=imputer,
        groups=groups,
        memory=memory,
        n_threads=n_threads,
    )
    return loss_values(
        predictions,
        y,
        loss,
        weights=weights,
        index=index,
        order=order,
        budget=budget,
        estimator=estimator,
        n_blocks=n_blocks,
        random_state=random_state,
        progress=progress,
    )
