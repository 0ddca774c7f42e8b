"""Shapley values and interactions of any model of a table."""

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import coalitions as sets
from .. import imputers
from ..arrays import check_integer
from ..coalitions import InteractionSet
from ..errors import InputError
from ..estimators.randomness import seed_of
from ..estimators.registry import resolve
from ..explanation import Explanation
from ..imputers.any_rows import own_rows_of
from ..imputers.marginal import Baseline, Marginal
from ..imputers.rows import Rows
from ..memory import memory_bytes
from ..players import Groups, Players
from ..runs import Chunk, StoredExplanation, is_file
from ..runs.run import MOST_PART_ROWS
from ..threads import resolve_threads
from .all_rows import Report, check_course, checked_budget, checked_index, values_of_rows
from .file_rows import AsKind
from .given_models import exact_explainer, is_tree_model, masked_function
from .linear import LinearGames, linear_model
from .long_runs import name_of_index
from .many_games import RowValues
from .masked_games import MaskedGames
from .predictor import Predictor, checked_names, is_identity, link_function, names_of
from .tabular_runs import (
    MODEL_CHUNK_ROWS,
    hash_of_imputer,
    identity_of,
    row_source_like,
    run_model,
)
from .tree import TreeExplainer


class TabularExplainer:
    """Explain any model that predicts rows of a table.

    The game of a row x: v(S) is the prediction where only the features of S are known. The
    imputer says what takes the place of the others, and so which game it is.

    Parameters
    ----------
    predict : callable, model, or (coefficients, intercept)
        A function is called with tables of the background's kind, and returns one number a row or
        several. Of a fitted model ``predict_proba`` is called where there is one, else
        ``predict``; a classifier without ``predict_proba`` is refused. Two kinds of models are
        explained by their raw output (margin, decision function), exactly and without a call,
        where the imputer is marginal or baseline and the link the identity: linear ones of
        scikit-learn (or coefficients, ``(n_outputs, n_features)``, with intercepts), and trees
        that `shapley_core.trees.read_model` reads, by `TreeExplainer`. Pass their
        ``predict_proba`` or ``predict`` itself to explain that.
    background : table of rows by features
        Numpy array, pandas or polars frame; the model is shown its kind and types. Frames keep
        labels, text and missing values.
    imputer : str or Imputer
        "marginal" (default; the whole background), "baseline" (a background of one row),
        "gaussian", "conditional-mean", "nearest", or an object of `shapley_core.imputers`.
    estimator : str or Estimator
        What estimates values when the budget does not cover all coalitions. "auto" is
        "SymmetricProcess" where a regression gives the index (SV, BV, FSII, FBII, ...), and for
        SII, k-SII, STII and the like of up to 300 values beside a background of eight rows or more:
        one factorisation serves all rows, and a row's values don't depend on the others; the
        marginal game's are a mean over parts of the background, each with coalitions of its own.
        Otherwise "Auto".
    groups : mapping of name to features, or list of lists of features, optional
        Features that are one player together, present or absent as one. Players are ordered by
        their first feature, whatever the order of the groups.
    link : "identity", "logit" or callable
        Applied to the mean prediction of a coalition, entry by entry: v(S) = link(mean f).
    weights : float array (n_background,), optional
        Weights of the background rows, for the marginal imputer.
    memory : int or str
        Bytes, as ``"1GB"``, for masked rows and worths; not what the model itself takes.
    batch_size : int, optional
        The most rows shown to the model at once, by default 2048 to 16384 of an array, 32768 of a
        frame, in 3 MiB.
    n_threads : int, optional
        Threads that mask rows; the model runs on as many as it likes. All cores by default.
    output_names : sequence of str, optional
    check_repeats : bool
        Whether to predict the first few rows of the background twice, and again after each
        call, and refuse a model that answers differently.

    Attributes
    ----------
    expected_value : float64, or float64 (n_outputs,)
        v(∅), the same for all rows.
    game : str
        The game that is explained, in words.
    players : Players
    feature_names, output_names : tuple of str, or None

    Raises
    ------
    InputError
        If the background, the groups or what the model answers cannot be used.

    Notes
    -----
    The user's tables are never shown to the model: it may change what it is given.
    """

    def __init__(
        self,
        predict: Any,
        background: Any,
        *,
        imputer: Any = "marginal",
        estimator: Any = "auto",
        groups: Groups | None = None,
        link: Any = "identity",
        weights: ArrayLike | None = None,
        memory: int | str = "1GB",
        batch_size: int | None = None,
        n_threads: int | None = None,
        output_names: Any = None,
        check_repeats: bool = True,
    ) -> None:
        threads = resolve_threads(n_threads)
        self._threads = threads
        self._memory = memory_bytes(memory)
        # Also where there is nothing to estimate: a wrong name is wrong for every model.
        resolve(estimator)
        self._estimator = estimator
        self._link = link
        if batch_size is not None:
            batch_size = check_integer(batch_size, "batch_size", 1)
        self.imputer = imputers.get(imputer)
        if weights is not None:
            if not isinstance(self.imputer, Marginal) or self.imputer.weights is not None:
                raise InputError("weights of background rows go with the marginal imputer, once")
            self.imputer = Marginal(self.imputer.n_rows, weights, self.imputer.random_state)
        self._background = own_rows_of(background, "the background")
        if not self._background.n_rows:
            raise InputError("the background has no rows; give at least one")
        names = self._background.names
        self.players = Players.of(groups, self._background.n_features, names)
        self.feature_names = self.players.names
        given = names_of(output_names)
        plain = is_identity(link) and type(self.imputer) in (Marginal, Baseline)
        self._trees: TreeExplainer | None = None
        self._linear: LinearGames | None = None
        self._games: MaskedGames | None = None
        trees = is_tree_model(predict)
        line = None if trees else linear_model(predict, names)
        if trees and plain:
            self._trees = exact_explainer(
                predict,
                background,
                self._background,
                self.imputer,
                self.players,
                groups,
                threads,
            )
            self.players = self._trees.players
            self.feature_names = self.players.names or names
            if given:
                self._trees.output_names = checked_names(given, self._trees.ensemble.n_outputs)
            self.output_names = self._trees.output_names
        elif line is not None and plain:
            rows, part = self._weighted_background()
            self._linear = LinearGames(line, rows, part, self.players)
            self.output_names = checked_names(given or line.output_names, len(line.coefficients))
        else:
            function, known = masked_function(predict, trees, line, self._background, threads)
            self._games = MaskedGames(
                self._background,
                self.imputer.fit(self._background),
                Predictor(function, given or known),
                self.players,
                link_function(link),
                self._memory,
                batch_size,
                check_repeats,
            )
            self.output_names = given or known

    def _weighted_background(self) -> tuple[Rows, NDArray[np.float64]]:
        """The rows that the marginal or baseline game averages over."""
        filler: Any = self.imputer.fit(self._background)
        table, weights = filler.nothing(slice(0, filler.n_nothing))
        return self._background.like(table, "the background"), weights[0]

    @property
    def expected_value(self) -> Any:
        """v(∅): a float64, or an array over outputs."""
        if self._trees is not None:
            return self._trees.expected_value
        if self._linear is not None:
            single, found = self._linear.model.single, self._linear.nothing
        else:
            assert self._games is not None
            single, found = self._games.predictor.single, self._games.nothing
        return found[0] if single else found.copy()

    @property
    def game(self) -> str:
        """The game that is explained, in words."""
        return self.imputer.game

    def __repr__(self) -> str:
        how = "trees, exact" if self._trees else "linear, exact" if self._linear else None
        return (
            f"TabularExplainer({how or self.imputer!r}, {self.players.n_players} players, "
            f"background {self._background.n_rows} rows)"
        )

    def __call__(
        self,
        X: Any,
        *,
        index: Any = "SV",
        order: int = 1,
        budget: int = 2048,
        random_state: Any = 0,
        tolerance: Any = None,
        n_threads: int | None = None,
        progress: Report | None = None,
        out: str | os.PathLike[str] | None = None,
        chunk_rows: int | None = None,
    ) -> Any:
        """Explain every row of a table.

        Parameters
        ----------
        X : table of rows by features
            Of the background's kind and types; columns of frames are found by name. With ``out``
            also what `shapley_core.TableFile` takes: a CSV or Parquet file, a directory or a list
            of Parquet files, of any size.
        index : str or IndexSpec
            ``indices.names()`` lists the names.
        order : int
            Largest size of an interaction.
        budget : int
            The most coalitions evaluated for a row, beside each row of the background. With
            2**n_players or more the values are exact and have no standard errors. A feature that a
            row shares with one of the background plays no part beside it: where the coalitions of
            the others are covered everywhere, the row's standard errors are 0. Linear models and
            trees don't need a budget.
        random_state : int, numpy Generator or None
            Seed of the coalitions.
        tolerance : float or StoppingRule, optional
            A row is done as soon as its standard errors are at most this fraction of the range of
            its values, or by a rule of `shapley_core.estimators.stopping`.
        n_threads : int, optional
            For masking, by default as constructed; the values do not depend on it.
        progress : callable of (rows done, rows in all), optional
        out : path, optional
            A directory to write the values to, one Parquet file for each chunk of rows; where an
            earlier run stopped, the same call goes on. See docs/long-runs.md.
        chunk_rows : int, optional
            Rows of a chunk; by default as many as make 64 MiB of values, at most 4096 where the
            model is asked.

        Returns
        -------
        Explanation, or with ``out`` StoredExplanation
            values : float64 (n_rows, n_players or n_interactions[, n_outputs]), with
            ``std_error`` and ``n_evaluations`` where they are estimated.

        Raises
        ------
        InputError
            If the table, an argument or a prediction cannot be used.
        BudgetError
            If the budget is too small for the estimator; the message names the least.
        UnknownIndexError
            If the index does not exist at that order.
        MemoryLimitError
            If the worths of one row take more than the memory allowed.
        """
        threads = self._threads if n_threads is None else resolve_threads(n_threads)
        # Also where the values take no estimate: a wrong argument is wrong for every model.
        check_course(tolerance, progress)
        budget = checked_budget(budget)
        if self._games is None:
            seed_of(random_state)
        if self._trees is not None:
            return self._trees(
                X,
                index=index,
                order=order,
                n_threads=threads,
                progress=progress,
                out=out,
                chunk_rows=chunk_rows,
            )
        if out is not None:
            return self._explain_into(
                out,
                X,
                chunk_rows,
                progress,
                random_state,
                index=index,
                order=order,
                budget=budget,
                tolerance=tolerance,
                n_threads=threads,
            )
        if is_file(X) or chunk_rows is not None:
            raise InputError("rows of files, and chunk_rows, need out: a directory for the values")
        rows = self._background.like(X, "X")
        if not rows.n_rows:
            raise InputError("X has no rows; give at least one")
        n = self.players.n_players
        spec, order = checked_index(index, n, order)
        if self._linear is not None:
            values, baseline = self._linear.values(rows, spec, order)
            found = RowValues(values, None, baseline, None)
            if progress is not None:
                progress(rows.n_rows, rows.n_rows)
        else:
            assert self._games is not None
            found = values_of_rows(
                self._games,
                rows,
                spec,
                order,
                budget,
                self._estimator,
                random_state,
                tolerance,
                threads,
                progress,
            )
        return self._explanation(X, spec, order, found)

    def _explanation(self, X: Any, spec: Any, order: int, found: RowValues) -> Explanation:
        values, error, baseline = found.values, found.std_error, found.baseline
        single = np.ndim(self.expected_value) == 0
        n = self.players.n_players
        return Explanation(
            values[:, :, 0] if single else values,
            baseline[:, 0] if single else baseline,
            X,
            index=spec.name,
            order=order,
            n_features=n,
            interactions=None if order == 1 else list(InteractionSet.complete(n, order)),
            feature_names=self.players.names,
            output_names=self.output_names,
            groups=self.players.members if self.players.grouped else None,
            std_error=error if error is None or not single else error[:, :, 0],
            n_evaluations=found.n_evaluations,
        )

    def _explain_into(
        self,
        out: str | os.PathLike[str],
        X: Any,
        chunk_rows: int | None,
        progress: Report | None,
        random_state: Any,
        **options: Any,
    ) -> StoredExplanation:
        """Explain rows into a directory."""
        spec, order = checked_index(options["index"], self.players.n_players, options["order"])
        budget = checked_budget(options["budget"])
        options |= {"index": spec, "order": order, "budget": budget}

        as_kind = AsKind(self._background) if is_file(X) else None

        def explain(chunk: Chunk) -> Explanation:
            rows = chunk.rows if as_kind is None else as_kind(chunk.rows)
            if not self._background.like(rows, "X").n_rows:
                return self._of_nothing(spec, order)
            seed = chunk.settings["random_state"]
            found: Explanation = self(rows, random_state=seed, progress=chunk.progress, **options)
            return found

        return run_model(
            explain,
            row_source_like(X, self._background),
            out,
            settings={
                **identity_of(self._background, self._games, self._linear, self._link),
                "index": name_of_index(spec, self.players.n_players, order),
                "imputer": hash_of_imputer(self.imputer),
                "estimator": repr(self._estimator),
                "groups": self.players.members if self.players.grouped else None,
                "memory": self._memory,
            },
            options=options,
            random_state=random_state,
            chunk_rows=chunk_rows,
            progress=progress,
            most_rows=MODEL_CHUNK_ROWS if self._linear is None else MOST_PART_ROWS,
        )

    def _of_nothing(self, spec: Any, order: int) -> Explanation:
        """The explanation of no rows."""
        outputs = np.size(self.expected_value)
        values = np.empty((0, sets.n_interactions(self.players.n_players, order), outputs))
        return self._explanation(
            None, spec, order, RowValues(values, None, np.empty((0, outputs)), None)
        )
