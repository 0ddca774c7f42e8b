"""Shapley values and interactions: exact where exact is possible, fast everywhere."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import games, indices
from .conversions import to_game
from .exact import exact
from .game import CallableGame, Game, TableGame
from .result import InteractionValues

if TYPE_CHECKING:
    from . import estimators, global_views, ground_truth, imputers, trees
    from .estimators import estimate, estimate_batch
    from .explainers import TabularExplainer, TreeExplainer
    from .explanation import Explanation
    from .global_views import GlobalValues, global_values, sage
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

# Where the rest is, imported when it is first asked for: together it takes longer than numpy.
_LATER = {
    name: module
    for module, names in {
        "estimators": ("estimate", "estimate_batch"),
        "explainers": ("TabularExplainer", "TreeExplainer"),
        "explanation": ("Explanation",),
        "global_views": ("GlobalValues", "global_values", "sage"),
        "runs": ("StoredExplanation", "TableFile", "open_explanation"),
        "structures": (
            "asymmetric_shapley",
            "banzhaf_owen",
            "egalitarian_least_core",
            "least_core",
            "owen",
            "winter",
        ),
    }.items()
    for name in names
}
_PARTS = ("estimators", "global_views", "ground_truth", "imputers", "trees")


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return import_module(f".{name}", __name__)
    if name in _LATER:
        found = getattr(import_module(f".{_LATER[name]}", __name__), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_PARTS})


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
    "global_views",
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
