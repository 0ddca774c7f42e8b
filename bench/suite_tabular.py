"""Any model on a table: overhead beside the model's own time, and error at equal time."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shapley_core import TabularExplainer
from shapley_core.ground_truth.kinds.tables import Table, read

from .measure import middle, paired_ratio, timed

FOLDER = Path(__file__).parents[1] / "tests" / "data" / "tables"

TEXT = """\
CPU time of one thread, the contenders taking turns in one process: median (quartiles) of rounds.
*Overhead* is the CPU time of a call less that within the model, for each row shown to the model;
`us per coalition` is for each coalition of the budget and explained row, whether or not it had to
be shown: everyone leaves some out that cannot matter. `/ shapley_core` is the ratio of overheads
for a row shown, within a round, `a coalition` that for a coalition: of calls that ask for as many.
Every contender uses the whole background. *Copying alone* is no contender but the limit: an array
of the size of one batch of shapley_core's is copied before each call of the model, and nothing else
is done.
*Error at equal time*: shap's explainer as given, then shapley_core with the budget that takes as
long on the same rows, each after a call for one row. The error is the root of the mean squared
difference from the true values, relative to their root mean square. True values: all coalitions up
to 14 features; above, a run of shapley_core with 40 times the budget and another seed, so that an
error much below its own (given as `error of truth`) means nothing. Calls with a `tolerance` have
the default budget and stop by themselves: `coalitions` is the mean over their rows. One-hot coded
tables have about 100 features. *A frame with text*: the model is a pipeline that codes and scales
the columns of a pandas frame, of which seven are text. shap gets numbers for the labels, and a
function that makes the frame of them, as its explainers of any model want arrays of numbers."""


@dataclass
class Meter:
    """A model, and how much it was used."""

    function: Callable[[Any], Any]
    seconds: float = 0.0
    rows: int = 0
    most: int = 0  # at once

    def __call__(self, X: Any) -> Any:
        start = time.process_time()
        found = self.function(X)
        self.seconds += time.process_time() - start
        self.rows += len(X)
        self.most = max(self.most, len(X))
        return found


@dataclass(frozen=True)
class Case:
    data: str
    model: str
    background: int
    rows: int
    budget: int
    one_hot: bool = False
    text: bool = False
    fit_rows: int = field(default=4000)

    def __str__(self) -> str:
        coded = ", one-hot" if self.one_hot else ", a frame with text" if self.text else ""
        return (
            f"{self.model} on {self.data}{coded}; background of {self.background}; "
            f"{self.budget:,} coalitions"
        )


# Columns of adult that are no labels.
NUMBERS = ("age", "capital-gain", "capital-loss", "hours-per-week", "education-num")
PEERS = ["shap Kernel", "shap Permutation"]
COPY = "copying alone"

QUICK = [Case("breast_cancer", "MLP", b, 4, 200) for b in (1, 20)]
# So many rows that what a call takes but once (the design, the background) hardly counts.
FULL = [
    *(Case(data, "MLP", b, 1000 if b == 1 else 400, 1000) for data in ("adult", "bike")
      for b in (1, 100)),
    *(Case("adult", "MLP", b, 1000 if b == 1 else 100, 2000, one_hot=True) for b in (1, 100)),
    *(Case("adult", "MLP", b, 1000 if b == 1 else 200, 1000, text=True) for b in (1, 100)),
    *(Case(data, "SVM", b, 1000 if b == 1 else 100, 500, fit_rows=300) for data in ("adult", "bike")
      for b in (1, 100)),
]  # fmt: skip


def run(quick: bool, peers: list[str], say: Any) -> dict[str, Any]:
    tables: list[dict[str, Any]] = []
    for case in QUICK if quick else FULL:
        say(f"tabular: {case}")
        table = _table(case)
        model = Meter(_model(case, table))
        contenders = Contenders(model, table.X[: case.background], _shown(case, table), case.budget)
        rows = table.X[-case.rows :]
        names = PEERS if "shap" in peers else []
        tables.append(_overheads(case, contenders, rows, names, 1 if quick else 3))
        if case.background > 1 and names:
            few = rows[: 2 if quick or case.one_hot or case.model == "SVM" else 10]
            tables.append(_errors(case, contenders, few, names))
    return {"text": TEXT, "overview": _overview(tables), "tables": tables, "skipped": []}


def _overview(tables: list[dict[str, Any]]) -> str:
    """Overheads, and those of others over them, by coalition and by row shown."""
    lines = [
        "## Overview: overhead, and that of others over it, medians\n",
        "| | us per model row | us per coalition | copying alone | "
        + " | ".join(f"{name}, a coalition | a model row" for name in PEERS)
        + " |",
        "|" + "---|" * (4 + 2 * len(PEERS)),
    ]
    for table in tables:
        if not table["title"].startswith("Overhead"):
            continue
        found = {row["contender"]: row for row in table["rows"]}
        own = found["shapley_core"]
        cells = [own["us_per_model_row"][0], own["us_per_coalition"][0], found[COPY]["ratio"][0]]
        for name in PEERS:
            row = found.get(name)
            cells += [row[key][0] if row else None for key in ("ratio_coalition", "ratio")]
        shown = ["-" if cell is None else f"{cell:.3g}" for cell in cells]
        lines.append(f"| {table['title'].removeprefix('Overhead: ')} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _table(case: Case) -> Table:
    table = read(case.data, FOLDER)
    if case.data == "adult":
        # A weight of the survey, and the text of education-num.
        table = table.without("fnlwgt", "education")
    if case.one_hot:
        parts, names = [], []
        for at, name in enumerate(table.columns):
            labels = np.unique(table.X[:, at])
            if name in NUMBERS:
                parts.append(table.X[:, [at]])
                names.append(name)
                continue
            parts.append((table.X[:, [at]] == labels).astype(float))
            names += [f"{name} {label:g}" for label in labels]
        table = Table(np.hstack(parts), table.y, tuple(names))
    return _standardised(table.sample(min(8000, len(table.X)), seed=3), keep=case.text)


def _shown(case: Case, table: Table) -> Callable[[Any], Any]:
    """What makes of an array of numbers the table that the model is shown."""
    if not case.text:
        return lambda X: X
    import pandas as pd

    codes = {
        at: np.unique(table.X[:, at])
        for at, name in enumerate(table.columns)
        if name not in NUMBERS
    }
    labels = {
        at: np.array([f"{table.columns[at]} {code:g}" for code in found], object)
        for at, found in codes.items()
    }

    def frame(X: Any) -> Any:
        return pd.DataFrame(
            {
                name: labels[at].take(np.searchsorted(codes[at], X[:, at]))
                if at in labels
                else X[:, at]
                for at, name in enumerate(table.columns)
            }
        )

    return frame


def _standardised(table: Table, keep: bool) -> Table:
    """In another order, and with columns of mean 0 and spread 1, unless they are to be kept."""
    spread = table.X.std(axis=0)
    X = table.X if keep else (table.X - table.X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    order = np.random.default_rng(0).permutation(len(X))
    return Table(X[order], table.y[order], table.columns)


def _model(case: Case, table: Table) -> Callable[[Any], Any]:
    X, y = table.X[: case.fit_rows], table.y[: case.fit_rows]
    if case.model == "SVM":
        from sklearn.svm import SVC, SVR

        if len(np.unique(y)) == 2:
            return SVC().fit(X, y).decision_function
        return SVR(C=100.0).fit(X, y).predict
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    classes = len(np.unique(y)) == 2
    kind = MLPClassifier if classes else MLPRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = kind(hidden_layer_sizes=(50, 25), max_iter=40, random_state=0)
        if case.text:
            fitted = _pipeline(fitted)
        fitted.fit(_shown(case, table)(X), y / y.max())
    return (lambda rows: fitted.predict_proba(rows)[:, 1]) if classes else fitted.predict


def _pipeline(fitted: Any) -> Any:
    """The model behind a coding of labels and a scaling of numbers."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_column_selector(dtype_include="number")
    text = make_column_selector(dtype_exclude="number")
    coded = make_column_transformer(
        (StandardScaler(), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), text),
    )
    return make_pipeline(coded, fitted)


@dataclass(frozen=True)
class Contenders:
    """A model and a background of numbers, of which ``shown`` makes what the model is shown."""

    model: Meter
    background: Any
    shown: Callable[[Any], Any]
    budget: int

    def own(self) -> TabularExplainer:
        return TabularExplainer(self.model, self.shown(self.background), n_threads=1)

    def __call__(self, name: str) -> Callable[[Any], Any]:
        """What gives the values of rows of numbers."""
        budget, background = self.budget, self.background
        if name == "shapley_core":
            own = self.own()
            return lambda rows: own(self.shown(rows), budget=budget).values
        import shap

        def model(X: Any) -> Any:
            return self.model(self.shown(X))

        if name == "shap Kernel":
            kernel = shap.KernelExplainer(model, background)
            # By default it keeps ten features alone.
            return lambda rows: kernel.shap_values(rows, nsamples=budget, l1_reg=0, silent=True)
        masker = shap.maskers.Independent(background, max_samples=len(background))
        permutation = shap.PermutationExplainer(model, masker, seed=0)
        # A multiple of what one permutation takes, there and back.
        each = 2 * background.shape[1] + 1
        return lambda rows: (
            permutation(rows, max_evals=max(budget // each, 1) * each, silent=True).values
        )


def _overheads(
    case: Case, contender: Contenders, rows: Any, peers: list[str], rounds: int
) -> dict[str, Any]:
    model = contender.model
    names = ["shapley_core", COPY, *peers]
    explain = {name: contender(name) for name in names if name != COPY}
    # What takes a second a row gets a few.
    given = {name: rows if name == "shapley_core" else rows[: max(2, len(rows) // 50)]
             for name in names}  # fmt: skip
    each: dict[str, list[float]] = {name: [] for name in names}
    coalition: dict[str, list[float]] = {name: [] for name in names}
    share: dict[str, list[float]] = {name: [] for name in names}
    explain["shapley_core"](rows[: 1 if case.model == "SVM" else 4])
    batch = contender.shown(np.resize(rows, (model.most, rows.shape[1])))
    for name in peers:
        explain[name](rows[:1])
    explain[COPY] = lambda _: _copies(model, batch, 2 if case.model == "SVM" else 20)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            model.seconds, model.rows = 0.0, 0
            cpu, _ = timed(lambda name=name: explain[name](given[name]))
            overhead = max(cpu - model.seconds, 0.0)
            each[name].append(1e6 * overhead / model.rows)
            coalition[name].append(1e6 * overhead / (case.budget * len(given[name])))
            share[name].append(model.seconds / cpu)
    return {
        "title": f"Overhead: {case}, {rows.shape[1]} features",
        "rows": [
            {
                "contender": name,
                "rows": len(given[name]),
                "us_per_model_row": middle(each[name]),
                "us_per_coalition": None if name == COPY else middle(coalition[name]),
                "ratio": paired_ratio(each["shapley_core"], each[name]),
                "ratio_coalition": None
                if name == COPY
                else paired_ratio(coalition["shapley_core"], coalition[name]),
                "model_share": middle(share[name])[0],
                "rounds": rounds,
            }
            for name in names
        ],
    }


def _copies(model: Meter, batch: Any, times: int) -> None:
    if not isinstance(batch, np.ndarray):
        for _ in range(times):
            model(batch.copy())
        return
    table = np.empty_like(batch)
    for _ in range(times):
        np.copyto(table, batch)
        model(table)


def _errors(case: Case, contender: Contenders, rows: Any, peers: list[str]) -> dict[str, Any]:
    n = rows.shape[1]
    exactly = n <= 14
    budget = 1 << n if exactly else 40 * case.budget
    reference, table = contender.own(), contender.shown(rows)
    truth = reference(table, budget=budget, random_state=77)
    size = float(np.sqrt((truth.values**2).mean()))

    def error(values: Any) -> float:
        return float(np.sqrt(((values - truth.values) ** 2).mean()) / size)

    found: list[Any] = []
    compared: list[dict[str, Any]] = []
    for name in peers:
        explain = contender(name)
        explain(rows[:1])
        cpu, _ = timed(lambda explain=explain, kept=found: kept.append(explain(rows)))
        theirs = error(found.pop())
        # So much budget that a call takes as long: found by its own time, twice.
        ours = case.budget
        for _ in range(3):
            # As theirs, a first call is not counted: it makes what depends on the budget alone.
            _own(reference, table[:1], ours)
            seconds, _ = timed(lambda b=ours: found.append(_own(reference, table, b)))
            mine = error(found.pop())
            if 0.9 < seconds / cpu < 1.02 or (exactly and ours >= 1 << n and seconds < cpu):
                break
            ours = min(int(ours * cpu / seconds), 1 << n if exactly else budget)
        compared += [
            {"contender": name, "seconds": cpu, "coalitions": case.budget, "error": theirs},
            {
                "contender": f"shapley_core, as long as {name}",
                "seconds": seconds,
                "coalitions": ours,
                "error": mine,
            },
        ]
    for tolerance in (0.03, 0.003):
        reference(table[:1], tolerance=tolerance)
        seconds, _ = timed(lambda t=tolerance: found.append(reference(table, tolerance=t)))
        near = found.pop()
        compared.append(
            {
                "contender": f"shapley_core, tolerance={tolerance:g}",
                "seconds": seconds,
                "coalitions": float(near.n_evaluations.mean()),
                "error": error(near.values),
            }
        )
    if truth.std_error is not None:
        own_error = float(np.sqrt((truth.std_error**2).mean()) / size)
        compared.append({"contender": "error of truth", "coalitions": budget, "error": own_error})
    return {"title": f"Error at equal time: {case}, {n} features", "rows": compared}


def _own(explainer: Any, rows: Any, budget: int) -> Any:
    return explainer(rows, budget=budget).values
