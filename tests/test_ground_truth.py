"""The stored games: every one loads, is what it was, and has the values that are kept with it."""

import inspect
import json
import pickle
import shutil
import subprocess
import sys
from copy import deepcopy
from functools import partial
from itertools import combinations
from math import comb, factorial

import numpy as np
import pytest

import shapley_core
from shapley_core import games, ground_truth
from shapley_core.errors import InputError
from shapley_core.exact import exact
from shapley_core.game import TableGame
from shapley_core.ground_truth import GroundTruthError, library, published
from shapley_core.result import InteractionValues

STORED = sorted(library.manifest())
PUBLISHED = published.names()
KINDS = {
    "local_explanation",
    "global_importance",
    "feature_selection",
    "ensemble_selection",
    "data_valuation",
    "group_valuation",
    "uncertainty",
    "clusters",
    "total_correlation",
    "image_patches",
    "sentences",
    "environments",
}


def members(n):
    return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)


def discrete_derivatives(worths, players):
    """(number of players in T, what the players' discrete derivative is at T) of all T without."""
    n = len(worths).bit_length() - 1
    outside = [i for i in range(n) if i not in players]
    at = members(len(outside)) @ (1 << np.array(outside, dtype=np.int64))
    total = np.zeros(len(at), dtype=np.longdouble)
    for size in range(len(players) + 1):
        for present in combinations(players, size):
            sign = (-1) ** (len(players) - size)
            total += sign * worths[at + sum(1 << i for i in present)].astype(np.longdouble)
    return members(len(outside)).sum(axis=1), total


def by_definition(index, worths, players):
    """An interaction's value from the definition, in long doubles; SV, BV, SII and BII."""
    sizes, derivatives = discrete_derivatives(worths, players)
    n, s = len(worths).bit_length() - 1, len(players)
    if index in ("BV", "BII"):
        return float(derivatives.sum() / 2 ** (n - s))
    weight = [
        factorial(t) * factorial(n - t - s) / np.longdouble(factorial(n - s + 1))
        for t in range(n - s + 1)
    ]
    return float((np.array(weight)[sizes] * derivatives).sum())


def chosen_interactions(n, order):
    """All players, and a few pairs of each game."""
    pairs = list(combinations(range(n), 2))
    return [(i,) for i in range(n)] + (pairs[:: max(1, len(pairs) // 6)] if order == 2 else [])


def test_every_kind_has_two_instances_or_more():
    by_kind = {kind: ground_truth.names(kind) for kind in KINDS}
    assert sorted(name for found in by_kind.values() for name in found) == STORED
    assert all(len(found) >= 2 for found in by_kind.values())
    assert ground_truth.names() == sorted(STORED + PUBLISHED)
    assert ground_truth.names("published") == sorted(PUBLISHED)
    assert len(PUBLISHED) == 21


def test_local_explanations_cover_models_and_imputations():
    found = {tuple(name.rsplit("_", 1)) for name in ground_truth.names("local_explanation")}
    models = {"breast_cancer_forest", "california_xgboost", "wine_network", "diabetes_neighbours"}
    for model in models:
        ways = {way for name, way in found if name == f"local_explanation/{model}"}
        assert {"baseline", "marginal"} <= ways
        assert ways & {"gaussian", "nearest"}


@pytest.mark.parametrize("name", STORED)
def test_stored_games_load_with_all_that_is_said_of_them(name):
    truth = ground_truth.load(name)
    n = truth.game.n_players
    assert 8 <= n <= 16
    assert isinstance(truth.game, TableGame)
    assert truth.game.values.dtype == np.float64
    assert truth.game.values.shape == (1 << n,)
    assert len(truth.game.player_names) == n
    # A game of one value, or where some player never matters, tests little.
    assert np.ptp(truth.game.values) > 0
    for text in (truth.description, truth.source, truth.licence, truth.model, truth.absent):
        assert text
    assert truth.kind in KINDS
    assert {"python", "numpy"} <= set(truth.versions)
    assert len(truth.checksum) == 64
    assert truth.made_by.startswith("shapley_core.ground_truth.kinds.")
    assert set(truth.stored) == set(library.MAIN_VALUES)
    for index, order in library.MAIN_VALUES:
        count = sum(comb(n, size) for size in range(1, order + 1))
        assert len(truth.true(index, order)) == count
    assert name in repr(truth)


@pytest.mark.parametrize("name", STORED)
def test_stored_values_are_those_of_the_definition(name):
    truth = ground_truth.load(name)
    worths = truth.game.values
    scale = np.abs(worths).max()
    for (index, order), kept in truth.stored.items():
        if index not in ("SV", "BV", "SII", "BII"):
            continue
        for one in chosen_interactions(truth.game.n_players, order):
            expected = by_definition(index, worths, one)
            assert kept[one] == pytest.approx(expected, rel=0, abs=1e-12 * scale)


@pytest.mark.parametrize("name", STORED)
def test_stored_values_of_the_other_indices_obey_their_axioms(name):
    truth = ground_truth.load(name)
    n, worths = truth.game.n_players, truth.game.values
    scale = 1e-11 * np.abs(worths).max()
    grand = worths[-1] - worths[0]
    for index in ("k-SII", "STII", "FSII"):
        assert truth.stored[index, 2].values.sum() == pytest.approx(grand, rel=0, abs=scale)
    assert truth.stored["SV", 1].values.sum() == pytest.approx(grand, rel=0, abs=scale)
    # STII of size 1 is what a player brings alone; k-SII shares out half of each pair's SII.
    alone = worths[1 << np.arange(n)] - worths[0]
    np.testing.assert_allclose(truth.stored["STII", 2].values[:n], alone, rtol=0, atol=scale)
    pairs = np.zeros((n, n))
    for i, j in combinations(range(n), 2):
        pairs[i, j] = pairs[j, i] = truth.stored["SII", 2][i, j]
        assert truth.stored["k-SII", 2][i, j] == pytest.approx(pairs[i, j], rel=0, abs=scale)
        assert truth.stored["FBII", 2][i, j] == pytest.approx(
            truth.stored["BII", 2][i, j], rel=0, abs=scale
        )
    rest = truth.stored["SV", 1].values - pairs.sum(axis=1) / 2
    np.testing.assert_allclose(truth.stored["k-SII", 2].values[:n], rest, rtol=0, atol=scale)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_games_hold_what_was_computed_in_fractions(name):
    truth = ground_truth.load(name)
    assert truth.stored
    for index, order in truth.stored:
        found = truth.true(index, order)
        assert found.interactions == truth.stored[index, order].interactions
        assert found.index == index
    assert truth.source
    assert truth.description
    assert isinstance(truth.game, TableGame) == (truth.game.n_players <= 16)


def test_an_engine_that_gives_something_else_is_noticed(monkeypatch):
    truth = ground_truth.load("data_valuation/wine_neighbours")

    def broken(factor, *given):
        # Not a multiple of the values: that would refuse NaN by itself.
        r = exact(*given)
        kind = {"index": r.index, "order": r.order, "n_players": r.n_players}
        return InteractionValues(r.values * factor, r.interaction_set, baseline=r.baseline, **kind)

    for factor in (1 + 1e-6, np.nan):
        monkeypatch.setattr(library, "exact", partial(broken, factor))
        with pytest.raises(GroundTruthError, match="is computed as"):
            truth.true("SII", 2)
        # What is not stored cannot be held against anything.
        assert len(truth.true("SII", 3)) == 13 + 78 + 286


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A folder of stored games that may be damaged."""
    shutil.copytree(library.DATA, tmp_path / "data")
    monkeypatch.setattr(library, "DATA", tmp_path / "data")
    return tmp_path / "data"


def test_one_flipped_byte_anywhere_is_refused(copy):
    name = "uncertainty/diabetes_spread"
    path = copy / library.manifest()[name]["file"]
    right = path.read_bytes()
    ground_truth.load(name)
    for at in {0, 1, len(right) // 2, len(right) - 1, *range(7, len(right), 501)}:
        wrong = bytearray(right)
        wrong[at] ^= 1
        path.write_bytes(bytes(wrong))
        with pytest.raises(GroundTruthError, match="SHA-256"):
            ground_truth.load(name)
    for wrong in (right[:-1], right + b"\0", b""):
        path.write_bytes(wrong)
        with pytest.raises(GroundTruthError, match="SHA-256"):
            ground_truth.load(name)
    path.write_bytes(right)
    ground_truth.load(name)


def test_a_missing_file_is_refused(copy):
    name = "uncertainty/diabetes_spread"
    (copy / library.manifest()[name]["file"]).unlink()
    with pytest.raises(GroundTruthError, match="cannot be read"):
        ground_truth.load(name)


@pytest.fixture
def published_copy(tmp_path, monkeypatch):
    """The published games in a file that may be damaged."""
    monkeypatch.setattr(published, "FILE", tmp_path / "published.json")
    published._entries.cache_clear()
    shutil.copy(library.HERE / "published.json", tmp_path)
    yield tmp_path / "published.json"
    published._entries.cache_clear()


@pytest.mark.parametrize("damage", [("25", "26"), (": ", ":"), ('"games"', '"game"')])
def test_published_games_that_were_changed_are_refused(published_copy, damage):
    text = published_copy.read_text()
    assert damage[0] in text
    published_copy.write_text(text.replace(*damage, 1))
    for ask in (ground_truth.names, lambda: ground_truth.load("published/glove_LRR")):
        with pytest.raises(GroundTruthError, match=r"published.json has the SHA-256"):
            ask()
    published_copy.write_text(text[:1000])
    with pytest.raises(GroundTruthError, match="SHA-256"):
        ground_truth.describe()
    published_copy.unlink()
    with pytest.raises(GroundTruthError, match="cannot be read"):
        ground_truth.names()


def test_unknown_names():
    with pytest.raises(InputError, match="wine_neighbours"):
        ground_truth.load("wine_neighbors")
    with pytest.raises(InputError, match="no game 3"):
        ground_truth.load(3)
    with pytest.raises(InputError, match="the kinds are clusters, "):
        ground_truth.names("cluster")


def test_a_table_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        ground_truth.load("clusters/wine_agreement").game.values[0] = 1.0


def test_describe():
    text = ground_truth.describe()
    assert all(name in text for name in ground_truth.names())
    for name in games.__all__:
        if inspect.isclass(getattr(games, name)) and name != "AnalyticGame":
            assert name in text
    one = ground_truth.describe("sentences/film")
    for part in ("VADER", "licence", "vaderSentiment 3", "absolutely", "SHA-256"):
        assert part in one
    assert "quota 270" in ground_truth.describe("published/us_electoral_college_2024")


def test_every_file_is_listed_and_all_are_small():
    entries = library.manifest().values()
    files = {path.name: path.stat().st_size for path in library.DATA.iterdir()}
    assert set(files) == {entry["file"] for entry in entries}
    assert sum(files.values()) + library.MANIFEST.stat().st_size < 3_000_000
    assert list(json.loads(library.MANIFEST.read_text("utf-8"))) == ["games"]


def test_nothing_is_read_before_it_is_asked_for_and_numpy_is_enough():
    code = """
import sys
from functools import partial
from shapley_core import ground_truth
assert "shapley_core.ground_truth.generate" not in sys.modules
assert ground_truth.library.manifest.cache_info().currsize == 0
for name in ground_truth.names():
    ground_truth.load(name)
others = {name.partition(".")[0] for name in sys.modules}
assert not others & {"sklearn", "xgboost", "lightgbm", "vaderSentiment", "pandas", "scipy"}, others
"""
    folder = library.HERE.parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    assert shapley_core.__file__.startswith(str(folder))


def test_copies_are_the_same():
    one = ground_truth.load(STORED[0])
    for again in (pickle.loads(pickle.dumps(one)), deepcopy(one)):
        np.testing.assert_array_equal(again.game.values, one.game.values)
        assert again.versions == one.versions and again.stored == one.stored
