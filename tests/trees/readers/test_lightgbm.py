"""The LightGBM reader against the library: the same leaf and the same sum for every row."""

import warnings

import lightgbm
import numpy as np
import pytest
from contracts import Case, ReaderContract
from hypothesis import given, settings
from hypothesis import strategies as st

from shapley_core.errors import InputError, UnsupportedModelError
from shapley_core.trees.readers import lightgbm as reader
from shapley_core.trees.tree import LEAF

VERSION = tuple(int(part) for part in lightgbm.__version__.split(".")[:2])
TINY = float(np.float32(1e-35))
SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e300, -1e300]
    + [sign * f(TINY) for sign in (1, -1) for f in (lambda z: z, lambda z: np.nextafter(z, 0),
                                                    lambda z: np.nextafter(z, 1), lambda z: z / 2)]
    + [-5.0, -1.0, -0.999, -0.5, 0.5, 0.999, 3.7, 63.5, 64.0, 1e10, 2.0**31, -(2.0**31), 2.0**63]
)  # fmt: skip
COLUMNS = {
    "normal": lambda r, n: r.normal(size=n),
    # Steps that float32 cannot see.
    "steps": lambda r, n: 1e6 + 0.01 * r.integers(0, 200, n),
    "between float32": lambda r, n: 1.0 + 2.0**-26 * r.integers(0, 8, n),
    "near zero": lambda r, n: TINY * r.integers(-30, 30, n) / 10.0,
    "mostly zero": lambda r, n: r.normal(size=n) * (r.random(n) < 0.4),
    "8 categories": lambda r, n: r.integers(0, 8, n).astype(float),
    "60 categories": lambda r, n: r.integers(0, 60, n).astype(float),
    "300 categories": lambda r, n: r.integers(0, 300, n).astype(float),
}
PARAMS = {
    "verbose": -1,
    "num_threads": 1,
    "min_data_in_leaf": 2,
    "min_data_in_bin": 1,
    "min_data_per_group": 1,
    "cat_smooth": 0.5,
    "cat_l2": 0.5,
    "seed": 1,
}


def make_data(seed, kinds, missing=0.0, n=150):
    random = np.random.default_rng(seed)
    X = np.stack([COLUMNS[kind](random, n) for kind in kinds], axis=1)
    effects = [random.normal(size=300)[np.searchsorted(np.unique(c), c) % 300] for c in X.T]
    y = np.sum(effects, axis=0) + 0.1 * random.normal(size=n)
    X[random.random(X.shape) < missing] = np.nan
    return X, y


def train(X, y, kinds=(), rounds=4, **params):
    params = PARAMS | params
    if params.get("num_class", 1) > 1:
        y = np.digitize(y, np.quantile(y, [0.3, 0.7]))
    categorical = [i for i, kind in enumerate(kinds) if "categories" in kind]
    data = lightgbm.Dataset(X, y, categorical_feature=categorical, params=params)
    return lightgbm.train(params, data, rounds)


def probe_rows(ensemble, X, seed=0, n=300):
    """Rows of values that matter: thresholds and their neighbours, categories, special ones."""
    random = np.random.default_rng(seed)
    rows = np.empty((n, ensemble.n_features))
    for f in range(ensemble.n_features):
        at = ensemble.threshold[ensemble.feature == f]
        codes = random.integers(0, 320, 20) + random.choice([0.0, 0.5, 0.9999], 20)
        near = [at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf), at.astype(np.float32)]
        values = np.concatenate([*near, random.choice(X[:, f], 50), codes])
        pick_special = random.random(n) < 0.3
        rows[:, f] = np.where(pick_special, random.choice(SPECIAL, n), random.choice(values, n))
    return rows


def assert_same(booster, ensemble, rows, divide=1, **rounds):
    n_inner = (np.diff(ensemble.tree_offsets) - 1) // 2
    leaves = booster.predict(rows, pred_leaf=True, **rounds).reshape(len(rows), -1)
    np.testing.assert_array_equal(ensemble.apply(rows) - n_inner, leaves)
    raw = booster.predict(rows, raw_score=True, **rounds) / divide
    scale = np.abs(ensemble.values).max()
    np.testing.assert_allclose(ensemble.predict(rows), raw, rtol=1e-12, atol=1e-13 * scale)


CASES = {
    "numbers": (["normal", "steps", "between float32"], {}),
    "missing": (["normal", "mostly zero"], {"zero_as_missing": True}),
    "categories": (["300 categories", "normal", "8 categories"], {"max_cat_to_onehot": 1}),
    "classes": (["normal", "60 categories"], {"objective": "multiclass", "num_class": 3}),
    "dart": (["normal", "steps"], {"boosting": "dart", "drop_rate": 0.5}),
}


class TestContract(ReaderContract):
    reader = reader
    own_module = "lightgbm"
    tolerance = 1e-13

    @pytest.fixture(params=sorted(CASES))
    def case(self, request):
        kinds, params = CASES[request.param]
        X, y = make_data(1, kinds, missing=0.1)
        booster = train(X, y, kinds, num_leaves=7, **params)
        # Nodes are numbered with the leaves last.
        shift = np.array([tree["num_leaves"] - 1 for tree in booster.dump_model()["tree_info"]])
        return Case(
            model=booster,
            rows=X,
            n_rounds=4,
            files={"txt": booster.model_to_string().encode()},
            leaves=lambda rows: booster.predict(rows, pred_leaf=True) + shift,
        )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kinds=st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4),
    missing=st.sampled_from([0.0, 0.2]),
    params=st.fixed_dictionaries(
        {
            "num_leaves": st.sampled_from([2, 7, 31]),
            "use_missing": st.booleans(),
            "zero_as_missing": st.booleans(),
            "num_class": st.sampled_from([1, 3]),
            "boosting": st.sampled_from(["gbdt", "dart", "goss", "rf"]),
            "max_cat_to_onehot": st.sampled_from([1, 8]),
            "max_bin": st.sampled_from([15, 255]),
        }
    ),
)
def test_leaf_and_sum_are_the_librarys_own(seed, kinds, missing, params):
    X, y = make_data(seed, kinds, missing)
    params["objective"] = "multiclass" if params["num_class"] == 3 else "regression"
    if params["boosting"] == "rf":
        params |= {"bagging_freq": 1, "bagging_fraction": 0.6}
    booster = train(X, y, kinds, **params)
    ensemble = reader.read(booster)
    divide = booster.num_trees() // params["num_class"] if params["boosting"] == "rf" else 1
    rows = probe_rows(ensemble, X, seed)
    assert_same(booster, ensemble, rows, divide)
    own = reader.predict_raw(booster, rows)
    np.testing.assert_allclose(ensemble.predict(rows), own, rtol=1e-12, atol=1e-13 * np.ptp(own))


@pytest.mark.parametrize("zero_as_missing", [False, True])
@pytest.mark.parametrize("use_missing", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_missing_values(missing, use_missing, zero_as_missing):
    kinds = ["normal", "mostly zero", "near zero", "60 categories"]
    X, y = make_data(3, kinds, missing)
    y = y + np.isnan(X[:, 0])
    booster = train(
        X, y, kinds, num_leaves=20, use_missing=use_missing, zero_as_missing=zero_as_missing
    )
    text = booster.model_to_string()
    decisions = "".join(line for line in text.split("\n") if line.startswith("decision_type"))
    types = {int(word) >> 2 for word in decisions.replace("decision_type=", " ").split()}
    wanted = 0 if not use_missing else 1 if zero_as_missing else 2 if missing else 0
    assert wanted in types
    ensemble = reader.read(booster)
    assert_same(booster, ensemble, probe_rows(ensemble, X))


def test_values_next_to_zero_are_zero():
    X = np.array([-1.0, 0.0, 1.0] * 20)[:, None]
    booster = train(X, X[:, 0], rounds=2)
    text = booster.model_to_string()
    for threshold in (-TINY, -TINY / 3, -0.0, 0.0, TINY / 3, TINY, 2 * TINY):
        moved = with_thresholds(text, threshold)
        ensemble = reader.read(moved)
        rows = np.outer(np.r_[-2:2:81j], [TINY])
        rows = np.concatenate([rows, np.nextafter(rows, 1), np.nextafter(rows, -1), [[np.nan]]])
        assert_same(moved, ensemble, rows)


def with_thresholds(text, threshold):
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if line.startswith("threshold="):
            lines[i] = "threshold=" + " ".join([repr(threshold)] * len(line.split()))
    return lightgbm.Booster(model_str=resized("\n".join(lines)))


def resized(text):
    """Correct tree_sizes after an edit."""
    start, end = text.index("\nTree=") + 1, text.index("end of trees")
    trees = text[start:end].split("Tree=")[1:]
    sizes = " ".join(str(len(tree.encode()) + 5) for tree in trees)
    before = text[:start].split("\n")
    before = [f"tree_sizes={sizes}" if li.startswith("tree_sizes=") else li for li in before]
    return "\n".join(before) + text[start:]


@pytest.mark.parametrize("n_categories", [2, 8, 60, 64, 65, 300])
def test_sets_of_any_number_of_categories(n_categories):
    random = np.random.default_rng(n_categories)
    codes = np.tile(np.arange(n_categories), 12)
    y = random.normal(size=n_categories)[codes]
    booster = train(
        codes[:, None].astype(float), y, ["categories"], num_leaves=31, max_cat_to_onehot=1
    )
    ensemble = reader.read(booster)
    rows = np.concatenate([SPECIAL, np.arange(-2, n_categories + 70, 0.25)])[:, None]
    assert (ensemble.set_number >= 0).any()
    assert_same(booster, ensemble, rows)


def test_float32_rows_are_widened():
    X, y = make_data(5, ["steps", "between float32", "normal"])
    booster = train(X, y)
    ensemble = reader.read(booster)
    rows = probe_rows(ensemble, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        rows = rows.astype(np.float32)
    assert_same(booster, ensemble, rows)


@pytest.mark.parametrize("objective", ["regression", "binary", "poisson", "lambdarank", "custom"])
def test_objectives_are_read_as_raw_margins(objective):
    X, y = make_data(6, ["normal", "steps"])
    label = {"binary": y > 0, "poisson": np.exp(y), "lambdarank": y > 0}.get(objective, y)

    def squared(predictions, data):
        return predictions - data.get_label(), np.ones(len(predictions))

    group = [50, 50, 50] if objective == "lambdarank" else None
    params = PARAMS | {"objective": squared if objective == "custom" else objective}
    data = lightgbm.Dataset(X, np.asarray(label, float), group=group, params=PARAMS)
    booster = lightgbm.train(params, data, 5)
    ensemble = reader.read(booster)
    assert ensemble.objective.split()[0] == objective
    assert (ensemble.base == 0).all()
    assert_same(booster, ensemble, X)


@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
def test_classes_take_their_trees_in_turn(objective):
    X, y = make_data(7, ["normal", "mostly zero"])
    booster = train(X, y, objective=objective, num_class=3)
    ensemble = reader.read(booster)
    assert (ensemble.tree_outputs == [0, 1, 2] * 4).all()
    assert ensemble.n_outputs == 3
    assert_same(booster, ensemble, X)


@pytest.mark.parametrize("num_class", [1, 3])
def test_random_forest_is_the_mean_that_predict_returns(num_class):
    X, y = make_data(8, ["normal", "8 categories"])
    objective = "multiclass" if num_class == 3 else "regression"
    booster = train(
        X, y, boosting="rf", bagging_freq=1, bagging_fraction=0.5, rounds=7,
        num_class=num_class, objective=objective,
    )  # fmt: skip
    raw = reader.read(booster).predict(X)
    if num_class == 3:
        raw = np.exp(raw)
        raw /= raw.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(raw, booster.predict(X), rtol=1e-12)
    part = reader.read(booster, iteration_range=(2, 5))
    np.testing.assert_allclose(
        part.predict(X), reader.predict_raw(booster, X, iteration_range=(2, 5)), rtol=1e-12
    )
    if num_class == 1:
        own = booster.predict(X, start_iteration=2, num_iteration=3)
        np.testing.assert_allclose(part.predict(X), own, rtol=1e-12)


def test_linear_trees_are_refused():
    X, y = make_data(9, ["normal", "normal"])
    booster = train(X, y, linear_tree=True)
    with pytest.raises(UnsupportedModelError, match="linear_tree"):
        reader.read(booster)


def test_trees_of_one_leaf():
    X, y = make_data(10, ["normal"])
    constant = train(X, y, min_data_in_leaf=1000)
    ensemble = reader.read(constant)
    assert_same(constant, ensemble, X)
    assert (ensemble.cover > 0).all()
    # Stumps among larger trees: a rare class stops being split, the others go on.
    classes = np.where(y > np.quantile(y, 0.99), 2, y > 0)
    data = lightgbm.Dataset(X, classes, params=PARAMS)
    params = {"objective": "multiclass", "num_class": 3, "min_sum_hessian_in_leaf": 5.0}
    mixed = lightgbm.train(PARAMS | params, data, 5)
    ensemble = reader.read(mixed)
    assert {1} < set(np.diff(ensemble.tree_offsets).tolist())
    assert_same(mixed, ensemble, X)
    assert_expected_value(mixed, ensemble, X)


def assert_expected_value(booster, ensemble, X):
    """The mean of the leaves, weighted by cover, is the library's own bias of contributions."""
    leaf = ensemble.feature == LEAF
    tree = np.repeat(np.arange(ensemble.n_trees), np.diff(ensemble.tree_offsets))
    weight = np.where(leaf, ensemble.cover, 0) / ensemble.cover[ensemble.tree_offsets[tree]]
    means = np.bincount(tree, weight * ensemble.values[:, 0])
    expected = np.bincount(ensemble.tree_outputs, means)
    contributions = booster.predict(X[:1], pred_contrib=True)
    bias = contributions.reshape(ensemble.n_outputs, -1)[:, -1]
    np.testing.assert_allclose(expected, bias, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("params", [{}, {"bagging_freq": 1, "bagging_fraction": 0.5},
                                    {"boosting": "goss"}, {"objective": "multiclass"},
                                    {"use_quantized_grad": True}])  # fmt: skip
def test_cover_counts_the_training_rows(params):
    if "use_quantized_grad" in params and VERSION < (4, 4):
        pytest.skip("the library dies of it")
    X, y = make_data(11, ["normal", "60 categories", "mostly zero"], missing=0.1)
    params = params | {"num_class": 3 if "objective" in params else 1}
    booster = train(X, y, ["", "categories", ""], num_leaves=12, **params)
    ensemble = reader.read(booster)
    inner = ensemble.feature != LEAF
    children = ensemble.cover[ensemble.left[inner]] + ensemble.cover[ensemble.right[inner]]
    np.testing.assert_array_equal(ensemble.cover[inner], children)
    lines = [li[15:] for li in booster.model_to_string().split("\n") if "internal_count" in li]
    np.testing.assert_array_equal(ensemble.cover[inner], np.array(" ".join(lines).split(), float))
    assert_expected_value(booster, ensemble, X)


def test_a_model_that_says_no_counts_has_no_cover():
    X, y = make_data(12, ["normal"])
    lines = train(X, y).model_to_string().split("\n")
    text = resized("\n".join(line for line in lines if not line.startswith("leaf_count")))
    assert reader.read_file(text.encode(), "it").cover is None


def test_iteration_range():
    X, y = make_data(13, ["normal", "steps"])
    booster = train(X, y, rounds=9)
    part = reader.read(booster, iteration_range=(2, 7))
    assert part.n_trees == 5
    assert_same(booster, part, X, start_iteration=2, num_iteration=5)
    own = reader.predict_raw(booster, X, iteration_range=(2, 7))
    np.testing.assert_array_equal(own, part.predict(X))
    for bad in [(0, 10), (3, 3), (-1, 2), (5, 2), (0,), (0.0, 2), "ab", 3]:
        for use in (reader.read, lambda m, **k: reader.predict_raw(m, X, **k)):
            with pytest.raises(InputError, match="iteration_range"):
                use(booster, iteration_range=bad)


@pytest.mark.parametrize("keep", [False, True])
def test_early_stopping_keeps_what_predict_uses(keep):
    X, y = make_data(14, ["normal", "normal"])
    noise = np.random.default_rng(0).normal(size=60)
    data = lightgbm.Dataset(X[:90], y[:90], params=PARAMS)
    booster = lightgbm.train(
        PARAMS | {"learning_rate": 0.5}, data, 60,
        valid_sets=[data.create_valid(X[90:], y[90:] + 3 * noise)],
        callbacks=[lightgbm.early_stopping(3, verbose=False)], keep_training_booster=keep,
    )  # fmt: skip
    assert 0 < booster.best_iteration < 60
    assert not keep or booster.num_trees() > booster.best_iteration
    ensemble = reader.read(booster)
    assert ensemble.n_trees == booster.best_iteration
    np.testing.assert_array_equal(ensemble.predict(X), booster.predict(X))
    np.testing.assert_array_equal(ensemble.predict(X), reader.predict_raw(booster, X))
    everything = reader.read(booster, iteration_range=(0, booster.num_trees()))
    assert everything.n_trees == booster.num_trees()


def test_continued_training():
    X, y = make_data(15, ["normal", "8 categories"])
    first = train(X, y)
    data = lightgbm.Dataset(X, y, free_raw_data=False, params=PARAMS)
    second = lightgbm.train(PARAMS, data, 3, init_model=first)
    ensemble = reader.read(second)
    assert ensemble.n_trees == 7
    assert_same(second, ensemble, X)
