"""What is kept of a run: the machine, the versions, the numbers; as JSON and as Markdown."""

import datetime
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from shapley_core import __version__
from shapley_core.memory import human_bytes, physical_memory
from shapley_core.threads import available_threads

from .curves import plot
from .peers import PEERS, installed


def environment() -> dict[str, Any]:
    """The machine, without its name, and what runs on it."""
    versions = {"shapley_core": __version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "pandas"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    versions |= {name: found for name in PEERS if (found := installed(name)) is not None}
    memory = physical_memory()
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu_model(),
        "cores": available_threads(),
        "memory": None if memory is None else human_bytes(memory),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if sys.platform == "linux" and info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def write(result: dict[str, Any], out: Path, pages: Path) -> list[Path]:
    """Write everything to ``bench-SUITE.json``, and what there is to read to ``bench-SUITE.md``."""
    out.mkdir(parents=True, exist_ok=True)
    pages.mkdir(parents=True, exist_ok=True)
    written = [out / f"bench-{result['suite']}.json"]
    if "plot" in result:
        picture = out / result["plot"]
        if plot(result["cells"], picture):
            # As the page, which may lie elsewhere, links to it.
            result["plot"] = os.path.relpath(picture, pages).replace(os.sep, "/")
            written.append(picture)
        else:
            del result["plot"]
            result["skipped"].append("the plot: matplotlib is not installed")
    # Of many cells, one line; the rest is to be read.
    indent = None if "cells" in result else 1
    written[0].write_text(json.dumps(result, indent=indent) + "\n")
    text = pages / f"bench-{result['suite']}.md"
    text.write_text(page(result))
    return [*written, text]


def page(result: dict[str, Any]) -> str:
    env = result["environment"]
    versions = ", ".join(f"{package} {number}" for package, number in env["versions"].items())
    load = "" if env["load"] is None else f", load {env['load']:.1f} at the start"
    parts = [
        f"# Bench: {result['suite']}",
        f"{env['date']}, {'quick' if result['quick'] else 'full'} mode, {result['seconds']:.0f} s: "
        f"`{result['command']}`. "
        f"{env['cpu']}, {env['cores']} cores, {env['memory']}, {env['system']}{load}.\n\n"
        f"{versions}.",
        result["text"],
        result.get("overview")
        or f"## Overview: time over that of shapley_core, medians\n\n{_overview(result['tables'])}",
    ]
    if "plot" in result:
        parts.append(f"![{result['suite']}]({result['plot']})")
    for table in result["tables"]:
        parts.append(f"## {table['title']}\n\n{markdown(table['rows'])}")
    if result["skipped"]:
        parts.append("## Left out\n\n" + "\n".join(f"- {line}" for line in result["skipped"]))
    return "\n\n".join(parts) + "\n"


UNITS = {
    "us_per_row_and_tree": "us per row and tree",
    "milliseconds": "ms",
    "us_per_model_row": "overhead, us per model row",
}
BUDGETS = ("5n", "10n", "25n", "50n", "100n", "half")
# Column of the Markdown table, key of the row, how it is shown.
COLUMNS = [
    ("", "contender", str),
    ("background", "background", "{:,}".format),
    ("rows", "rows", "{:,}".format),
    ("CPU s", "cpu", lambda value: _spread(value)),
    ("wall s", "wall", lambda value: _spread(value)),
    *((unit, key, lambda value: _spread(value)) for key, unit in UNITS.items()),
    ("us per background row", "us_per_background_row", lambda value: _spread(value)),
    ("us per coalition", "us_per_coalition", lambda value: _spread(value)),
    ("/ shapley_core", "ratio", lambda value: _spread(value)),
    ("a coalition", "ratio_coalition", lambda value: _spread(value)),
    ("/ predict", "ratio_predict", lambda value: _number(value[0])),
    ("wall / CPU", "wall_per_cpu", "{:.2f}".format),
    ("model's share", "model_share", "{:.0%}".format),
    ("coalitions", "coalitions", "{:,}".format),
    ("CPU s", "seconds", lambda value: _number(value)),
    ("error", "error", "{:.1e}".format),
    ("rounds", "rounds", str),
    ("set-up s", "setup_seconds", "{:.3f}".format),
    ("difference", "difference", "{:.0e}".format),
    ("wall s, 1 thread", "one_thread", lambda value: _spread(value)),
    ("wall s, all cores", "all_threads", lambda value: _spread(value)),
    ("times as fast", "speedup", lambda value: _spread(value)),
    ("before MiB", "before", lambda value: f"{value / 2**20:.0f}"),
    ("peak MiB", "peak", lambda value: f"{value / 2**20:.0f}"),
    *((label, label, lambda value: _number(value)) for label in BUDGETS),
    ("covered", "covered", "{:.3f}".format),
    ("grew by MiB", "growth", lambda value: f"{value / 2**20:.0f}"),
]


def _overview(tables: list[dict[str, Any]]) -> str:
    """One line a case: our own time, then how many times as long each of the others takes."""
    timed = [table for table in tables if all("ratio" in row for row in table["rows"])]
    if not timed:
        return "Nothing was compared."
    others = list(dict.fromkeys(row["contender"] for table in timed for row in table["rows"]))
    others.remove("shapley_core")
    unit = next(key for key in UNITS if key in timed[0]["rows"][0])
    lines = [f"| | shapley_core, {UNITS[unit]} | " + " | ".join(others) + " |"]
    lines.append("|" + "---|" * (2 + len(others)))
    for table in timed:
        found = {row["contender"]: row for row in table["rows"]}
        cells = [table["title"], _number(found["shapley_core"][unit][0])]
        cells += [_number(found[name]["ratio"][0]) if name in found else "-" for name in others]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown(rows: list[dict[str, Any]]) -> str:
    shown = [column for column in COLUMNS if any(row.get(column[1]) is not None for row in rows)]
    lines = ["| " + " | ".join(head for head, _, _ in shown) + " |"]
    lines.append("|" + "---|" * len(shown))
    for row in rows:
        cells = ["-" if row.get(key) is None else show(row[key]) for _, key, show in shown]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _spread(value: list[float]) -> str:
    """Median (lower to upper quartile)."""
    middle, low, high = (_number(part) for part in value)
    return middle if low == high else f"{middle} ({low}-{high})"
