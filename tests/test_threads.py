"""The pool that runs the kernels: what is not begun when an interruption comes is never done."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shapley_core.threads import go_on, run_blocks


@pytest.mark.parametrize("when", ["amid the hand-out", "amid the work"])
def test_an_interruption_ends_the_work(when, monkeypatch):
    done = []

    def work(block):
        time.sleep(0.002)
        done.append(block)

    def interrupted(*_):
        raise KeyboardInterrupt

    submit, asked = ThreadPoolExecutor.submit, []

    def submit_some(pool, *given):
        asked.append(given)
        return interrupted() if len(asked) == 150 else submit(pool, *given)

    if when == "amid the hand-out":
        monkeypatch.setattr(ThreadPoolExecutor, "submit", submit_some)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run_blocks(work, range(1000), 2, interrupted if when == "amid the work" else None)
    assert len(done) < 100
    assert threading.active_count() == before
    run_blocks(done.append, [-1], 2)
    assert done.count(-1) == 1


def test_blocks_that_ask_end_soon():
    begun = threading.Event()

    def work(block):
        if block == 0:
            begun.wait(10)
            raise ValueError("wrong")
        begun.set()
        for _ in range(10_000):
            time.sleep(0.001)
            go_on()

    start = time.monotonic()
    with pytest.raises(ValueError, match="wrong"):
        run_blocks(work, range(2), 2)
    assert time.monotonic() - start < 5
    go_on()
