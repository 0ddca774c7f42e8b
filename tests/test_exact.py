"""The exact engine: against the literal definitions, and itself by other routes."""

from fractions import Fraction
from importlib import import_module
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from small_games import close, few, values_of
from strategies import all_indices, interactions, mask, orders, worths

from shapley_core import indices, transforms
from shapley_core.errors import InputError, MemoryLimitError, UnknownIndexError
from shapley_core.exact import exact
from shapley_core.game import CallableGame, TableGame
from shapley_core.reference import INDICES
from shapley_core.reference.indices import beta_shapley, weighted_banzhaf_interaction

# The package exports the function of the same name; this is the module.
engine = import_module("shapley_core.exact")

# --- the literal definitions ---


@pytest.mark.parametrize("name", sorted(INDICES))
@few
@given(v=worths(1, 4))
def test_literal_definition(name, v):
    n = len(v).bit_length() - 1
    for order in orders(name, n):
        r = values_of(v, name, order)
        assert r.interactions == interactions(n, order)
        for S in r.interactions:
            assert close(r[S], float(INDICES[name](v, S, order))), (S, order)
        if name in ("Fourier", "FBII"):
            assert close(r.baseline, float(INDICES[name](v, (), order)))
        else:
            assert r.baseline == v[0]


@pytest.mark.parametrize("name", sorted(set(INDICES) - {"FSII", "FBII", "kADD-SHAP"}))
def test_literal_definition_of_six_players(name):
    v = np.random.default_rng(6).integers(-9, 10, 64).tolist()
    for order in orders(name, 6, most=3):
        r = values_of(v, name, order)
        for S in [(2,), (5,), (0, 4), (1, 3, 5)][:order]:
            assert close(r[S], float(INDICES[name](v, S, order))), (S, order)


@few
@given(v=worths(1, 4))
def test_parametrised(v):
    n = len(v).bit_length() - 1
    weighted = values_of(v, "WBII(1/3)", n)
    for S in weighted.interactions:
        assert close(weighted[S], float(weighted_banzhaf_interaction(v, S, Fraction(1, 3))))
    beta = values_of(v, indices.BetaShapley(4, 2), 1)
    value = values_of(v, indices.WBV("1/3"), 1)
    for i in range(n):
        assert close(beta[i], float(beta_shapley(v, (i,), 4, 2)))
        assert close(value[i], weighted[i])


def test_beta_shapley_16_1_prefers_small_coalitions():
    # The first to come brings all: only marginal contributions to the empty coalition count.
    v = [0] + [1] * 15
    assert values_of(v, "BetaShapley(16, 1)", 1)[0] > 3 * values_of(v, "SV", 1)[0]


def test_semivalue_and_probabilistic_value():
    rng = np.random.default_rng(0)
    v = rng.integers(-9, 10, 16).astype(float)
    shapley = [Fraction(1, 4), Fraction(1, 12), Fraction(1, 12), Fraction(1, 4)]
    np.testing.assert_allclose(
        values_of(v, indices.Semivalue(shapley), 1).values, values_of(v, "SV", 1).values
    )
    weights = np.zeros((4, 16))
    for i in range(4):
        for m in range(16):
            if not m >> i & 1:
                weights[i, m] = float(shapley[m.bit_count()])
    np.testing.assert_allclose(
        values_of(v, indices.ProbabilisticValue(weights), 1).values, values_of(v, "SV", 1).values
    )
    # A dictator's law: everyone joins player 0 alone.
    weights = np.zeros((4, 16))
    weights[0, 0] = 1
    weights[1:, 1] = 1
    r = values_of(v, indices.ProbabilisticValue(weights, name="after 0"), 1)
    assert r.index == "after 0"
    np.testing.assert_allclose(r.values, [v[1] - v[0], v[3] - v[1], v[5] - v[1], v[9] - v[1]])


# --- routes, threads, layouts ---


@pytest.mark.parametrize("name", all_indices())
def test_both_routes_agree(name):
    n = 9
    v = np.random.default_rng(3).standard_normal(1 << n) + 5
    spec = indices.get(name)
    for order in orders(name, n, most=5):
        folds = engine._by_folds(v, v[0], spec, n, order, 1)
        dense = engine._by_transforms(v, v[0], spec, n, order, 1)
        for size in folds:
            scale = np.abs(folds[size]).max()
            np.testing.assert_allclose(folds[size], dense[size], rtol=1e-12, atol=1e-12 * scale)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks so small that a small table is cut in many, as a large one is."""
    for what, bits in (("_CACHE_BITS", 5), ("_ROW_BITS", 3), ("_FOLD_BITS", 4), ("_TASK_BITS", 7)):
        monkeypatch.setattr(transforms, what, bits)


@pytest.mark.parametrize("name", ["SV", "k-SII", "JointSV", "BII", "CHII"])
def test_blocks_and_threads(name, small_blocks, monkeypatch):
    n = 12
    v = np.random.default_rng(4).standard_normal(1 << n)
    order = orders(name, n, most=12 if name == "BII" else 5)[-1]
    one = values_of(v, name, order, n_threads=1)
    for n_threads in (2, 3, 7):
        np.testing.assert_array_equal(
            values_of(v, name, order, n_threads=n_threads).values, one.values
        )
    monkeypatch.undo()
    assert values_of(v, name, order).allclose(one, rtol=1e-10, atol=1e-12)


def test_transforms_in_blocks(small_blocks):
    v = np.random.default_rng(5).standard_normal(1 << 11)
    matrix = np.array([0.3, 0.7, -1.0, 1.5])
    by_kind = {
        "subset-sum": [1, 0, 1, 1],
        "subset-difference": [1, 0, -1, 1],
        "superset-sum": [1, 1, 0, 1],
        "superset-difference": [1, -1, 0, 1],
        "walsh": [1, 1, 1, -1],
        "general": matrix,
    }
    for kind, m in by_kind.items():
        table = v.copy()
        transforms.transform(table, kind, 2, matrix)
        wanted = v.copy()
        for bit in range(11):
            cut = wanted.reshape(-1, 2, 1 << bit)
            x, y = cut[:, 0].copy(), cut[:, 1].copy()
            cut[:, 0], cut[:, 1] = m[0] * x + m[1] * y, m[2] * x + m[3] * y
        np.testing.assert_allclose(table, wanted, rtol=1e-10, atol=1e-10)


def test_fold_is_a_sum_over_supersets(small_blocks):
    n = 9
    rng = np.random.default_rng(8)
    v, weights = rng.standard_normal(1 << n), rng.standard_normal((2, n + 1))
    sizes = np.array([m.bit_count() for m in range(1 << n)])
    for order in range(n + 1):
        got = transforms.fold(v, 0.5, weights, order, n, 2)
        for at, R in enumerate(combinations(range(n), order)):
            above = np.array([m & mask(R) == mask(R) for m in range(1 << n)])
            for w in range(2):
                wanted = (weights[w][sizes[above]] * (v[above] - 0.5)).sum()
                assert abs(got[w, at] - wanted) < 1e-12 * (1 << n)


def test_memory_layouts_and_dtypes():
    v = np.random.default_rng(1).integers(-9, 10, 256)
    wanted = values_of(v.astype(float), "SII", 3)
    strided = np.zeros(512)
    strided[::2] = v
    for given_ in (
        v,
        v.tolist(),
        strided[::2],
        v[::-1].copy()[::-1],
        v.astype(">f8"),
        v.astype("i1"),
    ):
        assert values_of(given_, "SII", 3) == wanted
    readonly = v.astype(float)
    readonly.flags.writeable = False
    assert values_of(readonly, "SII", 3) == wanted
    assert (readonly == v).all()


@pytest.mark.parametrize("route", ["SV", "SII"])
def test_the_table_is_not_changed(route):
    v = np.random.default_rng(1).standard_normal(256)
    kept = v.copy()
    values_of(v, route, orders(route, 8)[-1])
    np.testing.assert_array_equal(v, kept)


def test_large_offset_costs_few_digits():
    rng = np.random.default_rng(2)
    v = rng.integers(-9, 10, 1 << 12).astype(float)
    v[0] = 0
    np.testing.assert_array_equal(
        values_of(v + 2.0**40, "k-SII", 2).values, values_of(v, "k-SII", 2).values
    )


def test_twenty_players_keep_their_digits():
    # Through Moebius coefficients the error is about 1e-10 here.
    v = np.random.default_rng(0).standard_normal(1 << 18)
    for name, order in (("SV", 1), ("k-SII", 2), ("FSII", 3)):
        assert abs(values_of(v, name, order).values.sum() - (v[-1] - v[0])) < 1e-12


# --- the function itself ---


def test_a_callable_game_is_asked_once_for_each_coalition():
    game = CallableGame(lambda S: S.sum(axis=1) ** 2, 6, player_names=list("abcdef"))
    r = exact(game, "k-SII", 2)
    assert game.n_evaluations == r.n_evaluations == 64
    assert r.player_names == tuple("abcdef")
    assert close(r["a", "c"], 2.0) and close(r["b"], 1.0)
    assert r.is_exact and r.std_error is None and r.index == "k-SII" and r.order == 2


def test_any_game_protocol_object():
    class Additive:
        n_players = 3
        player_names = None

        def __call__(self, coalitions):
            return coalitions @ np.array([1.0, 2.0, 3.0])

    np.testing.assert_allclose(exact(Additive()).values, [1, 2, 3])


def test_one_player():
    r = values_of([2.0, 5.0], "SV", 1)
    assert r[0] == 3.0 and r[()] == 2.0


@pytest.mark.parametrize("order", [0, -1, 4])
def test_order_out_of_range(order):
    with pytest.raises(UnknownIndexError, match="1 to the number of players, 3"):
        values_of(np.zeros(8), "SII", order)


def test_refusals():
    game = TableGame(np.zeros(8))
    with pytest.raises(UnknownIndexError, match="SV has order 1 only, not 2"):
        exact(game, "SV", 2)
    with pytest.raises(UnknownIndexError, match=r"'ksii'.*k-SII.*Known are|known are"):
        exact(game, "ksii", 2)
    with pytest.raises(TypeError, match="order must be an integer"):
        exact(game, "SII", 2.0)
    with pytest.raises(TypeError, match="a game is wanted"):
        exact(np.zeros(8))
    with pytest.raises(UnknownIndexError, match="made for 2 players"):
        exact(game, indices.Semivalue([0.5, 0.5]))
    with pytest.raises(UnknownIndexError, match="order 1 and 1 players"):
        exact(game, indices.ProbabilisticValue([[1.0, 0.0]]))
    with pytest.raises(InputError, match="n_threads"):
        exact(game, n_threads=0)


@pytest.mark.parametrize("n", [31, 40, 2000])
def test_too_many_players_are_refused_before_any_work(n):
    game = CallableGame(lambda S: 1 / 0, n)
    with pytest.raises(MemoryLimitError, match=r"(GiB|TiB).*(estimator)"):
        exact(game, "SV")
    assert game.n_evaluations == 0
