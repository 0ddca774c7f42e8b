"""What an estimator costs beside the game: microseconds of processor time for each coalition.

All in: draws, duplicates, values and standard errors. The game gives numbers that are there
already. ``python -m bench.costs`` prints the table by itself.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .measure import alternate, middle

# Estimator, index, order; the others of the package cost what their models do.
CASES = (
    ("KernelRegression", "SV", 1),
    ("KernelRegression", "FSII", 2),
    ("KernelSHAPIQ", "SII", 2),
    ("SampleReuse", "SV", 1),
    ("SampleReuse", "SII", 2),
    ("SVARM", "SV", 1),
    ("SVARM", "SII", 2),
    ("Permutation", "SV", 1),
    ("Permutation", "SII", 2),
    ("Owen", "SV", 1),
    ("Owen", "SII", 2),
    ("JointSampling", "JointSV", 1),
    ("JointSampling", "JointSV", 2),
)
# A peer, beside which of ours, with its order.
SHAPIQ = {
    ("KernelRegression", "SV"): ("KernelSHAP", 1),
    ("KernelSHAPIQ", "SII"): ("KernelSHAPIQ", 2),
    ("SampleReuse", "SII"): ("SHAPIQ", 2),
    ("SVARM", "SV"): ("SVARM", 1),
    ("SVARM", "SII"): ("SVARMIQ", 2),
    ("Permutation", "SV"): ("PermutationSamplingSV", 1),
    ("Permutation", "SII"): ("PermutationSamplingSII", 2),
    ("Owen", "SV"): ("OwenSamplingSV", 1),
}
PLAYERS = (20, 64)
BUDGET, PEER_BUDGET = 100_000, 2_000
# Regressions on more coefficients take seconds.
MOST_COEFFICIENTS = 500
SECONDS = 0.5


class Free:
    """A game whose worths are there already, and that counts what it is asked for."""

    player_names = None

    def __init__(self, n_players: int) -> None:
        self.n_players, self.asked = n_players, 0
        self.worths = np.random.default_rng(0).normal(size=1 << 18)

    def __call__(self, coalitions: Any) -> Any:
        first = self.asked % (1 << 17)
        self.asked += len(coalitions)
        return self.worths[first : first + len(coalitions)]


def tables(quick: bool, peers: list[str], say: Callable[[str], Any]) -> list[dict[str, Any]]:
    """One table for each number of players."""
    found = []
    for n in PLAYERS[:1] if quick else PLAYERS:
        rows = []
        for name, index, order in CASES[:1] if quick else CASES:
            regression = name.startswith("Kernel") and order == 2
            if not regression or n * (n + 1) // 2 <= MOST_COEFFICIENTS:
                say(f"estimators: cost of {name} {index}, {n} players")
                rows += _case(name, index, order, n, peers, 0.1 if quick else SECONDS)
        found.append({"title": f"Cost of a coalition, {n} players", "rows": rows})
    return found


def _case(
    name: str, index: str, order: int, n: int, peers: list[str], seconds: float
) -> list[dict[str, Any]]:
    from shapley_core import estimators

    own = f"{name} {index} {order}"
    games: dict[str, Free] = {own: Free(n)}
    least = estimators.get(name)().least_budget(n, index, order)
    budget = max(BUDGET, 2 * least)

    def ours() -> None:
        made = estimators.get(name)()
        made.estimate(games[own], budget, index=index, order=order)

    works: dict[str, Callable[[], None]] = {own: ours}
    peer, size = SHAPIQ.get((name, index), ("", 0))
    # With more players shapiq's SVARMIQ takes a minute a call.
    if "shapiq" in peers and peer and (peer != "SVARMIQ" or n <= PLAYERS[0]):
        games[f"shapiq {peer}"] = game = Free(n)
        works[f"shapiq {peer}"] = _shapiq(peer, size, index, n, game)
    if "shap" in peers and (name, index) == ("KernelRegression", "SV"):
        games["shap KernelExplainer"] = other = Free(n)
        works["shap KernelExplainer"] = _shap(n, other)
    # One call of each tells how many coalitions it asks for.
    coalitions = {}
    for contender, work in works.items():
        work()
        coalitions[contender] = games[contender].asked
    times = alternate(works, seconds)
    return [
        {
            "contender": contender,
            "coalitions": coalitions[contender],
            "us_per_coalition": [
                1e6 * value / coalitions[contender] for value in middle(times[contender].cpu)
            ],
        }
        for contender in works
    ]


def _shapiq(name: str, order: int, index: str, n: int, game: Free) -> Callable[[], None]:
    from shapiq import approximator

    def work() -> None:
        make = getattr(approximator, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one = make(n, random_state=0) if order == 1 else make(n, order, index, random_state=0)
            one.approximate(PEER_BUDGET, lambda coalitions: game(np.atleast_2d(coalitions)))

    return work


def _shap(n: int, game: Free) -> Callable[[], None]:
    import shap

    explainer = shap.KernelExplainer(game, np.zeros((1, n)))

    def work() -> None:
        explainer.shap_values(np.ones(n), nsamples=PEER_BUDGET, silent=True, l1_reg=False)

    return work


def main() -> None:
    from .peers import PEERS, installed
    from .record import markdown

    peers = [name for name in PEERS if installed(name) is not None]
    for table in tables(False, peers, lambda text: print(text, file=sys.stderr, flush=True)):
        print(f"## {table['title']}\n\n{markdown(table['rows'])}\n", flush=True)


if __name__ == "__main__":
    main()
