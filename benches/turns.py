"""Turns: cases measured one after the other, again and again (A B A B …), each run in a process of its own.

What else the machine does meets all of them alike, so a ratio is taken turn by turn. The row of a case is its run of
median time; all runs stand beside it, and how far they lie apart. The best run is never quoted.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from benches.process import Row, in_own_process
from benches.progress import Steps

Measure = Callable[[], Row]
"""One run of one case."""


def fresh(function: Callable[..., Row], **arguments: Any) -> Measure:
    """Returns what runs a module-level function with JSON arguments, each time in a new process."""
    return partial(in_own_process, function, **arguments)


def in_turns(title: str, cases: Mapping[str, Measure], runs: int) -> dict[str, Row]:
    """Returns the row of each case after `runs` turns of all of them, and says on standard error how far it is."""
    found: dict[str, list[Row]] = {name: [] for name in cases}
    with Steps(title, runs * len(cases)) as steps:
        for turn in range(1, runs + 1):
            for name, measure in cases.items():
                steps.begin(f"{name}, run {turn} of {runs}")
                found[name].append(measure())
    return {name: median_run(rows) for name, rows in found.items()}


def one_by_one(title: str, cases: Mapping[str, Measure]) -> dict[str, Row]:
    """As `in_turns`, for what takes so long that it runs once: its row is what was found."""
    found = {}
    with Steps(title, len(cases)) as steps:
        for name, measure in cases.items():
            steps.begin(name)
            found[name] = measure()
    return found


def median_run(rows: Sequence[Row]) -> Row:
    """Returns the run of median time, of an even number the slower one in the middle, with the figures of all runs."""
    ordered = sorted(rows, key=lambda row: float(row["seconds"]))
    median = ordered[len(ordered) // 2]
    fastest, slowest = float(ordered[0]["seconds"]), float(ordered[-1]["seconds"])
    apart = round((slowest - fastest) / float(median["seconds"]) * 100, 1) if median["seconds"] else 0.0
    return median | {"spread_percent": apart, "runs": list(map(_numbers, rows))}


def of_turns(row: Row, figure: str) -> list[float]:
    """Returns a figure of each turn, in their order; of a row that was measured once that one."""
    return [float(run[figure]) for run in row.get("runs", [row])]


def _numbers(row: Row) -> Row:
    return {name: value for name, value in row.items() if isinstance(value, int | float)}


def measurable(cases: Mapping[str, Measure | str]) -> dict[str, Measure]:
    """Returns the cases that can be measured, and prints why the others cannot."""
    for name, case in cases.items():
        if isinstance(case, str):
            print(f"{name:<18} not measured: {case}")
    return {name: case for name, case in cases.items() if not isinstance(case, str)}
