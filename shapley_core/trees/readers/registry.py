"""Find the reader for a model object or a model file, without importing the tree libraries."""

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import ModelFileError, UnsupportedModelError
from ..ensemble import TreeEnsemble
from . import catboost, lightgbm, sklearn, xgboost

# The first that recognises a model or file reads it; the estimators of other libraries are
# scikit-learn's too, and any JSON may be XGBoost's.
READERS: tuple[ModuleType, ...] = (catboost, xgboost, lightgbm, sklearn)


def read_model(model: Any, *, iteration_range: tuple[int, int] | None = None) -> TreeEnsemble:
    """Read a live model or a saved file.

    Parameters
    ----------
    model : object or path
        An XGBoost or LightGBM model (Booster or scikit-learn wrapper), a CatBoost model, a tree
        model of scikit-learn, a path to a saved model (XGBoost JSON or UBJ, LightGBM text,
        CatBoost JSON or CBM), or a `TreeEnsemble`, which is returned as it is.
    iteration_range : (int, int), optional
        Boosting rounds ``start .. stop - 1`` to keep; by default those which the object's own
        ``predict`` uses.

    Returns
    -------
    TreeEnsemble

    Raises
    ------
    UnsupportedModelError
        If the model, or something in it, cannot be explained exactly.
    ModelFileError
        If a file is truncated, corrupted or not a model.
    """
    if isinstance(model, TreeEnsemble):
        if iteration_range is not None:
            raise UnsupportedModelError("iteration_range needs the model itself, not its trees")
        return model
    if isinstance(model, (str, os.PathLike)):
        path = Path(model)
        content = path.read_bytes()
        for reader in READERS:
            if reader.recognises_file(content):
                ensemble: TreeEnsemble = reader.read_file(
                    content, str(path), iteration_range=iteration_range
                )
                return ensemble
        raise ModelFileError(
            f"{path} is not a model file that is known: wanted XGBoost JSON or UBJ "
            "(save_model), LightGBM text (save_model), or CatBoost JSON or CBM (save_model); "
            "pass a scikit-learn model itself"
        )
    owner = reader_of(model)
    if owner is not None:
        live: TreeEnsemble = owner.read(model, iteration_range=iteration_range)
        return live
    advice = sklearn.advice(model)
    if advice is not None:
        raise UnsupportedModelError(advice)
    raise UnsupportedModelError(
        f"a model of type {type(model).__module__}.{type(model).__qualname__} is not supported: "
        "wanted an XGBoost, LightGBM, CatBoost or scikit-learn tree model, or the path of a saved "
        "one"
    )


def reader_of(model: Any) -> ModuleType | None:
    """Return the reader whose library a live model belongs to, if there is one."""
    return next((reader for reader in READERS if reader.recognises(model)), None)
