"""Exact values of a tabulated game: seconds against the number of players, for each index.

``python bench/exact.py --players 12 16 20 24 --indices SV:1 k-SII:2 --repeat 5 --threads 1``

Beside every time, in the same run: a plain numpy Moebius transform of the same table, the time to
read the table once at the speed of memory (a numpy sum of a table too large for the caches), and
shapiq where it is installed and the game is small enough for it. ``--output docs/bench-exact.md
--machine "2-core x86-64, 24 GiB"`` writes the page that is kept.
"""

import argparse
import gc
import platform
import time
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np

from shapley_core import __version__
from shapley_core.exact import exact
from shapley_core.game import TableGame
from shapley_core.threads import resolve_threads

INDICES = ["SV:1", "BV:1", "SII:2", "k-SII:2", "STII:2", "FSII:2", "FSII:3", "FBII:2", "JointSV:2"]
FULL = ["SII", "CHII", "BII", "Moebius", "JointSV"]
SHAPIQ_MOST = 12
# What it raises for an index, or an order of one, that it does not have.
SHAPIQ_REFUSES = (KeyError, ValueError, NotImplementedError)


def best(work, repeat):
    """The shortest of several runs, after one to warm up: others share the machine."""
    work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def numpy_moebius(values, n):
    table = values.copy()
    for bit in range(n):
        cut = table.reshape(-1, 2, 1 << bit)
        cut[:, 1] -= cut[:, 0]
    return table


def bandwidth():
    """Bytes read a second by one thread, from a table of 512 MiB."""
    table = np.ones(1 << 26)
    seconds = best(table.sum, 3)
    return table.nbytes / seconds


def shapiq_values(values, n, index, order):
    import shapiq

    powers = 1 << np.arange(n)

    def game(coalitions):
        return values[np.atleast_2d(coalitions).astype(np.int64) @ powers]

    return shapiq.ExactComputer(game=game, n_players=n)(index=index, order=order)


def shapiq_seconds(values, n, index, order):
    if n > SHAPIQ_MOST:
        return None
    start = time.perf_counter()
    try:
        shapiq_values(values, n, index, order)
    except (ImportError, *SHAPIQ_REFUSES):
        return None
    return time.perf_counter() - start


def versions():
    """Of what took part, as far as it is installed."""
    found = [f"Python {platform.python_version()}", f"shapley_core {__version__}"]
    for name in ("numpy", "shapiq"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


HEAD = """# Exact values: seconds by the number of players

{date}; {machine}; {versions}.
{threads} threads; numpy reads memory at {speed:.1f} GB/s with one. Written by `bench/exact.py`.

*seconds*: `exact` of a table of random worths, shortest of {repeat}. *numpy*: as a share of an
in-place Moebius transform of the same table in plain numpy, in the same run. *memory*: as a
multiple of the time to read the table once at the speed above. *shapiq*: its seconds
(`ExactComputer`, up to n = {most}), and how many times ours that is.

| n | index | order | seconds | numpy | memory | shapiq |
|--:|:--|--:|--:|--:|--:|--:|"""


def measured(options, threads, speed):
    """Rows of the table, one by one."""
    for n in options.players:
        values = np.random.default_rng(n).standard_normal(1 << n)
        game = TableGame(values)
        plain = best(lambda v=values, n=n: numpy_moebius(v, n), max(1, options.repeat // 2))
        yield f"| {n} | (numpy Moebius) | {n} | {plain:.6f} | 1 | {ratio(plain, speed, values)} | |"
        asked = [one.partition(":")[::2] for one in options.indices]
        asked += [(name, n) for name in FULL if n in options.full]
        for name, order in asked:
            order = int(order or 1)
            seconds = best(
                lambda game=game, name=name, order=order: exact(
                    game, name, order, n_threads=threads
                ),
                options.repeat,
            )
            peer = shapiq_seconds(values, n, name, order)
            shown = "" if peer is None else f"{peer:.4f} ({peer / seconds:,.0f} x)"
            yield (
                f"| {n} | {name} | {order} | {seconds:.6f} | {seconds / plain:.3f} "
                f"| {ratio(seconds, speed, values)} | {shown} |"
            )
        del values, game
        gc.collect()


def ratio(seconds, speed, values):
    return f"{seconds * speed / values.nbytes:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--players", type=int, nargs="*", default=[12, 16, 20, 24])
    parser.add_argument("--indices", nargs="*", default=INDICES)
    parser.add_argument("--full", type=int, nargs="*", default=[12, 16, 20])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--output", type=Path, help="a Markdown file to write")
    parser.add_argument("--machine", default=f"{platform.machine()}", help="described in words")
    options = parser.parse_args()
    threads = resolve_threads(options.threads)
    speed = bandwidth()
    lines = [
        HEAD.format(
            date=date.today(),
            machine=options.machine,
            versions=versions(),
            threads=threads,
            speed=speed / 1e9,
            repeat=options.repeat,
            most=SHAPIQ_MOST,
        )
    ]
    print(lines[0])
    for row in measured(options, threads, speed):
        print(row, flush=True)
        lines.append(row)
    if options.output is not None:
        options.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
