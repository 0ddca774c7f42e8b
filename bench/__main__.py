"""``python -m bench [SUITE ...] [--quick] [--peers ...] [--out DIR]``, from the repository's root.

Writes ``bench-SUITE.json`` and a Markdown page for each suite; docs/bench.md says how to read them.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from .child import ONE_THREAD

# Before numpy and the peers are imported: they ask only then how many threads to use.
for _name in ONE_THREAD:
    os.environ[_name] = "1"

from . import suite_estimators, suite_exact, suite_large, suite_tabular, suite_trees  # noqa: E402
from .peers import PEERS, installed  # noqa: E402
from .record import environment, write  # noqa: E402

SUITES = {
    "exact": suite_exact.run,
    "trees": suite_trees.run,
    "estimators": suite_estimators.run,
    "tabular": suite_tabular.run,
    "large": suite_large.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, beside peers.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, well under a minute")
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), metavar="DIR")
    parser.add_argument("--pages", type=Path, metavar="DIR", help="of the pages; default: as --out")
    options = parser.parse_args()
    asked = [name for name in options.peers.split(",") if name]
    for kind, given, known in (("suite", options.suites, SUITES), ("peer", asked, PEERS)):
        if unknown := set(given) - set(known):
            parser.error(f"unknown {kind} {sorted(unknown)}; known: {', '.join(known)}")

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    peers = [name for name in asked if installed(name) is not None]
    absent = [f"{name}: not installed" for name in asked if name not in peers]
    for line in absent:
        say(line)
    flags = f"{'--quick ' * options.quick}--peers {options.peers}"
    for name in options.suites or SUITES:
        start = time.perf_counter()
        result = {
            "suite": name,
            "command": f"python -m bench {name} {flags}",
            "quick": options.quick,
            "environment": environment(),
        }
        result |= SUITES[name](options.quick, peers, say)
        result["skipped"] = absent + result["skipped"]
        result["seconds"] = time.perf_counter() - start
        for path in write(result, options.out, options.pages or options.out):
            print(path)


if __name__ == "__main__":
    main()
