"""Reader of CatBoost models: live objects, JSON files, and .cbm files where catboost is installed.

Everything goes through the JSON of ``save_model(format="json")``, which prints borders and leaves
with the digits that give them back exactly. A split is ``float32(x) > border``.
"""

import json
import tempfile
from operator import index
from pathlib import Path
from re import match
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, ModelFileError, UnsupportedModelError
from ..ensemble import TreeEnsemble
from .catboost_document import ensemble_from_document
from .plain_tables import dense_blocks

FIRST_KEYS = b"ctr_data|features_info|model_info|oblivious_trees|scale_and_bias|trees"


def recognises(model: Any) -> bool:
    """Tell whether a live object is one of this library's models, without importing it."""
    return any(_is_base(kind) for kind in type(model).__mro__)


def recognises_file(content: bytes) -> bool:
    """Tell whether the bytes of a file look like one of this library's models."""
    return content[:4] == b"CBM1" or match(rb'\s*\{\s*"(?:%s)"' % FIRST_KEYS, content) is not None


def read(model: Any, *, iteration_range: tuple[int, int] | None = None) -> TreeEnsemble:
    """Read a live model.

    Parameters
    ----------
    model : catboost.CatBoost, or one of its classifiers, regressors and rankers
    iteration_range : (int, int), optional
        Trees ``start .. stop - 1`` to keep; all by default, as in the library's own ``predict``.

    Raises
    ------
    UnsupportedModelError
        If the model is not fitted, or has splits on statistics of categories, texts or embeddings,
        or on the categories themselves, whose names it does not hold.
    """
    _check_fitted(model)
    return ensemble_from_document(
        json.loads(_saved_as_json(model)),
        iteration_range=_whole_numbers(iteration_range),
        n_features=len(model.feature_names_),
    )


def read_file(
    content: bytes, name: str, *, iteration_range: tuple[int, int] | None = None
) -> TreeEnsemble:
    """Read the bytes of a saved model; ``name`` is for messages.

    Raises
    ------
    ModelFileError
        If the file is truncated, corrupted or not a model.
    UnsupportedModelError
        As for `read`; also a .cbm file where catboost is not installed.
    """
    try:
        if content[:4] == b"CBM1":
            content = _saved_as_json(_load(content))
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ModelFileError(f"damaged JSON: {error}") from error
        return ensemble_from_document(document, iteration_range=_whole_numbers(iteration_range))
    except (ModelFileError, UnsupportedModelError) as error:
        raise type(error)(f"{name}: {error}") from error


def predict_raw(
    model: Any, X: Any, *, iteration_range: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """Ask the live model itself for its raw formula value, (n_rows,) or (n_rows, n_outputs).

    ``X`` is the user's own table or array of numbers. Columns of a frame are put in the model's
    order by name if it was fitted on names. Sparse matrices are made dense in blocks.
    """
    _check_fitted(model)
    total = int(model.tree_count_)
    start, stop = _whole_numbers(iteration_range) or (0, total)
    if not 0 <= start < stop <= total:
        raise InputError(f"iteration_range={(start, stop)} is not within the model's {total} trees")
    names = [str(name) for name in model.feature_names_]
    n_features = len(names)
    named = names != [str(number) for number in range(n_features)]
    bias = np.atleast_1d(np.asarray(model.get_scale_and_bias()[1], np.float64))
    # That of rankers cannot be asked for the kind of prediction.
    base: Any = next(kind for kind in type(model).__mro__ if _is_base(kind))
    parts = [np.empty((0, len(bias)))]
    for rows in dense_blocks(X, n_features, names if named else None):
        if not len(rows):
            continue
        raw = base.predict(
            model, rows, prediction_type="RawFormulaVal", ntree_start=start, ntree_end=stop
        )
        part = np.asarray(raw, np.float64).reshape(len(rows), -1)
        # The library adds the bias with the first tree only.
        parts.append(part if start == 0 else part + bias)
    answer = np.concatenate(parts)
    return answer[:, 0] if answer.shape[1] == 1 else answer


def threads_of(model: Any) -> int | None:
    """Threads that the library predicts with; None is as many as it likes."""
    return None


def _is_base(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "catboost" and kind.__name__ == "CatBoost"


def _check_fitted(model: Any) -> None:
    if not model.is_fitted():
        raise UnsupportedModelError(f"this {type(model).__name__} is not fitted; call fit first")


def _whole_numbers(given: tuple[int, int] | None) -> tuple[int, int] | None:
    if given is None:
        return None
    try:
        start, stop = (index(part) for part in given)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"iteration_range is {given!r}; wanted two integers (start, stop)"
        ) from error
    return start, stop


def _saved_as_json(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.json"
        try:
            model.save_model(str(path), format="json")
        except Exception as error:
            # Of catboost, which cannot be named here without importing it.
            if type(error).__name__ != "CatBoostError":
                raise
            raise UnsupportedModelError(
                f"CatBoost cannot write this model as JSON, which it is read from: {error}"
            ) from error
        return path.read_bytes()


def _load(content: bytes) -> Any:
    try:
        import catboost
    except ImportError as error:
        raise UnsupportedModelError(
            "a .cbm file is read by catboost, which is not installed: install it, or save the "
            'model with save_model("model.json", format="json")'
        ) from error
    model = catboost.CatBoost()
    try:
        model.load_model(blob=content)
    except catboost.CatBoostError as error:
        raise ModelFileError(f"damaged .cbm file: {error}") from error
    return model
