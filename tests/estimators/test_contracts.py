"""The games of the contract are what they claim to be."""

import numpy as np
import pytest

from shapley_core import CallableGame, exact

from .games import Cubic


@pytest.mark.parametrize(
    "case", [("SV", 1), ("SII", 2), ("k-SII", 2), ("BV", 1), ("JointSV", 2), ("SGV", 2)]
)
def test_the_truth_for_many_players(case):
    game = Cubic(7)
    truth = exact(CallableGame(game, 7), *case).values
    np.testing.assert_allclose(game.exact(*case), truth, rtol=0, atol=1e-12)
