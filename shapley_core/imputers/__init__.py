"""How absent features are filled in: each imputer defines a game of its own."""

from .base import Imputer
from .gaussian import ConditionalMean, Gaussian
from .marginal import Baseline, Marginal
from .nearest import Nearest

__all__ = ["Baseline", "ConditionalMean", "Gaussian", "Imputer", "Marginal", "Nearest", "get"]

NAMES = {
    "baseline": Baseline,
    "marginal": Marginal,
    "gaussian": Gaussian,
    "conditional-mean": ConditionalMean,
    "nearest": Nearest,
}


def get(imputer: "str | Imputer") -> Imputer:
    """An imputer by its name, with its default parameters, or itself."""
    from ..errors import InputError

    if isinstance(imputer, Imputer):
        return imputer
    if not isinstance(imputer, str) or imputer not in NAMES:
        raise InputError(
            f"imputer must be one of {', '.join(map(repr, NAMES))} or an object of "
            f"shapley_core.imputers; got {imputer!r}"
        )
    made: Imputer = NAMES[imputer]()
    return made
