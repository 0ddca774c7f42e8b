"""Shapley values of tree models: microseconds per row and tree, beside the peers."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .measure import affordable, alternate, middle, paired_ratio, timed
from .peers import CONTENDERS, PAIRS, Explain

N_FEATURES = 30
TEXT = """\
CPU time of one thread, the contenders taking turns in one process: median (quartiles) of rounds.
`/ shapley_core` is time per row over that of the warm explainer in the same round, `/ predict` over
that of the model's own raw prediction. `cold` includes reading the model and the background in each
call; `set-up` is what every other contender spent on that once, beforehand. `difference` is the
largest from shapley_core's values, relative to the largest value. Calls of shapley_core include its
default check against the model's own prediction. Another contender with fewer rows is too slow for
all of them within the time of a case."""


@dataclass(frozen=True)
class Model:
    library: str
    trees: int
    size: int  # depth for XGBoost, leaves for LightGBM

    def __str__(self) -> str:
        if self.library == "xgboost":
            return f"XGBoost, {self.trees} trees of depth {self.size}"
        return f"LightGBM, {self.trees} trees of {self.size} leaves"


@dataclass(frozen=True)
class Case:
    model: Model
    background: int
    rows: int
    order: int = 1

    def __str__(self) -> str:
        mode = f"background of {self.background:,}" if self.background else "path-dependent"
        what = "" if self.order == 1 else f"; SII of order {self.order}"
        return f"{self.model}; {mode}; {self.rows:,} rows{what}"


XGB6, XGB8 = Model("xgboost", 100, 6), Model("xgboost", 100, 8)
XGB10, XGB12 = Model("xgboost", 20, 10), Model("xgboost", 10, 12)
XGB500, XGB16 = Model("xgboost", 500, 8), Model("xgboost", 5, 16)
XGB20 = Model("xgboost", 5, 20)
MILLION = 1_000_000
LGB31, LGB255 = Model("lightgbm", 100, 31), Model("lightgbm", 20, 255)
LGB1000 = Model("lightgbm", 20, 1000)
SMALL = [Model("xgboost", 10, 6), Model("lightgbm", 10, 31)]
QUICK = [Case(m, b, r) for m in SMALL for b, r in ((0, 1), (0, 200), (100, 100))]
QUICK += [Case(SMALL[0], 0, 200, order=2)]
FULL = [
    *(Case(m, 0, r) for m in (XGB6, LGB31) for r in (1, 100, 1000, 20_000)),
    *(Case(m, 0, 1000) for m in (XGB8, XGB10, XGB12, XGB16, XGB20, LGB255)),
    *(Case(m, 0, 20_000) for m in (XGB500, LGB255)),
    Case(XGB6, 0, MILLION),
    *(Case(XGB6, 1000, r) for r in (1, 100, 1000, 20_000)),
    *(Case(m, b, 1000) for m in (XGB6, LGB31) for b in (100, 20_000)),
    *(Case(m, 20_000, 20_000) for m in (XGB6, LGB31)),
    *(Case(m, b, 1000) for m in (XGB8, XGB10, XGB12, LGB255) for b in (100, 1000, 20_000)),
    *(Case(LGB1000, b, 20_000) for b in (0, 100, 1000, 20_000)),
    *(Case(m, b, r) for m in (XGB16, XGB20) for b in (100, 1000) for r in (1, 100, 1000)),
    *(Case(XGB16, b, 20_000) for b in (0, 100, 1000)),
    Case(XGB20, 20_000, 100),
    *(Case(XGB6, b, r, order=2) for b in (0, 1000) for r in (1, 1000, 20_000)),
]


@dataclass(frozen=True)
class Size:
    """How much is measured: seconds a case, rows of the data, rows for threads and memory."""

    cases: list[Case]
    seconds: float
    data: int
    rows: int


def run(quick: bool, peers: list[str], say: Any) -> dict[str, Any]:
    size = Size(QUICK, 0.4, 2000, 200) if quick else Size(FULL, 3.0, 20_000, 20_000)
    tables, skipped = [], []
    data, target = make_data(size.data)
    with tempfile.TemporaryDirectory() as folder:
        models: dict[Model, Any] = {}
        for case in size.cases:
            library = case.model.library
            if library not in peers:
                skipped.append(f"{case}: {library} is not among the peers")
                continue
            if case.model not in models:
                models[case.model] = train(case.model, data, target)
                models[case.model].save_model(model_path(folder, case.model))
            say(f"trees: {case}")
            rows = measure_case(case, models[case.model], data, peers, size.seconds, skipped)
            tables.append({"title": str(case), "rows": rows})
        np.save(Path(folder) / "data.npy", data)
        for model in models:
            if model in (XGB6, SMALL[0]):
                say(f"trees: threads and memory, {model}")
                tables += other_tables(folder, model, size, peers, quick)
    return {"text": TEXT, "tables": tables, "skipped": skipped}


def make_data(rows: int) -> tuple[Any, Any]:
    """Numbers that are the same in float32, so that every library sees the same splits."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, N_FEATURES)).astype(np.float32).astype(np.float64)
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3:10] @ np.linspace(1, 0.2, 7)
    y += np.where(X[:, 10] > 0, X[:, 11], X[:, 12] ** 2) + 0.3 * rng.standard_normal(rows)
    return X, y


def train(model: Model, X: Any, y: Any) -> Any:
    if model.library == "xgboost":
        import xgboost

        settings = {"max_depth": model.size, "eta": 0.1, "tree_method": "hist", "nthread": 1}
        return xgboost.train(settings, xgboost.DMatrix(X, y, nthread=1), model.trees)
    import lightgbm

    settings = {"num_leaves": model.size, "learning_rate": 0.1, "num_threads": 1, "verbose": -1}
    if model.size > 500:
        # Of its default, 20 rows to a leaf, the data do not have enough.
        settings["min_data_in_leaf"] = 10
    names = [f"f{i}" for i in range(N_FEATURES)]
    return lightgbm.train(settings, lightgbm.Dataset(X, y, feature_name=names), model.trees)


def model_path(folder: str, model: Model) -> str:
    ending = "json" if model.library == "xgboost" else "txt"
    return str(Path(folder) / f"{model.library}-{model.trees}-{model.size}.{ending}")


def contenders(case: Case, peers: list[str], skipped: list[str]) -> list[str]:
    """Who can take part in a case; who cannot is named in ``skipped``."""
    names = ["shapley_core", "shapley_core, cold", "predict"]
    if case.order > 1:
        has_pairs = case.model.library == "xgboost" and not case.background
        return names + ["xgboost"] * has_pairs
    if not case.background:
        names.append(case.model.library)
    for name in ("shap", "shapiq"):
        if name in peers and case.background <= 1000:
            names.append(name)
        elif name in peers:
            line = f"backgrounds over 1,000: {name}, whose time is proportional to the background"
            skipped += [line] if line not in skipped else []
    # Its time hardly depends on the rows below a few thousand.
    if "woodelf" in peers and case.rows >= 100:
        # Its memory and time double with each player of a path.
        if case.model.library == "xgboost" and case.model.size > 16:
            skipped.append(f"{case}: woodelf, for which the paths are too long")
        else:
            names.append("woodelf")
    return names


def measure_case(
    case: Case, booster: Any, data: Any, peers: list[str], seconds: float, skipped: list[str]
) -> list[dict[str, Any]]:
    X = make_data(case.rows)[0] if case.rows > len(data) else data[: case.rows]
    background = data[: case.background] if case.background else None
    names = contenders(case, peers, skipped)
    known = CONTENDERS if case.order == 1 else PAIRS
    explain: dict[str, Explain] = {}
    setup: dict[str, float] = {}
    rows: dict[str, int] = {}
    for name in names:

        def prepare(name: str = name) -> None:
            explain[name] = known[name](booster, background)

        if name == "woodelf":
            one_tree = CONTENDERS[name](booster, background, trees=1)
            one_tree(X[:1])
            expected = timed(lambda call=one_tree: call(X))[0] * case.model.trees
            if expected > 2 * seconds:
                skipped.append(f"{case}: woodelf, about {expected:.0f} s a call")
                continue
            rows[name] = case.rows
        setup[name] = timed(prepare)[0]
        if name.endswith("cold"):
            rows[name] = rows["shapley_core"]
        elif name != "woodelf":
            # Ours and the prediction get the rows asked for; the others, whose time is proportional
            # to the rows, as many as leave time for several rounds.
            if name in ("shapley_core", "predict"):
                rows[name] = case.rows
                # The first call pays for tables, the second for those of single rows.
                for _ in range(2):
                    explain[name](X)
            else:
                rows[name] = affordable(explain[name], X, seconds / len(names) / 3)
    found: dict[str, Any] = {}

    def work(name: str) -> Any:
        def call() -> None:
            found[name] = explain[name](X[: rows[name]])

        return call

    times = alternate({name: work(name) for name in explain}, seconds)
    ours = found["shapley_core"]
    base, native = times["shapley_core"], times["predict"]
    result = []
    for name, taken in times.items():
        each = 1e6 / rows[name] / case.model.trees
        difference = None
        if name not in ("predict", "shapley_core"):
            shared = min(rows[name], rows["shapley_core"])
            theirs = dense(found[name], shared).reshape(shared, -1)
            mine = dense(ours, shared).reshape(shared, -1)
            difference = float(np.abs(theirs - mine).max() / np.abs(mine).max())
        cpu, wall = middle(taken.cpu), middle(taken.wall)
        result.append(
            {
                "contender": name,
                "rows": rows[name],
                "us_per_row_and_tree": [value * each for value in cpu],
                "wall_us_per_row_and_tree": [value * each for value in wall],
                "ratio": paired_ratio(base.cpu, taken.cpu, rows["shapley_core"] / rows[name]),
                "ratio_predict": paired_ratio(native.cpu, taken.cpu, rows["predict"] / rows[name]),
                "wall_per_cpu": wall[0] / cpu[0],
                "rounds": sum(sample is not None for sample in taken.cpu),
                "setup_seconds": None if name.endswith("cold") else setup[name],
                "difference": difference,
                "cpu_seconds": taken.cpu,
                "wall_seconds": taken.wall,
            }
        )
    return result


def dense(found: Any, rows: int) -> Any:
    """Values of the first rows: by feature, or by pair as a matrix."""
    return found[:rows].to_array(2) if hasattr(found, "to_array") else np.asarray(found)[:rows]


def other_tables(
    folder: str, model: Model, size: Size, peers: list[str], quick: bool
) -> list[dict[str, Any]]:
    """Threads and peak memory, each contender in a process of its own."""
    tables = []
    for background in (0,) if quick else (0, size.data):
        mode = str(Case(model, background, size.rows)).rpartition(";")[0]
        peer = [] if quick or background else [model.library]
        fast = [] if quick or "woodelf" not in peers else ["woodelf"]
        order = {
            "model": model_path(folder, model),
            "library": model.library,
            "data": str(Path(folder) / "data.npy"),
            "rows": size.rows,
            "background": background,
            "seconds": size.seconds,
        }
        for what, title, names in (
            ("threads", "Threads", ["shapley_core", *peer]),
            ("memory", "Peak memory", ["shapley_core", *peer, *fast]),
        ):
            if what == "threads":
                order["seconds"] = 3 * size.seconds
                cases = [(name, min(size.rows, 5000)) for name in names]
                if not quick:
                    cases += [(names[0], rows) for rows in (20_000, 100_000)]
            else:
                cases = [(name, size.rows) for name in names]
            rows = [ask({**order, "rows": n, "what": what, "contender": c}) for c, n in cases]
            tables.append({"title": f"{title}: {mode}", "rows": rows})
    return tables


def ask(order: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.child", json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{order}: {done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
