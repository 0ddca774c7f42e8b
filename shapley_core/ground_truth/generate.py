"""Make the stored games again: ``python -m shapley_core.ground_truth.generate [NAME ...]``.

Without names, all games. ``--check`` writes nothing and compares with what is stored; ``--docs
FILE`` writes the page that lists the games, from the stored ones. Tables that no package holds
are looked for in ``--data FOLDER``, or where the environment variable SHAPLEY_CORE_DATA says.
"""

import argparse
import io
import json
import platform
import sys
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..exact import exact
from ..game import CallableGame, TableGame
from . import library
from .kinds import tables
from .kinds.recipe import Recipe
from .recipes import module_of, recipes

# Coalitions asked for at once: a background times this many rows go to a model.
BATCH = 512


def play(recipe: Recipe, folder: Path | None = None) -> CallableGame:
    """The game of a recipe, its model trained, no coalition asked for yet."""
    worth, players = recipe.build(tables.read(recipe.table, folder))
    return CallableGame(worth, len(players), players, batch_size=BATCH)


def packed(table: TableGame) -> bytes:
    """What is stored of a game: its worths and main values, as a compressed npz."""
    arrays = {"worths": table.values}
    for index, order in library.MAIN_VALUES:
        arrays[library.field_name(index, order)] = exact(table, index, order).values
    buffer = io.BytesIO()
    # Any: the stub takes a keyword argument for an array of that name.
    fields: dict[str, Any] = arrays
    np.savez_compressed(buffer, **fields)
    return buffer.getvalue()


def versions_of(recipe: Recipe) -> dict[str, str]:
    """Versions of what the worths depend on."""
    distributions = ("numpy", "scipy", *recipe.libraries)
    # Every table but those of files comes from scikit-learn.
    if tables.SOURCES[recipe.table].file is None and recipe.table != "sentences":
        distributions = (*distributions, "scikit-learn")
    found = {name: version(_distribution(name)) for name in sorted(set(distributions))}
    return {"python": platform.python_version(), **found}


def _distribution(name: str) -> str:
    """XGBoost comes as one of two distributions with the same module."""
    if name != "xgboost":
        return name
    from importlib.metadata import packages_distributions

    return packages_distributions()["xgboost"][0]


def entry_of(recipe: Recipe, table: TableGame, content: bytes) -> dict[str, Any]:
    """What the manifest says of a game."""
    source = tables.SOURCES[recipe.table]
    return {
        "file": recipe.name.replace("/", "-") + ".npz",
        "sha256": sha256(content).hexdigest(),
        "n_players": table.n_players,
        "player_names": list(table.player_names or ()),
        "description": recipe.description,
        "source": source.citation,
        "licence": source.licence,
        "model": recipe.model,
        "absent": recipe.absent,
        "made_by": module_of(recipe.name),
        "tolerance": recipe.tolerance,
        "versions": versions_of(recipe),
    }


def store(recipe: Recipe, table: TableGame) -> None:
    """Write the file of a game, and what the manifest says of it."""
    content = packed(table)
    entry = entry_of(recipe, table, content)
    library.DATA.mkdir(exist_ok=True)
    (library.DATA / entry["file"]).write_bytes(content)
    known: dict[str, Any] = {}
    if library.MANIFEST.exists():
        known = json.loads(library.MANIFEST.read_text("utf-8"))["games"]
    known[recipe.name] = entry
    text = json.dumps({"games": dict(sorted(known.items()))}, indent=1, ensure_ascii=False)
    library.MANIFEST.write_text(text + "\n", "utf-8")


def deviation(found: TableGame, stored: TableGame) -> float:
    """The largest difference of worths, as a fraction of the largest stored worth."""
    scale = float(np.abs(stored.values).max()) or 1.0
    return float(np.abs(found.values - stored.values).max()) / scale


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 1 if a game made for ``--check`` is not the stored one."""
    parser = argparse.ArgumentParser(
        prog="python -m shapley_core.ground_truth.generate",
        description="Make the stored games again.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="games to make; by default all")
    parser.add_argument("--data", type=Path, help="folder of the tables that no package holds")
    parser.add_argument("--check", action="store_true", help="compare with what is stored")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="write the page of the games")
    given = parser.parse_args(arguments)
    if given.docs is not None:
        from .page import page

        given.docs.write_text(page(), "utf-8")
        return 0
    unknown = [name for name in given.names if name not in recipes()]
    if unknown:
        parser.error(f"no recipe for {', '.join(unknown)}; there are {', '.join(recipes())}")
    failed = 0
    for name in given.names or recipes():
        recipe = recipes()[name]
        try:
            table = play(recipe, given.data).table()
        except (InputError, ImportError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
            continue
        if given.check:
            off = deviation(table, library.load(name).game)  # type: ignore[arg-type]
            failed |= off > recipe.tolerance
            print(f"{name}: {'the same bits' if off == 0 else f'off by {off:.1e}'}", flush=True)
        else:
            store(recipe, table)
            print(f"{name}: {table.n_players} players", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
