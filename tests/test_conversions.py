"""From the values of an index back to the game."""

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import all_indices, worths

from shapley_core import indices
from shapley_core.conversions import to_game
from shapley_core.errors import InputError
from shapley_core.exact import exact
from shapley_core.game import TableGame
from shapley_core.result import InteractionValues

few = settings(max_examples=6, deadline=None)

INVERTIBLE = [
    name
    for name in all_indices()
    if indices.get(name).family == "derivative" and not indices.get(name).max_order
]


@pytest.mark.parametrize("name", INVERTIBLE)
@few
@given(v=worths(1, 5))
def test_values_of_full_order_give_the_game_back(name, v):
    n = len(v).bit_length() - 1
    game = TableGame(v, player_names=[f"p{i}" for i in range(n)])
    back = to_game(exact(game, name, n))
    np.testing.assert_allclose(back.values, v, atol=1e-9)
    assert back.player_names == game.player_names


def test_partial_moebius_values_are_a_game():
    r = InteractionValues(
        [2.0, -1.0], [(0, 2), (1,)], index="Moebius", order=2, n_players=3, baseline=10
    )
    np.testing.assert_array_equal(to_game(r).values, [10, 10, 9, 9, 10, 12, 9, 11])


def test_what_does_not_determine_a_game():
    game = TableGame(np.arange(8.0))
    with pytest.raises(InputError, match="all interactions up to order 3"):
        to_game(exact(game, "SII", 2))
    with pytest.raises(InputError, match="SGV cannot be turned back"):
        to_game(exact(game, "SGV", 3))
