"""Shapley values of what a tree model predicts after its raw margin: probabilities, log-loss."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import real_numbers
from ..coalitions import InteractionSet, check_integer
from ..errors import InputError
from ..explanation import Explanation
from ..imputers.marginal import Marginal
from ..imputers.rows import ArrayRows
from ..indices import IndexSpec
from ..memory import memory_bytes
from ..players import Groups, Players
from ..tables import Table
from ..threads import resolve_threads, row_blocks, run_blocks
from ..trees.ensemble import TreeEnsemble
from ..trees.readers import read_model
from .additivity import check_additivity
from .all_rows import Report, checked_index, values_of_rows
from .masked_games import MaskedGames
from .model_rows import LiveModel, table_of
from .predictor import Predictor
from .probabilities import Array, Link, log_probability_of, probability_of


class TreeOutputExplainer:
    """Explain the probability, the log-loss, or another function of a tree model's raw margin.

    The game is v(S) = mean over the background rows z of g(f(x_S, z_-S)), f the raw margin: the
    interventional game of g(f) itself. It is no rescaling of the values of f, which g bends. It
    does not decompose into trees, so coalitions are evaluated: all of them, and the values exact,
    where the features that the model splits on are few enough for the budget; otherwise a design
    of them, with standard errors. ``TreeExplainer(model, background, output=...)`` makes one.

    Parameters
    ----------
    model : object, path or TreeEnsemble
        Whatever `shapley_core.trees.read_model` reads.
    background : table of rows by features
    output : "probability", "log_loss" or callable
        "probability": of the positive class, or of each class, as the model's own
        ``predict_proba`` for its objective. "log_loss": minus the log of the probability of the
        row's true class, which each call is given. A function is given raw margins, float64
        (n_rows,) or (n_rows, n_outputs), and returns numbers for each row.
    weights, groups, iteration_range, n_threads
        As of `TreeExplainer`.
    estimator : str or Estimator
        What estimates values when the budget does not cover all coalitions.
    memory : int or str
        Bytes for masked rows and worths.

    Attributes
    ----------
    expected_value : float64, or float64 (n_outputs,)
        v(∅). The log-loss has another one for each label: see ``base_values``.
    ensemble : TreeEnsemble
    players : Players
    feature_names, output_names : tuple of str, or None
    """

    def __init__(
        self,
        model: Any,
        background: Any = None,
        *,
        output: Any,
        weights: ArrayLike | None = None,
        groups: Groups | None = None,
        iteration_range: tuple[int, int] | None = None,
        n_threads: int | None = None,
        estimator: Any = "auto",
        memory: int | str = "1GB",
    ) -> None:
        self._threads = resolve_threads(n_threads)
        self.ensemble: TreeEnsemble = read_model(model, iteration_range=iteration_range)
        self._model = LiveModel.of(model, iteration_range)
        self._estimator = estimator
        if background is None:
            raise InputError(
                f"output={output!r} needs a background: a path-dependent game averages leaves, "
                "that is margins, and has no predictions to transform"
            )
        ensemble = self.ensemble
        self.feature_names = ensemble.feature_names
        self.players = Players.of(groups, ensemble.n_features, ensemble.feature_names)
        self.output = output
        self._losses = output == "log_loss"
        link: Link | None = None
        self.output_names: tuple[str, ...] | None = None
        if isinstance(output, str):
            link = probability_of(ensemble)
            if output == "probability":
                self.output_names = ensemble.output_names
            elif not self._losses:
                raise InputError(
                    "output must be 'raw', 'probability', 'log_loss' or a function of raw "
                    f"margins, not {output!r}"
                )
        elif callable(output):
            link = partial(_checked_link, output)
        else:
            raise TypeError(f"output must be a name or a function, not {type(output).__name__}")
        # Features in no split are players of no consequence, and are not even masked.
        self._used = np.unique(ensemble.feature[ensemble.feature >= 0]).astype(np.int64)
        if not len(self._used):
            self._used = np.zeros(1, np.int64)
        rows = self._rows(table_of(ensemble, background, "background"))
        if not rows.n_rows:
            raise InputError("the background has no rows; give at least one")
        self._link = None if self._losses else link
        self._predictor = Predictor(self._predict)
        self._filler = Marginal(weights=weights).fit(rows)
        self._memory = memory_bytes(memory)
        self._whole = self._games(self._all_players())
        few, self._player_of_few = self._few_players()
        self._few = self._games(few)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the live model out: the libraries' own pickles differ between versions."""
        return {**self.__dict__, "_model": None}

    def __repr__(self) -> str:
        return f"TreeOutputExplainer({self.output!r}, {self.ensemble!r})"

    @property
    def expected_value(self) -> Any:
        """v(∅): a float64, or an array over outputs."""
        if self._losses:
            raise InputError(
                "the log-loss has an expected value for each label: see base_values of an "
                "explanation"
            )
        found = self._whole.nothing
        return found[0] if self._predictor.single else found.copy()

    def __call__(
        self,
        X: Any,
        y: Any = None,
        *,
        index: Any = "SV",
        order: int = 1,
        budget: int = 2048,
        random_state: Any = 0,
        tolerance: Any = None,
        n_threads: int | None = None,
        progress: Report | None = None,
        check: str | None = "model",
    ) -> Explanation:
        """Explain every row of a table.

        Parameters
        ----------
        X : table of rows by features
            As `TreeExplainer` takes it.
        y : labels (n_rows,), for the log-loss
            Whole numbers 0 .. n_classes - 1, or names of outputs.
        index, order, budget, random_state, tolerance, n_threads, progress
            As of `TabularExplainer`. The budget is compared with the features that the model
            splits on, wherever a player of no consequence does not change the index.
        check : "model" or None
            Whether raw margins must be the model's own.

        Returns
        -------
        Explanation
            Features that the model never splits on have the value 0; interactions of them are
            not listed.

        Raises
        ------
        InputError, BudgetError, UnknownIndexError, MemoryLimitError, AdditivityError
        """
        threads = self._threads if n_threads is None else resolve_threads(n_threads)
        if check not in ("model", None):
            raise InputError(f"check must be 'model' or None, not {check!r}")
        table = table_of(self.ensemble, X, "X")
        if not table.n_rows:
            raise InputError("X has no rows; give at least one")
        spec, order = checked_index(index, self.players.n_players, order)
        rows = self._rows(table)
        if check is not None and self._model is not None:
            predicted = self._model.predict(self.ensemble, table, threads)
            margins = self._margins(rows.array)
            check_additivity(self.ensemble, table, margins, predicted, True)
        per_row = self._loss_of(y, table.n_rows) if self._losses else None
        if y is not None and per_row is None:
            raise InputError("y is for output='log_loss' alone")
        few = self._few.players.n_players
        # An index whose weights on Moebius coefficients do not know n ignores null players.
        reduced = (
            isinstance(spec, IndexSpec)
            and spec.family == "derivative"
            and spec.weights is None
            and few >= order
        )
        values, error, baseline, evaluations = values_of_rows(
            self._few if reduced else self._whole,
            rows,
            spec,
            order,
            check_integer(budget, "budget"),
            self._estimator,
            random_state,
            tolerance,
            threads,
            progress,
            per_row,
        )
        interactions: InteractionSet | None = None
        if reduced:
            interactions, at = self._listed(order)
            values, error = (_spread(part, at, len(interactions)) for part in (values, error))
        elif order > 1:
            interactions = InteractionSet.complete(self.players.n_players, order)
        single = values.shape[2] == 1
        return Explanation(
            values[:, :, 0] if single else values,
            baseline[:, 0] if single else baseline,
            table.source,
            index=spec.name,
            order=order,
            interactions=None if order == 1 or interactions is None else list(interactions),
            feature_names=self.players.names or table.feature_names,
            output_names=None if single else self.output_names,
            groups=self.players.members if self.players.grouped else None,
            absent_is_zero=reduced,
            std_error=error if error is None or not single else error[:, :, 0],
            n_evaluations=evaluations,
        )

    def _games(self, players: Players) -> MaskedGames:
        return MaskedGames(
            self._filler.rows,
            self._filler,
            self._predictor,
            players,
            None,
            self._memory,
            None,
            False,
            per_row=self._losses,
        )

    def _all_players(self) -> Players:
        """All players, over the columns that are masked."""
        n, of = self.players.n_players, self.players.of_feature
        return Players(n, None, self._used if of is None else of[self._used])

    def _few_players(self) -> tuple[Players, NDArray[np.int64]]:
        """Players of consequence, over the columns that are masked, and who they are."""
        every = self._all_players().of_feature
        assert every is not None
        who, of_column = np.unique(every, return_inverse=True)
        return Players(len(who), None, of_column.astype(np.int64)), who

    def _listed(self, order: int) -> tuple[InteractionSet, NDArray[np.int64]]:
        """All players and the interactions of those of consequence; where the latter stand."""
        who = self._player_of_few
        inner = [tuple(who[list(one)].tolist()) for one in InteractionSet.complete(len(who), order)]
        listed = {*inner, *((player,) for player in range(self.players.n_players))}
        kept, _ = InteractionSet.from_tuples(self.players.n_players, listed)
        return kept, np.array([kept.position(one) for one in inner], np.int64)

    def _rows(self, table: Table) -> ArrayRows:
        """The columns that the model splits on, rounded as its library rounds."""
        rows = np.empty((table.n_rows, len(self._used)))
        for start, stop in row_blocks(table.n_rows, self.ensemble.block_rows):
            rows[start:stop] = self.ensemble.columns(table.block(start, stop))[self._used].T
        return ArrayRows(rows)

    def _margins(self, rows: Array) -> Array:
        """Raw margins (n_rows, n_outputs) of rows of those columns."""
        ensemble = self.ensemble
        out = np.empty((len(rows), ensemble.n_outputs))

        def work(block: tuple[int, int]) -> None:
            start, stop = block
            columns = np.zeros((ensemble.n_features, stop - start))
            columns[self._used] = rows[start:stop].T
            out[start:stop] = ensemble.base + ensemble.sum_leaves(columns)

        run_blocks(work, row_blocks(len(rows), ensemble.block_rows), self._threads)
        return out

    def _predict(self, rows: Array) -> Array:
        """What is averaged; of the log-loss, what it is made of."""
        margins = self._margins(rows)
        return margins if self._link is None else self._link(margins)

    def _loss_of(self, y: Any, n_rows: int) -> Callable[[Array, NDArray[np.int64]], Array]:
        """The log-loss of predictions (n_coalitions, n_rows, n_donors, n_outputs) of the rows."""
        if y is None:
            raise InputError("output='log_loss' needs the labels: explainer(X, y)")
        log_probability = log_probability_of(self.ensemble)
        n_classes = max(2, self.ensemble.n_outputs)
        labels = np.asarray(y)
        names = self.ensemble.output_names
        if names is not None and labels.dtype.kind in "OUST":
            place = {name: at for at, name in enumerate(names)}
            labels = np.array([place.get(str(label), -1) for label in labels.tolist()])
        if labels.shape != (n_rows,) or labels.dtype.kind not in "biuf":
            raise InputError(
                f"y has shape {labels.shape}, {labels.dtype}; wanted ({n_rows},) labels"
            )
        codes = labels.astype(np.int64)
        if (codes != labels).any() or (codes < 0).any() or (codes >= n_classes).any():
            raise InputError(
                f"y must hold the numbers 0 to {n_classes - 1} of the classes"
                + ("" if names is None else f", or their names {', '.join(names)}")
            )

        def loss(margins: Array, rows: NDArray[np.int64]) -> Array:
            every = log_probability(margins.reshape(-1, margins.shape[-1]))
            shaped = every.reshape(*margins.shape[:3], n_classes)
            at = codes[rows][None, :, None, None]
            found: Array = -np.take_along_axis(
                shaped, np.broadcast_to(at, (*shaped.shape[:3], 1)), axis=3
            )
            if not np.isfinite(found).all():
                raise InputError(
                    "the model gives a label the probability 0, whose log-loss is infinite; "
                    "explain output='probability'"
                )
            return found

        return loss


def _spread(part: Array | None, at: NDArray[np.int64], width: int) -> Array:
    """Values at their places among ``width`` columns, 0 elsewhere."""
    if part is None:
        return None  # type: ignore[return-value]
    out = np.zeros((part.shape[0], width, part.shape[2]))
    out[:, at] = part
    return out


def _checked_link(function: Callable[[Any], Any], margins: Array) -> Array:
    given = margins[:, 0] if margins.shape[1] == 1 else margins
    found = real_numbers(function(given), "what output returns")
    if found.ndim not in (1, 2) or len(found) != len(margins):
        raise InputError(
            f"output was given margins of {len(margins)} rows and returned shape {found.shape}"
        )
    return found
