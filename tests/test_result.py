"""InteractionValues: what they hold, what they answer, and their arithmetic."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
from sample_result import NAMES, make

from shapley_core.coalitions import InteractionSet
from shapley_core.errors import InputError, MemoryLimitError
from shapley_core.exact import exact
from shapley_core.game import TableGame
from shapley_core.indices import IndexSpec, PointLaw
from shapley_core.result import InteractionValues


def test_indexing():
    r = make()
    assert r[0] == r[(0,)] == r["age"] == r[np.int64(0)] == 1.0
    assert r[0, 1] == r[1, 0] == r["income", "age"] == r[frozenset({0, 1})] == r[[0, 1]] == 4.0
    assert r[()] == r.baseline == 0.5
    assert isinstance(r[0], float)
    assert (0, 1) in r and 1 not in r and (0, 2) not in r and 17 not in r
    for absent in (1, (0, 2), (0, 1, 2), 3, -1, "size", (0, 0)):
        with pytest.raises(KeyError):
            r[absent]
    with pytest.raises(KeyError, match="no value for"):
        r[1]
    with pytest.raises(TypeError, match="number or a name"):
        r[1.5]
    with pytest.raises(TypeError, match="number or a name, not True"):
        r[True]


def test_order_of_what_is_given_does_not_matter():
    r = make([4.0, -2.0, 1.0], [(1, 0), (2,), (0,)], std_error=[0.3, 0.2, 0.1])
    assert r == make()
    np.testing.assert_array_equal(r.std_error, [0.1, 0.2, 0.3])
    assert r.interactions == [(0,), (2,), (0, 1)]
    assert r.to_dict() == {(0,): 1.0, (2,): -2.0, (0, 1): 4.0}
    assert len(r) == 3


def test_values_are_our_own_copy():
    given_ = np.array([1.0, -2.0, 4.0])
    r = make(given_)
    given_[0] = 9
    assert r[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        r.values[0] = 1


def test_values_are_not_gone_through_by_numbers():
    # A number is a player, and so r[0] is no first place.
    r = InteractionValues([1.0, 2.0], [(0,), (1,)], index="SV", order=1, n_players=2, baseline=0)
    with pytest.raises(TypeError, match="not iterable"):
        list(r)


@pytest.mark.parametrize("wrong", ["3", b"3", np.str_("3")])
def test_a_baseline_is_a_number(wrong):
    with pytest.raises(TypeError, match="baseline must be a number, not"):
        make(baseline=wrong)
    assert make(baseline=Fraction(3, 2)).baseline == make(baseline=np.float32(1.5)).baseline == 1.5


def test_top_and_repr():
    r = make()
    assert r.top(2) == [((0, 1), 4.0), ((2,), -2.0)]
    assert r.top(0) == [] and len(r.top(99)) == 3
    text = repr(r)
    assert "SII, order 2, 3 players, estimated, 7 evaluations, baseline 0.5" in text
    assert text.index("{age, income}") < text.index("{city}") < text.index("{age} ")
    assert "+- 0.3" in text
    many = InteractionValues(
        np.arange(100.0), InteractionSet.complete(100, 1), index="SV", order=1, n_players=100,
        baseline=0,
    )  # fmt: skip
    assert "{99}" in repr(many) and "{89}" not in repr(many) and "90 smaller" in repr(many)
    assert "exact" in repr(many)


@pytest.mark.parametrize("n", [1, 20, 60, 99, 100])
def test_top_takes_the_first_of_equal_values(n):
    values = np.random.default_rng(0).integers(-2, 3, 100).astype(float)
    complete = InteractionSet.complete(100, 1)
    ties = InteractionValues(values, complete, index="SV", order=1, n_players=100, baseline=0)
    first = sorted(range(100), key=lambda i: -abs(values[i]))[:n]
    assert ties.top(n) == [((i,), values[i]) for i in first]


@pytest.mark.parametrize("n", range(6))
def test_top_takes_nan_last(n):
    values = [np.nan, 1.0, -np.inf, np.nan, 2.0]
    r = InteractionValues(
        values, InteractionSet.complete(5, 1), index="SV", order=1, n_players=5, baseline=0
    )
    assert [i for (i,), _ in r.top(n)] == [2, 4, 1, 0, 3][:n]


def test_to_array():
    v = np.random.default_rng(0).integers(-9, 10, 32).astype(float)
    game = TableGame(v)
    shapley = exact(game, "SV")
    np.testing.assert_array_equal(shapley.to_array(), shapley.values)
    for name in ("SII", "k-SII", "STII", "FSII"):
        r = exact(game, name, 2)
        matrix = r.to_array()
        np.testing.assert_array_equal(matrix, matrix.T)
        assert matrix[1, 3] == r[1, 3] / 2
        # The rows sum to the players' values under every one of these.
        np.testing.assert_allclose(matrix.sum(axis=1), shapley.values, atol=1e-12)
        np.testing.assert_array_equal(r.to_array(1), r.values[:5])
    assert exact(game, "k-SII", 2).to_array()[2, 2] == exact(game, "k-SII", 2)[2]
    banzhaf = exact(game, "BII", 3)
    np.testing.assert_allclose(banzhaf.to_array(2).sum(axis=1), exact(game, "BV").values)
    cube = banzhaf.to_array(3)
    assert cube.shape == (5, 5, 5) and cube[0, 0, 1] == 0
    assert cube[4, 0, 2] == cube[0, 2, 4] == banzhaf[0, 2, 4] / 6
    for wrong in (0, 4):
        with pytest.raises(InputError, match="of order 3"):
            banzhaf.to_array(wrong)
    sparse = make(values=[1.0], interactions=[(0, 99_999)], n_players=100_000, player_names=None,
                  std_error=None)  # fmt: skip
    with pytest.raises(MemoryLimitError, match=r"74\.5 GiB; this machine"):
        sparse.to_array(2)


@pytest.mark.parametrize("order", [2, 3])
def test_values_of_coalitions_as_a_whole_are_not_shared_out(order):
    game = TableGame(np.arange(16.0) ** 2)
    mine = IndexSpec("Mine", "generalised", "nowhere", frozenset(), law=lambda s, k: PointLaw(0))
    for index in ("SGV", "BGV", "CHGV", mine):
        r = exact(game, index, 3)
        np.testing.assert_array_equal(r.to_array(1), r.values[:4])
        with pytest.raises(InputError, match="values a coalition as a whole"):
            r.to_array(order)
    # Those of JointSV add up to the worth of all players, shared out or not.
    joint = exact(game, "JointSV", 2)
    np.testing.assert_allclose(joint.to_array(2).sum(), 225.0)


def test_to_array_of_missing_interactions():
    np.testing.assert_array_equal(
        make().to_array(2), [[1.0 - 2.0, 2.0, 0], [2.0, -2.0, 0], [0, 0, -2.0]]
    )


def test_to_frame():
    pd = pytest.importorskip("pandas")
    frame = make().to_frame()
    assert list(frame.columns) == ["interaction", "size", "value", "std_error"]
    assert frame["interaction"].tolist() == [("age",), ("city",), ("age", "income")]
    assert frame["size"].tolist() == [1, 1, 2] and frame["value"].tolist() == [1.0, -2.0, 4.0]
    plain = make(player_names=None, std_error=None).to_frame()
    assert isinstance(plain, pd.DataFrame)
    assert list(plain.columns) == ["interaction", "size", "value"]
    assert plain["interaction"].tolist() == [(0,), (2,), (0, 1)]


def test_arithmetic():
    r = make()
    double = r + r
    np.testing.assert_array_equal(double.values, 2 * r.values)
    assert double.baseline == 1.0 and double.n_evaluations == 14 and not double.is_exact
    np.testing.assert_allclose(double.std_error, np.sqrt(2) * r.std_error)
    np.testing.assert_array_equal((r - r).values, 0)
    for scaled in (r * -3, -3 * r, -(3 * r), r * np.float32(-3)):
        np.testing.assert_array_equal(scaled.values, -3 * r.values)
        np.testing.assert_allclose(scaled.std_error, 3 * r.std_error)
        assert scaled.baseline == -1.5
    np.testing.assert_array_equal((r / 4).values, r.values / 4)
    part = make(std_error=None, is_exact=True) + r
    np.testing.assert_array_equal(part.std_error, r.std_error)
    assert not part.is_exact and (part.player_names == tuple(NAMES))
    for other in (make(index="BII"), make(order=3), make(interactions=[(0,), (1,), (0, 1)])):
        with pytest.raises(InputError, match="one kind"):
            r + other
    for wrong in (lambda: r + 1, lambda: r * "2", lambda: r * r, lambda: 1 - r, lambda: r * True):
        with pytest.raises(TypeError):
            wrong()


def test_arithmetic_with_arrays():
    assert (np.float64(2) * make())[0] == 2.0
    with pytest.raises(TypeError):
        make() * np.ones(3)
    with pytest.raises(TypeError):
        np.ones(3) * make()


def test_names_of_players_must_agree():
    r, turned, nameless = make(), make(player_names=NAMES[::-1]), make(player_names=None)
    for wrong in (lambda: r + turned, lambda: r - turned):
        with pytest.raises(
            InputError, match=r"player_names that differ: player 0 is 'age' and 'ci"
        ):
            wrong()
    assert not r.allclose(turned) and r.allclose(nameless) and r != nameless
    for both in (r + nameless, nameless + r, nameless - r):
        assert both.player_names == tuple(NAMES)


@pytest.mark.filterwarnings("error")
def test_what_is_no_real_factor():
    r = make()
    for wrong in (1j, np.complex128(1j), np.complex64(2), np.bool_(True)):
        for what in (lambda x: r * x, lambda x: x * r, lambda x: r / x):
            with pytest.raises(TypeError):
                what(wrong)
    for wrong in (float("nan"), np.inf, np.float32("inf"), 10**400):
        for what in (lambda x: r * x, lambda x: r / x):
            with pytest.raises(InputError, match="finite float64 numbers only"):
                what(wrong)
    with pytest.raises(ZeroDivisionError):
        r / 0


@pytest.mark.filterwarnings("error")
def test_arithmetic_stays_finite():
    r, large = make(), make([1e308, 1.0, 1.0])
    constant = make([0.0, 0.0, 0.0], baseline=1e308)
    for what in (
        lambda: r / 1e-309,
        lambda: r * 1.5e308,
        lambda: large + large,
        lambda: large - -large,
        lambda: constant * 2,
        lambda: constant / 0.5,
        lambda: constant + constant,
    ):
        with pytest.raises(InputError, match="exceeds float64"):
            what()
    tiny = make([1e-310, 0.0, 0.0], baseline=0.0)
    assert (tiny / 1e-309)[0] == pytest.approx(0.1)
    assert (make([3.0, 0, 0]) / 10)[0] == 0.3
    # An error that is not known stays so, but of nothing.
    unknown = make(std_error=[np.inf] * 3)
    assert np.isinf((unknown / 2).std_error).all()
    np.testing.assert_array_equal((unknown * 0).std_error, 0.0)


def test_comparison():
    r = make()
    near = make([1.0 + 1e-13, -2.0, 4.0])
    assert r == make() and r != near and r.allclose(near) and near.allclose(r)
    assert not r.allclose(make([1.001, -2.0, 4.0]))
    assert r.allclose(make([1.001, -2.0, 4.0]), rtol=0.01)
    assert not r.allclose(make(baseline=0.6)) and not r.allclose(make(index="BII"))
    assert r != 3
    with pytest.raises(TypeError):
        r.allclose([1.0])


def test_pickle():
    assert pickle.loads(pickle.dumps(make())) == make()


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"values": [1.0, 2.0]}, "each of the 3"), ({"values": np.ones((3, 1))}, "each of the 3"),
     ({"std_error": [1.0]}, "std_error"), ({"order": 1}, "beyond the order"),
     ({"n_players": 2, "player_names": None}, "0..1"), ({"player_names": ["a"]}, "1 names for 3"),
     ({"interactions": InteractionSet.complete(4, 1)}, "4 players, not 3"),
     ({"order": 0, "interactions": [], "values": []}, "order must be at least 1"),
     ({"n_evaluations": -1}, "n_evaluations must be at least 0")],
)  # fmt: skip
def test_wrong_arguments(changed, message):
    with pytest.raises(InputError, match=message):
        make(**changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"index": None}, "index must be a name or an IndexSpec, not NoneType"),
     ({"n_evaluations": 3.7}, "n_evaluations must be an integer, not float")],
)  # fmt: skip
def test_arguments_of_another_kind(changed, message):
    with pytest.raises(TypeError, match=message):
        make(**changed)


def test_to_shapiq():
    pytest.importorskip("shapiq")
    r = make()
    other = r.to_shapiq()
    assert other[(0, 1)] == 4.0 and other[(2,)] == -2.0 and other.baseline_value == 0.5
    assert other.n_players == 3 and other.index == "SII" and other.estimated
