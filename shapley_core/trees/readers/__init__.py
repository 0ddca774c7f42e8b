"""Readers: one file a tree library, each turns its models and files into a `TreeEnsemble`."""

from .registry import read_model, reader_of

__all__ = ["read_model", "reader_of"]
