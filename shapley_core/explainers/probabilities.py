"""Probabilities from the raw margins of tree models, as their libraries have them."""

import re
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..trees.ensemble import TreeEnsemble

Array = NDArray[np.float64]
# From raw margins (n_rows, n_outputs) to what is explained.
Link = Callable[[Array], Array]


def _kind_of(ensemble: TreeEnsemble) -> tuple[str, float]:
    """How probabilities follow from raw margins, by the objective; and a factor on the margin."""
    objective, library = ensemble.objective, ensemble.library.split()[0]
    name = objective.split()[0] if objective else ""
    factor = re.search(r"sigmoid:(\S+)", objective)
    scale = float(factor[1]) if factor else 1.0
    if library == "xgboost":
        if name in ("binary:logistic", "binary:logitraw", "reg:logistic"):
            return "sigmoid", 1.0
        if name in ("multi:softprob", "multi:softmax"):
            return "softmax", 1.0
    if library == "lightgbm":
        if name in ("binary", "cross_entropy"):
            return "sigmoid", scale
        if name == "multiclass":
            return "softmax", 1.0
        if name == "multiclassova":
            return "sigmoids", scale
    if library == "catboost":
        if name in ("Logloss", "CrossEntropy"):
            return "sigmoid", 1.0
        if name == "MultiClass":
            return "softmax", 1.0
        if name == "MultiClassOneVsAll":
            return "sigmoids", 1.0
    if library == "scikit-learn" and name.rstrip(",").endswith("Classifier"):
        if "Boosting" not in name:
            return "probability", 1.0
        if objective.endswith("exponential"):
            return "sigmoid", 2.0
        return ("sigmoid" if ensemble.n_outputs == 1 else "softmax"), 1.0
    raise InputError(
        f"the objective {objective!r} of this {ensemble.library or 'custom'} model is not known "
        "to give probabilities; pass output=function, which is given raw margins"
    )


def probability_of(ensemble: TreeEnsemble) -> Link:
    """Probabilities from raw margins, as the model's own library has them."""
    return partial(_probability, *_kind_of(ensemble))


def _probability(kind: str, scale: float, margins: Array) -> Array:
    if kind == "probability":
        return margins
    if kind == "softmax":
        return np.asarray(np.exp(_log_softmax(margins)))
    return np.asarray(np.exp(_log_sigmoid(scale * margins)))


def log_probability_of(ensemble: TreeEnsemble) -> Link:
    """Logs of the probabilities of all classes, two where there is one output.

    Raises
    ------
    InputError
        If the probabilities are not those of the classes of one target.
    """
    kind, scale = _kind_of(ensemble)
    # Of trees and forests of several targets the outputs are the classes of each in turn.
    if (kind == "sigmoid" and ensemble.n_outputs > 1) or (
        kind == "probability" and ensemble.classes is None
    ):
        raise InputError(
            "the model has several targets, whose probabilities do not sum to 1 and have no "
            "log-loss of a class; pass output=function"
        )
    if kind == "sigmoids":
        raise InputError(
            "one-against-all probabilities do not sum to 1 and have no log-loss of a class; pass "
            "output=function"
        )
    if kind == "probability":

        def log(margins: Array) -> Array:
            with np.errstate(divide="ignore"):
                return np.log(margins)

        return log
    if kind == "softmax":
        return _log_softmax
    return lambda margins: _log_sigmoid(scale * np.concatenate([-margins, margins], axis=1))


def _log_sigmoid(margins: Array) -> Array:
    return np.asarray(-np.logaddexp(0.0, -margins))


def _log_softmax(margins: Array) -> Array:
    shifted = margins - margins.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
