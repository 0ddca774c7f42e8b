"""Results of an index of the user's own, through all that can be done with results."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest

import shapley_core as sc
from shapley_core.errors import InputError, UnknownIndexError
from shapley_core.estimators import SampleReuse
from shapley_core.indices import BetaLaw, IndexSpec, PointLaw

RNG = np.random.default_rng(5)
GAME = sc.TableGame(RNG.normal(size=32))


def taylor(s, k):
    return BetaLaw(1, k) if s == k else PointLaw(0)


def tenth(s, k):
    return PointLaw(Fraction(1, 10))


def own(law, name="Own", **given):
    return IndexSpec(name, "derivative", "nowhere", frozenset(), law=law, **given)


TAYLOR = own(taylor, adds_up=True)


def test_it_is_as_good_as_its_built_in_twin(tmp_path):
    twin = sc.exact(GAME, "STII", 2)
    r = sc.exact(GAME, TAYLOR, 2)
    r.save(tmp_path / "r.npz")
    for one in (
        r,
        sc.estimate(GAME, 32, TAYLOR, 2),
        pickle.loads(pickle.dumps(r)),
        copy.deepcopy(r),
        r * 3 - r - r,
        sc.InteractionValues.load(tmp_path / "r.npz", index=TAYLOR),
    ):
        assert one.index == "Own"
        np.testing.assert_allclose(one.to_array(2), twin.to_array(2), atol=1e-12)
        np.testing.assert_allclose(one.to_array(2).sum(axis=1), sc.exact(GAME).values)
        assert sc.exact(GAME, one.index, 2) == r
    full = pickle.loads(pickle.dumps(sc.exact(GAME, TAYLOR, 5)))
    np.testing.assert_allclose(sc.to_game(full).values, GAME.values, atol=1e-12)


def test_an_explanation_has_it_too():
    def predict(rows):
        return rows[:, 0] * rows[:, 1] + rows[:, 2]

    explainer = sc.TabularExplainer(predict, RNG.normal(size=(4, 3)))
    rows = RNG.normal(size=(2, 3))
    e = pickle.loads(pickle.dumps(explainer(rows, index=TAYLOR, order=2)))
    twin = explainer(rows, index="STII", order=2)
    np.testing.assert_allclose(e.to_array(2), twin.to_array(2), atol=1e-12)
    np.testing.assert_allclose(e[1].to_array(2), twin[1].to_array(2), atol=1e-12)


def test_a_plain_name_tells_nothing(tmp_path):
    r = sc.exact(GAME, TAYLOR, 2)
    r.save(tmp_path / "r.npz")
    loaded = sc.InteractionValues.load(tmp_path / "r.npz")
    with pytest.raises(UnknownIndexError, match="give that"):
        loaded.to_array(2)
    # Taken at its word, it is told by the other.
    for both in (loaded + r, r + loaded):
        np.testing.assert_allclose(both.to_array(2), 2 * r.to_array(2))
    with pytest.raises(InputError, match="values of Own, not of SII"):
        sc.InteractionValues.load(tmp_path / "r.npz", index="SII")
    by_hand = sc.InteractionValues(
        r.values, r.interactions, index=TAYLOR, order=2, n_players=5, baseline=r.baseline
    )
    assert by_hand == r
    np.testing.assert_array_equal(by_hand.to_array(2), r.to_array(2))


def test_two_of_one_name_are_not_one():
    one, other = sc.exact(GAME, TAYLOR, 2), sc.exact(GAME, own(tenth), 2)
    with pytest.raises(InputError, match="two different indices, both of the name 'Own'"):
        one + other
    assert one != other and not one.allclose(other)
    again = sc.exact(GAME, own(lambda s, k: taylor(s, k), adds_up=True), 2)
    assert one == again and (one - again).values.tolist() == [0.0] * 15


def test_a_lambda_leaves_its_name_behind():
    r = sc.exact(GAME, own(lambda s, k: taylor(s, k), adds_up=True), 2)
    np.testing.assert_allclose(copy.deepcopy(r).to_array(2), r.to_array(2))
    again = pickle.loads(pickle.dumps(r))
    assert again == r
    with pytest.raises(UnknownIndexError):
        again.to_array(2)


def test_a_control_gives_the_values_of_the_index_itself():
    control = sc.games.Symmetric(np.arange(9.0) ** 3)
    game = sc.TableGame(control(sc.coalitions.all_coalitions(8)))
    spec = own(tenth, max_order=1)
    found = sc.estimate(game, 100, spec, estimator=SampleReuse(control=control))
    np.testing.assert_allclose(found.values, sc.exact(game, spec).values)


@pytest.mark.parametrize("name", ["SV", "WBV(0.1)"])
def test_it_cannot_have_the_name_of_a_built_in(name):
    clash = own(tenth, name, max_order=1)
    for use in (
        lambda: sc.exact(GAME, clash),
        lambda: sc.estimate(GAME, 20, clash),
        lambda: sc.games.Symmetric([0, 1, 3]).exact(clash),
        lambda: sc.exact(GAME, pickle.loads(pickle.dumps(clash))),
        lambda: sc.InteractionValues(
            [1.0], [(0,)], index=clash, order=1, n_players=1, baseline=0.0
        ),
    ):
        with pytest.raises(InputError, match="name of a built-in index"):
            use()


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_weights_of_zero(order):
    nothing = IndexSpec(
        "Nothing", "derivative", "nowhere", frozenset(), moebius=lambda s, t, k: 0 * t
    )
    assert not sc.exact(GAME, nothing, order).values.any()
    # The first weight is 0, not all of them: no point mass in disguise.
    last = IndexSpec(
        "Last", "derivative", "nowhere", frozenset(), moebius=lambda s, t, k: int(t > s)
    )
    both = sc.exact(GAME, "Co-Moebius", order).values - sc.exact(GAME, "Moebius", order).values
    np.testing.assert_allclose(sc.exact(GAME, last, order).values, both, atol=1e-12)


@pytest.mark.parametrize("order", [1, 3])
def test_wrong_weights_give_no_values(order):
    for weights in (
        lambda n, s, k: [1] * (n - s),
        lambda n, s, k: [1] * (n - s + 3),
        lambda n, s, k: [0.5] * (n - s + 1),
    ):
        spec = IndexSpec("Own", "derivative", "nowhere", frozenset(), weights=weights)
        for use in (
            lambda s=spec: sc.exact(GAME, s, order),
            lambda s=spec: sc.estimate(GAME, 31, s),
        ):
            with pytest.raises(InputError, match=r"weights\(5, 1, \d\) of Own"):
                use()
