"""Large tables and large backgrounds of tree models: seconds and memory, set-up included."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .measure import alternate, middle, paired_ratio, timed
from .peers import CONTENDERS, installed
from .suite_trees import LGB255, MILLION, XGB6, Case, Model, ask, make_data, model_path, train

TEXT = """\
Every call includes making the explainer: reading the model and the background, and filling tables,
of which none is kept from an earlier call. The models are trained on 20,000 rows of 30 features.
One thread where nothing else is said; median (quartiles) of rounds. `/ shapley_core` is CPU time
per row over that of shapley_core, one thread, in the same round; of two threads it is the sum.
Calls of shapley_core include its default check of every row: against the prediction of the model's
own library, in *large backgrounds* against that of the trees in the model's file, whose library is
not loaded.

*New explainers*: the contenders take turns in one process, after a call of each. `difference` is
the largest from shapley_core's values, relative to the largest value. *Many rows* and *large
backgrounds*: each call of shapley_core in a process of its own, in turns, after a call for two rows
(for what is imported). `before` is the most memory that the process held by then, libraries, model
and all rows loaded; `peak` is the most in all, values included. `set-up s` is the part of the CPU
time that making the explainer took, `us per background row` all of it over the rows of the
background."""


@dataclass(frozen=True)
class Size:
    small: Case
    many: Case
    peer_rows: int  # of the many: as many as XGBoost's own contributions explain
    large: list[list[Case]]
    rounds: int


FEW = [Model("xgboost", 5, 4), Model("lightgbm", 5, 63)]
QUICK = Size(
    small=Case(FEW[0], 300, 300),
    many=Case(FEW[0], 0, 2000),
    peer_rows=200,
    large=[[Case(model, background, 50) for background in (500, 2000)] for model in FEW],
    rounds=1,
)
FULL = Size(
    small=Case(XGB6, 20_000, 20_000),
    many=Case(Model("xgboost", 500, 6), 0, MILLION),
    peer_rows=20_000,
    large=[
        [Case(m, background, 1000) for background in (100_000, MILLION)] for m in (XGB6, LGB255)
    ],
    rounds=3,
)


def run(quick: bool, peers: list[str], say: Any) -> dict[str, Any]:
    size = QUICK if quick else FULL
    tables, skipped = [], []
    data, target = make_data(2000 if quick else 20_000)
    models: dict[Model, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "data.npy", make_data(size.many.rows)[0])
        small, many = size.small, size.many
        jobs: list[tuple[str, Model, Callable[[Any], list[dict[str, Any]]]]] = [
            (
                f"New explainers: {small}",
                small.model,
                partial(new_explainers, size, data, peers),
            ),
            (f"Many rows: {many}", many.model, partial(many_rows, size, folder, peers)),
        ]
        for cases in size.large:
            model, rows = cases[0].model, cases[0].rows
            title = f"Large backgrounds: {model}; {rows:,} rows"
            jobs.append((title, model, partial(large_backgrounds, cases, size, folder)))
        for title, model, measure in jobs:
            if installed(model.library) is None:
                skipped.append(f"{title}: {model.library} is not installed")
                continue
            say(f"large: {title}")
            if model not in models:
                models[model] = train(model, data, target)
                models[model].save_model(model_path(folder, model))
            tables.append({"title": title, "rows": measure(models[model])})
    return {"text": TEXT, "tables": tables, "skipped": skipped}


def new_explainers(size: Size, data: Any, peers: list[str], booster: Any) -> list[dict[str, Any]]:
    case = size.small
    background, X = data[: case.background], data[: case.rows]
    names = ["shapley_core", *(name for name in peers if name == "woodelf")]
    found: dict[str, Any] = {}

    def work(name: str) -> Callable[[], None]:
        def call() -> None:
            found[name] = CONTENDERS[name](booster, background)(X)

        return call

    times = alternate({name: work(name) for name in names}, math.inf, size.rounds)
    rows = [timed_row(name, len(X), taken.cpu, taken.wall) for name, taken in times.items()]
    ours = found["shapley_core"]
    for row in rows[1:]:
        gap = np.abs(found[row["contender"]] - ours).max()
        row["difference"] = float(gap / np.abs(ours).max())
    return [compared(row, rows[0], case.model.trees) for row in rows]


def many_rows(size: Size, folder: str, peers: list[str], booster: Any) -> list[dict[str, Any]]:
    case = size.many
    # With the library, whose prediction the values are checked against.
    given = order(folder, case) | {"live": True}
    works = {
        "shapley_core": lambda: ask(given),
        "shapley_core, 2 threads": lambda: ask(given | {"threads": 2}),
    }
    rows = dict.fromkeys(works, case.rows)
    if "xgboost" in peers:
        X = np.load(given["data"], mmap_mode="r")[: size.peer_rows].copy()
        explain = CONTENDERS["xgboost"](booster, None)
        works["xgboost"] = lambda: dict(
            zip(("cpu", "wall"), timed(lambda: explain(X)), strict=True)
        )
        rows["xgboost"] = len(X)
    result: list[dict[str, Any]] = []
    for name, told in in_turns(works, size.rounds).items():
        row = timed_row(name, rows[name], told["cpu"], told["wall"])
        if "peak" in told:
            row |= memory(told)
        if name.endswith("threads"):
            row["speedup"] = paired_ratio(told["wall"], result[0]["wall_seconds"])
        result.append(row)
    return [compared(row, result[0], case.model.trees) for row in result]


def large_backgrounds(
    cases: list[Case], size: Size, folder: str, _booster: Any
) -> list[dict[str, Any]]:
    works = {case: lambda case=case: ask(order(folder, case)) for case in cases}
    return [
        timed_row("shapley_core", case.rows, told["cpu"], told["wall"])
        | memory(told)
        | {
            "background": case.background,
            "setup_seconds": middle(told["setup"])[0],
            "us_per_background_row": [1e6 / case.background * s for s in middle(told["cpu"])],
        }
        for case, told in in_turns(works, size.rounds).items()
    ]


def timed_row(
    name: str, rows: int, cpu: list[float | None], wall: list[float | None]
) -> dict[str, Any]:
    return {
        "contender": name,
        "rows": rows,
        "cpu": middle(cpu),
        "wall": middle(wall),
        "rounds": len(cpu),
        "cpu_seconds": cpu,
        "wall_seconds": wall,
    }


def compared(row: dict[str, Any], base: dict[str, Any], trees: int) -> dict[str, Any]:
    """A row with its time per explained row, and how many times that of the first row it is."""
    scale = base["rows"] / row["rows"]
    return row | {
        "us_per_row_and_tree": [1e6 / row["rows"] / trees * seconds for seconds in row["cpu"]],
        "ratio": paired_ratio(base["cpu_seconds"], row["cpu_seconds"], scale),
    }


def memory(told: dict[str, list[float]]) -> dict[str, float]:
    before, peak = max(told["before"]), max(told["peak"])
    return {"before": before, "peak": peak, "growth": peak - before}


def order(folder: str, case: Case) -> dict[str, Any]:
    """One call by shapley_core in a process of its own."""
    return {
        "what": "once",
        "contender": "shapley_core",
        "model": model_path(folder, case.model),
        "library": case.model.library,
        "data": str(Path(folder) / "data.npy"),
        "rows": case.rows,
        "background": case.background,
        "threads": 1,
    }


def in_turns(works: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, dict[str, list[Any]]]:
    """What each told, round by round: A B C, C B A, ..."""
    told: dict[Any, dict[str, list[Any]]] = {name: {} for name in works}
    for number in range(rounds):
        for name in list(works)[:: -1 if number % 2 else 1]:
            for key, value in works[name]().items():
                told[name].setdefault(key, []).append(value)
    return told
