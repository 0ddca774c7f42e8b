"""The exact engine: against the literal definitions, the axioms, and itself by other routes."""

from fractions import Fraction
from importlib import import_module
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    additive_up_to,
    all_indices,
    halves,
    interactions,
    mask,
    merged,
    orders,
    relabel,
    with_axiom,
    with_null,
    worths,
)

from shapley_core import indices, transforms
from shapley_core.errors import InputError, MemoryLimitError, UnknownIndexError
from shapley_core.exact import exact
from shapley_core.game import CallableGame, TableGame
from shapley_core.reference import INDICES
from shapley_core.reference.indices import beta_shapley, weighted_banzhaf_interaction

# The package exports the function of the same name; this is the module.
engine = import_module("shapley_core.exact")

few = settings(max_examples=6, deadline=None)
TOLERANCE = 1e-11  # on worths of at most 9, and at most 6 players


def values_of(values, name, order, **options):
    return exact(TableGame(values), name, order, **options)


def close(a, b):
    return abs(a - b) < TOLERANCE


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


# --- the axioms ---


def cases(axiom, most=3):
    return [(name, k) for name in with_axiom(axiom) for k in orders(name, 6, most=most)]


@pytest.mark.parametrize(("name", "order"), cases("linearity"))
@few
@given(v=worths(4, 4), w=worths(4, 4))
def test_linearity(name, order, v, w):
    both = values_of(2.0 * np.array(v) - 3.0 * np.array(w), name, order)
    apart = 2.0 * values_of(v, name, order) - 3.0 * values_of(w, name, order)
    assert both.allclose(apart, atol=TOLERANCE)


@pytest.mark.parametrize(("name", "order"), cases("symmetry"))
@few
@given(v=worths(5, 5), to=st.permutations(range(5)))
def test_symmetry(name, order, v, to):
    r, renamed = values_of(v, name, order), values_of(relabel(v, to), name, order)
    for S in r.interactions:
        assert close(r[S], renamed[tuple(to[i] for i in S)])


@pytest.mark.parametrize(("name", "order"), cases("null"))
@few
@given(v=worths(3, 4), player=st.integers(0, 3))
def test_null(name, order, v, player):
    r = values_of(with_null(v, player), name, order)
    for S in r.interactions:
        assert player not in S or close(r[S], 0)


@pytest.mark.parametrize(("name", "order"), cases("dummy"))
@few
@given(v=worths(3, 4), player=st.integers(0, 3), adds=st.integers(-9, 9))
def test_dummy(name, order, v, player, adds):
    r = values_of(with_null(v, player, adds), name, order)
    for S in r.interactions:
        assert player not in S or close(r[S], adds if len(S) == 1 else 0)


@pytest.mark.parametrize(("name", "order"), cases("efficiency", most=6))
@few
@given(v=worths(6, 6))
def test_efficiency(name, order, v):
    assert close(values_of(v, name, order).values.sum(), v[-1] - v[0])


@pytest.mark.parametrize(("name", "order"), cases("joint-null"))
@few
@given(v=worths(5, 5), data=st.data())
def test_joint_null(name, order, v, data):
    T = tuple(sorted(data.draw(st.permutations(range(5)))[:order]))
    v = np.array(v, dtype=float)
    for m in range(32):
        if m & mask(T) == 0:
            v[m | mask(T)] = v[m]
    assert close(values_of(v, name, order)[T], 0)


@pytest.mark.parametrize("name", with_axiom("recursion"))
@few
@given(v=worths(5, 5), player=st.integers(0, 4))
def test_recursion(name, v, player):
    absent, present = halves(v, player)
    others = [i for i in range(5) if i != player]
    r = values_of(v, name, 3)
    less, more = values_of(absent, name, 2), values_of(present, name, 2)
    for S in less.interactions:
        there = tuple(others[i] for i in S)
        assert close(r[(*there, player)], more[S] - less[S])


@pytest.mark.parametrize("name", with_axiom("2-efficiency"))
@few
@given(v=worths(5, 5), pair=st.sampled_from(list(combinations(range(5), 2))))
def test_two_efficiency(name, v, pair):
    r = values_of(v, name, 1)
    assert close(values_of(merged(v, pair), name, 1)[3], r[pair[0]] + r[pair[1]])


@pytest.mark.parametrize(("name", "order"), cases("self-duality"))
@few
@given(v=worths(5, 5))
def test_self_duality(name, order, v):
    dual = v[-1] - np.array(v)[::-1]
    r, other = values_of(v, name, order), values_of(dual, name, order)
    for S in r.interactions:
        assert close(r[S], (-1) ** (len(S) + 1) * other[S])


def partnership(v, P):
    """The game in which the members of P add nothing unless all are there."""
    v = np.array(v, dtype=float)
    for m in range(len(v)):
        if m & mask(P) != mask(P):
            v[m] = v[m & ~mask(P)]
    return v


@pytest.mark.parametrize("name", with_axiom("reduced-partnership"))
@few
@given(v=worths(5, 5), P=st.sampled_from([(0, 3), (1, 2), (0, 2, 4), (1, 2, 3, 4)]))
def test_reduced_partnership(name, v, P):
    v = partnership(v, P)
    assert close(values_of(v, name, 4)[P], values_of(merged(v, P), name, 1)[5 - len(P)])


@pytest.mark.parametrize("name", with_axiom("partnership-allocation"))
@few
@given(v=worths(5, 5), P=st.sampled_from([(0, 3), (1, 2), (0, 2, 4), (1, 2, 3, 4)]))
def test_partnership_allocation(name, v, P):
    r = values_of(partnership(v, P), name, 4)
    assert close(r[P], sum(r[i] for i in P))


@pytest.mark.parametrize("name", with_axiom("merged-player"))
@few
@given(v=worths(5, 5))
def test_merged_player(name, v):
    r = values_of(v, name, 4)
    for S in [(2,), (0, 3), (1, 2, 4), (0, 1, 2, 3)]:
        assert close(r[S], values_of(merged(v, S), name, 1)[5 - len(S)])


@pytest.mark.parametrize(("name", "order"), cases("surrogate"))
@few
@given(v=worths(5, 5))
def test_surrogate(name, order, v):
    r, shapley = values_of(v, name, order), values_of(v, "SV", 1)
    for i in range(5):
        assert close(sum(r[S] / len(S) for S in r.interactions if i in S), shapley[i])


@pytest.mark.parametrize(("name", "order"), cases("interpolation"))
@few
@given(dividends=worths(5, 5))
def test_interpolation(name, order, dividends):
    r = values_of(additive_up_to(dividends, order), name, order)
    for S in r.interactions:
        assert close(r[S], dividends[mask(S)])


@pytest.mark.parametrize("name", sorted(set(all_indices()) - {"Fourier", "FBII"}))
@few
@given(v=worths(4, 4), offset=st.integers(-50, 50))
def test_offset_changes_the_baseline_alone(name, v, offset):
    r = values_of(v, name, orders(name, 4, most=2)[-1])
    moved = values_of(np.array(v) + offset, name, r.order)
    np.testing.assert_array_equal(moved.values, r.values)
    assert moved.baseline == r.baseline + offset


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
