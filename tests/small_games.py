"""Exact values of small tables, and how near they must be to what is right."""

from hypothesis import settings

from shapley_core.exact import exact
from shapley_core.game import TableGame

few = settings(max_examples=6, deadline=None)
TOLERANCE = 1e-11  # on worths of at most 9, and at most 6 players


def values_of(values, name, order, **options):
    return exact(TableGame(values), name, order, **options)


def close(a, b):
    return abs(a - b) < TOLERANCE
