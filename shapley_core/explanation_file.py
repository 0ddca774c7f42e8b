"""An Explanation taken apart, and put together again: for files."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .archive import not_ours, read_archive, write_archive
from .tables import feature_values, is_sparse

Result = TypeVar("Result")

FORMAT = "shapley_core.Explanation"
VERSION = 1

ARRAYS = ("values", "base_values", "std_error", "n_evaluations")


def describe(explanation: Any) -> dict[str, Any]:
    """Return all but the arrays and the data, as JSON can hold it."""
    return {
        "index": explanation.index,
        "order": explanation.order,
        "n_features": explanation.n_features,
        "interactions": None if explanation.order == 1 else explanation.interactions,
        "feature_names": explanation.feature_names,
        "output_names": explanation.output_names,
        "groups": explanation.groups,
        "absent_is_zero": explanation.absent_is_zero,
    }


def arrays_of(explanation: Any) -> dict[str, NDArray[Any]]:
    """Return the arrays that the explanation has, each with a row for each of its rows."""
    held = {name: getattr(explanation, name, None) for name in ARRAYS}
    return {name: array for name, array in held.items() if array is not None}


def rebuild(
    make: Callable[..., Result],
    about: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    data: Any,
) -> Result:
    """``make`` an Explanation of what `describe` and `arrays_of` gave."""
    told = dict(about)
    for name in ("interactions", "groups"):
        if told[name] is not None:
            told[name] = [tuple(one) for one in told[name]]
    return make(data=data, **told, **arrays)


def write_explanation(path: str | os.PathLike[str], explanation: Any) -> None:
    """Write an Explanation, with its data where that is numbers."""
    fields: dict[str, Any] = {"about": json.dumps(describe(explanation)), **arrays_of(explanation)}
    source = explanation.data
    if source is not None and not is_sparse(source):
        names = None if explanation.groups else explanation.feature_names
        data = feature_values(source, names)
        if data.dtype.kind in "fiub":
            fields["data"] = data
    write_archive(path, FORMAT, VERSION, fields)


def read_explanation(path: str | os.PathLike[str], make: Callable[..., Result]) -> Result:
    """Read what ``write_explanation`` wrote, and ``make`` an Explanation of it."""
    fields = read_archive(path, FORMAT, VERSION)
    arrays = {name: fields[name] for name in ARRAYS if name in fields}
    try:
        about = json.loads(str(fields["about"]))
        return rebuild(make, about, arrays, fields.get("data"))
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        raise not_ours(path, FORMAT, error) from error


def empty_arrays(like: Mapping[str, NDArray[Any]], n_rows: int) -> dict[str, NDArray[Any]]:
    """Allocate arrays for more rows."""
    return {name: np.empty((n_rows, *a.shape[1:]), a.dtype) for name, a in like.items()}
