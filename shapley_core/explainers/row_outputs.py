"""What is averaged where it depends on the row: a loss by its label, a margin of its own."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import real_numbers
from ..errors import InputError
from ..frames import listed
from ..trees.ensemble import TreeEnsemble
from .masked_games import PerRow
from .probabilities import Array, Link, log_probability_of


def base_margins(given: ArrayLike, n_rows: int, n_outputs: int) -> Array:
    """Raw margins that rows start from, checked: (n_rows, n_outputs)."""
    margin = real_numbers(given, "base_margin")
    # Of other shapes, as of a transposed array, it would be a guess whose margins they are.
    shapes = [(n_rows,), (n_rows, 1)] if n_outputs == 1 else [(n_rows, n_outputs)]
    if margin.shape not in shapes or not np.isfinite(margin).all():
        wanted = " or ".join(map(str, shapes))
        raise InputError(f"base_margin has shape {margin.shape}; wanted {wanted} finite numbers")
    return margin.reshape(n_rows, n_outputs)


def own_margins(given: ArrayLike, n_rows: int, ensemble: TreeEnsemble) -> Array:
    """Raw margins that rows start from, less the model's own base score: (n_rows, n_outputs)."""
    return np.asarray(base_margins(given, n_rows, ensemble.n_outputs) - ensemble.base)


def label_codes(y: Any, n_rows: int, ensemble: TreeEnsemble) -> NDArray[np.int64]:
    """The number of each row's class, from labels as the model knows them.

    Parameters
    ----------
    y : labels (n_rows,)
        Classes of the model, or texts that read like them. Of a model that does not know them, the
        numbers 0 .. n_classes - 1, or names of outputs.
    n_rows : int
        As many there must be.
    ensemble : TreeEnsemble
    """
    if y is None:
        raise InputError("output='log_loss' needs the labels: explainer(X, y)")
    if np.ma.is_masked(y):
        raise InputError("y has masked labels; every row needs one")
    try:
        labels = np.asarray(y)
    except ValueError as error:
        raise InputError(f"y must hold one label for each row; got {error}") from error
    if labels.shape != (n_rows,) or labels.dtype.kind not in "biufOUST":
        raise InputError(f"y has shape {labels.shape}, {labels.dtype}; wanted ({n_rows},) labels")
    classes = ensemble.classes or tuple(range(max(2, ensemble.n_outputs)))
    names = ensemble.output_names or ()
    # A number is never taken for a place where the classes have labels of their own.
    place = {
        name: at for given in (names, map(str, classes), classes) for at, name in enumerate(given)
    }
    try:
        codes = [place.get(label, -1) for label in labels.tolist()]
    except TypeError as error:
        raise InputError("y must hold numbers or texts") from error
    found = np.array(codes, np.int64)
    if (found < 0).any():
        known = listed(classes, 10)
        if classes == tuple(range(len(classes))):
            known = f"the numbers 0 to {len(classes) - 1}"
        label = labels.tolist()[int(np.argmin(found))]
        raise InputError(f"y holds {label!r}, but the classes of the model are {known}")
    return found


def per_row_of(
    ensemble: TreeEnsemble,
    link: Link | None,
    codes: NDArray[np.int64] | None,
    offsets: Array | None,
) -> PerRow:
    """What is averaged, from raw margins (n_coalitions, n_rows, n_donors, n_outputs) and rows.

    Parameters
    ----------
    ensemble : TreeEnsemble
    link : callable, optional
        From raw margins to what is explained.
    codes : int64 array of shape (n_rows,), optional
        Classes of the rows: the log-loss is explained.
    offsets : float64 array of shape (n_rows, n_outputs), optional
        Added to the margins of each row.
    """
    if codes is None and offsets is None:
        return None
    log_probability = None if codes is None else log_probability_of(ensemble)

    def of_row(margins: Array, rows: NDArray[np.int64]) -> Array:
        if offsets is not None:
            margins = margins + offsets[rows][None, :, None, :]
        shape = margins.shape[:3]
        flat = margins.reshape(-1, margins.shape[-1])
        if log_probability is None:
            return (flat if link is None else np.asarray(link(flat))).reshape(*shape, -1)
        assert codes is not None
        at = np.broadcast_to(codes[rows][None, :, None, None], (*shape, 1))
        found = -np.take_along_axis(log_probability(flat).reshape(*shape, -1), at, axis=3)
        if not np.isfinite(found).all():
            raise InputError(
                "the model gives a label the probability 0, whose log-loss is infinite; "
                "explain output='probability'"
            )
        return np.asarray(found)

    return of_row


def spread(part: Array | None, at: NDArray[np.int64], width: int) -> Array:
    """Values at their places among ``width`` columns, 0 elsewhere."""
    if part is None:
        return None  # type: ignore[return-value]
    out = np.zeros((part.shape[0], width, part.shape[2]))
    out[:, at] = part
    return out


def checked_link(function: Callable[[Any], Any], margins: Array) -> Array:
    """A user's function of raw margins, given as the libraries give them; its answer checked."""
    given = margins[:, 0] if margins.shape[1] == 1 else margins
    found = real_numbers(function(given), "what output returns")
    if found.ndim not in (1, 2) or len(found) != len(margins):
        raise InputError(
            f"output was given margins of {len(margins)} rows and returned shape {found.shape}"
        )
    return found
