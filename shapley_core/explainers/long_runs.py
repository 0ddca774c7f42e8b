"""What a long run of a tree model is made of: rows of a table or files, and the settings."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..explanation import Explanation
from ..files import labels_by_column
from ..runs import Chunk, RowSource, StoredExplanation, TableSource, file_source, is_file, run
from ..runs.hashing import hash_of, hash_of_table
from ..tables import Table
from ..trees.ensemble import TreeEnsemble


def row_source(X: Any, ensemble: TreeEnsemble, table: Callable[[Any], Table]) -> RowSource:
    """Make a source of rows of a user's table or files; ``table`` checks one in memory."""
    if is_file(X):
        named = ensemble.feature_names is not None
        return file_source(X, lambda names: labels_by_column(names, ensemble), named)
    checked = table(X)
    return TableSource(checked.source, checked.n_rows, lambda: hash_of_table(checked))


def run_trees(
    explain: Callable[..., Explanation],
    source: RowSource,
    out: str | os.PathLike[str],
    *,
    settings: Mapping[str, Any],
    chunk_rows: int | None,
    progress: Callable[[int, int], object] | None,
    base_margin: Any,
    **options: Any,
) -> StoredExplanation:
    """Explain a source's rows into a directory.

    Parameters
    ----------
    explain : callable
        The explainer.
    source, out, chunk_rows, progress
        As in `run`.
    settings : mapping
        What the values depend on beside the ``options``, or how JSON is to call those.
    base_margin : array (n_rows, ...), or None
        Cut along with the rows.
    **options
        Of each call of ``explain``; those that the values depend on are settings too.
    """
    margin = None if base_margin is None else np.asarray(base_margin, np.float64)
    if margin is not None and (margin.ndim < 1 or len(margin) != source.n_rows):
        raise InputError(
            f"base_margin has shape {margin.shape}; wanted one entry for each of the "
            f"{source.n_rows} rows"
        )

    def explain_chunk(chunk: Chunk) -> Explanation:
        rows = slice(chunk.start, chunk.start + len_of(chunk.rows))
        part = None if margin is None else margin[rows]
        return explain(chunk.rows, base_margin=part, progress=chunk.progress, **options)

    return run(
        explain_chunk,
        source,
        out,
        settings={
            **{name: value for name, value in options.items() if name != "n_threads"},
            "base_margin": None if margin is None else hash_of(margin),
            **settings,
        },
        chunk_rows=chunk_rows,
        progress=progress,
    )


def len_of(rows: Any) -> int:
    """Count the rows of a table of any kind."""
    return int(rows.shape[0]) if hasattr(rows, "shape") else len(rows)
