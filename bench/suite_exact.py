"""Exact values of a tabulated game, for each index: milliseconds a call, beside shapiq.

The longer run, with more players and the speed of memory, is ``python bench/exact.py``.
"""

from typing import Any

import numpy as np

from shapley_core.exact import exact
from shapley_core.game import TableGame

from .exact import INDICES, SHAPIQ_MOST, SHAPIQ_REFUSES, numpy_moebius, shapiq_values
from .measure import alternate, middle, paired_ratio

TEXT = """\
CPU time of one thread, the contenders taking turns in one process: median (quartiles) of rounds;
`/ shapley_core` is the ratio within a round. `numpy Moebius` is a plain transform of the same
table, a measure of the machine, not of the index. `difference` is the largest from shapley_core's
values, relative to the largest."""


def run(quick: bool, peers: list[str], say: Any) -> dict[str, Any]:
    tables, skipped = [], []
    for n in (8,) if quick else (10, 12, 16, 20):
        values = np.random.default_rng(n).standard_normal(1 << n)
        for asked in ("SV:1", "k-SII:2") if quick else INDICES:
            index, _, order = asked.partition(":")
            title = f"{n} players, {index} of order {order}"
            say(f"exact: {title}")
            with_shapiq = "shapiq" in peers and n <= SHAPIQ_MOST
            if "shapiq" in peers and not with_shapiq:
                skipped.append(f"{title}: shapiq, over {SHAPIQ_MOST} players")
            rows = _case(values, index, int(order), with_shapiq, 0.3 if quick else 1.5, skipped)
            tables.append({"title": title, "rows": rows})
    return {"text": TEXT, "tables": tables, "skipped": skipped}


def _case(
    values: Any, index: str, order: int, with_shapiq: bool, seconds: float, skipped: list[str]
) -> list[dict[str, Any]]:
    n = len(values).bit_length() - 1
    game = TableGame(values)
    works: dict[str, Any] = {
        "shapley_core": lambda: exact(game, index, order, n_threads=1),
        "numpy Moebius": lambda: numpy_moebius(values, n),
    }
    if with_shapiq:
        works["shapiq"] = lambda: shapiq_values(values, n, index, order)
        try:
            works["shapiq"]()
        except SHAPIQ_REFUSES as error:
            skipped.append(f"{n} players, {index} of order {order}: shapiq refuses, {error!r}")
            del works["shapiq"]
    times = alternate(works, seconds)
    rows = []
    for name, taken in times.items():
        rows.append(
            {
                "contender": name,
                "milliseconds": [1000 * value for value in middle(taken.cpu)],
                "wall_milliseconds": [1000 * value for value in middle(taken.wall)],
                "ratio": paired_ratio(times["shapley_core"].cpu, taken.cpu),
                "wall_per_cpu": middle(taken.wall)[0] / middle(taken.cpu)[0],
                "rounds": sum(sample is not None for sample in taken.cpu),
                "cpu_seconds": taken.cpu,
                "wall_seconds": taken.wall,
            }
        )
        if name == "shapiq":
            ours, theirs = works["shapley_core"](), works["shapiq"]()
            gaps = [abs(theirs[key] - ours[key]) for key in ours.interactions if len(key) == order]
            rows[-1]["difference"] = float(max(gaps) / np.abs(ours.values).max())
    return rows
