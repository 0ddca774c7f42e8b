"""Random ensembles with everything a node can hold; shared by the tests of this folder."""

import numpy as np

from shapley_core.trees import Tree, TreeEnsemble
from shapley_core.trees import tree as nodes


def random_tree(rng, n_features, depth, width=1, output=0, grow=0.8):
    """A tree of at most ``depth`` levels; features repeat, covers are sometimes zero."""
    feature, threshold, left, right, flags, cover, sets = [], [], [], [], [], [], {}

    def add(weight):
        feature.append(-1)
        threshold.append(0.0)
        left.append(-1)
        right.append(-1)
        flags.append(0)
        cover.append(weight)
        return len(feature) - 1

    todo = [(add(float(rng.integers(1, 50))), 0)]
    while todo:
        node, level = todo.pop()
        if level == depth or rng.random() > grow:
            continue
        feature[node] = int(rng.integers(n_features))
        threshold[node] = float(rng.integers(-3, 4)) / 2
        flags[node] = int(rng.integers(2)) * nodes.DEFAULT_LEFT
        kind = rng.integers(6)
        if kind == 0:
            flags[node] |= nodes.ZERO_IS_MISSING
        elif kind == 1:
            flags[node] |= nodes.CATEGORICAL | int(rng.integers(4)) * nodes.SET_GOES_LEFT
            sets[node] = np.flatnonzero(rng.random(4) < 0.5)
        part = rng.choice([0.0, 0.02, 0.3, 0.5, 0.9, 1.0])
        left[node] = add(cover[node] * part)
        right[node] = add(cover[node] * (1 - part))
        todo += [(left[node], level + 1), (right[node], level + 1)]
    values = rng.normal(size=(len(feature), width))
    return Tree(feature, threshold, left, right, flags, values, cover, output, sets)


def random_ensemble(rng, n_features=4, n_trees=3, depth=5, n_outputs=1, vector=False, **described):
    width = n_outputs if vector else 1
    trees = [
        random_tree(rng, n_features, depth, width, 0 if vector else int(rng.integers(n_outputs)))
        for _ in range(n_trees)
    ]
    described = {"comparison": "<=", "input_dtype": "float64", **described}
    return TreeEnsemble.from_trees(
        trees,
        n_features=n_features,
        n_outputs=n_outputs,
        base=rng.normal(size=n_outputs),
        **described,
    )


def random_rows(rng, n_rows, n_features):
    """Rows full of thresholds, zeros, category codes and missing values."""
    rows = rng.integers(-3, 5, size=(n_rows, n_features)) / 2
    rows[rng.random(rows.shape) < 0.15] = np.nan
    rows[rng.random(rows.shape) < 0.05] = 1e-36
    return rows
