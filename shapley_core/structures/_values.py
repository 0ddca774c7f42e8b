"""The structured values as they are given back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..coalitions import InteractionSet
from ..errors import InputError
from ..game import Game
from ..result import InteractionValues


def player_values(
    values: NDArray[Any], game: Game, index: str, baseline: float, n_evaluations: int
) -> InteractionValues:
    """One value a player, as a result."""
    check_overflow(values)
    return InteractionValues(
        values,
        InteractionSet.complete(game.n_players, 1),
        index=index,
        order=1,
        n_players=game.n_players,
        baseline=baseline,
        player_names=game.player_names,
        n_evaluations=n_evaluations,
    )


def check_overflow(numbers: Any) -> None:
    """Refuse numbers that are infinite or NaN, as finite worths give them only by overflow."""
    if not np.isfinite(numbers).all():
        raise InputError(
            "the worths are so large that their differences overflow float64: divide them all by "
            "one number"
        )
