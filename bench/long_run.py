"""``python -m bench.long_run [--rows N]``: a file explained in parts, killed amid it, resumed.

Prints seconds, the most memory that the process held, and whether the values are, bit for bit,
those of a run that nobody stopped.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

FEATURES = 30
TREES = 100

CHILD = """
import json, sys, time
start = time.perf_counter()
import shapley_core as sc
from bench.measure import peak_memory
model, data, out = sys.argv[1:]
explainer = sc.TreeExplainer(model)
explainer(data, out=out)
print(json.dumps({
    "seconds": time.perf_counter() - start,
    "cpu_seconds": time.process_time(),
    "peak_MiB": peak_memory() >> 20,
}))
"""


def make(folder: Path, n_rows: int) -> None:
    """Write a file of rows and a model trained on some of them."""
    import pyarrow
    import xgboost
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    names = [f"f{number}" for number in range(FEATURES)]
    writer = None
    for start in range(0, n_rows, 1 << 18):
        X = rng.normal(size=(min(1 << 18, n_rows - start), FEATURES))
        if writer is None:
            y = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3:9].sum(axis=1)
            settings = {"max_depth": 6, "nthread": 1}
            booster = xgboost.train(settings, xgboost.DMatrix(X[:20000], y[:20000]), TREES)
            booster.feature_names = names
            booster.save_model(folder / "model.json")
            schema = pyarrow.schema([(name, pyarrow.float64()) for name in names])
            writer = parquet.ParquetWriter(folder / "rows.parquet", schema)
        writer.write_table(pyarrow.Table.from_arrays(list(X.T), schema=schema))
    writer.close()


def child(folder: Path, out: str) -> subprocess.Popen:
    command = [sys.executable, "-c", CHILD, "model.json", "rows.parquet", out]
    root = Path(__file__).parent.parent
    return subprocess.Popen(
        command, cwd=folder, env={"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen) -> dict:
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run failed with status {process.returncode}")
    return json.loads(told)


def same(one: Path, other: Path) -> bool:
    import shapley_core

    parts = zip(
        shapley_core.open_explanation(one), shapley_core.open_explanation(other), strict=True
    )
    return all(
        a.values.tobytes() == b.values.tobytes()
        and a.base_values.tobytes() == b.base_values.tobytes()
        for a, b in parts
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.long_run", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, help="default: a temporary one, removed at the end")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        start = time.perf_counter()
        make(folder, options.rows)
        size = (folder / "rows.parquet").stat().st_size >> 20
        seconds = time.perf_counter() - start
        print(f"made {options.rows} rows x {FEATURES}, {size} MiB, {seconds:.0f} s", flush=True)
        print("uninterrupted:", finish(child(folder, "whole")), flush=True)
        half = len(list((folder / "whole").glob("part-*"))) // 2
        stopped = child(folder, "killed")
        while len(list((folder / "killed").glob("part-*"))) < half:
            time.sleep(0.01)
        stopped.send_signal(signal.SIGKILL)
        stopped.wait()
        kept = len(list((folder / "killed").glob("part-*")))
        print(f"killed after {kept} parts; resumed:", finish(child(folder, "killed")), flush=True)
        print("the same, bit for bit:", same(folder / "whole", folder / "killed"))
        written = sum(path.stat().st_size for path in (folder / "whole").iterdir()) >> 20
        print(f"{written} MiB of values")


if __name__ == "__main__":
    main()
