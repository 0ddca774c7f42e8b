"""Paired, repeated measurement: contenders take turns within one process."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

# A sample that lasts less is made of several calls, or the clock's grain would show.
SHORTEST = 0.005
LEAST_ROUNDS, MOST_ROUNDS = 3, 9


@dataclass
class Times:
    """Seconds of one call, one entry for each round; None where a contender sat out."""

    cpu: list[float | None] = field(default_factory=list)
    wall: list[float | None] = field(default_factory=list)


def timed(work: Callable[[], Any], calls: int = 1) -> tuple[float, float]:
    """CPU seconds (of all threads) and wall seconds of one call, the mean over ``calls``."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(calls):
        work()
    return (time.process_time() - cpu) / calls, (time.perf_counter() - wall) / calls


def alternate(
    works: dict[str, Callable[[], Any]], budget: float, most: int = MOST_ROUNDS
) -> dict[str, Times]:
    """Let the contenders take turns: A B C, C B A, A B C, ... for about ``budget`` CPU seconds.

    All run in the first round. Later, one that has used its share of the budget sits out. The
    first named, which the others are compared with, runs in every round, three at least, ``most``
    at most.
    """
    names = list(works)
    first, share = names[0], budget / len(names)
    times = {name: Times() for name in names}
    spent = dict.fromkeys(names, 0.0)
    calls = dict.fromkeys(names, 0)
    for number in range(most):
        playing = {name for name in names[1:] if number == 0 or spent[name] < share}
        if number >= LEAST_ROUNDS and (spent[first] > budget or not playing):
            break
        for name in names if number % 2 == 0 else reversed(names):
            if name != first and name not in playing:
                times[name].cpu.append(None)
                times[name].wall.append(None)
                continue
            if not calls[name]:
                cpu, wall = timed(works[name])
                spent[name] += cpu
                calls[name] = max(1, int(SHORTEST / max(wall, 1e-7)))
            # What fills its share with the first call needs no warming up, and gets one sample.
            if number or spent[name] < share:
                cpu, wall = timed(works[name], calls[name])
                # A round costs as much as it lasts, however many calls it is made of.
                spent[name] += cpu * calls[name]
            times[name].cpu.append(cpu)
            times[name].wall.append(wall)
    return times


def middle(samples: list[float | None]) -> list[float]:
    """Median, lower and upper quartile."""
    kept = [sample for sample in samples if sample is not None]
    return [float(value) for value in np.quantile(kept, [0.5, 0.25, 0.75])]


def paired_ratio(ours: list[float | None], theirs: list[float | None], factor: float = 1.0) -> Any:
    """Median and quartiles of ``theirs / ours``, round by round."""
    pairs = zip(ours, theirs, strict=True)
    return middle([b / a * factor for a, b in pairs if a is not None and b is not None])


def affordable(explain: Callable[[Any], Any], X: Any, limit: float) -> int:
    """How many of the rows a call of about ``limit`` CPU seconds takes."""
    explain(X[:1])
    rows = 1
    while True:
        seconds, _ = timed(lambda n=rows: explain(X[:n]))
        more = min(10 * rows, len(X))
        if rows == len(X):
            return rows
        if seconds * more / rows > limit:
            return max(rows, int(rows * limit / seconds))
        rows = more


def peak_memory() -> int:
    """Most bytes that this process has held so far.

    On Linux by its status file: the system's ``ru_maxrss`` starts from the parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return _status(status, "VmHWM:")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(path: Path, name: str) -> int:
    lines = path.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
