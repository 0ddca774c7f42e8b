"""InteractionValues in a file (npz): written whole or not at all, read with suspicion."""

import os
import secrets
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .coalitions import InteractionSet, check_n_players
from .errors import InputError

Result = TypeVar("Result")

FORMAT = "shapley_core.InteractionValues"
VERSION = 1

# What reading a damaged zip file can raise; RuntimeError where a flag says that it is encrypted or
# of another kind.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    KeyError,
    EOFError,
    OSError,
    RuntimeError,
)


def write_values(path: str | os.PathLike[str], values: Any) -> None:
    """Write the values; what stood at ``path`` is replaced only by the whole of the new."""
    held = values.interaction_set
    fields: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "index": values.index,
        "order": values.order,
        "n_players": values.n_players,
        "baseline": values.baseline,
        "is_exact": values.is_exact,
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
        fields["n_evaluations"] = values.n_evaluations
    if values.player_names is not None:
        fields["player_names"] = np.array(values.player_names, dtype=np.str_)
    if values.estimator is not None:
        fields["estimator"] = values.estimator
    fields["fields"] = np.array(sorted(fields))
    target = Path(path)
    # Opened like any other file, so that it gets the mode of any other file.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            np.savez(file, **fields)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def read_values(path: str | os.PathLike[str], make: Callable[..., Result]) -> Result:
    """Read what ``write_values`` wrote, and ``make`` values of it."""
    with Path(path).open("rb") as file:
        try:
            fields = _fields(file)
        except _DAMAGE as error:
            raise _not_ours(path, error) from error
    if int(fields["version"]) > VERSION:
        raise InputError(
            f"{os.fspath(path)} is of file version {fields['version']}; this shapley_core reads "
            f"versions up to {VERSION}. Install a newer one"
        )
    try:
        return make(**_arguments(fields))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise _not_ours(path, error) from error


def _fields(file: Any) -> dict[str, NDArray[Any]]:
    loaded = np.load(file, allow_pickle=False)
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise ValueError("one array, not an archive of them")
    fields = {name: loaded[name] for name in loaded.files}
    if str(fields["format"]) != FORMAT:
        raise ValueError(f"its format is {fields['format']}")
    if int(fields["version"]) < 1:
        raise ValueError(f"its version is {fields['version']}")
    # No checksum covers a zip file's directory: damage there can make fields vanish.
    missing = set(fields["fields"].tolist()) - set(fields)
    if missing:
        raise ValueError(f"{min(missing)} is missing")
    return fields


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
        "order": fields["order"][()],
        "n_players": n_players,
        "baseline": float(fields["baseline"]),
        "player_names": fields["player_names"].tolist() if "player_names" in fields else None,
        "std_error": fields.get("std_error"),
        "n_evaluations": int(fields["n_evaluations"]) if "n_evaluations" in fields else None,
        "is_exact": bool(fields["is_exact"]),
        "estimator": str(fields["estimator"]) if "estimator" in fields else None,
    }


def _not_ours(path: str | os.PathLike[str], error: Exception) -> InputError:
    return InputError(
        f"{os.fspath(path)} is not a file of {FORMAT}, or it is damaged "
        f"({type(error).__name__}: {error})"
    )


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
