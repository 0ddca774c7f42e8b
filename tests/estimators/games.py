"""Games of which the values are known, and one that counts what it is asked."""

from functools import cache

import numpy as np

from shapley_core import ground_truth, indices
from shapley_core.exact import exact
from shapley_core.game import TableGame
from shapley_core.games import SumOfUnanimity

# Stored games of 8 to 10 players: models, data, words, voting; smooth ones and jagged ones.
STORED = [
    "clusters/breast_cancer_agreement",
    "ensemble_selection/digits_accuracy",
    "feature_selection/diabetes_ridge",
    "global_importance/california_xgboost",
    "image_patches/digits_forest",
    "local_explanation/breast_cancer_forest_marginal",
    "sentences/soup",
    "uncertainty/diabetes_spread",
]


@cache
def stored(name, index, order):
    game = ground_truth.load(name).game
    return game, exact(game, index, order).values


@cache
def unanimity(n_players, seed=1):
    """A game with main effects and interactions of 2 to 5 players, and a baseline."""
    rng = np.random.default_rng(seed)
    singles = rng.normal(size=n_players).round(3).tolist()
    coefficients = {(): 3.0} | {(i,): x for i, x in enumerate(singles)}
    for size in range(2, min(5, n_players) + 1):
        for _ in range(12):
            players = tuple(sorted(rng.choice(n_players, size, replace=False).tolist()))
            coefficients[players] = round(float(rng.normal()), 3)
    return SumOfUnanimity(coefficients, n_players)


def random_table(n_players, seed=0):
    return TableGame(np.random.default_rng(seed + 100 * n_players).normal(size=1 << n_players))


def spread(values):
    return max(float(np.max(values) - np.min(values)), float(np.max(np.abs(values))), 1e-300)


class Cubic:
    """v(S) = 1 + c·x + (a·x)^2 + Σ_k (b_k·x)^3: dense interactions of up to three players.

    Its values come from sums over the players, whatever their number.
    """

    player_names = None

    def __init__(self, n_players, seed=0):
        rng = np.random.default_rng(seed)
        self.n_players = n_players
        self.c = rng.normal(size=n_players)
        self.a = rng.normal(size=n_players) / np.sqrt(n_players)
        self.b = (rng.normal(size=(10, n_players)) + 0.2) / np.sqrt(n_players)

    def __call__(self, coalitions):
        z = coalitions.astype(float)
        return 1.0 + z @ self.c + (z @ self.a) ** 2 + ((z @ self.b.T) ** 3).sum(axis=1)

    def exact(self, index, order):
        """Values of sizes 1 to ``order`` (at most 2), from the Moebius coefficients' sums."""
        spec, n = indices.get(index), self.n_players
        single = self.c + self.a**2 + (self.b**3).sum(axis=0)
        pair = 2 * np.outer(self.a, self.a)
        over_one, over_two = np.zeros((n, n)), np.zeros(n)
        for b in self.b:
            pair += 3 * np.outer(b**2, b) + 3 * np.outer(b, b**2)
            # Σ of the triples' coefficients 6 b_i b_j b_k over k, and over j < k.
            over_one += 6 * np.outer(b, b) * (b.sum() - np.add.outer(b, b))
            over_two += 3 * b * ((b.sum() - b) ** 2 - (np.sum(b**2) - b**2))
        np.fill_diagonal(pair, 0)
        values = []
        for size in range(1, order + 1):
            mu = np.zeros(3)
            known = indices.moebius_weights(spec, n, size, order)[:3]
            mu[: len(known)] = known
            if size == 1:
                values.append(single * mu[0] + pair.sum(axis=1) * mu[1] + over_two * mu[2])
                continue
            i, j = np.triu_indices(n, 1)
            if spec.family == "derivative":
                values.append(pair[i, j] * mu[0] + over_one[i, j] * mu[1])
                continue
            inside = single[i] + single[j] + pair[i, j]
            one_more = pair.sum(axis=1)[i] + pair.sum(axis=1)[j] - 2 * pair[i, j] + over_one[i, j]
            two_more = over_two[i] + over_two[j] - 2 * over_one[i, j]
            values.append(inside * mu[0] + one_more * mu[1] + two_more * mu[2])
        return np.concatenate(values)


class Counting:
    """A game that is no CallableGame, and notes what it was asked for."""

    player_names = None

    def __init__(self, game):
        self.game, self.n_players = game, game.n_players
        self.asked, self.sizes = [], []

    def __call__(self, coalitions):
        assert coalitions.dtype == np.bool_
        self.sizes.append(len(coalitions))
        self.asked += [row.tobytes() for row in coalitions]
        return self.game(coalitions)
