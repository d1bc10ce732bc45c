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

from benches import builds, figures, growth, instructions, latency, operations, report, targets, watch
from benches.bare_socket import frame_ends
from benches.growth import check_totals
from benches.process import Unavailable
from benches.rows import CONFIG, Rows
from benches.scale import TINY
from tallystick import Engine, _engine

pytestmark = pytest.mark.slow

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
    counted = {"instructions"} if shutil.which("valgrind") and shutil.which("cargo") else set()
    always = {"in-process", "shards", "surface", "growth", "bus", "latency", "promise", "peers"}
    assert set(reports) == always | counted
    for stored in reports.values():
        assert {"cpu", "python", "nats-py"} <= set(stored["machine"])
        assert stored["command"].startswith("python -m benches --tiny")
        assert stored["scale"]["seed"] == 1


def test_in_process_is_proven_by_the_reference(reports: dict[str, Any]) -> None:
    figures = reports["in-process"]["figures"]
    workloads = ("peak", "orders", "hot", "wide", "dup")
    assert {*(f"engine-{name}" for name in workloads), "python-peak"} <= set(figures)
    for name in workloads:
        row = figures[f"engine-{name}"]
        assert row["checked_events"] == TINY.checked_events
        assert len(row["checked_state_hash"]) == len(row["state_hash"])
    assert figures["python-peak"]["duplicates"] == figures["engine-peak"]["outcomes"]["duplicate"]
    for name in ("peak", "orders"):
        assert figures[f"columns-{name}"]["state_hash"] == figures[f"engine-{name}"]["state_hash"]
        assert figures[f"columns-{name}"]["outcomes"] == figures[f"engine-{name}"]["outcomes"]
    assert figures["engine-dup"]["outcomes"]["duplicate"] > 0.49 * figures["engine-dup"]["events"]


def test_every_row_carries_what_every_figure_carries(reports: dict[str, Any]) -> None:
    for stored in reports.values():
        assert figures.missing(stored["figures"]) == {}
    ledgers = [row for suite in ("in-process", "growth", "bus", "latency") for row in reports[suite]["figures"].items()]
    ours = ("engine-", "positions-", "keys-", "daemon-", "rate-")
    assert all("bytes_per_key" in row for name, row in ledgers if name.startswith(ours))


@pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo to build the program")
def test_single_operations_are_those_of_the_engine(reports: dict[str, Any]) -> None:
    rows = reports["in-process"]["figures"]
    for name in ("peak", "orders"):
        assert rows[f"apply-{name}"]["state_hash"] == rows[f"engine-{name}"]["state_hash"]
    assert rows["decode-peak"]["malformed"] == rows["engine-peak"]["outcomes"].get("malformed", 0)
    # What is refused for its content is not remembered by the engine; here every key is.
    assert rows["engine-peak"]["keys"] <= rows["dedup-peak"]["keys"] < rows["engine-peak"]["events"]
    assert rows["query-peak"]["positions"] == rows["engine-peak"]["positions"]
    assert rows["query-peak"]["count"] == 200_000


def test_instructions_are_counted_for_each_operation(reports: dict[str, Any]) -> None:
    if "instructions" not in reports:
        pytest.skip("there is no valgrind")
    rows = reports["instructions"]["figures"]
    assert tuple(rows) == operations.NAMES
    assert all(row["instructions"] > row["events"] for row in rows.values())
    assert rows["apply"]["instructions"] > rows["decode"]["instructions"] > rows["dedup"]["instructions"]


def test_surface_measures_each_case(reports: dict[str, Any]) -> None:
    rows = reports["surface"]["figures"]
    assert {"construction", "apply-1", "apply-100", "apply-10000", "balance-1", "balance-10000", "columns", "flush",
            "snapshot", "restore", "memory", "state-hash"} == set(rows)  # fmt: skip
    assert rows["restore"]["state_hash"] == rows["snapshot"]["state_hash"] == rows["balance-1"]["state_hash"]
    assert all(row["seconds"] > 0 for row in rows.values())


def test_growth_fills_every_position_and_restores(reports: dict[str, Any]) -> None:
    figures = reports["growth"]["figures"]
    assert figures["positions-1000"]["positions"] == 1_000
    assert all(row["restore_bytes_per_s"] > 0 and row["replay_events_per_s"] > 0 for row in figures.values())
    assert all(row["state_hash_after_replay"] != row["state_hash"] for row in figures.values())


def test_the_bus_leads_to_the_same_state_as_memory(reports: dict[str, Any]) -> None:
    figures = reports["bus"]["figures"]
    kinds = ("push", "pull", "fetch", "engine", "daemon")
    assert set(figures) == {f"{kind}-{count}" for kind in kinds for count in (1, 256)}
    hashes = {figures[f"{kind}-{count}"]["state_hash"] for kind in ("engine", "daemon") for count in (1, 256)}
    assert len(hashes) == 1
    # So little is stored here that the push consumer is given all of it.
    assert figures["pull-1"]["messages"] == figures["push-1"]["messages"] == figures["engine-1"]["events"]


def test_latency_sees_every_message(reports: dict[str, Any]) -> None:
    for row in reports["latency"]["figures"].values():
        assert row["kept_up"]
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["p100_ms"]
        assert row["events_seen"] == row["events"]


def test_every_request_is_answered(reports: dict[str, Any]) -> None:
    rows = reports["promise"]["figures"]
    assert {"rate-200", "service-200", "pipelined"} <= set(rows)
    assert 0 < rows["rate-200"]["p50_ms"] <= rows["rate-200"]["p99_ms"]
    for name in ("rate-200", "service-200", "pipelined"):
        assert rows[name]["granted"] == rows[name]["events"]


def event(number: int, sku: str = "A") -> bytes:
    return (
        f'{{"id":"{number}","source":"wms","type":"stock.received","time":"2026-01-05T00:00:00Z","sku":"{sku}",'
        f'"location":"L","quantity":1}}\n'
    ).encode()


def test_latency_waits_for_no_message_that_nobody_can_see() -> None:
    messages = [event(1), event(1), event(2) + event(1), event(2) + event(1), event(1)]
    assert latency.with_effect(messages, CONFIG) == messages[:3]
    assert latency.with_effect(messages[:1], CONFIG) == messages[:1]


def test_percentiles_count_what_was_never_seen_as_slowest() -> None:
    found = latency.percentiles(np.array([0.001] * 98 + [0.5, np.inf]))
    assert found["p50_ms"] == found["p90_ms"] == 1.0
    assert found["p99_ms"] == pytest.approx(500, rel=1e-3)
    assert found["p99.9_ms"] is None
    assert found["p100_ms"] is None


def test_the_histogram_holds_every_latency() -> None:
    from hdrh.histogram import HdrHistogram

    found = latency.percentiles(np.array([0.001, 0.010, 0.100]))
    histogram = HdrHistogram.decode(found["histogram_us"])
    assert histogram.get_total_count() == 3
    assert histogram.get_value_at_percentile(100) == pytest.approx(100_000, rel=1e-3)


class _Daemon:
    """A daemon that has ended, or one that does nothing any more."""

    def __init__(self, *, ended: bool) -> None:
        self.ended = ended

    def last_words(self) -> str:
        return "its last words: good-bye"


@pytest.mark.parametrize("ended", [True, False])
def test_a_stalled_run_says_what_it_waited_for(ended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 0.0)
    stuck = object.__new__(watch.Watch)
    stuck._seen, stuck._failure = [(0, 0.0), (41, 1.0)], None
    daemon: Any = _Daemon(ended=ended)
    with pytest.raises(watch.Stalled, match=r"preloading: waited for message 42 .* saw 41.*good-bye"):
        stuck.wait_for("preloading", 42, daemon, limit_s=10.0)
    assert stuck.wait_for("preloading", 41, daemon, limit_s=10.0)


def test_all_peers_arrive_at_the_same_balances(reports: dict[str, Any]) -> None:
    figures = reports["peers"]["figures"]
    installed = {name for name in ("bytewax", "duckdb") if find_spec(name)}
    installed |= {"redis"} if find_spec("redis") and shutil.which("redis-server") else set()
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
    assert rows["one"]["checked_events"] == TINY.checked_events
    with pytest.raises(Unavailable, match="make builds"):
        builds.compare(tmp_path / "builds", tmp_path, TINY, "two")


def test_another_build_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no figure is valid"):
        builds.measure(str(tmp_path), path="", config="", expected="", checked_events=0)


def test_hashes_are_compared_where_the_work_was_the_same() -> None:
    rows = {"engine-peak": {"state_hash": "a"}, "engine-hot": {"state_hash": "b"}, "decode-peak": {}}
    report.refuse_wrong_hash("in-process", rows)
    with pytest.raises(SystemExit, match="columns-peak"):
        report.refuse_wrong_hash("in-process", rows | {"columns-peak": {"state_hash": "b"}})


def test_a_debug_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engine, "BUILD_PROFILE", "debug")
    with pytest.raises(SystemExit, match="debug build"):
        report.refuse_debug_build()


def test_an_incomplete_row_is_refused() -> None:
    whole = dict.fromkeys((*figures.OF_WORK, *figures.OF_LEDGER, "seconds", "memory_bytes"), 1)
    report.refuse_incomplete(
        {"engine-peak": whole, "apply": {"instructions": 1}, "query": {"seconds": 1, "units": "calls"}}
    )
    for figure in (*figures.OF_WORK, *figures.OF_LEDGER):
        with pytest.raises(SystemExit, match=f"engine-peak.*{figure}"):
            report.refuse_incomplete({"engine-peak": {name: 1 for name in whole if name != figure}})


def test_missing_valgrind_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Unavailable, match="valgrind, which is not installed"):
        instructions.run(tmp_path, TINY, "")


def test_the_total_of_a_callgrind_report_is_found() -> None:
    assert instructions.instructions("events: Ir\nfn=(1)\n0 12\ntotals: 6428\n") == 6_428
    assert instructions.instructions("summary: 7\ntotals: 7\n") == 7
    assert instructions.instructions("nothing") == 0


def test_drawing_ahead_changes_no_block() -> None:
    direct, ahead = Rows(positions=500, seed=5), Rows(positions=500, seed=5)
    assert list(growth._one_ahead(ahead.blocks(450_000))) == list(direct.blocks(450_000))
    assert ahead.on_hand == direct.on_hand


def test_a_report_of_one_row_is_not_drawn(tmp_path: Path) -> None:
    for date, command in (
        ("2026-01-01", "python -m benches bus"),
        ("2026-01-02", "python -m benches bus --only pull-1"),
    ):
        (tmp_path / f"{date}-bus.json").write_text(json.dumps({"command": command}))
    newest = report.newest(tmp_path, "bus")
    assert newest is not None
    assert newest["command"] == "python -m benches bus"
    assert report.newest(tmp_path, "growth") is None


def test_rows_know_their_balances_whatever_the_block() -> None:
    rows, engine = Rows(positions=7_000, seed=3), Engine(CONFIG)
    for events in (30_000, 1, 12_345):
        for block in rows.blocks(events):
            engine.apply(block, engine.sequence + 1, event_times=True)
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


def test_blocked_output_keeps_no_reservation_waiting(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benches", "--tiny", "blocked", "--results", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.json")
    row = json.loads(path.read_text())["figures"]["blocked"]
    assert row["unpublished_messages"] > 0
    assert row["p100_ms"] is not None, "each request was answered"
