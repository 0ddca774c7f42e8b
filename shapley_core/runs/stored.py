"""A handle on values that a long run wrote."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..explanation import Explanation
from ..explanation_file import empty_arrays, rebuild
from ..files import need_pyarrow
from ..memory import check_memory
from . import journal as manifest
from . import parts
from .journal import Journal


class StoredExplanation:
    """Values of every row of a long run, in a directory; read part by part.

    Iterating gives the parts as `Explanation` objects, one in memory at a time, in the order of
    the rows. Their ``data`` is None: the rows are where they were. Each part is checked against
    its checksum when it is read.

    Made by ``explainer(X, out=...)`` and `open_explanation`.

    Attributes
    ----------
    path : Path
    n_rows, n_parts, chunk_rows : int
    settings : dict
        What the values depend on: hash of the model, index, order, identity of the data, ...
    index : str
        That of the explanations that are read. One of your own is to be set, ``stored.index =
        spec.name``, where `open_explanation` found it by its name alone.
    order, n_features, interactions, feature_names, output_names, groups
        As in `Explanation`.
    shape : tuple
        Of all values: (n_rows, n_features or interactions[, n_outputs]).
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.path = journal.directory
        self.n_rows = journal.n_rows
        self.n_parts = journal.n_parts
        self.chunk_rows = journal.chunk_rows
        self.settings = journal.settings
        self._about, first = parts.read_arrays(journal, 0)
        self._none = empty_arrays(first, 0)
        like = rebuild(Explanation, self._about, self._none, None)
        self.index = like.index
        self.order = like.order
        self.n_features = like.n_features
        self.interactions = like.interactions
        self.feature_names = like.feature_names
        self.output_names = like.output_names
        self.groups = like.groups
        self.shape = (self.n_rows, *like.values.shape[1:])

    def __repr__(self) -> str:
        return (
            f"StoredExplanation({str(self.path)!r}: {self.index}, order {self.order}, "
            f"{self.n_rows} rows in {self.n_parts} parts)"
        )

    def __len__(self) -> int:
        """Count the rows."""
        return self.n_rows

    def __iter__(self) -> Iterator[Explanation]:
        for number in range(self.n_parts):
            yield self.part(number)

    def part(self, number: int) -> Explanation:
        """Read one part.

        Raises
        ------
        InputError
            If its file is not there, or not the one that was written.
        """
        if not 0 <= number < self.n_parts:
            raise InputError(f"part {number} is out of range: there are {self.n_parts}")
        found = parts.read_part(self._journal, number)
        found.index = self.index
        return found

    def rows(self, start: int, stop: int, data: Any = None) -> Explanation:
        """Read rows ``start .. stop - 1``, if they fit in memory.

        Parameters
        ----------
        start, stop : int
        data : table of ``stop - start`` rows, optional
            What the explanation is to hold beside its values.

        Raises
        ------
        InputError
            If there are no such rows, or as `part`.
        MemoryLimitError
            If they would not fit.
        """
        if not 0 <= start <= stop <= self.n_rows:
            raise InputError(f"rows {start} to {stop} are out of range: there are {self.n_rows}")
        row_bytes = sum(array.nbytes for array in empty_arrays(self._none, 1).values())
        check_memory((stop - start) * row_bytes, "the table of values", "Read fewer rows at a time")
        arrays = empty_arrays(self._none, stop - start)
        last = max(start, stop - 1) // self.chunk_rows
        for number in range(start // self.chunk_rows, min(last + 1, self.n_parts)):
            first, end = self._journal.rows_of(number)
            low, high = max(start, first), min(stop, end)
            for name, array in parts.read_arrays(self._journal, number)[1].items():
                arrays[name][low - start : high - start] = array[low - first : high - first]
        found = rebuild(Explanation, self._about, arrays, data)
        found.index = self.index
        return found

    def load(self, data: Any = None) -> Explanation:
        """Read all rows into one `Explanation`, if they fit in memory; as `rows`."""
        return self.rows(0, self.n_rows, data)


def open_explanation(path: str | os.PathLike[str]) -> StoredExplanation:
    """Open the directory of a finished long run.

    Raises
    ------
    InputError
        If it is no such directory, or not finished: then the same call that began it goes on.
    """
    need_pyarrow()
    journal = manifest.read(Path(path))
    if journal.missing:
        raise InputError(
            f"{journal.directory} is not finished: {len(journal.parts)} of {journal.n_parts} "
            "parts are there. The same call that began it goes on where it stopped"
        )
    return StoredExplanation(journal)
