"""Owen sampling against the contract."""

from shapley_core import indices
from shapley_core.estimators import Owen

from .contracts import EstimatorContract


class TestOwen(EstimatorContract):
    cases = (("SV", 1), ("BetaShapley(2, 3)", 1), ("SII", 2), ("CHII", 2), ("STII", 2))
    unsupported = ("k-SII", 2)

    @staticmethod
    def make():
        return Owen()

    def slack(self, n_players, index, order):
        return self.make()._cost(n_players, indices.get(index), order)


class TestOwenAtNodes(TestOwen):
    cases = (("SV", 1),)

    @staticmethod
    def make():
        return Owen(gauss=True)
