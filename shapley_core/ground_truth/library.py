"""Stored games by name: what they are, their worths, their true values."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import is_one_of
from ..coalitions import InteractionSet
from ..errors import InputError
from ..exact import exact
from ..game import Game, TableGame
from ..games import AnalyticGame
from ..result import InteractionValues
from . import published
from .released import GroundTruthError, released_bytes

HERE = Path(__file__).parent
DATA = HERE / "data"
MANIFEST = HERE / "manifest.json"

# Index and order of the values that are stored beside each table.
MAIN_VALUES = (
    ("SV", 1),
    ("BV", 1),
    ("SII", 2),
    ("BII", 2),
    ("k-SII", 2),
    ("STII", 2),
    ("FSII", 2),
    ("FBII", 2),
)
# Two right engines differ by the rounding of sums of 2**16 worths, a wrong one by much more.
RELATIVE_TOLERANCE = 1e-10

Stored = Mapping[tuple[str, int], InteractionValues]


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """A game with its true values.

    Attributes
    ----------
    name : str
        What ``load`` was asked for: the kind of game, a slash, the instance.
    game : Game
        A ``TableGame``, or for published games of many players one of ``shapley_core.games``.
    description : str
        Who the players are and what a coalition is worth.
    source, licence : str
        Where the data (or the published numbers) come from, and under which terms.
    model, absent : str
        The model behind the worths, and what stands in for absent players; may be empty.
    stored : mapping from (index, order) to InteractionValues
        The values kept beside the game, which ``true`` is held against.
    checksum : str
        SHA-256 of the file that holds the table, in hexadecimal.
    made_by : str
        Module that made the table.
    versions : mapping from str to str
        Versions of the libraries that made it.
    tolerance : float
        How far worths made again may be from the stored ones, as a fraction of the largest: 0 if
        the same bits are expected wherever the versions of the libraries are the same.
    """

    name: str
    game: Game
    description: str
    source: str
    licence: str
    model: str
    absent: str
    stored: Stored
    checksum: str
    made_by: str
    versions: Mapping[str, str]
    tolerance: float

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the name alone: all that it leads to comes along with the package."""
        return load, (self.name,)

    @property
    def kind(self) -> str:
        """The kind of game: the part of the name before the slash."""
        return self.name.partition("/")[0]

    def true(self, index: Any = "SV", order: int = 1) -> InteractionValues:
        """True values of any index and order: exact, and held against those that are stored.

        Parameters
        ----------
        index : str or IndexSpec
            ``indices.names()`` lists the names.
        order : int
            Largest size of an interaction.

        Returns
        -------
        InteractionValues

        Raises
        ------
        GroundTruthError
            If the engine gives something else than what is stored: one of the two is broken.
        """
        if isinstance(self.game, AnalyticGame):
            found = self.game.exact(index, order)
        else:
            found = exact(self.game, index, order)
        kept = self.stored.get((index, order)) if isinstance(index, str) else None
        if kept is not None:
            self._compare(found, kept)
        return found

    def _compare(self, found: InteractionValues, kept: InteractionValues) -> None:
        scale = max(np.abs(kept.values).max(), np.abs(found.values).max())
        if isinstance(self.game, TableGame):
            scale = max(scale, np.abs(self.game.values).max())
        for one, value, right in zip(kept.interactions, found.values, kept.values, strict=True):
            # Written so that NaN is refused too.
            if not abs(value - right) <= RELATIVE_TOLERANCE * scale:
                raise GroundTruthError(
                    f"{self.name}: {found.index} of order {found.order} of {one} is computed as "
                    f"{value} but stored as {right}; the engine or the stored file is broken: run "
                    "the tests of the package, or install it again"
                )

    def __repr__(self) -> str:
        return f"GroundTruth({self.name!r}, {self.game.n_players} players)"


@cache
def manifest() -> dict[str, dict[str, Any]]:
    """What is known of each stored table, by its name."""
    entries: dict[str, dict[str, Any]] = json.loads(MANIFEST.read_text("utf-8"))["games"]
    return entries


def names(kind: str | None = None) -> list[str]:
    """Names of the games, sorted.

    Parameters
    ----------
    kind : str, optional
        Only those of one kind, such as "local_explanation" or "published".
    """
    everything = sorted([*manifest(), *published.names()])
    if kind is None:
        return everything
    kinds = sorted({name.partition("/")[0] for name in everything})
    if not is_one_of(kind, kinds):
        raise InputError(f"there is no kind of game {kind!r}; the kinds are {', '.join(kinds)}")
    return [name for name in everything if name.startswith(kind + "/")]


def load(name: str) -> GroundTruth:
    """The game of that name, with its true values.

    Parameters
    ----------
    name : str
        One of ``names()``.

    Raises
    ------
    InputError
        If there is no game of that name.
    GroundTruthError
        If the stored file is not, byte for byte, the one that the package was released with.
    """
    if is_one_of(name, published.names()):
        return _load_published(name)
    if not is_one_of(name, manifest()):
        near = get_close_matches(str(name), names(), n=3, cutoff=0.4) or names()
        raise InputError(f"there is no game {name!r}; names() lists all: {', '.join(near)}, ...")
    entry = manifest()[name]
    arrays = read_file(DATA / entry["file"], entry["sha256"], name)
    game = TableGame(arrays["worths"], entry["player_names"])
    stored = {
        (index, order): InteractionValues(
            arrays[field_name(index, order)],
            InteractionSet.complete(game.n_players, order),
            index=index,
            order=order,
            n_players=game.n_players,
            # FBII's constant term is not kept: only the interactions are compared.
            baseline=game.baseline,
            player_names=game.player_names,
        )
        for index, order in MAIN_VALUES
    }
    return GroundTruth(
        name=name,
        game=game,
        description=entry["description"],
        source=entry["source"],
        licence=entry["licence"],
        model=entry["model"],
        absent=entry["absent"],
        stored=MappingProxyType(stored),
        checksum=entry["sha256"],
        made_by=entry["made_by"],
        versions=MappingProxyType(entry["versions"]),
        tolerance=entry["tolerance"],
    )


def _load_published(name: str) -> GroundTruth:
    entry = published.entry(name)
    return GroundTruth(
        name=name,
        game=published.game(entry),
        description=published.description(entry),
        source=entry["source"],
        licence="facts: numbers without copyright",
        model="",
        absent="",
        stored=MappingProxyType(published.stored_values(entry)),
        checksum=published.SHA256,
        made_by="published.json",
        versions=MappingProxyType({}),
        tolerance=0.0,
    )


def read_file(path: Path, checksum: str, name: str) -> dict[str, NDArray[np.float64]]:
    """The arrays of a stored file that is what it was.

    Raises
    ------
    GroundTruthError
        If it is missing or has another checksum.
    """
    advice = (
        "install the package again, or make the game again with shapley_core.ground_truth.generate"
    )
    content = released_bytes(path, checksum, name, advice)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, zipfile.BadZipFile) as error:
        raise GroundTruthError(f"{name}: {path} is not a stored game; {advice}") from error


def field_name(index: str, order: int) -> str:
    """Where a file keeps the values of an index at an order."""
    return f"{index}_{order}"


def describe(name: str | None = None) -> str:
    """What a game is; without a name, a line about every one.

    Parameters
    ----------
    name : str, optional
        One of ``names()``.

    Returns
    -------
    str
        Text of several lines.
    """
    if name is not None:
        return _described(load(name))
    lines = [f"{len(names())} games; load(name) gives one, describe(name) says more", ""]
    for one in names():
        if one in manifest():
            n, text = manifest()[one]["n_players"], manifest()[one]["description"]
        else:
            n, text = published.entry(one)["n"], published.description(published.entry(one))
        lines.append(f"{one}  ({n} players)  {text}")
    lines += [
        "",
        "Of any size, with values in closed form, in shapley_core.games: "
        + ", ".join(sorted(cls.__name__ for cls in _analytic())),
    ]
    return "\n".join(lines)


def _analytic() -> list[type]:
    from .. import games

    return [
        value
        for value in (getattr(games, name) for name in games.__all__)
        if isinstance(value, type) and issubclass(value, AnalyticGame) and value is not AnalyticGame
    ]


def _described(truth: GroundTruth) -> str:
    rows = {
        "players": f"{truth.game.n_players}"
        + (f": {', '.join(truth.game.player_names)}" if truth.game.player_names else ""),
        "worth": truth.description,
        "model": truth.model,
        "absent": truth.absent,
        "source": truth.source,
        "licence": truth.licence,
        "stored": ", ".join(f"{index} of order {order}" for index, order in truth.stored),
        "made by": truth.made_by,
        "with": ", ".join(f"{key} {value}" for key, value in truth.versions.items()),
        "SHA-256": truth.checksum,
    }
    return "\n".join([truth.name, *(f"  {key}: {text}" for key, text in rows.items() if text)])
