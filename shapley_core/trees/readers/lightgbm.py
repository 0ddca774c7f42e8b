"""Reader of LightGBM models: Booster, scikit-learn wrappers, and the text of ``save_model``.

Everything goes through the text format, which prints thresholds and leaves with the 17 digits
that give a float64 back exactly. How a node decides is taken from the library's documentation and
sources (``include/LightGBM/tree.h``) and held to its predictions by tests.

With ``boosting="rf"`` the library's ``predict`` averages the rounds while its ``raw_score`` and
``pred_contrib`` add them up. What is explained here is the mean, which ``predict`` starts from.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, ModelFileError, UnsupportedModelError
from ..ensemble import TreeEnsemble
from ..tree import CATEGORICAL, DEFAULT_LEFT, LEAF, SET_GOES_LEFT, TRUNCATES, ZERO_IS_MISSING, Tree
from .class_labels import class_labels
from .lightgbm_text import (
    ModelText,
    TreeText,
    categories,
    cut,
    damaged,
    given_names,
    is_dump,
    read_column,
    whole,
)

# The library's zero: dense values this near to zero are 0.0 to it.
ZERO = float(np.float32(1e-35))

# The functions that every reader has


def recognises(model: Any) -> bool:
    """Tell whether a live object is one of this library's models, without importing it."""
    return any(
        base.__module__.partition(".")[0] == "lightgbm"
        and base.__name__ in ("Booster", "LGBMModel")
        for base in type(model).__mro__
    )


def recognises_file(content: bytes) -> bool:
    """Tell whether the bytes of a file look like one of this library's models."""
    return re.match(rb"tree\r?\n", content) is not None or is_dump(content)


def read(model: Any, *, iteration_range: tuple[int, int] | None = None) -> TreeEnsemble:
    """Read a live Booster or scikit-learn wrapper.

    Parameters
    ----------
    model : lightgbm.Booster or LGBMModel
    iteration_range : (int, int), optional
        Boosting rounds to keep; by default up to the best iteration where training stopped
        early, as in the library's own ``predict``, else all.

    Raises
    ------
    UnsupportedModelError
        If a wrapper is not fitted, or the model has linear leaves.
    """
    booster = _booster(model)
    all_rounds = -1 if iteration_range is not None else None
    text = cut(booster.model_to_string(num_iteration=all_rounds).encode(), "the model")
    _AVERAGES[booster] = text.averages
    ensemble = _ensemble(text, "the model", iteration_range)
    classes = class_labels(model)
    if classes is None or len(classes) > max(2, ensemble.n_outputs):
        return ensemble
    named = 1 < ensemble.n_outputs == len(classes)
    return replace(
        ensemble, classes=classes, output_names=tuple(map(str, classes)) if named else None
    )


def read_file(
    content: bytes, name: str, *, iteration_range: tuple[int, int] | None = None
) -> TreeEnsemble:
    """Read the bytes of a saved model; ``name`` is for messages."""
    if is_dump(content):
        raise UnsupportedModelError(
            f"{name} is a LightGBM JSON dump, which rounds what it prints and cannot be loaded "
            "back; use save_model (or model_to_string) instead of dump_model"
        )
    return _ensemble(cut(content, name), name, iteration_range)


def predict_raw(
    model: Any, X: Any, *, iteration_range: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """Ask the live model itself for its raw prediction, (n_rows,) or (n_rows, n_outputs).

    ``X`` is the user's own table or array. Columns of a frame are put in the model's order by
    name. Integer numpy arrays are left as they are: the library rounds those to float32.
    """
    booster = _booster(model)
    per_round = booster.num_model_per_iteration()
    total = booster.num_trees() // per_round
    best = booster.best_iteration
    start, stop = 0, min(best, total) if best > 0 else total
    if iteration_range is not None:
        start, stop = _rounds(iteration_range, total)
    rows = _as_the_library_takes(X, booster)
    if len(rows.shape) != 2 or rows.shape[1] != booster.num_feature():
        raise InputError(
            f"X has shape {tuple(rows.shape)}; the model wants {booster.num_feature()} columns"
        )
    if rows.shape[0] == 0:
        return np.zeros((0, per_round) if per_round > 1 else 0)
    raw: NDArray[np.float64] = np.asarray(
        booster.predict(rows, start_iteration=start, num_iteration=stop - start, raw_score=True),
        np.float64,
    )
    if _averages(booster):
        raw = raw / (stop - start)
    return raw.reshape(rows.shape[0], per_round) if per_round > 1 else raw


def threads_of(model: Any) -> int | None:
    """Threads that the library predicts with; None is its default, all of them."""
    given = getattr(_booster(model), "params", None) or {}
    for name in ("num_threads", "num_thread", "nthread", "nthreads", "n_jobs"):
        if name in given:
            return int(given[name]) if int(given[name] or 0) > 0 else None
    return None


# Live models and tables

# Whether predict() averages the rounds, as each Booster's text said when it was last read. It
# takes longer to ask again than to predict a row, and of a Booster that holds another model since
# then, what is predicted differs from what was read.
_AVERAGES: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def _averages(booster: Any) -> bool:
    if booster not in _AVERAGES:
        # One round is enough.
        content = booster.model_to_string(num_iteration=1).encode()
        _AVERAGES[booster] = cut(content, "the model").averages
    return _AVERAGES[booster]


def _booster(model: Any) -> Any:
    if type(model).__name__ == "Booster" or not hasattr(type(model), "booster_"):
        return model
    try:
        return model.booster_
    except (AttributeError, ValueError) as error:
        raise UnsupportedModelError(
            f"this {type(model).__name__} is not fitted; call fit first"
        ) from error


def _rounds(wanted: tuple[int, int] | None, total: int) -> tuple[int, int]:
    if wanted is None:
        return 0, total
    try:
        start, stop = (operator.index(number) for number in wanted)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"iteration_range is {wanted!r}; wanted two integers (start, stop)"
        ) from error
    if not 0 <= start < stop <= total:
        raise InputError(
            f"iteration_range is ({start}, {stop}); the model has {total} rounds, so wanted "
            f"0 <= start < stop <= {total}"
        )
    return start, stop


def _as_the_library_takes(X: Any, booster: Any) -> Any:
    kind = type(X).__module__.partition(".")[0]
    if kind in ("polars", "pyarrow"):
        try:
            X = X.to_pandas()
        except ImportError:
            return X  # newer versions of the library read these themselves
        kind = "pandas"
    if kind == "pandas":
        return _pandas_frame(X, given_names(booster.feature_name()))
    if kind == "scipy":
        from scipy import sparse

        csr = sparse.csr_matrix(X, dtype=X.dtype if X.dtype == np.float32 else np.float64)
        if not csr.has_canonical_format:
            csr = csr.copy()
            csr.sum_duplicates()
        return csr
    if isinstance(X, np.ma.MaskedArray):
        return np.ma.filled(X.astype(np.float64), np.nan)
    rows = np.asarray(X)
    if rows.dtype.kind == "f" and rows.dtype not in (np.float32, np.float64):
        # The library would round these to float32.
        return rows.astype(np.float64)
    return rows


def _pandas_frame(X: Any, names: tuple[str, ...] | None) -> Any:
    if names is not None:
        # The library stores names with blanks replaced.
        position = {str(column).replace(" ", "_"): i for i, column in enumerate(X.columns)}
        position |= {str(column): i for i, column in enumerate(X.columns)}
        if all(name in position for name in names):
            X = X.iloc[:, [position[name] for name in names]]
    X = X.copy(deep=False)
    for i, column in enumerate(X.columns):
        values = X.iloc[:, i]
        if values.dtype == object or "str" in values.dtype.name:
            is_text = any(isinstance(value, str) for value in values)
            X[column] = values.astype("category" if is_text else np.float64)
    return X


def _ensemble(model: ModelText, name: str, iteration_range: tuple[int, int] | None) -> TreeEnsemble:
    start, stop = _rounds(iteration_range, model.n_rounds)
    trees = model.trees[start * model.per_round : stop * model.per_round]
    if any(tree.get(b"is_linear", b"0") != b"0" for tree in trees):
        raise UnsupportedModelError(
            f"{name} has linear leaves (linear_tree), which are not supported in any mode; "
            "train it without linear_tree"
        )
    n_leaves = np.array(whole((tree.get(b"num_leaves", b"") for tree in trees), name), object)
    if min(n_leaves) < 1 or max(n_leaves) > 2**31:
        raise damaged(name, "a tree has an impossible number of leaves")
    n_leaves = n_leaves.astype(np.int64)
    n_inner = n_leaves - 1

    def read(key: bytes, sizes: NDArray[np.int64], convert: Callable[[bytes], Any] = int) -> Any:
        dtype = np.float64 if convert is float else np.int64
        return read_column(trees, key, sizes, convert, dtype, name)

    threshold = read(b"threshold", n_inner, float)
    leaves = read(b"leaf_value", n_leaves, float)
    feature = read(b"split_feature", n_inner)
    if (feature < 0).any():
        raise damaged(name, "a node tests a negative feature")
    flags = _flags(read(b"decision_type", n_inner), threshold, name)

    # Nodes of a tree: the inner ones in the file's order, then the leaves.
    kinds = np.tile([False, True], len(trees))
    is_leaf = np.repeat(kinds, np.stack([n_inner, n_leaves], 1).ravel())

    def spread(at_inner: NDArray[Any], at_leaves: Any) -> NDArray[Any]:
        column = np.empty(len(is_leaf), at_inner.dtype)
        column[~is_leaf], column[is_leaf] = at_inner, at_leaves
        return column

    columns = {
        "feature": spread(feature, LEAF),
        "threshold": spread(_threshold(threshold), 0.0),
        "left": spread(_children(read(b"left_child", n_inner), n_inner, name), LEAF),
        "right": spread(_children(read(b"right_child", n_inner), n_inner, name), LEAF),
        "flags": spread(flags, 0),
        "values": spread(threshold, leaves / (stop - start) if model.averages else leaves),
    }
    first_inner = np.concatenate([[0], np.cumsum(n_inner)])
    first_node = np.concatenate([[0], np.cumsum(n_inner + n_leaves)])
    described: list[Tree] = []
    for number, tree in enumerate(trees):
        inner = slice(first_inner[number], first_inner[number + 1])
        nodes = slice(first_node[number], first_node[number + 1])
        tested = np.flatnonzero(flags[inner] & CATEGORICAL)
        part = {key: column[nodes] for key, column in columns.items()}
        part["values"] = part["values"][:, None]
        sets = _category_sets(tree, tested, threshold[inner], name)
        described.append(Tree(**part, output=number % model.per_round, category_sets=sets))
    try:
        ensemble = TreeEnsemble.from_trees(
            described,
            n_features=len(model.names),
            n_outputs=model.per_round,
            base=0.0,
            comparison="<=",
            input_dtype="float64",
            integer_dtype="float32",
            sparse_absent="zero",
            feature_names=given_names(model.names),
            **categories(model),
            # So the library does, unless the model was trained on arrays: then it takes the codes.
            categorical_columns="refused",
            library="lightgbm",
            objective=model.objective,
        )
    except ModelFileError as error:
        raise damaged(name, str(error)) from error
    if ensemble.n_nodes != len(is_leaf):
        raise damaged(name, "it has nodes that no row can reach")
    return replace(ensemble, cover=_cover(ensemble, trees, n_leaves, name))


def _flags(
    decision: NDArray[np.int64], threshold: NDArray[np.float64], name: str
) -> NDArray[np.uint8]:
    """Translate ``decision_type``: bit 0 categorical, bit 1 default left, bits 2 and 3 missing."""
    missing = decision >> 2
    if ((decision < 0) | (missing > 2)).any():
        raise damaged(name, "a decision_type is out of range")
    # Without a missing type NaN is compared as 0.0.
    left = np.where(missing == 0, threshold >= 0.0, decision & 2 != 0)
    numeric = left * DEFAULT_LEFT + (missing == 1) * ZERO_IS_MISSING
    # NaN goes right at a categorical node, whatever decision_type says.
    return np.where(decision & 1 != 0, CATEGORICAL | SET_GOES_LEFT | TRUNCATES, numeric).astype(
        np.uint8
    )


def _threshold(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move thresholds next to zero so that the library's rounding of tiny values is in them.

    It compares every x with ``|x| <= ZERO`` as 0.0, so all of these go the same way.
    """
    all_right = (threshold >= -ZERO) & (threshold < 0.0)
    all_left = (threshold >= 0.0) & (threshold < ZERO)
    moved = np.where(all_right, np.nextafter(-ZERO, -np.inf), threshold)
    return np.where(all_left, ZERO, moved)


def _children(
    children: NDArray[np.int64], n_inner: NDArray[np.int64], name: str
) -> NDArray[np.int64]:
    """Number children within the tree; in the file a leaf is written as ``~leaf``."""
    inner = np.repeat(n_inner, n_inner)
    if ((children >= inner) | (children < ~inner)).any():
        raise damaged(name, "a child is not a node of its tree")
    return np.where(children >= 0, children, inner + ~children)


def _category_sets(
    tree: TreeText, nodes: NDArray[np.int64], which: NDArray[np.float64], name: str
) -> dict[int, NDArray[np.int64]]:
    if not len(nodes):
        return {}
    bounds = whole(tree.get(b"cat_boundaries", b"").split(), name)
    words = whole(tree.get(b"cat_threshold", b"").split(), name)
    n_sets = len(bounds) - 1
    if (
        whole([tree.get(b"num_cat", b"")], name) != [n_sets]
        or bounds != sorted(bounds)
        or bounds[:1] != [0]
        or bounds[-1] != len(words)
        or not all(0 <= word < 2**32 for word in words)
    ):
        raise damaged(name, "cat_boundaries and cat_threshold do not fit together")
    bits = np.unpackbits(np.array(words, "<u4").view(np.uint8), bitorder="little")
    sets = {}
    for node in nodes.tolist():
        number = which[node]
        if not (0 <= number < n_sets and number == int(number)):
            raise damaged(name, "a categorical node has no category set")
        first, last = bounds[int(number)], bounds[int(number) + 1]
        sets[node] = np.flatnonzero(bits[32 * first : 32 * last])
    return sets


def _cover(
    ensemble: TreeEnsemble, trees: Sequence[TreeText], n_leaves: NDArray[np.int64], name: str
) -> NDArray[np.float64] | None:
    """Count the training rows of each node from those of the leaves.

    The file counts inner nodes too, but with forced splits or distributed training these are
    estimates that need not add up. Trees of one leaf often lack a count; any will do.
    """
    split = [tree for tree, size in zip(trees, n_leaves, strict=True) if size > 1]
    if any(not tree.get(b"leaf_count") for tree in split):
        return None
    sizes = n_leaves[n_leaves > 1]
    counts = read_column(split, b"leaf_count", sizes, int, np.int64, name)
    if (counts < 0).any():
        raise damaged(name, "a leaf_count is negative")
    if not np.add.reduceat(counts, np.cumsum(sizes) - sizes).all():
        return None
    cover = np.ones(ensemble.n_nodes)
    leaf = np.flatnonzero(ensemble.feature == LEAF)
    cover[leaf[np.repeat(n_leaves > 1, n_leaves)]] = counts
    inner = np.flatnonzero(ensemble.feature != LEAF)
    deepest_first = inner[np.argsort(-ensemble.depth[inner], kind="stable")]
    levels = np.bincount(ensemble.depth[inner])[::-1]
    for level in np.split(deepest_first, np.cumsum(levels)[:-1]):
        cover[level] = cover[ensemble.left[level]] + cover[ensemble.right[level]]
    cover.setflags(write=False)
    return cover
