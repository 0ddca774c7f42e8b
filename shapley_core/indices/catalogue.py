"""The one place that knows the names of the indices."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from ..errors import InputError, UnknownIndexError
from .built_in import SPECS
from .parametrised import WBII, WBV, BetaShapley, Semivalue
from .spec import IndexName, IndexSpec

_BY_NAME = {spec.name: spec.built_in() for spec in SPECS}
# The function of each, and how many parameters it has; None for any number.
_PARAMETRISED: dict[str, tuple[Callable[..., IndexSpec], int | None]] = {
    "WBV": (WBV, 1),
    "WBII": (WBII, 1),
    "BetaShapley": (BetaShapley, 2),
    "Semivalue": (lambda *weights: Semivalue(weights), None),
}
_CALL = re.compile(r"(\w+)\((.*)\)")


def names() -> list[str]:
    """Names of the indices without parameters."""
    return list(_BY_NAME)


def get(index: Any) -> IndexSpec:
    """The index of a name (``"SII"``, ``"WBV(0.3)"``), or the IndexSpec itself.

    The name that an IndexSpec of one's own has, ``spec.name``, leads to it; an equal text does not.

    Raises
    ------
    UnknownIndexError
        If there is none of that name, or not with these parameters.
    InputError
        If an IndexSpec of one's own has the name of a built-in index.
    """
    if isinstance(index, IndexName):
        index = index.spec
    if isinstance(index, IndexSpec):
        if not index.is_built_in and is_taken(index.name):
            raise InputError(
                f"{index.name} is the name of a built-in index, and this IndexSpec is not that "
                "one: give it a name of its own"
            )
        return index
    if not isinstance(index, str):
        raise TypeError(f"index must be a name or an IndexSpec, not {type(index).__name__}")
    if index in _BY_NAME:
        return _BY_NAME[index]
    call = _CALL.fullmatch(index.strip())
    if call and call[1] in _PARAMETRISED:
        make, count = _PARAMETRISED[call[1]]
        arguments = [part.strip() for part in call[2].split(",") if part.strip()]
        if count in (None, len(arguments)):
            return make(*arguments)
    close = get_close_matches(index.lower(), [name.lower() for name in _BY_NAME], 1, 0.6)
    hint = next((f"; did you mean {n}?" for n in _BY_NAME if close and n.lower() == close[0]), "")
    raise UnknownIndexError(
        f"unknown index {index!r}{hint}; known are {', '.join(_BY_NAME)}, and with parameters "
        "WBV(p), WBII(p), BetaShapley(alpha, beta), Semivalue(p_0, ..., p_(n-1)). An index of your "
        "own is known by its IndexSpec, not by a text: give that (a file holds the text alone)"
    )


def is_taken(name: str) -> bool:
    """Whether a name is that of a built-in index, whatever its parameters."""
    call = _CALL.fullmatch(name.strip())
    return name in _BY_NAME or (call is not None and call[1] in _PARAMETRISED)


def adds_up(name: str) -> bool:
    """Whether the values of all sizes of that index together describe the game.

    Raises
    ------
    UnknownIndexError
        If the name tells of no index, so that nobody knows.
    """
    return get(name).adds_up


def check_shared(name: str) -> None:
    """Refuse to share values out among players where each is that of a coalition as a whole."""
    spec = get(name)
    if spec.family == "generalised" and not spec.adds_up:
        raise InputError(
            f"{spec.name} values a coalition as a whole, which cannot be shared out among its "
            "members. Use values beside interactions"
        )
