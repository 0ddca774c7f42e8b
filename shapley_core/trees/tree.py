"""One tree as a reader describes it, and how trees are joined and checked.

A reader numbers each tree within itself. `join` puts them together, drops nodes that cannot be
reached and checks everything the kernels rely on, so that no file, however damaged, can make them
read out of bounds or run for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import MemoryLimitError, ModelFileError

# Bits of `Tree.flags`; _kernels/forest.pxd holds the same numbers.
DEFAULT_LEFT = 1  # a missing value goes left; otherwise right
ZERO_IS_MISSING = 2  # |x| <= float32(1e-35) is missing too (LightGBM's zero_as_missing)
CATEGORICAL = 4  # the test is membership of `category_sets[node]`
SET_GOES_LEFT = 8  # members go left; otherwise members go right
TRUNCATES = 16  # values in (-1, 0) are category 0 (LightGBM); otherwise no category

LEAF = -1

_COLUMNS = {
    "feature": np.int64,
    "threshold": np.float64,
    "flags": np.uint8,
    "left": np.int64,
    "right": np.int64,
    "values": np.float64,
    "cover": np.float64,
}


@dataclass(frozen=True)
class Tree:
    """One tree as a reader found it; node 0 is the root, children are numbered within the tree.

    Parameters
    ----------
    feature : int array (n_nodes,)
        Feature tested at each node, -1 at leaves.
    threshold : float array (n_nodes,)
        Threshold; what it means at leaves and categorical nodes is nothing.
    left, right : int array (n_nodes,)
        Children; -1 at leaves.
    flags : uint8 array (n_nodes,)
        The flag bits of this module.
    values : float array (n_nodes, width)
        What a leaf adds to outputs ``output .. output + width - 1``; anything at inner nodes.
    cover : float array (n_nodes,) or None
        Training weight that reached each node; None where the model does not say. Negative ones
        are as good as none.
    output : int
        First output this tree adds to.
    category_sets : mapping of node to the int category codes of its set
    """

    feature: ArrayLike
    threshold: ArrayLike
    left: ArrayLike
    right: ArrayLike
    flags: ArrayLike
    values: ArrayLike
    cover: ArrayLike | None = None
    output: int = 0
    category_sets: Mapping[int, ArrayLike] = field(default_factory=dict)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Make an array read-only."""
    array.setflags(write=False)
    return array


def join(trees: Sequence[Tree], n_features: int, n_outputs: int) -> dict[str, Any]:
    """Join trees into the arrays of an ensemble, without the nodes that cannot be reached.

    Raises
    ------
    ModelFileError
        If they are not trees, or hold what cannot be.
    """
    sizes = np.array([np.size(t.feature) for t in trees], np.int64)
    if (sizes == 0).any():
        raise ModelFileError(f"tree {int(np.argmin(sizes))} of the model has no nodes")
    widths = {np.shape(t.values)[1:] for t in trees} or {(1,)}
    if len(widths) != 1 or len(next(iter(widths))) != 1:
        raise ModelFileError("leaves must hold the same number of values in every tree")
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    column: dict[str, NDArray[Any]] = {}
    for name, dtype in _COLUMNS.items():
        given = [getattr(t, name) for t in trees]
        if name == "cover" and any(part is None for part in given):
            continue
        parts = [np.asarray(part) for part in given]
        for number, (part, size) in enumerate(zip(parts, sizes, strict=True)):
            if len(part) != size:
                raise ModelFileError(
                    f"tree {number} of the model has {size} nodes but {len(part)} of {name}"
                )
        # A signalling NaN is refused below, without a warning before.
        with np.errstate(invalid="ignore"):
            column[name] = np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)
    column["values"] = column["values"].reshape(-1, next(iter(widths))[0])
    outputs = np.array([t.output for t in trees], np.int64)

    leaf = column["feature"] == LEAF
    shift = np.repeat(offsets[:-1], sizes)
    _check_nodes(column, outputs, leaf, np.repeat(sizes, sizes), n_features, n_outputs)
    for name in ("left", "right"):
        column[name] = np.where(leaf, LEAF, column[name] + shift)
    sets = _pack_sets(trees, offsets, column)
    reached = _reachable(column["left"], column["right"], leaf, offsets)
    if not reached.all():
        renumbered = np.cumsum(reached) - 1
        offsets = np.concatenate([[0], np.cumsum(np.add.reduceat(reached, offsets[:-1]))])
        column = {name: array[reached] for name, array in column.items()}
        leaf = leaf[reached]
        for name in ("left", "right"):
            column[name] = np.where(leaf, LEAF, renumbered[column[name]])
    column["values"][~leaf] = 0.0
    if "cover" in column:
        if not np.isfinite(column["cover"]).all():
            raise ModelFileError("a cover of the model is not finite")
        if (column["cover"] < 0).any():
            # Sums of negative Hessians or weights: no shares of rows, but the trees are sound.
            del column["cover"]
    joined = {"tree_offsets": offsets, "tree_outputs": outputs, **column, **sets}
    arrays = {name: frozen(np.ascontiguousarray(array)) for name, array in joined.items()}
    return {"cover": None, **arrays}


def _check_nodes(
    column: dict[str, NDArray[Any]],
    outputs: NDArray[np.int64],
    leaf: NDArray[np.bool_],
    size: NDArray[np.int64],
    n_features: int,
    n_outputs: int,
) -> None:
    feature = column["feature"]
    if n_features > np.iinfo(np.int32).max:
        raise MemoryLimitError(f"the model has {n_features} features; at most 2^31 - 1 can be held")
    if ((feature < LEAF) | (feature >= n_features)).any():
        worst = feature[(feature < LEAF) | (feature >= n_features)][0]
        raise ModelFileError(f"the model tests feature {worst}, but it has {n_features} features")
    for name in ("left", "right"):
        child = column[name][~leaf]
        if ((child <= 0) | (child >= size[~leaf])).any():
            raise ModelFileError(f"a {name} child of the model is not a node of its tree")
    width = column["values"].shape[1]
    if ((outputs < 0) | (outputs + width > n_outputs)).any():
        raise ModelFileError(
            f"a tree adds to output {int(outputs.max())}, but the model has {n_outputs} outputs"
        )
    if not np.isfinite(column["values"][leaf]).all():
        raise ModelFileError("a leaf value of the model is not finite")
    numeric = ~leaf & (column["flags"] & CATEGORICAL == 0)
    if np.isnan(column["threshold"][numeric]).any():
        raise ModelFileError("a threshold of the model is NaN")
    column["feature"] = feature.astype(np.int32)


def _pack_sets(
    trees: Sequence[Tree], offsets: NDArray[np.int64], column: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    number = np.full(int(offsets[-1]), -1, np.int64)
    starts, words = [0], []
    for tree, start, stop in zip(trees, offsets[:-1], offsets[1:], strict=True):
        for node, given in tree.category_sets.items():
            codes = np.asarray(given, np.int64)
            if (codes < 0).any() or not 0 <= node < stop - start:
                raise ModelFileError("a category set of the model has a bad node or category")
            packed = np.zeros(int(codes.max(initial=-1)) // 64 + 1, np.uint64)
            np.bitwise_or.at(packed, codes >> 6, np.uint64(1) << (codes & 63).astype(np.uint64))
            number[start + node] = len(starts) - 1
            words.append(packed)
            starts.append(starts[-1] + len(packed))
    inner = column["feature"] != LEAF
    if (inner & (column["flags"] & CATEGORICAL != 0) & (number < 0)).any():
        raise ModelFileError("a categorical node of the model has no category set")
    column["set_number"] = number
    return {
        "set_offsets": np.array(starts, np.int64),
        "set_words": np.concatenate(words) if words else np.empty(0, np.uint64),
    }


def _reachable(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    leaf: NDArray[np.bool_],
    offsets: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Walk all trees level by level; a node met twice means a cycle or a shared child."""
    reached = np.zeros(len(leaf), np.bool_)
    frontier = offsets[:-1]
    total = 0
    while len(frontier):
        reached[frontier] = True
        total += len(frontier)
        if np.count_nonzero(reached) != total:
            raise ModelFileError("a node of the model has two parents or lies in a cycle")
        inner = frontier[~leaf[frontier]]
        frontier = np.concatenate([left[inner], right[inner]])
    return reached
