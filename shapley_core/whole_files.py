"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str], mark: str | None = None) -> Iterator[Path]:
    """Give a place to write to; what stood at ``path`` is replaced only by the whole of the new.

    A link stays, and leads to the new file. What is no file, such as a pipe or a device, is written
    to as it is.

    Parameters
    ----------
    path : path
    mark : str, optional
        What `temporary_name` is to hold; by default something that no other has.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        yield target
        return
    target = Path(os.path.realpath(path))
    mark = f"{os.getpid()}.{secrets.token_hex(4)}" if mark is None else mark
    temporary = target.with_name(temporary_name(target.name, mark))
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        # The user knows no other name.
        if error.errno is not None and error.filename in (None, str(temporary), temporary):
            error.filename = os.fspath(path)
        raise
    finally:
        # What cannot be removed must not hide why.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def temporary_name(name: str, mark: str) -> str:
    """Name of a file that is being written; hidden, so that no reader of tables takes it."""
    return f".{name}.{mark}.tmp"
