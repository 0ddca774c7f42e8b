"""What the cells of the estimators' suite come to: ratios by budget, by game, and the plot."""

import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FLOOR = 1e-9
Cells = list[dict[str, Any]]


def error_of(cell: dict[str, Any]) -> float:
    """Root mean square of a cell's errors over the seeds."""
    return max(FLOOR, math.sqrt(statistics.fmean(e * e for e in cell["errors"])))


def label_of(cell: dict[str, Any]) -> str:
    """The column of a budget: evaluations for each player, or half of all coalitions."""
    n, budget = cell["players"], cell["budget"]
    if n < 62 and 2 * budget == 1 << n:
        return "half"
    return f"{budget // n}n"


def best_peer(cells: Cells, peers: dict[str, Any]) -> dict[tuple[str, int, str], float]:
    """The error of the best of the peers in each cell."""
    best: dict[tuple[str, int, str], float] = {}
    for cell in cells:
        if cell["contender"].removeprefix("shapiq ") not in peers[cell["index"]]:
            continue
        if not cell["contender"].startswith("shapiq "):
            continue
        key = cell["game"], cell["budget"], cell["index"]
        best[key] = min(error_of(cell), best.get(key, math.inf))
    return best


def _geometric(values: Iterable[float]) -> float:
    return math.exp(statistics.fmean(math.log(value) for value in values))


def _order(labels: Iterable[str]) -> list[str]:
    return sorted(set(labels), key=lambda label: (label == "half", int(label.rstrip("nhalf") or 0)))


def _by_contender(cells: Cells) -> dict[str, Cells]:
    found: dict[str, Cells] = {}
    for cell in cells:
        found.setdefault(cell["contender"], []).append(cell)
    return found


def overview(cells: Cells, peers: dict[str, Any]) -> str:
    """Markdown: what auto's error is beside the best of the peers, for each index and budget."""
    best = best_peer(cells, peers)
    lines = ["## Overview: error of `auto` over that of the best of shapiq\n"]
    lines.append("| games | index | budget | cells | ratio | squared | auto better | covered |")
    lines.append("|---|---|---|---|---|---|---|---|")
    for kind, is_kind in (
        ("stored", lambda cell: cell["players"] <= 16),
        ("synthetic", lambda cell: cell["players"] > 16),
    ):
        for index in peers:
            mine = [
                cell
                for cell in cells
                if cell["contender"] == "auto" and cell["index"] == index and is_kind(cell)
            ]
            for label in [*_order(map(label_of, mine)), "all"]:
                some = [cell for cell in mine if label in (label_of(cell), "all")]
                lines.append(_line(kind, index, label, some, best))
    return "\n".join(line for line in lines if line)


def _line(kind: str, index: str, label: str, some: Cells, best: dict[Any, float]) -> str:
    if not some:
        return ""
    ratios = [
        error_of(cell) / best[key]
        for cell in some
        if (key := (cell["game"], cell["budget"], index)) in best
    ]
    covered = statistics.fmean(share for cell in some for share in cell["covered"])
    if not ratios:
        return f"| {kind} | {index} | {label} | {len(some)} | - | - | - | {covered:.3f} |"
    middle = _geometric(ratios)
    wins = sum(ratio < 1 for ratio in ratios) / len(ratios)
    return (
        f"| {kind} | {index} | {label} | {len(ratios)} | {middle:.3f} | {middle**2:.3f} | "
        f"{wins:.0%} | {covered:.3f} |"
    )


def tables(cells: Cells, peers: dict[str, Any]) -> list[dict[str, Any]]:
    """For each index: every contender's error over that of the best peer, by budget; by game."""
    best = best_peer(cells, peers)
    found = []
    for index in peers:
        here = [cell for cell in cells if cell["index"] == index]
        labels = _order(map(label_of, here))
        rows = []
        for contender, some in _by_contender(here).items():
            row: dict[str, Any] = {"contender": contender}
            for label in labels:
                own = [cell for cell in some if label_of(cell) == label]
                row[label] = _geometric(_relative(own, best)) if own else None
            row["covered"] = _mean(share for cell in some for share in cell.get("covered", []))
            row["seconds"] = statistics.median(s for cell in some for s in cell["cpu_seconds"])
            rows.append(row)
        what = "over the best of shapiq" if best else "relative"
        found.append({"title": f"{index}: error {what}, geometric means", "rows": rows})
        games: dict[str, dict[str, Any]] = {}
        for cell in here:
            if cell["contender"] == "auto":
                row = games.setdefault(cell["game"], {"contender": cell["game"]})
                row[label_of(cell)] = _relative([cell], best)[0]
        found.append({"title": f"{index}: `auto` {what}, by game", "rows": list(games.values())})
    return found


def _relative(cells: Cells, best: dict[Any, float]) -> list[float]:
    return [
        error_of(cell) / best.get((cell["game"], cell["budget"], cell["index"]), 1.0)
        for cell in cells
    ]


def _mean(values: Iterable[float]) -> float | None:
    kept = list(values)
    return statistics.fmean(kept) if kept else None


def plot(cells: Cells, target: Path) -> bool:
    """Median error by budget and the middle 80 % of the games; False without matplotlib."""
    try:
        import matplotlib

        matplotlib.use("svg")
        from matplotlib import pyplot
    except ImportError:
        return False
    stored = [cell for cell in cells if cell["players"] <= 16]
    indices = list(dict.fromkeys(cell["index"] for cell in stored))
    with matplotlib.rc_context({"svg.hashsalt": "estimators", "font.size": 8}):
        figure, axes = pyplot.subplots(1, len(indices), figsize=(11, 4.6), squeeze=False)
        for axis, index in zip(axes[0], indices, strict=True):
            _panel(axis, [cell for cell in stored if cell["index"] == index], index)
        figure.tight_layout()
        figure.savefig(target, metadata={"Date": None})
        pyplot.close(figure)
    return True


def _panel(axis: Any, cells: Cells, index: str) -> None:
    import numpy as np

    for contender, some in _by_contender(cells).items():
        points = {}
        for cell in some:
            if label_of(cell) != "half":
                points.setdefault(cell["budget"] // cell["players"], []).append(error_of(cell))
        at = sorted(points)
        low, middle, high = (
            [float(np.quantile(points[x], level)) for x in at] for level in (0.1, 0.5, 0.9)
        )
        auto, peer = contender == "auto", contender.startswith("shapiq ")
        style = {"linewidth": 2.5 if auto else 1, "linestyle": "--" if peer else "-"}
        if auto:
            style["color"] = "black"
        (line,) = axis.plot(at, middle, label=contender, marker=".", **style)
        axis.fill_between(at, low, high, color=line.get_color(), alpha=0.12 if auto else 0.04)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(bottom=1e-6)
    axis.set_xlabel("evaluations for each player")
    axis.set_ylabel("relative error: median and middle 80 % of the stored games")
    axis.set_title(index)
    axis.legend(fontsize=6)
