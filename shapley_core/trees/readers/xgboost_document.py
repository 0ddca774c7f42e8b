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

# Category codes at and above 2^24 have no float32 of their own; XGBoost takes none.
MAX_CATEGORY = 1 << 24
# Far above any model, far below what a damaged count could make us allocate.
MAX_OUTPUTS = 1 << 20
MAX_COUNT = (1 << 31) - 1
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
    class_labels: tuple[str, ...] | None = None,
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
    class_labels : tuple of str, optional
        Names of the outputs of a multi-class model.

    Returns
    -------
    TreeEnsemble
    """
    if not isinstance(document, dict) or not isinstance(document.get("learner"), dict):
        raise ModelFileError(
            "not an XGBoost model: there is no 'learner' in it; wanted a file that save_model wrote"
        )
    learner = document["learner"]
    objective = _text(_part(learner, "objective", dict), "name")
    model, weights = _trees_and_weights(_part(learner, "gradient_booster", dict))
    param = _part(learner, "learner_model_param", dict)
    version = _version(document)
    n_features = _count(param, "num_feature")
    n_classes = _count(param, "num_class")
    n_outputs = max(n_classes, _count(param, "num_target", 1), 1)
    if n_outputs > MAX_OUTPUTS:
        raise ModelFileError(f"the model claims {n_outputs} outputs")

    trees = _part(model, "trees", list)
    outputs = _array(model, "tree_info", "iu", np.int64, len(trees))
    start, stop = _kept_trees(model, outputs, iteration_range)
    kept = [
        _tree(trees[number], int(outputs[number]), weights, number) for number in range(start, stop)
    ]
    names = learner.get("feature_names")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        raise ModelFileError("the feature names of the model are not texts")
    named_classes = class_labels if class_labels and n_classes == len(class_labels) else None
    return TreeEnsemble.from_trees(
        kept,
        n_features=n_features,
        n_outputs=n_outputs,
        base=_base_margin(_text(param, "base_score"), objective, n_outputs, version),
        comparison="<",
        input_dtype="float32",
        missing=missing,
        sparse_absent="missing",
        feature_names=tuple(names) if names else None,
        output_names=named_classes if n_outputs > 1 else None,
        categories=_categories(model.get("cats"), n_features, version),
        unseen_category="error",
        sum_dtype="float32",
        library="xgboost " + ".".join(map(str, version)),
        objective=objective,
    )


def _trees_and_weights(
    booster: dict[str, Any],
) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """Find the trees; DART's weights lie beside them before 3.4 and among them since."""
    name = _text(booster, "name")
    if name == "gblinear":
        raise UnsupportedModelError(
            "a gblinear model has no trees; its Shapley values are weight * (x - mean of x)"
        )
    if name not in ("gbtree", "dart"):
        raise UnsupportedModelError(f"boosters of kind {name!r} are not known")
    inner = _part(booster, "gbtree", dict) if name == "dart" else booster
    model = _part(inner, "model", dict)
    for place in (booster, model):
        if "weight_drop" in place:
            count = len(_part(model, "trees", list))
            return model, _array(place, "weight_drop", "iuf", np.float32, count)
    if name == "dart":
        raise ModelFileError("the DART model has no tree weights ('weight_drop')")
    return model, None


def _kept_trees(
    model: dict[str, Any], outputs: NDArray[np.int64], iteration_range: tuple[int, int] | None
) -> tuple[int, int]:
    """Return the first tree to keep and the first after it."""
    n_trees = len(outputs)
    if "iteration_indptr" in model:
        starts = _array(model, "iteration_indptr", "iu", np.int64)
    else:
        # Before 2.0 every round had as many trees.
        param = _part(model, "gbtree_model_param", dict)
        a_round = int(outputs.max(initial=0) + 1) * max(_count(param, "num_parallel_tree", 1), 1)
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


def _tree(tree: Any, output: int, weights: NDArray[np.float32] | None, number: int) -> Tree:
    if not isinstance(tree, dict):
        raise ModelFileError(f"tree {number} of the model is not an object")
    param = _part(tree, "tree_param", dict)
    size, width = _count(param, "num_nodes"), max(_count(param, "size_leaf_vector", 1), 1)
    left = _array(tree, "left_children", "iu", np.int64, size)
    right = _array(tree, "right_children", "iu", np.int64, size)
    feature = _array(tree, "split_indices", "iu", np.int64, size)
    conditions = _array(tree, "split_conditions", "iuf", np.float32, size)
    default_left = _array(tree, "default_left", "iub", np.bool_, size)
    categorical = np.zeros(size, np.bool_)
    if "split_type" in tree:
        categorical = _array(tree, "split_type", "iu", np.int64, size) == 1
    leaf = left == LEAF
    # XGBoost steps from a node to "left child, or the node after it".
    if (right[~leaf] != left[~leaf] + 1).any():
        raise ModelFileError(f"the two children of a node of tree {number} are not neighbours")
    values = conditions[:, None] if width == 1 else _vector_leaves(tree, leaf, right, width)
    if weights is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            values = values * weights[number]
    cover = None
    if "sum_hessian" in tree:
        cover = _array(tree, "sum_hessian", "iuf", np.float32, size)
    return Tree(
        feature=np.where(leaf, LEAF, feature),
        threshold=conditions,
        left=np.where(leaf, LEAF, left),
        right=np.where(leaf, LEAF, right),
        flags=DEFAULT_LEFT * default_left.astype(np.uint8)
        | CATEGORICAL * (categorical & ~leaf).astype(np.uint8),
        values=values.astype(np.float64),
        cover=cover,
        output=output if width == 1 else 0,
        category_sets=_category_sets(tree, number) if categorical.any() else {},
    )


def _vector_leaves(
    tree: dict[str, Any], leaf: NDArray[np.bool_], right: NDArray[np.int64], width: int
) -> NDArray[np.float32]:
    """Read leaves that add to every output.

    Before 3.2 the weights of all nodes are there; since, those of leaves, which the right child
    of a leaf counts.
    """
    if "leaf_weights" not in tree:
        weights = _array(tree, "base_weights", "iuf", np.float32, len(leaf) * width)
        return weights.reshape(len(leaf), width)
    n_leaves = int(np.count_nonzero(leaf))
    weights = _array(tree, "leaf_weights", "iuf", np.float32, n_leaves * width)
    if ((right[leaf] < 0) | (right[leaf] >= n_leaves)).any():
        raise ModelFileError("a leaf of the model points outside its leaf weights")
    return weights.reshape(n_leaves, width)[np.where(leaf, right, 0)]


def _category_sets(tree: dict[str, Any], number: int) -> dict[int, NDArray[np.int64]]:
    nodes = _array(tree, "categories_nodes", "iu", np.int64)
    begins = _array(tree, "categories_segments", "iu", np.int64, len(nodes))
    sizes = _array(tree, "categories_sizes", "iu", np.int64, len(nodes))
    codes = _array(tree, "categories", "iu", np.int64)
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
    columns = _part(cats, "enc", list) if isinstance(cats, dict) else None
    if columns is None or len(columns) not in (0, n_features):
        raise ModelFileError("the categories of the model do not belong to its features")
    found = {feature: _labels(column, version) for feature, column in enumerate(columns)}
    return {feature: labels for feature, labels in found.items() if labels}


def _labels(column: Any, version: tuple[int, ...]) -> list[Any]:
    if not isinstance(column, dict):
        raise ModelFileError("the categories of the model are damaged")
    values = _array(column, "values", "iu", np.int64)
    if "offsets" not in column:
        kind = column.get("type")
        if kind in UNSIGNED_CATEGORIES:
            return [int(value) % (1 << UNSIGNED_CATEGORIES[kind]) for value in values]
        if kind in SIGNED_CATEGORIES:
            return [int(value) for value in values]
        raise ModelFileError(f"categories of type {kind!r} are not known")
    offsets = _array(column, "offsets", "iu", np.int64)
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
    return tuple(_array(document, "version", "iu", np.int64).tolist())


def _part(parent: dict[str, Any], key: str, kind: type) -> Any:
    value = parent.get(key)
    if not isinstance(value, kind):
        raise ModelFileError(f"the model is damaged: there is no {key!r} where one belongs")
    return value


def _text(parent: dict[str, Any], key: str) -> str:
    text: str = _part(parent, key, str)
    return text


def _count(parent: dict[str, Any], key: str, default: int | None = None) -> int:
    """Read a count, which XGBoost saves as text."""
    text = parent.get(key, default)
    count = -1
    if isinstance(text, int) or (isinstance(text, str) and len(text) < 12 and text.isdecimal()):
        count = int(text)
    if not 0 <= count <= MAX_COUNT:
        raise ModelFileError(f"the model is damaged: {key} is {text!r}")
    return count


def _array(
    parent: dict[str, Any], key: str, kinds: str, dtype: Any, size: int | None = None
) -> NDArray[Any]:
    """Read an array of numbers: a list, or what a typed array of UBJ became."""
    value = parent.get(key)
    if isinstance(value, list):
        try:
            value = np.array(value)
        except (ValueError, OverflowError):
            value = None
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise ModelFileError(f"the model is damaged: {key} is not an array of numbers")
    if value.size and value.dtype.kind not in kinds:
        raise ModelFileError(f"the model is damaged: {key} holds values of another kind")
    if size is not None and value.size != size:
        raise ModelFileError(f"the model is damaged: {key} has {value.size} values, not {size}")
    with np.errstate(over="ignore"):
        return value.astype(dtype)
