"""Reader of scikit-learn's tree models: live objects, of versions 1.3 and later.

scikit-learn has no model file of its own, only pickles, which run whatever code they hold; so no
file is read. What is explained is what the model itself returns: ``predict`` of regressors,
``predict_proba`` of trees and forests that classify, ``decision_function`` of gradient boosting,
and of an isolation forest the mean path length, which its scores are a function of.
"""

import operator
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, UnsupportedModelError
from ..ensemble import TreeEnsemble
from ..tree import DEFAULT_LEFT, LEAF, Tree
from . import sklearn_hist
from .class_labels import class_labels
from .plain_tables import dense_blocks, shallow_copy


def _both(*names: str) -> tuple[str, ...]:
    return tuple(name + kind for name in names for kind in ("Classifier", "Regressor"))


TREES = _both("DecisionTree", "ExtraTree")
FORESTS = _both("RandomForest", "ExtraTrees")
BOOSTED = _both("GradientBoosting")
HISTOGRAMS = _both("HistGradientBoosting")
ISOLATION = "IsolationForest"
SUPPORTED = (*TREES, *FORESTS, *BOOSTED, *HISTOGRAMS, ISOLATION)

# Models made of other models, and what to do with them.
EACH_MEMBER = "explain each of model.estimators_ and average the values, as it averages predictions"
BEST = "explain model.best_estimator_"
EACH_OUTPUT = "explain each of model.estimators_"
NO_SUM = "its prediction is no sum over trees; explain it as a function, by its predictions"
ADVICE = {
    "Pipeline": "explain its last step, model[-1], on the rows that model[:-1].transform(X) gives",
    "TransformedTargetRegressor": "explain model.regressor_, in units of the transformed target",
    "BaggingRegressor": f"{EACH_MEMBER}; member i sees columns model.estimators_features_[i]",
    "BaggingClassifier": f"{EACH_MEMBER}; member i sees columns model.estimators_features_[i]",
    "VotingRegressor": f"{EACH_MEMBER} (by model.weights, if given)",
    "VotingClassifier": NO_SUM,
    "AdaBoostRegressor": NO_SUM,
    "AdaBoostClassifier": NO_SUM,
    "StackingRegressor": NO_SUM,
    "StackingClassifier": NO_SUM,
    "CalibratedClassifierCV": NO_SUM,
    "GridSearchCV": BEST,
    "RandomizedSearchCV": BEST,
    "HalvingGridSearchCV": BEST,
    "HalvingRandomSearchCV": BEST,
    "MultiOutputRegressor": EACH_OUTPUT,
    "MultiOutputClassifier": EACH_OUTPUT,
    "OneVsRestClassifier": EACH_OUTPUT,
    "FrozenEstimator": "explain model.estimator",
    "RandomTreesEmbedding": "it predicts nothing",
}
# Of scikit-learn's dummies, those that predict the same for every row.
CONSTANT = ("prior", "most_frequent", "uniform", "constant", "mean", "median", "quantile")

# The functions that every reader has


def recognises(model: Any) -> bool:
    """Tell whether a live object is one of this library's tree models, without importing it."""
    return bool(_supported(type(model)))


def advice(model: Any) -> str | None:
    """Say why another of this library's estimators is not read, and what to do; None of others."""
    kind = type(model)
    if not (_of_library(kind) and any(base.__name__ == "BaseEstimator" for base in kind.__mro__)):
        return None
    known = f"it is none of the tree models that are: {', '.join(SUPPORTED)}"
    return f"scikit-learn's {kind.__name__} is not supported: {ADVICE.get(kind.__name__, known)}"


def recognises_file(content: bytes) -> bool:
    """Tell whether a file is a pickle, for this library has no other files."""
    return content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def read(model: Any, *, iteration_range: tuple[int, int] | None = None) -> TreeEnsemble:
    """Read a live model.

    Parameters
    ----------
    model : one of scikit-learn's decision trees, forests, gradient boosting models of either kind,
        or its IsolationForest
    iteration_range : (int, int), optional
        Boosting rounds ``start .. stop - 1`` to keep; all by default. Forests have none.

    Raises
    ------
    UnsupportedModelError
        If the model is not fitted, of another kind, or has an ``init`` that depends on the row.
    """
    kind = _kind(model)
    limits = _rounds(model, kind, iteration_range)
    if kind in HISTOGRAMS:
        return sklearn_hist.read(model, limits, _version())
    classifies = kind.endswith("Classifier")
    n_outputs, names = _outputs(model) if kind not in BOOSTED else (_n_raw(model), None)
    base: NDArray[np.float64] = np.zeros(n_outputs)
    objective = kind
    if kind in BOOSTED:
        trees = _boosted_trees(model, limits)
        base = _start(model)
        objective = f"{kind}, {model.loss}"
        if n_outputs > 1:
            names = tuple(str(label) for label in model.classes_)
    elif kind == ISOLATION:
        trees = _isolation_trees(model)
        objective = "IsolationForest, mean path length (short is anomalous)"
    else:
        members = model.estimators_ if kind in FORESTS else [model]
        share = 1 / len(members)
        trees = [_tree(m.tree_, _leaves(m, classifies) * share) for m in members]
    return TreeEnsemble.from_trees(
        trees,
        n_features=int(model.n_features_in_),
        n_outputs=n_outputs,
        base=base,
        comparison="<=",
        input_dtype="float32",
        integer_dtype="float32",
        feature_names=_feature_names(model),
        output_names=names,
        classes=class_labels(model) if classifies else None,
        categorical_columns="values",
        takes_missing=_takes_missing(model),
        takes_infinite=False,
        library=f"scikit-learn {_version()}",
        objective=objective,
    )


def read_file(
    content: bytes, name: str, *, iteration_range: tuple[int, int] | None = None
) -> TreeEnsemble:
    """Refuse a pickle, without opening it; ``name`` is for messages."""
    raise UnsupportedModelError(
        f"{name} is a pickle, which is not opened, for that runs whatever code is in it; if you "
        "trust it, load it yourself (joblib.load or pickle.load) and pass the model"
    )


def predict_raw(
    model: Any, X: Any, *, iteration_range: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """Ask the live model itself for what is explained, (n_rows,) or (n_rows, n_outputs).

    ``X`` is the user's own table or array. Columns of a frame are put in the model's order by
    name. Sparse matrices are made dense in blocks.

    Raises
    ------
    InputError
        If the model refuses the rows.
    """
    kind = _kind(model)
    limits = _rounds(model, kind, iteration_range)
    n_features, names = int(model.n_features_in_), _feature_names(model)
    if kind in HISTOGRAMS:
        return sklearn_hist.predict_raw(model, X, limits, names)
    nameless = shallow_copy(model, names=False)
    if kind in BOOSTED:
        nameless.estimators_ = model.estimators_[slice(*limits)]
    parts = []
    for rows in dense_blocks(X, n_features, names):
        if not len(rows):
            continue
        try:
            # Its look for infinities adds up the rows, which may overflow.
            with np.errstate(invalid="ignore", over="ignore"):
                parts.append(_ask(nameless, kind, rows))
        except ValueError as error:
            raise InputError(f"the model itself refuses these rows: {error}") from error
    n_outputs = _n_raw(model) if kind in BOOSTED else _outputs(model)[0]
    raw = np.concatenate([np.empty((0, n_outputs)), *parts])
    return raw[:, 0] if n_outputs == 1 else raw


def threads_of(model: Any) -> int | None:
    """Threads that the library predicts with; None is as many as it likes."""
    return None


def _ask(model: Any, kind: str, rows: NDArray[Any]) -> NDArray[np.float64]:
    """Predict dense rows: float64 (n_rows, n_outputs)."""
    if kind == ISOLATION:
        # score = -2 ** (-length / normal length), and this takes the length out again.
        normal = _average_path_length(np.array([model.max_samples_]))
        answer = -np.log2(-model.score_samples(rows)) * normal
    elif kind == "GradientBoostingClassifier":
        answer = model.decision_function(rows)
    elif kind.endswith("Classifier"):
        answer = model.predict_proba(rows)
        if isinstance(answer, list):
            answer = np.concatenate(answer, axis=1)
    else:
        answer = model.predict(rows)
    return np.asarray(answer, np.float64).reshape(len(rows), -1)


# Which model


def _of_library(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "sklearn"


def _supported(kind: type) -> str:
    """Return the name of the supported class that a class is or derives from, else nothing."""
    names = (base.__name__ for base in kind.__mro__ if _of_library(base))
    return next((name for name in names if name in SUPPORTED), "")


def _kind(model: Any) -> str:
    """Return the name of the supported class that a model is of, if it is fitted and its own."""
    name = _supported(type(model))
    for method in ("predict", "predict_proba", "decision_function", "score_samples"):
        given = getattr(type(model), method, None)
        if given is not None and not _from_library(given):
            raise UnsupportedModelError(
                f"{type(model).__name__} has a {method} of its own, so its predictions may not be "
                f"those of scikit-learn's {name}; explain it as a function, by its predictions"
            )
    fitted = {ISOLATION: "estimators_", **dict.fromkeys(TREES, "tree_")}
    fitted |= dict.fromkeys(HISTOGRAMS, "_predictors")
    if not hasattr(model, fitted.get(name, "estimators_")):
        raise UnsupportedModelError(f"this {type(model).__name__} is not fitted; call fit first")
    return name


def _from_library(method: Any) -> bool:
    return str(getattr(method, "__module__", "sklearn")).partition(".")[0] == "sklearn"


def _version() -> str:
    return str(getattr(sys.modules.get("sklearn"), "__version__", ""))


def _rounds(model: Any, kind: str, wanted: tuple[int, int] | None) -> tuple[int, int]:
    boosted = kind in BOOSTED or kind in HISTOGRAMS
    total = len(model.estimators_ if kind in BOOSTED else model._predictors) if boosted else 0
    if wanted is None:
        return 0, total
    if not boosted:
        raise InputError(f"iteration_range is for boosted models; {kind} has no rounds")
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


def _feature_names(model: Any) -> tuple[str, ...] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def _outputs(model: Any) -> tuple[int, tuple[str, ...] | None]:
    """Count and name what a tree or forest predicts: targets, or the classes of each."""
    n_targets = int(getattr(model, "n_outputs_", 1))
    classes = getattr(model, "classes_", None)
    if classes is None:
        return n_targets, None
    if n_targets == 1:
        return len(classes), tuple(str(label) for label in classes)
    named = [f"{k}: {label}" for k, labels in enumerate(classes) for label in labels]
    return len(named), tuple(named)


def _n_raw(model: Any) -> int:
    return int(model.estimators_.shape[1])


def _takes_missing(model: Any) -> bool:
    """Ask the model, for versions and settings differ in it."""
    try:
        predict_raw(model, np.full((1, int(model.n_features_in_)), np.nan))
    except InputError:
        return False
    return True


# Trees


def _tree(tree: Any, values: NDArray[np.float64], output: int = 0) -> Tree:
    """Describe a tree of sklearn.tree, with ``values`` (n_nodes, width) at its leaves."""
    default_left = getattr(tree, "missing_go_to_left", None)
    if default_left is None:
        raise UnsupportedModelError("models of scikit-learn before 1.3 are not supported; refit it")
    leaf = np.asarray(tree.children_left) == LEAF
    return Tree(
        feature=np.where(leaf, LEAF, tree.feature),
        threshold=np.where(leaf, 0.0, tree.threshold),
        left=tree.children_left,
        right=tree.children_right,
        flags=DEFAULT_LEFT * (np.asarray(default_left) != 0).astype(np.uint8),
        values=values,
        cover=tree.weighted_n_node_samples,
        output=output,
    )


def _leaves(member: Any, classifies: bool) -> NDArray[np.float64]:
    """What the nodes of a tree predict: values, or shares of each target's classes."""
    value = np.asarray(member.tree_.value, np.float64)
    if not classifies:
        return value[:, :, 0]
    counts = np.atleast_1d(member.n_classes_).tolist()
    return np.concatenate([value[:, k, :count] for k, count in enumerate(counts)], axis=1)


def _boosted_trees(model: Any, limits: tuple[int, int]) -> list[Tree]:
    rate = float(model.learning_rate)
    return [
        _tree(member.tree_, rate * member.tree_.value[:, 0], output)
        for members in model.estimators_[slice(*limits)]
        for output, member in enumerate(members)
    ]


def _start(model: Any) -> NDArray[np.float64]:
    """Margin that boosting starts from, which must be the same for every row."""
    start = model.init_
    if not isinstance(start, str):
        dummy = type(start).__name__ in ("DummyRegressor", "DummyClassifier")
        if not (_of_library(type(start)) and dummy and start.strategy in CONSTANT):
            raise UnsupportedModelError(
                f"boosting started from init={start!r}, whose prediction depends on the row and is "
                "no sum over these trees; train it with init=None or init='zero'"
            )
    nothing = np.zeros((1, int(model.n_features_in_)), np.float32)
    margin: NDArray[np.float64] = np.asarray(model._raw_predict_init(nothing), np.float64)[0]
    return margin


def _isolation_trees(model: Any) -> list[Tree]:
    """Describe trees whose leaves hold their share of the mean path length."""
    n_features = int(model.n_features_in_)
    trees = []
    for member, features in zip(model.estimators_, model.estimators_features_, strict=True):
        tree = member.tree_
        tests = np.asarray(tree.compute_node_depths(), np.float64) - 1
        length = tests + _average_path_length(np.asarray(tree.n_node_samples))
        described = _tree(tree, (length / len(model.estimators_))[:, None])
        if member.n_features_in_ < n_features:
            seen = np.asarray(described.feature)
            own = np.where(seen == LEAF, LEAF, np.asarray(features)[seen])
            described = Tree(**{**vars(described), "feature": own})
        trees.append(described)
    return trees


def _average_path_length(n_rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean path length of an isolation tree over so many rows (Liu et al. 2008, equation 1)."""
    many = np.maximum(n_rows, 3).astype(np.float64)
    length = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(n_rows > 2, length, np.where(n_rows == 2, 1.0, 0.0))
