"""The estimators that fit a model to the worths, and the one that chooses, against the contract."""

import pytest

from shapley_core.estimators import (
    Auto,
    FourierRegression,
    GaussianProcess,
    SymmetricProcess,
    TreeProxy,
)

from .contracts import EstimatorContract, PosteriorContract


class TestGaussianProcess(PosteriorContract):
    cases = (("SV", 1), ("SII", 2))
    unsupported = ("JointSV", 2)
    shares = True

    @staticmethod
    def make():
        return GaussianProcess()


class TestSymmetricProcess(PosteriorContract):
    cases = (("SV", 1), ("SII", 2))
    unsupported = ("JointSV", 2)
    shares = True

    @staticmethod
    def make():
        return SymmetricProcess()


class TestFourierRegression(PosteriorContract):
    cases = (("SV", 1), ("SII", 2))
    unsupported = ("JointSV", 2)

    @staticmethod
    def make():
        return FourierRegression()


class TestAuto(PosteriorContract):
    # What it hands to a normal process, and what it does not.
    cases = (("SV", 1), ("k-SII", 2), ("JointSV", 2))
    unsupported = ("SV", 2)
    n_seeds = 1

    @staticmethod
    def make():
        return Auto()


class TestTreeProxy(EstimatorContract):
    cases = (("SV", 1), ("k-SII", 2))
    unsupported = ("SII", 3)
    exact_on_additive = False
    exact_on_null = False
    n_seeds = 3

    @staticmethod
    def make():
        pytest.importorskip("lightgbm")
        return TreeProxy(n_trees=10, n_folds=3)
