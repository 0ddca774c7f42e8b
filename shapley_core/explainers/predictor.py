"""The model behind a TabularExplainer: what is called, and what it answers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import real_numbers
from ..errors import InputError

# Rows that are predicted twice, to see whether the model answers the same.
REPEATED = 16
# Half the digits: other batch sizes may change the last few, and float32 has seven.
_REPEAT_TOLERANCE = 1e-4


def function_of(model: Any) -> tuple[Callable[[Any], Any], tuple[str, ...] | None]:
    """What is called for a model, and the names of its outputs if it has any.

    ``predict_proba`` where there is one, else ``predict`` (but not a classifier's, whose labels
    are no numbers to be shared out), else the model itself if it can be called.
    """
    if hasattr(model, "predict_proba"):
        classes = getattr(model, "classes_", None)
        names = None if classes is None or np.ndim(classes) != 1 else tuple(map(str, classes))
        return model.predict_proba, names
    if hasattr(model, "predict"):
        if _is_classifier(model):
            raise InputError(
                f"{type(model).__name__} predicts labels and has no predict_proba; pass the "
                "function to explain, such as model.decision_function"
            )
        predict: Callable[[Any], Any] = model.predict
        return predict, None
    if not callable(model):
        raise TypeError(
            f"predict must be a function of a table, or a model with predict_proba or predict, "
            f"not {type(model).__name__}"
        )
    return model, None


def _is_classifier(model: Any) -> bool:
    if getattr(model, "_estimator_type", None) == "classifier":
        return True
    try:
        return bool(model.__sklearn_tags__().estimator_type == "classifier")
    except AttributeError:
        return False


class Predictor:
    """A model as a function of tables, whose answers are checked; counts the rows it was shown.

    Parameters
    ----------
    function : callable
        ``function(table)`` gives one number a row, or several.
    output_names : tuple of str, optional
    """

    def __init__(
        self, function: Callable[[Any], Any], output_names: tuple[str, ...] | None = None
    ) -> None:
        self.function = function
        self.output_names = output_names
        self.n_outputs: int | None = None
        self.single = True
        self.n_rows_shown = 0

    def __call__(self, table: Any, n_rows: int) -> NDArray[np.float64]:
        """Predictions, float64 (n_rows, n_outputs).

        Raises
        ------
        InputError
            If the model answers with another number of rows, with something else than finite
            numbers, or with another number of outputs than before. What it raises is passed on.
        """
        self.n_rows_shown += n_rows
        answer = self.function(table)
        if hasattr(answer, "detach"):
            raise InputError(
                "predict returned a tensor; let it return a numpy array, such as "
                "lambda X: model(X).detach().numpy()"
            )
        if not isinstance(answer, np.ndarray) and hasattr(answer, "to_numpy"):
            answer = answer.to_numpy()
        found = real_numbers(answer, f"what predict returns for {n_rows} rows")
        if found.ndim not in (1, 2) or len(found) != n_rows:
            raise InputError(
                f"predict was given {n_rows} rows and must return an array of shape ({n_rows},) "
                f"or ({n_rows}, n_outputs); it returned shape {found.shape}"
            )
        wide = found.reshape(n_rows, -1)
        if self.n_outputs is None:
            self.n_outputs, self.single = wide.shape[1], found.ndim == 1 or wide.shape[1] == 1
            if not wide.shape[1]:
                raise InputError(f"predict returned an array of shape {found.shape}: no outputs")
            if self.output_names is not None and len(self.output_names) != self.n_outputs:
                raise InputError(
                    f"predict returned {self.n_outputs} outputs, but there are "
                    f"{len(self.output_names)} output_names"
                )
        elif wide.shape[1] != self.n_outputs:
            raise InputError(
                f"predict returned {wide.shape[1]} outputs, after {self.n_outputs} in an earlier "
                "call"
            )
        # A sum passes NaN and infinity on; only then is it worth looking where.
        if not np.isfinite(wide.sum()):
            bad = np.argwhere(~np.isfinite(wide))
            if len(bad):
                row, output = bad[0]
                raise InputError(
                    f"predict returned {wide[row, output]} for row {row} of a batch of {n_rows} "
                    "masked rows; every prediction must be finite. Masked rows mix values of two "
                    "rows of your tables"
                )
        return np.ascontiguousarray(wide)

    def check_repeats(self, table: Any, n_rows: int, first: NDArray[np.float64]) -> None:
        """Ask once more about a few rows; InputError if the answers differ."""
        again = self(table, n_rows)
        allowed = _REPEAT_TOLERANCE * np.maximum(np.abs(first), np.abs(again)).max(initial=0.0)
        gap = np.abs(again - first)
        if (gap > allowed).any():
            at = np.unravel_index(int(gap.argmax()), gap.shape)
            raise InputError(
                f"predict gave {first[at]} and then {again[at]} for the same row: a model that "
                "draws random numbers (dropout, sampling) has no definite game. Fix its seed or "
                "switch it to evaluation; check_repeats=False explains its mean all the same"
            )


def link_function(link: Any) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    """The link as a function of worths, None for the identity."""
    if link in ("identity", None):
        return None
    if link == "logit":
        return _logit
    if not callable(link):
        raise InputError(f"link must be 'identity', 'logit' or a function, not {link!r}")

    def checked(worths: NDArray[np.float64]) -> NDArray[np.float64]:
        found = real_numbers(link(worths.copy()), "what link returns")
        if found.shape != worths.shape:
            raise InputError(
                f"link was given an array of shape {worths.shape} and must return the same shape; "
                f"it returned {found.shape}"
            )
        if not np.isfinite(found).all():
            bad = np.unravel_index(int(np.argmin(np.isfinite(found))), found.shape)
            raise InputError(f"link returned {found[bad]} for {worths[bad]}")
        return found

    return checked


def _logit(worths: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = (worths > 0) & (worths < 1)
    if not inside.all():
        raise InputError(
            f"link='logit' takes probabilities between 0 and 1, but a mean prediction is "
            f"{worths[~inside].flat[0]}"
        )
    return np.asarray(np.log(worths) - np.log1p(-worths))
