"""Estimators: values of games too large to tabulate, from some of their worths.

``names()`` lists them, ``get(name)`` is the class; each is also here by its own name.
"""

from . import stopping
from .api import estimate, estimate_batch
from .base import Design, Estimates, Estimator, Task
from .batch import BatchEstimates
from .registry import get, names, register
from .regression import KernelRegression

# isort: split
# Behind the others: where nothing chooses, "auto" is the first that gives the index.
from .joint import JointSampling
from .owen import Owen
from .permutation import Permutation
from .stratified import SVARM

__all__ = [
    "SVARM",
    "BatchEstimates",
    "Design",
    "Estimates",
    "Estimator",
    "JointSampling",
    "KernelRegression",
    "Owen",
    "Permutation",
    "Task",
    "estimate",
    "estimate_batch",
    "get",
    "names",
    "register",
    "stopping",
]
