"""What a long run of a tree model is made of: rows of a table or files, and the settings."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..arrays import real_numbers
from ..errors import InputError
from ..explanation import Explanation
from ..files import labels_by_column
from ..indices import IndexSpec, ProbabilisticValue
from ..runs import Chunk, RowSource, StoredExplanation, TableSource, file_source, is_file, run
from ..runs.hashing import hash_of, hash_of_table
from ..tables import Table
from ..trees.ensemble import TreeEnsemble

# Of weights on Moebius coefficients those of so many sizes of coalitions tell what they are.
_MOEBIUS_SIZES = 64


def row_source(X: Any, ensemble: TreeEnsemble, table: Callable[[Any], Table]) -> RowSource:
    """Make a source of rows of a user's table or files; ``table`` checks one in memory."""
    if is_file(X):
        named = ensemble.feature_names is not None
        return file_source(X, lambda names: labels_by_column(names, ensemble), named)
    checked = table(X)
    return TableSource(checked.source, checked.n_rows, lambda: hash_of_table(checked))


def name_of_index(spec: Any, n_players: int, order: int) -> str:
    """Name an index for a manifest: one of the user's own with a hash of its weights."""
    if isinstance(spec, ProbabilisticValue):
        return f"{spec.name} {hash_of(spec.weights)}"
    if spec.is_built_in:
        return str(spec.name)
    sizes = range(0 if spec.has_constant else 1, min(order, n_players) + 1)
    told = [_weights_of(spec, n_players, size, order) for size in sizes]
    return f"{spec.name} {hash_of(spec.family, spec.adds_up, spec.has_constant, told)}"


def _weights_of(spec: IndexSpec, n_players: int, size: int, order: int) -> list[str]:
    """What the weights for one size follow from, as text: exact, and short for any game."""
    law = spec.law_of(size, order)
    if law is not None:
        return [repr(law)]
    if spec.moebius is not None:
        most = min(n_players, size + _MOEBIUS_SIZES)
        return [str(spec.moebius_of(size, there, order)) for there in range(size, most + 1)]
    return list(map(str, spec.weights_of(n_players, size, order)))


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
    margin = None if base_margin is None else real_numbers(base_margin, "base_margin")
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
