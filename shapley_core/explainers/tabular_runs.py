"""What a long run of any model is made of: its rows, and its settings."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MOST_EXACT
from ..estimators.randomness import seed_of
from ..estimators.stopping import as_rule
from ..explanation import Explanation
from ..imputers.base import Imputer
from ..imputers.rows import Rows
from ..runs import Chunk, RowSource, StoredExplanation, TableSource, file_source, is_file, run
from ..runs.hashing import hash_of
from .all_rows import Report
from .linear import LinearGames
from .masked_games import MaskedGames
from .predictor import Predictor

# Rows of a part of a long run, where the model is asked: minutes of work, not hours.
MODEL_CHUNK_ROWS = 1 << 12

# A model behind a function is known by what it says of so many rows of the background.
PROBED_ROWS = 64
DIGITS = 6


def hash_of_rows(rows: Rows) -> str:
    """Hash all that rows hold: numbers, and labels by how Python shows them.

    So are integers that float64 would round.
    """
    numbers, is_number = rows.numbers()
    rounded = (np.isfinite(numbers) & (np.abs(numbers) >= MOST_EXACT)).any(axis=0)
    labels = [
        [repr(label) for label in rows.labels(int(feature))]
        for feature in np.flatnonzero(~is_number | rounded)
    ]
    return hash_of(numbers, is_number, labels, rows.names)


def hash_of_model(predictor: Predictor, background: Rows) -> str:
    """Hash what a function answers, to six digits: other machines may differ in the last few."""
    return _hash_of_answers(_answers(predictor, background))


def _answers(predictor: Predictor, background: Rows) -> NDArray[np.float64]:
    n_rows = min(PROBED_ROWS, background.n_rows)
    return predictor(background.take(slice(0, n_rows)), n_rows)


def _hash_of_answers(answers: NDArray[np.float64]) -> str:
    return hash_of([[f"{x:.{DIGITS - 1}e}" for x in row] for row in (answers + 0.0).tolist()])


def identity_of(
    background: Rows, games: MaskedGames | None, linear: LinearGames | None, link: Any
) -> dict[str, Any]:
    """The explainer, its model, background and link, for the manifest of a long run.

    A link that is a function is known by what it makes of the model's answers. They are drawn
    halfway to their mean, as worths are means: a link of probabilities need not take 0 or 1.
    """
    name = "identity"
    if linear is not None:
        model = hash_of(linear.model.coefficients, linear.model.intercept)
    else:
        assert games is not None
        answers = _answers(games.predictor, background)
        model = _hash_of_answers(answers)
        if games.link is not None:
            means = (answers + games.nothing_outputs.mean(axis=0)) / 2
            known = isinstance(link, str)
            name = link if known else f"function {_hash_of_answers(games.link(means))}"
    return {
        "explainer": "TabularExplainer",
        "model": model,
        "background": hash_of_rows(background),
        "batch_rows": None if games is None else games.batch_rows,
        "link": name,
    }


def hash_of_imputer(imputer: Imputer) -> str:
    """Name an imputer, with a hash of its parameters."""
    held = {
        name: value if np.ndim(value) == 0 else np.asarray(value)
        for name, value in sorted(vars(imputer).items())
    }
    return f"{type(imputer).__name__} {hash_of(held)}"


def row_source_like(X: Any, background: Rows) -> RowSource:
    """Make a source of rows of a table of the background's kind, or of files."""
    if not is_file(X):
        rows = background.like(X, "X")
        return TableSource(X, rows.n_rows, lambda: hash_of_rows(rows))
    names = background.names
    _, is_number = background.numbers()
    texts = {
        int(at): sorted({one for one in background.labels(int(at)) if isinstance(one, str)})
        for at in np.flatnonzero(~is_number)
    }

    def labels(columns: Sequence[str]) -> Mapping[str, Sequence[Any]]:
        # Columns of an array go by their places.
        held = tuple(columns) if names is None else names
        known = {held[at]: some for at, some in texts.items() if some and at < len(held)}
        return {name: known[name] for name in columns if name in known}

    return file_source(X, labels, names is not None)


def run_model(
    explain: Callable[[Chunk], Explanation],
    source: RowSource,
    out: str | os.PathLike[str],
    *,
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
    random_state: Any,
    chunk_rows: int | None,
    progress: Report | None,
    most_rows: int = MODEL_CHUNK_ROWS,
) -> StoredExplanation:
    """Explain a source's rows into a directory where a model is asked for worths.

    Parameters
    ----------
    explain : callable
        Explains a `Chunk`, with the seed that is among its settings.
    source, out, settings, chunk_rows, progress, most_rows
        As in `run`.
    options : mapping
        The explainer's checked index, which the settings name, and its order, budget and
        tolerance, which are settings too.
    random_state
        A seed; where it is left open, the first run draws it.
    """
    seed = {"random_state": seed_of(random_state)}
    drawn = random_state is None or isinstance(random_state, np.random.Generator)
    return run(
        explain,
        source,
        out,
        settings={
            **settings,
            **({} if drawn else seed),
            "order": options["order"],
            "budget": options["budget"],
            "tolerance": repr(as_rule(options["tolerance"])),
        },
        left_open=seed if drawn else {},
        chunk_rows=chunk_rows,
        most_rows=most_rows,
        progress=progress,
    )
