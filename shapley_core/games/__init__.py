"""Analytic games: exact values of every index at any number of players, from their form."""

from .airport import Airport
from .bankruptcy import Bankruptcy
from .base import AnalyticGame
from .symmetric import Glove, Symmetric
from .unanimity import Additive, SumOfUnanimity
from .voting import WeightedVoting

__all__ = [
    "Additive",
    "Airport",
    "AnalyticGame",
    "Bankruptcy",
    "Glove",
    "SumOfUnanimity",
    "Symmetric",
    "WeightedVoting",
]
