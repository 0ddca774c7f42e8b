"""The model behind a TabularExplainer: what is called, and what it answers."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import is_listed, is_one_of, real_numbers
from ..errors import InputError

# Rows that are predicted twice, to see whether the model answers the same.
REPEATED = 16
# A model with a predict that takes tables of its own.
_DMATRIX_ALONE = "xgboost.core.Booster"
# Half the digits: other batch sizes may change the last few, and float32 has seven.
_REPEAT_TOLERANCE = 1e-4


def function_of(model: Any) -> tuple[Callable[[Any], Any], tuple[str, ...] | None]:
    """What is called for a model, and the names of its outputs if it has any.

    ``predict_proba`` where there is one, else ``predict`` (but not a classifier's, whose labels
    are no numbers to be shared out), else the model itself if it can be called.
    """
    if any(f"{one.__module__}.{one.__name__}" == _DMATRIX_ALONE for one in type(model).__mro__):
        raise InputError(
            "predict is an xgboost.Booster, which takes no table but a DMatrix: pass a function, "
            "such as lambda X: booster.predict(xgboost.DMatrix(X)), or the XGBRegressor or "
            "XGBClassifier that it is of"
        )
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

    def __call__(self, table: Any, n_rows: int, check_finite: bool = True) -> NDArray[np.float64]:
        """Predictions, float64 (n_rows, n_outputs); valid until the next call.

        The array may be the model's own, which it may write to again. Where the caller sees to it
        that they are finite, ``check_finite`` may be left out.

        Raises
        ------
        InputError
            If the model answers with another number of rows, with something else than finite
            numbers, or with another number of outputs than before. What it raises is passed on.
        """
        self.n_rows_shown += n_rows
        found = self.function(table)
        if type(found) is not np.ndarray or found.dtype != np.float64:
            found = _numbers(found, n_rows)
        if found.ndim not in (1, 2) or len(found) != n_rows:
            raise InputError(
                f"predict was given {n_rows} rows and must return an array of shape ({n_rows},) "
                f"or ({n_rows}, n_outputs); it returned shape {found.shape}"
            )
        wide: NDArray[np.float64] = found if found.ndim == 2 else found[:, None]
        if wide.shape[1] != self.n_outputs:
            self._set_outputs(found)
        if check_finite:
            self.check_finite(wide)
        return wide if wide.flags.c_contiguous else np.ascontiguousarray(wide)

    @staticmethod
    def check_finite(outputs: NDArray[np.float64]) -> None:
        """Refuse predictions (n_rows, n_outputs) that are not finite, and say which."""
        # A sum passes NaN and infinity on; only then is it worth looking where.
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(outputs.sum())
        if isfinite(total):
            return
        bad = np.argwhere(~np.isfinite(outputs))
        if len(bad):
            row, output = bad[0]
            raise InputError(
                f"predict returned {outputs[row, output]} for row {row} of a batch of "
                f"{len(outputs)} masked rows; every prediction must be finite. Masked rows mix "
                "values of two rows of your tables"
            )

    def _set_outputs(self, found: NDArray[np.float64]) -> None:
        """Learn the number of outputs from the first answer; refuse another number later."""
        count = 1 if found.ndim == 1 else found.shape[1]
        if self.n_outputs is not None:
            raise InputError(
                f"predict returned {count} outputs, after {self.n_outputs} in an earlier call"
            )
        if not count:
            raise InputError(f"predict returned an array of shape {found.shape}: no outputs")
        checked_names(self.output_names, count)
        self.n_outputs, self.single = count, count == 1

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
                "switch it to evaluation; check_repeats=False explains its mean all the same. "
                "After a model was fitted anew, make a new explainer"
            )


def names_of(output_names: Any) -> tuple[str, ...] | None:
    """The argument ``output_names`` of an explainer."""
    if output_names is None:
        return None
    if not is_listed(output_names):
        raise TypeError(f"output_names must be a list of names, not {output_names!r}")
    return tuple(map(str, output_names))


def checked_names(names: tuple[str, ...] | None, count: int) -> tuple[str, ...] | None:
    """Names of so many outputs, if there are any."""
    if names and len(names) != count:
        raise InputError(f"the model has {count} outputs, but there are {len(names)} output_names")
    return names


def _numbers(answer: Any, n_rows: int) -> NDArray[np.float64]:
    """What a model answers as an array, where it is none of float64 already."""
    if hasattr(answer, "detach"):
        raise InputError(
            "predict returned a tensor; let it return a numpy array, such as "
            "lambda X: model(X).detach().numpy()"
        )
    if not isinstance(answer, np.ndarray) and hasattr(answer, "to_numpy"):
        _check_order(answer, n_rows)
        answer = answer.to_numpy()
    return real_numbers(answer, f"what predict returns for {n_rows} rows")


def _check_order(answer: Any, n_rows: int) -> None:
    """Refuse a series or frame of pandas whose index says that rows stand in another order."""
    index = getattr(answer, "index", None)
    if index is None or not hasattr(index, "to_numpy") or len(answer) != n_rows:
        return
    labels, order = index.to_numpy(), np.arange(n_rows)
    if labels.dtype.kind not in "iu" or np.array_equal(labels, order):
        return
    if np.array_equal(np.sort(labels), order):
        raise InputError(
            f"predict returned a {type(answer).__name__} whose index holds 0 to {n_rows - 1} in "
            "another order than the rows that it was given; let it return them in that order, as "
            "by .sort_index()"
        )


def is_identity(link: Any) -> bool:
    """Whether the argument ``link`` leaves worths what they are."""
    return link is None or is_one_of(link, ("identity",))


def link_function(link: Any) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    """The link as a function of worths, None for the identity."""
    if is_identity(link):
        return None
    if is_one_of(link, ("logit",)):
        return _logit
    if not callable(link):
        raise InputError(f"link must be 'identity', 'logit' or a function, not {link!r}")
    return _CheckedLink(link)


class _CheckedLink:
    """A user's link, whose answers are checked; an object, for a function within one has no pickle.

    Parameters
    ----------
    link : callable
    """

    def __init__(self, link: Callable[[NDArray[np.float64]], Any]) -> None:
        self.link = link

    def __call__(self, worths: NDArray[np.float64]) -> NDArray[np.float64]:
        """The link of worths, of the same shape and finite."""
        found = real_numbers(self.link(worths.copy()), "what link returns")
        if found.shape != worths.shape:
            raise InputError(
                f"link was given an array of shape {worths.shape} and must return the same shape; "
                f"it returned {found.shape}"
            )
        if not np.isfinite(found).all():
            bad = np.unravel_index(int(np.argmin(np.isfinite(found))), found.shape)
            raise InputError(f"link returned {found[bad]} for {worths[bad]}")
        return found


def _logit(worths: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = (worths > 0) & (worths < 1)
    if not inside.all():
        raise InputError(
            f"link='logit' takes probabilities between 0 and 1, but a mean prediction is "
            f"{worths[~inside].flat[0]}"
        )
    return np.asarray(np.log(worths) - np.log1p(-worths))
