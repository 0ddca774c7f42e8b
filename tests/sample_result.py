"""Values of a few interactions, with everything that values can have."""

from shapley_core.result import InteractionValues

NAMES = ["age", "income", "city"]


def make(values=(1.0, -2.0, 4.0), interactions=((0,), (2,), (1, 0)), **changed):
    options = {
        "index": "SII",
        "order": 2,
        "n_players": 3,
        "baseline": 0.5,
        "player_names": NAMES,
        "std_error": [0.1, 0.2, 0.3],
        "n_evaluations": 7,
        "is_exact": False,
    }
    return InteractionValues(values, interactions, **(options | changed))
