"""Losses of predictions, one number for each."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import is_one_of, real_numbers
from ..errors import InputError

Floats = NDArray[np.float64]

# A probability of 0 for what happened counts as this, the smallest step beside 1.
LEAST_PROBABILITY = float(np.finfo(np.float64).eps)


class Loss:
    """The loss of predictions for rows whose truth is known.

    Parameters
    ----------
    kind : "squared", "log" or callable
        "squared": ``(y - prediction)**2``, summed over outputs where there are several. "log":
        minus the logarithm of the probability that was predicted for what happened; predictions
        are the probability of class 1, or of each class 0, 1, 2, ... A callable
        ``loss(y, predictions)`` gives one number for each of m rows; it gets ``y`` as an array and
        predictions (m,) or (m, n_outputs).
    y : array (n_rows, ...)
        The truth.
    """

    def __init__(self, kind: Any, y: Any) -> None:
        if not callable(kind) and not is_one_of(kind, ("squared", "log")):
            raise InputError(f"loss must be 'squared', 'log' or a function, not {kind!r}")
        if np.ma.is_masked(y):
            raise InputError("y has masked entries; wanted the truth of each row")
        try:
            self.y: NDArray[Any] = np.asarray(y)
        except ValueError as error:
            raise InputError(f"y must hold the truth of each row; got {error}") from error
        if self.y.ndim < 1:
            raise InputError("y must be an array with an entry for each row, not a single number")
        if not callable(kind) and not np.isfinite(real_numbers(self.y, "y")).all():
            raise InputError("y holds NaN or infinity; wanted the truth of each row")
        self._of: Callable[[NDArray[Any], Floats], Floats]
        if callable(kind):
            self._of = _Asked(kind)
        else:
            self._of = _Squared(self.y) if kind == "squared" else _Log(self.y)

    def __call__(self, rows: NDArray[np.int64], predictions: Floats) -> Floats:
        """Losses (m, n_rows) of predictions (m, n_rows, n_outputs) for some of the rows."""
        m, n_rows, n_outputs = predictions.shape
        each = np.tile(rows, m)
        flat = predictions.reshape(m * n_rows, n_outputs)
        return self._of(self.y[each], flat).reshape(m, n_rows)


class _Squared:
    def __init__(self, y: NDArray[Any]) -> None:
        if y.ndim > 2:
            raise InputError(f"y has shape {y.shape}; wanted (n_rows,) or (n_rows, n_outputs)")

    def __call__(self, y: NDArray[Any], predictions: Floats) -> Floats:
        truth = y.reshape(len(y), -1).astype(np.float64)
        if truth.shape != predictions.shape:
            raise InputError(
                f"y has {truth.shape[1]} numbers a row, but the model predicts "
                f"{predictions.shape[1]}"
            )
        return np.asarray(((truth - predictions) ** 2).sum(axis=1))


class _Log:
    def __init__(self, y: NDArray[Any]) -> None:
        whole = y.ndim == 1 and (y == np.floor(y)).all() and (y >= 0).all()
        if not whole:
            raise InputError(
                "for loss='log' y must be the number of each row's class, 0, 1, 2, ..., in the "
                "order of the model's outputs"
            )
        self.n_classes = int(y.max(initial=0)) + 1

    def __call__(self, y: NDArray[Any], predictions: Floats) -> Floats:
        if not ((predictions >= 0) & (predictions <= 1 + 1e-6)).all():
            raise InputError(
                "loss='log' takes probabilities between 0 and 1; pass a function that predicts "
                "them, such as model.predict_proba"
            )
        if self.n_classes > max(2, predictions.shape[1]):
            raise InputError(
                f"y holds class {self.n_classes - 1}, but the model predicts the probabilities of "
                f"{max(2, predictions.shape[1])} classes"
            )
        if predictions.shape[1] == 1:
            happened = np.where(y == 1, predictions[:, 0], 1 - predictions[:, 0])
        else:
            happened = predictions[np.arange(len(y)), y.astype(np.int64)]
        return np.asarray(-np.log(np.clip(happened, LEAST_PROBABILITY, 1.0)))


class _Asked:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, y: NDArray[Any], predictions: Floats) -> Floats:
        shown = predictions[:, 0] if predictions.shape[1] == 1 else predictions
        losses = real_numbers(self.function(y, shown.copy()), "what loss returns")
        if losses.shape != (len(y),):
            raise InputError(
                f"loss was given {len(y)} rows and must return shape ({len(y)},), one number a "
                f"row; it returned shape {losses.shape}"
            )
        if not np.isfinite(losses).all():
            raise InputError(f"loss returned {losses[~np.isfinite(losses)][0]}; wanted numbers")
        return losses
