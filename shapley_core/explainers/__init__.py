"""Explainers: a model and its data in, an `Explanation` out."""

from .tree import TreeExplainer

__all__ = ["TreeExplainer"]
