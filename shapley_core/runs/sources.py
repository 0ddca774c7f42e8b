"""Where a long run's rows come from: a table in memory, or files read a chunk at a time."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..arrays import is_listed
from ..errors import InputError, TableFileError
from ..files import (
    CSV,
    PARQUET,
    check_ending,
    csv_stream,
    looks_like_a_row,
    missing_text,
    naming,
    need_pyarrow,
    numbers_as_labels,
    open_parquet,
    text_types,
)
from ..frames import listed
from ..tables import take_rows
from ..threads import row_blocks

# Names of a file's columns to the labels of those that a model knows by labels.
Labels = Callable[[Sequence[str]], Mapping[str, Sequence[Any]]]

READ_ROWS = 1 << 14
READ_BYTES = 1 << 20
# A line of a CSV file must fit.
CSV_BLOCK_BYTES = 1 << 23


class RowSource(Protocol):
    """Rows that can be read more than once, from any row on."""

    n_rows: int

    @property
    def identity(self) -> Mapping[str, Any]:
        """What a later run must find again, as JSON."""

    def empty(self) -> Any:
        """Return a table of no rows."""

    def chunks(self, start: int, size: int) -> Iterator[Any]:
        """Yield tables of ``size`` rows, the last of what is left, from row ``start`` on."""

    def check_unchanged(self) -> None:
        """Raise InputError if the rows may not be those that were there at first."""


class TableSource:
    """A table in memory.

    Parameters
    ----------
    table : array, frame or sparse matrix
    n_rows : int
    fingerprint : callable
        Returns a hash of all that the table holds.
    """

    def __init__(self, table: Any, n_rows: int, fingerprint: Callable[[], str]) -> None:
        self.table = table.tocsr() if hasattr(table, "tocsr") else table
        self.n_rows = n_rows
        self._fingerprint = fingerprint

    @property
    def identity(self) -> Mapping[str, Any]:
        """Number of rows and hash of everything in them."""
        return {"kind": "table", "rows": self.n_rows, "hash": self._fingerprint()}

    def empty(self) -> Any:
        """Return a table of no rows."""
        return take_rows(self.table, slice(0, 0))

    def chunks(self, start: int, size: int) -> Iterator[Any]:
        """Yield tables of ``size`` rows, the last of what is left, from row ``start`` on."""
        for first, last in row_blocks(self.n_rows - start, size) or [(0, 0)]:
            yield take_rows(self.table, slice(start + first, start + last))

    def check_unchanged(self) -> None:
        """Trust the caller not to change a table that is being read."""


class TableFile:
    """Rows in files that may be larger than memory, for ``explainer(..., out=...)``.

    Parameters
    ----------
    path : path, or list of paths
        A CSV file with a header line (also ``.csv.gz``), a Parquet file, a directory of Parquet
        files (in the order of their names), or a list of Parquet files.
    drop : sequence of str
        Columns that are no features of the model, such as the target; those that are not there
        are ignored.

    Raises
    ------
    InputError
        If an ending is unknown, or there are no files.
    FileNotFoundError
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        drop: Sequence[str] = (),
    ) -> None:
        if not is_listed(drop):
            raise TypeError(f"drop must be a list of columns, not {drop!r}")
        self.drop = tuple(drop)
        if isinstance(path, (str, os.PathLike)):
            given = Path(path)
            self.paths = _files_of(given) if given.is_dir() else [given]
        elif not is_listed(path):
            raise TypeError(f"a table is in a file, a directory or a list of files, not {path!r}")
        else:
            self.paths = [Path(one) for one in path]
        for one in self.paths:
            check_ending(one, (*CSV, *PARQUET) if len(self.paths) == 1 else PARQUET)
            if not one.is_file():
                raise FileNotFoundError(2, "no such file", str(one))
        if not self.paths:
            raise InputError("there are no files to read")

    def __repr__(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"TableFile({str(self.paths[0])!r}{more})"


def _files_of(directory: Path) -> list[Path]:
    seen = sorted(path for path in directory.iterdir() if path.name[0] not in "._")
    folders = [path.name for path in seen if path.is_dir()]
    files = [path for path in seen if path.name.lower().endswith(PARQUET)]
    if folders or not files:
        found = f"the directories {listed(folders)}" if folders else "no Parquet files"
        raise InputError(f"{directory} holds {found}; give a list of the files to read, in order")
    return files


def is_file(X: Any) -> bool:
    """Tell whether ``X`` is not a table but says which files hold it."""
    several = isinstance(X, (list, tuple)) and len(X) > 0
    return isinstance(X, (str, os.PathLike, TableFile)) or (
        several and all(isinstance(one, (str, os.PathLike)) for one in X)
    )


def file_source(X: Any, labels: Labels, named: bool) -> "FileSource":
    """Open what `is_file` says is in files.

    Parameters
    ----------
    X : path, list of paths or TableFile
    labels : callable
        Gives the labels of the columns that the model knows by labels, from the columns' names.
    named : bool
        Whether the model has names for its features.
    """
    need_pyarrow()
    where = X if isinstance(X, TableFile) else TableFile(X)
    of_csv = where.paths[0].name.lower().endswith(CSV)
    return CsvSource(where, labels, named) if of_csv else ParquetSource(where, labels)


class FileSource(ABC):
    """Rows in files, all of which are looked at once before the work begins."""

    n_rows: int
    schema: Any

    def __init__(self, where: TableFile, labels: Labels) -> None:
        self.where = where
        self.labels = labels
        self._seen = self._stat()

    def _stat(self) -> list[dict[str, Any]]:
        held = []
        for path in self.where.paths:
            told = path.stat()
            held.append({"name": path.name, "bytes": told.st_size, "mtime_ns": told.st_mtime_ns})
        return held

    def _keep(self, names: Sequence[str]) -> list[str]:
        # What pandas stores the rows' own labels in is no feature.
        drop = self.where.drop
        kept = [n for n in names if n not in drop and not n.startswith("__index_level_")]
        repeated = sorted({name for name in kept if kept.count(name) > 1})
        if repeated:
            raise TableFileError(f"{self.where} has more than one column named {listed(repeated)}")
        return kept

    @property
    def identity(self) -> Mapping[str, Any]:
        """Names, sizes and times of change of the files; rows; names and types of columns."""
        columns = {field.name: str(field.type) for field in self.schema}
        return {"kind": "files", "rows": self.n_rows, "files": self._seen, "columns": columns}

    def check_unchanged(self) -> None:
        """Raise TableFileError if a file changed since it was first looked at."""
        if self._stat() != self._seen:
            raise TableFileError(f"{self.where} changed while it was read; its values are not kept")

    def empty(self) -> Any:
        """Return a table of no rows."""
        return numbers_as_labels(self.schema.empty_table(), self.labels(self.schema.names))

    def chunks(self, start: int, size: int) -> Iterator[Any]:
        """Yield tables of ``size`` rows, the last of what is left, from row ``start`` on."""
        import pyarrow

        labels = self.labels(self.schema.names)
        for tables in _regroup(self._read_from(start), size):
            if any(table.schema != tables[0].schema for table in tables):
                tables = [table.cast(_without_codes(table.schema)) for table in tables]
            # Files written one by one may disagree on integer or float, on text or codes of text.
            table = pyarrow.concat_tables(tables, promote_options="permissive")
            yield numbers_as_labels(table, labels)
        if not self.n_rows:
            yield self.empty()

    @abstractmethod
    def _read_from(self, start: int) -> Iterator[Any]:
        """Yield tables of moderate size that hold the rows from ``start`` on."""


def _without_codes(schema: Any) -> Any:
    """The schema with the types of labels in place of those of their codes."""
    import pyarrow

    def plain(kind: Any) -> Any:
        return kind.value_type if pyarrow.types.is_dictionary(kind) else kind

    return pyarrow.schema([(field.name, plain(field.type)) for field in schema])


def _regroup(tables: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Cut a stream of tables anew, into lists of tables of ``size`` rows in all."""
    pending: list[Any] = []
    held = 0
    for table in tables:
        at = 0
        while at < len(table):
            part = table.slice(at, size - held)
            pending.append(part)
            at += len(part)
            held += len(part)
            if held == size:
                yield pending
                pending, held = [], 0
    if pending:
        yield pending


def _both_types(known: Any, more: Any, path: Path) -> Any:
    """Types that hold the columns of the files so far and of one more; refuse others."""
    import pyarrow

    fields = []
    for field in known:
        its = _without_codes(more).field(field.name)
        try:
            both = [pyarrow.schema([field]), pyarrow.schema([its])]
            fields.append(pyarrow.unify_schemas(both, promote_options="permissive").field(0))
        except pyarrow.ArrowException as error:
            raise TableFileError(
                f"column {field.name!r} holds {its.type} in {path}, but {field.type} in the files "
                "before; write all with one type"
            ) from error
    return pyarrow.schema(fields)


class ParquetSource(FileSource):
    """Rows in Parquet files."""

    def __init__(self, where: TableFile, labels: Labels) -> None:
        import pyarrow

        super().__init__(where, labels)
        self.rows_of_file: list[int] = []
        for number, path in enumerate(where.paths):
            with naming(path), self._open(path) as file:
                self.rows_of_file.append(file.metadata.num_rows)
                schema = file.schema_arrow
            names = self._keep(schema.names)
            held = pyarrow.schema([schema.field(name) for name in names])
            if number == 0:
                self.schema, known = held, _without_codes(held)
            elif set(names) != set(self.schema.names):
                odd = sorted(set(names) ^ set(self.schema.names))
                raise TableFileError(
                    f"{path} and {where.paths[0]} do not hold the same columns: "
                    f"{listed(odd)} is in one of them only"
                )
            else:
                known = _both_types(known, held, path)
        self.n_rows = sum(self.rows_of_file)

    @staticmethod
    def _open(path: Path) -> Any:
        # Read as it goes: a row group may be as large as the file.
        return open_parquet(path, buffer_size=READ_BYTES, pre_buffer=False)

    def _read_from(self, start: int) -> Iterator[Any]:
        import pyarrow

        names = self.schema.names
        for path, n_rows in zip(self.where.paths, self.rows_of_file, strict=True):
            if start >= n_rows:
                start -= n_rows
                continue
            with naming(path), self._open(path) as file:
                groups = list(range(file.num_row_groups))
                while start >= file.metadata.row_group(groups[0]).num_rows:
                    start -= file.metadata.row_group(groups.pop(0)).num_rows
                for batch in file.iter_batches(READ_ROWS, row_groups=groups, columns=names):
                    table = pyarrow.Table.from_batches([batch]).select(names).slice(start)
                    start = max(0, start - batch.num_rows)
                    yield table


class CsvSource(FileSource):
    """Rows in a CSV file.

    It is read through once beforehand: that gives the number of rows, and finds what cannot be
    read before hours of work instead of amid them.
    """

    def __init__(self, where: TableFile, labels: Labels, named: bool) -> None:
        super().__init__(where, labels)
        path = where.paths[0]
        with naming(path), self._open() as reader:
            names = reader.schema.names
        if not named and looks_like_a_row([name for name in names if name not in where.drop]):
            raise TableFileError(f"{path}: the first line must name the columns, not hold numbers")
        self._convert = self._choose_types(self._keep(names))
        with naming(path), self._open(self._convert) as reader:
            self.schema = reader.schema
            self.n_rows = sum(batch.num_rows for batch in reader)

    def _open(self, convert: Any = None) -> Any:
        from pyarrow import csv

        read = csv.ReadOptions(block_size=CSV_BLOCK_BYTES, use_threads=False)
        place = csv_stream(self.where.paths[0])
        return csv.open_csv(place, read_options=read, convert_options=convert)

    def _choose_types(self, names: list[str]) -> Any:
        """Let labels, and else the first block, say what is text; every number is a float64."""
        import pyarrow
        from pyarrow import csv

        known = text_types(self.labels(names))
        convert = csv.ConvertOptions(column_types=known, include_columns=names)
        with naming(self.where.paths[0]), self._open(convert) as reader:
            inferred = reader.schema
        types = {}
        for field in inferred:
            number = pyarrow.types.is_integer(field.type) or pyarrow.types.is_null(field.type)
            if field.name not in known:
                types[field.name] = pyarrow.float64() if number else field.type
        convert.column_types = {**known, **types}
        return convert

    def _read_from(self, start: int) -> Iterator[Any]:
        import pyarrow

        labels = self.labels(self.schema.names)
        with naming(self.where.paths[0]), self._open(self._convert) as reader:
            for batch in reader:
                if start >= batch.num_rows:
                    start -= batch.num_rows
                    continue
                yield missing_text(pyarrow.Table.from_batches([batch.slice(start)]), labels)
                start = 0
