"""Shapley values and interactions: exact where exact is possible, fast everywhere."""

from . import estimators, games, ground_truth, imputers, indices, trees
from .conversions import to_game
from .estimators import estimate, estimate_batch
from .exact import exact
from .explainers import TabularExplainer, TreeExplainer
from .explanation import Explanation
from .game import CallableGame, Game, TableGame
from .global_views import GlobalValues, global_values, sage
from .result import InteractionValues
from .runs import StoredExplanation, TableFile, open_explanation
from .structures import (
    asymmetric_shapley,
    banzhaf_owen,
    egalitarian_least_core,
    least_core,
    owen,
    winter,
)

__version__ = "0.1.0"

__all__ = [
    "CallableGame",
    "Explanation",
    "Game",
    "GlobalValues",
    "InteractionValues",
    "StoredExplanation",
    "TableFile",
    "TableGame",
    "TabularExplainer",
    "TreeExplainer",
    "asymmetric_shapley",
    "banzhaf_owen",
    "egalitarian_least_core",
    "estimate",
    "estimate_batch",
    "estimators",
    "exact",
    "games",
    "global_values",
    "ground_truth",
    "imputers",
    "indices",
    "least_core",
    "open_explanation",
    "owen",
    "sage",
    "to_game",
    "trees",
    "winter",
]
