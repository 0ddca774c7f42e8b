"""SymmetricProcess against the posterior written out over all coalitions, and its large designs."""

from itertools import combinations

import numpy as np
import pytest

from shapley_core import coalitions as sets
from shapley_core import exact, indices
from shapley_core.estimators import KernelRegression, SymmetricProcess, alike, symmetric
from shapley_core.estimators.base import Task
from shapley_core.game import TableGame
from shapley_core.games import Additive

from .games import unanimity


def functional(n, index, order):
    """Weights of the worths of all coalitions in each value, by the exact engine."""
    unit = np.eye(1 << n)
    found = [exact(TableGame(row), index, order) for row in unit]
    return np.stack([one.values for one in found], axis=1)


def covariance_of(law, n, order, parity):
    """Of one part of a game, between all coalitions: product over players, terms, own part."""
    z = np.where(sets.all_coalitions(n), 1.0, -1.0)
    smooth = np.prod(np.exp(law.reach / n * (z[:, None] * z[None] - 1)), axis=2)
    sign = -1.0 if parity else 1.0
    complement = np.arange(1 << n)[::-1]
    total = (smooth + sign * smooth[complement]) / 2
    own = np.eye(1 << n)
    total += law.nugget * (own + sign * own[complement])
    for size in range(1, order + 1):
        if law.own is not None and size % 2 == parity:
            chi = np.array([z[:, list(u)].prod(axis=1) for u in combinations(range(n), size)])
            total += law.own / len(chi) * chi.T @ chi
    return total if parity else total + alike._LEVEL


@pytest.mark.parametrize("law", [alike.Law(1.3, 0.02, 2.0), alike.Law(4.0, 0.5, 0.7)])
@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("BV", 1), ("SII", 2), ("k-SII", 3)])
def test_the_posterior_is_that_of_all_coalitions(law, index, order, monkeypatch):
    rng = np.random.default_rng(8)
    monkeypatch.setattr(alike, "LAWS", (law,))
    n, m = 5, 9
    positions = np.append(0, 1 + rng.permutation((1 << n) // 2 - 1)[: m - 1])
    inside = sets.all_coalitions(n)[positions]
    y = rng.normal(size=(m, 3))
    task = Task(n, indices.get(index), order, 2 * m, 0)
    values = functional(n, index, order)
    for parity in (0, 1):
        whole = covariance_of(law, n, order, parity)
        seen = whole[np.ix_(positions, positions)]
        gain = np.linalg.solve(seen, whole[positions] @ values.T)
        wanted = gain.T @ y
        left = np.diag(values @ whole @ values.T - gain.T @ whole[positions] @ values.T)
        found = alike.Laws.of(task, parity, inside, True)
        alphas = found.inverses @ y
        np.testing.assert_allclose(found.values(y)[0], wanted, rtol=0, atol=1e-11)
        np.testing.assert_allclose(found.variances[0], np.maximum(left, 0), rtol=1e-8, atol=1e-11)
        # Each pair from the others, one after the other.
        for at in range(m):
            rest = np.delete(np.arange(m), at)
            said = seen[at, rest] @ np.linalg.solve(seen[np.ix_(rest, rest)], y[rest])
            np.testing.assert_allclose(
                alphas[0, at] / found.diagonals[0, at], y[at] - said, rtol=1e-8, atol=1e-11
            )
        # And what it predicts of the other coalitions, from which the values of the rest follow.
        apart = alike.Laws.of(task, parity, inside, False)
        every = sets.all_coalitions(n)
        agreeing = alike.agreeing_players(every, inside)
        said = apart.solutions[0].predicted(order, y.T, alphas[0].T, every, agreeing).T
        structure = whole - law.nugget * np.eye(1 << n)
        structure -= law.nugget * (-1.0 if parity else 1.0) * np.eye(1 << n)[::-1]
        np.testing.assert_allclose(said, structure[:, positions] @ alphas[0], atol=1e-11)
        np.testing.assert_allclose(
            apart.solutions[0].values(y.T, alphas[0].T).T, values @ said, rtol=0, atol=1e-11
        )


def test_a_law_without_a_prior_on_terms_is_the_limit_of_a_wide_one(monkeypatch):
    rng = np.random.default_rng(8)
    n, m = 6, 28
    inside = sets.all_coalitions(n)[np.append(0, 1 + rng.permutation(31)[: m - 1])]
    y = rng.normal(size=(m, 2))
    for order, parity in ((1, 1), (2, 0)):
        task = Task(n, indices.get("FSII"), order, 2 * m, 0)
        found = []
        for own in (None, 1e7):
            monkeypatch.setattr(alike, "LAWS", (alike.Law(1.0, 1.0, own),))
            laws = alike.Laws.of(task, parity, inside, True)
            found.append((laws.values(y), laws.variances, laws.diagonals))
        for flat, wide in zip(*found, strict=True):
            np.testing.assert_allclose(flat, wide, rtol=1e-4, atol=1e-5)


def test_a_game_does_not_depend_on_those_beside_it():
    games = [unanimity(9, seed) for seed in range(4)] + [Additive(range(9))]

    def worth(coalitions):
        return np.stack([game(coalitions) for game in games], axis=1)

    together = SymmetricProcess().estimate_batch(worth, 9, 100, random_state=2)
    for at, game in enumerate(games):
        alone = SymmetricProcess().estimate(game, 100, random_state=2)
        np.testing.assert_allclose(together.values[at], alone.values, rtol=0, atol=1e-13)
        np.testing.assert_allclose(together.std_error[at], alone.std_error, rtol=1e-9, atol=1e-14)
    # The regression takes the additive one.
    np.testing.assert_allclose(together.values[4], np.arange(9), rtol=0, atol=1e-12)


def test_smooth_games_are_nearer_than_by_regression():
    a, b = np.random.default_rng(1).normal(size=(2, 11, 40)) / 4

    def worth(coalitions):
        return np.tanh(coalitions @ a) * np.cos(coalitions @ b)

    table = worth(sets.all_coalitions(11))
    truth = np.stack([exact(TableGame(column)).values for column in table.T])

    def off(estimator, budget):
        found = estimator.estimate_batch(worth, 11, budget)
        covered = (np.abs(found.values - truth) <= 2 * found.std_error).mean()
        return np.sqrt(np.mean((found.values - truth) ** 2)), covered

    for budget, factor in ((200, 0.8), (600, 0.4), (1500, 0.25)):
        near, covered = off(SymmetricProcess(), budget)
        assert near < factor * off(KernelRegression(), budget)[0]
        assert 0.88 <= covered <= 0.995


@pytest.fixture
def few_pairs(monkeypatch):
    """Designs of more than 40 pairs are large."""
    monkeypatch.setattr(symmetric, "MOST_PAIRS", 40)
    monkeypatch.setattr(symmetric, "prepared", symmetric._Kept())


@pytest.mark.parametrize(
    ("index", "order"), [("SV", 1), ("BV", 1), ("FSII", 2), ("FBII", 2), ("SII", 2), ("STII", 2)]
)
def test_large_designs(index, order, few_pairs):
    n = 8
    games = [unanimity(n, seed) for seed in range(12)]
    tables = np.stack([game(sets.all_coalitions(n)) for game in games], axis=1)
    truth = [exact(game, index, order) for game in games]
    values = np.stack([one.values for one in truth])

    def worth(coalitions):
        return tables[sets.positions(np.ascontiguousarray(coalitions))]

    # The formula at all coalitions, without the short cut.
    task = Task(n, indices.get(index), order, 1 << n, 3)
    known = symmetric.prepared(task)
    assert known.rest is not None and len(known.train) == 40
    worths = worth(sets.unpack(known.design.words, n))
    found = SymmetricProcess()._solve(task, known.design, worths - worths[0])
    np.testing.assert_allclose(found.values, values, rtol=0, atol=1e-9)
    if found.constant is not None:
        constant = np.array([one.baseline for one in truth]) - worths[0]
        np.testing.assert_allclose(found.constant, constant, rtol=0, atol=1e-9)
    inside, off, said = [], [], []
    for seed in range(6):
        task = Task(n, indices.get(index), order, 160, seed)
        design = symmetric.prepared(task).design
        worths = worth(sets.unpack(design.words, n))
        found = SymmetricProcess()._solve(task, design, worths - worths[0])
        inside.append(np.abs(found.values - values) <= 2 * found.std_error + 1e-9)
        off.append((found.values - values) ** 2)
        said.append(found.std_error**2)
    assert np.mean(inside) >= 0.9
    assert 0.3 < np.mean(off) / np.mean(said) < 3
    if index == "SV":
        grand = np.array([game(np.ones((1, n), bool))[0] for game in games])
        np.testing.assert_allclose(found.values.sum(axis=1), grand - worths[0], rtol=0, atol=1e-10)


def test_what_is_kept_is_bounded(monkeypatch):
    kept = symmetric._Kept()
    tasks = [Task(10, indices.get("SV"), 1, 100 + 2 * k, 0) for k in range(6)]
    first = kept(tasks[0])
    assert kept(tasks[0]) is first
    monkeypatch.setattr(symmetric, "_MOST_KEPT", 3 * first.n_bytes)
    for task in tasks:
        kept(task)
    assert sum(one.n_bytes for one in kept._found.values()) <= 3 * first.n_bytes
    assert list(kept._found)[-1] == tasks[-1] and len(kept._found) in (2, 3)
    # One that is larger than that is kept alone.
    monkeypatch.setattr(symmetric, "_MOST_KEPT", 1)
    kept(tasks[0])
    assert list(kept._found) == [tasks[0]]


def test_larger_budgets_add_to_smaller_ones(few_pairs):
    # Also where the design becomes a large one: rounds of an estimate with a tolerance go on.
    seen = set()
    for budget in (40, 60, 81, 82, 90, 135, 200):
        task = Task(9, indices.get("SV"), 1, budget, 4)
        words = set(symmetric.prepared(task).design.words[:, 0].tolist())
        assert seen < words and len(words) <= budget
        seen = words


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("n", "m", "checked"), [(5, 8, range(8)), (7, 29, [0, 7, 14, 21, 28])])
def test_laws_are_weighed_by_what_they_say_of_pairs_from_all_others(
    n, m, checked, whole, monkeypatch
):
    monkeypatch.setattr(alike, "LAWS", (alike.Law(1.3, 0.02, 2.0), alike.Law(4.0, 0.5, 0.7)))
    monkeypatch.setattr(alike, "_CHECKED", len(checked))
    rng = np.random.default_rng(4)
    parity = 1
    inside = sets.all_coalitions(n)[:m]
    y = rng.normal(size=(m, 2))
    laws = alike.Laws.of(Task(n, indices.get("SV"), 1, 2 * m, 0), parity, inside, whole)
    squares = np.zeros((2, 2))
    for number, law in enumerate(alike.LAWS):
        seen = covariance_of(law, n, 1, parity)[:m, :m]
        for pair in checked:
            others = np.delete(np.arange(m), pair)
            solved = np.linalg.solve(seen[np.ix_(others, others)], y[others])
            squares[number] += (y[pair] - seen[pair, others] @ solved) ** 2
    # The likelihood of normal errors of a variance that is that of the errors themselves.
    wanted = squares ** (-m / 2)
    found = symmetric.Mixture.of(laws, y).weights
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=0), rtol=1e-8)
    assert found.min() > (0.01 if m == 8 else 1e-9)
