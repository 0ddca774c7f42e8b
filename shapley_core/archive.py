"""Arrays in a file (npz), which appears whole or not at all, and is read with suspicion."""

import os
import sys
import zipfile
import zlib
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, MemoryLimitError
from .memory import check_memory
from .whole_files import whole_file

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
    # An array's header is a text that numpy reads as Python; a field may be of another kind.
    TokenError,
    SyntaxError,
    TypeError,
    OverflowError,
)


def write_archive(
    path: str | os.PathLike[str], kind: str, version: int, fields: dict[str, Any]
) -> None:
    """Write the fields; see `whole_file`."""
    held = {"format": kind, "version": version, **fields}
    held["fields"] = np.array(sorted(held))
    # Opened like any other file, so that it gets the mode of any other file.
    with whole_file(path) as place, place.open("wb") as file:
        np.savez(file, **held)


def read_archive(path: str | os.PathLike[str], kind: str, version: int) -> dict[str, NDArray[Any]]:
    """Read what ``write_archive`` wrote.

    Raises
    ------
    InputError
        If the file is of another kind or a later version, or damaged.
    MemoryLimitError
        If what it holds would not fit.
    """
    with Path(path).open("rb") as file:
        try:
            fields = _fields(file, kind)
        except MemoryLimitError as error:
            raise MemoryLimitError(f"{os.fspath(path)}: {error}") from error
        except _DAMAGE as error:
            raise not_ours(path, kind, error) from error
    if int(fields["version"]) > version:
        raise InputError(
            f"{os.fspath(path)} is of file version {fields['version']}; this shapley_core reads "
            f"versions up to {version}. Install a newer one"
        )
    return fields


def not_ours(path: str | os.PathLike[str], kind: str, error: Exception) -> InputError:
    """Say that a file is not what it should be."""
    return InputError(
        f"{os.fspath(path)} is not a file of {kind}, or it is damaged "
        f"({type(error).__name__}: {error})"
    )


def _fields(file: Any, kind: str) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(file):
        raise ValueError("no archive of arrays")
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        _check_sizes(loaded)
        fields = {name: loaded[name] for name in loaded.files}
    for name, array in fields.items():
        # numpy makes texts of numbers that are no characters, which the first use of one finds.
        if array.dtype.kind == "U":
            codes = array.reshape(-1).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
            if (codes > sys.maxunicode).any():
                raise ValueError(f"{name} is no text")
    if str(fields["format"]) != kind:
        raise ValueError(f"its format is {fields['format']}")
    if int(fields["version"]) < 1:
        raise ValueError(f"its version is {fields['version']}")
    # No checksum covers a zip file's directory: damage there can make fields vanish.
    missing = set(fields["fields"].tolist()) - set(fields)
    if missing:
        raise ValueError(f"{min(missing)} is missing")
    return fields


def _check_sizes(loaded: Any) -> None:
    """Refuse arrays that are said to be larger than what the file holds, or than memory."""
    total = 0
    for member in loaded.zip.infolist():
        total += member.file_size
        with loaded.zip.open(member) as file:
            version = np.lib.format.read_magic(file)
            if version > (2, 0):
                raise ValueError(f"{member.filename} is of version {version}")
            read = "read_array_header_1_0" if version == (1, 0) else "read_array_header_2_0"
            shape, _, dtype = getattr(np.lib.format, read)(file)
            if prod(shape) * dtype.itemsize != member.file_size - file.tell():
                raise ValueError(f"{member.filename} has another length than it says")
    check_memory(total, "what it holds", "Read it on a larger machine")
