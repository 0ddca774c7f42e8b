"""Every value of ``published.json``, published or computed in fractions, by every route.

The routes share nothing but the games: the engine for tables, the closed forms, and where a
source prints a number, that number. Nothing is left out silently: each key of the file belongs to
a route below, and the last test counts what they met.
"""

import json
from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from shapley_core.exact import exact
from shapley_core.game import TableGame, as_table
from shapley_core.games import Airport, Glove, WeightedVoting
from shapley_core.ground_truth.published import FILE as PATH

FILE = json.loads(PATH.read_text("utf-8"))
GAMES = {game["name"]: game for game in FILE["games"]}
CLOSE = 1e-12

# What a game of the file holds; a key that is not here fails the test.
TEXT = {"name", "n", "description", "source", "check"}
PARTS = {"game", "values_bitmask", "published", "computed"}

# Keys of values that are not "<index>" or "<index>_k<order>".
POWER = {"SSI", "SSI_exact", "swings", "banzhaf_absolute", "banzhaf_normalized"}
OF_GROUPS = {"weights"}  # which weight each value of a voting game belongs to
SPECIAL = {"SV_each"}
PROSE = {("shoe_100", "published", "SV"): "0.5 each"}


def number(given):
    """What is given as a fraction is one; what is given as a decimal stays a float."""
    return Fraction(given) if isinstance(given, str) else given


def tolerance(given):
    """Half a unit of the last digit of a number that its source prints rounded."""
    digits = len(repr(given).partition(".")[2]) if isinstance(given, float) else 0
    return 0.5 * 10.0**-digits if 5 <= digits <= 8 else CLOSE


def players(key):
    return tuple(int(player) - 1 for player in key.split(",")) if key else ()


def index_and_order(key, values):
    """("FSII", 2) of "FSII_k2"; without an order, the largest interaction listed."""
    name, _, order = key.partition("_k")
    if not order:
        order = max(len(one) for one in by_interaction(values))
    return {"kSII": "k-SII"}.get(name, name), int(order)


def by_interaction(values):
    if isinstance(values, dict):
        return {players(key): value for key, value in values.items()}
    return {(player,): value for player, value in enumerate(values)}


@cache
def table_of(name):
    return TableGame([float(Fraction(worth)) for worth in GAMES[name]["values_bitmask"]])


@cache
def closed_form(name):
    form = GAMES[name]["game"]
    if form["type"] == "weighted_voting":
        return WeightedVoting(form["weights"], form["quota"])
    if form["type"] == "airport":
        return Airport(form["costs"])
    if form["type"] == "glove":
        return Glove(form["left"], form["right"])
    raise AssertionError(f"no game of type {form['type']}")


def entries(kind):
    """(game, published or computed, key) of one kind of entry: "index", "power" or "special"."""
    found = []
    for name, game in GAMES.items():
        for part in ("published", "computed"):
            for key in game.get(part, {}):
                if key in OF_GROUPS or (name, part, key) in PROSE:
                    continue
                own = "power" if key in POWER else "special" if key in SPECIAL else "index"
                if own == kind:
                    found.append((name, part, key))
    return found


@pytest.mark.parametrize(("name", "part", "key"), entries("index"))
def test_index_values(name, part, key):
    values = GAMES[name][part][key]
    index, order = index_and_order(key, values)
    expected = by_interaction(values)
    found = exact(table_of(name), index, order)
    for one, value in expected.items():
        assert found[one] == pytest.approx(float(number(value)), abs=tolerance(value)), one
    if part == "computed":
        # Nothing beyond what is listed, up to the order.
        listed = {one for one in expected if one}
        assert listed == set(found.interactions)
    if "game" in GAMES[name]:
        fractions = closed_form(name).exact_fractions(index, order)
        for one, value in expected.items():
            exact_value = number(value)
            if isinstance(exact_value, float):
                assert float(fractions[one]) == pytest.approx(exact_value, abs=tolerance(value))
            else:
                assert fractions[one] == exact_value, one


@pytest.mark.parametrize("name", [name for name, game in GAMES.items() if "values_bitmask" in game])
def test_tables_are_the_games_that_they_are_said_to_be(name):
    table = table_of(name)
    assert table.n_players == GAMES[name]["n"]
    if "game" in GAMES[name]:
        np.testing.assert_array_equal(as_table(closed_form(name)).values, table.values)


def per_player(name, values):
    """Values of every player from values of each weight, or of the first players of each weight."""
    weights = GAMES[name]["game"]["weights"]
    if len(values) == len(weights):
        return dict(enumerate(values))
    groups = GAMES[name]["computed"]["weights"]
    assert len(values) == len(groups), "one value for each different weight"
    assert groups == sorted(set(weights), reverse=True)
    return {i: values[groups.index(weight)] for i, weight in enumerate(weights)}


@pytest.mark.parametrize(("name", "part", "key"), entries("power"))
def test_power_indices(name, part, key):
    game = closed_form(name)
    n = game.n_players
    power = game.exact_fractions("SV" if key.startswith("SSI") else "BV")
    power.pop(())
    if key == "swings":
        power = {one: value * 2 ** (n - 1) for one, value in power.items()}
    elif key == "banzhaf_normalized":
        total = sum(power.values())
        power = {one: value / total for one, value in power.items()}
    for i, value in per_player(name, GAMES[name][part][key]).items():
        if isinstance(value, float):
            assert float(power[i,]) == pytest.approx(value, rel=CLOSE, abs=CLOSE)
        else:
            assert power[i,] == number(value)
    if key == "SSI":
        assert sum(power.values()) == 1
        np.testing.assert_array_equal(game.exact("SV").values, [float(power[i,]) for i in range(n)])


@pytest.mark.parametrize(("name", "part", "key"), entries("special"))
def test_shoe_game(name, part, key):
    values = closed_form(name).exact_fractions("SV")
    share = Fraction(GAMES[name][part][key])
    assert {value for one, value in values.items() if one} == {share}
    assert PROSE[name, "published", "SV"] == f"{float(share)} each"


@pytest.mark.parametrize("name", [n for n, g in GAMES.items() if "game" in g and g["n"] <= 12])
def test_closed_forms_agree_with_the_table_on_pairs(name):
    game = closed_form(name)
    order = min(2, game.n_players)
    for index in ("SII", "BII", "FSII", "JointSV"):
        found = exact(game, index, order)
        np.testing.assert_allclose(game.exact(index, order).values, found.values, atol=CLOSE)


def test_nothing_is_left_out():
    for name, game in GAMES.items():
        assert set(game) <= TEXT | PARTS, name
        assert "values_bitmask" in game or "game" in game, name
    met = entries("index") + entries("power") + entries("special")
    held = {
        (name, part, key)
        for name, game in GAMES.items()
        for part in ("published", "computed")
        for key in game.get(part, {})
        if key not in OF_GROUPS
    }
    assert set(met) | set(PROSE) == held
    assert len(met) == len(set(met))
    # Every index value belongs to an index, every table has all its computed indices.
    standard = Counter(key for _, part, key in entries("index") if part == "computed")
    assert len(standard) == 21
    listed = sum(
        len(GAMES[name][part][key]) for name, part, key in entries("index") + entries("power")
    )
    # Games, entries, values: a file that grows must grow here too. 13 games have a table, with
    # 12 * 21 + 16 computed entries (two players have no order 3) and 17 published ones; 7 voting
    # games have 5 * 7 computed and 4 published; the shoe game has one.
    assert len(GAMES) == 21
    assert len(met) == 12 * 21 + 16 + 17 + 5 * 7 + 4 + 1
    assert listed == 2437


def test_the_file_numbers_players_from_bit_0():
    """The convention itself, on a game without symmetry: the worth of {2, 4} of an airport."""
    worths = GAMES["airport_8_11_13_18"]["values_bitmask"]
    for size in range(5):
        for one in combinations(range(4), size):
            cost = max(([8, 11, 13, 18][i] for i in one), default=0)
            assert Fraction(worths[sum(1 << i for i in one)]) == cost
