"""The page that lists the stored games: their values, written from the stored tables."""

from ..exact import exact
from .library import GroundTruth, load, names

HEAD = """# Ground truth

Games whose values are known. Made from the stored tables by
`python -m shapley_core.ground_truth.generate --docs docs/ground-truth.md`; do not edit by hand.

```python
import shapley_core as sc

sc.ground_truth.names()  # all of them; names("published") of one kind
g = sc.ground_truth.load("data_valuation/wine_neighbours")
g.game  # a TableGame
g.true("k-SII", order=2)  # InteractionValues, held against the stored ones
print(sc.ground_truth.describe(g.name))  # source, licence, model, checksum, versions
```

Each game is a table of the worths of all coalitions, from a real model on real data, with its
values under the main indices beside it. A file that is not byte for byte the one released is
refused; an engine that gives other values than the stored ones is, too. Games of any size, with
values in closed form, are in `shapley_core.games`.

`python -m shapley_core.ground_truth.generate [NAME ...] --data FOLDER` makes the tables again
(`pip install shapley_core[ground-truth]`), and with `--check` compares them: with the library
versions that each game records, worths come out the same on one machine, and within the stated
tolerance on another. The folder is `tests/data/tables` of the sources, with `bike.csv.gz`,
`california_housing.csv.gz` and `adult_census.csv.gz`; all other tables come with scikit-learn.

In the tables below, the *variance by order* is the share of the variance of the worths, over
uniformly drawn coalitions, that interactions of 1, 2, 3 and more players bring (squared Fourier
coefficients). The *strongest pair* is the largest in absolute value under SII.
"""

PUBLISHED = """
## published

Small examples and power indices with values that papers and books print; all were computed
again in fractions. Where no table is practical, the game is one of `shapley_core.games`.

| Game | n | Source |
| --- | --- | --- |
"""


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    stored = [name for name in names() if not name.startswith("published/")]
    for kind in sorted({name.partition("/")[0] for name in stored}):
        parts.append(_section(kind, [load(name) for name in stored if name.startswith(kind + "/")]))
    parts.append(PUBLISHED)
    for name in names("published"):
        truth = load(name)
        parts.append(f"| {truth.name} | {truth.game.n_players} | {_cell(truth.source)} |\n")
    return "".join(parts)


def _section(kind: str, games: list[GroundTruth]) -> str:
    lines = [
        f"\n## {kind}\n",
        "| Game | n | Source | Model | Absent players | Variance by order | Strongest pair |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {g.name} | {g.game.n_players} | {_cell(g.source)}; {g.licence} | {_cell(g.model)} | "
        f"{_cell(g.absent)} | {_variance(g)} | {_cell(_strongest_pair(g))} |"
        for g in games
    ]
    lines.append("")
    for g in games:
        lines += [f"`{g.name}`: {g.description}.", f"Shapley values: {_shapley(g)}.", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def variance_by_order(truth: GroundTruth) -> list[float]:
    """The share of the variance of the worths that interactions of 1, 2, ... n players bring."""
    n = truth.game.n_players
    fourier = exact(truth.game, "Fourier", n)
    parts = [0.0] * n
    for one, value in zip(fourier.interactions, fourier.values.tolist(), strict=True):
        parts[len(one) - 1] += value * value
    total = sum(parts)
    return [part / total for part in parts]


def _variance(truth: GroundTruth) -> str:
    first, second, third, *more = variance_by_order(truth)
    return " ".join(f"{100 * part:.1f}%" for part in (first, second, third, sum(more)))


def _strongest_pair(truth: GroundTruth) -> str:
    values = truth.true("SII", 2)
    pairs = [one for one in values.interactions if len(one) == 2]
    one = max(pairs, key=lambda pair: abs(values[pair]))
    label = " x ".join((truth.game.player_names or ())[i] for i in one)
    return f"{label}: {values[one]:.4g}"


def _shapley(truth: GroundTruth) -> str:
    values = truth.true("SV").values.tolist()
    labels = truth.game.player_names or range(truth.game.n_players)
    return ", ".join(f"{label} {value:.4g}" for label, value in zip(labels, values, strict=True))
