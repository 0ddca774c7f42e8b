"""Global values against the sums that define them, and their standard errors against chance."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

import shapley_core as sc
from shapley_core.errors import InputError
from shapley_core.global_views.moments import Moments
from shapley_core.runs import TableSource, run

PAIRS = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]


def stored(explanation, place, chunk_rows):
    return run(
        lambda chunk: explanation[chunk.start : chunk.start + len(chunk.rows)],
        TableSource(np.zeros((len(explanation), 1)), len(explanation), lambda: "hash"),
        place,
        settings={},
        chunk_rows=chunk_rows,
    )


def made(rng, n_rows=5000, n_outputs=None, binary=False, **told):
    shape = (n_rows, 6) if n_outputs is None else (n_rows, 6, n_outputs)
    data = rng.integers(0, 2, (n_rows, 3)) if binary else rng.normal(size=(n_rows, 3))
    return sc.Explanation(
        rng.normal(size=shape) + 1e4,
        np.zeros(shape[:1] + shape[2:]),
        data,
        index="k-SII",
        order=2,
        interactions=PAIRS,
        n_features=3,
        **told,
    )


def literal(values, weights):
    """Mean and standard error as the definition says, row by row."""
    total = sum(weights)
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / total
    n = sum(w > 0 for w in weights)
    spread = sum((w * (v - mean)) ** 2 for w, v in zip(weights, values, strict=True))
    return mean, np.sqrt(spread * n / (n - 1)) / total


@pytest.mark.parametrize("exponents", [(-900,), (900,), (-900, 0, 900), (900, -900), (0, 1000, 3)])
def test_moments_are_in_proportion_to_the_numbers(exponents):
    # Blocks of other sizes than those before; the first begins with a 0.
    rng = np.random.default_rng(0)
    blocks = [np.ldexp(rng.normal(size=(5, 2)), k) for k in exponents]
    blocks[0][:, 1] = 0.0
    weights = [rng.uniform(size=5) for _ in blocks]
    moments = Moments((2,))
    for block, weight in zip(blocks, weights, strict=True):
        moments.add(block, weight)
    unit = max(exponents)
    mean, error = literal(np.ldexp(np.concatenate(blocks), -unit), np.concatenate(weights))
    assert np.ldexp(moments.mean, -unit) == pytest.approx(mean, rel=1e-12)
    assert np.ldexp(moments.std_error, -unit) == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_means_are_the_literal_ones(tmp_path, n_outputs, weighted):
    rng = np.random.default_rng(0)
    e = made(rng, n_outputs=n_outputs, binary=True, feature_names=["a", "b", "c"])
    weights = rng.integers(0, 4, len(e)) / 7 if weighted else None
    each = np.ones(len(e)) if weights is None else weights
    signs = np.stack([np.where(e.data[:, one].all(axis=1), 1, -1) for one in map(list, PAIRS)], 1)
    signs = signs.reshape(signs.shape + (1,) * (e.values.ndim - 2))
    several = stored(e, tmp_path / "run", 700)
    for kind, summands in [
        ("mean", e.values),
        ("mean_abs", np.abs(e.values)),
        ("presence_adjusted", signs * e.values),
    ]:
        mean, error = literal(summands, each)
        data = e.data if kind == "presence_adjusted" else None
        for found in (
            sc.global_values(e, kind, weights=weights),
            sc.global_values(several, kind, weights=weights, data=data),
        ):
            np.testing.assert_allclose(found.values, mean, rtol=1e-12)
            np.testing.assert_allclose(found.std_error, error, rtol=1e-9)
            assert found.n_rows == (each > 0).sum()
            assert (found.kind, found.index, found.order) == (kind, "k-SII", 2)
            assert found.interactions == PAIRS
            assert found.labels()[3] == "a, b"


def test_mean_abs_is_that_of_the_explanation():
    e = made(np.random.default_rng(0), n_rows=70)
    np.testing.assert_allclose(sc.global_values(e).values, e.mean_abs(), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_standard_errors_are_those_of_repeated_samples(weighted):
    rng = np.random.default_rng(1)
    means, errors = [], []
    for _ in range(1500):
        rows = rng.gamma(2.0, size=(60, 2)) * [1, 5]
        weights = rng.random(60) if weighted else np.ones(60)
        moments = Moments((2,))
        for start in range(0, 60, 17):
            moments.add(rows[start : start + 17], weights[start : start + 17])
        means.append(moments.mean)
        errors.append(moments.std_error)
    np.testing.assert_allclose(np.mean(errors, axis=0), np.std(means, axis=0), rtol=0.08)


def test_one_row_tells_nothing_of_errors():
    e = made(np.random.default_rng(0), n_rows=3)
    assert np.isnan(sc.global_values(e, weights=[0, 2, 0]).std_error).all()
    np.testing.assert_array_equal(
        sc.global_values(e, "mean", weights=[0, 2, 0]).values, e.values[1]
    )


def test_interaction_strength_as_a_matrix():
    found = sc.global_values(made(np.random.default_rng(0), n_rows=9))
    strength, error = found.to_array(2), found.std_error_array(2)
    for one, value, spread in zip(PAIRS, found.values, found.std_error, strict=True):
        i, j = one[0], one[-1]
        assert strength[i, j] == strength[j, i] == value
        assert error[i, j] == error[j, i] == spread
    np.testing.assert_array_equal(found.to_array(1), found.values[:3])
    with pytest.raises(InputError, match="no array of order 3"):
        found.to_array(3)


def test_global_joint_shapley_values_are_those_of_the_mean_game():
    """JointSV is linear in the game; of absolute values the mean is larger."""
    rng = np.random.default_rng(2)
    worths = rng.normal(size=(20, 16))
    rows = [sc.exact(sc.TableGame(w), index="JointSV", order=2) for w in worths]
    e = sc.Explanation(
        np.array([row.values for row in rows]),
        worths[:, 0],
        np.zeros((20, 4)),
        index="JointSV",
        order=2,
        interactions=rows[0].interactions,
    )
    wanted = sc.exact(sc.TableGame(worths.mean(axis=0)), index="JointSV", order=2)
    np.testing.assert_allclose(sc.global_values(e, "mean").values, wanted.values, atol=1e-14)
    usual = sc.global_values(e).values
    np.testing.assert_allclose(usual, np.mean([np.abs(r.values) for r in rows], axis=0))


def test_presence_adjusted_values_of_a_feature_that_helps_where_it_is():
    """f = x_0: half of it is credited in every row, though the signed mean is zero."""
    X = np.array([[0, 1], [1, 1], [0, 0], [1, 0]])
    values = np.stack([X[:, 0] - 0.5, np.zeros(4)], axis=1)
    e = sc.Explanation(values, np.full(4, 0.5), X.astype(bool), index="SV")
    found = sc.global_values(e, "presence_adjusted")
    np.testing.assert_array_equal(found.values, [0.5, 0])
    np.testing.assert_array_equal(found.std_error, [0, 0])
    assert sc.global_values(e, "mean").values[0] == 0


def test_rows_from_files(tmp_path):
    rng = np.random.default_rng(3)
    e = made(rng, n_rows=200, binary=True, feature_names=["a", "b", "c"])
    wanted = sc.global_values(e, "presence_adjusted")
    frame = pd.DataFrame(e.data, columns=["a", "b", "c"])[["c", "a", "b"]]
    frame.assign(target=7).to_parquet(tmp_path / "rows.parquet", row_group_size=30)
    file = sc.TableFile(tmp_path / "rows.parquet", drop=["target"])
    several = stored(e, tmp_path / "run", 64)
    for explanation in (several, several.load()):
        for data in (file, frame, e.data):
            found = sc.global_values(explanation, "presence_adjusted", data=data)
            np.testing.assert_allclose(found.values, wanted.values, rtol=1e-12, atol=1e-9)


def test_what_cannot_be_averaged():
    rng = np.random.default_rng(0)
    e = made(rng, n_rows=8)
    presence = partial(sc.global_values, e, "presence_adjusted")
    for match, begin in [
        ("kind must be one of", lambda: sc.global_values(e, "max")),
        ("there are no rows", lambda: sc.global_values(e[:0])),
        (r"weights have shape \(7,\); wanted \(8,\)", lambda: sc.global_values(e, weights=[1] * 7)),
        ("not all zero", lambda: sc.global_values(e, weights=[0] * 8)),
        ("not negative", lambda: sc.global_values(e, weights=[-1] + [1] * 7)),
        ("need features that are all 0 or 1", presence),
        (
            "data has 7 rows, but 8",
            lambda: sc.global_values(e, "presence_adjusted", data=e.data[1:]),
        ),
    ]:
        with pytest.raises(InputError, match=match):
            begin()
    e.data = None
    with pytest.raises(InputError, match="does not hold the rows"):
        sc.global_values(e, "presence_adjusted")
    for wrong in (8, np.array(8.0), iter([])):
        with pytest.raises(InputError, match="wanted rows"):
            sc.global_values(e, "presence_adjusted", data=wrong)
    for wrong in (np.zeros(0), pd.Series(["mean", "mean_abs"]), None):
        with pytest.raises(InputError, match="kind must be one of"):
            sc.global_values(e, wrong)
    missing = np.full((8, 3), np.nan)
    with pytest.raises(InputError, match="is nan in a row"):
        sc.global_values(e, "presence_adjusted", data=missing)


def test_values_of_no_explanation():
    for other in (np.ones((3, 2)), None, "run"):
        with pytest.raises(TypeError, match="takes an Explanation or a StoredExplanation"):
            sc.global_values(other)


def test_tables_and_lists_of_the_largest():
    e = made(np.random.default_rng(0), n_rows=50, n_outputs=2, output_names=["cat", "dog"])
    found = sc.global_values(e)
    frame = found.to_frame()
    assert list(frame.columns) == [
        "value [cat]",
        "std_error [cat]",
        "value [dog]",
        "std_error [dog]",
    ]
    assert frame.index[5] == "feature 1, feature 2"
    assert found.top(0) == found.top(-1) == []
    label, value, error = found.top(1, output=1)[0]
    assert value == found.values[:, 1].max()
    assert frame.loc[label, "std_error [dog]"] == error
    assert "6 values from 50 rows" in repr(found)
    for output in (2, -1):
        with pytest.raises(InputError, match=f"output {output} is out of range: there are 2"):
            found.top(1, output=output)
    for output in ("cat", None, True, slice(2), [0]):
        with pytest.raises(TypeError, match="output must be an integer"):
            found.top(1, output=output)
    with pytest.raises(InputError, match="output 1 is out of range: there are 1"):
        sc.global_values(e.output("cat")).top(1, output=1)
