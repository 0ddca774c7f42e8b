"""BatchEstimates: the values of many games of the same players."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ..coalitions import InteractionSet
from ..result import InteractionValues


@dataclass(frozen=True, eq=False)
class BatchEstimates:
    """Values of many games under one index, from one design: a sequence of InteractionValues.

    Attributes
    ----------
    values, std_error : float64 arrays of shape (n_games, n_interactions)
        Values beside ``interactions``, and their standard errors.
    baseline : float64 array of shape (n_games,)
        Worths of the empty coalition, or the constant terms of the index.
    interactions : InteractionSet
        Interactions of 1 to ``order`` players by (size, lexicographic).
    index, order, n_players, player_names
        As of InteractionValues.
    n_evaluations : int
        Coalitions evaluated; one evaluation serves all games.
    is_exact : bool
        Whether all coalitions were evaluated.
    estimator : str
        Name of the estimator that gave the values: what "auto" chose.
    """

    values: NDArray[np.float64]
    std_error: NDArray[np.float64]
    baseline: NDArray[np.float64]
    interactions: InteractionSet
    index: str
    order: int
    n_players: int
    n_evaluations: int
    is_exact: bool
    player_names: tuple[str, ...] | None = None
    estimator: str | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[InteractionValues]:
        return (self[game] for game in range(len(self)))

    @overload
    def __getitem__(self, game: int) -> InteractionValues: ...
    @overload
    def __getitem__(self, game: slice) -> list[InteractionValues]: ...
    def __getitem__(self, game: int | slice) -> InteractionValues | list[InteractionValues]:
        if isinstance(game, slice):
            return [self[g] for g in range(*game.indices(len(self)))]
        return InteractionValues(
            self.values[game],
            self.interactions,
            index=self.index,
            order=self.order,
            n_players=self.n_players,
            baseline=float(self.baseline[game]),
            player_names=self.player_names,
            std_error=self.std_error[game],
            n_evaluations=self.n_evaluations,
            is_exact=self.is_exact,
            estimator=self.estimator,
        )
