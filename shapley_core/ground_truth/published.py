"""Published examples: small games and power indices, as ``published.json`` gives them.

In the file player 1 is bit 0, and fractions are strings, so that nothing is lost.
"""

import json
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..game import Game, TableGame, as_table
from ..games import Airport, Glove, WeightedVoting
from ..result import InteractionValues
from .released import released_bytes

FILE = Path(__file__).parent / "published.json"
# Of the file; what changes the one changes the other.
SHA256 = "005a2d8cbdbc4577349e2cca237e93dbe5d7aa7426e3599f41ecb42d69193be8"
PREFIX = "published/"

# Players of games that are given as tables, as the stored ones are.
_TABLE_PLAYERS = 16

# What the file says of voting games beside indices of interactions.
_POWER = {"weights", "SSI", "SSI_exact", "swings", "banzhaf_absolute", "banzhaf_normalized"}


@cache
def _entries() -> dict[str, dict[str, Any]]:
    content = released_bytes(FILE, SHA256, "the published games", "install the package again")
    games = json.loads(content)["games"]
    return {PREFIX + game["name"]: game for game in games}


def names() -> list[str]:
    """Names of the published games."""
    return list(_entries())


def entry(name: str) -> dict[str, Any]:
    """What the file says of a game."""
    return _entries()[name]


def description(entry: dict[str, Any]) -> str:
    """What the file says of a game; of a voting game without a name for it, its form."""
    if entry["description"]:
        return str(entry["description"])
    form = entry["game"]
    return f"weighted voting of {entry['n']} players, quota {form['quota']}"


def game(entry: dict[str, Any]) -> Game:
    """The game: its table, or with many players the form that it is given in."""
    if "values_bitmask" in entry:
        return TableGame([float(Fraction(worth)) for worth in entry["values_bitmask"]])
    form = _form(entry)
    return as_table(form) if form.n_players <= _TABLE_PLAYERS else form


def _form(entry: dict[str, Any]) -> Game:
    form = entry["game"]
    if form["type"] == "weighted_voting":
        return WeightedVoting(form["weights"], form["quota"])
    if form["type"] == "airport":
        return Airport(form["costs"])
    if form["type"] == "glove":
        return Glove(form["left"], form["right"])
    raise InputError(f"{FILE} has a game of type {form['type']!r}, which is not known here")


def stored_values(entry: dict[str, Any]) -> dict[tuple[str, int], InteractionValues]:
    """The values in fractions that the file gives for all interactions up to an order."""
    n = entry["n"]
    computed = entry["computed"]
    by_key: dict[tuple[str, int], dict[tuple[int, ...], Fraction]] = {}
    for key, given in computed.items():
        if key in _POWER or key == "SV_each":
            continue
        values = _by_interaction(given)
        name, _, order = key.partition("_k")
        at = {"kSII": "k-SII"}.get(name, name), int(order or max(map(len, values)))
        by_key[at] = values
    if "SV_each" in computed:
        by_key["SV", 1] = {(i,): Fraction(computed["SV_each"]) for i in range(n)}
    if "SSI" in computed:
        by_key["SV", 1] = _per_player(entry, computed["SSI"])
    if "swings" in computed:
        # A swing is a coalition of the others that the player turns from losing to winning.
        swings = _per_player(entry, computed["swings"])
        by_key["BV", 1] = {one: value / 2 ** (n - 1) for one, value in swings.items()}
    return {
        (index, order): InteractionValues(
            [float(value) for one, value in values.items() if one],
            [one for one in values if one],
            index=index,
            order=order,
            n_players=n,
            # Only the interactions are compared; the constant term counts where it is given.
            baseline=float(values.get((), 0)),
        )
        for (index, order), values in by_key.items()
    }


def _by_interaction(given: Any) -> dict[tuple[int, ...], Fraction]:
    if isinstance(given, list):
        return {(i,): Fraction(value) for i, value in enumerate(given)}
    return {
        tuple(int(player) - 1 for player in key.split(",") if player): Fraction(value)
        for key, value in given.items()
    }


def _per_player(entry: dict[str, Any], values: list[Any]) -> dict[tuple[int, ...], Fraction]:
    """Values of every player, of values given one for each different weight or each player."""
    weights = entry["game"]["weights"]
    if len(values) != len(weights):
        groups = entry["computed"]["weights"]
        values = [values[groups.index(weight)] for weight in weights]
    return {(i,): Fraction(value) for i, value in enumerate(values)}
