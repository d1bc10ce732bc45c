"""`python -m benches`: runs the benchmarks, prints the figures, stores them with their machine, draws them."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Final

from benches import plots, report, targets
from benches.process import Row, Unavailable
from benches.scale import FULL, MODEST, TINY, Scale

SUITES: Final = {
    "in-process": "benches.in_process",
    "shards": "benches.shards",
    "surface": "benches.surface.suite",
    "instructions": "benches.instructions",
    "growth": "benches.growth",
    "bus": "benches.bus",
    "latency": "benches.latency",
    "promise": "benches.promise",
    "blocked": "benches.blocked",
    "peers": "benches.peers.suite",
    "builds": "benches.builds",
}
WHEN_NAMED: Final = {"builds", "blocked"}
"""They need what only another `make` target builds, or twelve minutes."""


def main() -> None:
    """Runs the suites that were asked for; each stores a report of its own."""
    found_any = False
    options = _options()
    if options.plots:
        plots.draw_all(options.results)
        return
    if not options.tiny:  # Its figures mean nothing, whatever the build.
        report.refuse_debug_build()
    scale = _scale(options)
    for suite in options.suites or [suite for suite in SUITES if suite not in WHEN_NAMED]:
        print(f"{suite}:", flush=True)
        run: Callable[[Path, Scale, str], dict[str, Row]] = import_module(SUITES[suite]).run
        with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
            try:
                rows = run(Path(folder), scale, options.only)
            except Unavailable as reason:
                if suite in options.suites:
                    sys.exit(f"benches: {reason}")
                print(f"  not measured: {reason}", flush=True)
                continue
        if options.only and not rows:
            continue
        found_any = True
        report.refuse_wrong_hash(suite, rows)
        report.refuse_incomplete(rows)
        report.show(rows)
        judged = targets.judge(suite, rows)
        targets.show(judged)
        print(f"  stored in {report.store(options.results, suite, scale, rows, judged)}", flush=True)
    if options.only and not found_any:
        sys.exit(f"benches: no suite that was asked for has a row {options.only}")
    if options.tiny:
        print("a tiny run shows that the benchmarks work; its figures mean nothing")
    if not options.only:
        plots.draw_all(options.results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"some of: {', '.join(SUITES)} (all but builds and blocked)"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--tiny", action="store_true", help="a few thousand events, one run each: for tests")
    size.add_argument("--full", action="store_true", help="up to 10 M positions and 100 M keys: memory and patience")
    parser.add_argument("--events", type=int, help="events of the workloads in memory and on the bus")
    parser.add_argument("--seed", type=int, default=MODEST.seed, help="seed of the workloads (%(default)s)")
    parser.add_argument("--repeat", type=int, help="turns; the median counts (3; tiny: 1)")
    parser.add_argument("--only", default="", metavar="CASE", help="one row of the suites, such as daemon-1")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder for reports (benches/results)")
    parser.add_argument("--plots", action="store_true", help="only draw the newest reports")
    options = parser.parse_args()
    for suite in options.suites:
        if suite not in SUITES:
            parser.error(f"no suite {suite}; give some of {', '.join(SUITES)}")
    return options


def _scale(options: argparse.Namespace) -> Scale:
    scale = TINY if options.tiny else FULL if options.full else MODEST
    changes = {"events": options.events, "repeat": options.repeat, "seed": options.seed}
    return replace(scale, **{name: value for name, value in changes.items() if value is not None})


if __name__ == "__main__":
    main()
