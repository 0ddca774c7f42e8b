"""The XGBoost reader against XGBoost itself: predictions, leaves, objectives and wrappers."""

import json

import numpy as np
import pytest
from contracts import Case, ReaderContract, assert_same_ensembles, edge_rows, leaf_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapley_core.errors import InputError, ModelFileError, UnsupportedModelError
from shapley_core.trees import read_model
from shapley_core.trees.ensemble import CATEGORICAL
from shapley_core.trees.readers import xgboost as reader

xgb = pytest.importorskip("xgboost")
TYPES = ["q", "q", "c", "q"]
SMALL = {"max_depth": 3, "nthread": 1}


def table(seed=0, n_rows=120, n_categories=90):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, 4))
    rows[:, 2] = rng.integers(0, n_categories, n_rows)
    rows[:, 3] = np.round(rows[:, 3])
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


def train(parameters, rounds=4, rows=None, label=None, types=None, **options):
    rows = table() if rows is None else rows
    if label is None:
        label = target(rows, parameters)
    data = xgb.DMatrix(
        rows, label=label, feature_types=types, enable_categorical=types is not None, nthread=1
    )
    return xgb.train({**SMALL, **parameters}, data, rounds, **options)


def target(rows, parameters):
    z = np.nan_to_num(rows)
    score = np.tanh(z[:, 0]) + (z[:, 1] > 0) * z[:, 3] + np.sin(z[:, 2])
    objective = parameters.get("objective", "reg:squarederror")
    if objective.startswith("multi"):
        return np.clip(np.round(score), 0, parameters["num_class"] - 1)
    if objective.startswith("binary"):
        return (score > 0.5).astype(float)
    if objective == "reg:logistic":
        return 1 / (1 + np.exp(-score))
    if objective in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox"):
        return np.exp(score / 3)
    if parameters.get("targets"):
        return np.column_stack([score * k + z[:, k] for k in range(parameters["targets"])])
    return score


CASES = {
    "squared error": {},
    "float32 thresholds": {"tree_method": "exact", "scale": 1.7e12},
    "logistic": {"objective": "binary:logistic"},
    "poisson": {"objective": "count:poisson"},
    "classes": {"objective": "multi:softprob", "num_class": 3},
    "dart": {"booster": "dart", "rate_drop": 0.5, "one_drop": 1},
    "dart classes": {
        "booster": "dart",
        "rate_drop": 0.5,
        "objective": "multi:softmax",
        "num_class": 3,
    },
    "forest of classes": {
        "num_parallel_tree": 3,
        "objective": "multi:softprob",
        "num_class": 3,
        "subsample": 0.5,
    },
    "one hot": {"max_cat_to_onehot": 200, "types": TYPES},
    "partition": {"max_cat_to_onehot": 2, "types": TYPES, "max_depth": 4},
    "few categories": {"max_cat_to_onehot": 5, "types": TYPES, "n_categories": 8},
    "targets": {"targets": 3},
    "vector leaves": {"targets": 3, "multi_strategy": "multi_output_tree", "tree_method": "hist"},
    "deep": {"max_depth": 12, "min_child_weight": 0},
    "quantiles": {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]},
}


def trained(parameters, rounds=4, seed=0):
    parameters = dict(parameters)
    rows = table(seed, n_categories=parameters.pop("n_categories", 90))
    rows[:, 0] *= parameters.pop("scale", 1)
    types = parameters.pop("types", None)
    label = target(rows, parameters)
    parameters.pop("targets", None)
    return train(parameters, rounds, rows, label, types), rows


def own_leaves(booster):
    def leaves(rows):
        kinds = booster.feature_types
        data = xgb.DMatrix(rows, feature_types=kinds, enable_categorical=True, nthread=1)
        return booster.predict(data, pred_leaf=True)

    return leaves


def summed_in_float32(ensemble, rows):
    """Base, then tree after tree, as XGBoost adds."""
    total = np.repeat(ensemble.base.astype(np.float32)[None], len(rows), 0)
    added = leaf_values(ensemble, rows).astype(np.float32)
    for tree, output in enumerate(ensemble.tree_outputs):
        total[:, output : output + added.shape[2]] += added[:, tree]
    return total.astype(np.float64)


def is_dart(booster):
    return json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] == "dart"


def assert_bit_for_bit(model, rows):
    own = reader.predict_raw(model, rows)
    if isinstance(model, xgb.Booster) and is_dart(model):
        # In place XGBoost before 3.4 adds the base to each tree of DART, and takes it off again.
        kinds = model.feature_types
        data = xgb.DMatrix(rows, feature_types=kinds, enable_categorical=True, nthread=1)
        exact = model.predict(data, output_margin=True).astype(np.float64)
        np.testing.assert_allclose(own, exact, rtol=1e-5, atol=1e-6)
        own = exact
    mine = summed_in_float32(reader.read(model), rows)
    np.testing.assert_array_equal(mine, own.reshape(len(rows), -1), strict=True)


class TestXGBoost(ReaderContract):
    reader = reader
    own_module = "xgboost"

    @pytest.fixture(scope="class", params=CASES)
    @classmethod
    def case(cls, request):
        booster, rows = trained(CASES[request.param])
        files = {kind: bytes(booster.save_raw(kind)) for kind in ("json", "ubj")}
        return Case(booster, rows, 4, files, own_leaves(booster), takes_infinity=False)

    def test_sums_in_float32_bit_for_bit(self, case):
        ensemble = reader.read(case.model)
        assert_bit_for_bit(case.model, case.rows)
        assert_bit_for_bit(case.model, edge_rows(ensemble, 400, infinite=not is_dart(case.model)))


parameters = st.fixed_dictionaries(
    {
        "max_depth": st.integers(1, 6),
        "tree_method": st.sampled_from(["hist", "approx"]),
        "booster": st.sampled_from(["gbtree", "dart"]),
        "rate_drop": st.sampled_from([0.0, 0.6]),
        "normalize_type": st.sampled_from(["tree", "forest"]),
        "num_parallel_tree": st.integers(1, 3),
        "subsample": st.sampled_from([0.5, 1.0]),
        "max_cat_to_onehot": st.sampled_from([1, 100]),
        "n_categories": st.sampled_from([2, 33, 64, 65, 130]),
        "types": st.sampled_from([None, TYPES]),
        "scale": st.sampled_from([1.0, 1e-30, 1e-38, 1.7e12, 1e36]),
        "min_child_weight": st.sampled_from([0, 1]),
        "base_score": st.floats(0.05, 0.95),
        "kind": st.sampled_from(
            [
                {},
                {"objective": "binary:logistic"},
                {"objective": "multi:softprob", "num_class": 3},
                {"objective": "reg:tweedie"},
                {"targets": 2},
                {"targets": 2, "multi_strategy": "multi_output_tree"},
            ]
        ),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parameters, st.integers(0, 2**32 - 1))
def test_models_and_rows_at_random(given_parameters, seed):
    settled = {**given_parameters, **given_parameters["kind"]}
    del settled["kind"]
    if "multi_strategy" in settled:
        settled.update(tree_method="hist", booster="gbtree", types=None)
    if settled["booster"] == "gbtree":
        del settled["rate_drop"], settled["normalize_type"]
    booster, rows = trained(settled, rounds=3, seed=seed)
    ensemble = reader.read(booster)
    edges = edge_rows(ensemble, 200, seed, infinite=False)
    for given_rows in (rows, edges):
        assert_bit_for_bit(booster, given_rows)
        own = own_leaves(booster)(given_rows).reshape(len(given_rows), -1)
        np.testing.assert_array_equal(own, ensemble.apply(given_rows))


IDENTITIES = ["binary:hinge", "binary:logitraw", "rank:pairwise", "rank:ndcg", "rank:map"]
IDENTITIES += ["reg:absoluteerror", "reg:linear", "reg:pseudohubererror", "reg:squaredlogerror"]


@pytest.mark.parametrize("objective", IDENTITIES)
def test_objectives_whose_base_score_is_the_margin(objective):
    rows = np.nan_to_num(table())
    label = (rows[:, 0] > 0).astype(float)
    data = xgb.DMatrix(rows, label=label, nthread=1)
    if objective.startswith("rank"):
        data.set_group([60, 60])
    booster = xgb.train({**SMALL, "objective": objective, "base_score": 0.3}, data, 2)
    assert_bit_for_bit(booster, rows)
    assert reader.read(booster).base.tolist() == [np.float32(0.3)]


LINKED = ["binary:logistic", "reg:logistic", "count:poisson", "reg:gamma", "reg:tweedie"]


@pytest.mark.parametrize("objective", [*LINKED, "survival:cox", "survival:aft"])
def test_objectives_whose_base_score_is_an_output(objective):
    rows = np.nan_to_num(table())
    label = (rows[:, 0] > 0) * 0.5 + 0.25
    data = xgb.DMatrix(rows, label=None if objective.endswith("aft") else label, nthread=1)
    if objective.endswith("aft"):
        data.set_float_info("label_lower_bound", label)
        data.set_float_info("label_upper_bound", label + 1)
    for base_score in (1e-7, 0.001, 0.3, 0.7, 0.9999999):
        options = {**SMALL, "objective": objective, "base_score": base_score}
        assert_bit_for_bit(xgb.train(options, data, 2), rows)


def test_base_scores_near_every_power():
    """The library's logarithm and ours differ by one rounding at most, and seldom."""
    rows, label = np.zeros((2, 1)), np.array([0.0, 1.0])
    data = xgb.DMatrix(rows, label=label, nthread=1)
    scores = np.random.default_rng(0).uniform(0.001, 0.999, 60)
    equal = 0
    for score in scores:
        options = {"objective": "binary:logistic", "base_score": float(score), "max_depth": 0}
        booster = xgb.train({**SMALL, **options, "eta": 0.0}, data, 1)
        own, mine = reader.predict_raw(booster, rows)[0], reader.read(booster).predict(rows)[0]
        assert abs(own - mine) <= np.spacing(np.float32(abs(own)))
        equal += own == mine
    assert equal >= 57


def squared(prediction, data):
    return prediction - data.get_label(), np.ones_like(prediction)


@pytest.mark.parametrize("options", [{}, {"base_score": 2.5}, {"objective": "binary:logistic"}])
def test_custom_objectives(options):
    booster = train(options, obj=squared)
    assert_bit_for_bit(booster, table())


def test_custom_objective_of_an_estimator():
    rows = table()
    model = xgb.XGBRegressor(
        n_estimators=3, objective=lambda label, p: (p - label, np.ones_like(p)), base_score=-3.0
    )
    assert_bit_for_bit(model.fit(rows, target(rows, {})), rows)


def altered(booster, change):
    document = json.loads(booster.save_raw("json"))
    change(document["learner"])
    return json.dumps(document).encode()


def test_an_unknown_objective_is_refused():
    content = altered(train({}), lambda learner: learner["objective"].update(name="reg:mine"))
    with pytest.raises(UnsupportedModelError, match="reg:mine"):
        reader.read_file(content, "model.json")


def test_spellings_of_the_base_score():
    booster = train({"base_score": 0.5})
    for spelling in ("5E-1", "[5E-1]", "0.5", "[0.5]"):
        content = altered(
            booster, lambda learner, s=spelling: learner["learner_model_param"].update(base_score=s)
        )
        assert reader.read_file(content, "model.json").base.tolist() == [0.5]
    for spelling in ("", "[]", "half", "[1,2]", "nan", "inf"):
        content = altered(
            booster, lambda learner, s=spelling: learner["learner_model_param"].update(base_score=s)
        )
        with pytest.raises(ModelFileError, match="base"):
            reader.read_file(content, "model.json")


def test_base_scores_of_several_outputs():
    booster, rows = trained(CASES["targets"])
    ensemble = reader.read(booster)
    assert len(set(ensemble.base.tolist())) == 3
    assert_bit_for_bit(booster, rows)


def test_linear_boosters_are_refused():
    booster = train({"booster": "gblinear", "max_depth": 0})
    with pytest.raises(UnsupportedModelError, match="gblinear"):
        reader.read(booster)
    with pytest.raises(UnsupportedModelError, match=r"x\.json: .*gblinear"):
        reader.read_file(bytes(booster.save_raw("json")), "x.json")


def test_trees_of_one_leaf():
    booster = train({"gamma": 1e9})
    ensemble = reader.read(booster)
    assert ensemble.n_nodes == ensemble.n_trees == 4
    assert_bit_for_bit(booster, table())


def test_pruned_trees_drop_their_deleted_nodes():
    rows = table()
    booster = train({"tree_method": "exact", "max_depth": 6, "gamma": 1.5}, rows=rows)
    saved = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    deleted = sum(int(tree["tree_param"]["num_deleted"]) for tree in saved)
    ensemble = reader.read(booster)
    assert deleted > 0
    assert ensemble.n_nodes == sum(len(tree["parents"]) for tree in saved) - deleted
    assert_bit_for_bit(booster, edge_rows(ensemble, 300))


def test_covers_are_hessians_and_may_be_zero():
    rows = table()
    booster = train({}, rounds=2, rows=rows)
    saved = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    hessians = np.concatenate([tree["sum_hessian"] for tree in saved])
    np.testing.assert_allclose(reader.read(booster).cover, hessians, rtol=1e-6)
    # Refreshed with few rows, most nodes are reached by none.
    few = xgb.DMatrix(rows[:2], label=[0.0, 1.0], nthread=1)
    update = {"process_type": "update", "updater": "refresh", "refresh_leaf": True}
    refreshed = xgb.train({**SMALL, **update}, few, 2, xgb_model=booster)
    ensemble = reader.read(refreshed)
    assert (ensemble.cover == 0).any() and (ensemble.cover >= 0).all()
    assert_bit_for_bit(refreshed, rows)


def test_categories_go_right_and_more_than_64_fit():
    booster, rows = trained(CASES["partition"])
    ensemble = reader.read(booster)
    categorical = ensemble.flags & CATEGORICAL != 0
    assert categorical.any() and np.diff(ensemble.set_offsets).max() > 1
    codes = np.concatenate([np.arange(-3, 130), [1e7, 2.0**24 - 1, 2.0**24, 2.0**31, 1e20, np.nan]])
    rows = np.repeat(rows[:1], len(codes), 0)
    rows[:, 2] = codes
    assert_bit_for_bit(booster, rows)
    np.testing.assert_array_equal(own_leaves(booster)(rows), ensemble.apply(rows))


ESTIMATORS = ["XGBRegressor", "XGBClassifier", "XGBRFRegressor", "XGBRFClassifier", "XGBRanker"]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name):
    rows = table()
    label = np.clip(np.round(np.nan_to_num(rows[:, 0])), 0, 2).astype(int)
    model = getattr(xgb, name)(n_estimators=3, max_depth=3, n_jobs=1)
    with pytest.raises(InputError, match="not fitted"):
        reader.read(model)
    with pytest.raises(InputError, match="not fitted"):
        reader.predict_raw(model, rows)
    groups = {"group": [60, 60]} if name == "XGBRanker" else {}
    model.fit(rows, label, **groups)
    assert reader.recognises(model)
    assert_bit_for_bit(model, rows)
    own = model.predict(rows, output_margin=True)
    np.testing.assert_array_equal(reader.predict_raw(model, rows), own)
    names = reader.read(model).output_names
    assert names == (("0", "1", "2") if name.endswith("Classifier") else None)


def test_an_empty_booster_is_refused():
    with pytest.raises(InputError, match="not fitted"):
        reader.read(xgb.Booster())


@pytest.mark.parametrize("missing", [-999.0, 0.0, 0.1, np.inf])
def test_the_missing_value_of_an_estimator(missing):
    rows = np.nan_to_num(table())
    rows[::3, :2] = missing
    model = xgb.XGBRegressor(n_estimators=4, max_depth=3, missing=missing)
    model.fit(rows, np.nan_to_num(rows[:, 3]) + (rows[:, 0] == missing))
    ensemble = reader.read(model)
    assert ensemble.missing == missing
    assert_bit_for_bit(model, rows)
    as_nan = np.where(rows == missing, np.nan, rows)
    np.testing.assert_array_equal(ensemble.predict(as_nan), ensemble.predict(rows))
    np.testing.assert_array_equal(
        reader.predict_raw(model, rows), model.predict(rows, output_margin=True)
    )


def test_early_stopping():
    rows = np.nan_to_num(table())
    label = np.random.default_rng(1).normal(size=len(rows))
    model = xgb.XGBRegressor(n_estimators=30, early_stopping_rounds=3, learning_rate=1.0)
    model.fit(rows[:60], label[:60], eval_set=[(rows[60:], label[60:])], verbose=False)
    booster, best = model.get_booster(), model.best_iteration
    n_rounds = booster.num_boosted_rounds()
    assert best + 1 < n_rounds
    assert reader.read(model).n_trees == best + 1
    assert reader.read(booster).n_trees == n_rounds
    assert reader.read(model, iteration_range=(0, n_rounds)).n_trees == n_rounds
    own = model.predict(rows, output_margin=True)
    np.testing.assert_array_equal(reader.predict_raw(model, rows), own)
    own = booster.predict(xgb.DMatrix(rows), output_margin=True)
    np.testing.assert_array_equal(reader.predict_raw(booster, rows), own)
    assert_bit_for_bit(model, rows)
    assert_bit_for_bit(booster, rows)
    assert_same_ensembles(read_model(booster), read_model(model, iteration_range=(0, n_rounds)))
