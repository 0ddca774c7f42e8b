"""What the values of many rows say of a model as a whole, and what features do for its loss."""

from .importance import LossGame, MaskedPredictions, sage
from .views import GlobalValues, global_values

__all__ = ["GlobalValues", "LossGame", "MaskedPredictions", "global_values", "sage"]
