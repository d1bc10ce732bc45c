"""Cases are measured in turns, the median is quoted with its spread, and who waits is told what runs now."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benches import progress, targets
from benches.turns import in_turns, measurable, median_run, of_turns, one_by_one

ROOT = Path(__file__).parents[2]


def run(seconds: float) -> dict[str, Any]:
    return {"seconds": seconds, "events_per_s": round(100 / seconds), "state_hash": "a"}


def test_cases_take_turns() -> None:
    order: list[str] = []

    def measure(name: str) -> dict[str, Any]:
        order.append(name)
        return run(float(len(order)))

    rows = in_turns("some", {"a": lambda: measure("a"), "b": lambda: measure("b")}, 3)
    assert order == ["a", "b"] * 3
    assert of_turns(rows["a"], "seconds") == [1, 3, 5]
    assert of_turns(rows["b"], "seconds") == [2, 4, 6]
    assert one_by_one("some", {"c": lambda: measure("c")})["c"] == run(7)


@pytest.mark.parametrize(
    ("seconds", "median", "spread"),
    [([3.0], 3.0, 0.0), ([1.0, 9.0, 2.0], 2.0, 400.0), ([1.0, 2.0], 2.0, 50.0), ([4.0, 1.0, 2.0, 3.0], 3.0, 100.0)],
)
def test_the_median_is_quoted_and_never_the_best(seconds: list[float], median: float, spread: float) -> None:
    row = median_run([run(one) for one in seconds])
    assert (row["seconds"], row["events_per_s"], row["spread_percent"]) == (median, round(100 / median), spread)
    assert [one["seconds"] for one in row["runs"]] == seconds, "all are kept"
    assert "state_hash" not in row["runs"][0]


def test_a_ratio_is_taken_turn_by_turn() -> None:
    # The machine was slow in the second turn, for both: that is nothing of theirs.
    ours = median_run([{"seconds": one, "events_per_s": rate} for one, rate in ((1, 60), (9, 6), (2, 50))])
    theirs = median_run([{"seconds": one, "events_per_s": rate} for one, rate in ((1, 10), (8, 1), (2, 10))])
    rows = {"engine-peak": ours, "python-peak": theirs}
    (ratio, rate) = targets.judge("in-process", rows)
    assert (ratio["found"], ratio["lowest"], ratio["highest"], ratio["turns"]) == (6.0, 5.0, 6.0, 3)
    assert rate["turns"] == 3
    rows["python-peak"] = median_run([{"seconds": 1, "events_per_s": 10}])
    assert len(targets.judge("in-process", rows)) == 1, "other turns are no turns together"


def test_what_cannot_be_measured_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    cases: dict[str, Any] = {"a": lambda: run(1), "b": "there is no cargo"}
    assert list(measurable(cases)) == ["a"]
    assert "b                  not measured: there is no cargo" in capsys.readouterr().out


STEPS = """
import sys, threading
from benches import progress

progress.INTERVAL_S = float(sys.argv[1])
with progress.Steps("bus", 3) as steps:
    for name in ("push-1", "pull-1", "daemon-1"):
        steps.begin(name)
        if steps._later is not None and progress.INTERVAL_S < 1:
            steps._later.join(60)
"""


def told(interval_s: float) -> str:
    command = [sys.executable, "-c", STEPS, str(interval_s)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr


def test_a_pipe_is_told_of_what_is_slow_alone() -> None:
    assert told(100) == ""
    first, *others = told(0.01).splitlines()
    assert first == "  bus: push-1 (1 of 3)"
    assert [line.split(",")[0] for line in others] == ["  bus: pull-1 (2 of 3", "  bus: daemon-1 (3 of 3"]
    assert all(line.endswith(" s left)") for line in others)


def test_a_terminal_is_told_at_once() -> None:
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", STEPS, "100"], cwd=ROOT, stderr=theirs, check=True)
    os.close(theirs)
    said = os.read(ours, 10_000).decode().splitlines()
    os.close(ours)
    assert [line.split()[1] for line in said] == ["push-1", "pull-1", "daemon-1"]
    assert progress.INTERVAL_S >= 1
