"""The kernels of masking beside what numpy makes of the same."""

import numpy as np
import pandas as pd
import pytest

import shapley_core as sc
from shapley_core._kernels import masking

from .games import N, game_of, smooth

RNG = np.random.default_rng(5)


def as_bytes(array):
    return np.ascontiguousarray(array).view(np.uint8)


@pytest.mark.parametrize("dtype", ["u1", "f2", "S3", "f4", "f8", "<U3", "c16", "<U5"])
@pytest.mark.parametrize("n_features", [1, 3, 12, 13, 70])
@pytest.mark.parametrize(("n_rows", "n_donors"), [(1, 1), (2, 1), (50, 1), (1, 50), (3, 7), (4, 2)])
def test_every_coalition_row_and_donor(dtype, n_features, n_rows, n_donors):
    rows = RNG.integers(0, 99, (n_rows, n_features)).astype(dtype)
    donors = RNG.integers(0, 99, (n_donors, n_features)).astype(dtype)
    masks = RNG.random((6, n_features)) < 0.5
    masks[0], masks[1] = True, False
    itemsize = rows.dtype.itemsize
    out = np.empty((6 * n_rows * n_donors, n_features), dtype)
    masking.mix(
        masks.view(np.uint8), as_bytes(rows), as_bytes(donors), itemsize, out.view(np.uint8)
    )
    wanted = np.where(masks[:, None, None], rows[None, :, None], donors[None, None])
    np.testing.assert_array_equal(out.reshape(wanted.shape), wanted)

    chosen = RNG.integers(0, n_donors, (6, n_rows, 3))
    out = np.empty((6 * n_rows * 3, n_features), dtype)
    masking.mix_chosen(
        masks.view(np.uint8), as_bytes(rows), as_bytes(donors), chosen, itemsize, out.view(np.uint8)
    )
    wanted = np.where(masks[:, None, None], rows[None, :, None], donors[chosen])
    np.testing.assert_array_equal(out.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("n_games", [1, 3, 4, 9])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("own_weights", [False, True])
def test_means_add_in_the_order_of_the_donors(n_games, n_outputs, own_weights):
    outputs = RNG.normal(size=(n_games, 30, n_outputs))
    weights = RNG.random((n_games if own_weights else 1, 30))
    out = RNG.normal(size=(n_games, n_outputs))
    wanted, parts = out.copy(), out.copy()
    for donor in range(30):
        wanted += weights[:, donor, None] * outputs[:, donor]
    assert masking.add_means(outputs, weights, out)
    np.testing.assert_array_equal(out, wanted)
    for some in (slice(0, 11), slice(11, 30)):
        masking.add_means(
            np.ascontiguousarray(outputs[:, some]), np.ascontiguousarray(weights[:, some]), parts
        )
    np.testing.assert_array_equal(parts, wanted)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_games", [1, 4, 7])
def test_means_tell_what_is_not_finite(bad, n_games):
    for game in range(n_games):
        outputs = RNG.normal(size=(n_games, 5, 1))
        outputs[game, 3] = bad
        # A weight of zero hides nothing.
        weights = np.array([[1.0, 2.0, 1.0, 0.0, 1.0]])
        assert not masking.add_means(outputs, weights, np.zeros((n_games, 1)))


@pytest.mark.parametrize("narrow", [(1,), (0, 2), (3, 4), (1, 2, 4), (0, 1, 3, 4)])
@pytest.mark.parametrize(
    "groups", [[[0, 2]], [[1, 3], [0, 4]], [[0, 4], [1, 2]], [[0, 3, 4]], [[0, 1, 2, 3]]]
)
def test_groups_of_columns_of_different_types(narrow, groups):
    # Columns whose entries take equally many bytes are mixed together. There may be as many of
    # them as there are players, and yet players that have two of them, or none.
    rng = np.random.default_rng(3)
    background, rows = rng.integers(0, 3, (6, N)), rng.integers(0, 3, (3, N))
    types = {f"f{at}": "int8" if at in narrow else "float64" for at in range(N)}

    def frame(array):
        return pd.DataFrame(array, columns=list(types)).astype(types)

    explainer = sc.TabularExplainer(
        lambda shown: smooth(shown.to_numpy(np.float64)), frame(background), groups=groups
    )
    members = explainer.players.members
    found = explainer(frame(rows), index="SII", order=2)
    for at, row in enumerate(rows):
        truth = sc.exact(game_of(smooth, row, background, members=members), "SII", 2)
        np.testing.assert_allclose(found[at].values, truth.values, rtol=0, atol=1e-12)
