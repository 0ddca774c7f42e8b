"""From the document that XGBoost saves (JSON or UBJ, decoded) to a `TreeEnsemble`.

The document is described in XGBoost's manual, "Introduction to Model IO"; what differs between
versions 1.7 and 3.4 is said at each place.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, ModelFileError, UnsupportedModelError
from ..ensemble import TreeEnsemble
from ..tree import CATEGORICAL, DEFAULT_LEFT, LEAF, Tree
from .document_parts import array_of, arrays_of, count_of, part_of, text_of

# Category codes at and above 2^24 have no float32 of their own; XGBoost takes none.
MAX_CATEGORY = 1 << 24
# Far above any model, far below what a damaged count could make us allocate.
MAX_OUTPUTS = 1 << 20
EPSILON = np.float32(1e-6)

IDENTITY = (
    "binary:hinge",
    "binary:logitraw",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    "reg:linear",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:squarederror",
    "reg:squaredlogerror",
)
LOGIT = ("binary:logistic", "reg:logistic")
LOG = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:aft", "survival:cox")
EXPECTILE = ("reg:expectileerror",)

# Type numbers of integer categories, and the bits of those that UBJ stores as signed ones.
SIGNED_CATEGORIES = (9, 11, 13, 15)
UNSIGNED_CATEGORIES = {10: 8, 12: 16, 14: 32, 16: 64}


def ensemble_from_document(
    document: Any,
    *,
    iteration_range: tuple[int, int] | None = None,
    missing: float = float("nan"),
    class_labels: tuple[Any, ...] | None = None,
) -> TreeEnsemble:
    """Turn a decoded model into an ensemble.

    Parameters
    ----------
    document : dict
        As ``json.loads`` or `ubjson.decode` returns it.
    iteration_range : (int, int), optional
        Boosting rounds ``start .. stop - 1`` to keep; all by default.
    missing : float
        The value that stands for a missing one beside NaN.
    class_labels : tuple of labels, optional
        Of the classes of a classifier, in the order of their codes.

    Returns
    -------
    TreeEnsemble
    """
    if not isinstance(document, dict) or not isinstance(document.get("learner"), dict):
        raise ModelFileError(
            "not an XGBoost model: there is no 'learner' in it; wanted a file that save_model wrote"
        )
    learner = document["learner"]
    objective = text_of(part_of(learner, "objective", dict), "name")
    model, weights = _trees_and_weights(part_of(learner, "gradient_booster", dict))
    param = part_of(learner, "learner_model_param", dict)
    version = _version(document)
    n_features = count_of(param, "num_feature")
    n_classes = count_of(param, "num_class")
    n_outputs = max(n_classes, count_of(param, "num_target", 1), 1)
    if n_outputs > MAX_OUTPUTS:
        raise ModelFileError(f"the model claims {n_outputs} outputs")

    trees = part_of(model, "trees", list)
    outputs = array_of(model, "tree_info", "iu", np.int64, len(trees))
    start, stop = _kept_trees(model, outputs, iteration_range)
    kept = _trees(trees, outputs[start:stop], weights, start)
    names = learner.get("feature_names")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        raise ModelFileError("the feature names of the model are not texts")
    categories = _categories(model.get("cats"), n_features, version)
    # Several targets of two classes each have none that are the model's.
    if n_outputs != max(n_classes, 1) or len(class_labels or ()) != max(2, n_outputs):
        class_labels = None
    return TreeEnsemble.from_trees(
        kept,
        n_features=n_features,
        n_outputs=n_outputs,
        base=_base_margin(text_of(param, "base_score"), objective, n_outputs, version),
        comparison="<",
        input_dtype="float32",
        # Rounded once: by way of float64, ties beyond 2^53 would go another way.
        integer_dtype="float32",
        missing=missing,
        sparse_absent="missing",
        feature_names=tuple(names) if names else None,
        output_names=tuple(map(str, class_labels)) if class_labels and n_outputs > 1 else None,
        classes=class_labels,
        categories=categories,
        unseen_category="error",
        # The library takes the codes, but where it knows labels refuses other categoricals.
        categorical_columns="refused" if categories else "codes",
        sum_dtype="float32",
        library="xgboost " + ".".join(map(str, version)),
        objective=objective,
    )


def _trees_and_weights(
    booster: dict[str, Any],
) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """Find the trees; DART's weights lie beside them before 3.4 and among them since."""
    name = text_of(booster, "name")
    if name == "gblinear":
        raise UnsupportedModelError(
            "a gblinear model has no trees; its Shapley values are weight * (x - mean of x)"
        )
    if name not in ("gbtree", "dart"):
        raise UnsupportedModelError(f"boosters of kind {name!r} are not known")
    inner = part_of(booster, "gbtree", dict) if name == "dart" else booster
    model = part_of(inner, "model", dict)
    for place in (booster, model):
        if "weight_drop" in place:
            count = len(part_of(model, "trees", list))
            return model, array_of(place, "weight_drop", "iuf", np.float32, count)
    if name == "dart":
        raise ModelFileError("the DART model has no tree weights ('weight_drop')")
    return model, None


def _kept_trees(
    model: dict[str, Any], outputs: NDArray[np.int64], iteration_range: tuple[int, int] | None
) -> tuple[int, int]:
    """Return the first tree to keep and the first after it."""
    n_trees = len(outputs)
    if "iteration_indptr" in model:
        starts = array_of(model, "iteration_indptr", "iu", np.int64)
    else:
        # Before 2.0 every round had as many trees.
        param = part_of(model, "gbtree_model_param", dict)
        a_round = int(outputs.max(initial=0) + 1) * max(count_of(param, "num_parallel_tree", 1), 1)
        starts = np.arange(n_trees // a_round + 1, dtype=np.int64) * a_round
    if len(starts) == 0 or starts[0] != 0 or starts[-1] != n_trees or (np.diff(starts) < 0).any():
        raise ModelFileError("the rounds of the model do not add up to its trees")
    if iteration_range is None:
        return 0, n_trees
    first, last = iteration_range
    n_rounds = len(starts) - 1
    if not 0 <= first < last <= n_rounds:
        raise InputError(
            f"iteration_range={iteration_range} is not within the model's {n_rounds} rounds; "
            f"wanted 0 <= start < stop <= {n_rounds}"
        )
    return int(starts[first]), int(starts[last])


def _trees(
    trees: list[Any],
    outputs: NDArray[np.int64],
    weights: NDArray[np.float32] | None,
    first: int,
) -> list[Tree]:
    """Read trees ``first .. first + len(outputs) - 1`` all at once, node after node."""
    numbers = range(first, first + len(outputs))
    some = trees[first : numbers.stop]
    for number, tree in zip(numbers, some, strict=True):
        if not isinstance(tree, dict):
            raise ModelFileError(f"tree {number} of the model is not an object")
    params = [part_of(tree, "tree_param", dict) for tree in some]
    sizes = [count_of(param, "num_nodes") for param in params]
    widths = [max(count_of(param, "size_leaf_vector", 1), 1) for param in params]
    left = arrays_of(some, "left_children", "iu", np.int64, sizes)
    right = arrays_of(some, "right_children", "iu", np.int64, sizes)
    feature = arrays_of(some, "split_indices", "iu", np.int64, sizes)
    conditions = arrays_of(some, "split_conditions", "iuf", np.float32, sizes)
    default_left = arrays_of(some, "default_left", "iub", np.bool_, sizes)
    categorical = np.zeros(len(left), np.bool_)
    if any("split_type" in tree for tree in some):
        categorical = arrays_of(some, "split_type", "iu", np.int64, sizes) == 1
    cover = None
    if all("sum_hessian" in tree for tree in some):
        cover = arrays_of(some, "sum_hessian", "iuf", np.float32, sizes)
    leaf = left == LEAF
    # XGBoost steps from a node to "left child, or the node after it".
    apart = ~leaf & (right != left + 1)
    bounds = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    if apart.any():
        worst = first + int(np.searchsorted(bounds, np.argmax(apart), side="right")) - 1
        raise ModelFileError(f"the two children of a node of tree {worst} are not neighbours")
    whole = {
        "feature": np.where(leaf, LEAF, feature),
        "threshold": conditions,
        "left": np.where(leaf, LEAF, left),
        "right": np.where(leaf, LEAF, right),
        "flags": DEFAULT_LEFT * default_left.astype(np.uint8)
        | CATEGORICAL * (categorical & ~leaf).astype(np.uint8),
    }
    if cover is not None:
        whole["cover"] = cover
    found = []
    for number, tree, width, (start, stop) in zip(
        numbers, some, widths, pairwise(bounds.tolist()), strict=True
    ):
        nodes = slice(start, stop)
        values = conditions[nodes, None]
        if width > 1:
            values = _vector_leaves(tree, leaf[nodes], right[nodes], width)
        if weights is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                values = values * weights[number]
        has_sets = categorical[nodes].any()
        found.append(
            Tree(
                **{name: column[nodes] for name, column in whole.items()},
                values=values,
                output=int(outputs[number - first]) if width == 1 else 0,
                category_sets=_category_sets(tree, number) if has_sets else {},
            )
        )
    return found


def _vector_leaves(
    tree: dict[str, Any], leaf: NDArray[np.bool_], right: NDArray[np.int64], width: int
) -> NDArray[np.float32]:
    """Read leaves that add to every output.

    Before 3.2 the weights of all nodes are there; since, those of leaves, which the right child
    of a leaf counts.
    """
    if "leaf_weights" not in tree:
        weights = array_of(tree, "base_weights", "iuf", np.float32, len(leaf) * width)
        return weights.reshape(len(leaf), width)
    n_leaves = int(np.count_nonzero(leaf))
    weights = array_of(tree, "leaf_weights", "iuf", np.float32, n_leaves * width)
    if ((right[leaf] < 0) | (right[leaf] >= n_leaves)).any():
        raise ModelFileError("a leaf of the model points outside its leaf weights")
    return weights.reshape(n_leaves, width)[np.where(leaf, right, 0)]


def _category_sets(tree: dict[str, Any], number: int) -> dict[int, NDArray[np.int64]]:
    nodes = array_of(tree, "categories_nodes", "iu", np.int64)
    begins = array_of(tree, "categories_segments", "iu", np.int64, len(nodes))
    sizes = array_of(tree, "categories_sizes", "iu", np.int64, len(nodes))
    codes = array_of(tree, "categories", "iu", np.int64)
    if (
        (begins < 0).any()
        or (sizes < 1).any()
        or (sizes > len(codes) - begins).any()
        or (np.diff(nodes) <= 0).any()
        or (codes >= MAX_CATEGORY).any()
    ):
        raise ModelFileError(f"the category sets of tree {number} are damaged")
    return {
        int(node): codes[begin : begin + size]
        for node, begin, size in zip(nodes, begins, sizes, strict=True)
    }


def _base_margin(
    text: str, objective: str, n_outputs: int, version: tuple[int, ...]
) -> NDArray[np.float64]:
    """Carry ``base_score`` from output space to the margin, in float32 as the library does.

    It reads "5E-1", or since 3.1 "[5E-1]" with an entry for each output.
    """
    try:
        score = np.array([float(part) for part in text.strip("[] ").split(",")], np.float32)
    except ValueError as error:
        raise ModelFileError(f"base_score {text!r} of the model is not a number") from error
    if len(score) not in (1, n_outputs):
        raise ModelFileError(f"the model has {len(score)} base scores for {n_outputs} outputs")
    margin = np.repeat(score, n_outputs) if len(score) == 1 else score
    if objective in LOGIT:
        if version >= (3, 2):
            margin = np.clip(margin, EPSILON, np.float32(1) - EPSILON)
        with np.errstate(divide="ignore"):
            margin = -_log(np.float32(1) / margin - np.float32(1))
    elif objective in LOG:
        margin = _log(margin)
    elif objective in EXPECTILE:
        # Outputs are kept in order by adding softplus(margin) to the one below.
        gap = np.maximum(np.diff(margin) - EPSILON, EPSILON)
        margin[1:] = gap + _log(-np.expm1(-gap))
    elif objective not in IDENTITY:
        raise UnsupportedModelError(
            f"the objective {objective!r} is not known, so neither is what its base score means"
        )
    return margin.astype(np.float64)


def _log(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round the logarithm to float32 once."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(x.astype(np.float64)).astype(np.float32)


def _categories(cats: Any, n_features: int, version: tuple[int, ...]) -> dict[int, list[Any]]:
    """Read the labels of categorical columns in code order, which models keep since 3.1."""
    if cats is None:
        return {}
    columns = part_of(cats, "enc", list) if isinstance(cats, dict) else None
    if columns is None or len(columns) not in (0, n_features):
        raise ModelFileError("the categories of the model do not belong to its features")
    found = {feature: _labels(column, version) for feature, column in enumerate(columns)}
    return {feature: labels for feature, labels in found.items() if labels}


def _labels(column: Any, version: tuple[int, ...]) -> list[Any]:
    if not isinstance(column, dict):
        raise ModelFileError("the categories of the model are damaged")
    values = array_of(column, "values", "iu", np.int64)
    if "offsets" not in column:
        kind = column.get("type")
        if kind in UNSIGNED_CATEGORIES:
            return [int(value) % (1 << UNSIGNED_CATEGORIES[kind]) for value in values]
        if kind in SIGNED_CATEGORIES:
            return [int(value) for value in values]
        raise ModelFileError(f"categories of type {kind!r} are not known")
    offsets = array_of(column, "offsets", "iu", np.int64)
    if len(offsets) and (
        offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 0).any()
    ):
        raise ModelFileError("the category labels of the model are damaged")
    letters = values.astype(np.uint8).tobytes()
    if version < (3, 4) and not letters.isascii():
        # Their offsets count letters, not bytes, so the labels are cut in wrong places.
        raise UnsupportedModelError(
            "XGBoost before 3.4 loses category labels with other than ASCII letters; train the "
            "model with a newer version, or with ASCII labels"
        )
    try:
        return [letters[begin:end].decode() for begin, end in pairwise(offsets)]
    except UnicodeDecodeError as error:
        raise ModelFileError("a category label of the model is not UTF-8") from error


def _version(document: dict[str, Any]) -> tuple[int, ...]:
    if "version" not in document:
        return ()
    return tuple(array_of(document, "version", "iu", np.int64).tolist())
