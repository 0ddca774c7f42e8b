"""Explain more rows than memory holds: one Parquet part for each chunk, stopped and resumed."""

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import check_integer
from ..errors import AdditivityError, InputError
from ..explanation import Explanation
from ..files import need_pyarrow
from ..whole_files import temporary_name
from . import journal as manifest
from . import parts
from .journal import Journal
from .lock import NAME as LOCK
from .lock import locked
from .sources import RowSource
from .stored import StoredExplanation, open_explanation

Progress = Callable[[int, int], object]

# Values of a part, where the caller does not say how many rows it has.
PART_BYTES = 1 << 26
MOST_PART_ROWS = 1 << 18


@dataclass(frozen=True)
class Chunk:
    """Some of the rows, to be explained.

    Parameters
    ----------
    rows : table
    start : int
        The first row's number in all of the data.
    settings : dict
        Those of the directory: for what was left open, what the first run chose.
    progress : callable of (rows done, rows of this chunk), or None
    """

    rows: Any
    start: int
    settings: Mapping[str, Any]
    progress: Progress | None


def run(
    explain: Callable[[Chunk], Explanation],
    source: RowSource,
    out: str | os.PathLike[str],
    *,
    settings: Mapping[str, Any],
    left_open: Mapping[str, Any] | None = None,
    chunk_rows: int | None = None,
    most_rows: int = MOST_PART_ROWS,
    progress: Progress | None = None,
) -> StoredExplanation:
    """Explain all rows into a directory, going on where an earlier run stopped.

    Parameters
    ----------
    explain : callable
        Explains a `Chunk`, also one without rows. The values must depend on the chunk and the
        settings alone, not on the chunks before it.
    source : RowSource
    out : path
        A directory: one that is not there yet, an empty one, or that of an earlier run.
    settings : mapping of str to what JSON can hold
        All that the values depend on, but for the rows.
    left_open : mapping, optional
        Settings that the caller left open, as a first run is to choose them; a later run takes
        over what the first one chose.
    chunk_rows : int, optional
        Rows of a part; by default as many as make 64 MiB of values, at most ``most_rows``.
    most_rows : int
    progress : callable of (rows done, rows in all), optional

    Returns
    -------
    StoredExplanation

    Raises
    ------
    InputError
        If the directory is of other settings or other data (it says which), holds files that are
        of no run, or is being written by another process.
    OSError
        If the disk is full, for instance. Finished parts stay.
    """
    from .. import __version__

    need_pyarrow()
    if chunk_rows is not None:
        chunk_rows = check_integer(chunk_rows, "chunk_rows", 1)
    if not os.fspath(out):
        raise InputError("out is empty; wanted a directory")
    directory = Path(out)
    chosen = dict(left_open or {})
    # What is wrong with the rows' columns or the settings shows before anything is written.
    trial = explain(Chunk(source.empty(), 0, {**settings, **chosen}, None))
    # The parts are one table: their columns have one set of names.
    names = {"feature_names": trial.feature_names, "output_names": trial.output_names}
    wanted = {"package": __version__, **names, **settings, "data": source.identity}
    _make(directory)
    with locked(directory):
        journal = _open(directory, wanted, chosen, source.n_rows, chunk_rows, most_rows, trial)
        _take_stock(journal)
        for stretch in _stretches(journal.missing):
            _explain_parts(explain, source, journal, stretch, progress)
    stored = open_explanation(directory)
    # A file holds the name of an index alone; that of the trial leads to an index of one's own.
    stored.index = trial.index
    return stored


def _make(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is not a directory", str(directory))
    directory.mkdir(exist_ok=True)
    if (directory / manifest.NAME).exists():
        return
    # Left behind by a run that was stopped before its first line.
    ours = (LOCK, f".{manifest.NAME}.")
    foreign = [path.name for path in directory.iterdir() if not path.name.startswith(ours)]
    if foreign:
        raise InputError(
            f"{directory} holds files that are of no run ({min(foreign)}); give an empty or a new "
            "directory"
        )


def _open(
    directory: Path,
    wanted: dict[str, Any],
    chosen: dict[str, Any],
    n_rows: int,
    chunk_rows: int | None,
    most_rows: int,
    trial: Explanation,
) -> Journal:
    if (directory / manifest.NAME).exists():
        journal = manifest.read(directory, repair=True)
        differing = _differences(journal, wanted, chosen, chunk_rows)
        if not differing:
            return journal
        # A first attempt that finished nothing binds nobody.
        if journal.parts or any(directory.glob(f"part-*{parts.SUFFIX}")):
            raise InputError(
                f"{directory} holds values of other settings: {'; '.join(differing)}. Give "
                f"another directory, or the settings that it was begun with{_by_what(journal)}"
            )
    if chunk_rows is None:
        row_bytes = 8 * max(1, int(np.prod(trial.values.shape[1:])))
        chunk_rows = int(np.clip(PART_BYTES // row_bytes, 1, most_rows))
    return manifest.create(directory, {**wanted, **chosen}, n_rows, chunk_rows)


def _differences(
    journal: Journal, wanted: dict[str, Any], chosen: dict[str, Any], chunk_rows: int | None
) -> list[str]:
    there = {**journal.settings, "chunk_rows": journal.chunk_rows}
    now = json.loads(json.dumps(wanted))
    now["chunk_rows"] = journal.chunk_rows if chunk_rows is None else chunk_rows
    now |= {name: there[name] for name in chosen if name in there}
    for both in (there, now):
        data = both.pop("data", {})
        # In a damaged manifest it may be anything.
        told = data if isinstance(data, dict) else {"all": data}
        both |= {f"data, {name}": value for name, value in told.items()}
    return [
        f"{name} was {_short(there, name)}, is now {_short(now, name)}"
        for name in sorted(there.keys() | now.keys())
        if there.get(name) != now.get(name)
    ]


def _short(settings: Mapping[str, Any], name: str) -> str:
    # Another explainer has other settings, and so has another version of this package.
    text = json.dumps(settings[name]) if name in settings else "no setting"
    return text if len(text) <= 200 else f"{text[:200]}..."


def _by_what(journal: Journal) -> str:
    """What to do about a directory of another version, whose values may be others."""
    from .. import __version__

    begun = journal.settings.get("package")
    if begun == __version__:
        return ""
    return f", and shapley_core {begun}, which goes on with it; this is {__version__}"


def _take_stock(journal: Journal) -> None:
    """Make sure that what is finished is there, and find what was finished but not recorded."""
    for of_this in (temporary_name("*", journal.run), temporary_name(manifest.NAME, "*")):
        for leftover in journal.directory.glob(of_this):
            leftover.unlink()
    gone = [n for n, part in journal.parts.items() if not parts.verify(journal, part)]
    for number in gone:
        del journal.parts[number]
    for number in journal.missing:
        part = parts.adopt(journal, number)
        if part is not None:
            journal.add(part)


def _stretches(numbers: list[int]) -> list[list[int]]:
    """Split sorted numbers into runs of consecutive ones."""
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    return [[number for _, number in run] for _, run in runs]


def _explain_parts(
    explain: Callable[[Chunk], Explanation],
    source: RowSource,
    journal: Journal,
    numbers: list[int],
    progress: Progress | None,
) -> None:
    first = journal.rows_of(numbers[0])[0]
    chunks = source.chunks(first, journal.chunk_rows)
    for number in numbers:
        start, stop = journal.rows_of(number)
        done = sum(part.stop - part.start for part in journal.parts.values())

        def tell(rows: int, _: int, done: int = done) -> None:
            if progress is not None:
                progress(done + rows, journal.n_rows)

        try:
            rows = next(chunks, None)
            if rows is None:
                raise InputError("the data has fewer rows than it had when the run began")
            explanation = explain(
                Chunk(rows, start, journal.settings, None if progress is None else tell)
            )
            source.check_unchanged()
        except (InputError, AdditivityError) as error:
            raise type(error)(
                f"among rows {start} to {stop - 1} of the data, counted from the first of them: "
                f"{error}"
            ) from error
        try:
            journal.add(parts.write_part(journal, number, explanation))
        except OSError as error:
            raise type(error)(
                error.errno or errno.EIO,
                f"{error.strerror or error}; {len(journal.parts)} of {journal.n_parts} parts are "
                "finished and stay, and the same call goes on from there",
                str(journal.directory),
            ) from error
        tell(stop - start, 0)
