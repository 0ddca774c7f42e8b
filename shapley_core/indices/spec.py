"""What an index is: one description, exact, from which every table of weights is derived."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, fields
from fractions import Fraction
from numbers import Rational
from typing import Any, Literal, get_args

from ..errors import InputError, UnknownIndexError

Family = Literal["derivative", "generalised"]


def _exact(value: Any, what: str) -> Fraction:
    """A weight as the Fraction it is."""
    if isinstance(value, Fraction):
        return value
    if not isinstance(value, Rational):
        raise InputError(
            f"{what} must be an int or a Fraction, not {value!r}: the sums behind the tables "
            "cancel, and floats lose their digits there; write Fraction(1, 3) for 1/3"
        )
    # Those of numpy are bounded: arithmetic with them would overflow.
    return Fraction(int(value.numerator), int(value.denominator))


@dataclass(frozen=True)
class BetaLaw:
    """The law Beta(a, b) on [0, 1], density proportional to x^(a-1) (1-x)^(b-1)."""

    a: Fraction
    b: Fraction

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            exact = _exact(getattr(self, name), f"{name} of a BetaLaw")
            if exact <= 0:
                raise InputError(f"{name} of a BetaLaw must be positive, not {exact}")
            object.__setattr__(self, name, exact)

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _exact(self.at, "the point of a PointLaw"))

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


class IndexName(str):
    """The name of an index of the user's own, which leads back to it.

    Results hold no more of their index than its name. By this one they know what they are values
    of, as they do by the name of a built-in. Pickled, it takes its index along; it arrives as a
    plain name where that cannot be pickled.
    """

    spec: "IndexSpec"

    def __new__(cls, spec: "IndexSpec") -> "IndexName":
        """Make the name of ``spec``, whatever kind of text that was."""
        name = super().__new__(cls, spec.name)
        name.spec = spec
        return name

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            pickle.dumps(self.spec)
        except InputError:
            return str, (str(self),)
        return _name_of, (self.spec,)

    def __copy__(self) -> "IndexName":
        return self

    def __deepcopy__(self, memo: Any) -> "IndexName":
        return self


def _name_of(spec: "IndexSpec") -> str:
    return spec.name


class StructureName(str):
    """The name of a value of players in a structure, unions or an order, that tells which.

    Results hold no more of their structure than this name. A plain name, as files hold it, is
    taken at its word.

    Parameters
    ----------
    name : str
        The name of the value.
    structure : bytes
        The same for the same structures, and only for these.
    """

    structure: bytes

    def __new__(cls, name: str, structure: bytes) -> "StructureName":
        """Make the name of a value in a structure."""
        made = super().__new__(cls, name)
        made.structure = structure
        return made

    def __getnewargs__(self) -> tuple[str, bytes]:  # type: ignore[override]
        return str(self), self.structure


@dataclass(frozen=True, eq=False)
class IndexSpec:
    """One index, described once; ``indices.tables`` derives all its weights from this.

    With Δ_S(T) the discrete derivative and n players, an index of the family *derivative* is
    I(S) = Σ_{T ⊆ N∖S} p_t Δ_S(T), one of the family *generalised* is
    I(S) = Σ_{T ⊆ N∖S} p_t (v(T ∪ S) - v(T)); the weights p_t depend on n, the size s of S and the
    order k. They are given in one of three ways, exactly (int or Fraction); the first that answers
    counts. An index of one's own can be pickled if its functions can: those at the top of a module.

    Parameters
    ----------
    name : str
        The name, with parameters if it has any; ``indices.get(name)`` gives the index back. The
        names of the built-in indices are taken.
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
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"name must be a text, not {self.name!r}")
        if self.family not in get_args(Family):
            raise InputError(
                f"family of {self.name} must be one of {', '.join(get_args(Family))}, not "
                f"{self.family!r}"
            )
        unknown = self.axioms - AXIOMS.keys()
        if unknown:
            raise InputError(f"unknown axioms {sorted(unknown)}; known: {', '.join(AXIOMS)}")
        if self.law is None and self.moebius is None and self.weights is None:
            raise InputError(f"index {self.name} needs a law, moebius weights or weights")
        for what in ("law", "moebius", "weights"):
            given = getattr(self, what)
            if given is not None and not callable(given):
                raise InputError(f"{what} of {self.name} must be a function, not {given!r}")
        object.__setattr__(self, "name", IndexName(self))

    def built_in(self) -> "IndexSpec":
        """Make this an index of the catalogue, which its plain name gives back; returns it."""
        object.__setattr__(self, "name", str(self.name))
        return self

    @property
    def is_built_in(self) -> bool:
        """Whether it is one of the catalogue."""
        return not isinstance(self.name, IndexName)

    def law_of(self, size: int, order: int) -> Law | None:
        """The mixing law for interactions of a size, if there is one."""
        law = None if self.law is None else self.law(size, order)
        if law is not None and not isinstance(law, Law):
            raise InputError(
                f"law({size}, {order}) of {self.name} must be a BetaLaw, a PointLaw or None, not "
                f"{law!r}"
            )
        return law

    def moebius_of(self, size: int, above: int, order: int) -> Fraction:
        """The weight of the Moebius coefficient of a superset of ``above`` players."""
        assert self.moebius is not None
        given = self.moebius(size, above, order)
        return _exact(given, f"moebius({size}, {above}, {order}) of {self.name}")

    def weights_of(self, n_players: int, size: int, order: int) -> tuple[Fraction, ...]:
        """The p_t of ``weights``, for t = 0 .. n - s."""
        what = f"weights({n_players}, {size}, {order}) of {self.name}"
        if self.weights is None:
            raise InputError(
                f"{self.name} says nothing of interactions of {size} players at order {order}: "
                "its law is None there, and it has neither moebius weights nor weights"
            )
        given = self.weights(n_players, size, order)
        wanted = n_players - size + 1
        if not isinstance(given, list | tuple) or len(given) != wanted:
            got = len(given) if isinstance(given, list | tuple) else type(given).__name__
            raise InputError(
                f"{what} must be a list of {wanted} numbers, one for each size of a coalition, "
                f"0 to n - s; got {got}"
            )
        return tuple(_exact(p, f"{what}, at {t},") for t, p in enumerate(given))

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

    def __reduce__(self) -> tuple[Any, ...]:
        from .catalogue import get

        if self.is_built_in:
            return get, (self.name,)
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        for what in ("law", "moebius", "weights"):
            try:
                pickle.dumps(given[what])
            except Exception as error:
                raise InputError(
                    f"index {self.name} cannot be pickled, for its {what} cannot ({error}): a "
                    "function at the top of a module can, a lambda cannot"
                ) from error
        return _made, (type(self), given | {"name": str(self.name)})

    def __copy__(self) -> "IndexSpec":
        return self

    def __deepcopy__(self, memo: Any) -> "IndexSpec":
        return self

    def __repr__(self) -> str:
        return f"<index {self.name}>"


def _made(cls: type[IndexSpec], given: dict[str, Any]) -> IndexSpec:
    return cls(**given)


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
