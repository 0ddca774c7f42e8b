"""The scikit-learn reader against the library: its leaves, its predictions, its refusals."""

import pickle

import numpy as np
import pytest
import sklearn
from contracts import Case, ReaderContract, edge_rows
from sklearn import dummy, ensemble, pipeline, tree
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)

from shapley_core.errors import InputError, UnsupportedModelError
from shapley_core.trees import read_model
from shapley_core.trees.readers import sklearn as reader
from shapley_core.trees.tree import DEFAULT_LEFT, LEAF

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
rng = np.random.default_rng(0)
X = rng.normal(size=(150, 4))
# Many thresholds lie halfway between neighbouring float32 numbers.
X[:, 1] = 1024 * (1 + rng.integers(0, 40, 150) * np.float64(np.finfo(np.float32).eps))
X[:, 2] = np.round(X[:, 2])
HOLES = np.where(rng.random(X.shape) < 0.15, np.nan, X)
REAL = X[:, 0] + X[:, 2] * np.sign(X[:, 3]) + 1e3 * (X[:, 1] - 1024) + rng.normal(size=150) / 5
CLASSES = np.array(["low", "mid", "high"])[np.digitize(REAL, [0, 3])]
BINARY = REAL > 2
SMALL = {"n_estimators": 4, "random_state": 0}
TREE = {"random_state": 0}

# Model, rows, target.
CASES = {
    "tree": (tree.DecisionTreeRegressor(**TREE), HOLES, REAL),
    "tree of classes": (tree.DecisionTreeClassifier(max_depth=4, **TREE), HOLES, CLASSES),
    "extra tree": (tree.ExtraTreeRegressor(**TREE), X, REAL),
    "extra tree of classes": (tree.ExtraTreeClassifier(max_depth=5, **TREE), X, CLASSES),
    "forest": (RandomForestRegressor(**SMALL), HOLES, REAL),
    "forest of classes": (RandomForestClassifier(**SMALL), HOLES, CLASSES),
    "forest of targets": (RandomForestRegressor(**SMALL), X, np.stack([REAL, REAL**2], 1)),
    "extra trees": (ExtraTreesRegressor(bootstrap=True, **SMALL), X, REAL),
    "extra trees of classes": (ExtraTreesClassifier(**SMALL), X, BINARY),
    "boosting": (GradientBoostingRegressor(**SMALL), X, REAL),
    "boosting of classes": (GradientBoostingClassifier(**SMALL), X, CLASSES),
    "boosting of two classes": (GradientBoostingClassifier(**SMALL), X, BINARY),
    "isolation forest": (IsolationForest(max_features=0.5, **SMALL), X, None),
}
if VERSION < (1, 6):
    # No missing values in forests of all kinds.
    CASES["forest"] = (*CASES["forest"][:1], X, REAL)


def leaves_of(model):
    if isinstance(model, IsolationForest):
        parts = list(zip(model.estimators_, model.estimators_features_, strict=True))
        return lambda rows: np.stack([m.apply(rows[:, features]) for m, features in parts], axis=1)
    return lambda rows: np.asarray(model.apply(rows)).astype(np.int64)


class TestSklearn(ReaderContract):
    reader = reader
    own_module = "sklearn"
    tolerance = 1e-13

    @pytest.fixture(scope="class", params=CASES)
    @classmethod
    def case(cls, request):
        model, rows, target = CASES[request.param]
        model = sklearn.clone(model).fit(rows, target)
        rounds = 4 if "boosting" in request.param else 0
        return Case(model, rows, rounds, {}, leaves_of(model), takes_infinity=False)


def assert_same(model, rows, own):
    mine = reader.read(model).predict(rows)
    own = np.asarray(own, np.float64).reshape(mine.shape)
    np.testing.assert_allclose(mine, own, rtol=0, atol=1e-13 * (np.abs(own).max() + 1))
    asked = reader.predict_raw(model, rows)
    np.testing.assert_allclose(asked, own, rtol=0, atol=1e-13 * (np.abs(own).max() + 1))


def test_what_is_explained_is_the_librarys_own_output():
    for model, rows, target in CASES.values():
        model = sklearn.clone(model).fit(rows, target)
        kind = type(model).__name__
        if kind == "GradientBoostingClassifier":
            own = model.decision_function(rows)
        elif kind.endswith("Classifier"):
            own = model.predict_proba(rows)
            assert reader.read(model).output_names == tuple(str(c) for c in model.classes_)
        elif kind == "IsolationForest":
            continue
        else:
            own = model.predict(rows)
        assert_same(model, rows, own)


@pytest.mark.parametrize("max_samples", [1, 2, 3, 100])
@pytest.mark.parametrize("max_features", [0.5, 1.0])
def test_an_isolation_forest_is_its_mean_path_length(max_samples, max_features):
    options = {"max_samples": max_samples, "max_features": max_features, "contamination": 0.1}
    model = IsolationForest(**SMALL, **options).fit(X)
    length = reader.read(model).predict(X)
    np.testing.assert_allclose(length, reader.predict_raw(model, X), rtol=1e-13, atol=1e-13)
    assert "mean path length" in reader.read(model).objective
    # Liu, Ting and Zhou (2008): the score is 2 ** (-length / c(max_samples)).
    if max_samples == 1:
        normal = 1.0
        assert (length == 0).all() and (model.score_samples(X) == -0.5).all()
        return
    m = max_samples
    normal = {2: 1.0}.get(m, 2 * (np.log(m - 1) + np.euler_gamma) - 2 * (m - 1) / m)
    np.testing.assert_allclose(-(2 ** (-length / normal)), model.score_samples(X), rtol=1e-13)
    score = -(2 ** (-length / normal)) - model.offset_
    np.testing.assert_allclose(score, model.decision_function(X), rtol=0, atol=1e-13)


REGRESSION = ["squared_error", "absolute_error", "huber", "quantile"]


@pytest.mark.parametrize("loss", REGRESSION)
@pytest.mark.parametrize("init", [None, "zero", dummy.DummyRegressor(strategy="median")])
def test_losses_of_regression(loss, init):
    model = GradientBoostingRegressor(loss=loss, init=init, subsample=0.7, **SMALL).fit(X, REAL)
    assert_same(model, X, model.predict(X))


@pytest.mark.parametrize("init", [None, "zero", dummy.DummyClassifier(strategy="most_frequent")])
@pytest.mark.parametrize("loss, target", [("log_loss", CLASSES), ("log_loss", BINARY),
                                          ("exponential", BINARY)])  # fmt: skip
def test_losses_of_classification(loss, target, init):
    model = GradientBoostingClassifier(loss=loss, init=init, **SMALL).fit(X, target)
    assert_same(model, X, model.decision_function(X))


@pytest.mark.parametrize(
    "init", [dummy.DummyClassifier(strategy="stratified"), RandomForestClassifier(**SMALL)]
)
def test_a_start_that_depends_on_the_row_is_refused(init):
    model = GradientBoostingClassifier(init=init, **SMALL).fit(X, BINARY)
    with pytest.raises(UnsupportedModelError, match=r"init=.*depends on the row.*init='zero'"):
        reader.read(model)


def test_boosting_that_stopped_early_and_went_on():
    stopped = GradientBoostingRegressor(n_estimators=200, n_iter_no_change=2, random_state=0)
    stopped.fit(X, np.random.default_rng(1).normal(size=150))
    assert reader.read(stopped).n_trees == stopped.n_estimators_ < 200
    assert_same(stopped, X, stopped.predict(X))
    warm = GradientBoostingRegressor(warm_start=True, **SMALL).fit(X, REAL)
    warm.set_params(n_estimators=7).fit(X, REAL)
    assert reader.read(warm).n_trees == 7
    assert_same(warm, X, warm.predict(X))


def test_rounds_are_the_librarys_stages():
    model = GradientBoostingClassifier(**SMALL).fit(X, CLASSES)
    for stop, own in enumerate(model.staged_decision_function(X), start=1):
        part = reader.read(model, iteration_range=(0, stop))
        np.testing.assert_allclose(part.predict(X), own, rtol=0, atol=1e-14)
        asked = reader.predict_raw(model, X, iteration_range=(0, stop))
        np.testing.assert_allclose(asked, own, rtol=0, atol=1e-14)
    assert model.estimators_.shape == (4, 3)
    for bad in ((0,), "ab", (0.0, 2), 3):
        for use in (reader.read, lambda m, **k: reader.predict_raw(m, X, **k)):
            with pytest.raises(InputError, match="iteration_range"):
                use(model, iteration_range=bad)
    forest = RandomForestRegressor(**SMALL).fit(X, REAL)
    with pytest.raises(InputError, match=r"RandomForestRegressor has no rounds"):
        reader.read(forest, iteration_range=(0, 1))


@pytest.mark.parametrize("kind", [RandomForestClassifier, tree.DecisionTreeClassifier])
def test_several_targets_of_classes(kind):
    targets = np.stack([CLASSES, np.where(BINARY, "yes", "no")], 1)
    model = kind(random_state=0, max_depth=4).fit(X, targets)
    assert_same(model, X, np.concatenate(model.predict_proba(X), axis=1))
    named = ("0: high", "0: low", "0: mid", "1: no", "1: yes")
    assert reader.read(model).output_names == named


def test_rows_are_compared_as_float32():
    model = tree.DecisionTreeRegressor(random_state=0).fit(X[:, [1]], REAL)
    thresholds = model.tree_.threshold[model.tree_.feature >= 0]
    assert (thresholds != thresholds.astype(np.float32)).any()
    near = np.concatenate([thresholds, np.nextafter(thresholds, 2e3), np.nextafter(thresholds, 0)])
    narrow = near.astype(np.float32)
    near = np.concatenate([near, narrow, np.nextafter(narrow, np.float32(2e3))])[:, None]
    read = reader.read(model)
    np.testing.assert_array_equal(read.apply(near)[:, 0], model.apply(near))
    np.testing.assert_array_equal(read.predict(near), model.predict(near))
    # Rounding to float64 on the way would move this one.
    big = np.array([[2**60 + 2**36 + 1]])
    model = tree.DecisionTreeRegressor().fit(np.array([[2.0**60], [2.0**60 + 2.0**37]]), [0, 1])
    assert reader.read(model).predict(big) == model.predict(big)


def test_missing_values_go_where_the_library_sends_them():
    model = tree.DecisionTreeRegressor(max_depth=6, random_state=1).fit(HOLES, REAL)
    read = reader.read(model)
    flags = read.flags[read.feature != LEAF] & DEFAULT_LEFT
    assert flags.any() and not flags.all() and read.takes_missing
    holes = edge_rows(read, 500)
    assert np.isnan(holes).any()
    np.testing.assert_array_equal(read.apply(holes)[:, 0], model.apply(holes))
    # Trained without, it still predicts rows with them.
    model = RandomForestClassifier(**SMALL).fit(X, BINARY)
    np.testing.assert_array_equal(reader.read(model).apply(holes), model.apply(holes))


def test_rows_that_the_model_refuses_are_refused():
    boosting = GradientBoostingRegressor(**SMALL).fit(X, REAL)
    forest = RandomForestClassifier(**SMALL).fit(X, BINARY)
    assert not reader.read(boosting).takes_missing and reader.read(forest).takes_missing
    for model, value in [(boosting, np.nan), (boosting, np.inf), (forest, np.inf), (forest, 1e39)]:
        row = np.full((1, 4), 0.5)
        row[0, 3] = value
        with pytest.raises(InputError, match="this model refuses"):
            reader.read(model).predict(row)
        with pytest.raises(InputError, match="the model itself refuses"):
            reader.predict_raw(model, row)
        with pytest.raises(ValueError):
            model.predict(row)


def test_covers_are_the_weights_of_training():
    weights = np.maximum(np.random.default_rng(2).random(150) - 0.2, 0)
    model = tree.DecisionTreeRegressor(max_depth=4).fit(X, REAL, sample_weight=weights)
    read = reader.read(model)
    leaf = np.flatnonzero(read.feature == LEAF)
    assert np.allclose(read.cover[0], weights.sum())
    reached = np.bincount(read.apply(X)[:, 0], weights, len(read.cover))
    np.testing.assert_allclose(read.cover[leaf], reached[leaf], rtol=1e-12)
    balanced = RandomForestClassifier(class_weight="balanced", **SMALL).fit(X, CLASSES)
    assert_same(balanced, X, balanced.predict_proba(X))
    cover = np.concatenate([m.tree_.weighted_n_node_samples for m in balanced.estimators_])
    np.testing.assert_array_equal(reader.read(balanced).cover, cover)


@pytest.mark.parametrize("criterion", ["absolute_error", "poisson", "friedman_mse"])
def test_criteria(criterion):
    if criterion == "friedman_mse" and VERSION >= (1, 9):
        pytest.skip("deprecated")
    model = tree.DecisionTreeRegressor(criterion=criterion, random_state=0, ccp_alpha=0.01)
    model.fit(X, REAL - REAL.min())
    assert_same(model, X, model.predict(X))


def test_trees_of_one_leaf_and_one_class():
    for model in (tree.DecisionTreeClassifier(), RandomForestClassifier(**SMALL)):
        model.fit(X, np.full(150, "only"))
        assert reader.read(model).output_names == ("only",)
        assert_same(model, X, model.predict_proba(X))
    model = GradientBoostingRegressor(**SMALL).fit(X, np.full(150, 3.0))
    assert_same(model, X, np.full(150, 3.0))


REFUSED = {
    "Pipeline": (pipeline.make_pipeline(RandomForestRegressor()), r"model\[-1\]"),
    "Bagging": (ensemble.BaggingRegressor(), r"average the values.*estimators_features_"),
    "Voting": (ensemble.VotingRegressor([]), "average the values"),
    "AdaBoost": (ensemble.AdaBoostRegressor(), "no sum over trees"),
    "Stacking": (ensemble.StackingClassifier([]), "no sum over trees"),
    "embedding": (ensemble.RandomTreesEmbedding(), "predicts nothing"),
    "dummy": (dummy.DummyRegressor(), r"none of the tree models.*IsolationForest"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_estimators_are_refused_with_advice(name):
    model, advice = REFUSED[name]
    # Not its own: explainers of any function may take them.
    assert not reader.recognises(model)
    with pytest.raises(UnsupportedModelError, match=advice):
        read_model(model)


def test_wrappers_of_a_model_are_refused_with_advice():
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.model_selection import GridSearchCV
    from sklearn.multioutput import MultiOutputRegressor

    inner = RandomForestRegressor()
    for model, advice in [
        (TransformedTargetRegressor(inner), r"model\.regressor_"),
        (GridSearchCV(inner, {}), r"model\.best_estimator_"),
        (MultiOutputRegressor(inner), r"model\.estimators_"),
    ]:
        with pytest.raises(UnsupportedModelError, match=advice):
            read_model(model)


class Median(RandomForestRegressor):
    def predict(self, X):
        return np.median([member.predict(X) for member in self.estimators_], axis=0)


class Same(RandomForestRegressor):
    pass


def test_subclasses_are_read_unless_they_predict_otherwise():
    model = Same(**SMALL).fit(X, REAL)
    assert_same(model, X, model.predict(X))
    with pytest.raises(UnsupportedModelError, match="Median has a predict of its own"):
        reader.read(Median(**SMALL).fit(X, REAL))


@pytest.mark.parametrize("kind", [*CASES, "histogram", "histogram of classes"])
def test_models_that_are_not_fitted_are_refused(kind):
    more = {"histogram": HistGradientBoostingRegressor(),
            "histogram of classes": HistGradientBoostingClassifier()}  # fmt: skip
    model = sklearn.clone(more.get(kind) or CASES[kind][0])
    for use in (reader.read, lambda m: reader.predict_raw(m, X)):
        with pytest.raises(UnsupportedModelError, match="not fitted"):
            use(model)


@pytest.mark.parametrize("kind", [RandomForestRegressor, RandomForestClassifier, IsolationForest])
def test_models_that_talk_are_silent(kind, capfd):
    model = kind(**SMALL).fit(X, BINARY)
    model.set_params(verbose=3)
    reader.read(model)
    reader.predict_raw(model, X)
    assert capfd.readouterr() == ("", "") and model.verbose == 3
    if kind is not IsolationForest:
        model.predict(X)
        assert capfd.readouterr() != ("", "")


class Unpickled:
    opened = False

    def __reduce__(self):
        return (setattr, (Unpickled, "opened", True))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_refused_and_not_opened(protocol, tmp_path):
    path = tmp_path / "model.pkl"
    model = tree.DecisionTreeRegressor().fit(X, REAL)
    path.write_bytes(pickle.dumps([Unpickled(), model], protocol))
    with pytest.raises(UnsupportedModelError, match=r"model\.pkl is a pickle.*pass the model"):
        read_model(path)
    assert not Unpickled.opened
    pickle.loads(path.read_bytes())
    assert Unpickled.opened
    Unpickled.opened = False


def test_models_of_other_libraries_are_not_its_own():
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    for other in (lightgbm.LGBMRegressor(), xgboost.XGBClassifier(), RandomForestRegressor):
        assert not reader.recognises(other)


def test_a_model_of_an_early_version_is_refused():
    class Early:
        children_left = children_right = np.array([-1])

    with pytest.raises(UnsupportedModelError, match=r"before 1\.3"):
        reader._tree(Early(), np.zeros((1, 1)))
