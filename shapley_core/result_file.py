"""Named arrays in one file (npz): written whole or not at all, read with suspicion."""

import os
import secrets
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .coalitions import InteractionSet
from .errors import InputError

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


def write_fields(path: str | os.PathLike[str], fields: dict[str, Any]) -> None:
    """Write the arrays; what stood at ``path`` is replaced only by the whole of the new."""
    target = Path(path)
    # Opened like any other file, so that it gets the mode of any other file.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            np.savez(file, fields=np.array(sorted(fields)), **fields)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def read_fields(path: str | os.PathLike[str], wanted: str, newest: int) -> dict[str, NDArray[Any]]:
    """Read the arrays of a file whose ``format`` is ``wanted``, at most of version ``newest``."""
    with Path(path).open("rb") as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ValueError("one array, not an archive of them")
            fields = {name: loaded[name] for name in loaded.files}
            if str(fields["format"]) != wanted:
                raise ValueError(f"its format is {fields['format']}")
            version = int(fields["version"])
            if version < 1:
                raise ValueError(f"its version is {version}")
            # No checksum covers a zip file's directory: damage there can make fields vanish.
            missing = set(fields["fields"].tolist()) - set(fields)
            if missing:
                raise ValueError(f"{min(missing)} is missing")
        except _DAMAGE as error:
            raise not_ours(path, wanted, error) from error
    if version > newest:
        raise InputError(
            f"{os.fspath(path)} is of file version {version}; this shapley_core reads versions up "
            f"to {newest}. Install a newer one"
        )
    return fields


def not_ours(path: str | os.PathLike[str], wanted: str, error: Exception) -> InputError:
    """The error for a file that cannot be read."""
    return InputError(
        f"{os.fspath(path)} is not a file of {wanted}, or it is damaged "
        f"({type(error).__name__}: {error})"
    )


def checked_rows(rows: NDArray[Any], size: int, n_players: int) -> NDArray[np.int32]:
    """Interactions of one size out of a file: as valid and as sorted as when they were written."""
    if rows.ndim != 2 or rows.shape[1] != size or rows.dtype.kind not in "iu":
        raise ValueError(f"interactions of size {size} have shape {rows.shape}, {rows.dtype}")
    _, order = InteractionSet.from_tuples(n_players, rows.tolist())
    if not (
        np.array_equal(order, np.arange(len(rows))) and (np.diff(rows.astype(np.int64)) > 0).all()
    ):
        raise ValueError(f"interactions of size {size} are not sorted")
    return rows.astype(np.int32)
