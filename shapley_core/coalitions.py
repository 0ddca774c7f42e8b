"""Coalitions and interactions: bool matrices, packed words, positions, enumeration, ranks.

A coalition is a row of a bool matrix of shape (m, n_players), or packed 64 players to a uint64
word: player ``i`` is bit ``i % 64`` of word ``i // 64``. With one word the coalition is also the
position of its worth in the table of a game. An interaction is a sorted tuple of players.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, islice, pairwise
from math import comb
from operator import index as as_int
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .arrays import check_integer, is_listed
from .errors import InputError

Interaction = tuple[int, ...]

WORD = 64


def as_matrix(coalitions: Any, n_players: int) -> NDArray[np.bool_]:
    """Coalitions as a bool matrix of shape (m, n_players), or an InputError saying why not.

    Integers and floats are accepted when every entry is 0 or 1.
    """
    wanted = (
        f"coalitions must be a bool matrix of shape (m, {n_players}), one row a coalition and one "
        "column a player"
    )
    try:
        matrix = np.asarray(coalitions)
    except ValueError:
        raise InputError(f"{wanted}; got rows of different lengths") from None
    if matrix.ndim != 2 or matrix.shape[1] != n_players:
        raise InputError(f"{wanted}; got shape {matrix.shape}")
    if matrix.dtype == np.bool_:
        return matrix
    if matrix.dtype.kind not in "iuf" or not np.isin(matrix, (0, 1)).all():
        raise InputError(
            f"coalitions must be bool (or only 0 and 1); got {matrix.dtype}, e.g. "
            f"{matrix.flat[0] if matrix.size else 'nothing'!r}"
        )
    return matrix.astype(np.bool_)


def pack(coalitions: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Words of shape (m, ceil(n / 64)) from a bool matrix of shape (m, n)."""
    n_rows, n_players = coalitions.shape
    n_words = -(-n_players // WORD)
    padded = np.zeros((n_rows, n_words * 8), dtype=np.uint8)
    packed = np.packbits(coalitions, axis=1, bitorder="little")
    padded[:, : packed.shape[1]] = packed
    return padded.view("<u8").astype(np.uint64, copy=False)


def unpack(words: NDArray[np.uint64], n_players: int) -> NDArray[np.bool_]:
    """Bool matrix of shape (m, n_players) from words; the inverse of ``pack``."""
    raw = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(raw, axis=1, count=n_players, bitorder="little").view(np.bool_)


def positions(coalitions: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the worth of each coalition stands in a table: bit ``i`` is set if player i is in."""
    if coalitions.shape[1] >= WORD:
        raise InputError(
            f"a table has positions for at most {WORD - 1} players, not {coalitions.shape[1]}"
        )
    if coalitions.shape[1] == 0:
        return np.zeros(coalitions.shape[0], dtype=np.int64)
    return pack(coalitions)[:, 0].astype(np.int64)


def from_positions(at: NDArray[np.int64], n_players: int) -> NDArray[np.bool_]:
    """Coalitions at the given positions of a table; the inverse of ``positions``."""
    return unpack(np.asarray(at).astype(np.uint64)[:, None], n_players)


def all_coalitions(n_players: int, start: int = 0, stop: int | None = None) -> NDArray[np.bool_]:
    """Coalitions ``start`` to ``stop`` (by default all) of a table, in its order."""
    stop = 1 << n_players if stop is None else stop
    return from_positions(np.arange(start, stop, dtype=np.int64), n_players)


def players_of(coalition: Iterable[Any]) -> Interaction:
    """The players that are in: a sorted tuple from one row of a bool matrix."""
    return tuple(np.flatnonzero(np.asarray(coalition)).tolist())


def describe(players: Iterable[int], names: Sequence[str] | None = None) -> str:
    """A coalition for a message: ``{0, 3}``, or with names ``{age, income}``."""
    return "{" + ", ".join(str(i) if names is None else names[i] for i in players) + "}"


def check_n_players(n_players: Any) -> int:
    """A number of players as an int, or an error."""
    return check_integer(n_players, "n_players", 1)


def check_names(names: Iterable[Any] | None, n_players: int) -> tuple[str, ...] | None:
    """Player names as a tuple of ``n_players`` different strings, or None."""
    if names is None:
        return None
    if isinstance(names, str):
        raise TypeError(f"player_names must be a list of names, not one string {names!r}")
    if not is_listed(names):
        raise TypeError(f"player_names must be a list of names, not {type(names).__name__}")
    checked = tuple(str(name) for name in names)
    if len(checked) != n_players:
        raise InputError(f"player_names has {len(checked)} names for {n_players} players")
    if len(set(checked)) != n_players:
        double = next(name for name in checked if checked.count(name) > 1)
        raise InputError(f"player_names must differ from each other; {double!r} is there twice")
    return checked


def n_interactions(n_players: int, order: int, min_size: int = 1) -> int:
    """Number of interactions of ``min_size`` to ``order`` players."""
    return sum(comb(n_players, size) for size in range(min_size, order + 1))


def interactions_of_size(n_players: int, size: int) -> NDArray[np.int32]:
    """All interactions of one size, lexicographic: shape (C(n_players, size), size)."""
    count = comb(n_players, size)
    players = chain.from_iterable(combinations(range(n_players), size))
    return np.fromiter(players, np.int32, count * size).reshape(count, size)


def ranks(interactions: NDArray[np.int32], n_players: int) -> NDArray[np.int64]:
    """Lexicographic rank of each row (sorted players) among all interactions of its size."""
    size = interactions.shape[1]
    # The interactions after a given one are counted by its first player that grows.
    after = np.zeros(interactions.shape[0], dtype=np.int64)
    for column in range(size):
        table = np.array(
            [comb(n_players - 1 - player, size - column) for player in range(n_players)],
            dtype=np.int64,
        )
        after += table[interactions[:, column]]
    return comb(n_players, size) - 1 - after


def interaction_positions(interactions: NDArray[np.int32]) -> NDArray[np.int64]:
    """The position in a table of the coalition that each row of players forms."""
    if interactions.shape[1] == 0:
        return np.zeros(interactions.shape[0], dtype=np.int64)
    bits: NDArray[np.int64] = np.left_shift(np.int64(1), interactions.astype(np.int64))
    total: NDArray[np.int64] = bits.sum(axis=1)
    return total


def sizes_by_position(n_players: int) -> NDArray[np.uint8]:
    """The size of every coalition, by its position in a table."""
    sizes = np.zeros(1, dtype=np.uint8)
    for _ in range(n_players):
        sizes = np.concatenate([sizes, sizes + np.uint8(1)])
    return sizes


def positions_by_size(n_players: int, order: int) -> list[NDArray[np.int64]]:
    """Positions in a table of all interactions of sizes 0 to ``order``, each lexicographic."""
    if 8 * n_interactions(n_players, order) < 1 << n_players:
        return [
            interaction_positions(interactions_of_size(n_players, size))
            for size in range(order + 1)
        ]
    # Of two coalitions of one size, the lexicographically smaller has the larger position when
    # its bits are read backwards; so sorting those, in descending order, by size alone does it.
    backwards = np.zeros(1, dtype=np.int64)
    for player in range(n_players):
        backwards = np.concatenate([backwards, backwards | (1 << (n_players - 1 - player))])
    ordered = backwards[::-1][np.argsort(sizes_by_position(n_players)[::-1], kind="stable")]
    ends = np.cumsum([comb(n_players, size) for size in range(order + 1)])
    return np.split(ordered[: ends[-1]], ends[:-1])


class InteractionSet(Sequence[Interaction]):
    """Interactions ordered by (size, lexicographic), held as one int array a size.

    A sequence of tuples without a Python object for each; a size that is complete (all
    interactions of that size) is not even held as an array until it is asked for.

    Parameters
    ----------
    n_players : int
        Number of players.
    blocks : dict
        From each size, ascending, to its interactions, an int array of shape (m, size) of sorted
        and lexicographically ordered rows, or to None for all interactions of that size.
    """

    def __init__(self, n_players: int, blocks: dict[int, NDArray[np.int32] | None]) -> None:
        self.n_players = n_players
        self.sizes = tuple(sorted(blocks))
        self._blocks = {size: blocks[size] for size in self.sizes}
        self._starts: dict[int, int] = {}
        self._found: dict[int, dict[Interaction, int]] = {}
        self._length = 0
        for size in self.sizes:
            self._starts[size] = self._length
            self._length += self.count(size)

    @classmethod
    def complete(cls, n_players: int, order: int, min_size: int = 1) -> "InteractionSet":
        """All interactions of ``min_size`` to ``order`` players."""
        return cls(n_players, dict.fromkeys(range(min_size, order + 1)))

    @classmethod
    def from_tuples(
        cls, n_players: int, interactions: Iterable[Iterable[int]]
    ) -> tuple["InteractionSet", NDArray[np.int64]]:
        """The set of the given interactions, and which of them stands at each place of it."""
        if not is_listed(interactions):
            raise TypeError(
                f"interactions must be a list of tuples of players, not {interactions!r}"
            )
        given = []
        for members in interactions:
            try:
                given.append(tuple(sorted(as_int(player) for player in members)))
            except TypeError:
                raise TypeError(
                    f"an interaction is a tuple of players, each a whole number, not {members!r}"
                ) from None
        for one in given:
            if not one:
                raise InputError("the empty interaction is given as baseline, not as interaction")
            if one[0] < 0 or one[-1] >= n_players or len(set(one)) < len(one):
                raise InputError(
                    f"interaction {one} is not a set of players out of 0..{n_players - 1}"
                )
        order = sorted(range(len(given)), key=lambda at: (len(given[at]), given[at]))
        blocks: dict[int, NDArray[np.int32] | None] = {}
        for size in sorted({len(one) for one in given}):
            rows = [given[at] for at in order if len(given[at]) == size]
            double = next((a for a, b in pairwise(rows) if a == b), None)
            if double is not None:
                raise InputError(f"interaction {double} is given twice")
            full = len(rows) == comb(n_players, size)
            blocks[size] = None if full else np.array(rows, dtype=np.int32)
        return cls(n_players, blocks), np.array(order, dtype=np.int64)

    def count(self, size: int) -> int:
        """Number of interactions of one size."""
        if size not in self._blocks:
            return 0
        block = self._blocks[size]
        return comb(self.n_players, size) if block is None else len(block)

    def block(self, size: int) -> NDArray[np.int32]:
        """The interactions of one size, an int array of shape (m, size)."""
        if size not in self._blocks:
            return np.zeros((0, size), dtype=np.int32)
        block = self._blocks[size]
        return interactions_of_size(self.n_players, size) if block is None else block

    def slice_of(self, size: int) -> slice:
        """Where the interactions of one size stand in the whole."""
        start = self._starts.get(size, 0)
        return slice(start, start + self.count(size))

    def is_complete(self, size: int) -> bool:
        """Whether every interaction of that size is in."""
        return size in self._blocks and self._blocks[size] is None

    def position(self, interaction: Interaction) -> int:
        """Where a sorted tuple of players stands; KeyError if it is not in."""
        size = len(interaction)
        if size not in self._blocks:
            raise KeyError(interaction)
        if self._blocks[size] is None:
            row = np.array([interaction], dtype=np.int32)
            return self._starts[size] + int(ranks(row, self.n_players)[0])
        if size not in self._found:
            rows = self.block(size).tolist()
            self._found[size] = {tuple(row): at for at, row in enumerate(rows)}
        return self._starts[size] + self._found[size][interaction]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Interaction]:
        for size in self.sizes:
            if self._blocks[size] is None:
                yield from combinations(range(self.n_players), size)
            else:
                yield from map(tuple, self.block(size).tolist())

    @overload
    def __getitem__(self, at: int) -> Interaction: ...
    @overload
    def __getitem__(self, at: slice) -> list[Interaction]: ...
    def __getitem__(self, at: int | slice) -> Interaction | list[Interaction]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(self._length))]
        place = as_int(at)
        place += self._length if place < 0 else 0
        if not 0 <= place < self._length:
            raise IndexError(f"interaction {at} of {self._length}")
        for size in self.sizes:
            start = self._starts[size]
            if place < start + self.count(size):
                if self._blocks[size] is None:
                    return _unrank(place - start, self.n_players, size)
                return tuple(self.block(size)[place - start].tolist())
        raise AssertionError("unreachable: the counts sum to the length")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InteractionSet):
            return NotImplemented
        if (self.n_players, self.sizes) != (other.n_players, other.sizes):
            return False
        return all(
            (self.is_complete(size) and other.is_complete(size))
            or np.array_equal(self.block(size), other.block(size))
            for size in self.sizes
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(map(str, islice(self, 4)))
        return f"InteractionSet({shown}{', ...' if len(self) > 4 else ''}; {len(self)} in all)"


def _unrank(rank: int, n_players: int, size: int) -> Interaction:
    """The interaction of a lexicographic rank."""
    chosen: list[int] = []
    player = 0
    while len(chosen) < size:
        with_player = comb(n_players - 1 - player, size - len(chosen) - 1)
        if rank < with_player:
            chosen.append(player)
        else:
            rank -= with_player
        player += 1
    return tuple(chosen)
