"""Shapley values and interactions: exact where exact is possible, fast everywhere."""

__version__ = "0.1.0"
