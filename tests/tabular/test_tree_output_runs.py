"""Long runs, largest values and margins of a row's own, of what trees predict after the margin."""

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost

from shapley_core import TableFile, TreeExplainer, exact
from shapley_core.errors import AdditivityError, InputError
from shapley_core.game import TableGame
from shapley_core.top import TopExplanation

RNG = np.random.default_rng(8)
N, NAMES = 5, list("abcde")
TRAIN = RNG.normal(size=(200, N)).astype(np.float32)
TRAIN[:, 3] = 1.0  # no split can be on it
Y2 = (TRAIN[:, 0] * TRAIN[:, 1] + TRAIN[:, 2] > 0).astype(int)
Y3 = Y2 + (TRAIN[:, 4] > 0.5)
BACKGROUND, X, LABELS = TRAIN[:11], TRAIN[50:80], Y2[50:80]
MODEL = xgboost.XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1).fit(TRAIN, Y2)
THREE = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1).fit(TRAIN, Y3)


class StoppedError(Exception):
    pass


def stop(done, n_rows):
    if done >= 24:
        raise StoppedError


def same(found, wanted, atol=0.0):
    for name in ("values", "base_values", "std_error", "n_evaluations"):
        got, held = getattr(found, name), getattr(wanted, name)
        assert (got is None) == (held is None)
        if held is not None:
            np.testing.assert_allclose(got, held, rtol=0, atol=atol)
    for name in ("index", "order", "feature_names", "output_names", "interactions", "groups"):
        assert getattr(found, name) == getattr(wanted, name)


@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("probability", {}),
        ("probability", {"budget": 14, "tolerance": 0.5}),
        ("probability", {"index": "k-SII", "order": 2}),
        ("probability", {"index": "SGV", "order": 2}),
        ("probability", {"base_margin": np.linspace(-1, 1, len(X))}),
        ("log_loss", {"y": LABELS}),
        (np.tanh, {}),
    ],
)
def test_a_stopped_run_goes_on(tmp_path, output, options):
    def explainer():
        return TreeExplainer(MODEL, BACKGROUND, output=output)

    with pytest.raises(StoppedError):
        explainer()(X, out=tmp_path / "run", chunk_rows=12, progress=stop, **options)
    stored = explainer()(X, out=tmp_path / "run", **options)
    assert stored.n_parts == 3
    whole = explainer()(X, out=tmp_path / "whole", chunk_rows=12, **options)
    same(stored.load(), whole.load())
    same(stored.load(), explainer()(X, **options), atol=1e-12)


def test_several_outputs_and_files(tmp_path):
    frame = pd.DataFrame(X, columns=NAMES).assign(label=LABELS)
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1).fit(
        pd.DataFrame(TRAIN, columns=NAMES), Y3
    )
    explainer = TreeExplainer(model, frame[NAMES][:9], output="probability")
    wanted = explainer(frame[NAMES])
    assert wanted.values.shape == (len(X), N, 3)
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=7)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for name in ("rows.parquet", "rows.csv"):
        rows = TableFile(tmp_path / name, drop=["label"])
        stored = explainer(rows, out=tmp_path / f"run {name}", chunk_rows=13)
        np.testing.assert_allclose(stored.load().values, wanted.values, rtol=0, atol=1e-12)
    losses = TreeExplainer(model, frame[NAMES][:9], output="log_loss")
    stored = losses(rows, Y3[50:80], out=tmp_path / "losses", chunk_rows=13)
    same_rows = losses(frame[NAMES], Y3[50:80]).values
    np.testing.assert_allclose(stored.load().values, same_rows, rtol=0, atol=1e-12)
    with pytest.raises(InputError, match=r"wanted \(30,\) labels"):
        losses(rows, Y3[50:79], out=tmp_path / "few")
    with pytest.raises(InputError, match="labels of all rows"):
        losses(rows, out=tmp_path / "none")
    with pytest.raises(InputError, match="need out"):
        explainer(rows)


@pytest.mark.parametrize("classes", [[1, 2, 3], ["ant", "bee", "cat"]])
def test_labels_are_looked_up_once(tmp_path, classes):
    labels = np.array(classes)[Y3]
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1).fit(TRAIN, labels)
    explainer = TreeExplainer(model, BACKGROUND, output="log_loss")
    wanted = explainer(X, labels[50:80])
    stored = explainer(X, labels[50:80], out=tmp_path / "run", chunk_rows=13)
    np.testing.assert_allclose(stored.load().values, wanted.values, rtol=0, atol=1e-12)
    again = explainer(X, labels[50:80].tolist(), out=tmp_path / "run")
    np.testing.assert_array_equal(again.load().values, stored.load().values)
    with pytest.raises(InputError, match="labels was"):
        explainer(X, np.full(30, classes[0]), out=tmp_path / "run")
    with pytest.raises(InputError, match="y holds 0, but"):
        explainer(X, np.zeros(30, int), out=tmp_path / "other")
    # The live model is still asked.
    leaf = int(model.booster_.predict(X[:1], pred_leaf=True)[0, 0])
    model.booster_.set_leaf_output(0, leaf, 9.0)
    with pytest.raises(AdditivityError):
        explainer(X, labels[50:80], out=tmp_path / "changed")


def test_other_settings_are_refused(tmp_path):
    def begin(output="probability", background=BACKGROUND, X=X, model=MODEL, y=None, **told):
        options = {name: told.pop(name) for name in ("weights", "groups") if name in told}
        explainer = TreeExplainer(model, background, output=output, **options)
        return explainer(X, y, out=tmp_path / "run", **told)

    begin()
    begin(n_threads=1)
    for match, told in [
        ("model was", {"model": THREE}),
        ("output was", {"output": "log_loss", "y": LABELS}),
        ("output was", {"output": lambda margins: margins}),
        ("background was", {"background": TRAIN[:12]}),
        ("background was", {"weights": np.arange(1, 12)}),
        ("base_margin was", {"base_margin": np.zeros(len(X))}),
        ("budget was 2048", {"budget": 100}),
        ("check was", {"check": None}),
        ("groups was", {"groups": [[0, 1]]}),
        ("data, hash was", {"X": X + 1, "check": "model"}),
        ("random_state was", {"random_state": 4}),
    ]:
        with pytest.raises(InputError, match=f"other settings: .*{match}"):
            begin(**told)


def test_functions_that_share_a_name_are_told_apart(tmp_path):
    def bent(power):
        def output(margins):
            return margins**power

        return output

    TreeExplainer(MODEL, BACKGROUND, output=bent(2))(X, out=tmp_path / "run")
    with pytest.raises(InputError, match="output was"):
        TreeExplainer(MODEL, BACKGROUND, output=bent(3))(X, out=tmp_path / "run")


@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("SII", 2), ("SGV", 2)])
def test_the_largest_of_each_row(index, order):
    for model in (MODEL, THREE):
        explainer = TreeExplainer(model, BACKGROUND, output="probability")
        every = explainer(X, index=index, order=order)
        found = explainer(X, index=index, order=order, top=2)
        assert isinstance(found, TopExplanation)
        size = np.sort(np.abs(every.values), axis=1)[:, ::-1]
        np.testing.assert_array_equal(np.abs(found.values), size[:, :2])
        for row in (0, 7):
            key = (row, 1) if model is THREE else row
            full = every[key].to_dict()
            for members, value in found[key].to_dict().items():
                if members:
                    assert value == full[members]
    with pytest.raises(InputError, match="top must be at least 1"):
        explainer(X, top=0)
    with pytest.raises(InputError, match="does not go with out"):
        explainer(X, top=1, out="never")


def by_brute_force(function, row, margin):
    """Values of one row, every coalition predicted by the library with that base margin."""
    worths = []
    for position in range(1 << N):
        rows = BACKGROUND.copy()
        present = [player for player in range(N) if position >> player & 1]
        rows[:, present] = row[present]
        worths.append(function(MODEL.predict_proba(rows, base_margin=np.full(len(rows), margin))))
    return exact(TableGame(np.array(worths)))


@pytest.mark.parametrize("output", ["probability", "log_loss"])
def test_rows_that_start_from_a_margin_of_their_own(output):
    margins = np.array([-1.0, 0.0, 2.5])
    explainer = TreeExplainer(MODEL, BACKGROUND, output=output)
    labels = LABELS[:3] if output == "log_loss" else None
    for index in ("SV", "SGV"):
        found = explainer(X[:3], labels, base_margin=margins, index=index)
        for at in range(3):

            def mean(probability, at=at):
                if output == "probability":
                    return probability[:, 1].mean()
                return -np.log(probability[:, LABELS[at]]).mean()

            wanted = by_brute_force(mean, X[at], margins[at])
            np.testing.assert_allclose(found.values[at], wanted.values, atol=1e-5)
            assert found.base_values[at] == pytest.approx(wanted.baseline, abs=1e-5)
    own = np.full(3, explainer.ensemble.base[0])
    plain = explainer(X[:3], labels).values
    np.testing.assert_allclose(explainer(X[:3], labels, base_margin=own).values, plain, atol=1e-14)


def test_margins_of_several_outputs():
    explainer = TreeExplainer(THREE, BACKGROUND, output="probability")
    margins = RNG.normal(size=(4, 3))
    found = explainer(X[:4], base_margin=margins)
    shown = margins - explainer.ensemble.base + THREE.predict(X[:4], raw_score=True)
    wanted = np.exp(shown) / np.exp(shown).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base_values, wanted, atol=1e-9)
    for bad in (margins[:, :2], margins[:3], margins * np.nan):
        with pytest.raises(InputError, match=r"wanted \(4, 3\) finite"):
            explainer(X[:4], base_margin=bad)


def test_checking_the_trees_alone():
    explainer = TreeExplainer(MODEL, BACKGROUND, output="probability")
    same(explainer(X, check="trees"), explainer(X))
    with pytest.raises(InputError, match="'trees'"):
        explainer(X, check="tree")
