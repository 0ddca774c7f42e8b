"""The structured values as they are given back."""

from typing import Any

from numpy.typing import NDArray

from ..coalitions import InteractionSet
from ..game import Game
from ..result import InteractionValues


def player_values(
    values: NDArray[Any], game: Game, index: str, baseline: float, n_evaluations: int
) -> InteractionValues:
    """One value a player, as a result."""
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
