"""Games of many players whose values are known: sums of unanimity games, and trees on coalitions.

Each is a sum of cubes, c [P ⊆ T] [Q ∩ T = ∅], whose Shapley values and pairs are closed forms.
"""

from dataclasses import dataclass
from math import exp, lgamma
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Cubes:
    """Σ_k c_k [P_k ⊆ T] [Q_k ∩ T = ∅]; P and Q as 0/1 matrices of shape (n_cubes, n)."""

    P: Any
    Q: Any
    c: Any

    @property
    def n_players(self) -> int:
        return int(self.P.shape[1])

    def __call__(self, coalitions: Any) -> Any:
        coalitions = np.atleast_2d(coalitions).astype(np.float32)
        wanted, barred = self.P.astype(np.float32), self.Q.astype(np.float32)
        out = np.empty(len(coalitions))
        for start in range(0, len(out), 1024):
            some = coalitions[start : start + 1024]
            held = (some @ wanted.T == wanted.sum(axis=1)) & (some @ barred.T == 0)
            out[start : start + 1024] = held @ self.c
        return out

    def true(self, order: int) -> Any:
        """SV (order 1), or SII of all pairs in lexicographic order (order 2)."""
        p, q = self.P.sum(axis=1).astype(int), self.Q.sum(axis=1).astype(int)
        # (p-a)! (q-b)! / (p+q-s+1)! with a of the s players in P and b in Q.
        if order == 1:
            return (self.c * _beta(p, q + 1)) @ self.P - (self.c * _beta(p + 1, q)) @ self.Q
        inner = (self.P * (self.c * _beta(p - 1, q + 1))[:, None]).T @ self.P
        outer = (self.Q * (self.c * _beta(p + 1, q - 1))[:, None]).T @ self.Q
        across = (self.P * (self.c * _beta(p, q))[:, None]).T @ self.Q
        return (inner + outer - across - across.T)[np.triu_indices(self.n_players, 1)]


def _beta(a: Any, b: Any) -> Any:
    return np.array(
        [
            exp(lgamma(x) + lgamma(y) - lgamma(x + y)) if x > 0 and y > 0 else 0.0
            for x, y in zip(a, b, strict=True)
        ]
    )


def soum(n: int, n_terms: int, largest: int, seed: int) -> Cubes:
    """A sum of unanimity games of random coalitions of up to ``largest`` players."""
    rng = np.random.default_rng(seed)
    P = np.zeros((n_terms, n))
    for row in P:
        row[rng.choice(n, rng.integers(1, largest + 1), replace=False)] = 1
    return Cubes(P, np.zeros_like(P), rng.uniform(-1, 1, n_terms))


def trees(n: int, n_trees: int, depth: int, seed: int) -> Cubes:
    """Trees that split on players, some players far more often than others; later ones weigh less.

    Each leaf is a step away from its parent, so main effects are the largest.
    """
    rng = np.random.default_rng(seed)
    popular = rng.permutation(1 / (1 + np.arange(n)) ** 0.8)
    popular /= popular.sum()
    cubes: list[tuple[Any, Any, float]] = []
    for number in range(n_trees):
        nodes = [(np.zeros(n), np.zeros(n), 0.0, 0)]
        while nodes:
            inside, outside, value, level = nodes.pop()
            if level == depth:
                cubes.append((inside, outside, value * 0.98**number))
                continue
            free = popular * (inside + outside == 0)
            player = rng.choice(n, p=free / free.sum())
            step = rng.normal() * 0.7**level
            one = np.eye(n)[player]
            nodes.append((inside + one, outside, value + step, level + 1))
            nodes.append((inside, outside + one, value - step, level + 1))
    return Cubes(*(np.array(part) for part in zip(*cubes, strict=True)))


GAMES = {
    "soum_30_large": lambda: soum(30, 100, 30, 1),
    "soum_30_small": lambda: soum(30, 60, 6, 2),
    "trees_30": lambda: trees(30, 60, 4, 3),
    "trees_50": lambda: trees(50, 60, 4, 4),
    "trees_100": lambda: trees(100, 80, 4, 5),
}
