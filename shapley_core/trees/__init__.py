"""Tree models: one form for all libraries, and the readers that produce it."""

from .ensemble import Tree, TreeEnsemble
from .readers import read_model

__all__ = ["Tree", "TreeEnsemble", "read_model"]
