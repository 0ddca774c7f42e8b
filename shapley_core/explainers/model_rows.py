"""Rows as a tree model takes them, and what the model itself predicts of them."""

import os
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tables import Table, is_pandas, is_sparse, take_rows
from ..threads import available_threads, even_blocks, run_blocks
from ..trees.ensemble import TreeEnsemble
from ..trees.readers import reader_of

# Most rows that the library is asked about at once, where they are dealt out to threads. So many
# of a frame are some milliseconds' work, beside which what its columns cost by themselves does not
# count; of an array, each call of which costs microseconds, a part of them.
AT_ONCE = 1 << 14
ARRAY_PART = 16
# Rows that are not worth another thread.
FEW = 512


class LiveModel:
    """A model of one of the tree libraries, to be asked what it predicts itself.

    Parameters
    ----------
    model : object
    reader : module
        Its library's reader.
    iteration_range : (int, int), optional
    """

    def __init__(
        self, model: Any, reader: ModuleType, iteration_range: tuple[int, int] | None
    ) -> None:
        self.model = model
        self._reader = reader
        self._iteration_range = iteration_range

    @classmethod
    def of(cls, model: Any, iteration_range: tuple[int, int] | None) -> "LiveModel | None":
        """The model, if it is one: a file or mere trees cannot be asked."""
        reader = reader_of(model)
        return None if reader is None else cls(model, reader, iteration_range)

    def _ask(self, X: Any) -> NDArray[np.float64]:
        raw: NDArray[np.float64] = self._reader.predict_raw(
            self.model, X, iteration_range=self._iteration_range
        )
        return raw

    def predict(self, ensemble: TreeEnsemble, table: Table, n_threads: int) -> NDArray[np.float64]:
        """Raw predictions of all rows, (n_rows, n_outputs), as the library makes them by itself.

        The library is given the user's own table, or slices of it that it reads in the same way;
        blocks of numbers where it does not read the table, or not as we do. With threads of its
        own it is asked by so many fewer of ours.
        """
        n_rows, n_outputs = table.n_rows, ensemble.n_outputs
        if not n_rows:
            return np.zeros((0, n_outputs))
        most = AT_ONCE if table.native else ensemble.block_rows
        least = AT_ONCE // ARRAY_PART if isinstance(table.source, np.ndarray) else most
        n_threads = min(n_threads, -(-n_rows // least))
        if n_threads > 1:
            n_threads = max(1, n_threads // _threads(self._reader.threads_of(self.model)))
        if table.native and (n_threads == 1 or not _is_cut_alike(table)):
            return self._ask(table.source).reshape(n_rows, n_outputs)
        out = np.empty((n_rows, n_outputs))

        def work(block: tuple[int, int]) -> None:
            start, stop = block
            rows = slice(start, stop)
            X = take_rows(table.source, rows) if table.native else table.block(start, stop)
            out[rows] = self._ask(X).reshape(stop - start, n_outputs)

        run_blocks(work, even_blocks(n_rows, most, n_threads), n_threads)
        return out


def predict_trees(ensemble: TreeEnsemble, table: Table, n_threads: int) -> NDArray[np.float64]:
    """Raw predictions of all rows, (n_rows, n_outputs), by the trees as they were read."""
    out = np.empty((table.n_rows, ensemble.n_outputs))

    def work(block: tuple[int, int]) -> None:
        start, stop = block
        columns = ensemble.columns(table.block(start, stop))
        out[start:stop] = ensemble.base + ensemble.sum_leaves(columns)

    blocks = even_blocks(table.n_rows, ensemble.block_rows, n_threads, FEW)
    run_blocks(work, blocks, n_threads)
    return out


def _is_cut_alike(table: Table) -> bool:
    """Whether rows of the user's table read the same in a slice of it, which costs little."""
    source = table.source
    if isinstance(source, np.ndarray) or is_pandas(source):
        return True
    return is_sparse(source) and source.format == "csr"


def _threads(given: int | None) -> int:
    """How many threads a library takes; None is its default, all that OpenMP allows."""
    if given is not None:
        return given
    allowed = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    cores = available_threads()
    return max(1, min(cores, int(allowed))) if allowed.isdigit() else cores
