"""Tree models: one form for all libraries, and the readers that produce it."""

from .ensemble import TreeEnsemble
from .readers import read_model
from .tree import Tree

__all__ = ["Tree", "TreeEnsemble", "read_model"]
