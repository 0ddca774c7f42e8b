"""The marginal game of a row, written out; and the indices that ignore null players."""

import numpy as np

from shapley_core import CallableGame, indices

DERIVATIVE = [
    (name, order)
    for name in indices.names()
    if indices.get(name).family == "derivative"
    for order in (1, 2, 3)
    if (indices.get(name).max_order or 3) >= order
]


def game_of(function, row, background, weights=None, members=None, output=None):
    """Of players that have the features ``members``, by default one each."""
    n_features = background.shape[1]
    members = [(feature,) for feature in range(n_features)] if members is None else members

    def worth(coalitions):
        inside = np.zeros((len(coalitions), n_features), np.bool_)
        for player, features in enumerate(members):
            inside[:, list(features)] = coalitions[:, [player]]
        shown = np.where(inside[:, None], row, background).reshape(-1, n_features)
        found = function(shown)
        found = found if output is None else found[:, output]
        return np.average(found.reshape(len(coalitions), -1), axis=1, weights=weights)

    return CallableGame(worth, len(members))


# Of tables of which rows are alike in some columns.
N = 8
WEIGHTS = np.random.default_rng(7).normal(size=(N, 6))


def table(seed, n_rows, levels=3):
    """Rows of which two differ in some columns only."""
    rng = np.random.default_rng(seed)
    out = rng.integers(0, levels, size=(n_rows, N)).astype(float)
    out[:, 0] = rng.normal(size=n_rows)
    return out


def smooth(rows):
    return np.tanh(rows @ WEIGHTS).sum(axis=1) + rows[:, 0] * rows[:, 1] * rows[:, 2]


def two_outputs(rows):
    return np.stack([smooth(rows), np.cos(rows[:, 0] + 2 * rows[:, 3] * rows[:, 4])], axis=1)
