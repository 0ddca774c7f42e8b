"""Reader of scikit-learn's HistGradientBoosting models, of versions 1.4 and later.

Trees test float64 values, and of categorical features the codes that an encoder within the model
gives them; that puts categorical features before the others. A category it has not seen goes where
missing values go.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, UnsupportedModelError
from ..ensemble import TreeEnsemble
from ..tree import CATEGORICAL, DEFAULT_LEFT, LEAF, SET_GOES_LEFT, Tree
from .class_labels import class_labels
from .plain_tables import check_columns, column_names, dense_blocks, positions, shallow_copy


@dataclass(frozen=True)
class Encoding:
    """How features become what the trees test.

    Parameters
    ----------
    order : int64 (n_features,)
        Feature that each number within the trees stands for.
    values : categories that are numbers, of each such feature, in code order
    labels : categories that are texts, of each such feature, in code order
    """

    order: NDArray[np.int64]
    values: dict[int, list[float]]
    labels: dict[int, list[Any]]

    @classmethod
    def of(cls, model: Any) -> "Encoding":
        """Find it in a fitted model.

        Raises
        ------
        UnsupportedModelError
            If categories were encoded as before version 1.4, or are neither texts nor numbers.
        """
        n_features = int(model.n_features_in_)
        categorical = getattr(model, "is_categorical_", None)
        if categorical is None or not np.any(categorical):
            return cls(np.arange(n_features), {}, {})
        encoder = getattr(model, "_preprocessor", None)
        if encoder is None:
            raise UnsupportedModelError(
                "categorical features of scikit-learn before 1.4 are not supported; refit the model"
            )
        first, last = np.flatnonzero(categorical), np.flatnonzero(~np.asarray(categorical))
        values: dict[int, list[float]] = {}
        labels: dict[int, list[Any]] = {}
        known = encoder.named_transformers_["encoder"].categories_
        for feature, found in zip(first.tolist(), known, strict=True):
            # The encoder puts a missing category last.
            kept = [category for category in np.asarray(found).tolist() if category == category]
            if any(category is None for category in kept):
                raise UnsupportedModelError(
                    f"feature {feature} has None for a category; train with NaN in its place"
                )
            # Times may be numbers by now. In a file they would be texts, none of them known.
            if np.asarray(found).dtype.kind in "mM" or not (
                all(isinstance(category, (int, float)) for category in kept)
                or all(isinstance(category, str) for category in kept)
            ):
                raise UnsupportedModelError(
                    f"feature {feature} has categories such as {found[0]!r}; train with texts or "
                    "numbers in their place"
                )
            if any(isinstance(category, str) for category in kept):
                labels[feature] = kept
            else:
                values[feature] = [float(category) for category in kept]
        return cls(np.concatenate([first, last]), values, labels)

    def apply(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Encode rows as the trees want them; labels are codes already."""
        encoded = rows.astype(np.float64)
        if np.isinf(encoded[:, [*self.values, *self.labels]]).any():
            raise InputError("there are infinite values among the categories of the rows")
        for feature, known in self.values.items():
            column, numbers = encoded[:, feature].copy(), np.array(known)
            encoded[:, feature] = np.nan
            for code, number in enumerate(numbers):
                encoded[column == number, feature] = code
        for feature, texts in self.labels.items():
            column = encoded[:, feature]
            encoded[~np.isin(column, np.arange(len(texts))), feature] = np.nan
        return encoded[:, self.order]


def read(model: Any, limits: tuple[int, int], version: str) -> TreeEnsemble:
    """Read a fitted model's boosting rounds ``limits``."""
    encoding = Encoding.of(model)
    n_outputs = int(model.n_trees_per_iteration_)
    codes = model._bin_mapper.bin_thresholds_ if encoding.values or encoding.labels else []
    trees = [
        _tree(predictor, output, encoding.order, codes)
        for predictors in model._predictors[slice(*limits)]
        for output, predictor in enumerate(predictors)
    ]
    classes = getattr(model, "classes_", None) if n_outputs > 1 else None
    names = getattr(model, "feature_names_in_", None)
    by_place = {f: [float(code) for code in range(len(k))] for f, k in encoding.labels.items()}
    return TreeEnsemble.from_trees(
        trees,
        n_features=int(model.n_features_in_),
        n_outputs=n_outputs,
        base=np.asarray(model._baseline_prediction, np.float64).reshape(-1),
        comparison="<=",
        input_dtype="float64",
        feature_names=None if names is None else tuple(str(name) for name in names),
        output_names=None if classes is None else tuple(str(label) for label in classes),
        classes=class_labels(model),
        categories=encoding.labels,
        unseen_category="missing",
        category_values=encoding.values | by_place,
        categorical_columns="values",
        library=f"scikit-learn {version}",
        objective=f"{type(model).__name__}, {model.loss}",
    )


def _tree(predictor: Any, output: int, order: NDArray[np.int64], codes: Any) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"] != 0
    missing_left = nodes["missing_go_to_left"] != 0
    categorical = (nodes["is_categorical"] != 0) & ~leaf
    flags = DEFAULT_LEFT * missing_left.astype(np.uint8)
    flags[categorical] |= CATEGORICAL
    sets = {}
    for node in np.flatnonzero(categorical).tolist():
        words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        bits = np.unpackbits(np.asarray(words, "<u4").view(np.uint8), bitorder="little")
        goes_left = np.flatnonzero(bits)
        if missing_left[node]:
            # All that is not known to go right goes left, so the set is of those that go right.
            known = np.asarray(codes[nodes["feature_idx"][node]]).astype(np.int64)
            sets[node] = np.setdiff1d(known, goes_left)
        else:
            flags[node] |= SET_GOES_LEFT
            sets[node] = goes_left
    return Tree(
        feature=np.where(leaf, LEAF, order[nodes["feature_idx"]]),
        threshold=np.where(leaf | categorical, 0.0, nodes["num_threshold"]),
        left=np.where(leaf, LEAF, nodes["left"].astype(np.int64)),
        right=np.where(leaf, LEAF, nodes["right"].astype(np.int64)),
        flags=flags,
        values=nodes["value"].astype(np.float64)[:, None],
        cover=nodes["count"].astype(np.float64),
        output=output,
        category_sets=sets,
    )


def predict_raw(
    model: Any, X: Any, limits: tuple[int, int], names: tuple[str, ...] | None
) -> NDArray[np.float64]:
    """Ask the live model itself, before any link, (n_rows,) or (n_rows, n_outputs).

    pandas frames are encoded by the model, and so are arrays if it was fitted on arrays. Other
    arrays hold codes where categories are texts, which no model takes, and are encoded here.
    """
    n_features = int(model.n_features_in_)
    encoding = Encoding.of(model)
    encodes = bool(encoding.values or encoding.labels)
    as_frame = encodes and hasattr(X, "iloc")
    asked = shallow_copy(model, names=as_frame)
    asked._predictors = model._predictors[slice(*limits)]
    blocks: Iterable[Any]
    if as_frame:
        order = positions(column_names(X) or [], names)
        check_columns((len(X), len(order)), n_features)
        blocks = [X.iloc[:, order]]
    else:
        blocks = dense_blocks(X, n_features, names)
        if encodes and (encoding.labels or names is not None):
            asked._preprocessor = None
            blocks = (encoding.apply(rows) for rows in blocks)
    try:
        parts = [asked._raw_predict(rows) for rows in blocks if len(rows)]
    except ValueError as error:
        raise InputError(f"the model itself refuses these rows: {error}") from error
    n_outputs = int(model.n_trees_per_iteration_)
    raw = np.concatenate([np.empty((0, n_outputs)), *parts])
    return raw[:, 0] if n_outputs == 1 else raw
