"""SymmetricProcess against the posterior written out over all coalitions, and its large designs."""

from itertools import combinations

import numpy as np
import pytest

from shapley_core import coalitions as sets
from shapley_core import exact, indices
from shapley_core.estimators import KernelRegression, SymmetricProcess, alike, symmetric
from shapley_core.estimators.base import Task
from shapley_core.game import CallableGame, TableGame
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
    monkeypatch.setattr(symmetric, "most_pairs", lambda n_players, order: 40)
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
    assert known.rests and len(known.train) == 40
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


def cubic(n, seed, cubes=1.0):
    """Additive, with pairs and triples: a game, and its values under SV and BV."""
    rng = np.random.default_rng(seed)
    own, of_pairs, of_triples = rng.normal(size=n), rng.normal(size=2 * n), rng.normal(size=n)
    pairs = np.array([rng.choice(n, 2, replace=False) for _ in range(2 * n)])
    triples = np.array([rng.choice(n, 3, replace=False) for _ in range(n)])

    def worth(coalitions):
        found = coalitions @ own + coalitions[:, pairs].all(axis=2) @ of_pairs
        return found + cubes * (coalitions[:, triples].all(axis=2) @ of_triples)

    values = {}
    for index, share in (("SV", 1 / 3), ("BV", 1 / 4)):
        values[index] = own.copy()
        np.add.at(values[index], pairs, of_pairs[:, None] / 2)
        np.add.at(values[index], triples, cubes * share * of_triples[:, None])
    return CallableGame(worth, n), values


@pytest.mark.parametrize(
    ("index", "n", "budgets"),
    [
        ("BV", 60, (1000, 1030, 1200)),
        ("BV", 100, (1000, 1030, 1200)),
        ("BV", 200, (1000, 1030, 1200, 1620)),
        ("SV", 200, (1000, 1030, 1590, 1620)),
        ("SV", 600, (1204, 1230)),
    ],
)
def test_errors_do_not_rise_where_designs_become_large(index, n, budgets):
    game, values = cubic(n, 1)
    before = np.inf
    for budget in budgets:
        found = SymmetricProcess().estimate(game, budget, index=index, random_state=0)
        off = found.values - values[index]
        now = (off**2).sum() / (values[index] ** 2).sum()
        assert now < 1.25 * before
        assert np.isfinite(found.std_error).all()
        assert 0.85 <= (np.abs(off) <= 2 * found.std_error).mean() <= 1
        before = min(now, before)
    # Two draws of a regression on its own design are that near each other.
    if n <= 200:
        other = KernelRegression().estimate(game, budgets[-1], index=index, random_state=0)
        assert now < 1.5 * ((other.values - values[index]) ** 2).sum() / (values[index] ** 2).sum()


def test_where_nobody_estimates_the_rest_well_the_processes_answer_alone(few_pairs):
    rng = np.random.default_rng(5)
    table = np.tanh(sets.all_coalitions(10) @ rng.normal(size=(10, 20)) / 3)

    def worth(coalitions):
        return table[sets.positions(np.ascontiguousarray(coalitions))]

    values = np.stack([exact(TableGame(column), "SII", 2).values for column in table.T])
    off = [
        np.mean(
            [
                (
                    SymmetricProcess()
                    .estimate_batch(worth, 10, budget, index="SII", order=2, random_state=seed)
                    .values
                    - values
                )
                ** 2
                for seed in range(4)
            ]
        )
        for budget in (80, 90, 120, 200)
    ]
    assert max(off[1:]) < 1.2 * off[0]


@pytest.mark.parametrize("budget", [1034, 1200])
def test_games_of_pairs_are_exact_for_many_players(budget):
    game, values = cubic(512, 2, cubes=0.0)
    found = SymmetricProcess().estimate(game, budget, random_state=0)
    np.testing.assert_allclose(found.values, values["SV"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("FBII", 1), ("BII", 2)])
def test_with_more_players_than_pairs_in_a_matrix_the_others_answer(index, order, monkeypatch):
    monkeypatch.setattr(symmetric, "most_pairs", lambda n_players, order: 10)
    monkeypatch.setattr(symmetric, "prepared", symmetric._Kept())
    n = 9
    games = [unanimity(n, seed) for seed in range(8)]
    tables = np.stack([game(sets.all_coalitions(n)) for game in games], axis=1)
    truth = [exact(game, index, order) for game in games]
    for budget, most in ((1 << n, 1e-9), (120, None)):
        task = Task(n, indices.get(index), order, budget, 3)
        known = symmetric.prepared(task)
        assert not known.parts
        worths = tables[sets.positions(sets.unpack(known.design.words, n))]
        found = SymmetricProcess()._solve(task, known.design, worths - worths[0])
        off = np.abs(found.values - np.stack([one.values for one in truth]))
        assert (off <= 2 * found.std_error + 1e-9).mean() >= 0.85
        if most is not None:
            assert off.max() < most
            if found.constant is not None:
                constant = np.array([one.baseline for one in truth]) - worths[0]
                np.testing.assert_allclose(found.constant, constant, rtol=0, atol=most)


def test_small_interactions_are_seen_beside_large_effects():
    n = 9
    own = np.random.default_rng(0).normal(size=n)
    inside = sets.all_coalitions(n)
    rest = np.tanh(inside @ np.random.default_rng(1).normal(size=(n, 30)))
    rest[:, :10] = inside[:, :3].all(axis=1)[:, None]
    off, covered = [], []
    for scale in (1.0, 1e-3, 1e-5):
        tables = (inside @ own)[:, None] + scale * rest
        values = np.stack([exact(TableGame(column)).values for column in tables.T])

        def worth(coalitions, tables=tables):
            return tables[sets.positions(np.ascontiguousarray(coalitions))]

        found = [
            SymmetricProcess().estimate_batch(worth, n, 300, random_state=seed) for seed in range(4)
        ]
        every = np.stack([np.abs(one.values - values) for one in found])
        errors = np.stack([one.std_error for one in found])
        off.append(np.sqrt(np.mean(every**2)) / scale)
        covered.append((every <= 2 * errors).mean())
    assert max(off[1:]) < 1.1 * off[0]
    assert min(covered) >= 0.88
