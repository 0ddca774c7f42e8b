"""Error against budget: every estimator on every ground-truth game, beside shapiq's estimators.

The error of an estimate is √(mean (estimate - true)²) / √(mean true²), over the players (SV) or
the pairs (SII). In each cell, a game and a budget, all contenders get the same budget, and the
best of shapiq's estimators is chosen afterwards, by its errors there.
"""

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from shapley_core import CallableGame, estimate, estimators, ground_truth
from shapley_core.exact import exact

from . import costs, curves, synthetic

# Evaluations for each player; half of all coalitions where the largest of these are too many.
MULTIPLES = (5, 10, 25, 50, 100)
SEEDS = (0,)
# Pairs of more players take the peers minutes a cell.
PAIRS_UP_TO = 50
QUICK = ("sentences/hotel", "global_importance/california_xgboost")

# shapiq's estimators with their own defaults, by index: the contenders of the claim.
PEERS = {
    "SV": ("KernelSHAP", "LeverageSHAP", "OddSHAP", "RegressionMSR", "ProxySHAP"),
    "SII": ("KernelSHAPIQ", "InconsistentKernelSHAPIQ", "ProxySHAP"),
}

TEXT = """\
Error: √(mean (estimate - true)²) / √(mean true²), over players (SV) or pairs (SII), root mean
square over the seeds. Every contender gets the same budget. `best of shapiq` is, for each game
and budget, the one of shapiq's estimators (with their defaults) that turns out best there; ratios
are of errors, geometric means over games, errors below 1e-9 counting as 1e-9. `covered` is the
share of true values within two standard errors."""


def run(quick: bool, peers: list[str], say: Any) -> dict[str, Any]:
    with_shapiq = "shapiq" in peers
    seeds = SEEDS[:1] if quick else SEEDS
    cells: list[dict[str, Any]] = []
    skipped: list[str] = []
    for name, worth, n, true in _games(quick):
        say(f"estimators: {name}")
        for budget in budgets(n, quick):
            for index, order in (("SV", 1), ("SII", 2)):
                if order == 2 and n > PAIRS_UP_TO:
                    continue
                contenders = _contenders(index, order, n, budget, with_shapiq and not quick)
                if quick and with_shapiq:
                    contenders |= _shapiq(index, n, PEERS[index][:2])
                for contender, work in contenders.items():
                    row = _cell(work, worth, n, budget, order, true[order], seeds)
                    if isinstance(row, str):
                        skipped.append(f"{name}, {budget} evaluations, {contender}: {row}")
                        continue
                    about = {"game": name, "players": n, "budget": budget, "index": index}
                    cells.append(about | {"contender": contender} | row)
    say("estimators: cost of a coalition")
    tables = curves.tables(cells, PEERS) + costs.tables(quick, peers)
    return {
        "text": TEXT,
        "overview": curves.overview(cells, PEERS),
        "tables": tables,
        "cells": cells,
        "skipped": skipped,
        "plot": "estimators.svg",
    }


def budgets(n: int, quick: bool) -> list[int]:
    """Budgets below 2^n."""
    if quick:
        return [5 * n]
    most = MULTIPLES[-1] if n <= 16 else MULTIPLES[-2]
    found = {k * n for k in MULTIPLES if k <= most and 4 * k * n <= 3 << n}
    if 3 * max(found) < 1 << n <= 1 << 12:
        found.add(1 << (n - 1))
    return sorted(found)


def _games(quick: bool) -> Any:
    """Name, worth, players, true values of order 1 and 2."""
    published = set(ground_truth.names("published"))
    for name in QUICK if quick else ground_truth.names():
        if name in published:
            continue
        game = ground_truth.load(name).game
        n = game.n_players
        pairs = exact(game, "SII", 2)
        true = {1: exact(game, "SV").values, 2: pairs.values[n:]}
        yield name, game, n, true
    for name, make in ({} if quick else synthetic.GAMES).items():
        cubes = make()
        yield f"synthetic/{name}", cubes, cubes.n_players, {1: cubes.true(1), 2: cubes.true(2)}


def _contenders(
    index: str, order: int, n: int, budget: int, with_shapiq: bool
) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {"auto": _own("auto", index, order)}
    for name in estimators.names():
        one = estimators.get(name)()
        # For these indices, auto is FourierRegression: a GaussianProcess, and terms.
        if name in ("Auto", "FourierRegression", "GaussianProcess") or not one.supports(
            index, order
        ):
            continue
        if one.least_budget(n, index, order) <= budget:
            found[name] = _own(name, index, order)
    return found | (_shapiq(index, n, PEERS[index]) if with_shapiq else {})


def _own(name: str, index: str, order: int) -> Callable[..., Any]:
    def work(worth: Any, n: int, budget: int, seed: int) -> Any:
        game = CallableGame(worth, n)
        found = estimate(game, budget, index, order, estimator=name, random_state=seed)
        return found.values, found.std_error

    return work


def _shapiq(index: str, n: int, names: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    from shapiq import approximator

    def make(name: str, seed: int) -> Any:
        one = getattr(approximator, name)
        if name == "RegressionMSR":
            return one(n, "SV", random_state=seed)
        if name == "ProxySHAP":
            order = 1 if index == "SV" else 2
            return one(n, max_order=order, index=index, random_state=seed)
        return one(n, random_state=seed) if index == "SV" else one(n, 2, index, random_state=seed)

    def contender(name: str) -> Callable[..., Any]:
        def work(worth: Any, n: int, budget: int, seed: int) -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = make(name, seed).approximate(budget, lambda c: worth(np.atleast_2d(c)))
            singles = [found[(i,)] for i in range(n)]
            if index == "SV":
                return np.array(singles), None
            pairs = [found[(i, j)] for i in range(n) for j in range(i + 1, n)]
            return np.array(singles + pairs), None

        return work

    return {f"shapiq {name}": contender(name) for name in names}


def _cell(
    work: Callable[..., Any],
    worth: Any,
    n: int,
    budget: int,
    order: int,
    true: Any,
    seeds: tuple[int, ...],
) -> dict[str, Any] | str:
    """Errors for each seed, or what the contender raised."""
    errors, covered, seconds = [], [], []
    here = slice(0 if order == 1 else n, None)
    scale = math.sqrt(float(np.mean(np.square(true)))) or 1.0
    for seed in seeds:
        start = time.process_time()
        try:
            values, std_error = work(worth, n, budget, seed)
        except Exception as error:  # a peer may raise anything; it is named under "Left out"
            return f"{type(error).__name__}: {error}".splitlines()[0][:120]
        seconds.append(round(time.process_time() - start, 4))
        off = np.abs(values[here] - true)
        errors.append(float(f"{math.sqrt(float(np.mean(off**2))) / scale:.4g}"))
        if std_error is not None:
            inside = off <= 2 * std_error[here] + 1e-12 * scale
            covered.append(round(float(np.mean(inside)), 4))
    row: dict[str, Any] = {"errors": errors, "cpu_seconds": seconds}
    return row | ({"covered": covered} if covered else {})
