"""Estimators: values of games too large to tabulate, from some of their worths.

``names()`` lists them, ``get(name)`` is the class; each is also here by its own name.
"""

from . import stopping
from .api import estimate, estimate_batch
from .auto import Auto
from .base import Design, Estimates, Estimator, Task
from .batch import BatchEstimates
from .fourier import FourierRegression
from .gaussian import GaussianProcess
from .joint import JointSampling
from .kernel_shap_iq import KernelSHAPIQ
from .owen import Owen
from .permutation import Permutation
from .proxy import TreeProxy
from .registry import get, names, register
from .regression import KernelRegression
from .reuse import SampleReuse
from .stratified import SVARM
from .symmetric import SymmetricProcess

__all__ = [
    "SVARM",
    "Auto",
    "BatchEstimates",
    "Design",
    "Estimates",
    "Estimator",
    "FourierRegression",
    "GaussianProcess",
    "JointSampling",
    "KernelRegression",
    "KernelSHAPIQ",
    "Owen",
    "Permutation",
    "SampleReuse",
    "SymmetricProcess",
    "Task",
    "TreeProxy",
    "estimate",
    "estimate_batch",
    "get",
    "names",
    "register",
    "stopping",
]
