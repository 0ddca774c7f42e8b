"""Probabilities, log-loss and functions of trees, against enumeration with the library's own."""

import pickle

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from scipy import sparse
from sklearn import ensemble as forests
from sklearn.tree import DecisionTreeClassifier

from shapley_core import TreeExplainer, exact
from shapley_core.errors import AdditivityError, BudgetError, InputError
from shapley_core.explainers import TreeOutputExplainer
from shapley_core.explainers import output as outputs
from shapley_core.game import TableGame

RNG = np.random.default_rng(8)
N = 5
TRAIN = RNG.normal(size=(200, N)).astype(np.float32)
TRAIN[:, 3] = 1.0  # no split can be on it
Y2 = (TRAIN[:, 0] * TRAIN[:, 1] + TRAIN[:, 2] > 0).astype(int)
Y3 = Y2 + (TRAIN[:, 4] > 0.5)
BACKGROUND, X = TRAIN[:11], TRAIN[50:54]


def of_lightgbm(y, **more):
    return lightgbm.LGBMClassifier(n_estimators=6, verbose=-1, n_jobs=1, **more).fit(TRAIN, y)


def of_xgboost(y, **more):
    return xgboost.XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1, **more).fit(TRAIN, y)


def of_catboost(y, **more):
    catboost = pytest.importorskip("catboost")
    settings = {"iterations": 6, "depth": 3, "thread_count": 1, "verbose": False} | more
    return catboost.CatBoostClassifier(allow_writing_files=False, **settings).fit(TRAIN, y)


MODELS = {
    "xgboost": lambda: of_xgboost(Y2),
    "xgboost, 3 classes": lambda: of_xgboost(Y3),
    "lightgbm": lambda: of_lightgbm(Y2),
    "lightgbm, steep": lambda: of_lightgbm(Y2, sigmoid=2.5),
    "lightgbm, 3 classes": lambda: of_lightgbm(Y3),
    "lightgbm, one against all": lambda: of_lightgbm(Y3, objective="multiclassova"),
    "boosting": lambda: forests.GradientBoostingClassifier(n_estimators=5).fit(TRAIN, Y2),
    "boosting, 3 classes": lambda: forests.GradientBoostingClassifier(n_estimators=5).fit(
        TRAIN, Y3
    ),
    "boosting, exponential": lambda: forests.GradientBoostingClassifier(
        n_estimators=5, loss="exponential"
    ).fit(TRAIN, Y2),
    "histograms": lambda: forests.HistGradientBoostingClassifier(max_iter=3).fit(TRAIN, Y2),
    "catboost": lambda: of_catboost(Y2),
    "catboost, 3 classes": lambda: of_catboost(Y3),
    "catboost, one against all": lambda: of_catboost(Y3, loss_function="MultiClassOneVsAll"),
    "forest": lambda: forests.RandomForestClassifier(5, max_depth=3, random_state=0).fit(TRAIN, Y3),
}


def tables_of(row, function, members=None):
    """Worths of one row for every output of a function of rows, shape (2**n, n_outputs)."""
    members = members or [[i] for i in range(N)]
    shown = []
    for position in range(1 << len(members)):
        rows = BACKGROUND.copy()
        for player, features in enumerate(members):
            if position >> player & 1:
                rows[:, features] = row[features]
        shown.append(rows)
    predicted = np.asarray(function(np.concatenate(shown)), float)
    return predicted.reshape(len(shown), len(BACKGROUND), -1).mean(axis=1)


def check(found, function, index="SV", order=1, atol=1e-6, members=None):
    for at, row in enumerate(X):
        tables = tables_of(row, function, members)
        for output in range(tables.shape[1]):
            expected = exact(TableGame(tables[:, output]), index, order)
            mine = found[at, output]
            for one, value in expected.to_dict().items():
                got = mine[one] if one in mine else 0.0  # noqa: SIM401
                assert got == pytest.approx(value, abs=atol)
            assert mine.baseline == pytest.approx(expected.baseline, abs=atol)


@pytest.mark.parametrize("name", MODELS)
def test_probability_is_the_librarys_own(name):
    model = MODELS[name]()
    probability = model.predict_proba
    if probability(X).shape[1] == 2:
        probability = lambda rows: model.predict_proba(rows)[:, 1]  # noqa: E731
    explainer = TreeExplainer(model, BACKGROUND, output="probability")
    assert isinstance(explainer, TreeOutputExplainer)
    found = explainer(X)
    assert found.std_error is None
    check(found, probability)
    np.testing.assert_allclose(
        explainer.expected_value,
        np.squeeze(np.atleast_2d(probability(BACKGROUND).T).mean(1)),
        atol=1e-6,
    )
    # The feature that the model does not know is no player: half the coalitions will do.
    assert (found.n_evaluations <= 16).all() and not found.values[:, 3].any()


@pytest.mark.parametrize(
    "name", [n for n in MODELS if "one against all" not in n and n != "histograms"]
)
def test_log_loss_of_labelled_rows(name):
    model = MODELS[name]()
    labels = np.array([0, 1, 1, 0]) + (model.predict_proba(X).shape[1] == 3) * np.array(
        [0, 1, 0, 1]
    )
    explainer = TreeExplainer(model, BACKGROUND, output="log_loss")
    if name == "forest":
        labels = model.predict(X)
    try:
        found = explainer(X, labels)
    except InputError as error:
        assert name == "forest" and "infinite" in str(error)
        return
    for row in range(len(X)):

        def loss(rows, label=labels[row]):
            return -np.log(model.predict_proba(rows)[:, label])

        tables = tables_of(X[row], loss)
        expected = exact(TableGame(tables[:, 0]))
        np.testing.assert_allclose(found.values[row], expected.values, atol=1e-5)
        assert found.base_values[row] == pytest.approx(expected.baseline, abs=1e-5)
    with pytest.raises(InputError, match="for each label"):
        explainer.expected_value
    with pytest.raises(InputError, match="one label for each row"):
        explainer(X, [[0], [1, 2], [0], [0]])
    with pytest.raises(InputError, match="check must be 'model', 'trees' or None"):
        explainer(X, labels, check=np.zeros(0))


@pytest.mark.parametrize("names", [["a", "b", "c"], [5, 6, 7], [2, 0, 1]])
def test_log_loss_by_the_labels_of_catboost(names):
    # Classes are in the order of class_names, and a file knows them as the model does.
    labels = np.array(names)[Y3]
    model = of_catboost(labels, class_names=names, loss_function="MultiClass")
    found = TreeExplainer(model, BACKGROUND, output="log_loss")(X, labels[50:54])
    for row, code in enumerate(Y3[50:54].tolist()):
        tables = tables_of(X[row], lambda rows, c=code: -np.log(model.predict_proba(rows)[:, c]))
        expected = exact(TableGame(tables[:, 0])).values
        np.testing.assert_allclose(found.values[row], expected, rtol=0, atol=1e-12)
    with pytest.raises(InputError, match="y holds 9, but the classes of the model are"):
        TreeExplainer(model, BACKGROUND, output="log_loss")(X, [9, 9, 9, 9])


def test_it_is_no_rescaled_margin():
    model = MODELS["xgboost"]()
    raw = TreeExplainer(model, BACKGROUND)(X).values
    found = TreeExplainer(model, BACKGROUND, output="probability")(X).values
    kept = np.abs(raw) > 1e-3
    assert np.ptp((found / np.where(kept, raw, 1.0))[kept]) > 1e-3
    # Of the identity it is the margin itself, by another route.
    same = TreeExplainer(model, BACKGROUND, output=lambda margins: margins)(X).values
    np.testing.assert_allclose(same, raw, atol=1e-12)


@pytest.mark.parametrize(
    ("index", "order"), [("SII", 2), ("k-SII", 2), ("FBII", 2), ("SGV", 2), ("JointSV", 2)]
)
def test_functions_indices_groups_weights(index, order):
    model = MODELS["xgboost, 3 classes"]()

    def bent(margins):
        return margins[:, :2] ** 2

    def by_library(rows):
        return bent(model.predict(rows, output_margin=True))

    found = TreeExplainer(model, BACKGROUND, output=bent)(X, index=index, order=order)
    check(found, by_library, index, order, atol=1e-5)
    grouped = TreeExplainer(model, BACKGROUND, output=bent, groups={"g": [1, 4], "h": [2, 3]})
    found = grouped(X, index=index, order=order)
    assert found.feature_names == ("feature 0", "g", "h")
    check(found, by_library, index, order, atol=1e-5, members=[[0], [1, 4], [2, 3]])
    twice = np.array([2.0] * 3 + [1.0] * 8)
    weighted = TreeExplainer(model, BACKGROUND, output=bent, weights=twice)(X).values
    repeated = np.repeat(BACKGROUND, twice.astype(int), axis=0)
    np.testing.assert_allclose(
        weighted, TreeExplainer(model, repeated, output=bent)(X).values, atol=1e-12
    )


def test_estimates_where_features_are_many():
    n = 14
    wide = RNG.normal(size=(300, n)).astype(np.float32)
    y = (wide.sum(axis=1) + wide[:, 0] * wide[:, 1] > 0).astype(int)
    model = xgboost.XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1).fit(wide, y)
    explainer = TreeExplainer(model, wide[:10], output="probability")
    truth = explainer(wide[:4], budget=1 << n)
    found = explainer(wide[:4], budget=1000)
    assert truth.std_error is None and found.std_error.shape == found.values.shape
    gap = np.abs(found.values - truth.values)
    assert 0 < gap.max() < 6 * found.std_error.max() < 0.1
    early = explainer(wide[:4], budget=4000, tolerance=0.05)
    assert (early.n_evaluations < 4000).all()
    with pytest.raises(BudgetError):
        explainer(wide[:4], budget=10)


def test_a_call_has_its_own_number_of_threads(monkeypatch):
    explainer = TreeExplainer(of_lightgbm(Y2), BACKGROUND, output="probability", n_threads=2)
    run, asked = outputs.run_blocks, []

    def counted(work, blocks, n_threads):
        asked.append(n_threads)
        run(work, blocks, n_threads)

    monkeypatch.setattr(outputs, "run_blocks", counted)
    explainer(X, n_threads=1)
    assert set(asked) == {1}
    asked.clear()
    explainer(X)
    assert set(asked) == {2}


def test_frames_categories_and_missing_values():
    frame = pd.DataFrame(TRAIN, columns=list("abcde")).assign(
        city=pd.Categorical(RNG.choice(["x", "y", "z"], len(TRAIN)))
    )
    frame.loc[::7, "a"] = np.nan
    y = Y2 ^ (frame["city"] == "y").to_numpy()
    model = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1).fit(frame, y)
    explainer = TreeExplainer(model, frame[:9], output="probability")
    found = explainer(frame[50:53])
    total = found.values.sum(axis=1) + found.base_values
    np.testing.assert_allclose(total, model.predict_proba(frame[50:53])[:, 1], atol=1e-9)
    assert found.feature_names == (*"abcde", "city")
    again = pickle.loads(pickle.dumps(explainer))
    np.testing.assert_array_equal(again(frame[50:53]).values, found.values)


def test_labels_by_name():
    names = np.array(["ant", "bee", "cat"])[Y3]
    model = forests.GradientBoostingClassifier(n_estimators=3).fit(TRAIN, names)
    explainer = TreeExplainer(model, BACKGROUND, output="log_loss")
    assert_losses(explainer, model, names[50:54])
    for wrong in (["ant", "dog", "ant", "ant"], Y3[50:54]):
        with pytest.raises(InputError, match="'ant', 'bee', 'cat'"):
            explainer(X, wrong)


def assert_losses(explainer, model, labels, classes=None):
    classes = model.classes_ if classes is None else classes
    found = explainer(X, labels)
    places = [list(classes).index(label) for label in np.asarray(labels)]
    losses = -np.log(model.predict_proba(X)[np.arange(len(X)), places])
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base_values, losses, atol=1e-5)
    return found


CLASSIFIERS = {
    "lightgbm": of_lightgbm,
    "boosting": lambda y: forests.GradientBoostingClassifier(n_estimators=3).fit(TRAIN, y),
    "histograms": lambda y: forests.HistGradientBoostingClassifier(max_iter=3).fit(TRAIN, y),
    "forest": lambda y: forests.RandomForestClassifier(5, min_samples_leaf=60, random_state=0).fit(
        TRAIN, y
    ),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("classes", [[1, 2], [1, 2, 3], [-1, 1], [-2.0, 0.0, 1.0], [False, True]])
def test_numbers_are_labels_and_no_places(name, classes):
    classes = np.array(classes)
    model = CLASSIFIERS[name](classes[Y2 if len(classes) == 2 else Y3])
    for given in (model, TreeExplainer(model).ensemble):
        explainer = TreeExplainer(given, BACKGROUND, output="log_loss")
        assert explainer.ensemble.classes == tuple(classes.tolist())
        for labels in (classes[[0, 1, 1, 0]], classes[[0] * 4], classes[[-1] * 4]):
            found = assert_losses(explainer, model, labels)
            kinds = [labels.tolist(), labels.astype(object), pd.Series(labels, list("dbca"))]
            for same in (*kinds, labels.astype(str), pd.Categorical(labels)):
                np.testing.assert_array_equal(explainer(X, same).values, found.values)
        with pytest.raises(InputError, match="y holds 7, but the classes of the model are"):
            explainer(X, [1, 7, 1, 1])
    again = pickle.loads(pickle.dumps(explainer))
    np.testing.assert_array_equal(again(X, labels).values, found.values)


def test_places_where_the_model_knows_no_labels(tmp_path):
    model = of_lightgbm(Y3 + 1)
    model.booster_.save_model(tmp_path / "model.txt")
    for given in (model.booster_, tmp_path / "model.txt"):
        explainer = TreeExplainer(given, BACKGROUND, output="log_loss")
        assert_losses(explainer, model, [0, 1, 2, 1], [0, 1, 2])
        for wrong in ([1, 2, 3, 1], [0, -1, 0, 0], [0, 0.5, 0, 0], ["a"] * 4, [None] * 4):
            with pytest.raises(InputError, match="numbers 0 to 2"):
                explainer(X, wrong)
    with pytest.raises(InputError, match="numbers or texts"):
        explainer(X, np.array([[], 1, 1, 1], object))


@pytest.mark.parametrize("name", ["forest", "tree", "xgboost", "xgboost, vector leaves"])
def test_several_targets_have_no_log_loss(name):
    targets = np.stack([Y2, TRAIN[:, 4] > 0.5, TRAIN[:, 0] > 0], axis=1).astype(int)
    if name.startswith("xgboost"):
        vectors = {"multi_strategy": "multi_output_tree"} if "vector" in name else {}
        model = of_xgboost(targets, **vectors)
        wanted = model.predict_proba(X)
    else:
        kind = forests.RandomForestClassifier if name == "forest" else DecisionTreeClassifier
        model = kind(max_depth=3, random_state=0).fit(TRAIN, targets)
        wanted = np.concatenate(model.predict_proba(X), axis=1)
    found = TreeExplainer(model, BACKGROUND, output="probability")(X)
    total = found.values.sum(axis=1) + found.base_values
    np.testing.assert_allclose(total, wanted, atol=1e-5)
    with pytest.raises(InputError, match="several targets"):
        TreeExplainer(model, BACKGROUND, output="log_loss")
    if name == "xgboost":
        with pytest.raises(InputError, match="several targets"):
            TreeExplainer(model.get_booster(), BACKGROUND, output="log_loss")


def test_one_against_all_has_no_log_loss():
    with pytest.raises(InputError, match="one-against-all"):
        TreeExplainer(MODELS["lightgbm, one against all"](), BACKGROUND, output="log_loss")


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda m: TreeExplainer(m, output="probability"), InputError, "needs a background"),
        (lambda m: TreeExplainer(m, BACKGROUND, output="odds"), InputError, "'odds'"),
        (lambda m: TreeExplainer(m, BACKGROUND, output=3), TypeError, "function"),
        (lambda m: TreeExplainer(m, BACKGROUND[:0], output="probability"), InputError, "no rows"),
        (lambda m: TreeExplainer(m, BACKGROUND, output="log_loss")(X), InputError, "labels"),
        (
            lambda m: TreeExplainer(m, BACKGROUND, output="log_loss")(X, [0, 1, 2, 0]),
            InputError,
            "0 to 1",
        ),
        (lambda m: TreeExplainer(m, BACKGROUND, output="log_loss")(X, [0]), InputError, "wanted"),
        (
            lambda m: TreeExplainer(m, BACKGROUND, output="log_loss")(
                X, np.ma.array([0, 1, 1, 0], mask=[0, 0, 1, 0])
            ),
            InputError,
            "masked labels",
        ),
        (
            lambda m: TreeExplainer(m, BACKGROUND, output="probability")(X, [0, 1, 1, 0]),
            InputError,
            "log_loss",
        ),
        (
            lambda m: TreeExplainer(m, BACKGROUND, output=lambda margins: margins[:1])(X),
            InputError,
            "returned shape",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, error, said):
    model = MODELS["xgboost"]()
    with pytest.raises(error, match=said):
        make(model)


def test_a_regression_has_no_probability():
    model = xgboost.XGBRegressor(n_estimators=3).fit(TRAIN, TRAIN[:, 0])
    with pytest.raises(InputError, match="output=function"):
        TreeExplainer(model, BACKGROUND, output="probability")
    with pytest.raises(InputError, match=r"output must be 'raw', .* not 'margin'"):
        TreeExplainer(model, BACKGROUND, output="margin")
    # What answers a comparison with a text by neither true nor false.
    for wrong in (np.recarray(2, dtype=[("x", float)]), sparse.csr_matrix(np.eye(2)), None, 3):
        with pytest.raises((InputError, TypeError), match="output must be"):
            TreeExplainer(model, BACKGROUND, output=wrong)


def test_a_model_changed_since_it_was_read():
    model = of_lightgbm(Y2)
    explainer = TreeExplainer(model, BACKGROUND, output="probability")
    # A leaf that some row ends in, so that the predictions differ.
    leaf = int(model.booster_.predict(X[:1], pred_leaf=True)[0, 0])
    model.booster_.set_leaf_output(0, leaf, 9.0)
    with pytest.raises(AdditivityError):
        explainer(X)
    assert explainer(X, check=None).n_rows == len(X)
