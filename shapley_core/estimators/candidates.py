"""Terms that may come into a regression on parities: which look most promising."""

from math import comb, log

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from ..transforms import transform
from .covariance import ODD, Terms, characters, signs

Matrix = NDArray[np.float64]
Term = tuple[int, ...]

# All terms of so many players are looked at in every step: of those that matter most.
LATTICE = 16
# Triples are looked at up to so many players; larger terms once a part of them is in.
_TRIPLES = 128
# Terms that are compared exactly in a step.
_CANDIDATES = 64
# Players that may join a term: these, and those of the terms that are in, up to so many.
_MOST_JOINING = 40
# By how much the likelihood must rise beyond the choice among the terms of a size.
_PENALTY = 3.0


def penalty_of(n_players: int, size: int) -> float:
    """By how much the likelihood must rise for a term of that many players to come in."""
    return _PENALTY + log(comb(n_players, size))


class Candidates:
    """The terms of one parity that may come in."""

    def __init__(
        self,
        inside: NDArray[np.bool_],
        parity: int,
        have: Terms,
        players: NDArray[np.int64],
    ) -> None:
        self.inside, self.parity, self.n = inside, parity, inside.shape[1]
        self.z = signs(inside)
        self.players, self.joining = players, players.tolist()
        self.have: set[Term] = set()
        # Terms that are in, and how many of ``joining`` may join them.
        self.parents: list[tuple[Term, int]] = []
        # Parities of these, and of the pairs of players that may join.
        self.of_parents, self.of_pairs = np.zeros((0, len(inside))), np.zeros((len(inside), 0))
        self.add(list(have))
        self.sizes = sets.sizes_by_position(len(players)).astype(np.int64)
        self.penalty = np.array([penalty_of(self.n, d) for d in range(len(players) + 1)])[
            self.sizes
        ]
        # What every part has anyway is no candidate.
        self.penalty[(self.sizes % 2 != parity) | (self.sizes < 2)] = np.inf

    def add(self, terms: list[Term]) -> None:
        """Take terms as in; what two more players make of them may come in."""
        self.have.update(terms)
        if self.n <= LATTICE:
            return
        new = [i for i in dict.fromkeys(sum(terms, ())) if i not in self.joining]
        self.joining = [*self.joining, *new][:_MOST_JOINING]
        self.parents += [(term, len(self.joining)) for term in terms]
        self.of_parents = np.concatenate([self.of_parents, characters(terms, self.z).T])

    def best(self, alpha: Matrix, precision: float) -> list[Term]:
        """The most promising, all with the same guess of their precision."""
        sums = lattice_sums(self.inside, alpha, self.players)
        score = sums**2 / (2 * precision) - self.penalty
        order = np.argpartition(-score, min(2 * _CANDIDATES, len(score) - 1))[: 2 * _CANDIDATES]
        order = order[np.isfinite(score[order])]
        found = {players_at(int(at), self.players): float(score[at]) for at in order}
        if self.n > LATTICE:
            terms, more = self._pool(alpha)
            for term, value in zip(terms, more.tolist(), strict=True):
                found[term] = value**2 / (2 * precision) - penalty_of(self.n, len(term))
            found |= self._children(alpha, precision)
        terms = sorted(found, key=lambda term: -found[term])
        return [term for term in terms if term not in self.have][:_CANDIDATES]

    def _pool(self, alpha: Matrix) -> tuple[list[Term], Matrix]:
        weighted = self.z * alpha[:, None]
        terms: list[Term] = []
        scores: list[Matrix] = []
        if self.parity != ODD:
            first, second = np.triu_indices(self.n, 1)
            sums = (weighted.T @ self.z)[first, second]
            _keep(terms, scores, np.stack([first, second], axis=1), sums)
        elif self.n <= _TRIPLES:
            for i in range(self.n - 2):
                rest = self.z[:, i + 1 :]
                first, second = np.triu_indices(self.n - i - 1, 1)
                sums = ((rest * weighted[:, i : i + 1]).T @ rest)[first, second]
                members = np.stack([np.full(len(first), i), first + i + 1, second + i + 1], axis=1)
                _keep(terms, scores, members, sums)
        return terms, np.concatenate([*scores, np.zeros(0)])

    def _children(self, alpha: Matrix, precision: float) -> dict[Term, float]:
        """The most promising of what two more players make of a term that is in."""
        if not self.parents:
            return {}
        joining = np.array(self.joining)
        first, second = np.triu_indices(len(joining), 1)
        if self.of_pairs.shape[1] != len(first):
            self.of_pairs = self.z[:, joining[first]] * self.z[:, joining[second]]
        # One product of matrices for all: hundreds of parents, each with hundreds of pairs.
        score = (self.of_parents * alpha) @ self.of_pairs
        score **= 2
        score /= 2 * precision
        score -= np.array([penalty_of(self.n, len(term) + 2) for term, _ in self.parents])[:, None]
        for at, (term, count) in enumerate(self.parents):
            own = np.isin(joining, term) | (np.arange(len(joining)) >= count)
            score[at, own[first] | own[second]] = -np.inf
        flat = score.ravel()
        most = 4 * _CANDIDATES
        while True:
            # Parents may share a child, and it may be in already.
            most = min(most, len(flat))
            order = np.argpartition(-flat, most - 1)[:most] if most else np.zeros(0, dtype=int)
            order = order[np.isfinite(flat[order])]
            parent, pair = np.divmod(order, max(1, len(first)))
            found: dict[Term, float] = {}
            for at, here in zip(parent.tolist(), pair.tolist(), strict=True):
                two = int(joining[first[here]]), int(joining[second[here]])
                child = tuple(sorted((*self.parents[at][0], *two)))
                if child not in self.have:
                    found[child] = float(score[at, here])
            if len(found) >= _CANDIDATES or most == len(flat):
                return found
            most *= 2


def _keep(
    terms: list[Term], scores: list[Matrix], members: NDArray[np.int64], sums: Matrix
) -> None:
    """The best of many terms of one kind."""
    most = min(2 * _CANDIDATES, len(sums))
    order = np.argpartition(-np.abs(sums), most - 1)[:most] if most else np.zeros(0, dtype=int)
    terms += [tuple(row) for row in members[order].tolist()]
    scores.append(sums[order])


def players_at(position: int, players: NDArray[np.int64]) -> Term:
    """The term at a position of what `lattice_sums` gives."""
    return tuple(int(i) for at, i in enumerate(players) if position >> at & 1)


def lattice_sums(inside: NDArray[np.bool_], alpha: Matrix, players: NDArray[np.int64]) -> Matrix:
    """Σ_r alpha_r (-1)^|T_r ∩ U| for every term U of some players, by position."""
    table = np.zeros(1 << len(players))
    np.add.at(table, sets.positions(np.ascontiguousarray(inside[:, players])), alpha)
    transform(table, "walsh", 1)
    return table
