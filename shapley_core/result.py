"""InteractionValues: the values of one game under one index."""

import os
from collections.abc import Iterable
from operator import index as as_int
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import arithmetic, indices
from . import coalitions as sets
from .arrays import check_integer, real_numbers, smallest
from .coalitions import Interaction, InteractionSet
from .dense import checked_order, dense_array
from .errors import InputError
from .result_file import read_values, write_values


class InteractionValues:
    """Values of interactions of players under one index.

    ``r[0]`` is the value of player 0, ``r[0, 3]`` of the pair (in any order), ``r[()]`` the
    baseline. Names work too where the players have them. An interaction that holds no value
    here raises KeyError: nothing is assumed to be zero, unless ``absent_is_zero`` says so.

    Parameters
    ----------
    values : array of shape (m,)
        One value an interaction.
    interactions : sequence of m tuples of players, or InteractionSet
        In any order; kept sorted by (size, lexicographic).
    index : str or IndexSpec
        The index, or its name: ``spec.name`` for one of your own, which leads to it.
    order : int
        Order of the index: the largest size of an interaction.
    n_players : int
        Number of players.
    baseline : float
        Worth of the empty coalition, or the index's own constant term (Fourier, FBII).
    player_names : list of str, optional
        Names of the players.
    std_error : array of shape (m,), optional
        Standard errors of the values, as ordered as they are.
    n_evaluations : int, optional
        How often the game was evaluated.
    is_exact : bool
        Whether the values are exact (up to rounding) rather than estimated.
    absent_is_zero : bool
        Whether every interaction of up to ``order`` players that is not among ``interactions`` is
        known to be exactly 0; it then answers so.
    estimator : str, optional
        Name of the estimator that gave them.
    """

    def __init__(
        self,
        values: Any,
        interactions: InteractionSet | Iterable[Iterable[int]],
        *,
        index: str | indices.IndexSpec,
        order: int,
        n_players: int,
        baseline: float,
        player_names: Iterable[Any] | None = None,
        std_error: Any = None,
        n_evaluations: int | None = None,
        is_exact: bool = True,
        absent_is_zero: bool = False,
        estimator: str | None = None,
    ) -> None:
        self._n_players = sets.check_n_players(n_players)
        if isinstance(index, indices.IndexSpec | indices.IndexName):
            self._index = indices.get(index).name
        elif isinstance(index, str):
            named = isinstance(index, indices.StructureName)
            self._index = index if named else str(index)
        else:
            raise TypeError(f"index must be a name or an IndexSpec, not {type(index).__name__}")
        self._order = check_integer(order, "order", 1)
        if isinstance(baseline, str | bytes):
            raise TypeError(f"baseline must be a number, not {baseline!r}")
        self._baseline = float(baseline)
        self._player_names = sets.check_names(player_names, self._n_players)
        self._n_evaluations = (
            None if n_evaluations is None else check_integer(n_evaluations, "n_evaluations", 0)
        )
        self._is_exact = bool(is_exact)
        self._absent_is_zero = bool(absent_is_zero)
        self._estimator = None if estimator is None else str(estimator)
        at: NDArray[np.int64] | None = None
        if isinstance(interactions, InteractionSet):
            self._set = interactions
        else:
            self._set, at = InteractionSet.from_tuples(self._n_players, interactions)
        if self._set.n_players != self._n_players:
            raise InputError(f"interactions of {self._set.n_players} players, not {n_players}")
        if self._set.sizes and self._set.sizes[-1] > self._order:
            raise InputError(
                f"an interaction of {self._set.sizes[-1]} players is beyond the order {order}"
            )
        self._values = self._arranged(values, at, "values")
        self._std_error = None if std_error is None else self._arranged(std_error, at, "std_error")

    def _arranged(self, given: Any, at: NDArray[np.int64] | None, what: str) -> NDArray[np.float64]:
        array = np.array(real_numbers(given, what), ndmin=1)
        if array.shape != (len(self._set),):
            raise InputError(
                f"{what} must have one number for each of the {len(self._set)} interactions; got "
                f"shape {array.shape}"
            )
        array = array if at is None else array[at]
        array.flags.writeable = False
        return array

    @property
    def values(self) -> NDArray[np.float64]:
        """Values, shape (m,), beside ``interactions``; read-only."""
        return self._values

    @property
    def interactions(self) -> list[Interaction]:
        """Sorted tuples of players, ordered by (size, lexicographic)."""
        return list(self._set)

    @property
    def interaction_set(self) -> InteractionSet:
        """The same interactions, compact: for many of them."""
        return self._set

    @property
    def index(self) -> str:
        """Name of the index."""
        return self._index

    @property
    def order(self) -> int:
        """Order of the index."""
        return self._order

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self._n_players

    @property
    def baseline(self) -> float:
        """Worth of the empty coalition, or the index's own constant term (Fourier, FBII)."""
        return self._baseline

    @property
    def player_names(self) -> tuple[str, ...] | None:
        """Names of the players, if they have any."""
        return self._player_names

    @property
    def std_error(self) -> NDArray[np.float64] | None:
        """Standard errors beside ``values``, or None."""
        return self._std_error

    @property
    def n_evaluations(self) -> int | None:
        """How often the game was evaluated, if known."""
        return self._n_evaluations

    @property
    def is_exact(self) -> bool:
        """Whether the values are exact (up to rounding) rather than estimated."""
        return self._is_exact

    @property
    def absent_is_zero(self) -> bool:
        """Whether interactions that are not among ``interactions`` are known to be 0."""
        return self._absent_is_zero

    @property
    def estimator(self) -> str | None:
        """Name of the estimator that gave the values: what "auto" chose."""
        return self._estimator

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, players: Any) -> float:
        interaction = self._interaction(players)
        if not interaction:
            return self._baseline
        try:
            return float(self._values[self._set.position(interaction)])
        except KeyError:
            if self._absent_is_zero and len(interaction) <= self._order:
                return 0.0
            raise KeyError(
                f"no value for {interaction}: these are {len(self)} interactions of sizes "
                f"{', '.join(map(str, self._set.sizes))} under {self._index}"
            ) from None

    def __contains__(self, players: Any) -> bool:
        try:
            self[players]
        except KeyError:
            return False
        return True

    def _interaction(self, players: Any) -> Interaction:
        members = players if isinstance(players, tuple | list | frozenset | set) else (players,)
        numbers = sorted(self._player(player) for player in members)
        if len(set(numbers)) < len(numbers):
            raise KeyError(f"a player twice in {tuple(numbers)}")
        return tuple(numbers)

    def _player(self, player: Any) -> int:
        if isinstance(player, str):
            if self._player_names is None or player not in self._player_names:
                raise KeyError(f"no player is named {player!r}")
            return self._player_names.index(player)
        try:
            number = as_int(player)
        except TypeError:
            number = None
        if number is None or isinstance(player, bool):
            raise TypeError(f"a player is a number or a name, not {player!r}")
        if not 0 <= number < self._n_players:
            raise KeyError(f"player {number} is not one of 0..{self._n_players - 1}")
        return number

    def to_array(self, order: int | None = None) -> NDArray[np.float64]:
        """Dense symmetric array of shape (n_players,) * order; what holds no value is 0.

        Order 1 is the vector of the players' values. Order 2 is a matrix whose rows sum to the
        players' values: each pair's value is halved over its two places, and the diagonal holds
        what is left. For an index whose values of all sizes together describe the game (k-SII,
        STII, FSII, FBII, JointSV, Moebius, Fourier) the values of size 1 *are* what is left, and
        stand on the diagonal as they are; for the others (SII, BII, ...), whose size 1 is the
        full value of the player, half of each of its pairs is taken off. Order 3 and above hold
        the interactions of that size alone, each divided equally over its ``order!`` places.

        Parameters
        ----------
        order : int, optional
            Number of axes; by default the order of the index.

        Raises
        ------
        InputError
            If the values are not of that order; or, above order 1, if they are generalised values
            of coalitions (SGV, BGV, CHGV), of which the players' values are no sum, or the name
            of the index tells of none.
        MemoryLimitError
            If the array would not fit.
        """
        found: NDArray[np.float64] = dense_array(
            self._values[None],
            self._set,
            self._n_players,
            checked_order(order, self._order),
            self._index,
            "Use values beside interactions",
        )[0]
        return found

    def to_dict(self) -> dict[Interaction, float]:
        """From interactions to values, without the baseline."""
        return dict(zip(self._set, self._values.tolist(), strict=True))

    def top(self, n: int = 10) -> list[tuple[Interaction, float]]:
        """The ``n`` interactions of largest absolute value, largest first, with their values.

        Of equal ones the first; NaN come last.
        """
        n = min(max(check_integer(n, "n"), 0), len(self))
        if not n:
            return []
        # The smallest are told first: there may be many millions, and to sort them takes longer.
        rank = np.where(np.isnan(self._values), np.inf, -np.abs(self._values))
        few = smallest(rank[None], n)[0]
        at = few[np.argsort(rank[few], kind="stable")]
        return [(self._set[int(i)], float(self._values[i])) for i in at]

    def to_frame(self) -> Any:
        """A pandas DataFrame: interaction, size, value, and std_error if there is one."""
        import pandas as pd

        names = self._player_names
        columns: dict[str, Any] = {
            "interaction": [
                one if names is None else tuple(names[player] for player in one)
                for one in self._set
            ],
            "size": np.concatenate(
                [np.full(self._set.count(size), size) for size in self._set.sizes]
                or [np.zeros(0, dtype=np.int64)]
            ),
            "value": self._values.copy(),
        }
        if self._std_error is not None:
            columns["std_error"] = self._std_error.copy()
        return pd.DataFrame(columns)

    def to_shapiq(self) -> Any:
        """The same as ``shapiq.InteractionValues``; shapiq must be installed."""
        import shapiq

        lookup: dict[Interaction, int] = {(): 0}
        lookup.update((one, at + 1) for at, one in enumerate(self._set))
        return shapiq.InteractionValues(
            np.concatenate([[self._baseline], self._values]),
            index=self._index,
            max_order=self._order,
            min_order=0,
            n_players=self._n_players,
            interaction_lookup=lookup,
            estimated=not self._is_exact,
            estimation_budget=self._n_evaluations,
            baseline_value=self._baseline,
        )

    def allclose(self, other: "InteractionValues", rtol: float = 1e-9, atol: float = 1e-12) -> bool:
        """Whether index, order, names and interactions agree, and values and baseline nearly do.

        Where only one has names for its players, the other's are taken to be the same.
        """
        if not isinstance(other, InteractionValues):
            raise TypeError(f"compared with {type(other).__name__}, not InteractionValues")
        return arithmetic.why_different(self, other) is None and bool(
            np.allclose(self._values, other._values, rtol=rtol, atol=atol)
            and np.isclose(self._baseline, other._baseline, rtol=rtol, atol=atol)
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InteractionValues):
            return NotImplemented
        return (
            arithmetic.why_different(self, other) is None
            and self._player_names == other._player_names
            and self._baseline == other._baseline
            and np.array_equal(self._values, other._values)
        )

    __hash__ = None  # type: ignore[assignment]
    # Numbers are players, not places: ``values`` and ``interactions`` can be gone through.
    __iter__ = None

    def __add__(self, other: Any) -> "InteractionValues":
        if not isinstance(other, InteractionValues):
            return NotImplemented
        return self._like(**arithmetic.added(self, other))

    def _like(self, **changed: Any) -> "InteractionValues":
        """Other values of the same kind."""
        kept: dict[str, Any] = {
            "values": self._values,
            "index": self._index,
            "order": self._order,
            "n_players": self._n_players,
            "baseline": self._baseline,
            "player_names": self._player_names,
            "std_error": self._std_error,
            "n_evaluations": self._n_evaluations,
            "is_exact": self._is_exact,
            "absent_is_zero": self._absent_is_zero,
            "estimator": self._estimator,
        }
        return InteractionValues(interactions=self._set, **(kept | changed))

    def __sub__(self, other: Any) -> "InteractionValues":
        difference: InteractionValues = self + -other
        return difference

    def __mul__(self, factor: Any) -> "InteractionValues":
        by = arithmetic.real_factor(factor)
        return NotImplemented if by is None else self._like(**arithmetic.scaled(self, by))

    __rmul__ = __mul__
    # Without this, numpy would multiply its arrays by these values one entry at a time.
    __array_ufunc__ = None

    def __truediv__(self, divisor: Any) -> "InteractionValues":
        by = arithmetic.real_factor(divisor)
        if by is None:
            return NotImplemented
        return self._like(**arithmetic.scaled(self, by, divide=True))

    def __neg__(self) -> "InteractionValues":
        return self * -1.0

    def __repr__(self) -> str:
        kind = "exact" if self._is_exact else "estimated"
        named = "" if self._estimator is None else f" by {self._estimator}"
        counted = "" if self._n_evaluations is None else f", {self._n_evaluations} evaluations"
        lines = [
            f"InteractionValues({self._index}, order {self._order}, {self._n_players} players, "
            f"{kind}{named}{counted}, baseline {self._baseline:g})"
        ]
        shown = self.top(10)
        labels = [sets.describe(one, self._player_names) for one, _ in shown]
        width = max(map(len, labels), default=0)
        for label, (one, value) in zip(labels, shown, strict=True):
            line = f"  {label:<{width}}  {value: .6g}"
            if self._std_error is not None:
                line += f" +- {self._std_error[self._set.position(one)]:.2g}"
            lines.append(line)
        if len(self) > len(shown):
            lines.append(f"  and {len(self) - len(shown)} smaller")
        if self._absent_is_zero and len(self) < sets.n_interactions(self._n_players, self._order):
            lines.append("  and all others 0")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a file (npz); what stood there is replaced only by the whole of the new."""
        write_values(path, self)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], index: indices.IndexSpec | None = None
    ) -> "InteractionValues":
        """Read what ``save`` wrote; ``index`` is that of the values, where it is your own.

        A file holds the name of the index, which tells no more of your own than its name.

        Raises
        ------
        InputError
            If the file is something else, damaged, or written by a later version, or its index
            is of another name.
        """
        values = read_values(path, cls)
        if index is None:
            return values
        name = indices.get(index).name
        if values._index != name:
            raise InputError(f"{os.fspath(path)} holds values of {values._index}, not of {name}")
        return values._like(index=name)
