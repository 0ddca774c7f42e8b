"""The text of a LightGBM model, cut into its parts and checked; `lightgbm` makes trees of it."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...errors import ModelFileError, UnsupportedModelError

VERSIONS = ("v2", "v3", "v4")

# Whatever is not listed here might change the prediction, so it is refused.
_HEADER_KEYS = """
    tree version num_class num_tree_per_iteration label_index max_feature_idx objective
    average_output feature_names monotone_constraints feature_infos tree_sizes
"""
_TREE_KEYS = b"""
    Tree num_leaves num_cat split_feature split_gain threshold decision_type left_child
    right_child leaf_value leaf_weight leaf_count internal_value internal_weight internal_count
    cat_boundaries cat_threshold shrinkage is_linear leaf_const num_features leaf_features
    leaf_coeff
"""
HEADER_KEYS = frozenset(_HEADER_KEYS.split())
TREE_KEYS = frozenset(_TREE_KEYS.split())

TreeText = Mapping[bytes, bytes]


@dataclass(frozen=True)
class ModelText:
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
        """Whether the library's ``predict`` divides by the number of rounds (random forests)."""
        return "average_output" in self.header

    @property
    def objective(self) -> str:
        """What the model was trained for; the file says nothing of an objective of one's own."""
        return self.header.get("objective", "custom")


def given_names(names: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names of the features, None if they are those for columns without names."""
    if all(name == f"Column_{number}" for number, name in enumerate(names)):
        return None
    return tuple(names)


# Cutting the text


def is_dump(content: bytes) -> bool:
    """Tell whether this is the JSON of ``dump_model``."""
    head = content[:65536]
    return head.lstrip()[:1] == b"{" and b'"max_feature_idx"' in head and b'"feature_names"' in head


def damaged(name: str, what: str) -> ModelFileError:
    """Make the error for a file in which something is wrong."""
    return ModelFileError(
        f"{name} is not a whole LightGBM model: {what}; it may be truncated, edited, or have had "
        "its line endings converted. Save it again with save_model"
    )


def cut(content: bytes, name: str) -> ModelText:
    """Cut a model's text into parts and check that it is whole; ``name`` is for messages."""
    start = content.find(b"\nTree=") + 1
    if not start and b"\nend of trees" not in content:
        raise damaged(name, "it has no trees and no end of trees")
    if not start:
        raise UnsupportedModelError(f"{name} holds no trees; train it first")
    header = _header(content[:start], name)
    sizes = whole(header["tree_sizes"].split(), name)
    bounds = list(accumulate(sizes, initial=start))
    if min(sizes, default=0) <= 0 or not content.startswith(b"end of trees\n", bounds[-1]):
        raise damaged(name, "its trees do not end where its header says")
    trees = []
    for number, (left, right) in enumerate(pairwise(bounds)):
        lines = content[left:right].split(b"\n")
        tree = dict(line.partition(b"=")[::2] for line in lines if line)
        if tree.get(b"Tree") != b"%d" % number or not tree.keys() <= TREE_KEYS:
            unknown = sorted(tree.keys() - TREE_KEYS)
            raise damaged(name, f"tree {number} is misplaced or has unknown entries {unknown}")
        trees.append(tree)
    parameters, labels = _tail(content[bounds[-1] :], header["version"], name)
    n_classes, per_round = whole(
        [header["num_class"], header.get("num_tree_per_iteration", header["num_class"])], name
    )
    if n_classes != per_round or not 1 <= per_round <= len(trees):
        raise damaged(
            name, f"{len(trees)} trees cannot make rounds of {per_round} for {n_classes} classes"
        )
    names = tuple(header["feature_names"].split(" "))
    if whole([header["max_feature_idx"]], name) != [len(names) - 1]:
        raise damaged(name, f"it names {len(names)} features but counts another number")
    return ModelText(header, trees, per_round, names, parameters, labels)


def _header(content: bytes, name: str) -> dict[str, str]:
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        raise damaged(name, "its header is not UTF-8") from error
    header = dict(line.partition("=")[::2] for line in lines if line)
    if not header.keys() <= HEADER_KEYS:
        unknown = sorted(header.keys() - HEADER_KEYS)
        raise damaged(name, f"its header has unknown entries {unknown}")
    wanted = ("tree", "version", "num_class", "max_feature_idx", "feature_names", "tree_sizes")
    for key in wanted:
        if key not in header:
            raise damaged(name, f"its header lacks {key}")
    if header["version"] not in VERSIONS:
        raise UnsupportedModelError(
            f"{name} has the LightGBM text format {header['version']!r}; "
            f"wanted one of {', '.join(VERSIONS)}"
        )
    return header


def _tail(content: bytes, version: str, name: str) -> tuple[str, list[list[Any]]]:
    """Return the parameters and the labels of pandas categories, if the file has them."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise damaged(name, "its end is not UTF-8") from error
    _, given, labels = text.rpartition("\npandas_categorical:")
    if not given and not text.endswith("\n"):
        raise damaged(name, "its last line is cut off")
    _, begun, parameters = text.partition("\nparameters:\n")
    # Early writers of v2 had none.
    if "\nend of parameters\n" not in parameters and (begun or version != "v2"):
        raise damaged(name, "its parameters have no end")
    if not given:
        return parameters, []
    try:
        found = json.loads(labels)
    except (ValueError, RecursionError) as error:
        raise damaged(name, "its pandas_categorical is not JSON") from error
    found = [] if found is None else found
    if not isinstance(found, list) or not all(_are_labels(labels) for labels in found):
        raise damaged(name, "its pandas_categorical is not a list of lists of labels")
    return parameters, found


def _are_labels(labels: Any) -> bool:
    return isinstance(labels, list) and all(
        isinstance(label, (str, int, float, bool)) for label in labels
    )


# Reading the numbers


def whole(words: Iterable[bytes | str], name: str) -> list[int]:
    """Read whole numbers."""
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise damaged(name, "it has something else where a whole number should be") from error


def read_column(
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
        raise damaged(
            name,
            f"tree {worst} should have {sizes[worst]} numbers in {key.decode()} "
            f"but has {counts[worst]}",
        )
    try:
        if any(b"_" in tree.get(key, b"") for tree in trees):
            raise ValueError
        return np.fromiter(map(convert, chain.from_iterable(lines)), dtype, int(counts.sum()))
    except (ValueError, OverflowError) as error:
        raise damaged(name, f"{key.decode()} has something that is no such number") from error


# Labels of pandas categories


def categories(model: ModelText) -> dict[str, Any]:
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
