"""Reader of XGBoost models: live objects, and JSON and UBJ files of versions 1.7 to 3.4.

A live model is saved by its own library into memory and read as a file is; xgboost itself is
never imported.
"""

import ctypes
import json
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, ModelFileError, UnsupportedModelError
from ..ensemble import TreeEnsemble
from . import ubjson
from .class_labels import class_labels
from .xgboost_document import ensemble_from_document

OLD_BOOSTERS = (b"gbtree", b"gblinear", b"dart")
# Of so few numbers the library's Python takes longer than its prediction.
FEW_NUMBERS = 4096


def recognises(model: Any) -> bool:
    """Tell whether a live object is one of this library's models, without importing it."""
    return _is_a(model, "Booster") or _is_a(model, "XGBModel")


def recognises_file(content: bytes) -> bool:
    """Tell whether the bytes of a file look like one of this library's models."""
    start = content[:4096]
    return start.lstrip()[:1] == b"{" or _is_binary(start)


def read(model: Any, *, iteration_range: tuple[int, int] | None = None) -> TreeEnsemble:
    """Read a live model.

    Parameters
    ----------
    model : xgboost.Booster or one of xgboost's scikit-learn estimators
    iteration_range : (int, int), optional
        Boosting rounds ``start .. stop - 1`` to keep; by default those which the object's own
        ``predict`` uses: of a Booster all, of an estimator those up to its best iteration if
        early stopping found one.

    Returns
    -------
    TreeEnsemble
        Of the raw margin. An estimator's ``missing`` is the ensemble's; a Booster has none.

    Raises
    ------
    InputError
        If the model is not fitted, or ``iteration_range`` is not within its rounds.
    UnsupportedModelError
        If the model has no trees (gblinear) or an unknown objective.
    """
    booster, _ = _fitted_booster(model)
    return ensemble_from_document(
        ubjson.decode(bytes(booster.save_raw("ubj"))),
        iteration_range=_iteration_range(model, iteration_range),
        missing=_missing(model),
        class_labels=class_labels(model),
    )


def read_file(
    content: bytes, name: str, *, iteration_range: tuple[int, int] | None = None
) -> TreeEnsemble:
    """Read the bytes of a model saved as JSON or UBJ; ``name`` is for messages.

    A file says neither which value stands for a missing one nor whether a Booster or an
    estimator was saved, so NaN alone is missing and, as for a Booster, all rounds are kept.

    Raises
    ------
    ModelFileError
        If the file is truncated, corrupted, of the old binary format or not a model.
    UnsupportedModelError
        If the model has no trees (gblinear) or an unknown objective.
    """
    try:
        return ensemble_from_document(_document(content), iteration_range=iteration_range)
    except (ModelFileError, UnsupportedModelError) as error:
        raise type(error)(f"{name}: {error}") from error


def predict_raw(
    model: Any, X: Any, *, iteration_range: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """Ask the live model itself for its raw prediction, without any base margin.

    Parameters
    ----------
    model : xgboost.Booster or one of xgboost's scikit-learn estimators
    X : array, scipy sparse matrix, or pandas, polars or pyarrow table (n_rows, n_features)
        Columns of a table are aligned by name if the model knows the names of its features.
    iteration_range : (int, int), optional
        As for `read`.

    Returns
    -------
    float64 (n_rows,) or (n_rows, n_outputs)
        The float32 margins of the library.
    """
    booster, wanted = _fitted_booster(model)
    rows = X
    if type(X) is not np.ndarray:
        rows = _aligned(_plain(X), booster.feature_names)
    if len(rows.shape) != 2 or rows.shape[1] != wanted:
        raise InputError(f"X has shape {tuple(rows.shape)}; the model wants {wanted} columns")
    rounds, missing = _iteration_range(model, iteration_range) or (0, 0), _missing(model)
    n_rows = rows.shape[0]
    if n_rows == 0:
        # Of no rows XGBoost does not say how many outputs there are.
        rows = np.full((1, wanted), np.nan)
    margin = _ask_directly(booster, rows, rounds, missing)
    if margin is None:
        # Unlike a DMatrix this keeps no copy of the data and takes infinities, as estimators do.
        try:
            margin = booster.inplace_predict(
                _known(rows),
                iteration_range=rounds,
                predict_type="margin",
                missing=missing,
                validate_features=False,
                strict_shape=True,
            )
        except Exception as error:
            # Of a frame with categories of fractions, say: time, place, reason, a stack trace.
            if type(error).__name__ != "XGBoostError":
                raise
            told = re.sub(r"^\[[\d:]+\] \S+: ", "", str(error).partition("\n")[0])
            raise InputError(f"the model itself refuses these rows: {told}") from error
    margin = np.asarray(margin[:n_rows], np.float64)
    return margin[:, 0] if margin.shape[1] == 1 else margin


def threads_of(model: Any) -> int | None:
    """Threads that the library predicts with; None is its default, all of them."""
    try:
        config = json.loads(_fitted_booster(model)[0].save_config())
        given = int(config["learner"]["generic_param"]["nthread"])
    except (KeyError, TypeError, ValueError):
        return None
    return given if given > 0 else None


def _ask_directly(
    booster: Any, rows: Any, rounds: tuple[int, int], missing: float
) -> NDArray[np.float64] | None:
    """Predict a few plain rows by the library's C function, as ``inplace_predict`` does.

    That looks first whether they are tables of a dozen kinds, and makes a class for the result.
    None, and it is asked after all, where the rows are no plain array or the function not found.
    """
    if (
        type(rows) is not np.ndarray
        or rows.size > FEW_NUMBERS
        or rows.dtype.str not in ("<f4", "<f8")
        or not rows.flags.c_contiguous
    ):
        return None
    try:
        ask = sys.modules["xgboost.core"]._LIB.XGBoosterPredictFromDense
        handle = booster.handle
    except (KeyError, AttributeError):
        return None
    if not isinstance(handle, ctypes.c_void_p):
        return None
    shape, n_dims = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
    found = ctypes.POINTER(ctypes.c_float)()
    where = json.dumps(
        {
            "data": (rows.__array_interface__["data"][0], True),
            "shape": rows.shape,
            "typestr": rows.dtype.str,
            "version": 3,
        }
    )
    status = ask(
        handle,
        where.encode(),
        _settings(*rounds, missing),
        None,
        ctypes.byref(shape),
        ctypes.byref(n_dims),
        ctypes.byref(found),
    )
    if status != 0 or n_dims.value < 1 or shape[0] != len(rows):
        return None
    n_outputs = 1
    for axis in range(1, n_dims.value):
        n_outputs *= shape[axis]
    # The library's own memory, which its next prediction overwrites: copied number by number.
    return np.array(found[: len(rows) * n_outputs]).reshape(len(rows), n_outputs)


@lru_cache(maxsize=16)
def _settings(start: int, stop: int, missing: float) -> bytes:
    """What `_ask_directly` asks for, as the C function takes it."""
    return json.dumps(
        {
            "type": 1,
            "training": False,
            "iteration_begin": start,
            "iteration_end": stop,
            "missing": missing,
            "strict_shape": True,
            "cache_id": 0,
        }
    ).encode()


def _plain(X: Any) -> Any:
    """Turn sparse matrices of any kind, and lists, into what every XGBoost predicts from.

    Labels of a polars.Categorical are numbered in an order shared between columns, which XGBoost
    before 3.4 takes for their place in the column, and later versions refuse.
    """
    if hasattr(X, "tocsr"):
        from scipy.sparse import csr_matrix

        return csr_matrix(X)
    kinds = getattr(X, "schema", {})
    # Versions of polars differ in what they say after the word.
    if hasattr(kinds, "values") and any(
        repr(kind).startswith("Categorical") for kind in kinds.values()
    ):
        raise InputError("X has a column of type polars.Categorical; cast it to polars.Enum")
    return X if hasattr(X, "shape") else np.asarray(X)


def _known(rows: Any) -> Any:
    """Turn what XGBoost before 3 does not take into numbers: polars frames, pyarrow tables."""
    library = type(rows).__module__.partition(".")[0]
    version = sys.modules["xgboost"].__version__
    if library not in ("polars", "pyarrow") or int(version.partition(".")[0]) >= 3:
        return rows
    if library == "polars":
        import polars as pl

        # Labels are their codes.
        return rows.select(pl.all().to_physical().cast(pl.Float64)).to_numpy()
    import pyarrow as pa

    columns = (pa.chunked_array([c]) if isinstance(c, pa.Array) else c for c in rows.columns)
    return np.column_stack([c.cast(pa.float64(), safe=False).to_numpy() for c in columns])


def _is_a(model: Any, name: str) -> bool:
    return any(
        kind.__name__ == name and kind.__module__.partition(".")[0] == "xgboost"
        for kind in type(model).__mro__
    )


def _is_binary(start: bytes) -> bool:
    """Tell the binary format of versions before 2, and pickled models."""
    return start[:4] == b"binf" or (
        b"\0" in start[:256] and any(name in start for name in OLD_BOOSTERS)
    )


def _document(content: bytes) -> Any:
    body = content.lstrip()
    if _is_binary(content[:4096]) and body[:1] != b"{":
        raise ModelFileError(
            "this is XGBoost's old binary format or a pickled model; load it with the XGBoost "
            'that wrote it and save it again with save_model("model.ubj") or "model.json"'
        )
    if body[:1] == b"{" and body[1:2] in ubjson.INTEGERS:
        return ubjson.decode(content)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"damaged JSON: {error}") from error


def _fitted_booster(model: Any) -> tuple[Any, int]:
    """The Booster and its number of features, which it does not know before it is fitted."""
    try:
        booster = model if _is_a(model, "Booster") else model.get_booster()
        n_features = int(booster.num_features())
    except Exception as error:
        # Of scikit-learn and of xgboost, which cannot be named here without importing them.
        if type(error).__name__ not in ("NotFittedError", "XGBoostError"):
            raise
        raise InputError(
            f"the {type(model).__name__} is not fitted; train it, or load a trained one"
        ) from error
    return booster, n_features


def _missing(model: Any) -> float:
    given = getattr(model, "missing", None)
    # The same NaN every time, which `_settings` knows again.
    return np.nan if given is None or given != given else float(given)


def _iteration_range(model: Any, given: tuple[int, int] | None) -> tuple[int, int] | None:
    if given is not None:
        try:
            start, stop = (index(part) for part in given)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"iteration_range must be two whole numbers (start, stop), not {given!r}"
            ) from error
        return start, stop
    if _is_a(model, "Booster"):
        return None
    best = getattr(model, "best_iteration", None)
    return None if best is None else (0, int(best) + 1)


def _aligned(X: Any, names: Iterable[str] | None) -> Any:
    """Put the columns of a table in the order of the model's features."""
    columns = getattr(X, "column_names", getattr(X, "columns", None))
    if names is None or columns is None:
        return X
    position = {str(column): number for number, column in enumerate(columns)}
    names = list(names)
    absent = [name for name in names if name not in position]
    if absent:
        raise InputError(
            f"X lacks columns {absent[:5]} of the model; its columns are {list(position)[:20]}"
        )
    if list(position) == names:
        return X
    if hasattr(X, "iloc"):
        return X.iloc[:, [position[name] for name in names]]
    return X.select(names)
