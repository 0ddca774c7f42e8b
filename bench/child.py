"""One measurement that wants a process of its own: memory, several threads, or a long call."""

import json
import os
import sys
from typing import Any

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def threads(order: dict[str, Any], booster: Any, X: Any, background: Any) -> dict[str, Any]:
    """One thread and all cores in turns, by the clock on the wall."""
    from shapley_core.threads import available_threads

    from .measure import alternate, middle, paired_ratio
    from .peers import CONTENDERS

    cores = available_threads()
    name = order["contender"]

    def explain(count: int) -> Any:
        call = CONTENDERS[name](booster, background, threads=count)

        def work() -> None:
            # XGBoost takes the number from the model.
            if hasattr(booster, "set_param"):
                booster.set_param("nthread", count)
            call(X)

        return work

    times = alternate({"one": explain(1), "all": explain(cores)}, order["seconds"])
    return {
        "contender": f"{name}, {cores} threads",
        "rows": len(X),
        "one_thread": middle(times["one"].wall),
        "all_threads": middle(times["all"].wall),
        "speedup": paired_ratio(times["all"].wall, times["one"].wall),
        "rounds": len(times["one"].wall),
    }


def memory(order: dict[str, Any], booster: Any, X: Any, background: Any) -> dict[str, Any]:
    """Peak of a process that loads the libraries, the model and the rows, and explains."""
    from .measure import peak_memory
    from .peers import CONTENDERS

    # What is imported and compiled by a first small call does not count as the explainer's.
    few = None if background is None else background[:10]
    CONTENDERS[order["contender"]](booster, few)(X[:2])
    before = peak_memory()
    CONTENDERS[order["contender"]](booster, background)(X)
    peak = peak_memory()
    return {
        "contender": order["contender"],
        "rows": len(X),
        "before": before,
        "peak": peak,
        "growth": peak - before,
    }


def once(order: dict[str, Any], booster: Any, X: Any, background: Any) -> dict[str, Any]:
    """One call by an explainer made for it: seconds of both, and the peak of memory."""
    from .measure import peak_memory, timed
    from .peers import CONTENDERS

    def prepare(rows: Any) -> Any:
        return CONTENDERS[order["contender"]](booster, rows, threads=order["threads"])

    prepare(None if background is None else background[:10])(X[:2])
    before = peak_memory()
    made: list[Any] = []
    setup, setup_wall = timed(lambda: made.append(prepare(background)))
    # The values are held while the peak is read, as they are where somebody uses them.
    cpu, wall = timed(lambda: made.append(made[0](X)))
    return {
        "setup": setup,
        "cpu": setup + cpu,
        "wall": setup_wall + wall,
        "before": before,
        "peak": peak_memory(),
    }


def main() -> None:
    order = json.loads(sys.argv[1])
    for name in ONE_THREAD:
        if order["what"] == "threads":
            os.environ.pop(name, None)
        else:
            os.environ[name] = "1"
    import numpy as np

    X = np.load(order["data"])
    background = X[: order["background"]] if order["background"] else None
    if order["contender"] == "shapley_core" and not order.get("live"):
        # It reads the file; without the library, neither its threads nor its memory count.
        booster: Any = order["model"]
    elif order["library"] == "xgboost":
        import xgboost

        booster = xgboost.Booster({"nthread": 1}, model_file=order["model"])
    else:
        import lightgbm

        booster = lightgbm.Booster(model_file=order["model"])
    work = {"threads": threads, "memory": memory, "once": once}[order["what"]]
    # Without a copy where there are enough.
    enough = order["rows"] <= len(X)
    rows = X[: order["rows"]] if enough else np.resize(X, (order["rows"], X.shape[1]))
    print(json.dumps(work(order, booster, rows, background)))


if __name__ == "__main__":
    main()
