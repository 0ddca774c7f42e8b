"""Tables of rows to explain: arrays, data frames and sparse matrices, read block by block.

Whatever the user holds stays as it is; `Table.block` gives a few thousand rows at a time as a
dense numeric array, so that a frame or a sparse matrix is never copied as a whole. Optional
libraries are not imported here before the user has handed over one of their objects.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, UnknownColumnsError
from .frames import (
    NUMERIC_KINDS,
    Column,
    align,
    listed,
    narwhals_column,
    narwhals_frame,
    pandas_column,
)

WANTED = (
    "wanted a table of rows by features: a 2-D numeric numpy array, a pandas, polars or pyarrow "
    "table, or a scipy CSR, CSC or COO matrix"
)


class Table:
    """Rows to explain, ready to be read in blocks; made by `as_table`.

    Parameters
    ----------
    source : object
        The user's own object.
    n_rows : int
    feature_names : tuple of str, or None
        The model's names, else those of the frame's columns.
    read : callable of (start, stop)
        Returns those rows as a numeric array (stop - start, n_features).
    native : bool
        Whether tree libraries read the source as it is read here. Otherwise they refuse it (text,
        categories of arrow tables) or misread it without a word (masked, long double and
        byte-swapped arrays), and are to be asked about blocks.
    """

    def __init__(
        self,
        source: Any,
        n_rows: int,
        feature_names: tuple[str, ...] | None,
        read: Callable[[int, int], NDArray[Any]],
        native: bool = True,
    ) -> None:
        self.source = source
        self.n_rows = n_rows
        self.feature_names = feature_names
        self.native = native
        self._read = read

    def __len__(self) -> int:
        return self.n_rows

    def block(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start .. stop - 1`` as a numeric array (stop - start, n_features).

        Numeric numpy arrays are sliced without a copy, in their own type. Frames and sparse
        matrices become float64, missing values NaN; integers beyond 2^53 are rounded to the
        nearest float64. Safe to call from several threads.

        Raises
        ------
        InputError
            If a label is not among the model's categories and the model has no place for it.
        """
        if not 0 <= start <= stop <= self.n_rows:
            raise IndexError(f"rows {start}:{stop} of a table of {self.n_rows} rows")
        return self._read(start, stop)


def as_table(
    X: Any,
    *,
    n_features: int,
    feature_names: Sequence[str] | None = None,
    categories: Mapping[int, Sequence[Any]] | None = None,
    unseen_category: Literal["error", "missing"] = "error",
    sparse_absent: Literal["missing", "zero"] = "zero",
    categorical_columns: Literal["codes", "values", "labels", "refused"] = "codes",
    what: str = "X",
) -> Table:
    """Check a user's table against what a model wants, and make it readable in blocks.

    Columns of a frame are found by name where the model has names, in any order; otherwise by
    position. A categorical or text column is translated by its labels where the model holds
    labels for that feature; labels match as Python values do (1 is 1.0, but not "1").
    A pandas categorical that the model has no labels for gives its codes or its values, or is
    refused.

    Parameters
    ----------
    X : array, frame or sparse matrix (n_rows, n_features)
    n_features : int
        Number of features of the model.
    feature_names : sequence of str, optional
        The model's names.
    categories : mapping of feature number to labels in code order, optional
        No labels at all for some feature: the model lost track of them, and frames are refused.
    unseen_category : "error" or "missing"
        What a label outside of ``categories`` is.
    sparse_absent : "missing" or "zero"
        What an entry absent from a sparse matrix is; stored zeros are zeros.
    categorical_columns : "codes", "values", "labels" or "refused"
        What a pandas categorical without labels of the model gives; with "labels" it is refused,
        and so are arrays.
    what : str
        How messages call the table.

    Raises
    ------
    UnknownColumnsError
        If the table has columns that are no features of the model.
    InputError
        If the table does not fit the model otherwise, or holds something other than numbers,
        categories and missing values.
    """
    names = None if feature_names is None else tuple(feature_names)
    if categorical_columns == "labels" and (is_sparse(X) or not (is_pandas(X) or _is_frame(X))):
        which = [names[f] if names else f for f in sorted(categories or {})]
        raise InputError(
            f"{what} is no frame, but the model knows the categories of features {listed(which)} "
            "by their labels; pass a pandas, polars or pyarrow table"
        )
    if type(X) is np.ndarray:
        return _dense_table(X, n_features, names, what)
    if is_sparse(X):
        return _sparse_table(X, n_features, names, sparse_absent == "missing", what)
    labels = {} if categories is None else categories
    library = type(X).__module__.partition(".")[0]
    if library in ("xgboost", "lightgbm", "catboost", "_catboost"):
        raise InputError(
            f"{what} is a {library} {type(X).__name__}, whose rows cannot be read back; "
            "pass the array or frame that it was made from"
        )
    if is_pandas(X):
        columns = [str(name) for name in X.columns]

        def column(position: int, feature: int) -> Column:
            series, name = X.iloc[:, position], columns[position]
            known = labels.get(feature)
            return pandas_column(series, name, known, unseen_category, what, categorical_columns)

    elif _is_frame(X):
        frame = narwhals_frame(X, what)
        columns = frame.columns

        def column(position: int, feature: int) -> Column:
            series = frame[:, position]
            known = labels.get(feature)
            return narwhals_column(series, known, unseen_category, what, categorical_columns)

    else:
        return _dense_table(X, n_features, names, what)
    return _frame_table(X, columns, column, labels, n_features, names, what)


def is_pandas(X: Any) -> bool:
    """Tell whether ``X`` is a pandas DataFrame, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame)


def is_sparse(X: Any) -> bool:
    """Tell whether ``X`` is a scipy sparse matrix or array, without importing scipy."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(X))


def take_rows(source: Any, rows: slice | NDArray[np.int64]) -> Any:
    """Return some rows of a user's table, as a table of the same kind; None stays None."""
    if source is None:
        return None
    if is_pandas(source):
        return source.iloc[rows]
    if isinstance(source, np.ndarray) or not _is_frame(source):
        if is_sparse(source):
            return source.tocsr()[rows]
        return (source if isinstance(source, np.ndarray) else np.asarray(source))[rows]
    if isinstance(rows, slice):
        rows = np.arange(*rows.indices(len(source)))
    return source.take(rows) if hasattr(source, "take") else source[rows]


def feature_values(source: Any, feature_names: Sequence[str] | None) -> NDArray[Any]:
    """Return a user's table as one dense array (n_rows, n_features) to look at, labels kept.

    Columns stand in the order of ``feature_names``. Numbers give float64, anything else objects.
    """
    if is_sparse(source):
        return np.asarray(source.toarray())
    if not is_pandas(source) and not _is_frame(source):
        return np.asarray(source)
    columns = [str(name) for name in source.columns] if is_pandas(source) else None
    if columns is None:
        import narwhals

        frame = narwhals.from_native(source, eager_only=True)
        columns = frame.columns
    order = list(range(len(columns)))
    if feature_names is not None:
        order = align(columns, feature_names, "data")
    if is_pandas(source):
        parts = [source.iloc[:, at].to_numpy(dtype=object, na_value=np.nan) for at in order]
    else:
        parts = [np.array(frame[:, at].to_list(), dtype=object) for at in order]
    values = np.empty((len(source), len(parts)), dtype=object)
    for feature, part in enumerate(parts):
        values[:, feature] = part
    try:
        return np.where(values == None, np.nan, values).astype(np.float64)  # noqa: E711
    except (TypeError, ValueError):
        return values


def _is_frame(X: Any) -> bool:
    return any(
        hasattr(X, protocol)
        for protocol in ("__narwhals_dataframe__", "__narwhals_lazyframe__", "__dataframe__")
    ) or type(X).__module__.partition(".")[0] in ("polars", "pyarrow", "narwhals")


# Arrays


def _dense_table(X: Any, n_features: int, names: tuple[str, ...] | None, what: str) -> Table:
    if X is None or isinstance(X, (str, bytes, dict, set)):
        raise InputError(f"{what} is a {type(X).__name__}; {WANTED}")
    try:
        array: NDArray[Any] = X if isinstance(X, np.ma.MaskedArray) else np.asarray(X)
    except ValueError as error:
        raise InputError(
            f"{what} cannot be made an array ({error}); its rows must have equal lengths"
        ) from error
    if array.dtype.names is not None:
        raise InputError(
            f"{what} is a structured array with fields {list(array.dtype.names)}; convert it with "
            "numpy.lib.recfunctions.structured_to_unstructured, or to a data frame"
        )
    if array.dtype.kind not in NUMERIC_KINDS:
        advice = {
            "O": "convert it with .astype(float), None becoming NaN",
            "c": "complex numbers cannot be features",
        }.get(array.dtype.kind, "pass a data frame for text and categories, numbers otherwise")
        raise InputError(f"{what} has dtype {array.dtype}, not numbers; {advice}")
    _check_shape(array.shape, n_features, what)

    masked = isinstance(array, np.ma.MaskedArray)
    odd = array.dtype.itemsize > 8 or not array.dtype.isnative

    def read(start: int, stop: int) -> NDArray[Any]:
        rows = array[start:stop].astype(np.float64) if odd else array[start:stop]
        return np.where(np.ma.getmaskarray(rows), np.nan, np.ma.getdata(rows)) if masked else rows

    # Other things that numpy makes an array of, the libraries may not take, nor a numpy.matrix.
    known = isinstance(X, np.ndarray | list | tuple) and not isinstance(X, np.matrix)
    source = X if known or hasattr(X, "__len__") else array
    return Table(source, len(array), names, read, native=known and not (masked or odd))


def _check_shape(shape: tuple[int, ...], n_features: int, what: str) -> None:
    if len(shape) == 1:
        raise InputError(
            f"{what} has shape {shape}; wanted (n_rows, {n_features}): a single row becomes a "
            f"table by {what}.reshape(1, -1), or {what}.to_frame().T if it is a pandas Series"
        )
    if len(shape) != 2:
        raise InputError(f"{what} has shape {shape}; wanted (n_rows, {n_features})")
    if shape[1] != n_features:
        kind = UnknownColumnsError if shape[1] > n_features else InputError
        raise kind(
            f"{what} has {shape[1]} columns (shape {shape}); "
            f"the model has {n_features} features, each wants one column"
        )


def _sparse_table(
    X: Any, n_features: int, names: tuple[str, ...] | None, absent_is_missing: bool, what: str
) -> Table:
    if X.format not in ("csr", "csc", "coo"):
        raise InputError(f"{what} is a sparse {X.format} matrix; convert it with .tocsr()")
    if X.dtype.kind not in NUMERIC_KINDS:
        raise InputError(f"{what} has dtype {X.dtype}, not numbers; convert it with .astype(float)")
    _check_shape(X.shape, n_features, what)
    csr = X.tocsr()
    native = bool(csr.has_canonical_format)
    if not native:
        # Entries given twice mean their sum; the user's matrix is left as it is.
        csr = csr.copy() if csr is X else csr
        csr.sum_duplicates()
    offsets, features, values = csr.indptr, csr.indices, csr.data

    def read(start: int, stop: int) -> NDArray[np.float64]:
        rows = np.full((stop - start, n_features), np.nan if absent_is_missing else 0.0)
        which = np.repeat(np.arange(stop - start), np.diff(offsets[start : stop + 1]))
        stored = slice(int(offsets[start]), int(offsets[stop]))
        rows[which, features[stored]] = values[stored]
        return rows

    return Table(X, X.shape[0], names, read, native)


# Frames


def _frame_table(
    X: Any,
    columns: Sequence[str],
    column: Callable[[int, int], Column],
    labels: Mapping[int, Sequence[Any]],
    n_features: int,
    names: tuple[str, ...] | None,
    what: str,
) -> Table:
    if any(len(known) == 0 for known in labels.values()):
        raise InputError(
            f"{what} is a frame, but the model does not say which of its features the labels of "
            "its categories belong to; pass a numpy array that holds the codes"
        )
    n_rows = len(X)
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise InputError(f"{what} has more than one column named {listed(repeated)}")
    if names is None:
        _check_shape((n_rows, len(columns)), n_features, what)
        order: Sequence[int] = range(n_features)
    else:
        order = align(columns, names, what)
    readers, native = [], True
    for feature, position in enumerate(order):
        reader, plain = column(position, feature)
        readers.append(reader)
        native = native and plain

    def read(start: int, stop: int) -> NDArray[np.float64]:
        # Features by rows: what the kernels want in the end, so the transpose costs nothing.
        rows = np.empty((n_features, stop - start))
        for feature, reader in enumerate(readers):
            rows[feature] = reader(start, stop)
        return rows.T

    return Table(X, n_rows, tuple(columns) if names is None else names, read, native)
