"""The literal definitions, in fractions: slow, readable, and the oracle of the tests."""

from .indices import INDICES

__all__ = ["INDICES"]
