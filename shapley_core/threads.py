"""Thread counts, and the one way the kernels are run on several threads.

Kernels are single-threaded and release the GIL; a pool that lives for one call runs them over
blocks. Blocks do not depend on the number of threads, so neither do results.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from threading import Event, local
from typing import Any, TypeVar

from .arrays import is_integer
from .errors import InputError

Block = TypeVar("Block")

# Of a thread of a pool: what tells it that its work is not wanted any more.
_OF_THREAD = local()


def available_threads() -> int:
    """Number of cores this process may use (its affinity, not the machine's count)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_threads(n_threads: int | None) -> int:
    """Turn the ``n_threads`` argument of a public function into a count; None means all cores."""
    if n_threads is None:
        return available_threads()
    if not is_integer(n_threads):
        raise InputError(f"n_threads must be a positive integer or None, not {n_threads!r}")
    if int(n_threads) < 1:
        raise InputError(f"n_threads must be at least 1, or None for all cores; got {n_threads}")
    return int(n_threads)


def check_progress(progress: Any, wanted: str = "progress(rows_done, n_rows)") -> None:
    """Raise a TypeError before any work if ``progress`` is neither None nor can be called."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function {wanted}, not {type(progress).__name__}")


def row_blocks(n_rows: int, block: int) -> list[tuple[int, int]]:
    """Split ``range(n_rows)`` into ``(start, stop)`` blocks of at most ``block`` rows."""
    return [(start, min(start + block, n_rows)) for start in range(0, n_rows, block)]


def even_blocks(n_rows: int, most: int, n_threads: int, least: int = 1) -> list[tuple[int, int]]:
    """Split ``range(n_rows)`` into blocks that so many threads can share evenly.

    A block has at most ``most`` rows, and at least ``least`` but for the last.
    """
    n_blocks = n_threads * max(1, -(-n_rows // (n_threads * most)))
    return row_blocks(n_rows, max(least, -(-n_rows // n_blocks)))


def run_blocks(
    work: Callable[[Block], object],
    blocks: Iterable[Block],
    n_threads: int,
    done: Callable[[Block], object] | None = None,
) -> None:
    """Call ``work`` on every block, on up to ``n_threads`` threads, and wait for all of them.

    ``done`` is called from the calling thread as blocks finish, for progress. The first exception
    cancels what has not started and is raised once the running blocks have ended, which those that
    call `go_on` do soon.
    """
    todo = list(blocks)
    if n_threads == 1 or len(todo) <= 1:
        for block in todo:
            work(block)
            if done is not None:
                done(block)
        return
    stop = Event()
    pool = ThreadPoolExecutor(min(n_threads, len(todo)), "shapley_core", _begin, (stop,))
    try:
        # An interruption may come amid this too, long after the first block has begun.
        futures = {pool.submit(work, block): block for block in todo}
        for future in as_completed(futures):
            future.result()
            if done is not None:
                done(futures[future])
    except BaseException:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown()


def _begin(stop: Event) -> None:
    _OF_THREAD.stop = stop


def go_on() -> None:
    """Raise an exception if this block is not wanted any more; to be called between long kernels.

    Python itself interrupts the main thread there.
    """
    stop: Event | None = getattr(_OF_THREAD, "stop", None)
    if stop is not None and stop.is_set():
        raise CancelledError
