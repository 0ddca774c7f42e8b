"""Long runs of what trees predict after their raw margin."""

import os
from typing import Any

import numpy as np

from ..errors import InputError
from ..explanation import Explanation
from ..imputers.array_rows import ArrayRows
from ..runs import Chunk, StoredExplanation
from ..runs.hashing import hash_of
from .all_rows import Report
from .long_runs import len_of, name_of_index, row_source
from .row_outputs import label_codes, own_margins
from .tabular_runs import hash_of_model, run_model


def run_outputs(
    explainer: Any,
    X: Any,
    y: Any,
    base_margin: Any,
    out: str | os.PathLike[str],
    chunk_rows: int | None,
    random_state: Any,
    progress: Report | None,
    options: dict[str, Any],
) -> StoredExplanation:
    """Explain rows of a table or of files into a directory; arguments as of the explainer."""
    ensemble = explainer.ensemble
    source = row_source(X, ensemble, ensemble.table)
    if base_margin is not None:
        own_margins(base_margin, source.n_rows, ensemble)
        base_margin = np.asarray(base_margin, np.float64)
    labels, codes = None, None
    if y is not None:
        labels, codes = np.asarray(y), label_codes(y, source.n_rows, ensemble)
    elif explainer.output == "log_loss":
        raise InputError("output='log_loss' needs the labels of all rows: explainer(X, y, out=...)")

    def explain(chunk: Chunk) -> Explanation:
        count = len_of(chunk.rows)
        if not count:
            table = ensemble.table(chunk.rows)
            none: Explanation = explainer.of_no_rows(table, options["index"], options["order"])
            return none
        rows = slice(chunk.start, chunk.start + count)
        found: Explanation = explainer(
            chunk.rows,
            None if labels is None else labels[rows],
            base_margin=None if base_margin is None else base_margin[rows],
            random_state=chunk.settings["random_state"],
            progress=chunk.progress,
            **options,
        )
        return found

    return run_model(
        explain,
        source,
        out,
        settings={
            **_identity(explainer),
            "index": name_of_index(options["index"], explainer.players.n_players, options["order"]),
            "labels": None if codes is None else hash_of(codes),
            "base_margin": None if base_margin is None else hash_of(base_margin),
            "check": options["check"],
        },
        options=options,
        random_state=random_state,
        chunk_rows=chunk_rows,
        progress=progress,
    )


def _identity(explainer: Any) -> dict[str, Any]:
    """What the values depend on, for the manifest."""
    background: ArrayRows = explainer._filler.rows
    output, groups = explainer.output, explainer.players
    if not isinstance(output, str):
        # A function is known by its name, and by what it makes of the background.
        name = getattr(output, "__qualname__", "function")
        output = f"{name} {hash_of_model(explainer._predictor, background)}"
    return {
        "explainer": "TreeOutputExplainer",
        "output": output,
        "model": hash_of(explainer.ensemble),
        "background": hash_of(background.array, explainer._filler.nothing(slice(None))[1]),
        "groups": groups.members if groups.grouped else None,
        "estimator": repr(explainer._estimator),
        "memory": explainer._memory,
    }
