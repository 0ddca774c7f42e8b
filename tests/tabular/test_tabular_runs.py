"""Long runs of any model: the values of a call, chunk by chunk, from tables and files."""

from fractions import Fraction
from functools import partial
from math import comb

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
import xgboost

import shapley_core as sc
from shapley_core.errors import InputError
from shapley_core.indices import BetaLaw, IndexSpec

NAMES = ["a", "b", "c", "d", "e"]


def model(X):
    X = np.asarray(X, float)
    return np.stack([X[:, 0] * X[:, 1] + np.sin(X[:, 2]), X[:, 3] - X[:, 4] ** 2], axis=1)


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(60, 5))


class StoppedError(Exception):
    pass


def stop(done, n_rows):
    if done >= 45:
        raise StoppedError


def same(explanation, wanted, exactly=True):
    for name in ("values", "base_values", "std_error", "n_evaluations"):
        got, held = getattr(explanation, name), getattr(wanted, name)
        assert (got is None) == (held is None)
        if held is not None:
            np.testing.assert_allclose(got, held, rtol=0, atol=0 if exactly else 1e-12)
    for name in ("index", "order", "feature_names", "output_names", "interactions", "groups"):
        assert getattr(explanation, name) == getattr(wanted, name)


@pytest.mark.parametrize(
    "options",
    [
        {"budget": 32},
        {"budget": 24, "random_state": 3},
        {"budget": 32, "index": "k-SII", "order": 2},
        {"budget": 26, "tolerance": 0.5},
    ],
)
def test_a_stopped_run_goes_on(tmp_path, rows, options):
    def explainer():
        return sc.TabularExplainer(model, rows[:7], estimator="KernelRegression")

    out = tmp_path / "run"
    with pytest.raises(StoppedError):
        explainer()(rows, out=out, chunk_rows=20, progress=stop, **options)
    assert len(list(out.glob("part-*"))) == 2
    stored = explainer()(rows, out=out, **options)
    same(stored.load(), explainer()(rows, out=tmp_path / "whole", chunk_rows=20, **options).load())
    same(stored.load(), explainer()(rows, **options), exactly=False)


def test_a_seed_left_open_is_drawn_once(tmp_path, rows):
    explainer = sc.TabularExplainer(model, rows[:7], estimator="KernelRegression")
    with pytest.raises(StoppedError):
        explainer(
            rows, out=tmp_path / "run", chunk_rows=20, progress=stop, random_state=None, budget=24
        )
    stored = explainer(rows, out=tmp_path / "run", random_state=None, budget=24)
    seed = stored.settings["random_state"]
    same(stored.load(), explainer(rows, random_state=seed, budget=24), exactly=False)
    with pytest.raises(InputError, match="random_state was"):
        explainer(rows, out=tmp_path / "run", random_state=5, budget=24)


def test_other_settings_are_refused(tmp_path, rows):
    def begin(function=model, background=rows[:7], X=rows, budget=32, **told):
        explainer = sc.TabularExplainer(function, background, **told)
        return explainer(X, out=tmp_path / "run", budget=budget)

    begin()
    begin(n_threads=1)
    for match, told in [
        ("model was", {"function": lambda X: 2 * model(X)}),
        ("background was", {"background": rows[:8]}),
        ("budget was 32, is now 31", {"budget": 31}),
        ("data, hash was", {"X": rows + 1}),
        ("imputer was", {"weights": np.arange(1, 8)}),
        ("imputer was", {"imputer": "gaussian"}),
        ("groups was", {"groups": [[0, 1]]}),
        ("estimator was", {"estimator": "KernelRegression"}),
        ("link was", {"link": np.tanh}),
    ]:
        with pytest.raises(InputError, match=f"other settings: .*{match}"):
            begin(**told)


class Power:
    """A link without a name, equal to others of its kind."""

    def __init__(self, power):
        self.power = power

    def __call__(self, worths):
        return worths**self.power


LINKS = {
    "lambdas": (lambda p: np.exp(p), lambda p: np.exp(2 * p)),
    "partial": (partial(np.multiply, 2.0), partial(np.multiply, 3.0)),
    "objects": (Power(2), Power(3)),
    "name": ("identity", lambda p: 2 * p),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_is_known_by_what_it_does(tmp_path, rows, kind):
    one, other = LINKS[kind]

    def explain(link, **options):
        explainer = sc.TabularExplainer(model, rows[:7], link=link, estimator="KernelRegression")
        return explainer(rows, out=tmp_path / "run", budget=24, **options)

    with pytest.raises(StoppedError):
        explain(one, chunk_rows=20, progress=stop)
    with pytest.raises(InputError, match="link was"):
        explain(other)
    # As in another process: the same function at another address.
    again = {"partial": partial(np.multiply, 2.0), "objects": Power(2)}.get(kind, one)
    whole = sc.TabularExplainer(model, rows[:7], link=one, estimator="KernelRegression")
    same(explain(again).load(), whole(rows, budget=24), exactly=False)
    with pytest.raises(InputError, match="link was"):
        explain(other)


def test_a_link_of_probabilities_is_not_asked_about_0_and_1(tmp_path, rows):
    def clipped(X):
        return np.clip(0.5 + X[:, 0], 0.0, 1.0)

    def logit(p):
        assert ((p > 0) & (p < 1)).all()
        return np.log(p / (1 - p))

    # Rows of the background are at 0 and 1, but no mean and no row explained.
    assert {0.0, 1.0} <= set(clipped(rows))
    explainer = sc.TabularExplainer(clipped, rows, link=logit)
    X = rows[np.abs(rows[:, 0]) < 0.4]
    same(explainer(X, out=tmp_path / "run", budget=32).load(), explainer(X, budget=32), False)


@pytest.mark.parametrize("kind", ["numpy", "pandas", "polars"])
def test_tables_of_every_kind(tmp_path, rows, kind):
    frame = pd.DataFrame(rows, columns=NAMES)
    X = {"numpy": rows, "pandas": frame, "polars": polars.from_pandas(frame)}[kind]
    explainer = sc.TabularExplainer(model, X[:7])
    stored = explainer(X, out=tmp_path / "run", chunk_rows=25, budget=32)
    same(stored.load(), explainer(X, budget=32), exactly=False)


def test_rows_from_files(tmp_path, rows):
    frame = pd.DataFrame(rows, columns=NAMES)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame[NAMES[::-1]].assign(target=1).to_parquet(tmp_path / "rows.parquet", row_group_size=17)
    wanted = sc.TabularExplainer(model, frame[:7])(frame, budget=32)
    for number, background in enumerate((frame[:7], rows[:7])):
        explainer = sc.TabularExplainer(model, background)
        for name in ("rows.csv", "rows.parquet")[: 2 - number]:
            X = sc.TableFile(tmp_path / name, drop=["target"])
            stored = explainer(X, out=tmp_path / f"run {number} {name}", chunk_rows=25, budget=32)
            np.testing.assert_allclose(stored.load().values, wanted.values, atol=1e-12)
    with pytest.raises(InputError, match="need out"):
        explainer(tmp_path / "rows.csv")


def test_text_categories_and_types_from_files(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "town": rng.choice(["01", "1", "NA"], 40),
            "kind": pd.Categorical(rng.choice(["x", "y"], 40)),
            "n": rng.integers(0, 9, 40),
            "z": rng.normal(size=40).astype(np.float32),
        }
    )

    def by_label(T):
        assert list(T.dtypes) == list(frame.dtypes)
        return (T["town"] == "01") * T["n"] + (T["kind"] == "x") * T["z"].astype(float)

    explainer = sc.TabularExplainer(by_label, frame)
    wanted = explainer(frame, budget=16)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=17)
    for name in ("rows.csv", "rows.parquet"):
        stored = explainer(tmp_path / name, out=tmp_path / f"run {name}", chunk_rows=15, budget=16)
        np.testing.assert_allclose(stored.load().values, wanted.values, atol=1e-12)
    for column, entry, match in [
        ("kind", "w", "'w', which is not among the background's categories"),
        ("n", 1.5, "holds 1.5, the background int64"),
        ("n", np.nan, "cannot be made the background's int64"),
    ]:
        bad = frame.astype({column: object})
        bad.loc[30, column] = entry
        bad.to_csv(tmp_path / "bad.csv", index=False)
        with pytest.raises(InputError, match=match):
            explainer(tmp_path / "bad.csv", out=tmp_path / f"{column}{entry}", budget=16)


def mixed_frame(n_rows):
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "town": rng.choice(["01", "1", "NA"], n_rows),
            "kind": pd.Categorical(rng.choice(["x", "y"], n_rows)),
            "n": rng.integers(0, 9, n_rows),
            "z": rng.normal(size=n_rows).astype(np.float32),
            "yes": rng.random(n_rows) < 0.5,
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, n_rows), "D"),
            "gaps": np.where(rng.random(n_rows) < 0.3, np.nan, rng.normal(size=n_rows)),
        }
    )


KINDS = {
    "pandas": lambda frame: frame,
    "polars": polars.from_pandas,
    "polars, Enum": lambda frame: polars.from_pandas(frame).with_columns(
        polars.col("kind").cast(polars.Enum(["x", "y"]))
    ),
    "pyarrow": lambda frame: pyarrow.Table.from_pandas(frame, preserve_index=False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_files_become_tables_of_the_backgrounds_kind(tmp_path, kind):
    frame = mixed_frame(30)
    background = KINDS[kind](frame)
    types = list(background.schema.types if kind == "pyarrow" else background.dtypes)

    def by_label(T):
        assert type(T) is type(background)
        assert list(T.schema.types if kind == "pyarrow" else T.dtypes) == types
        t = {name: np.array(list(T[name].to_numpy())) for name in frame.columns}
        days = (t["day"].astype("datetime64[D]") - np.datetime64("2020-01-01")).astype(float)
        gaps = np.nan_to_num(t["gaps"].astype(float), nan=3.0)
        return (t["town"] == "01") * t["n"] + (t["kind"] == "x") * t["z"] + t["yes"] * days + gaps

    explainer = sc.TabularExplainer(by_label, background)
    wanted = explainer(background, budget=128).values
    by_frame = sc.TabularExplainer(lambda T: by_label(KINDS[kind](T)), frame)
    np.testing.assert_allclose(by_frame(frame, budget=128).values, wanted, atol=1e-9)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=17)
    for name in ("rows.csv", "rows.parquet"):
        stored = explainer(tmp_path / name, out=tmp_path / f"run {name}", chunk_rows=13, budget=128)
        np.testing.assert_allclose(stored.load().values, wanted, atol=1e-9)
    if kind == "pandas":
        return
    for column, entry in (("n", 1.5), ("day", "never"), ("yes", 3)):
        bad = frame.astype({column: object})
        bad.loc[20, column] = entry
        bad.to_csv(tmp_path / "bad.csv", index=False)
        with pytest.raises(InputError, match=column):
            explainer(tmp_path / "bad.csv", out=tmp_path / f"{column}{entry}", budget=128)


def test_linear_models_and_trees(tmp_path, rows):
    linear = sc.TabularExplainer((np.arange(5.0), 1.0), rows[:7])
    same(linear(rows, out=tmp_path / "linear", chunk_rows=25).load(), linear(rows), exactly=False)
    with pytest.raises(InputError, match="model was"):
        sc.TabularExplainer((np.ones(5), 1.0), rows[:7])(rows, out=tmp_path / "linear")


def own_index(name, alpha):
    return IndexSpec(
        name, "derivative", "these tests", frozenset(), law=lambda size, order: BetaLaw(alpha, 5)
    )


def by_moebius(power):
    return IndexSpec(
        "Mine",
        "derivative",
        "these tests",
        frozenset(),
        moebius=lambda s, t, order: Fraction(1, t**power),
    )


def by_weights(first):
    def weights(n, s, order):
        rest = n - s
        return [Fraction(first if not t else 1, comb(rest, t)) for t in range(rest + 1)]

    return IndexSpec("Mine", "derivative", "these tests", frozenset(), weights=weights)


@pytest.mark.parametrize(
    "of", [lambda x: own_index("Mine", x), by_moebius, by_weights], ids=["law", "moebius", "list"]
)
@pytest.mark.parametrize("kind", ["table", "trees", "probability"])
def test_an_index_of_ones_own_is_known_by_its_weights(tmp_path, rows, of, kind):
    labels = (rows[:, 0] * rows[:, 1] > 0).astype(int)
    trees = xgboost.XGBClassifier(n_estimators=3, max_depth=3).fit(rows, labels)
    explainer = {
        "table": lambda: sc.TabularExplainer(model, rows[:7]),
        "trees": lambda: sc.TreeExplainer(trees),
        "probability": lambda: sc.TreeExplainer(trees, background=rows[:7], output="probability"),
    }[kind]()
    out = tmp_path / "run"
    with pytest.raises(StoppedError):
        explainer(rows, index=of(2), order=2, out=out, chunk_rows=20, progress=stop)
    with pytest.raises(InputError, match="index was"):
        explainer(rows, index=of(3), order=2, out=out)
    stored = explainer(rows, index=of(2), order=2, out=out)
    wanted = explainer(rows, index=of(2), order=2)
    same(stored.load(), wanted, exactly=False)
    np.testing.assert_allclose(stored.load().to_array(2), wanted.to_array(2), atol=1e-12)
    np.testing.assert_allclose(stored.part(1).to_array(2), wanted[20:40].to_array(2), atol=1e-12)
    with pytest.raises(InputError, match="index was"):
        explainer(rows, index=of(3), order=2, out=out)


def test_parts_have_one_set_of_names(tmp_path, rows):
    def begin(out, **names):
        return sc.TabularExplainer(model, rows[:5], **names)(
            rows, out=tmp_path / out, chunk_rows=20, progress=stop
        )

    groups = {name: {name: [0, 1], "c": [2], "d": [3, 4]} for name in ("ab", "first two")}
    for out, name, mine, other in [
        ("outputs", "output_names", {"output_names": ["u", "v"]}, {"output_names": ["x", "y"]}),
        ("none", "output_names", {"output_names": ["u", "v"]}, {}),
        ("groups", "feature_names", {"groups": groups["ab"]}, {"groups": groups["first two"]}),
    ]:
        with pytest.raises(StoppedError):
            begin(out, **mine)
        with pytest.raises(InputError, match=f"other settings: {name} was"):
            begin(out, **other)


def test_integers_beyond_float64_are_told_apart(tmp_path):
    background = np.array([[2**60, 1], [2**60 + 2, 2], [1, 3]])
    X = np.array([[2**60 + 4, 1], [2**60 + 6, 5]])
    one = np.array([1, 0])

    def begin(X, kind, background=background):
        explainer = sc.TabularExplainer(lambda Z: np.asarray(Z)[:, 0] % 100.0, kind(background))
        return explainer(kind(X), out=tmp_path / kind.__name__)

    for kind in (np.array, pd.DataFrame):
        begin(X, kind)
        begin(X.copy(), kind)
        with pytest.raises(InputError, match="data, hash was"):
            begin(X + one, kind)
        with pytest.raises(InputError, match="background was"):
            begin(X, kind, background + one)


def test_a_tolerance_is_known_whatever_its_type(tmp_path, rows):
    explainer = sc.TabularExplainer(model, rows[:5])
    for tolerance in (0.5, np.float32(0.5), sc.estimators.stopping.RelativeStdErrorBelow(0.5)):
        explainer(rows, out=tmp_path / "run", budget=24, tolerance=tolerance)
    with pytest.raises(InputError, match="tolerance was"):
        explainer(rows, out=tmp_path / "run", budget=24, tolerance=0.25)


def test_integers_of_numpy_are_settings_as_others_are(tmp_path, rows):
    def explainer(batch_size):
        return sc.TabularExplainer(model, rows[:5], batch_size=batch_size)

    for whole in (int, np.int64):
        options = {"budget": whole(24), "random_state": whole(3), "order": whole(1)}
        found = explainer(whole(100))(rows, out=tmp_path / "out", chunk_rows=whole(30), **options)
        same(found.load(), explainer(100)(rows, budget=24, random_state=3))
    for wrong in (30.0, True, "30"):
        with pytest.raises(TypeError, match="chunk_rows must be an integer, not"):
            explainer(100)(rows, out=tmp_path / "other", chunk_rows=wrong)
