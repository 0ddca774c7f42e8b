"""Reader of LightGBM models: Booster, scikit-learn wrappers, and the text of ``save_model``.

Everything goes through the text format, which prints thresholds and leaves with the 17 digits
that give a float64 back exactly. How a node decides is taken from the library's documentation and
sources (``include/LightGBM/tree.h``) and held to its predictions by tests.

With ``boosting="rf"`` the library's ``predict`` averages the rounds while its ``raw_score`` and
``pred_contrib`` add them up. What is explained here is the mean, which ``predict`` starts from.
"""

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...errors import InputError, ModelFileError, UnsupportedModelError
from ..ensemble import (
    CATEGORICAL,
    DEFAULT_LEFT,
    LEAF,
    SET_GOES_LEFT,
    TRUNCATES,
    ZERO_IS_MISSING,
    Tree,
    TreeEnsemble,
)

VERSIONS = ("v2", "v3", "v4")

# The library's zero: dense values this near to zero are 0.0 to it.
ZERO = float(np.float32(1e-35))

# Whatever is not listed here might change the prediction, so it is refused.
HEADER_KEYS = frozenset(
    "tree version num_class num_tree_per_iteration label_index max_feature_idx objective "
    "average_output feature_names monotone_constraints feature_infos tree_sizes".split()
)
TREE_KEYS = frozenset(
    b"Tree num_leaves num_cat split_feature split_gain threshold decision_type left_child "
    b"right_child leaf_value leaf_weight leaf_count internal_value internal_weight "
    b"internal_count cat_boundaries cat_threshold shrinkage is_linear leaf_const num_features "
    b"leaf_features leaf_coeff".split()
)

TreeText = Mapping[bytes, bytes]


@dataclass(frozen=True)
class _Model:
    """A model file cut into its parts, numbers not yet read."""

    header: Mapping[str, str]
    trees: Sequence[TreeText]
    per_round: int
    names: tuple[str, ...]
    parameters: str
    labels: Sequence[Sequence[Any]]

    @property
    def n_rounds(self) -> int:
        """Complete boosting rounds; the library ignores trees of an incomplete one."""
        return len(self.trees) // self.per_round

    @property
    def averages(self) -> bool:
        return "average_output" in self.header


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
    return re.match(rb"tree\r?\n", content) is not None or _is_dump(content)


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
    content = booster.model_to_string(num_iteration=all_rounds).encode()
    ensemble = _ensemble(_cut(content, "the model"), "the model", iteration_range)
    classes = getattr(model, "classes_", None)
    if ensemble.n_outputs > 1 and classes is not None and len(classes) == ensemble.n_outputs:
        return replace(ensemble, output_names=tuple(str(label) for label in classes))
    return ensemble


def read_file(
    content: bytes, name: str, *, iteration_range: tuple[int, int] | None = None
) -> TreeEnsemble:
    """Read the bytes of a saved model; ``name`` is for messages."""
    if _is_dump(content):
        raise UnsupportedModelError(
            f"{name} is a LightGBM JSON dump, which rounds what it prints and cannot be loaded "
            "back; use save_model (or model_to_string) instead of dump_model"
        )
    return _ensemble(_cut(content, name), name, iteration_range)


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
    rows = _as_the_library_takes(X, _names(booster.feature_name()))
    if rows.shape[0] == 0:
        return np.zeros((0, per_round) if per_round > 1 else 0)
    raw: NDArray[np.float64] = np.asarray(
        booster.predict(rows, start_iteration=start, num_iteration=stop - start, raw_score=True),
        np.float64,
    )
    # One round's text is enough to see whether predict() averages.
    if _cut(booster.model_to_string(num_iteration=1).encode(), "the model").averages:
        raw = raw / (stop - start)
    return raw.reshape(rows.shape[0], per_round) if per_round > 1 else raw


# Live models and tables


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


def _names(names: Sequence[str]) -> tuple[str, ...] | None:
    # What the library calls columns that had no names.
    if all(name == f"Column_{number}" for number, name in enumerate(names)):
        return None
    return tuple(names)


def _as_the_library_takes(X: Any, names: tuple[str, ...] | None) -> Any:
    kind = type(X).__module__.partition(".")[0]
    if kind in ("polars", "pyarrow"):
        try:
            X = X.to_pandas()
        except ImportError:
            return X  # newer versions of the library read these themselves
        kind = "pandas"
    if kind == "pandas":
        return _pandas_frame(X, names)
    if kind == "scipy":
        from scipy import sparse

        rows = sparse.csr_matrix(X, dtype=X.dtype if X.dtype == np.float32 else np.float64)
        if not rows.has_canonical_format:
            rows = rows.copy()
            rows.sum_duplicates()
        return rows
    if isinstance(X, np.ma.MaskedArray):
        return X.astype(np.float64).filled(np.nan)
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
    changed = {}
    for i, column in enumerate(X.columns):
        values = X.iloc[:, i]
        if values.dtype == object or "str" in values.dtype.name:
            is_text = any(isinstance(value, str) for value in values)
            changed[column] = values.astype("category" if is_text else np.float64)
    return X.assign(**changed) if changed else X


# Cutting the text


def _is_dump(content: bytes) -> bool:
    head = content[:65536]
    return head.lstrip()[:1] == b"{" and b'"max_feature_idx"' in head and b'"feature_names"' in head


def _damaged(name: str, what: str) -> ModelFileError:
    return ModelFileError(
        f"{name} is not a whole LightGBM model: {what}; it may be truncated, edited, or have had "
        "its line endings converted. Save it again with save_model"
    )


def _cut(content: bytes, name: str) -> _Model:
    start = content.find(b"\nTree=") + 1
    if not start and b"\nend of trees" not in content:
        raise _damaged(name, "it has no trees and no end of trees")
    if not start:
        raise UnsupportedModelError(f"{name} holds no trees; train it first")
    header = _header(content[:start], name)
    sizes = _whole(header["tree_sizes"].split(), name)
    bounds = list(accumulate(sizes, initial=start))
    if min(sizes, default=0) <= 0 or not content.startswith(b"end of trees\n", bounds[-1]):
        raise _damaged(name, "its trees do not end where its header says")
    trees = []
    for number, (left, right) in enumerate(zip(bounds, bounds[1:], strict=False)):
        lines = content[left:right].split(b"\n")
        tree = dict(line.partition(b"=")[::2] for line in lines if line)
        if tree.get(b"Tree") != b"%d" % number or not tree.keys() <= TREE_KEYS:
            unknown = sorted(tree.keys() - TREE_KEYS)
            raise _damaged(name, f"tree {number} is misplaced or has unknown entries {unknown}")
        trees.append(tree)
    parameters, labels = _tail(content[bounds[-1] :], name)
    (per_round,) = _whole([header.get("num_tree_per_iteration", header["num_class"])], name)
    if not 1 <= per_round <= len(trees):
        raise _damaged(name, f"{len(trees)} trees cannot make rounds of {per_round}")
    names = tuple(header["feature_names"].split(" "))
    if _whole([header["max_feature_idx"]], name) != [len(names) - 1]:
        raise _damaged(name, f"it names {len(names)} features but counts another number")
    return _Model(header, trees, per_round, names, parameters, labels)


def _header(content: bytes, name: str) -> dict[str, str]:
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        raise _damaged(name, "its header is not UTF-8") from error
    header = dict(line.partition("=")[::2] for line in lines if line)
    if not header.keys() <= HEADER_KEYS:
        unknown = sorted(header.keys() - HEADER_KEYS)
        raise _damaged(name, f"its header has unknown entries {unknown}")
    wanted = ("tree", "version", "num_class", "max_feature_idx", "feature_names", "tree_sizes")
    for key in wanted:
        if key not in header:
            raise _damaged(name, f"its header lacks {key}")
    if header["version"] not in VERSIONS:
        raise UnsupportedModelError(
            f"{name} has the LightGBM text format {header['version']!r}; "
            f"wanted one of {', '.join(VERSIONS)}"
        )
    return header


def _tail(content: bytes, name: str) -> tuple[str, list[list[Any]]]:
    """Return the parameters and the labels of pandas categories, if the file has them."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _damaged(name, "its end is not UTF-8") from error
    _, _, parameters = text.partition("\nparameters:\n")
    if parameters and "\nend of parameters\n" not in parameters:
        raise _damaged(name, "its parameters have no end")
    _, given, labels = text.rpartition("\npandas_categorical:")
    if not text.endswith("\n"):
        raise _damaged(name, "its last line is cut off")
    if not given:
        return parameters, []
    try:
        found = json.loads(labels)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, "its pandas_categorical is not JSON") from error
    found = [] if found is None else found
    if not isinstance(found, list) or not all(_are_labels(labels) for labels in found):
        raise _damaged(name, "its pandas_categorical is not a list of lists of labels")
    return parameters, found


def _are_labels(labels: Any) -> bool:
    return isinstance(labels, list) and all(
        isinstance(label, (str, int, float, bool)) for label in labels
    )


# Reading the numbers


def _whole(words: Iterable[bytes | str], name: str) -> list[int]:
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise _damaged(name, "it has something else where a whole number should be") from error


def _read_column(
    trees: Sequence[TreeText],
    key: bytes,
    sizes: NDArray[np.int64],
    convert: Callable[[bytes], Any],
    dtype: DTypeLike,
    name: str,
) -> NDArray[Any]:
    """Read one entry of all trees, one after the other; ``sizes`` numbers are due in each."""
    lines = [tree.get(key, b"").split() for tree in trees]
    counts = np.fromiter(map(len, lines), np.int64, len(lines))
    if (counts != sizes).any():
        worst = int((counts != sizes).argmax())
        raise _damaged(
            name,
            f"tree {worst} should have {sizes[worst]} numbers in {key.decode()} "
            f"but has {counts[worst]}",
        )
    try:
        if any(b"_" in tree.get(key, b"") for tree in trees):
            raise ValueError
        return np.fromiter(map(convert, chain.from_iterable(lines)), dtype, int(counts.sum()))
    except (ValueError, OverflowError) as error:
        raise _damaged(name, f"{key.decode()} has something that is no such number") from error


def _ensemble(model: _Model, name: str, iteration_range: tuple[int, int] | None) -> TreeEnsemble:
    start, stop = _rounds(iteration_range, model.n_rounds)
    trees = model.trees[start * model.per_round : stop * model.per_round]
    if any(tree.get(b"is_linear", b"0") != b"0" for tree in trees):
        raise UnsupportedModelError(
            f"{name} has linear leaves (linear_tree), which are not supported in any mode; "
            "train it without linear_tree"
        )
    n_leaves = np.array(_whole((tree.get(b"num_leaves", b"") for tree in trees), name), object)
    if min(n_leaves) < 1 or max(n_leaves) > 2**31:
        raise _damaged(name, "a tree has an impossible number of leaves")
    n_leaves = n_leaves.astype(np.int64)
    n_inner = n_leaves - 1

    def inner(key: bytes, convert: Callable[[bytes], Any] = int) -> NDArray[Any]:
        dtype = np.float64 if convert is float else np.int64
        return _read_column(trees, key, n_inner, convert, dtype, name)

    # Nodes of a tree: the inner ones in the file's order, then the leaves.
    sizes = n_inner + n_leaves
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    is_leaf = np.repeat(
        np.tile([False, True], len(trees)), np.stack([n_inner, n_leaves], 1).ravel()
    )
    threshold = inner(b"threshold", float)
    decision = inner(b"decision_type")
    flags = _flags(decision, threshold, name)
    columns = {
        "feature": np.full(offsets[-1], LEAF),
        "threshold": np.zeros(offsets[-1]),
        "left": np.full(offsets[-1], LEAF),
        "right": np.full(offsets[-1], LEAF),
        "flags": np.zeros(offsets[-1], np.uint8),
        "values": np.zeros(offsets[-1]),
    }
    columns["feature"][~is_leaf] = inner(b"split_feature")
    columns["threshold"][~is_leaf] = _threshold(threshold)
    columns["flags"][~is_leaf] = flags
    columns["left"][~is_leaf] = _children(inner(b"left_child"), n_inner, name)
    columns["right"][~is_leaf] = _children(inner(b"right_child"), n_inner, name)
    leaves = _read_column(trees, b"leaf_value", n_leaves, float, np.float64, name)
    columns["values"][is_leaf] = leaves / (stop - start) if model.averages else leaves
    if (columns["feature"][~is_leaf] < 0).any():
        raise _damaged(name, "a node tests a negative feature")
    described: list[Tree] = []
    for number, tree in enumerate(trees):
        nodes = slice(offsets[number], offsets[number + 1])
        part = {key: column[nodes] for key, column in columns.items()}
        part["values"] = part["values"][:, None]
        tested = columns["flags"][nodes] & CATEGORICAL != 0
        first = offsets[number] - n_leaves[:number].sum() if tested.any() else 0
        raw = threshold[first : first + n_inner[number]]
        sets = _category_sets(tree, np.flatnonzero(tested), raw, name)
        described.append(Tree(**part, output=number % model.per_round, category_sets=sets))
    ensemble = TreeEnsemble.from_trees(
        described,
        n_features=len(model.names),
        n_outputs=model.per_round,
        base=0.0,
        comparison="<=",
        input_dtype="float64",
        sparse_absent="zero",
        feature_names=_names(model.names),
        **_categories(model),
        library="lightgbm",
        objective=model.header.get("objective", "custom"),
    )
    if ensemble.n_nodes != offsets[-1]:
        raise _damaged(name, "it has nodes that no row can reach")
    return replace(ensemble, cover=_cover(ensemble, trees, n_leaves, name))


def _flags(
    decision: NDArray[np.int64], threshold: NDArray[np.float64], name: str
) -> NDArray[np.uint8]:
    """Translate ``decision_type``: bit 0 categorical, bit 1 default left, bits 2 and 3 missing."""
    missing = decision >> 2
    if ((decision < 0) | (missing > 2)).any():
        raise _damaged(name, "a decision_type is out of range")
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
        raise _damaged(name, "a child is not a node of its tree")
    return np.where(children >= 0, children, inner + ~children)


def _category_sets(
    tree: TreeText, nodes: NDArray[np.int64], which: NDArray[np.float64], name: str
) -> dict[int, NDArray[np.int64]]:
    if not len(nodes):
        return {}
    bounds = _whole(tree.get(b"cat_boundaries", b"").split(), name)
    words = _whole(tree.get(b"cat_threshold", b"").split(), name)
    n_sets = len(bounds) - 1
    if (
        _whole([tree.get(b"num_cat", b"")], name) != [n_sets]
        or bounds != sorted(bounds)
        or bounds[:1] != [0]
        or bounds[-1] != len(words)
        or not all(0 <= word < 2**32 for word in words)
    ):
        raise _damaged(name, "cat_boundaries and cat_threshold do not fit together")
    bits = np.unpackbits(np.array(words, "<u4").view(np.uint8), bitorder="little")
    sets = {}
    for node in nodes.tolist():
        number = which[node]
        if not (0 <= number < n_sets and number == int(number)):
            raise _damaged(name, "a categorical node has no category set")
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
    counts = _read_column(split, b"leaf_count", sizes, int, np.int64, name)
    if (counts < 0).any():
        raise _damaged(name, "a leaf_count is negative")
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


# Labels of pandas categories


def _categories(model: _Model) -> dict[str, Any]:
    """Find which features the lists of labels belong to; the file gives only their order.

    A frame's categorical columns have a list each, in column order. Usually they are just the
    categorical features. Ordered categories are numeric to the library, though, and integer
    columns may have been declared categorical: then a list goes to the only features it can.
    Where there are several ways, no labels are taken and any frame is refused.
    """
    if not model.labels:
        return {}
    infos = model.header.get("feature_infos", "").split(" ")
    if len(infos) != len(model.names):
        infos = ["none"] * len(model.names)
    listed = re.search(r"^\[categorical_feature: ([0-9,]*)\]$", model.parameters, re.MULTILINE)
    if listed:
        declared = [int(number) for number in listed[1].split(",") if number]
    else:
        declared = [f for f, info in enumerate(infos) if info[:1] not in ("[", "n")]
    candidates = range(len(infos)) if len(model.labels) > len(declared) else declared
    found = _only_way(model.labels, [(f, infos[f]) for f in candidates if f < len(infos)])
    if found is None:
        return {"categories": dict.fromkeys(range(len(infos)), ()), "unseen_category": "error"}
    return {"categories": found, "unseen_category": "missing"}


def _only_way(
    lists: Sequence[Sequence[Any]], features: Sequence[tuple[int, str]]
) -> dict[int, Sequence[Any]] | None:
    """Match lists to features in order; None if that fails or can be done in two ways."""

    def greedily(
        lists: Iterable[Sequence[Any]], features: Iterable[tuple[int, str]]
    ) -> dict[int, Sequence[Any]] | None:
        left, found = iter(features), {}
        for labels in lists:
            feature = next((f for f, info in left if _may_code(info, len(labels))), None)
            if feature is None:
                return None
            found[feature] = labels
        return found

    # The first and the last way in which a sequence is within another agree if it is the only.
    first = greedily(lists, features)
    last = greedily(reversed(lists), reversed(features))
    return first if first is not None and last is not None and first.keys() == last.keys() else None


def _may_code(info: str, n_labels: int) -> bool:
    """Tell whether a feature with this ``feature_infos`` may hold codes of so many labels."""
    if info == "none":
        return True
    codes = re.split(r":", info.strip("[]"))
    return all(re.fullmatch(r"-?\d+", code) and -1 <= int(code) < n_labels for code in codes)
