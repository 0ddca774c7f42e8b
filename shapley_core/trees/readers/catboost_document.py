"""From the document that CatBoost saves as JSON, decoded, to a `TreeEnsemble`."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, ModelFileError, UnsupportedModelError
from ..ensemble import TreeEnsemble
from ..tree import CATEGORICAL, DEFAULT_LEFT, LEAF, Tree

# What becomes of a missing value: "AsIs" compares NaN, and no NaN is above a border.
NAN_GOES_LEFT = {"AsIs": True, "AsFalse": True, "AsTrue": False}
MAX_DEPTH = 24


def ensemble_from_document(
    document: Any,
    *,
    iteration_range: tuple[int, int] | None = None,
    n_features: int | None = None,
) -> TreeEnsemble:
    """Turn a decoded model into an ensemble.

    Parameters
    ----------
    document : dict
        As ``json.loads`` returns it.
    iteration_range : (int, int), optional
        Trees ``start .. stop - 1`` to keep; all by default.
    n_features : int, optional
        How many features there must be.
    """
    if not isinstance(document, dict):
        raise ModelFileError("not a CatBoost model: its JSON is not an object")
    features = Features.of(_part(document, "features_info", dict))
    if n_features not in (None, len(features.names)):
        raise UnsupportedModelError(
            f"the model has {n_features} features, but {len(features.names)} of numbers and "
            "categories; texts and embeddings are not supported"
        )
    symmetric = "oblivious_trees" in document
    given = _part(document, "oblivious_trees" if symmetric else "trees", list)
    if not given:
        raise UnsupportedModelError("the model holds no trees; train it first")
    start, stop = (0, len(given)) if iteration_range is None else iteration_range
    if not 0 <= start < stop <= len(given):
        raise InputError(
            f"iteration_range={iteration_range} is not within the model's {len(given)} trees; "
            f"wanted 0 <= start < stop <= {len(given)}"
        )
    scale, bias = _scale_and_bias(document)
    read = _symmetric_tree if symmetric else _free_tree
    trees = [read(given[number], number, features, len(bias)) for number in range(start, stop)]
    trees = [Tree(**{**vars(tree), "values": scale * np.asarray(tree.values)}) for tree in trees]
    if any(tree.cover is None or np.max(tree.cover) == 0 for tree in trees):
        trees = [Tree(**{**vars(tree), "cover": None}) for tree in trees]
    info = document.get("model_info", {})
    classes = _classes(info, len(bias))
    return TreeEnsemble.from_trees(
        trees,
        n_features=len(features.names),
        n_outputs=len(bias),
        base=bias,
        comparison="<=",
        input_dtype="float32",
        integer_dtype="float32",
        feature_names=tuple(features.names) if all(features.names) else None,
        output_names=tuple(map(str, classes)) if classes and len(bias) > 1 else None,
        classes=classes,
        categories=dict.fromkeys(features.categorical, features.labels),
        unseen_category="missing",
        categorical_columns="labels" if features.categorical else "refused",
        library="catboost",
        objective=_objective(info),
    )


@dataclass(frozen=True)
class Features:
    """What the splits speak of.

    Parameters
    ----------
    names : name of each feature of the model, "" where it has none
    numeric : feature, and whether NaN goes left, of each number of a float feature
    categorical : feature of each number of a categorical feature
    labels : what categories may be called, whichever feature they belong to
    codes : places among the labels, of each hash that a split may test
    """

    names: list[str]
    numeric: dict[int, tuple[int, bool]]
    categorical: list[int]
    labels: list[Any]
    codes: dict[int, list[int]]

    @classmethod
    def of(cls, info: dict[str, Any]) -> "Features":
        """Read ``features_info``."""
        floats = info.get("float_features", [])
        categories = info.get("categorical_features", [])
        if not (isinstance(floats, list) and isinstance(categories, list)):
            raise ModelFileError("the model is damaged: its features are no lists")
        names: dict[int, str] = {}
        numeric: dict[int, tuple[int, bool]] = {}
        categorical: dict[int, int] = {}
        for feature in [*floats, *categories]:
            place, number = _count(feature, "flat_feature_index"), _count(feature, "feature_index")
            if place in names:
                raise ModelFileError(f"the model is damaged: it has feature {place} twice")
            name = feature.get("feature_id") or feature.get("feature_name")
            names[place] = name if isinstance(name, str) else ""
            if "nan_value_treatment" in feature:
                treatment = feature["nan_value_treatment"]
                if not isinstance(treatment, str) or treatment not in NAN_GOES_LEFT:
                    raise UnsupportedModelError(f"nan_value_treatment {treatment!r} is not known")
                numeric[number] = place, NAN_GOES_LEFT[treatment]
            else:
                categorical[number] = place
        count = len(names)
        if sorted(names) != list(range(count)) or sorted(categorical) != list(
            range(len(categories))
        ):
            raise UnsupportedModelError(
                "the model has features that are neither numbers nor categories"
            )
        if len(numeric) != len(floats):
            raise ModelFileError("the model is damaged: a float feature lacks its treatment of NaN")
        labels, codes = _labels(info.get("cat_features_hash", []))
        ordered = [categorical[number] for number in range(len(categorical))]
        return cls([names[place] for place in range(count)], numeric, ordered, labels, codes)


def _labels(hashes: Any) -> tuple[list[Any], dict[int, list[int]]]:
    """List the categories' texts; whole numbers are categories by their digits."""
    if not isinstance(hashes, list):
        raise ModelFileError("the model is damaged: cat_features_hash is no list")
    labels: list[Any] = []
    codes: dict[int, list[int]] = {}
    for entry in hashes:
        number, text = _count(entry, "hash"), entry.get("value")
        if not isinstance(text, str):
            raise ModelFileError("the model is damaged: a category is no text")
        same: list[Any] = [text]
        digits = text.removeprefix("-")
        if digits.isdecimal() and len(digits) < 20 and str(int(text)) == text:
            same.append(int(text))
        codes.setdefault(number, []).extend(range(len(labels), len(labels) + len(same)))
        labels += same
    return labels, codes


# Trees


def _symmetric_tree(tree: Any, number: int, features: Features, width: int) -> Tree:
    """Read a tree with one split a level; bit i of a leaf's number is the answer of split i.

    The last split is the root, as in the library's own ShapValues.
    """
    splits = _part(tree, "splits", list)
    depth = len(splits)
    if depth > MAX_DEPTH:
        raise ModelFileError(f"the model is damaged: tree {number} has {depth} levels")
    n_inner = (1 << depth) - 1
    values = _numbers(tree, "leaf_values", (n_inner + 1) * width).reshape(-1, width)
    node = np.arange(2 * n_inner + 1)
    leaf = node >= n_inner
    feature, threshold = np.full(len(node), LEAF, np.int64), np.zeros(len(node))
    flags = np.zeros(len(node), np.uint8)
    sets: dict[int, list[int]] = {}
    for level, split in enumerate(reversed(splits)):
        at = slice((1 << level) - 1, (2 << level) - 1)
        feature[at], threshold[at], flags[at], members = _split(split, features)
        if members is not None:
            sets |= dict.fromkeys(range(at.start, at.stop), members)
    cover = None
    if tree.get("leaf_weights") is not None:
        cover = np.zeros(len(node))
        cover[leaf] = _numbers(tree, "leaf_weights", n_inner + 1)
        for level in range(depth, 0, -1):
            first = (1 << level) - 1
            cover[first // 2 : first] = cover[first : 2 * first + 1].reshape(-1, 2).sum(axis=1)
    return Tree(
        feature=feature,
        threshold=threshold,
        left=np.where(leaf, LEAF, 2 * node + 1),
        right=np.where(leaf, LEAF, 2 * node + 2),
        flags=flags,
        values=np.concatenate([np.zeros((n_inner, width)), values]),
        cover=cover,
        category_sets=sets,
    )


def _free_tree(tree: Any, number: int, features: Features, width: int) -> Tree:
    """Read a tree of nested objects, parents before children."""
    nodes, parents = [tree], [-1]
    left: list[int] = []
    right: list[int] = []
    feature: list[int] = []
    threshold: list[float] = []
    flags: list[int] = []
    values: list[NDArray[np.float64]] = []
    sets: dict[int, list[int]] = {}
    at = 0
    while at < len(nodes):
        node = nodes[at]
        if not isinstance(node, dict):
            raise ModelFileError(f"the model is damaged: a node of tree {number} is no object")
        if "split" in node:
            for children, key in ((left, "left"), (right, "right")):
                children.append(len(nodes))
                nodes.append(_part(node, key, dict))
                parents.append(at)
            values.append(np.zeros(width))
            tested, border, flag, members = _split(node["split"], features)
            if members is not None:
                sets[at] = members
        else:
            tested, border, flag = LEAF, 0.0, 0
            left.append(LEAF)
            right.append(LEAF)
            leaf = node.get("value")
            listed = {"value": leaf if isinstance(leaf, list) else [leaf]}
            values.append(_numbers(listed, "value", width))
        feature.append(tested)
        threshold.append(border)
        flags.append(flag)
        at += 1
    cover = None
    if all("weight" in node for node in nodes if "split" not in node):
        weights = {"weight": [node.get("weight", 0) for node in nodes]}
        cover = _numbers(weights, "weight", len(nodes))
        cover[np.array(left) != LEAF] = 0
        for child in range(len(nodes) - 1, 0, -1):
            cover[parents[child]] += cover[child]
    return Tree(
        feature=feature,
        threshold=threshold,
        left=left,
        right=right,
        flags=np.array(flags, np.uint8),
        values=np.stack(values),
        cover=cover,
        category_sets=sets,
    )


def _split(split: Any, features: Features) -> tuple[int, float, int, list[int] | None]:
    """Feature, threshold, flags and category set of a split; what passes it goes right."""
    kind = _part(split, "split_type", str)
    if kind == "FloatFeature":
        number = _count(split, "float_feature_index")
        if number not in features.numeric:
            raise ModelFileError(f"the model is damaged: it tests float feature {number}")
        place, nan_left = features.numeric[number]
        with np.errstate(over="ignore"):
            border = _numbers({"border": [split.get("border")]}, "border", 1).astype(np.float32)
        return place, float(border[0]), DEFAULT_LEFT * nan_left, None
    if kind == "OneHotFeature":
        number, value = _count(split, "cat_feature_index"), split.get("value")
        if number >= len(features.categorical) or not isinstance(value, int):
            raise ModelFileError(f"the model is damaged: it tests categorical feature {number}")
        members = features.codes.get(value % (1 << 32))
        if members is None:
            raise UnsupportedModelError(
                "the model tests a category whose name it does not hold; save it with "
                'save_model("model.json", format="json", pool=the pool it was trained on) and '
                "read that file"
            )
        # A category that no split names passes none, and so does a missing one.
        return features.categorical[number], 0.0, CATEGORICAL | DEFAULT_LEFT, members
    raise UnsupportedModelError(
        f"the model has splits of type {kind}, on statistics of the target that depend on other "
        "rows' categories; train it with one_hot_max_size of at least the number of categories, or "
        "turn categories into numbers first"
    )


# The rest


def _scale_and_bias(document: dict[str, Any]) -> tuple[float, NDArray[np.float64]]:
    given = _part(document, "scale_and_bias", list)
    if len(given) != 2:
        raise ModelFileError("the model is damaged: scale_and_bias are not two")
    bias = given[1] if isinstance(given[1], list) else [given[1]]
    if not bias:
        raise ModelFileError("the model is damaged: it has no bias")
    scale = _numbers({"scale": [given[0]]}, "scale", 1)
    return float(scale[0]), _numbers({"bias": bias}, "bias", len(bias))


def _classes(info: Any, n_outputs: int) -> tuple[Any, ...] | None:
    """Labels of the classes, in the order of the outputs, where the model has them."""
    found = info.get("class_params", {}) if isinstance(info, dict) else {}
    names = found.get("class_names") if isinstance(found, dict) else None
    if not isinstance(names, list) or len(names) != max(2, n_outputs):
        return None
    return tuple(name if isinstance(name, int | float | str) else str(name) for name in names)


def _objective(info: Any) -> str:
    """Name the loss; some versions write the parameters as JSON within the JSON."""
    try:
        params = info["params"]
        params = json.loads(params) if isinstance(params, str) else params
        return str(params["loss_function"]["type"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return ""


def _part(parent: Any, key: str, kind: type) -> Any:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, kind):
        raise ModelFileError(f"the model is damaged: there is no {key!r} where one belongs")
    return value


def _count(parent: Any, key: str) -> int:
    value = _part(parent, key, int)
    if isinstance(value, bool) or not 0 <= value < 1 << 32:
        raise ModelFileError(f"the model is damaged: {key} is {value!r}")
    return int(value)


def _numbers(parent: dict[str, Any], key: str, size: int) -> NDArray[np.float64]:
    value = parent.get(key)
    if not isinstance(value, list) or len(value) != size:
        raise ModelFileError(f"the model is damaged: {key} is not a list of {size} numbers")
    if not all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in value):
        raise ModelFileError(f"the model is damaged: {key} holds something other than numbers")
    try:
        numbers = np.array(value, np.float64)
    except OverflowError as error:
        raise ModelFileError(f"the model is damaged: {key} is too large") from error
    if not np.isfinite(numbers).all():
        raise ModelFileError(f"the model is damaged: {key} is not finite")
    return numbers
