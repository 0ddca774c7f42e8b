"""What explaining needs of an ensemble beyond predicting: its paths and their cover shares."""

from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import paths as walk
from ..errors import UnsupportedModelError
from ..players import Players
from .ensemble import TreeEnsemble
from .tree import LEAF


@dataclass(frozen=True, eq=False)
class Paths:
    """The depth-first walk of an ensemble and what each edge on it tests.

    Nodes stand for their incoming edges. Arrays over nodes are int64 (n_nodes,).

    Parameters
    ----------
    ensemble : TreeEnsemble
    n_players : int
    order : nodes in the order of the walk, tree by tree, left before right
    parent : the node above, -1 at roots
    previous : the nearest edge above that tests the same player, -1 where there is none
    distinct : number of distinct players tested on the way to the node
    slot : number of the edge's player among those, -1 at roots
    player : the player of the feature that the edge tests, -1 at roots
    """

    ensemble: TreeEnsemble
    n_players: int
    order: NDArray[np.int64]
    parent: NDArray[np.int64]
    previous: NDArray[np.int64]
    distinct: NDArray[np.int64]
    slot: NDArray[np.int64]
    player: NDArray[np.int64]

    @classmethod
    def of(cls, ensemble: TreeEnsemble, players: Players | None = None) -> "Paths":
        """Walk the ensemble; by default every feature is a player."""
        if players is None:
            players = Players.single(ensemble.n_features, None)
        arrays = [np.empty(ensemble.n_nodes, np.int64) for _ in range(6)]
        player_of = np.empty(0, np.int64) if players.of_feature is None else players.of_feature
        walk.describe(ensemble.kernel, player_of, players.n_players, *arrays)
        return cls(ensemble, players.n_players, *arrays)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived; the kernels' view cannot be pickled."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @cached_property
    def kernel(self) -> walk.Paths:
        """The arrays as the kernels take them."""
        return walk.Paths(
            self.order,
            self.parent,
            self.previous,
            self.distinct,
            self.slot,
            self.player,
            self.ensemble.depth,
        )

    def most_of_tree(self, per_node: NDArray[np.int64]) -> NDArray[np.int64]:
        """Take the largest entry of each tree."""
        return np.maximum.reduceat(per_node, self.ensemble.tree_offsets[:-1])


@dataclass(frozen=True, eq=False)
class CoverShares:
    """The path-dependent game: a row that misses a feature is split by cover.

    Parameters
    ----------
    paths : Paths
    ratio : float64 (n_nodes,)
        ``cover(node) / cover(parent)``; one half each where no cover came to the parent.
    share : float64 (n_nodes,)
        Product of the ratios of all edges on the path that test this edge's feature.
    weight : float64 (n_nodes,)
        Product of all ratios on the path.
    """

    paths: Paths
    ratio: NDArray[np.float64]
    share: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, paths: Paths) -> "CoverShares":
        """Divide the covers.

        Raises
        ------
        UnsupportedModelError
            If the model has no covers, or had negative ones.
        """
        ensemble, parent = paths.ensemble, paths.parent
        cover = ensemble.cover
        if cover is None:
            raise UnsupportedModelError(
                "the model does not say how many training rows reached its nodes, or gives "
                "negative numbers of them (sums of negative Hessians or weights), so the "
                "path-dependent game is not defined: give a background"
            )
        inner = np.flatnonzero(ensemble.feature != LEAF)
        left, right = ensemble.left[inner], ensemble.right[inner]
        ratio = np.ones(ensemble.n_nodes)
        empty = (cover[inner] == 0) | ((cover[left] == 0) & (cover[right] == 0))
        whole = np.where(empty, 1.0, cover[inner])
        for child in (left, right):
            ratio[child] = np.where(empty, 0.5, cover[child] / whole)
        share, weight = ratio.copy(), ratio.copy()
        by_level = np.argsort(ensemble.depth, kind="stable")
        starts = np.cumsum(np.bincount(ensemble.depth))
        for begin, end in pairwise(starts):
            nodes = by_level[begin:end]
            weight[nodes] *= weight[parent[nodes]]
            again = nodes[paths.previous[nodes] >= 0]
            share[again] *= share[paths.previous[again]]
        return cls(paths, ratio, share, weight)

    @cached_property
    def expected(self) -> NDArray[np.float64]:
        """Worth of the empty coalition, float64 (n_outputs,): base and cover-weighted leaves."""
        ensemble = self.paths.ensemble
        leaves = np.flatnonzero(ensemble.feature == LEAF)
        tree = np.searchsorted(ensemble.tree_offsets, leaves, side="right") - 1
        expected = ensemble.base.copy()
        for k in range(ensemble.values.shape[1]):
            np.add.at(
                expected,
                ensemble.tree_outputs[tree] + k,
                self.weight[leaves] * ensemble.values[leaves, k],
            )
        return expected


@lru_cache(maxsize=64)
def _gauss_legendre(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and weights of the rule of n points on [0, 1]."""
    from scipy.special import roots_legendre

    x, weights = roots_legendre(n)
    return (x + 1) / 2, weights / 2


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Gauss-Legendre rules on [0, 1], one for each number of points that the trees need.

    A path with d distinct features needs ceil(d / 2) points: the integrand of a Shapley value has
    degree d - 1, and n points are exact up to degree 2 n - 1.
    """

    rule: NDArray[np.int64]
    offsets: NDArray[np.int64]
    points: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, paths: Paths, even: bool = False) -> "Quadrature":
        """Choose the rule of every tree; of an even number of points if asked for."""
        needed = np.maximum(1, (paths.most_of_tree(paths.distinct) + 1) // 2)
        if even:
            needed += needed % 2
        sizes, rule = np.unique(needed, return_inverse=True)
        rules = [_gauss_legendre(int(n)) for n in sizes]
        return cls(
            rule.astype(np.int64),
            np.concatenate([[0], np.cumsum(sizes)]),
            np.concatenate([np.empty(0), *(points for points, _ in rules)]),
            np.concatenate([np.empty(0), *(weights for _, weights in rules)]),
        )

    def points_of(self, tree: int) -> NDArray[np.float64]:
        """Nodes of a tree's rule."""
        rule = self.rule[tree]
        return self.points[self.offsets[rule] : self.offsets[rule + 1]]

    def weights_of(self, tree: int) -> NDArray[np.float64]:
        """Weights of a tree's rule."""
        rule = self.rule[tree]
        return self.weights[self.offsets[rule] : self.offsets[rule + 1]]
