"""One writer at a time for a directory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path
from typing import IO

from ..errors import InputError

NAME = "_lock"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory's lock; the system lets go of it when this process ends, however it ends.

    The file stays, and names the process that held it last: for the message alone. Whether it is
    held is asked of the system, so what a killed process leaves behind locks nobody out.

    Raises
    ------
    InputError
        If another process, or another thread of this one, holds it.
    """
    with (directory / NAME).open("a+b", buffering=0) as file:
        try:
            _take(file)
        except OSError as error:
            file.seek(0)
            holder = file.read(32).decode("ascii", "replace").strip()
            raise InputError(
                f"{directory} is being written by another process (number {holder or 'unknown'}); "
                "wait for it to end, or give another directory"
            ) from error
        file.truncate(0)
        file.write(f"{getpid()}\n".encode())
        yield


def _take(file: IO[bytes]) -> None:
    """Lock the open file, or raise OSError at once."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 30)  # a byte that nobody reads: Windows locks bytes against reading too
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
