"""Tables in files, CSV and Parquet by their ending; needs pyarrow (``shapley_core[tables]``)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError, TableFileError
from .explanation import Explanation
from .trees.ensemble import TreeEnsemble
from .whole_files import whole_file

CSV = (".csv", ".csv.gz")
PARQUET = (".parquet", ".pq")
WRITE_ROWS = 1 << 16


def check_ending(path: Path, endings: Sequence[str]) -> None:
    """Refuse a file whose name does not say that it is a table."""
    if not path.name.lower().endswith(tuple(endings)):
        raise InputError(f"{path}: the name must end in {', '.join(endings)}")


def need_pyarrow() -> None:
    """Raise an error that says what to install, if pyarrow is missing."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError(
            "tables in files need pyarrow: pip install 'shapley_core[tables]'"
        ) from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make a TableFileError of whatever pyarrow says of a file's content."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, UnicodeError, OSError) as error:
        # No memory and no access are no fault of the content.
        if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
            raise
        raise TableFileError(f"{path} cannot be read: {error}") from error


def read_table(path: Path, ensemble: TreeEnsemble, drop: Sequence[str] = ()) -> Any:
    """Read a table for a model, as a pyarrow table ready for `as_table`.

    Text is what the model's labels say it is: a column whose labels are text stays text, even
    where every entry looks like a number.

    Parameters
    ----------
    path : Path
        A CSV file with a header line, or a Parquet file.
    ensemble : TreeEnsemble
    drop : sequence of str
        Columns to leave out; those that are not there are ignored.

    Raises
    ------
    TableFileError
        If the content cannot be read, or has no header line.
    InputError
        If the ending is unknown, or pyarrow is missing.
    OSError
        If there is no such file, or no access to it.
    """
    check_ending(path, (*CSV, *PARQUET))
    need_pyarrow()
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    with naming(path):
        return _read(path, ensemble, drop)


def _read(path: Path, ensemble: TreeEnsemble, drop: Sequence[str]) -> Any:
    if path.name.lower().endswith(PARQUET):
        table = open_parquet(path).read()
        # What pandas stores the rows' own labels in is no feature.
        dropped = [n for n in table.column_names if n in drop or n.startswith("__index_level_")]
        table = table.drop_columns(dropped)
        labels = labels_by_column(table.column_names, ensemble)
    else:
        table, labels = _read_csv(path, ensemble, drop)
    return numbers_as_labels(table, labels)


def csv_stream(path: Path) -> Any:
    """Open a CSV file, unpacked if its name says so: pyarrow itself knows small letters alone."""
    import pyarrow

    packed = path.name.lower().endswith(".gz")
    return pyarrow.input_stream(str(path), compression="gzip" if packed else None)


def open_parquet(path: Path, **options: Any) -> Any:
    """Open a Parquet file, whose checksums are verified where it has any."""
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path, page_checksum_verification=True, **options)
    except TypeError:
        # pyarrow 14 cannot.
        return parquet.ParquetFile(path, **options)


def numbers_as_labels(table: Any, labels: Mapping[str, Sequence[Any]]) -> Any:
    """Make labels of the columns whose labels are numbers, in a pyarrow table.

    A number in a file is a label, never the library's own code for it.
    """
    import pyarrow

    for at, name in enumerate(table.column_names):
        kind = table.schema.field(at).type
        if _have_numbers(labels.get(name, ())) and not pyarrow.types.is_dictionary(kind):
            table = table.set_column(at, name, table.column(at).dictionary_encode())
    return table


def _read_csv(
    path: Path, ensemble: TreeEnsemble, drop: Sequence[str]
) -> tuple[Any, dict[str, Sequence[Any]]]:
    from pyarrow import csv

    with csv.open_csv(csv_stream(path)) as reader:
        names = [name for name in reader.schema.names if name not in drop]
    if ensemble.feature_names is None and looks_like_a_row(names):
        raise TableFileError(f"{path}: the first line must name the columns, not hold numbers")
    labels = labels_by_column(names, ensemble)
    convert = csv.ConvertOptions(column_types=text_types(labels))
    table = csv.read_csv(csv_stream(path), convert_options=convert)
    keep = [at for at, name in enumerate(table.column_names) if name not in drop]
    return missing_text(table.select(keep), labels), labels


def text_types(labels: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Tell as what type to read the columns of a CSV file that have labels."""
    import pyarrow

    return {
        name: pyarrow.string()
        if any(isinstance(label, str) for label in known)
        else pyarrow.array(list(known)).type
        for name, known in labels.items()
    }


def missing_text(table: Any, labels: Mapping[str, Sequence[Any]]) -> Any:
    """Mark what is missing among the text of a CSV file, which was read without.

    What means that an entry is missing, such as NA, does so but in the columns where it is a label.
    """
    import pyarrow
    from pyarrow import compute, csv

    words = csv.ConvertOptions().null_values
    for at, field in enumerate(table.schema):
        if pyarrow.types.is_string(field.type):
            held, known = table.column(at), set(labels.get(field.name, ()))
            meant = pyarrow.array([word for word in words if word not in known], field.type)
            nothing = pyarrow.scalar(None, field.type)
            held = compute.if_else(compute.is_in(held, meant), nothing, held)
            table = table.set_column(at, field, held)
    return table


def labels_by_column(names: Sequence[str], ensemble: TreeEnsemble) -> dict[str, Sequence[Any]]:
    """Return the model's labels by the names of a file's columns."""
    features = ensemble.feature_names
    if features is None:
        return {
            names[feature]: labels
            for feature, labels in ensemble.categories.items()
            if feature < len(names) and labels
        }
    by_name = {features[at]: labels for at, labels in ensemble.categories.items() if labels}
    stored = {name: name if name in features else name.replace(" ", "_") for name in names}
    return {name: by_name[stored[name]] for name in names if stored[name] in by_name}


def _have_numbers(labels: Sequence[Any]) -> bool:
    return any(isinstance(label, (bool, int, float)) for label in labels)


def looks_like_a_row(names: Sequence[str]) -> bool:
    """Tell whether a file's first line is no header but numbers."""
    if names == [str(number) for number in range(len(names))]:
        return False
    try:
        return [float(name) for name in names] != []
    except ValueError:
        return False


def write_explanation(path: Path, explanation: Explanation) -> None:
    """Write the columns of ``explanation.to_frame()``; the file appears whole or not at all.

    Raises
    ------
    InputError
        If the ending is unknown or pyarrow is missing.
    """
    check_ending(path, (".csv", *PARQUET))
    need_pyarrow()
    import pyarrow
    from pyarrow import csv, parquet

    names, columns = explanation.column_names(), explanation.columns()
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise InputError(
            f"{path} would have two columns named {twice!r}; rename the features, or write the "
            "values with Explanation.save"
        )
    schema = pyarrow.schema([(name, pyarrow.float64()) for name in names])
    make = csv.CSVWriter
    if path.name.lower().endswith(PARQUET):
        make = parquet.ParquetWriter
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no file, and Parquet can be written to one alone")
    with whole_file(path) as place, make(place, schema) as writer:
        for start in range(0, explanation.n_rows, WRITE_ROWS):
            part = [pyarrow.array(column[start : start + WRITE_ROWS]) for column in columns]
            writer.write_table(pyarrow.Table.from_arrays(part, schema=schema))
