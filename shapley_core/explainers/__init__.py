"""Explainers: a model and its data in, an `Explanation` out."""

from .tabular import TabularExplainer
from .tree import TreeExplainer

__all__ = ["TabularExplainer", "TreeExplainer"]
