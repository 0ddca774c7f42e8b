"""Shapley values and interactions of any model of a table."""

import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import coalitions as sets
from .. import imputers, indices
from ..coalitions import InteractionSet
from ..errors import InputError, MemoryLimitError, UnknownIndexError
from ..estimators.randomness import seed_of
from ..estimators.registry import resolve
from ..explanation import Explanation
from ..imputers.base import check_weights
from ..imputers.marginal import Baseline, Marginal
from ..imputers.rows import Rows, rows_of
from ..indices import IndexSpec, ProbabilisticValue
from ..memory import human_bytes
from ..players import Groups, Players
from ..tables import as_table, take_rows
from ..threads import resolve_threads, row_blocks
from ..trees.ensemble import TreeEnsemble
from ..trees.readers import read_model, reader_of
from .linear import LinearGames, LinearModel, linear_model, raw_function
from .many_games import ManyValues, estimated_values, exact_values
from .masked_games import MaskedGames, RowGames
from .predictor import Predictor, function_of, link_function
from .tree import TreeExplainer

# Arrays as large as the worths of a block of rows, while values are made of them.
_COPIES = 6

Report = Callable[[int, int], object]


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
        What estimates values when the budget does not cover all coalitions.
    groups : mapping of name to features, or list of lists of features, optional
        Features that are one player together, present or absent as one.
    link : "identity", "logit" or callable
        Applied to the mean prediction of a coalition, entry by entry: v(S) = link(mean f).
    weights : float array (n_background,), optional
        Weights of the background rows, for the marginal imputer.
    memory : int or str
        Bytes, as ``"1GB"``, for masked rows and worths; not what the model itself takes.
    batch_size : int, optional
        The most rows shown to the model at once, by default 16384 or what the memory holds.
    n_threads : int, optional
        Threads that mask rows; the model runs on as many as it likes. All cores by default.
    output_names : sequence of str, optional
    check_repeats : bool
        Whether to predict the first few rows of the background twice, and refuse a model that
        answers differently.

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
        self._estimator = estimator
        if batch_size is not None and sets.check_integer(batch_size, "batch_size") < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}")
        self.imputer = imputers.get(imputer)
        if weights is not None:
            if not isinstance(self.imputer, Marginal) or self.imputer.weights is not None:
                raise InputError("weights of background rows go with the marginal imputer, once")
            self.imputer = Marginal(self.imputer.n_rows, weights, self.imputer.random_state)
        self._background = rows_of(background, "the background")
        if not self._background.n_rows:
            raise InputError("the background has no rows; give at least one")
        names = self._background.names
        self.players = Players.of(groups, self._background.n_features, names)
        self.feature_names = self.players.names
        given = None if output_names is None else tuple(map(str, output_names))
        plain = link in ("identity", None) and type(self.imputer) in (Marginal, Baseline)
        self._trees: TreeExplainer | None = None
        self._linear: LinearGames | None = None
        self._games: MaskedGames | None = None
        trees = _tree_model(predict)
        line = None if trees else linear_model(predict)
        if trees and plain:
            self._trees = self._tree_explainer(predict, background, groups, threads)
            self.output_names = given or self._trees.output_names
        elif line is not None and plain:
            rows, part = self._weighted_background()
            self._linear = LinearGames(line, rows, part, self.players)
            self.output_names = given or line.output_names
        else:
            function, known = self._function(predict, trees, line, threads)
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

    def _function(
        self, predict: Any, trees: bool, line: LinearModel | None, threads: int
    ) -> tuple[Callable[[Any], Any], tuple[str, ...] | None]:
        if trees:
            ensemble = read_model(predict)
            return raw_trees(ensemble, threads), ensemble.output_names
        if line is not None:
            return raw_function(line, self._background.like), line.output_names
        return function_of(predict)

    def _weighted_background(self) -> tuple[Rows, NDArray[np.float64]]:
        """The rows that the marginal or baseline game averages over."""
        filler: Any = self.imputer.fit(self._background)
        table, weights = filler.nothing(slice(0, filler.n_nothing))
        return self._background.like(table, "the background"), weights[0]

    def _tree_explainer(
        self, model: Any, background: Any, groups: Groups | None, threads: int
    ) -> TreeExplainer:
        imputer = self.imputer
        imputer.fit(self._background)
        weights = None
        if isinstance(imputer, Marginal):
            weights = check_weights(imputer.weights, self._background.n_rows)
            if imputer.n_rows is not None:
                chosen = imputer.chosen(weights)
                background, weights = take_rows(background, chosen), weights[chosen]
        return TreeExplainer(model, background, weights=weights, groups=groups, n_threads=threads)

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
    ) -> Explanation:
        """Explain every row of a table.

        Parameters
        ----------
        X : table of rows by features
            Of the background's kind and types; columns of frames are found by name.
        index : str or IndexSpec
            ``indices.names()`` lists the names.
        order : int
            Largest size of an interaction.
        budget : int
            The most coalitions evaluated for a row. With 2**n_players or more the values are
            exact and have no standard errors. Linear models and trees don't need it.
        random_state : int, numpy Generator or None
            Seed of the design of coalitions, which all rows share.
        tolerance : float or StoppingRule, optional
            A row is done as soon as its standard errors are at most this fraction of the range of
            its values, or by a rule of `shapley_core.estimators.stopping`.
        n_threads : int, optional
            For masking, by default as constructed; the values do not depend on it.
        progress : callable of (rows done, rows in all), optional

        Returns
        -------
        Explanation
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
        if self._trees is not None:
            by_trees: Explanation = self._trees(
                X, index=index, order=order, n_threads=threads, progress=progress
            )
            return by_trees
        rows = self._background.like(X, "X")
        if not rows.n_rows:
            raise InputError("X has no rows; give at least one")
        n = self.players.n_players
        spec, order = _checked_index(index, n, order)
        budget = sets.check_integer(budget, "budget")
        baseline: NDArray[np.float64]
        error = evaluations = None
        if self._linear is not None:
            values, baseline = self._linear.values(rows, spec, order)
            single = self._linear.model.single
        else:
            assert self._games is not None
            values, error, baseline, evaluations = _explained(
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
            single = self._games.predictor.single
        return Explanation(
            values[:, :, 0] if single else values,
            baseline[:, 0] if single else baseline,
            X,
            index=spec.name,
            order=order,
            interactions=None if order == 1 else list(InteractionSet.complete(n, order)),
            feature_names=self.players.names,
            output_names=self.output_names,
            groups=self.players.members if self.players.grouped else None,
            std_error=error if error is None or not single else error[:, :, 0],
            n_evaluations=evaluations,
        )


def _explained(
    games: MaskedGames,
    rows: Rows,
    spec: IndexSpec | ProbabilisticValue,
    order: int,
    budget: int,
    estimator: Any,
    random_state: Any,
    tolerance: Any,
    threads: int,
    progress: Report | None,
    per_row: Any = None,
) -> tuple[Any, Any, Any, Any]:
    """Values, std_error (n_rows, n_interactions, n_outputs), baseline, evaluations of all rows."""
    n = games.players.n_players
    is_exact = n < budget.bit_length()
    m = 1 << n if is_exact else budget
    seed = seed_of(random_state)
    chosen = None if is_exact else resolve(estimator, spec, order)
    count = sets.n_interactions(n, order)

    def told(done: int) -> None:
        if progress is not None:
            progress(min(done // m, rows.n_rows), rows.n_rows)

    bound = RowGames(games, rows, threads, per_row, told)
    k = bound.n_outputs
    each = 8 * k * (_COPIES * m + 4 * count)
    if each > games.memory // 2:
        raise MemoryLimitError(
            f"the worths of {m} coalitions take about {human_bytes(each)} for one row, more than "
            f"half of memory={human_bytes(games.memory)}: raise it, or ask for a smaller budget"
        )
    values = np.empty((rows.n_rows, count, k))
    error = None if is_exact else np.empty_like(values)
    baseline = np.empty((rows.n_rows, k))
    evaluations = np.empty(rows.n_rows, np.int64)
    for start, stop in row_blocks(rows.n_rows, max(1, games.memory // 2 // each)):
        block = np.arange(start, stop)
        if is_exact:
            every = sets.all_coalitions(n)
            found = exact_values(bound.worths(every, block).reshape(m, -1), spec, order)
        else:

            def ask(
                coalitions: NDArray[np.bool_], some: NDArray[np.int64], start: int = start
            ) -> NDArray[np.float64]:
                return bound.worths(coalitions, start + some)

            found = estimated_values(
                ask,
                n,
                stop - start,
                k,
                estimator=chosen,
                budget=budget,
                index=spec,
                order=order,
                seed=seed,
                tolerance=tolerance,
            )
        _put(found, values[start:stop], None if error is None else error[start:stop])
        baseline[start:stop] = found.baseline.reshape(-1, k)
        evaluations[start:stop] = found.n_evaluations.reshape(-1, k)[:, 0]
    if progress is not None:
        progress(rows.n_rows, rows.n_rows)
    return values, error, baseline, evaluations


def _put(found: ManyValues, values: NDArray[np.float64], error: NDArray[np.float64] | None) -> None:
    shape = (values.shape[1], values.shape[0], values.shape[2])
    values[:] = found.values.reshape(shape).transpose(1, 0, 2)
    if error is not None:
        assert found.std_error is not None
        error[:] = found.std_error.reshape(shape).transpose(1, 0, 2)


def _checked_index(
    index: Any, n_players: int, order: Any
) -> tuple[IndexSpec | ProbabilisticValue, int]:
    order = sets.check_integer(order, "order")
    if isinstance(index, ProbabilisticValue):
        if order != 1 or index.n_players != n_players:
            raise UnknownIndexError(
                f"{index.name} has order 1 and {index.n_players} players; got order {order} and "
                f"{n_players} players"
            )
        return index, order
    spec = indices.get(index)
    spec.check(n_players, order)
    return spec, order


def _tree_model(model: Any) -> bool:
    """Whether it is for `read_model`: trees, or the path of a saved model."""
    if isinstance(model, (TreeEnsemble, str, os.PathLike)):
        return True
    return reader_of(model) is not None


def raw_trees(ensemble: TreeEnsemble, n_threads: int) -> Callable[[Any], Any]:
    """The raw margin of trees as a function of tables."""

    def raw(X: Any) -> NDArray[np.float64]:
        table = as_table(
            X,
            n_features=ensemble.n_features,
            feature_names=ensemble.feature_names,
            categories=ensemble.categories,
            unseen_category=ensemble.unseen_category,
            sparse_absent=ensemble.sparse_absent,
            what="a table of masked rows",
        )
        return ensemble.predict(table.block(0, table.n_rows), n_threads)

    return raw


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30, "TI": 1 << 40}


def memory_bytes(given: Any) -> int:
    """Bytes from a number of them, or from text such as "1GB" or "512 MiB"."""
    if isinstance(given, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?\s*", given.upper())
        if found is None or found[2] == "I":
            raise InputError(f"memory must be bytes, or text such as '1GB', not {given!r}")
        count = int(float(found[1]) * (_UNITS | _BINARY)[found[2]])
    else:
        count = sets.check_integer(given, "memory")
    if count < 10**6:
        raise InputError(f"memory is {given!r}; give at least 1MB")
    return count
