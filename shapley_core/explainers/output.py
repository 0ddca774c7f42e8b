"""Shapley values of what a tree model predicts after its raw margin: probabilities, log-loss."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import check_integer
from ..coalitions import InteractionSet, n_interactions
from ..errors import InputError
from ..explanation import Explanation
from ..imputers.array_rows import ArrayRows
from ..imputers.marginal import Marginal
from ..indices import IndexSpec, ProbabilisticValue
from ..memory import memory_bytes
from ..players import Groups, Players
from ..runs import is_file
from ..tables import Table
from ..threads import resolve_threads, row_blocks, run_blocks
from ..top import TopExplanation
from ..trees.ensemble import TreeEnsemble
from ..trees.readers import read_model
from .additivity import check_additivity, check_against
from .all_rows import Report, check_course, checked_budget, checked_index, values_of_rows
from .interactions import largest
from .many_games import RowValues
from .masked_games import MaskedGames
from .model_rows import LiveModel
from .output_runs import run_outputs
from .predictor import Predictor
from .probabilities import Array, Link, log_probability_of, probability_of
from .row_outputs import checked_link, label_codes, own_margins, per_row_of, spread

# On how many threads this call sums leaves: the games ask a function that is made before any call.
_THREADS: ContextVar[int] = ContextVar("_THREADS")


@contextmanager
def _on_threads(n_threads: int) -> Iterator[None]:
    token = _THREADS.set(n_threads)
    try:
        yield
    finally:
        _THREADS.reset(token)


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
        self._losses = isinstance(output, str) and output == "log_loss"
        link: Link | None = None
        self.output_names: tuple[str, ...] | None = None
        if isinstance(output, str):
            if output not in ("probability", "log_loss"):
                raise InputError(
                    "output must be 'raw', 'probability', 'log_loss' or a function of raw "
                    f"margins, not {output!r}"
                )
            link = (log_probability_of if self._losses else probability_of)(ensemble)
            if not self._losses:
                self.output_names = ensemble.output_names
        elif callable(output):
            link = partial(checked_link, output)
        else:
            raise TypeError(f"output must be a name or a function, not {type(output).__name__}")
        # Features in no split are players of no consequence, and are not even masked.
        self._used = np.unique(ensemble.feature[ensemble.feature >= 0]).astype(np.int64)
        if not len(self._used):
            self._used = np.zeros(1, np.int64)
        rows = self._rows(ensemble.table(background, "background"))
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
        top: int | None = None,
        base_margin: ArrayLike | None = None,
        out: str | os.PathLike[str] | None = None,
        chunk_rows: int | None = None,
    ) -> Any:
        """Explain every row of a table.

        Parameters
        ----------
        X : table of rows by features
            As `TreeExplainer` takes it, with ``out`` also files.
        y : labels (n_rows,), for the log-loss
            Classes of the model: labels as it was trained on where it knows them (``classes_`` of
            an estimator), otherwise whole numbers 0 .. n_classes - 1. Of all rows, also where
            these are in files.
        index, order, budget, random_state, tolerance, n_threads, progress
            As of `TabularExplainer`. The budget is compared with the features that the model
            splits on, wherever a player of no consequence does not change the index.
        check : "model", "trees" or None
            Whether raw margins must be the model's own. Those of the trees they always are.
        top : int, optional
            Keep only so many values of each row, those of largest size, without standard errors.
        base_margin : float array (n_rows,), or of several outputs (n_rows, n_outputs), optional
            Raw margins that rows start from in place of the model's own base score. A row has
            its own in all coalitions, so v(∅) is another one for each row.
        out, chunk_rows
            As of `TabularExplainer`.

        Returns
        -------
        Explanation, with ``top`` TopExplanation, or with ``out`` StoredExplanation
            Features that the model never splits on have the value 0; interactions of them are
            not listed.

        Raises
        ------
        InputError, BudgetError, UnknownIndexError, MemoryLimitError, AdditivityError
        """
        threads = self._threads if n_threads is None else resolve_threads(n_threads)
        check_course(tolerance, progress)
        check_against(check)
        if y is not None and not self._losses:
            raise InputError("y is for output='log_loss' alone")
        spec, order = checked_index(index, self.players.n_players, order)
        kept = None if top is None else check_integer(top, "top", 1)
        if kept is not None and out is not None:
            raise InputError(f"top={kept} does not go with out: leave out one of them")
        options: dict[str, Any] = {
            "index": spec,
            "order": order,
            "budget": checked_budget(budget),
            "tolerance": tolerance,
            "n_threads": threads,
            "check": check,
        }
        if out is not None:
            return run_outputs(
                self, X, y, base_margin, out, chunk_rows, random_state, progress, options
            )
        if is_file(X) or chunk_rows is not None:
            raise InputError("rows of files, and chunk_rows, need out: a directory for the values")
        table = self.ensemble.table(X)
        if not table.n_rows:
            raise InputError("X has no rows; give at least one")
        rows = self._rows(table)
        if check == "model" and self._model is not None:
            predicted = self._model.predict(self.ensemble, table, threads)
            with _on_threads(threads):
                margins = self._margins(rows.array)
            check_additivity(self.ensemble, table, margins, predicted, True)
        ensemble = self.ensemble
        codes = label_codes(y, table.n_rows, ensemble) if self._losses else None
        offsets = None if base_margin is None else own_margins(base_margin, table.n_rows, ensemble)
        reduced = self._is_reduced(spec, order)
        games = self._few if reduced else self._whole
        if offsets is not None and not self._losses:
            games = self._games(games.players, of_margins=True)
        with _on_threads(threads):
            found = values_of_rows(
                games,
                rows,
                spec,
                order,
                options["budget"],
                self._estimator,
                random_state,
                tolerance,
                threads,
                progress,
                per_row_of(ensemble, self._link, codes, offsets),
            )
        return self._explanation(table, spec, order, kept, found)

    def of_no_rows(self, table: Table, spec: IndexSpec | ProbabilisticValue, order: int) -> Any:
        """The explanation of a table without rows."""
        reduced = self._is_reduced(spec, order)
        n_players = (self._few if reduced else self._whole).players.n_players
        outputs = 1 if self._losses else self._predictor.n_outputs
        values = np.empty((0, n_interactions(n_players, order), outputs or 1))
        found = RowValues(values, None, values[:, 0], None)
        return self._explanation(table, spec, order, None, found)

    def _is_reduced(self, spec: IndexSpec | ProbabilisticValue, order: int) -> bool:
        """Whether players of no consequence can be left out."""
        # An index whose weights on Moebius coefficients do not know n ignores null players.
        return (
            isinstance(spec, IndexSpec)
            and spec.family == "derivative"
            and spec.weights is None
            and self._few.players.n_players >= order
        )

    def _explanation(
        self,
        table: Table,
        spec: IndexSpec | ProbabilisticValue,
        order: int,
        top: int | None,
        found: RowValues,
    ) -> Explanation | TopExplanation:
        values, error, baseline = found.values, found.std_error, found.baseline
        reduced = self._is_reduced(spec, order)
        interactions: InteractionSet | None = None
        if reduced:
            interactions, at = self._listed(order)
            values, error = (spread(part, at, len(interactions)) for part in (values, error))
        elif order > 1:
            interactions = InteractionSet.complete(self.players.n_players, order)
        single = values.shape[2] == 1
        described: dict[str, Any] = {
            "index": spec.name,
            "order": order,
            "feature_names": self.players.names or table.feature_names,
            "output_names": None if single else self.output_names,
        }
        base = baseline[:, 0] if single else baseline
        if top is not None:
            kept = interactions or InteractionSet.complete(self.players.n_players, order)
            values, places = largest(values, min(top, values.shape[1]))
            values, places = (values[:, :, 0], places[:, :, 0]) if single else (values, places)
            return TopExplanation(values, places, base, interactions=kept, **described)
        return Explanation(
            values[:, :, 0] if single else values,
            base,
            table.source,
            interactions=None if order == 1 or interactions is None else list(interactions),
            groups=self.players.members if self.players.grouped else None,
            absent_is_zero=reduced,
            std_error=error if error is None or not single else error[:, :, 0],
            n_evaluations=found.n_evaluations,
            **described,
        )

    def _games(self, players: Players, of_margins: bool = False) -> MaskedGames:
        return MaskedGames(
            self._filler.rows,
            self._filler,
            Predictor(self._margins) if of_margins else self._predictor,
            players,
            None,
            self._memory,
            None,
            False,
            per_row=self._losses or of_margins,
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

        blocks = row_blocks(len(rows), ensemble.block_rows)
        run_blocks(work, blocks, _THREADS.get(self._threads))
        return out

    def _predict(self, rows: Array) -> Array:
        """What is averaged; of the log-loss, what it is made of."""
        margins = self._margins(rows)
        return margins if self._link is None else self._link(margins)
