"""The command line: ``python -m shapley_core``, or ``shapley-core``."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__, files, indices
from .errors import InputError, TableFileError, UnknownColumnsError, UnknownIndexError
from .explainers import TreeExplainer
from .explanation import Explanation
from .runs import TableFile
from .tables import as_table
from .trees import TreeEnsemble, read_model

EXAMPLES = Path(__file__).parent / "examples"
FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130
Progress = Callable[[int, int], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        Exit status: 0, 1 if the data or the model cannot be used, 2 for wrong usage, 130 when
        interrupted.
    """
    options = _parser().parse_args(argv)
    try:
        options.run(options)
        print(end="", flush=True)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; Python's own flush at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except UnknownIndexError as error:
        return _complain(str(error), WRONG_USE)
    except MemoryError:
        return _complain("out of memory; explain fewer rows at a time", FAILED)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _complain(f"{place}{error.strerror or error}", FAILED)
    except ValueError as error:
        return _complain(str(error), FAILED)
    return 0


def _complain(message: str, status: int) -> int:
    print(f"shapley-core: {' '.join(message.split())}", file=sys.stderr)
    return status


def _given(text: str) -> str:
    """Refuse the empty text that a shell makes of a variable that is not set."""
    if not text:
        raise argparse.ArgumentTypeError("empty; wanted a path")
    return text


def _path(text: str) -> Path:
    return Path(_given(text))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shapley-core", description="Exact Shapley values of tree models."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    explain = commands.add_parser(
        "explain",
        help="explain every row of a table",
        description="Explain every row of a table. CSV files have a header line; files ending in "
        ".parquet are Parquet. OUT gets a column for each feature and one for the base value.",
    )
    explain.add_argument(
        "model", type=_path, metavar="MODEL", help="saved XGBoost, LightGBM or CatBoost model"
    )
    explain.add_argument(
        "data",
        type=_path,
        metavar="DATA",
        help="table to explain, .csv or .parquet; a directory of .parquet files if OUT is one",
    )
    explain.add_argument(
        "-o",
        "--out",
        required=True,
        type=_given,
        metavar="OUT",
        help="a table, .csv or .parquet; or, for data of any size, a directory (DIR/): one "
        "Parquet file for each chunk of rows, and a run that was stopped goes on",
    )
    explain.add_argument(
        "--background",
        type=_path,
        metavar="FILE",
        help="table of background rows: interventional values, instead of path-dependent ones",
    )
    explain.add_argument("--index", default="SV", help="which index (default: SV)")
    explain.add_argument("--order", type=int, default=1, help="largest size of an interaction")
    explain.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="COL",
        help="leave out a column that is no feature of the model, such as the target, of DATA and "
        "of the background, where it is there; repeatable",
    )
    explain.add_argument("--threads", type=int, metavar="N", help="default: all cores")
    explain.set_defaults(run=_explain)

    info = commands.add_parser("info", help="say what a model file holds")
    info.add_argument("model", type=_path, metavar="MODEL")
    info.set_defaults(run=_info)

    demo = commands.add_parser("demo", help="explain a model and real rows that come along")
    demo.add_argument("-o", "--out", type=_path, default=Path("shapley_values.csv"), metavar="OUT")
    demo.set_defaults(run=_demo)
    return parser


def _explain(options: argparse.Namespace) -> None:
    spec = indices.get(options.index)
    out = Path(options.out)
    in_parts = out.is_dir() or options.out.endswith(("/", os.sep))
    if not in_parts:
        _check_out(out, [options.model, options.data, options.background])
    ensemble = read_model(options.model)
    rows: Any = TableFile(options.data, options.drop) if in_parts else None
    if rows is None:
        rows = _load(options.data, ensemble, options.drop)
    background = None
    if options.background is not None:
        background = _load(options.background, ensemble, options.drop)
    explainer = TreeExplainer(ensemble, background, n_threads=options.threads)
    with _Progress() as progress:
        try:
            explanation = explainer(
                rows,
                index=spec,
                order=options.order,
                n_threads=options.threads,
                progress=progress,
                out=out if in_parts else None,
            )
        except (UnknownIndexError, TableFileError):
            raise
        except InputError as error:
            raise InputError(f"{options.data}: {_hinted(error)}") from error
    if not in_parts:
        files.write_explanation(out, explanation)


def _check_out(out: Path, sources: Sequence[Path | None]) -> None:
    """Find out before the work, not after it, that the output cannot be written."""
    files.check_ending(out, (".csv", *files.PARQUET))
    files.need_pyarrow()
    if not out.parent.is_dir():
        raise FileNotFoundError(2, "no such directory", str(out.parent))
    if out.is_dir():
        raise IsADirectoryError(21, "is a directory", str(out))
    for source in sources:
        if source is not None and out.exists() and source.exists() and out.samefile(source):
            raise InputError(f"{out} is an input; write to another file")


def _load(path: Path, ensemble: TreeEnsemble, drop: Sequence[str]) -> Any:
    table = files.read_table(path, ensemble, drop)
    try:
        as_table(
            table,
            n_features=ensemble.n_features,
            feature_names=ensemble.feature_names,
            categories=ensemble.categories,
            what=str(path),
        )
    except InputError as error:
        raise InputError(_hinted(error)) from error
    return table


def _hinted(error: InputError) -> str:
    """The text of an error, with what the command line can do about it."""
    extra = isinstance(error, UnknownColumnsError)
    return f"{error}; --drop COL leaves out a column that is no feature" if extra else str(error)


def _info(options: argparse.Namespace) -> None:
    ensemble = read_model(options.model)
    names = ensemble.feature_names
    labelled = [
        names[f] if names else str(f) for f, known in sorted(ensemble.categories.items()) if known
    ]
    lines = {
        "library": ensemble.library,
        "objective": ensemble.objective,
        "trees": f"{ensemble.n_trees}",
        "nodes": f"{ensemble.n_nodes}",
        "leaves": f"{ensemble.n_leaves}",
        "depth": f"{ensemble.max_depth}",
        "features": f"{ensemble.n_features}",
        "feature names": ", ".join(names or []),
        "labelled features": ", ".join(labelled),
        "outputs": f"{ensemble.n_outputs}",
        "output names": ", ".join(ensemble.output_names or []),
        "cover": "yes" if ensemble.cover is not None else "no: a background is needed",
        "base": ", ".join(f"{base:.9g}" for base in ensemble.base),
    }
    for name, value in lines.items():
        if value:
            print(f"{name + ':':<19}{value}")


def _demo(options: argparse.Namespace) -> None:
    model, data = EXAMPLES / "bike.json", EXAMPLES / "bike.csv"
    _check_out(options.out, [model, data])
    ensemble = read_model(model)
    rows = _load(data, ensemble, [])
    explainer = TreeExplainer(ensemble)
    start = time.perf_counter()
    # Values that do not sum to the prediction raise AdditivityError here.
    explanation = explainer(rows)
    seconds = time.perf_counter() - start
    files.write_explanation(options.out, explanation)
    print(
        f"An XGBoost model of bicycles hired in an hour: {ensemble.n_trees} trees, "
        f"{ensemble.n_features} features.\n"
        f"Shapley values of {explanation.n_rows} real rows in {seconds:.3f} s, "
        f"in bicycles an hour; base value {explainer.expected_value:.1f}.\n\n"
        "Most important features, by mean |Shapley value|:"
    )
    for name, value in _most_important(explanation, 5):
        print(f"  {name:<12}{value:7.1f}")
    print(
        "\nChecked: the values of each row and the base value sum to the model's prediction "
        f"(largest difference {_largest_difference(explanation, ensemble, rows):.0e}).\n"
        f"The values of every row are in {options.out.resolve()}"
    )


def _most_important(explanation: Explanation, n: int) -> list[tuple[str, float]]:
    importance = explanation.mean_abs()
    labels = explanation.labels()
    return [
        (labels[at], float(importance[at])) for at in np.argsort(-importance, kind="stable")[:n]
    ]


def _largest_difference(explanation: Explanation, ensemble: TreeEnsemble, rows: Any) -> float:
    table = as_table(
        rows,
        n_features=ensemble.n_features,
        feature_names=ensemble.feature_names,
        categories=ensemble.categories,
    )
    predicted = ensemble.predict(table.block(0, table.n_rows))
    given = explanation.values.sum(axis=1) + explanation.base_values
    return float(np.abs(given - predicted).max())


class _Progress:
    """A line on the terminal, if there is one: rows done, wiped at the end."""

    def __init__(self) -> None:
        self.shown = -1

    def __enter__(self) -> Progress | None:
        return self.show if sys.stderr.isatty() else None

    def show(self, done: int, n_rows: int) -> None:
        percent = 100 * done // max(n_rows, 1)
        if percent != self.shown:
            self.shown = percent
            print(f"\r{percent:3d} % of {n_rows:,} rows", end="", file=sys.stderr, flush=True)

    def __exit__(self, *failure: object) -> None:
        if self.shown >= 0:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
