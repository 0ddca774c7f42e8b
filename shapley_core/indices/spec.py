"""What an index is: one description, exact, from which every table of weights is derived."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ..errors import InputError, UnknownIndexError

Family = Literal["derivative", "generalised"]


@dataclass(frozen=True)
class BetaLaw:
    """The law Beta(a, b) on [0, 1], density proportional to x^(a-1) (1-x)^(b-1)."""

    a: Fraction
    b: Fraction

    def moments(self, count: int) -> list[Fraction]:
        """E[x^m] for m = 0 .. count - 1: rising factorials of a over those of a + b."""
        out = [Fraction(1)]
        for m in range(count - 1):
            out.append(out[-1] * (self.a + m) / (self.a + self.b + m))
        return out[:count]

    def weights(self, rest: int) -> list[Fraction]:
        """E[x^t (1-x)^(rest-t)] for t = 0 .. rest, each from the one before."""
        out = [BetaLaw(self.b, self.a).moments(rest + 1)[-1]]
        for t in range(rest):
            out.append(out[-1] * (self.a + t) / (self.b + rest - t - 1))
        return out


@dataclass(frozen=True)
class PointLaw:
    """All mass at one point of [0, 1]."""

    at: Fraction

    def moments(self, count: int) -> list[Fraction]:
        """E[x^m] for m = 0 .. count - 1."""
        out = [Fraction(1)]
        for _ in range(count - 1):
            out.append(out[-1] * self.at)
        return out[:count]

    def weights(self, rest: int) -> list[Fraction]:
        """E[x^t (1-x)^(rest-t)] for t = 0 .. rest."""
        absent = PointLaw(1 - self.at).moments(rest + 1)
        return [x * absent[rest - t] for t, x in enumerate(self.moments(rest + 1))]


Law = BetaLaw | PointLaw


@dataclass(frozen=True, eq=False)
class IndexSpec:
    """One index, described once; ``indices.tables`` derives all its weights from this.

    With Δ_S(T) the discrete derivative and n players, an index of the family *derivative* is
    I(S) = Σ_{T ⊆ N∖S} p_t Δ_S(T), one of the family *generalised* is
    I(S) = Σ_{T ⊆ N∖S} p_t (v(T ∪ S) - v(T)); the weights p_t depend on n, the size s of S and the
    order k. They are given in one of three ways, exactly; the first that answers counts.

    Parameters
    ----------
    name : str
        The name, with parameters if it has any; ``indices.get(name)`` gives the index back.
    family : "derivative" or "generalised"
        See above.
    reference : str
        Where it is defined.
    axioms : frozenset of str
        What it satisfies (see ``AXIOMS``); decides which property tests run on it.
    law : callable, optional
        ``law(s, k)``: the mixing law, p_t = E[x^t (1-x)^(n-s-t)], or None where there is none.
    moebius : callable, optional
        ``moebius(s, t, k)``: the weight of the Moebius coefficient of a T ⊇ S, |T| = t
        (derivative family); 0 for t < s is understood.
    weights : callable, optional
        ``weights(n, s, k)``: the list p_0 .. p_(n-s).
    max_order : int, optional
        The largest order it is defined for, if there is one.
    adds_up : bool
        Whether the values of sizes 1 to k together describe the game (so that k-th order values
        come on top of lower ones instead of containing them).
    has_constant : bool
        Whether it has a constant term of its own, at the empty set, in place of v(∅).
    n_players : int, optional
        The one number of players it is defined for, if it is so.
    """

    name: str
    family: Family
    reference: str
    axioms: frozenset[str]
    law: Callable[[int, int], Law | None] | None = None
    moebius: Callable[[int, int, int], Fraction] | None = None
    weights: Callable[[int, int, int], list[Fraction]] | None = None
    max_order: int | None = None
    adds_up: bool = False
    has_constant: bool = False
    n_players: int | None = None

    def __post_init__(self) -> None:
        unknown = self.axioms - AXIOMS.keys()
        if unknown:
            raise InputError(f"unknown axioms {sorted(unknown)}; known: {', '.join(AXIOMS)}")
        if self.law is None and self.moebius is None and self.weights is None:
            raise InputError(f"index {self.name} needs a law, moebius weights or weights")

    def law_of(self, size: int, order: int) -> Law | None:
        """The mixing law for interactions of a size, if there is one."""
        return None if self.law is None else self.law(size, order)

    def check(self, n_players: int, order: int) -> None:
        """Raise an UnknownIndexError unless the index exists for that many players and order."""
        if self.max_order is not None and order > self.max_order:
            raise UnknownIndexError(
                f"{self.name} has order {self.max_order} only, not {order}; for interactions use "
                "e.g. SII, k-SII, BII or FSII"
            )
        if not 1 <= order <= n_players:
            raise UnknownIndexError(
                f"order must be 1 to the number of players, {n_players}; got {order}"
            )
        if self.n_players is not None and self.n_players != n_players:
            raise UnknownIndexError(
                f"{self.name} is made for {self.n_players} players; the game has {n_players}"
            )

    def __repr__(self) -> str:
        return f"<index {self.name}>"


AXIOMS = {
    "linearity": "I of a weighted sum of games is the weighted sum of the I",
    "symmetry": "relabelling the players relabels the values",
    "null": "I(S) = 0 if a player of S never changes a worth",
    "dummy": "null, and I(i) = v(i) - v(∅) if i always adds just that; no interactions with i",
    "efficiency": "the values of sizes 1 to k sum to v(N) - v(∅)",
    "joint-null": "I(S) = 0 if v(T ∪ S) = v(T) for all T outside S",
    "recursion": "I(S ∪ i) = I(S) of the game with i present less I(S) of that without i",
    "2-efficiency": "merging players i and j gives a player with the value I(i) + I(j)",
    "self-duality": "I(S) of the dual game is (-1)^(s+1) I(S)",
    "reduced-partnership": "I(P) of a partnership P is the value of P merged to one player",
    "partnership-allocation": "I(P) of a partnership P is the sum of its members' values",
    "merged-player": "I(S) is the value of S merged to one player",
    "surrogate": "Σ_{S ∋ i} I(S) / s is the Shapley value of i",
    "interpolation": "on a game without interactions beyond order k, I(S) is Moebius's a(S)",
}
