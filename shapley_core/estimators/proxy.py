"""Values by a tree model of the game, and an estimate of what it misses."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .._kernels import sampling as kernels
from ..arrays import check_integer, check_number, is_one_of
from ..errors import InputError
from ..indices import IndexSpec, tables
from ..trees import TreeEnsemble, read_model
from ..trees.tree import LEAF
from .base import Design, Estimates, Estimator, Task
from .incidence import common_players
from .laws import root_kernel_law
from .pairs import PairedDesign, paired_design
from .registry import register
from .reuse import steadied
from .sample import held_weights

Matrix = NDArray[np.float64]

MODELS = ("lightgbm", "xgboost", "sklearn")
_FOLD_STREAM = (1 << 62) + 1
# Cells of a work array.
_CELLS = 1 << 22


@register
@dataclass(frozen=True)
class TreeProxy(Estimator):
    """Values of boosted trees fitted to the worths, and of what the trees leave.

    The pairs of coalitions are split into folds; trees are fitted to all but one fold, their
    values are read out of their leaves exactly, and those of the game less the trees are
    estimated from the coalitions: each that the trees were fitted to stands for itself, those
    left out stand for all others of their size. So trees that fit too closely do not bias the
    estimate, and with all coalitions it is exact (RegressionMSR,
    Witter, Liu and Musco 2025; ProxySHAP, arXiv 2605.22738). The folds' estimates are averaged.

    It estimates every index of single players and pairs that is linear in discrete derivatives.

    Parameters
    ----------
    model : "lightgbm", "xgboost" or "sklearn"
        The library of the trees; it must be installed.
    n_folds : int
        Number of folds, at least 2.
    n_trees, depth : int
        Number of trees and their depth, at least 1.
    learning_rate : float
        Of the boosting, more than 0 and at most 1.
    """

    model: str = "lightgbm"
    n_folds: int = 5
    n_trees: int = 200
    depth: int = 4
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        if not is_one_of(self.model, MODELS):
            raise InputError(f"model must be one of {', '.join(MODELS)}; got {self.model!r}")
        check_integer(self.n_folds, "n_folds", 2)
        for name in ("n_trees", "depth"):
            check_integer(getattr(self, name), name, 1)
        check_number(self.learning_rate, "learning_rate")
        if not 0.0 < self.learning_rate <= 1.0:
            raise InputError(
                f"learning_rate must be more than 0 and at most 1, not {self.learning_rate}"
            )

    def _supports(self, spec: IndexSpec, order: int) -> bool:
        return spec.family == "derivative" and order <= 2 and not spec.has_constant

    def _least_budget(self, n_players: int, spec: IndexSpec, order: int) -> int:
        return max(2 * n_players, 20) + 2

    def _design(self, task: Task) -> PairedDesign:
        return paired_design(task, root_kernel_law(task.n_players))

    def _solve(self, task: Task, design: Design, worths: Matrix) -> Estimates:
        assert isinstance(design, PairedDesign)
        inside = sets.unpack(design.words, task.n_players)
        folds = self._folds(task, design)
        values = np.zeros((worths.shape[1], len(task.interactions)))
        variance = np.zeros_like(values)
        for game, worth in enumerate(worths.T):
            for fold in range(folds.max() + 1):
                train = np.flatnonzero(folds != fold)
                rows = np.stack([2 * train, 2 * train + 1], axis=1).ravel()
                left = worth
                if len(np.unique(worth[rows])) > 1:
                    trees = self._fitted(inside[rows], worth[rows], task.seed)
                    left = worth - trees.predict(inside.astype(np.float64)).reshape(-1)
                    values[game] += values_of_trees(trees, task)
                weight = self._weights(design, train)
                more, squares = _of_left(task, design, inside, left - left[0], weight, folds, fold)
                values[game] += more
                variance[game] += squares
        pairs = design.counts[~design.complete].sum()
        for size in range(1, task.order + 1):
            # What hangs on few coalitions, all of them fitted, would look certain.
            here = task.interactions.slice_of(size)
            variance[:, here] = steadied(variance[:, here], pairs)
        n_folds = folds.max() + 1
        # The folds' estimates share most of what they are made of, but what they are off by only in
        # coalitions that none has seen, which `_of_left` allows for.
        return Estimates(values / n_folds, np.sqrt(variance) / n_folds)

    def _weights(self, design: PairedDesign, train: NDArray[np.int64]) -> Matrix:
        weight = held_weights(design, train)
        # With fewer pairs than folds a stratum is left out by some folds only; they stand for all.
        few = (design.counts < self.n_folds) & ~design.complete & (design.counts > 0)
        log_each = design.log_capacity - np.log(np.where(few, design.expected, 1.0))
        each = self.n_folds * np.exp(np.minimum(log_each, 700.0))
        held = np.ones(len(weight), dtype=bool)
        held[train] = False
        rows = 1 + np.flatnonzero(few[design.strata])
        rows = rows[held[rows]]
        weight[rows] = each[design.strata[rows - 1]]
        return weight

    def _folds(self, task: Task, design: PairedDesign) -> NDArray[np.int64]:
        """The fold of each pair, stratum by stratum at random; the first, ∅ and N, in none."""
        uniform = np.empty(1 + design.n_pairs)
        kernels.uniform(task.seed, _FOLD_STREAM, uniform)
        order = np.lexsort((uniform[1:], design.strata))
        folds = np.full(1 + design.n_pairs, -1, dtype=np.int64)
        folds[1 + order] = np.arange(design.n_pairs) % self.n_folds
        return folds

    def _fitted(self, inside: NDArray[np.bool_], worths: Matrix, seed: int) -> TreeEnsemble:
        X = inside.astype(np.float64)
        shape: dict[str, Any] = {"max_depth": self.depth, "learning_rate": self.learning_rate}
        state = seed % (1 << 31)
        # Of the standard deviation 1, so that no library's thresholds depend on the unit.
        middle, scale = float(worths.mean()), float(worths.std())
        y = (worths - middle) / scale
        if self.model == "lightgbm":
            import lightgbm

            parameters = shape | {"num_leaves": 1 << min(self.depth, 10), "min_data_in_leaf": 3}
            parameters |= {"verbose": -1, "seed": state, "num_threads": 1, "deterministic": True}
            data = lightgbm.Dataset(X, y, params={"min_data_in_bin": 1, "verbose": -1})
            found: Any = lightgbm.train(parameters, data, self.n_trees)
        elif self.model == "xgboost":
            import xgboost

            parameters = shape | {"seed": state, "nthread": 1, "base_score": 0.0}
            found = xgboost.train(parameters, xgboost.DMatrix(X, y, nthread=1), self.n_trees)
        else:
            from sklearn.ensemble import GradientBoostingRegressor

            shape |= {"n_estimators": self.n_trees, "random_state": state}
            found = GradientBoostingRegressor(**shape).fit(X, y)
        return _scaled(read_model(found), scale, middle)


def _scaled(trees: TreeEnsemble, scale: float, offset: float) -> TreeEnsemble:
    return replace(trees, values=trees.values * scale, base=trees.base * scale + offset)


def _cubes(trees: TreeEnsemble) -> tuple[Matrix, Matrix, Matrix]:
    """Leaves as cubes c [P ⊆ T] [Q ∩ T = ∅]: P and Q as 0/1 matrices, and c."""
    n, n_nodes = trees.n_features, trees.n_nodes
    # -1: must be out, 1: must be in, 0: either; rows are filled from the roots down.
    sides = np.zeros((n_nodes, n), dtype=np.int8)
    for level in range(int(trees.depth.max()) + 1):
        nodes = np.flatnonzero((trees.depth == level) & (trees.feature != LEAF))
        for children, side in ((trees.left[nodes], -1), (trees.right[nodes], 1)):
            sides[children] = sides[nodes]
            sides[children, trees.feature[nodes]] = side
    leaves = np.flatnonzero(trees.feature == LEAF)
    here = sides[leaves]
    return (here == 1).astype(float), (here == -1).astype(float), trees.values[leaves, 0]


def values_of_trees(trees: TreeEnsemble, task: Task) -> Matrix:
    """Values of the game that the trees are, of single players and pairs."""
    inside, outside, c = _cubes(trees)
    p, q = inside.sum(axis=1).astype(int), outside.sum(axis=1).astype(int)
    depth = int((p + q).max())
    out = np.zeros(len(task.interactions))
    for size in range(1, task.order + 1):
        most = min(depth, task.n_players - size)
        table = tables.cube_weights(task.spec, task.n_players, size, task.order, most)

        members = task.interactions.block(size).astype(np.int64)
        here = task.interactions.slice_of(size)
        if size == 1:
            values = (
                _weighed(table, (p, q), c, 1, 0) @ inside
                - _weighed(table, (p, q), c, 0, 1) @ outside
            )
            out[here] = values[members[:, 0]]
        else:
            both = (inside * _weighed(table, (p, q), c, 2, 0)[:, None]).T @ inside
            none = (outside * _weighed(table, (p, q), c, 0, 2)[:, None]).T @ outside
            across = (inside * _weighed(table, (p, q), c, 1, 1)[:, None]).T @ outside
            pairs = both + none - across - across.T
            out[here] = pairs[members[:, 0], members[:, 1]]
    return out


def _weighed(table: Matrix, counts: tuple[Matrix, Matrix], c: Matrix, a: int, b: int) -> Matrix:
    """Weighs c by C[p - a, q - b], 0 where there are not so many players."""
    p, q = counts[0] - a, counts[1] - b
    kept = (p >= 0) & (q >= 0) & (p + q < len(table))
    found: Matrix = np.where(kept, c * table[np.where(kept, p, 0), np.where(kept, q, 0)], 0.0)
    return found


def _of_left(
    task: Task,
    design: PairedDesign,
    inside: NDArray[np.bool_],
    left: Matrix,
    weight: Matrix,
    folds: NDArray[np.int64],
    fold: int,
) -> tuple[Matrix, Matrix]:
    """Values of what the trees leave, and their variances from the pairs left out."""
    values = np.zeros(len(task.interactions))
    variance = np.zeros(len(task.interactions))
    held = np.flatnonzero(folds == fold)
    strata = design.strata[held - 1]
    counts = np.bincount(strata, minlength=len(design.sizes))
    sizes = inside.sum(axis=1)
    for size in range(1, task.order + 1):
        table = tables.coalition_weights(task.spec, task.n_players, size, task.order)
        members = task.interactions.block(size)
        start = task.interactions.slice_of(size).start
        step = max(1, _CELLS // len(inside))
        for first in range(0, len(members), step):
            some = members[first : first + step]
            each = table[sizes[:, None], common_players(inside, some)] * left[:, None]
            pairs = each[0::2] + each[1::2]
            here = slice(start + first, start + first + len(some))
            values[here] = weight @ pairs
            seen, factor = pairs[held], weight[held]
            for at in np.flatnonzero(counts):
                many = factor[strata == at][0]
                # Weighted first: with many players the weights' squares are no floats. A variance
                # of few pairs is an estimate too: an allowance for that.
                of, few = many * seen[strata == at], counts[at]
                spread = of.var(axis=0, ddof=1) * (few + 1) if few > 1 else of[0] ** 2
                # 1 / many of it is of what was not drawn, in which all folds err alike.
                alike = 1.0 + folds.max() / many
                variance[here] += max(0.0, 1.0 - 1.0 / many) * alike * spread
    return values, variance
