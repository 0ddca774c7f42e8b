"""One part of a run: an Explanation in a Parquet file, as anybody's table reader sees it.

A column for each value, as `Explanation.column_names` calls it, then the base values; what else
makes it an Explanation again stands in the file's metadata.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..explanation import Explanation
from ..explanation_file import arrays_of, describe, rebuild
from .journal import Journal, Part, write_whole

KEY = b"shapley_core"
GROUP_ROWS = 1 << 16
SUFFIX = ".parquet"


def file_name(part: int) -> str:
    """Name of a part's file; parts stand in order where names are sorted."""
    return f"part-{part:08d}{SUFFIX}"


def write_part(journal: Journal, number: int, explanation: Explanation) -> Part:
    """Write a part's file; it appears whole or not at all, and is on disk when this returns."""
    import pyarrow
    from pyarrow import parquet

    start, stop = journal.rows_of(number)
    if explanation.n_rows != stop - start:
        raise InputError(
            f"part {number} got values of {explanation.n_rows} rows instead of {stop - start}"
        )
    path = journal.directory / file_name(number)
    if path.exists():
        raise InputError(f"{path} appeared while its values were computed; it is left alone")
    about = {
        "run": journal.run,
        "part": number,
        "shape": explanation.values.shape[1:],
        "arrays": list(arrays_of(explanation)),
        "explanation": describe(explanation),
    }
    columns = _columns(explanation)
    schema = pyarrow.schema(
        [(name, pyarrow.from_numpy_dtype(column.dtype)) for name, column in columns.items()],
        metadata={KEY: json.dumps(about)},
    )
    sink = pyarrow.BufferOutputStream()
    # Of whole numbers, only newer readers know that encoding.
    split = [name for name, column in columns.items() if column.dtype.kind == "f"]
    with parquet.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=False, use_byte_stream_split=split
    ) as writer:
        for at in range(0, max(1, explanation.n_rows), GROUP_ROWS):
            group = [pyarrow.array(column[at : at + GROUP_ROWS]) for column in columns.values()]
            writer.write_table(pyarrow.Table.from_arrays(group, schema=schema))
    content = sink.getvalue()
    write_whole(journal.directory, path.name, journal.run, content)
    return Part(number, start, stop, content.size, _checksum(content))


def read_part(journal: Journal, number: int) -> Explanation:
    """Read a part as it was written; raises as `read_arrays`."""
    about, arrays = read_arrays(journal, number)
    return rebuild(Explanation, about, arrays, None)


def read_arrays(journal: Journal, number: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `explanation_file` says that an Explanation consists of.

    Raises
    ------
    InputError
        If the file is not there, or not the one that was written.
    """
    content = _content(journal, journal.parts[number])
    about, arrays = _parse(content, journal.directory / file_name(number))
    return about["explanation"], arrays


def verify(journal: Journal, part: Part) -> bool:
    """Tell whether a recorded part is there; raise InputError if it is another file."""
    if not (journal.directory / file_name(part.part)).exists():
        return False
    _content(journal, part)
    return True


def adopt(journal: Journal, number: int) -> Part | None:
    """Find a part that was finished just before an interruption, and not recorded any more.

    Raises
    ------
    InputError
        If there is a file of that name that this run did not write.
    """
    path = journal.directory / file_name(number)
    if not path.exists():
        return None
    content = path.read_bytes()
    about, arrays = _parse(content, path)
    start, stop = journal.rows_of(number)
    n_rows = len(arrays["values"])
    if (about["run"], about["part"], n_rows) != (journal.run, number, stop - start):
        raise InputError(f"{path} is of another run; move it away, or give another directory")
    return Part(number, start, stop, len(content), _checksum(content))


def _checksum(content: Any) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _content(journal: Journal, part: Part) -> bytes:
    path = journal.directory / file_name(part.part)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is missing; run the same call again, which computes what is not there"
        ) from error
    if len(content) != part.bytes or _checksum(content) != part.blake2b:
        raise InputError(
            f"{path} is not the file that was written ({len(content)} bytes, {part.bytes} were "
            "written): damaged, or another one. Move it away and run the same call again, which "
            "computes what is not there"
        )
    return content


def _parse(content: bytes, path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(content))
        about = json.loads(file.schema_arrow.metadata[KEY])
        table = file.read()
        arrays = _arrays(table, about)
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no part of a long run, or damaged ({type(error).__name__}: {error}); move "
            "it away, or give another directory"
        ) from error
    return about, arrays


def _columns(explanation: Explanation) -> dict[str, NDArray[Any]]:
    """Return the columns of a part, by name, in the order in which `_arrays` takes them."""
    names = explanation.column_names()
    held = dict(zip(names, explanation.columns(), strict=True))
    arrays = arrays_of(explanation)
    if "std_error" in arrays:
        errors = arrays["std_error"].reshape(len(explanation), -1, explanation.n_outputs)
        each = iter(names)
        for output in range(explanation.n_outputs):
            for column in errors[:, :, output].T:
                held[f"std_error of {next(each)}"] = column
            next(each)  # the base value
    if "n_evaluations" in arrays:
        held["n_evaluations"] = arrays["n_evaluations"]
    expected = len(names) + ("std_error" in arrays) * (len(names) - explanation.n_outputs)
    if len(held) != expected + ("n_evaluations" in arrays):
        twice = next((name for name in names if names.count(name) > 1), "std_error of ...")
        raise InputError(
            f"two columns of the values would both be called {twice!r}; rename the feature"
        )
    return held


def _arrays(table: Any, about: dict[str, Any]) -> dict[str, NDArray[Any]]:
    shape = tuple(about["shape"])
    n_rows, width, n_outputs = table.num_rows, shape[0], (*shape, 1)[1]
    columns = iter(table.columns)
    arrays: dict[str, NDArray[Any]] = {
        "values": np.empty((n_rows, width, n_outputs)),
        "base_values": np.empty((n_rows, n_outputs)),
    }
    for output in range(n_outputs):
        for at in range(width):
            arrays["values"][:, at, output] = next(columns).to_numpy()
        arrays["base_values"][:, output] = next(columns).to_numpy()
    if "std_error" in about["arrays"]:
        arrays["std_error"] = np.empty((n_rows, width, n_outputs))
        for output in range(n_outputs):
            for at in range(width):
                arrays["std_error"][:, at, output] = next(columns).to_numpy()
    arrays = {
        name: array.reshape(n_rows, *(shape[1:] if name == "base_values" else shape))
        for name, array in arrays.items()
    }
    if "n_evaluations" in about["arrays"]:
        arrays["n_evaluations"] = next(columns).to_numpy()
    return arrays
