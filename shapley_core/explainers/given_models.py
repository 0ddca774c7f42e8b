"""What an explainer of any model is given: trees, a linear model, or a function."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..frames import align
from ..imputers.base import Imputer, check_weights
from ..imputers.marginal import Marginal
from ..imputers.rows import Rows
from ..players import Groups, Players
from ..tables import take_rows
from ..trees.ensemble import TreeEnsemble
from ..trees.readers import read_model, reader_of
from .linear import LinearModel, raw_function
from .predictor import function_of
from .tree import TreeExplainer


def is_tree_model(model: Any) -> bool:
    """Whether it is for `read_model`: trees, or the path of a saved model."""
    if isinstance(model, (TreeEnsemble, str, os.PathLike)):
        return True
    reader = reader_of(model)
    # The reader of scikit-learn knows of all its models that they are not trees.
    known = getattr(reader, "SUPPORTED", None)
    return reader is not None and (
        known is None or any(kind.__name__ in known for kind in type(model).__mro__)
    )


def raw_trees(ensemble: TreeEnsemble, n_threads: int) -> Callable[[Any], Any]:
    """The raw margin of trees as a function of tables."""

    def raw(X: Any) -> NDArray[np.float64]:
        table = ensemble.table(X, "a table of masked rows")
        return ensemble.predict(table.block(0, table.n_rows), n_threads)

    return raw


def exact_explainer(
    model: Any,
    background: Any,
    rows: Rows,
    imputer: Imputer,
    players: Players,
    groups: Groups | None,
    n_threads: int,
) -> TreeExplainer:
    """The tree engine's explainer of the marginal or baseline game of trees.

    Parameters
    ----------
    model : what `is_tree_model` accepts
    background : table, and ``rows`` made of it
    imputer : Marginal or Baseline
    players : Players
        Of the groups, among the columns of the background.
    groups : as given
    n_threads : int
    """
    imputer.fit(rows)
    known = read_model(model).feature_names
    if groups is not None and rows.names is not None and known is not None:
        # The trees may number columns otherwise than the background does.
        place = {at: feature for feature, at in enumerate(align(rows.names, known, "background"))}
        members = [[place[feature] for feature in one] for one in players.members]
        groups = dict(zip(players.names or (), members, strict=True))
    weights = None
    if isinstance(imputer, Marginal):
        weights = check_weights(imputer.weights, rows.n_rows)
        if imputer.n_rows is not None:
            chosen = imputer.chosen(weights)
            background, weights = take_rows(background, chosen), weights[chosen]
    return TreeExplainer(model, background, weights=weights, groups=groups, n_threads=n_threads)


def masked_function(
    predict: Any, trees: bool, line: LinearModel | None, rows: Rows, n_threads: int
) -> tuple[Callable[[Any], Any], tuple[str, ...] | None]:
    """The function that is asked about masked rows, and the names of its outputs.

    Of trees and linear models it is the raw output, as where they are explained without it.
    """
    if trees:
        ensemble = read_model(predict)
        return raw_trees(ensemble, n_threads), ensemble.output_names
    if line is not None:
        return raw_function(line, rows.like), line.output_names
    return function_of(predict)
