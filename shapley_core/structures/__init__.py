"""Values of players that come in unions, in levels or in an order, and the least core."""

from .core import CoreSolution, egalitarian_least_core, least_core
from .nested import banzhaf_owen, owen, winter
from .precedence import asymmetric_shapley

__all__ = [
    "CoreSolution",
    "asymmetric_shapley",
    "banzhaf_owen",
    "egalitarian_least_core",
    "least_core",
    "owen",
    "winter",
]
