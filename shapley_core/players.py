"""Players of a model game: each feature alone, or groups of features that join together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import is_integer, is_listed
from .errors import InputError

Groups = Mapping[str, Sequence[Any]] | Iterable[Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Players:
    """Which features each player stands for.

    Players are numbered by their first feature.

    Parameters
    ----------
    n_players : int
    names : tuple of str, or None
    of_feature : int64 (n_features,), or None
        The player of each feature; None where every feature is a player.
    """

    n_players: int
    names: tuple[str, ...] | None
    of_feature: NDArray[np.int64] | None = None

    @classmethod
    def single(cls, n_features: int, feature_names: Sequence[str] | None) -> "Players":
        """Every feature is a player."""
        names = None if feature_names is None else tuple(feature_names)
        return cls(n_features, names)

    @classmethod
    def of(
        cls, groups: Groups | None, n_features: int, feature_names: Sequence[str] | None
    ) -> "Players":
        """Read what a user gave as ``groups``.

        Parameters
        ----------
        groups : mapping of name to features, iterable of features, or None
            Features by number or, where they have names, by name. What is in no group stays a
            player of its own. Without a name a group is called by its members', ``"city + zip"``.

        Raises
        ------
        InputError
            If a feature is unknown or in two groups, a group is empty, or two players would have
            the same name.
        """
        if groups is None:
            return cls.single(n_features, feature_names)
        if not is_listed(groups):
            raise TypeError(f"groups must be a list or mapping of groups, not {groups!r}")
        given = (
            list(groups.items())
            if isinstance(groups, Mapping)
            else [(None, group) for group in groups]
        )
        known = feature_names or [f"feature {i}" for i in range(n_features)]
        group_of = np.full(n_features, -1, np.int64)
        for number, (_, group) in enumerate(given):
            if not is_listed(group):
                raise InputError(f"a group must be a list of features, not {group!r}")
            features = [_number(feature, n_features, feature_names) for feature in group]
            if not features:
                raise InputError("a group has no features; give each at least one")
            for feature in features:
                if group_of[feature] != -1:
                    raise InputError(f"{known[feature]!r} is in the groups twice; wanted once")
                group_of[feature] = number
        of_feature = np.empty(n_features, np.int64)
        members: list[list[int]] = []
        names: list[str] = []
        player_of_group: dict[int, int] = {}
        for feature, group in enumerate(group_of.tolist()):
            if group != -1 and group in player_of_group:
                player = player_of_group[group]
                members[player].append(feature)
            else:
                player = len(members)
                members.append([feature])
                names.append(known[feature])
                if group != -1:
                    player_of_group[group] = player
            of_feature[feature] = player
        for group, player in player_of_group.items():
            name = given[group][0]
            together = " + ".join(known[feature] for feature in members[player])
            names[player] = together if name is None else str(name)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"two players would be called {twice[0]!r}; name the groups otherwise")
        if len(members) == n_features:
            return cls(n_features, tuple(names))
        return cls(len(members), tuple(names), of_feature)

    @property
    def grouped(self) -> bool:
        """Whether some player is more than one feature."""
        return self.of_feature is not None

    @cached_property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """The features of each player; together all features, each once."""
        if self.of_feature is None:
            return tuple((feature,) for feature in range(self.n_players))
        members: list[list[int]] = [[] for _ in range(self.n_players)]
        for feature, player in enumerate(self.of_feature.tolist()):
            members[player].append(feature)
        return tuple(map(tuple, members))

    def having(self, features: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which players have any of some features, (..., n_features): (..., n_players)."""
        if self.of_feature is None:
            return features
        out = np.zeros((*features.shape[:-1], self.n_players), np.bool_)
        for feature, player in enumerate(self.of_feature.tolist()):
            out[..., player] |= features[..., feature]
        return out

    @cached_property
    def feature_lists(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The features of one player after the other, and where each one's begin and end."""
        lengths = [len(features) for features in self.members]
        order = [feature for features in self.members for feature in features]
        return np.array(order, np.int64), np.append(0, np.cumsum(lengths)).astype(np.int64)


def _number(feature: Any, n_features: int, feature_names: Sequence[str] | None) -> int:
    if isinstance(feature, str):
        if feature_names is None or feature not in feature_names:
            names = "features have no names" if feature_names is None else "no feature has it"
            raise InputError(f"a group names {feature!r}, but {names}; give the feature's number")
        return list(feature_names).index(feature)
    if not is_integer(feature):
        raise InputError(f"a group holds {feature!r}; wanted a feature's number or name")
    number = int(feature)
    if not 0 <= number < n_features:
        raise InputError(f"a group holds feature {number}; there are {n_features}, from 0 on")
    return number
