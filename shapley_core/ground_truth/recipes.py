"""All recipes, by the name of their game."""

from functools import cache

from .kinds import (
    clusters,
    data_valuation,
    ensemble_selection,
    environments,
    feature_selection,
    global_importance,
    group_valuation,
    image_patches,
    local_explanation,
    sentences,
    total_correlation,
    uncertainty,
)
from .kinds.recipe import Recipe

MODULES = (
    local_explanation,
    global_importance,
    feature_selection,
    ensemble_selection,
    data_valuation,
    group_valuation,
    uncertainty,
    clusters,
    total_correlation,
    image_patches,
    sentences,
    environments,
)


@cache
def recipes() -> dict[str, Recipe]:
    """From the name of each stored game to its recipe."""
    return {recipe.name: recipe for module in MODULES for recipe in module.RECIPES}


def module_of(name: str) -> str:
    """The module that holds the recipe of a game."""
    for module in MODULES:
        if any(recipe.name == name for recipe in module.RECIPES):
            return module.__name__
    raise KeyError(name)
