"""Every estimator inherits the contract, and its games are what they claim to be."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from shapley_core import CallableGame, estimators, exact

from .contracts import EstimatorContract
from .games import Cubic


def heirs(contract):
    for one in contract.__subclasses__():
        yield one
        yield from heirs(one)


def test_every_estimator_inherits_the_contract():
    for path in Path(__file__).parent.glob("test_*.py"):
        import_module(f"{__package__}.{path.stem}")
    made = {type(one.make()).__name__ for one in heirs(EstimatorContract) if "make" in vars(one)}
    assert made == set(estimators.names())


@pytest.mark.parametrize(
    "case", [("SV", 1), ("SII", 2), ("k-SII", 2), ("BV", 1), ("JointSV", 2), ("SGV", 2)]
)
def test_the_truth_for_many_players(case):
    game = Cubic(7)
    truth = exact(CallableGame(game, 7), *case).values
    np.testing.assert_allclose(game.exact(*case), truth, rtol=0, atol=1e-12)
