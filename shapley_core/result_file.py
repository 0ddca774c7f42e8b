"""InteractionValues in a file, see `archive`."""

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .archive import not_ours, read_archive, write_archive
from .coalitions import InteractionSet, check_n_players

Result = TypeVar("Result")

FORMAT = "shapley_core.InteractionValues"
VERSION = 2


def write_values(path: str | os.PathLike[str], values: Any) -> None:
    """Write the values; what stood at ``path`` is replaced only by the whole of the new."""
    held = values.interaction_set
    fields: dict[str, Any] = {
        "index": values.index,
        "order": _whole(values.order),
        "n_players": values.n_players,
        "baseline": values.baseline,
        "is_exact": values.is_exact,
        "absent_is_zero": values.absent_is_zero,
        "values": values.values,
        "sizes": np.array(held.sizes, dtype=np.int64),
        "complete": np.array([held.is_complete(size) for size in held.sizes], dtype=bool),
    }
    for size in held.sizes:
        if not held.is_complete(size):
            fields[f"interactions_{size}"] = held.block(size)
    if values.std_error is not None:
        fields["std_error"] = values.std_error
    if values.n_evaluations is not None:
        fields["n_evaluations"] = _whole(values.n_evaluations)
    if values.player_names is not None:
        # An array of texts would lose a NUL at the end of one.
        fields["player_names"] = json.dumps(values.player_names)
    if values.estimator is not None:
        fields["estimator"] = values.estimator
    write_archive(path, FORMAT, VERSION, fields)


def read_values(path: str | os.PathLike[str], make: Callable[..., Result]) -> Result:
    """Read what ``write_values`` wrote, and ``make`` values of it."""
    fields = read_archive(path, FORMAT, VERSION)
    try:
        return make(**_arguments(fields))
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        raise not_ours(path, FORMAT, error) from error


def _whole(number: int) -> int | str:
    """A whole number as an array can hold it: one of more than 64 bits as text."""
    return number if number < 1 << 64 else str(number)


def _arguments(fields: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """The arguments of InteractionValues, from the fields of a file."""
    n_players = check_n_players(fields["n_players"][()])
    blocks: dict[int, NDArray[np.int32] | None] = {}
    for size, full in zip(fields["sizes"].tolist(), fields["complete"].tolist(), strict=True):
        rows = None if full else fields[f"interactions_{size}"]
        blocks[int(size)] = None if rows is None else _checked_rows(rows, size, n_players)
    return {
        "values": fields["values"],
        "interactions": InteractionSet(n_players, blocks),
        "index": str(fields["index"]),
        "order": int(str(fields["order"])),
        "n_players": n_players,
        "baseline": float(fields["baseline"]),
        "player_names": _names(fields["player_names"]) if "player_names" in fields else None,
        "std_error": fields.get("std_error"),
        "n_evaluations": int(str(fields["n_evaluations"])) if "n_evaluations" in fields else None,
        "is_exact": bool(fields["is_exact"]),
        "absent_is_zero": bool(fields.get("absent_is_zero", False)),
        "estimator": str(fields["estimator"]) if "estimator" in fields else None,
    }


def _names(field: NDArray[Any]) -> Any:
    """Names of players; files of version 1 hold an array of them."""
    return json.loads(str(field)) if field.ndim == 0 else field.tolist()


def _checked_rows(rows: NDArray[Any], size: int, n_players: int) -> NDArray[np.int32]:
    """Interactions of one size out of a file: as valid and as sorted as when they were written."""
    if rows.ndim != 2 or rows.shape[1] != size or rows.dtype.kind not in "iu":
        raise ValueError(f"interactions of size {size} have shape {rows.shape}, {rows.dtype}")
    _, order = InteractionSet.from_tuples(n_players, rows.tolist())
    if not (
        np.array_equal(order, np.arange(len(rows))) and (np.diff(rows.astype(np.int64)) > 0).all()
    ):
        raise ValueError(f"interactions of size {size} are not sorted")
    return rows.astype(np.int32)
