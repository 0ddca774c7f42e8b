"""Groups of features as players."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


class Players:
    """Who plays: features, or groups of them, ordered by their first feature.

    Parameters
    ----------
    groups : mapping of name to features, or list of lists of features; None
        Features by number or name. Those in no group are players by themselves.
    n_features : int
    feature_names : tuple of str, or None

    Attributes
    ----------
    names : tuple of str, or None
    members : list of int arrays
    player_of : int64 (n_features,)
    """

    def __init__(self, groups: Any, n_features: int, feature_names: tuple[str, ...] | None) -> None:
        self.grouped = groups is not None
        labels = feature_names or tuple(f"feature {i}" for i in range(n_features))
        named: list[tuple[str | None, Any]]
        if groups is None:
            named = []
        elif isinstance(groups, Mapping):
            named = [(str(name), members) for name, members in groups.items()]
        elif isinstance(groups, list | tuple):
            named = [(None, members) for members in groups]
        else:
            raise TypeError(
                "groups must be a dict of name to features or a list of lists of features, not "
                f"{type(groups).__name__}"
            )
        owner = np.full(n_features, -1, np.int64)
        sets: list[tuple[str, NDArray[np.int64]]] = []
        for name, given in named:
            if isinstance(given, str) or not hasattr(given, "__iter__"):
                given = [given]
            members = np.array([_position(one, labels, feature_names) for one in given], np.int64)
            shown = name or " + ".join(labels[i] for i in members)
            if not len(members):
                raise InputError(f"group {shown!r} has no features")
            for feature in members.tolist():
                if owner[feature] >= 0:
                    raise InputError(f"feature {labels[feature]!r} is in two groups")
                owner[feature] = len(sets)
            sets.append((shown, np.sort(members)))
        for feature in np.flatnonzero(owner < 0).tolist():
            sets.append((labels[feature], np.array([feature])))
        sets.sort(key=lambda one: int(one[1][0]))
        self.members = [members for _, members in sets]
        names = tuple(name for name, _ in sets)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"two players are named {twice!r}; name the group otherwise")
        self.names = names if self.grouped else feature_names
        self.player_of = np.empty(n_features, np.int64)
        for player, members in enumerate(self.members):
            self.player_of[members] = player

    def __len__(self) -> int:
        return len(self.members)

    def features(self, coalitions: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Features that are present, bool (m, n_features), from players that are."""
        return coalitions[:, self.player_of] if self.grouped else coalitions


def _position(given: Any, labels: tuple[str, ...], names: tuple[str, ...] | None) -> int:
    if isinstance(given, str):
        if names is None or given not in names:
            raise InputError(f"groups name {given!r}, which is no column of the background")
        return names.index(given)
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        raise TypeError(f"groups hold features by number or name, not {given!r}")
    if not 0 <= int(given) < len(labels):
        raise InputError(f"groups name feature {given}; there are {len(labels)}")
    return int(given)
