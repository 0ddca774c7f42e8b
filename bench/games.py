"""Games with closed forms, values for structured players and the least core: seconds each.

``python bench/games.py``

Beside them, in the same run: the engine for tables on the same game where it has few enough
players, and one linear program with all its constraints for the least core.
"""

import time

import numpy as np

from shapley_core.exact import exact
from shapley_core.game import TableGame, as_table
from shapley_core.games import Airport, Bankruptcy, Glove, WeightedVoting
from shapley_core.structures import (
    asymmetric_shapley,
    banzhaf_owen,
    egalitarian_least_core,
    least_core,
    owen,
    winter,
)

# The electoral college of 2024 (winner takes all), and the EU Council of 27 under the treaty of
# Nice: votes, members, and population in thousandths.
STATES = [54, 40, 30, 28, 19, 19, 17, 16, 16, 15, 14, 13, 12] + [11] * 4 + [10] * 5 + [9] * 2
STATES += [8] * 3 + [7] * 2 + [6] * 6 + [5] * 2 + [4] * 7 + [3] * 7
VOTES = [29] * 4 + [27] * 2 + [14, 13] + [12] * 5 + [10] * 3 + [7] * 5 + [4] * 5 + [3]
PEOPLE = [170, 123, 123, 120, 82, 80, 47, 33, 22, 21, 21, 21, 21, 18, 17, 17, 11, 11, 11, 8, 8]
PEOPLE += [5, 4, 3, 2, 1, 1]


def seconds(work):
    """The shortest of three runs, or the first if it is long: others share the machine."""
    times = []
    while len(times) < 3 and sum(times) < 2.0:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def show(what, *works):
    print(f"{what:52}", *(f"{seconds(work):10.4f}" for work in works), flush=True)


def closed_forms(rng):
    print(f"\n{'closed form (beside: engine on the table)':52}    seconds")
    states = WeightedVoting(STATES, 270)
    for index, order in (("SV", 1), ("BV", 1), ("SII", 2), ("FSII", 2), ("SII", 3)):
        show(f"51 states, {index} {order}", lambda i=index, k=order: states.exact(i, k))
    nice = WeightedVoting([VOTES, [1] * 27, PEOPLE], [255, 14, 620])
    for index, order in (("SV", 1), ("SII", 2)):
        show(f"EU 27, three criteria, {index} {order}", lambda i=index, k=order: nice.exact(i, k))
    for n, most in ((20, 50), (100, 20), (200, 20), (300, 50)):
        weights = rng.integers(1, most + 1, n)
        game = WeightedVoting(weights, int(weights.sum()) // 2 + 1)
        beside = [lambda g=game: exact(as_table(g))] if n <= 20 else []
        show(f"voting, {n} players, weight {weights.sum()}, SV", game.exact, *beside)
    claims = rng.integers(1, 50, 100)
    show("bankruptcy, 100 players, SV", Bankruptcy(int(claims.sum()) // 2, claims).exact)
    airport = Airport(rng.integers(1, 100, 300))
    show("airport, 300 players, SV and SII 2", airport.exact, lambda: airport.exact("SII", 2))
    glove = Glove(50, 50)
    show("glove, 50 and 50, SV and FSII 2", glove.exact, lambda: glove.exact("FSII", 2))


def structures(rng):
    n = 20
    game = TableGame(rng.normal(size=2**n))
    print(f"\n{'20 players in a table':52}    seconds")
    pairs = [[2 * k, 2 * k + 1] for k in range(10)]
    halves = [range(10), range(10, 20)]
    show("Owen, 10 pairs, 2 halves", lambda: owen(game, pairs), lambda: owen(game, halves))
    show("Banzhaf-Owen, 10 pairs", lambda: banzhaf_owen(game, pairs))
    show("Winter, 10 pairs in 2 blocks", lambda: winter(game, [pairs[:5], pairs[5:]]))
    show("Owen without unions", lambda: owen(game, [[i] for i in range(n)]))
    chain = [(i, j) for i in range(10) for j in range(10, 20)]
    show("asymmetric SV, two groups in turn", lambda: asymmetric_shapley(game, chain))
    show("asymmetric SV, no precedence", lambda: asymmetric_shapley(game, []))


def all_constraints(worths, n):
    """The least core as one linear program."""
    from scipy.optimize import linprog

    members = (np.arange(1, 2**n - 1)[:, None] >> np.arange(n) & 1).astype(float)
    found = linprog(
        [0.0] * n + [1.0],
        A_ub=np.column_stack([-members, -np.ones(len(members))]),
        b_ub=-(worths[1:-1] - worths[0]),
        A_eq=[[1.0] * n + [0.0]],
        b_eq=[worths[-1] - worths[0]],
        bounds=(None, None),
    )
    return found.fun


def least_cores(rng):
    columns = ["least", "egalitarian", "one program"]
    print(f"\n{'least core':32}" + " ".join(f"{name:>20}" for name in columns))
    for n in (8, 10, 12, 14, 16, 20):
        values = rng.normal(size=2**n).cumsum() / 30
        game = TableGame(values)
        row = [seconds(lambda g=game: least_core(g))]
        row.append(seconds(lambda g=game: egalitarian_least_core(g)))
        if n <= 14:
            row.append(seconds(lambda v=values, n=n: all_constraints(v, n)))
        print(f"{n:2} players{'':22}" + " ".join(f"{x:20.4f}" for x in row), flush=True)


if __name__ == "__main__":
    generator = np.random.default_rng(0)
    closed_forms(generator)
    structures(generator)
    least_cores(generator)
