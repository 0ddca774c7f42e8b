"""The tables of weights, against games whose values are the weights; and the names."""

import copy
import pickle
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import comb, exp, lgamma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import all_indices, mask, orders

from shapley_core import indices
from shapley_core.errors import InputError, UnknownIndexError
from shapley_core.indices.tables import exact_weights
from shapley_core.reference import INDICES

N = 4
REFERENCED = sorted(INDICES)
CASES = [(name, k, s) for name in REFERENCED for k in orders(name, N) for s in range(1, k + 1)]
DERIVATIVE = [case for case in CASES if indices.get(case[0]).family == "derivative"]


def literal(name, v, S, order):
    return float(INDICES[name](v, S, order))


def game(worth):
    """The table of a function of a set of players."""
    return [worth({i for i in range(N) if m >> i & 1}) for m in range(1 << N)]


@pytest.mark.parametrize(("name", "order", "size"), CASES)
def test_moebius_weights_are_the_values_of_unanimity_games(name, order, size):
    spec, S = indices.get(name), tuple(range(size))
    weights = indices.moebius_weights(spec, N, size, order)
    for t in range(1, N + 1):
        for T in combinations(range(N), t):
            value = literal(name, game(lambda A, T=T: int(set(T) <= A)), S, order)
            rest = len(set(T) - set(S))
            meets = set(S) <= set(T) if spec.family == "derivative" else set(S) & set(T)
            assert value == pytest.approx(weights[rest] if meets else 0.0, abs=1e-15)


@pytest.mark.parametrize(("name", "order", "size"), CASES)
def test_coalition_weights_are_the_values_of_dirac_games(name, order, size):
    spec, S = indices.get(name), tuple(range(N - size, N))
    weights = indices.coalition_weights(spec, N, size, order)
    assert weights.shape == (N + 1, size + 1)
    for m in range(1, 1 << N):
        v = [int(at == m) for at in range(1 << N)]
        inside = (m & mask(S)).bit_count()
        wanted = weights[m.bit_count(), inside]
        assert literal(name, v, S, order) == pytest.approx(wanted, abs=1e-15)


@pytest.mark.parametrize(("name", "order", "size"), CASES)
def test_cube_weights_are_the_values_of_cubes(name, order, size):
    spec, S = indices.get(name), {(1 + i) % N for i in range(size)}
    table = indices.cube_weights(spec, N, size, order, N - size)
    for P, Q in [({0}, set()), ({1}, {2}), ({0, 1}, {3}), ({1, 2}, {0, 3}), ({0, 3}, {2}),
                 ({0, 1, 2, 3}, set()), (set(), {1}), ({2}, {0, 1, 3})]:  # fmt: skip
        a, b, p, q = len(S & P), len(S & Q), len(P), len(Q)
        value = literal(
            name, game(lambda A, P=P, Q=Q: int(P <= A and not Q & A)), tuple(sorted(S)), order
        )
        if spec.family == "derivative":
            wanted = (-1) ** b * table[p - a, q - b] if S <= P | Q else 0.0
        else:
            wanted = (table[p - a, q] if b == 0 else 0.0) - (table[p, q - b] if a == 0 else 0.0)
        assert value == pytest.approx(wanted, abs=1e-15), (P, Q)


@pytest.mark.parametrize(("name", "order", "size"), DERIVATIVE)
def test_fourier_weights_are_the_values_of_parities(name, order, size):
    weights = indices.fourier_weights(indices.get(name), N, size, order)
    S = tuple(range(size))
    for T in [(0,), (3,), (0, 1), (0, 2), (0, 1, 2), (1, 2, 3), (0, 1, 2, 3)]:
        value = literal(name, game(lambda A, T=T: (-1) ** len(A & set(T))), S, order)
        wanted = weights[len(T) - size] if set(S) <= set(T) else 0.0
        assert value == pytest.approx(wanted, abs=1e-14), T


@pytest.mark.parametrize(("name", "order", "size"), CASES)
def test_tables_agree_with_each_other(name, order, size):
    spec = indices.get(name)
    p = indices.derivative_weights(spec, N, size, order)
    mu = indices.moebius_weights(spec, N, size, order)
    cube = indices.cube_weights(spec, N, size, order, N - size)
    rest = N - size
    for m in range(rest + 1):
        assert mu[m] == pytest.approx(sum(comb(rest - m, t - m) * p[t] for t in range(m, rest + 1)))
        assert cube[m, rest - m] == pytest.approx(p[m], abs=1e-16)
        assert cube[m, 0] == mu[m]
    at = indices.size_weights(spec, N, size, order)
    np.testing.assert_allclose(at, [comb(rest, t) * p[t] for t in range(rest + 1)])


@pytest.mark.parametrize("name", all_indices())
def test_quadrature_integrates_the_mixing_law(name):
    spec, n = indices.get(name), 9
    for order in orders(name, n, most=4):
        for size in range(1, order + 1):
            rule = indices.quadrature(spec, size, order, n - size)
            if rule is None:
                assert spec.law_of(size, order) is None
                continue
            x, w = rule
            p = indices.derivative_weights(spec, n, size, order)
            for t in range(n - size + 1):
                got = (w * x**t * (1 - x) ** (n - size - t)).sum()
                assert got == pytest.approx(p[t], rel=1e-12, abs=1e-16)


def test_integer_differences_keep_all_digits():
    # In float64 the alternating sums behind this entry lose everything: it would be 16 % off.
    spec = indices.get("FSII")
    table = indices.cube_weights(spec, 60, 2, 2, 40)
    exact_value = Fraction(1)
    for j in range(40):  # E[(1 - x)^40] under Beta(2, 2)
        exact_value *= Fraction(2 + j, 4 + j)
    assert table[0, 40] == float(exact_value)


@pytest.mark.parametrize("n", [1021, 1100])
def test_large_n(n):
    shapley = indices.get("SV")
    p = indices.derivative_weights(shapley, n, 1, 1)
    t = 3
    assert p[t] == pytest.approx(exp(lgamma(t + 1) + lgamma(n - t) - lgamma(n + 1)), rel=1e-10)
    np.testing.assert_array_equal(indices.size_weights(shapley, n, 1, 1), np.full(n, 1 / n))
    for name in ("BV", "JointSV", "CHII", "WBV(0.25)", "BetaShapley(16, 1)"):
        weights = indices.size_weights(indices.get(name), n, 1, 1)
        assert np.isfinite(weights).all() and weights.sum() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(("n", "k"), [(5, 1), (7, 3), (30, 4), (200, 2)])
def test_joint_shapley_weights(n, k):
    q = indices.derivative_weights(indices.get("JointSV"), n, 1, k)
    assert len(q) == n
    assert q[0] == pytest.approx(1 / sum(comb(n, i) for i in range(1, k + 1)))
    last = sum(comb(n, i) * Fraction(float(q[i])) for i in range(n - k, n))
    assert float(last) == pytest.approx(1.0, rel=1e-12)


def test_beta_shapley_weights_as_published():
    # Kwon and Zou: Beta(1, 1) is the Shapley value.
    np.testing.assert_array_equal(
        indices.size_weights(indices.BetaShapley(1, 1), 10, 1, 1), np.full(10, 0.1)
    )
    small = indices.size_weights(indices.BetaShapley(16, 1), 10, 1, 1)
    assert (np.diff(small) < 0).all() and small[0] == pytest.approx(16 / 25)


def test_tables_are_cached_and_read_only():
    spec = indices.get("SII")
    table = indices.moebius_weights(spec, 6, 2, 2)
    assert table is indices.moebius_weights(spec, 6, 2, 2)
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 1


# --- names ---


@pytest.mark.parametrize("name", [*all_indices(), "Semivalue(0.5, 0.5)"])
def test_names_give_the_index_back(name):
    spec = indices.get(name)
    assert indices.get(spec) is spec
    assert indices.get(spec.name) is spec
    assert pickle.loads(pickle.dumps(spec)) is spec
    assert spec.reference and spec.axioms <= indices.AXIOMS.keys()


def test_parameters_in_names():
    assert indices.WBV(0.25) is indices.WBV("1/4") is indices.get("WBV(0.25)")
    assert indices.WBV(0.1).name == "WBV(0.1)"
    assert indices.WBII("1/3").name == "WBII(1/3)"
    assert indices.get("BetaShapley(16,1)") is indices.BetaShapley(16, 1)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("ksii", "k-SII"), ("sii", "SII"), ("Mobius", "Moebius"), ("Shapley", "SV, BV"), ("", "SV"),
     ("WBV(1, 2)", "WBV"), ("nope(3)", "known are")],
)  # fmt: skip
def test_unknown_names_list_the_known(wrong, hint):
    with pytest.raises(UnknownIndexError, match=hint) as error:
        indices.get(wrong)
    assert all(name in str(error.value) for name in indices.names())


def test_refused_parameters():
    for p in (-0.1, 1.5, float("nan"), "x", True, None):
        with pytest.raises(UnknownIndexError):
            indices.WBV(p)
    with pytest.raises(UnknownIndexError, match="positive"):
        indices.BetaShapley(0, 1)
    with pytest.raises(UnknownIndexError, match=r"must be 1, with n = 2 weights; it is 0.6"):
        indices.Semivalue([0.3, 0.3])
    with pytest.raises(UnknownIndexError, match="at least 0"):
        indices.Semivalue([1.5, -0.5])
    with pytest.raises(UnknownIndexError, match="one weight for each size"):
        indices.Semivalue([])
    for wrong in ("WBV(2)", "BetaShapley(0, 1)", "Semivalue(0.3, 0.3)", "WBII(x)"):
        with pytest.raises(UnknownIndexError):
            indices.get(wrong)
    with pytest.raises(TypeError, match="index must be a name"):
        indices.get(3)
    for wrong, message in [
        (np.ones((2, 3)), "shape"),
        ([[0.5, 0, 0.4, 0], [1, 0, 0, 0]], "sum to 1"),
        ([[0, 1, 0, 0], [1, 0, 0, 0]], "coalitions with it"),
        ([[2, 0, -1, 0], [1, 0, 0, 0]], "at least 0"),
        ([[1, 0], [1, 0, 0, 0]], "real numbers"),
        ([["1", "0", "0", "0"], ["1", "0", "0", "0"]], "real numbers"),
        ([[1 + 1j, 0, 0, 0], [1, 0, 0, 0]], "real numbers"),
        (np.ma.masked_equal([[1, 0, 0, 0], [1, 0, 0, 0]], 1), "masked"),
    ]:
        with pytest.raises(InputError, match=message):
            indices.ProbabilisticValue(wrong)


@pytest.mark.parametrize("name", ["SV", "JointSV", "WBV(0.3)", "BetaShapley(1, 1)"])
def test_a_probabilistic_value_does_not_pass_for_another_index(name):
    with pytest.raises(InputError, match="name of a built-in index"):
        indices.ProbabilisticValue([[1.0, 0.0]], name=name)


@pytest.mark.parametrize("name", [3, None, ""])
def test_a_probabilistic_value_has_a_text_for_a_name(name):
    with pytest.raises(InputError, match="name must be a text"):
        indices.ProbabilisticValue([[1.0, 0.0]], name=name)


def test_out_of_range_tables():
    with pytest.raises(InputError, match="depth"):
        indices.cube_weights(indices.get("SII"), 4, 2, 2, 3)
    with pytest.raises(InputError, match="not a sum over the Fourier"):
        indices.fourier_weights(indices.get("SGV"), 4, 1, 1)


# --- indices of one's own ---


def third_law(s, k):
    return indices.PointLaw(Fraction(1, 3))


def own(name="Own", family="derivative", **given):
    if not {"law", "moebius", "weights"} & set(given):
        given["law"] = third_law
    return indices.IndexSpec(name, family, "nowhere", frozenset(), **given)


def test_a_float_is_the_decimal_it_is_written_as():
    tenths = indices.WBV(0.3)
    assert tenths is indices.get("WBV(0.3)") is indices.get(tenths.name)
    assert tenths is indices.WBV(Fraction(3, 10)) is indices.WBV("3/10") is indices.WBV("0.30")
    assert tenths is indices.WBV(np.float64(0.3)) is pickle.loads(pickle.dumps(tenths))
    assert tenths.law_of(1, 1) == indices.PointLaw(Fraction(3, 10))
    exact = indices.WBV(Fraction(0.3))
    assert exact.name == "WBV(5404319552844595/18014398509481984)"
    assert exact is indices.get(exact.name) is not tenths


@given(
    p=st.one_of(st.floats(0, 1), st.fractions(0, 1, max_denominator=10**6)),
    a=st.one_of(st.floats(1e-300, 1e300), st.integers(1, 10**30)),
)
def test_parameters_of_every_kind_come_back(p, a):
    for spec in (
        indices.WBV(p),
        indices.WBII(p),
        indices.BetaShapley(a, 1),
        indices.Semivalue([p, 1 - Fraction(repr(p) if isinstance(p, float) else p)]),
    ):
        assert indices.get(spec.name) is spec is pickle.loads(pickle.dumps(spec))


def test_a_spec_of_ones_own_is_known_by_its_name():
    spec = own(adds_up=True)
    assert spec.name == "Own" and indices.get(spec) is spec
    assert indices.get(spec.name) is spec and indices.adds_up(spec.name)
    with pytest.raises(UnknownIndexError, match="known by its IndexSpec"):
        indices.get("Own")
    with pytest.raises(UnknownIndexError):
        indices.adds_up("Own")
    renamed = replace(indices.get("STII"), name="Mine")
    assert indices.get(renamed.name) is renamed and indices.adds_up(renamed.name)


@pytest.mark.parametrize("name", ["SV", "k-SII", "WBV(0.3)", "WBII(9)", "Semivalue(1)"])
def test_the_names_of_the_built_in_are_taken(name):
    with pytest.raises(InputError, match="name of a built-in index, and this IndexSpec is not"):
        indices.get(own(name))
    with pytest.raises(InputError, match="name of a built-in"):
        indices.get(pickle.loads(pickle.dumps(own(name))))


def test_a_spec_of_ones_own_is_pickled_by_value():
    spec = own(law=third_law, adds_up=True, max_order=2)
    again = pickle.loads(pickle.dumps(spec))
    assert again is not spec and (again.name, again.adds_up, again.max_order) == ("Own", True, 2)
    assert again.law is third_law
    assert indices.get(pickle.loads(pickle.dumps(spec.name))).law is third_law
    assert indices.same_index(spec.name, again.name, 5, 2)
    assert copy.deepcopy(spec) is copy.copy(spec) is spec
    assert copy.deepcopy(spec.name) is copy.copy(spec.name) is spec.name


def test_a_lambda_is_not_pickled():
    spec = own(law=lambda s, k: indices.PointLaw(Fraction(1, 3)))
    with pytest.raises(InputError, match=r"Own cannot be pickled, for its law cannot .*a lambda"):
        pickle.dumps(spec)
    # What holds no more than the name of the index can be, and then holds no more than that.
    name = pickle.loads(pickle.dumps(spec.name))
    assert type(name) is str and name == "Own"


def test_which_indices_are_the_same():
    def same(one, other):
        return indices.same_index(one, other, 4, 2)

    third = own().name
    assert same(third, own(moebius=lambda s, t, k: Fraction(1, 3 ** (t - s))).name)
    assert same(third, "Own") and same("SV", "SV") and not same("SV", "SII")
    half = own(law=lambda s, k: indices.PointLaw(Fraction(1, 2)))
    assert not same(third, half.name)
    assert not same(third, own(adds_up=True).name)
    assert not same(third, own(family="generalised").name)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"name": ""}, "name must be"), ({"family": "generalized"}, "derivative, generalised, not"),
     ({"law": 3}, "law of Own must be a function"), ({"axioms": {"zz"}}, "unknown axioms"),
     ({"law": None}, "needs a law")],
)  # fmt: skip
def test_refused_specs(given, message):
    full = {"name": "Own", "family": "derivative", "reference": "", "axioms": frozenset()}
    with pytest.raises(InputError, match=message):
        indices.IndexSpec(**(full | {"law": third_law} | given))


@pytest.mark.parametrize(
    ("given", "message"),
    [({"weights": lambda n, s, k: [1] * (n - s)}, r"weights\(4, 1, 2\) of Own .* 4 .*; got 3"),
     ({"weights": lambda n, s, k: [1] * (n + 9)}, "list of 4 numbers.*; got 13"),
     ({"weights": lambda n, s, k: 1}, "list of 4 numbers.*; got int"),
     ({"weights": lambda n, s, k: [0.5] * (n - s + 1)}, "at 0, must be an int or a Fraction"),
     ({"moebius": lambda s, t, k: 1 / t}, r"moebius\(1, 1, 2\) of Own .*Fraction, not 1\.0"),
     ({"moebius": lambda s, t, k: None}, "not None"),
     ({"law": lambda s, k: 0.5}, r"law\(1, 2\) of Own must be a BetaLaw, a PointLaw or None"),
     ({"law": lambda s, k: indices.PointLaw(0.5)}, "point of a PointLaw .*not 0.5"),
     ({"law": lambda s, k: indices.BetaLaw(1.0, 1)}, "a of a BetaLaw .*not 1.0"),
     ({"law": lambda s, k: indices.BetaLaw(1, 0)}, "b of a BetaLaw must be positive"),
     ({"law": lambda s, k: None}, "says nothing of interactions of 1 players at order 2")],
)  # fmt: skip
@pytest.mark.parametrize("table", [exact_weights, indices.moebius_weights])
def test_refused_weights(given, message, table):
    with pytest.raises(InputError, match=message):
        table(own(**given), 4, 1, 2)


def test_integers_are_weights():
    spec = own(weights=lambda n, s, k: [0] * (n - s) + [np.int64(2**62)])
    assert exact_weights(spec, 4, 1, 1) == (0, 0, 0, 2**62)
    assert indices.cube_weights(spec, 4, 1, 1, 3)[0, 0] == 2.0**62
    law = own(law=lambda s, k: indices.BetaLaw(1, 1))
    assert exact_weights(law, 4, 1, 1) == exact_weights(indices.get("SV"), 4, 1, 1)
