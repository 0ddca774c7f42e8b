"""Estimators: values of games too large to tabulate, from some of their worths.

``names()`` lists them, ``get(name)`` is the class; each is also here by its own name.
"""

from . import stopping
from .api import estimate, estimate_batch
from .auto import Auto
from .base import Design, Estimates, Estimator, Task
from .batch import BatchEstimates
from .registry import get, names, register
from .fourier import FourierRegression
from .gaussian import GaussianProcess
from .regression import KernelRegression

__all__ = [
    "Auto",
    "BatchEstimates",
    "Design",
    "Estimates",
    "Estimator",
    "FourierRegression",
    "GaussianProcess",
    "KernelRegression",
    "Task",
    "estimate",
    "estimate_batch",
    "get",
    "names",
    "register",
    "stopping",
]
