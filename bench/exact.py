"""Exact values of a tabulated game: seconds against the number of players, for each index.

``python bench/exact.py --players 12 16 20 24 --indices SV:1 k-SII:2 --repeat 5 --threads 1``

Beside every time, in the same run: a plain numpy Moebius transform of the same table, the time to
read the table once at the speed of memory (a numpy sum of a table too large for the caches), and
shapiq where it is installed and the game is small enough for it.
"""

import argparse
import gc
import time

import numpy as np

from shapley_core.exact import exact
from shapley_core.game import TableGame
from shapley_core.threads import resolve_threads

INDICES = ["SV:1", "BV:1", "SII:2", "k-SII:2", "STII:2", "FSII:2", "FSII:3", "FBII:2", "JointSV:2"]
FULL = ["SII", "CHII", "BII", "Moebius", "JointSV"]
SHAPIQ_MOST = 12


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


def shapiq_seconds(values, n, index, order):
    try:
        import shapiq
    except ImportError:
        return None
    if n > SHAPIQ_MOST:
        return None
    powers = 1 << np.arange(n)

    def game(coalitions):
        return values[np.atleast_2d(coalitions).astype(np.int64) @ powers]

    start = time.perf_counter()
    try:
        shapiq.ExactComputer(game=game, n_players=n)(index=index, order=order)
    except (KeyError, ValueError, NotImplementedError):
        return None
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--players", type=int, nargs="*", default=[12, 16, 20, 24])
    parser.add_argument("--indices", nargs="*", default=INDICES)
    parser.add_argument("--full", type=int, nargs="*", default=[12, 16, 20])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    threads = resolve_threads(options.threads)
    speed = bandwidth()
    print(f"{threads} threads; memory read by one at {speed / 1e9:.1f} GB/s")
    print(f"{'n':>3} {'index':<12} {'seconds':>10} {'/ numpy':>8} {'/ memory':>8} {'shapiq':>10}")

    def line(n, name, order, values, plain):
        game = TableGame(values)
        seconds = best(lambda: exact(game, name, order, n_threads=threads), options.repeat)
        peer = shapiq_seconds(values, n, name, order)
        shown = f"{peer:10.4f}" if peer is not None else f"{'-':>10}"
        print(
            f"{n:>3} {name + ' ' + str(order):<12} {seconds:10.6f} {seconds / plain:8.3f} "
            f"{seconds * speed / values.nbytes:8.1f} {shown}",
            flush=True,
        )

    for n in options.players:
        values = np.random.default_rng(n).standard_normal(1 << n)
        plain = best(lambda v=values, n=n: numpy_moebius(v, n), max(1, options.repeat // 2))
        print(f"{n:>3} {'(numpy)':<12} {plain:10.6f}")
        for asked in options.indices:
            name, _, order = asked.partition(":")
            line(n, name, int(order or 1), values, plain)
        if n in options.full:
            for name in FULL:
                line(n, name, n, values, plain)
        del values
        gc.collect()


if __name__ == "__main__":
    main()
