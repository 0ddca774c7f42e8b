"""``python -m bench.instructions``: instructions, loads and stores of a row and tree, and cycles.

The same warm call is run under valgrind's cachegrind with two numbers of rows, and natively; the
difference between the two is that of the rows alone, whatever Python and the set-up take. Valgrind
counts what the machine's own kernels execute: with AVX2 where it has it, as the loader picks them;
a vector's load is one load.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .child import ONE_THREAD

for _name in ONE_THREAD:
    os.environ[_name] = "1"

CASES = {
    "path-dependent": (0, 1),
    "background of 1,000": (1000, 1),
    "path-dependent, SII of order 2": (0, 2),
}
ROWS = (4096, 12288)
WARM = 4096
ROUNDS = 7
EVENTS = ("Ir", "Dr", "Dw", "D1mr", "D1mw", "DLmr")
HEADER = (
    "case",
    "instructions",
    "loads",
    "stores",
    "first-level misses, loads",
    "stores",
    "ns",
    "cycles",
    "instructions a cycle",
    "loads a cycle",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        explain(options.folder, options.case, options.rows)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trees = prepare(folder)
        print(f"{processor()}; per row and tree, {trees} trees")
        print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
        for case in CASES:
            counts = [count(folder, case, rows) for rows in ROWS]
            seconds = [native(folder, case, rows) for rows in ROWS]
            per = (ROWS[1] - ROWS[0]) * trees
            found = {name: (counts[1][name] - counts[0][name]) / per for name in EVENTS}
            ns = (seconds[1] - seconds[0]) / per * 1e9
            cycles = ns * clock()
            numbers = [found[name] for name in ("Ir", "Dr", "Dw", "D1mr", "D1mw")]
            numbers += [ns, cycles, found["Ir"] / cycles, found["Dr"] / cycles]
            print(f"| {case} | {' | '.join(f'{number:.3g}' for number in numbers)} |", flush=True)


def prepare(folder: Path) -> int:
    """Write the model and the rows of the suite of trees; the number of trees."""
    import numpy as np

    from .suite_trees import XGB6, make_data, train

    data, target = make_data(20_000)
    train(XGB6, data, target).save_model(str(folder / "model.json"))
    np.save(folder / "data.npy", data)
    return XGB6.trees


def caller(folder: Path, case: str) -> Any:
    """A function that explains so many rows, with all tables built."""
    import numpy as np

    from shapley_core import TreeExplainer

    background, order = CASES[case]
    data = np.load(folder / "data.npy")
    explainer = TreeExplainer(
        str(folder / "model.json"), data[:background] if background else None, n_threads=1
    )
    options: dict[str, Any] = {"n_threads": 1, "check": None}
    if order > 1:
        options |= {"index": "SII", "order": order}

    def call(rows: int) -> None:
        explainer(data[-rows:], **options)

    call(WARM)
    return call


def explain(folder: Path, case: str, rows: int) -> None:
    call = caller(folder, case)
    call(rows)


def count(folder: Path, case: str, rows: int) -> dict[str, int]:
    """The events of one process that explains so many rows."""
    out = folder / "cachegrind.out"
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", f"--cachegrind-out-file={out}"]
    command += [sys.executable, "-m", "bench.instructions", "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--case", case, "--rows", str(rows)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    lines = out.read_text().splitlines()
    names = next(line for line in lines if line.startswith("events:")).split()[1:]
    sums = next(line for line in lines if line.startswith("summary:")).split()[1:]
    return dict(zip(names, map(int, sums), strict=True))


def native(folder: Path, case: str, rows: int) -> float:
    """CPU seconds of the same call, the shortest of some."""
    call = caller(folder, case)
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        call(rows)
        seconds.append(time.process_time() - start)
    return min(seconds)


def processor() -> str:
    names = _cpu("model name")
    return f"{names[0] if names else 'processor'}, {clock():.2f} GHz"


def clock() -> float:
    """Cycles a nanosecond, as the system says."""
    found = _cpu("cpu MHz")
    return float(found[0]) / 1000 if found else float("nan")


def _cpu(name: str) -> list[str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split(":", 1)[1].strip() for line in lines if line.startswith(name)]


if __name__ == "__main__":
    main()
