"""The bench runs in its quick mode, and what it writes is complete."""

import importlib
import json
import math
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUITES = ("trees", "exact", "large")
MODULES = ("shap", "shapiq", "woodelf", "xgboost", "lightgbm")


def bench(*arguments):
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    done = bench("--quick", "--out", out)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(str(path) for path in out.iterdir())
    results = {name: json.loads((out / f"bench-{name}.json").read_text()) for name in SUITES}
    return results, out, done.stderr


def rows(results, suite):
    for table in results[suite]["tables"]:
        for row in table["rows"]:
            yield table["title"], row


def test_environment_is_recorded_without_the_name_of_the_machine(quick):
    environment = quick[0]["trees"]["environment"]
    assert set(environment) == {"date", "cpu", "cores", "memory", "load", "system", "versions"}
    assert {"shapley_core", "python", "numpy"} <= set(environment["versions"])
    assert environment["cores"] >= 1 and environment["cpu"]


def test_absent_peers_are_named_and_the_others_take_part(quick):
    result, _, said = quick
    taking_part = {row["contender"] for name in ("trees", "exact") for _, row in rows(result, name)}
    left_out = "\n".join(result["trees"]["skipped"])
    for name in MODULES:
        if find_spec(name) is None:
            assert f"{name}: not installed" in said and f"{name}: not installed" in left_out
            assert name not in taking_part
        else:
            assert name in result["trees"]["environment"]["versions"]
            # woodelf sits out where it is too slow for a quick run on a busy machine
            assert name in taking_part or (name == "woodelf" and "a call" in left_out)


def test_times_and_ratios_agree(quick):
    result = quick[0]
    timed = 0
    each_row = "us_per_row_and_tree"
    for suite, unit in (("trees", each_row), ("exact", "milliseconds"), ("large", each_row)):
        for title, row in rows(result, suite):
            if unit not in row:
                continue
            timed += 1
            for key in (unit, "ratio"):
                value, low, high = row[key]
                assert 0 < low <= value <= high < math.inf, (title, row["contender"], key)
            samples = [sample for sample in row["cpu_seconds"] if sample is not None]
            assert len(samples) == row["rounds"] >= 1
            if row["contender"] == "shapley_core":
                assert row["ratio"] == [1, 1, 1] and None not in row["cpu_seconds"]
            if suite == "trees" and row["rounds"] == 1:
                each = samples[0] * 1e6 / row["rows"] / 10
                assert row[unit][0] == pytest.approx(each)
    assert timed >= 20


def test_contenders_compute_the_same_values(quick):
    compared = set()
    for name, most in (("trees", 1e-5), ("exact", 1e-12), ("large", 1e-5)):
        for title, row in rows(quick[0], name):
            if row.get("difference") is not None:
                assert row["difference"] < most, (title, row["contender"])
                compared.add(row["contender"])
    assert {"xgboost", "lightgbm", "shap"} <= compared


def test_cold_takes_longer_than_warm(quick):
    cold = [row for _, row in rows(quick[0], "trees") if row["contender"].endswith("cold")]
    assert len(cold) == 7
    assert statistics.median(row["ratio"][0] for row in cold) > 1


def test_threads_and_memory_are_measured(quick):
    tables = {table["title"]: table["rows"] for table in quick[0]["trees"]["tables"]}
    (threads,) = [found for title, found in tables.items() if title.startswith("Threads")]
    assert all(row["one_thread"][0] > 0 and row["speedup"][0] > 0 for row in threads)
    (memory,) = [found for title, found in tables.items() if title.startswith("Peak memory")]
    for row in memory:
        assert 20 * 2**20 < row["before"] <= row["peak"]
        assert row["growth"] == row["peak"] - row["before"]


def test_large_runs_are_measured_in_processes_of_their_own(quick):
    new, many, *backgrounds = quick[0]["large"]["tables"]
    assert {row["contender"] for row in new["rows"]} <= {"shapley_core", "woodelf"}
    one, two, peer = many["rows"]
    assert two["speedup"][0] == pytest.approx(one["wall_seconds"][0] / two["wall_seconds"][0])
    assert (one["rows"], peer["rows"]) == (2000, 200)
    per_row = [row["cpu_seconds"][0] / row["rows"] for row in (one, peer)]
    assert peer["ratio"][0] == pytest.approx(per_row[1] / per_row[0])
    assert [[row["background"] for row in table["rows"]] for table in backgrounds] == [
        [500, 2000]
    ] * 2
    for row in (one, two, *(row for table in backgrounds for row in table["rows"])):
        assert 20 * 2**20 < row["before"] <= row["peak"]
        assert row["growth"] == row["peak"] - row["before"]
        if row.get("background"):
            assert 0 < row["setup_seconds"] < row["cpu"][0]
            each = row["cpu"][0] / row["background"]
            assert row["us_per_background_row"][0] == pytest.approx(1e6 * each)
    # Without the library, which is not loaded where the model is read from its file.
    assert max(row["before"] for row in backgrounds[0]["rows"]) < one["before"] / 2


@pytest.mark.parametrize("suite", ["trees", "exact", "large"])
def test_page_has_every_table_and_row(quick, suite):
    results, out, _ = quick
    result = results[suite]
    page = (out / f"bench-{suite}.md").read_text()
    assert result["command"] in page and result["environment"]["date"] in page
    assert all(
        f"{name} {number}" in page for name, number in result["environment"]["versions"].items()
    )
    assert all(line in page for line in result["skipped"])
    overview = page.split("## Overview")[1].split("\n\n")[1].splitlines()
    timed = [table for table in result["tables"] if "ratio" in table["rows"][0]]
    assert len(overview) == 2 + len(timed)
    for line, table in zip(overview[2:], timed, strict=True):
        assert line.startswith(f"| {table['title']} |") and line.count("|") == overview[0].count(
            "|"
        )
    for table in result["tables"]:
        lines = page.split(f"## {table['title']}\n\n")[1].split("\n\n")[0].splitlines()
        assert len(lines) == 2 + len(table["rows"])
        widths = {line.count("|") for line in lines}
        assert len(widths) == 1
        for line, row in zip(lines[2:], table["rows"], strict=True):
            assert line.startswith(f"| {row['contender']} |")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["forests"], "unknown suite ['forests']; known: exact, trees, estimators, tabular, large"),
        (["--peers", "shap,shop"], "unknown peer ['shop']; known: shap, "),
    ],
)
def test_unknown_names_are_refused(arguments, said):
    done = bench("--quick", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_page_without_anything_to_compare(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    record = importlib.import_module("bench.record")
    result = {
        "suite": "trees",
        "quick": True,
        "seconds": 0.0,
        "command": "",
        "text": "",
        "tables": [],
    }
    result |= {"environment": record.environment(), "skipped": ["all of it"]}
    assert "Nothing was compared.\n\n## Left out\n\n- all of it" in record.page(result)


@pytest.fixture
def measure(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("bench.measure")


def test_contenders_take_turns(measure):
    seen = []

    def work(name, seconds):
        def call():
            seen.append(name)
            time.sleep(seconds)

        return call

    times = measure.alternate({"a": work("a", 0.006), "b": work("b", 0.006)}, 10)
    assert "".join(seen[:8]) == "aabbbaab"  # each warms up once; the order turns round by round
    assert len(times["a"].wall) == len(times["b"].wall) == measure.MOST_ROUNDS
    assert min(times["a"].wall) >= 0.006 > 0.003 > statistics.median(times["a"].cpu)


def test_rounds_are_as_many_as_asked_for(measure):
    ran = []
    works = {name: lambda name=name: ran.append(name) or time.sleep(0.006) for name in "ab"}
    times = measure.alternate(works, math.inf, 3)
    assert "".join(ran) == "aabbbaab"
    assert [len(taken.cpu) for taken in times.values()] == [3, 3]


def test_the_slow_one_sits_out(measure, monkeypatch):
    cost = {"a": 0.01, "b": 0.2, "c": 0.06}
    ran = []

    def timed(work, calls=1):
        ran.append(work())
        return cost[ran[-1]], cost[ran[-1]]

    monkeypatch.setattr(measure, "timed", timed)
    times = measure.alternate({name: lambda name=name: name for name in cost}, 0.51)
    assert "".join(ran) == "aabccca" + "a" * (len(ran) - 7)
    assert times["b"].wall == [0.2, None, None] and times["c"].cpu == [0.06, 0.06, None]
    assert times["a"].cpu == [0.01] * 3


def test_ratios_are_taken_round_by_round(measure):
    ours, theirs = [1.0, 10.0, 2.0, 5.0], [3.0, 30.0, 8.0, None]
    assert measure.paired_ratio(ours, theirs) == pytest.approx([3, 3, 3.5])
    assert measure.paired_ratio(ours, theirs, factor=2) == pytest.approx([6, 6, 7])


def test_rows_are_as_many_as_the_time_takes(measure, monkeypatch):
    asked = []

    def timed(call):
        call()
        return 0.001 * asked[-1], 0.0

    monkeypatch.setattr(measure, "timed", timed)
    for limit, expected in ((0.0555, 55), (0.25, 250), (10, 250), (0.0001, 1)):
        assert measure.affordable(lambda X: asked.append(len(X)), range(250), limit) == expected
