"""Games whose values are known: to test an estimator, an index or an engine against.

Stored tables of worths of real machine-learning games, and published examples, both by name;
games of any size with values in closed form are in ``shapley_core.games``.
"""

from .library import GroundTruth, describe, load, names
from .released import GroundTruthError

__all__ = ["GroundTruth", "GroundTruthError", "describe", "load", "names"]
