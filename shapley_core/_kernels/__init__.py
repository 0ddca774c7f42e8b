"""The only door between Python and the compiled kernels.

Callers check shapes, dtypes and contiguity and allocate ``out``; kernels only fill it.
Import as ``from shapley_core._kernels import forest``.
"""
