"""Which sizes of coalitions normal processes are shown."""

import numpy as np
from numpy.typing import NDArray

from .base import Task
from .laws import root_kernel_law
from .pairs import PairedDesign, paired_design
from .reuse import size_law

# Least weight of a size in the index, relative to that in the Shapley values.
_LEAST_SHARE = 1e-8
# Of the weights of two laws of sizes, so much in common is alike.
_ALIKE = 0.7


def by_index(task: Task) -> PairedDesign:
    """Sizes by the geometric mean of their weights in the index and in the Shapley values.

    What processes say of sizes that were hardly seen is their own; the values hang on those that
    weigh most in the index.
    """
    even, own = _weights(task)
    own = (own + own[::-1]) / own.sum() + _LEAST_SHARE * even / even.sum()
    return paired_design(task, 0.5 * np.log(even * own)[: task.n_players // 2])


def for_any_index(task: Task) -> PairedDesign:
    """Sizes t in proportion to 1 / √(t (n - t)), but by the index where it hangs on few of them.

    So do Moebius coefficients, and beta-Shapley values of small coalitions.
    """
    even, own = _weights(task)
    shared = np.minimum(even / even.sum(), (own + own[::-1]) / (2 * own.sum())).sum()
    if shared < _ALIKE and not np.allclose(own, own[::-1], rtol=1e-9, atol=0.0):
        return by_index(task)
    return paired_design(task, root_kernel_law(task.n_players))


def _weights(task: Task) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of the sizes 1 .. n - 1 in the Shapley values, and in the index."""
    n = task.n_players
    sizes = np.arange(1, n, dtype=np.float64)
    return 1.0 / np.sqrt(sizes * (n - sizes)), size_law(task.spec, n, task.order)
