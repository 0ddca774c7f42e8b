"""What tests of long runs compare, and how a run is stopped."""

import numpy as np

ABOUT = ("index", "order", "n_features", "feature_names", "output_names", "interactions")
ABOUT += ("groups", "absent_is_zero")
LOCK = "_lock"
NAMES = ("age", "hours worked", "x", "y")


def same(explanation, wanted):
    __tracebackhide__ = True
    np.testing.assert_array_equal(explanation.values, wanted.values)
    np.testing.assert_array_equal(explanation.base_values, wanted.base_values)
    for name in ("std_error", "n_evaluations"):
        got, held = getattr(explanation, name), getattr(wanted, name)
        assert (got is None) == (held is None)
        np.testing.assert_array_equal(got, held)
    for name in ABOUT:
        assert getattr(explanation, name) == getattr(wanted, name)


def part_files(directory):
    return sorted(path.name for path in directory.glob("part-*"))


class StoppedError(Exception):
    pass


def stop_after(rows_done):
    def progress(done, n_rows):
        if done >= rows_done:
            raise StoppedError

    return progress


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def written(path):
    """When a file was written; not when it was read."""
    told = path.stat()
    return told.st_ino, told.st_size, told.st_mtime_ns
