"""The manifest of a run: a line of JSON that says what it is, then one for each finished part.

It only ever grows. A line counts once its end of line is on disk, so an interruption at any moment
leaves a manifest that is whole but for its last line, which is cut off.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..whole_files import whole_file

NAME = "_manifest.jsonl"
FORMAT = "shapley_core.run"
VERSION = 1


@dataclass(frozen=True)
class Part:
    """A finished part: rows ``start .. stop - 1``, and what its file must be."""

    part: int
    start: int
    stop: int
    bytes: int
    blake2b: str


@dataclass
class Journal:
    """What a run's manifest says.

    Parameters
    ----------
    directory : Path
    run : str
        A number of its own, which its parts carry too.
    settings : dict
        What the values depend on, as JSON gives it back.
    n_rows, chunk_rows : int
        Rows in all, and rows of each part but the last.
    parts : dict of part number to Part
        Those that are finished.
    """

    directory: Path
    run: str
    settings: dict[str, Any]
    n_rows: int
    chunk_rows: int
    parts: dict[int, Part]

    @property
    def n_parts(self) -> int:
        """Number of parts, finished or not; one without rows where there are none."""
        return max(1, -(-self.n_rows // self.chunk_rows))

    @property
    def missing(self) -> list[int]:
        """Numbers of the parts that are not finished."""
        return [number for number in range(self.n_parts) if number not in self.parts]

    def rows_of(self, part: int) -> tuple[int, int]:
        """First row of a part, and the first after it."""
        start = part * self.chunk_rows
        return start, min(start + self.chunk_rows, self.n_rows)

    def add(self, part: Part) -> None:
        """Record a finished part; on disk when this returns."""
        with (self.directory / NAME).open("ab") as file:
            file.write(_line(asdict(part)))
            file.flush()
            os.fsync(file.fileno())
        self.parts[part.part] = part


def create(directory: Path, settings: Mapping[str, Any], n_rows: int, chunk_rows: int) -> Journal:
    """Start a manifest; it appears whole or not at all, in place of one without parts."""
    run = secrets.token_hex(8)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "run": run,
        "n_rows": n_rows,
        "chunk_rows": chunk_rows,
        "settings": dict(settings),
    }
    write_whole(directory, NAME, run, _line(header))
    return Journal(directory, run, json.loads(json.dumps(settings)), n_rows, chunk_rows, {})


def read(directory: Path, *, repair: bool = False) -> Journal:
    """Read a manifest, leaving out a last line that was not finished; or cutting it off.

    Raises
    ------
    InputError
        If there is none, it is damaged, or of a later version.
    """
    path = directory / NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{directory} holds no values of a long run (there is no {NAME})"
        ) from error
    whole = text.rfind(b"\n") + 1
    try:
        header, *lines = [json.loads(line) for line in text[:whole].splitlines()]
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']}")
        if not isinstance(header["settings"], dict):
            raise ValueError("its settings are none")
        version = int(header["version"])
        if version <= VERSION:
            parts = {line["part"]: Part(**line) for line in lines}
            journal = Journal(
                directory,
                header["run"],
                header["settings"],
                int(header["n_rows"]),
                int(header["chunk_rows"]),
                parts,
            )
            for number, part in parts.items():
                if (part.start, part.stop) != journal.rows_of(number):
                    raise ValueError(f"part {number} has other rows than it should")
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise InputError(
            f"{path} is no manifest of a long run, or damaged ({type(error).__name__}: {error})"
        ) from error
    if version > VERSION:
        raise InputError(
            f"{path} is of version {version}; this shapley_core reads versions up to {VERSION}. "
            "Install a newer one"
        )
    if repair and whole < len(text):
        os.truncate(path, whole)
    return journal


def write_whole(directory: Path, name: str, run: str, content: Any) -> None:
    """Write a file that appears whole or not at all, and is on disk when this returns."""
    with whole_file(directory / name, run) as place, place.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Bring a directory's entries to disk, where the system can."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
