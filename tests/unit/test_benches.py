"""The benchmarks run tiny here, so that they do not rot, and their hashes are checked. No figure is a test."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benches import builds, report, targets
from benches.bare_socket import frame_ends
from benches.growth import check_totals
from benches.rows import CONFIG, Rows
from benches.scale import TINY
from tallystick import Engine

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All reports of one tiny run, by suite."""
    results = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benches", "--tiny", "--results", str(results)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pictures = {path.name for path in results.iterdir() if path.suffix in (".png", ".svg")}
    assert pictures == {f"{name}.{kind}" for name in ("bus", "growth", "latency", "peers") for kind in ("png", "svg")}
    return {report["suite"]: report for report in map(json.loads, (p.read_text() for p in results.glob("*.json")))}


def test_every_suite_reports_with_its_machine(reports: dict[str, Any]) -> None:
    assert set(reports) == {"in-process", "growth", "bus", "latency", "peers"}
    for stored in reports.values():
        assert {"cpu", "python", "nats-py"} <= set(stored["machine"])
        assert stored["command"].startswith("python -m benches --tiny")
        assert stored["scale"]["seed"] == 1


def test_in_process_is_proven_by_the_reference(reports: dict[str, Any]) -> None:
    figures = reports["in-process"]["figures"]
    assert {"engine-peak", "engine-hot", "engine-wide", "engine-dup", "python-peak"} <= set(figures)
    for name in ("peak", "hot", "wide", "dup"):
        row = figures[f"engine-{name}"]
        assert row["checked_events"] == row["events"]
        assert row["checked_state_hash"] == row["state_hash"]
    assert figures["python-peak"]["duplicates"] == figures["engine-peak"]["outcomes"]["duplicate"]
    assert figures["engine-dup"]["outcomes"]["duplicate"] > 0.49 * figures["engine-dup"]["events"]


def test_growth_fills_every_position_and_restores(reports: dict[str, Any]) -> None:
    figures = reports["growth"]["figures"]
    assert figures["positions-1000"]["positions"] == 1_000
    assert all(row["restore_bytes_per_s"] > 0 for row in figures.values())


def test_the_bus_leads_to_the_same_state_as_memory(reports: dict[str, Any]) -> None:
    figures = reports["bus"]["figures"]
    kinds = ("push", "pull", "fetch", "daemon")
    assert set(figures) == {"engine", *(f"{kind}-{count}" for kind in kinds for count in (1, 256))}
    assert figures["daemon-1"]["state_hash"] == figures["daemon-256"]["state_hash"] == figures["engine"]["state_hash"]
    # So little is stored here that the push consumer is given all of it.
    assert figures["pull-1"]["messages"] == figures["push-1"]["messages"] == figures["engine"]["events"]


def test_latency_sees_every_message(reports: dict[str, Any]) -> None:
    for row in reports["latency"]["figures"].values():
        assert row["kept_up"]
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["p100_ms"]


def test_all_peers_arrive_at_the_same_balances(reports: dict[str, Any]) -> None:
    figures = reports["peers"]["figures"]
    installed = {name for name in ("bytewax", "duckdb") if find_spec(name)}
    assert {"tallystick", "python", "sqlite", "nats-py-callback"} | installed <= set(figures)
    assert len({row["balance_hash"] for row in figures.values()}) == 1


def test_a_wrong_hash_is_refused() -> None:
    rows = {"tallystick": {"balance_hash": "a"}, "python": {"balance_hash": "b"}}
    with pytest.raises(SystemExit, match="no figure is valid"):
        report.refuse_wrong_hash("peers", rows)


def test_builds_are_measured_each_with_its_own_engine(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "python" / "tallystick", tmp_path / "builds" / "one" / "tallystick")
    rows = builds.compare(tmp_path / "builds", tmp_path, TINY, "one")
    assert set(rows) == {"one"}
    assert rows["one"]["checked_state_hash"] == rows["one"]["state_hash"]
    with pytest.raises(FileNotFoundError, match="make builds"):
        builds.compare(tmp_path / "builds", tmp_path, TINY, "two")


def test_another_build_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no figure is valid"):
        builds.measure(str(tmp_path), path="", config="", expected="", checked_events=0)


def test_rows_know_their_balances_whatever_the_block() -> None:
    rows, engine = Rows(positions=7_000, seed=3), Engine(CONFIG)
    for events in (30_000, 1, 12_345):
        for block in rows.blocks(events):
            engine.apply(block, engine.sequence + 1, None)
    assert rows.duplicates > 0
    check_totals(engine, rows)
    rows.on_hand += 1
    with pytest.raises(ValueError, match="no figure is valid"):
        check_totals(engine, rows)


@pytest.mark.parametrize("skipped", [0, 95])
def test_frame_ends_are_those_of_real_frames(skipped: int) -> None:
    sizes = np.array([*range(95, 105), 9, 1_000])
    frames, ends = b"", []
    for at, size in enumerate(sizes.tolist(), 1):
        reply = f"$JS.ACK.S.bare.1.{at + skipped}.{at}.{10**18}.{len(sizes) - at}"
        frames += f"MSG subject 1 {reply} {size}\r\n".encode() + b"x" * size + b"\r\n"
        ends.append(len(frames))
    first = {"first_sequence": skipped + 1}
    assert frame_ends(sizes, subject="subject", stream="S", consumer="bare", **first).tolist() == ends


def test_targets_are_judged_by_what_was_measured() -> None:
    rows = {"engine-peak": {"events_per_s": 6_000_000}, "python-peak": {"events_per_s": 1_000_000}}
    judged = targets.judge("in-process", rows)
    assert [(row["found"], row["met"]) for row in judged] == [(6.0, False), (6.0, True)]
    one_point = {"keys-5": {"events_per_s": 1, "bytes_per_key": 30, "restore_bytes_per_s": 1}}
    judged = targets.judge("growth", one_point)
    assert [(row["target"], row["found"], row["met"]) for row in judged] == [(24, 30, False), (1, 0.0, False)]
