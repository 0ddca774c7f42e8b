"""Readers: one file a tree library, each turns its models and files into a `TreeEnsemble`."""

from .registry import read_model

__all__ = ["read_model"]
