"""Games as the structured values take them, and the values as they are given back."""

from typing import Any

from numpy.typing import NDArray

from ..coalitions import InteractionSet
from ..game import CallableGame, Game, TableGame
from ..result import InteractionValues


def checked_game(game: Any) -> TableGame | CallableGame:
    """The game with its worths checked as they come; a TypeError if it is none."""
    if isinstance(game, TableGame | CallableGame):
        return game
    if not isinstance(game, Game):
        raise TypeError(
            f"a game is wanted (TableGame, CallableGame, one of shapley_core.games, ...), not "
            f"{type(game).__name__}"
        )
    return CallableGame(game, game.n_players, game.player_names)


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
