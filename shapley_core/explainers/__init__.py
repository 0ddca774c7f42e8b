"""Explainers: a model and its data in, an `Explanation` out."""

from .output import TreeOutputExplainer
from .tabular import TabularExplainer
from .tree import TreeExplainer

__all__ = ["TabularExplainer", "TreeExplainer", "TreeOutputExplainer"]
