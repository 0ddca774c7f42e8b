"""The XGBoost reader against XGBoost itself: predictions, leaves, objectives and wrappers."""

import dataclasses
import json

import numpy as np
import pytest
from contracts import Case, ReaderContract, edge_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xgboost_models import (
    SMALL,
    TYPES,
    VERSION,
    assert_bit_for_bit,
    is_dart,
    own_leaves,
    table,
    target,
    train,
    trained,
    xgb,
)

from shapley_core.errors import ModelFileError, UnsupportedModelError
from shapley_core.trees.readers import xgboost as reader
from shapley_core.trees.tree import CATEGORICAL

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


class TestXGBoost(ReaderContract):
    reader = reader
    own_module = "xgboost"

    @pytest.fixture(scope="class", params=CASES)
    @classmethod
    def case(cls, request):
        if request.param in ("quantiles", "vector leaves") and VERSION < (2, 0):
            pytest.skip("since 2.0")
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


def base_by_xgboost(parameters, rows, seed):
    of_dart = ("booster", "rate_drop", "normalize_type")
    of_trees = {name: value for name, value in parameters.items() if name not in of_dart}
    booster, _ = trained(of_trees, rounds=0, seed=seed)
    return reader.predict_raw(booster, rows[:1]).reshape(-1)


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
    # A base that is a logarithm may be one rounding off; the rest then is held to the bit.
    own_base = base_by_xgboost(settled, rows, seed)
    np.testing.assert_array_max_ulp(
        ensemble.base.astype(np.float32), own_base.astype(np.float32), maxulp=1
    )
    with_own_base = dataclasses.replace(ensemble, base=own_base)
    for given_rows in (rows, edges):
        assert_bit_for_bit(booster, given_rows, with_own_base)
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
        n_estimators=3,
        n_jobs=1,
        objective=lambda label, p: (p - label, np.ones_like(p)),
        base_score=-3.0,
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


@pytest.mark.skipif(VERSION < (3, 1), reason="since 3.1")
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
