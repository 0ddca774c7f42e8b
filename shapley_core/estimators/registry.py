"""The estimators by name."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InputError
from ..indices import IndexSpec

if TYPE_CHECKING:
    from .base import Estimator

    Class = TypeVar("Class", bound=type[Estimator])

_CLASSES: "dict[str, type[Estimator]]" = {}


def register(estimator: "Class") -> "Class":
    """Enter a class under its own name (a decorator); it must work without arguments."""
    _CLASSES[estimator.__name__] = estimator
    return estimator


def names() -> list[str]:
    """Names of the estimators."""
    return list(_CLASSES)


def get(name: str) -> "type[Estimator]":
    """The class of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of an estimator is wanted, not {type(name).__name__}")
    if name in _CLASSES:
        return _CLASSES[name]
    known = {known.lower(): known for known in _CLASSES}
    close = get_close_matches(name.lower(), known, 1, 0.6)
    hint = f"; did you mean {known[close[0]]}?" if close else ""
    raise InputError(f"unknown estimator {name!r}{hint}; known are auto, {', '.join(_CLASSES)}")


def supporting(spec: IndexSpec, order: int) -> list[str]:
    """Names of the estimators that give an index at an order."""
    return [name for name, one in _CLASSES.items() if one().supports(spec, order)]


def resolve(estimator: Any) -> "Estimator":
    """The estimator that an argument stands for: a name, an instance, or "auto"."""
    from .base import Estimator

    if isinstance(estimator, Estimator):
        return estimator
    if isinstance(estimator, type) and issubclass(estimator, Estimator):
        return estimator()
    if not isinstance(estimator, str):
        raise TypeError(
            f'estimator must be a name, an estimator or "auto", not {type(estimator).__name__}'
        )
    return get("Auto" if estimator == "auto" else estimator)()
