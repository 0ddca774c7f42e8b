"""Whether values sum to the prediction, but for the rounding that the library itself made."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import forest
from ..arrays import is_one_of
from ..errors import AdditivityError, InputError, UnsupportedModelError
from ..tables import Table
from ..threads import row_blocks, run_blocks
from ..trees.ensemble import TreeEnsemble
from .model_rows import LiveModel, predict_trees

# Rounding of our own float64 sums, in units of the largest sum of leaves that could be.
OWN_ROUNDING = 1e-11
EPSILON = {name: float(np.finfo(name).eps) for name in ("float32", "float64")}
SMALLEST = float(np.finfo(np.float64).tiny)
# Leaves are summed with weights of up to 2^62, and differences of sums are taken: up to here
# neither leaves float64.
LARGEST = 1e280
LEAVES_AT_ONCE = 1 << 18
# Rows of one task that adds up values.
SUMMED_ROWS = 1 << 13


def check_against(check: Any) -> None:
    """Refuse what the argument ``check`` of an explainer cannot be."""
    if check is not None and not is_one_of(check, ("model", "trees")):
        raise InputError(f"check must be 'model', 'trees' or None, not {check!r}")


def check_sizes(ensemble: TreeEnsemble) -> None:
    """Refuse a model whose sums could overflow, for only some of that would be seen in sums.

    Raises
    ------
    UnsupportedModelError
        If a sum of leaves may be larger than 1e280.
    """
    with np.errstate(over="ignore"):
        largest = float(ensemble.largest_sums.max(initial=0.0))
    if largest > LARGEST:
        raise UnsupportedModelError(
            f"the model's leaves sum to as much as {largest:.2g}; values are exact up to "
            f"{LARGEST:.0e}: train it on a target that is divided by a power of ten"
        )


def summed(
    values: NDArray[np.float64], base: NDArray[np.float64], n_threads: int
) -> NDArray[np.float64]:
    """Add up the values of each row and the base value: (n_rows, n_outputs)."""
    sums = np.empty((len(values), values.shape[2]))

    def work(block: tuple[int, int]) -> None:
        rows = slice(*block)
        np.add.reduce(values[rows], axis=1, out=sums[rows])
        sums[rows] += base

    run_blocks(work, row_blocks(len(values), SUMMED_ROWS), n_threads)
    return sums


def check_sums(
    ensemble: TreeEnsemble,
    model: LiveModel | None,
    table: Table,
    sums: NDArray[np.float64] | None,
    n_threads: int,
) -> None:
    """Compare sums with what the model predicts, or without a model what the trees do.

    Parameters
    ----------
    ensemble : TreeEnsemble
    model : LiveModel or None
    table : Table
    sums : float64 (n_rows, n_outputs), or None
        As `check_additivity` takes them; None where values have no sum that is known: then the
        trees are compared with the model.
    n_threads : int
    """
    if table.n_rows == 0 or (model is None and sums is None):
        return
    predicted = None if model is None else model.predict(ensemble, table, n_threads)
    if sums is None:
        sums = predict_trees(ensemble, table, n_threads)
    elif predicted is None:
        predicted = predict_trees(ensemble, table, n_threads)
    assert predicted is not None
    check_additivity(ensemble, table, sums, predicted, model is not None)


def check_additivity(
    ensemble: TreeEnsemble,
    table: Table,
    sums: NDArray[np.float64],
    predicted: NDArray[np.float64],
    of_library: bool,
) -> None:
    """Compare values that were summed up with predictions.

    Parameters
    ----------
    ensemble : TreeEnsemble
    table : Table
        The rows, to find their leaves where a difference is not obviously rounding.
    sums : float64 (n_rows, n_outputs)
        Base value and values of each row; without base margins, which would hide differences.
    predicted : float64 (n_rows, n_outputs)
    of_library : bool
        Whether the predictions are sums in the library's own type, not in float64.

    Raises
    ------
    AdditivityError
        If a row differs by more than rounding; it names the worst.
    """
    epsilon = EPSILON[ensemble.sum_dtype if of_library else "float64"]
    gap = np.abs(sums - predicted)
    size = np.abs(ensemble.base) + np.abs(predicted)
    few = OWN_ROUNDING * (ensemble.largest_sums + SMALLEST) + 4 * epsilon * size
    quick = few + epsilon / 4 * ensemble.trees_of_outputs * size
    if (gap <= quick).all():
        return
    with np.errstate(invalid="ignore"):
        excess = gap / quick
    # Where large leaves cancel each other, the prediction does not tell how large they were.
    for start, stop in row_blocks(len(gap), ensemble.block_rows):
        doubtful = np.flatnonzero((excess[start:stop] > 1).any(axis=1))
        if not len(doubtful):
            continue
        block = table.block(start, stop)
        step = max(1, LEAVES_AT_ONCE // max(1, ensemble.n_trees))
        for some in np.split(doubtful, range(step, len(doubtful), step)):
            rows = start + some
            allowed = few[rows] + epsilon / 2 * _passed(ensemble, ensemble.columns(block[some]))
            excess[rows] = gap[rows] / allowed
    # What is not finite has no rounding to excuse it.
    excess[~np.isfinite(gap)] = np.inf
    wrong = excess > 1
    if not wrong.any():
        return
    row, output = np.unravel_index(int(np.argmax(excess)), gap.shape)
    raise AdditivityError(
        f"the values of row {row}, output {output}, and the base value sum to "
        f"{float(sums[row, output])!r}, but the model predicts "
        f"{float(predicted[row, output])!r}; {int(wrong.any(axis=1).sum())} of "
        f"{len(gap)} rows differ by more than rounding. The model was changed since it was read, "
        "or not read as its library runs it: then please report it; check=None returns the values "
        "all the same"
    )


def _passed(ensemble: TreeEnsemble, columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the sizes of all numbers that adding tree after tree rounds, (n_rows, n_outputs).

    Rounding moves each of them by at most half an epsilon. The errors may well add up: models are
    fitted to their own rounded predictions.
    """
    nodes = np.empty((columns.shape[1], ensemble.n_trees), np.int64)
    forest.apply(ensemble.kernel, columns, nodes)
    nodes += ensemble.tree_offsets[:-1]
    passed = np.zeros((len(nodes), ensemble.n_outputs))
    for output in range(ensemble.n_outputs):
        part = output - ensemble.tree_outputs
        adds = (part >= 0) & (part < ensemble.values.shape[1])
        leaves = ensemble.values[nodes[:, adds], part[adds]]
        partial = np.abs(np.cumsum(leaves, axis=1)) + np.abs(leaves) + np.abs(ensemble.base[output])
        passed[:, output] = partial.sum(axis=1)
    return passed
