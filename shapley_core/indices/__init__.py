"""The indices: ``get(name)`` is one, ``names()`` lists them; parametrised ones are functions.

An index is described once, by an ``IndexSpec``; ``tables`` derives every weight from it.
"""

from .catalogue import adds_up, check_shared, get, names
from .parametrised import WBII, WBV, BetaShapley, Semivalue
from .probabilistic import ProbabilisticValue
from .spec import AXIOMS, BetaLaw, IndexName, IndexSpec, PointLaw, StructureName
from .tables import (
    coalition_weights,
    cube_weights,
    derivative_weights,
    fold_weights,
    fourier_weights,
    moebius_weights,
    quadrature,
    same_index,
    size_weights,
)

__all__ = [
    "AXIOMS",
    "WBII",
    "WBV",
    "BetaLaw",
    "BetaShapley",
    "IndexName",
    "IndexSpec",
    "PointLaw",
    "ProbabilisticValue",
    "Semivalue",
    "StructureName",
    "adds_up",
    "check_shared",
    "coalition_weights",
    "cube_weights",
    "derivative_weights",
    "fold_weights",
    "fourier_weights",
    "get",
    "moebius_weights",
    "names",
    "quadrature",
    "same_index",
    "size_weights",
]
