"""Report: what a suite measured, with the machine and the command, as a table and as a dated JSON file.

A figure of a debug build or with a wrong hash is refused here.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benches import figures
from benches.meter import machine
from benches.process import Row
from benches.scale import Scale

RESULTS: Final = Path(__file__).parent / "results"
_COLUMNS: Final = (
    "events", "events_per_s", "ns_per_event", "cpu_ns_per_event", "calls_per_s", "ns_per_call", "positions_per_s",
    "ns_per_position", "bytes_per_s", "instructions", "instructions_per_event",
    "instructions_per_position", "rss_mib_peak",
)  # fmt: skip
_ALSO: Final = (
    "counted", "bytes_per_key", "bytes_per_position", "p50_ms", "p99_ms", "p99.9_ms", "snapshot_bytes_per_s",
    "restore_bytes_per_s", "replay_events_per_s", "recovery", "spread_percent", "state_hash", "balance_hash",
)  # fmt: skip
_SAME_WORK: Final[dict[str, tuple[str, Callable[[str], str]]]] = {
    "in-process": ("state_hash", lambda name: name.rpartition("-")[2]),
    "shards": ("state_hash", lambda _: "peak"),
    "instructions": ("state_hash", lambda _: "peak"),
    "bus": ("state_hash", lambda _: "peak"),
    "builds": ("state_hash", lambda _: "peak"),
    "peers": ("balance_hash", lambda _: "peers"),
}
"""By suite: the hash that rows have in common, and what tells which rows did the same work."""


def refuse_debug_build() -> None:
    """Ends the run unless the engine is a release build."""
    from tallystick import _engine

    if _engine.BUILD_PROFILE != "release":
        sys.exit(f"benches: this is a {_engine.BUILD_PROFILE} build; build with: maturin develop --release")


def refuse_wrong_hash(suite: str, rows: dict[str, Row]) -> None:
    """Ends the run if rows that did the same work ended in different states."""
    if suite not in _SAME_WORK:
        return
    figure, work = _SAME_WORK[suite]
    found: dict[str, dict[str, str]] = {}
    for name, row in rows.items():
        if figure in row:
            found.setdefault(work(name), {})[name] = row[figure]
    for hashes in found.values():
        if len(set(hashes.values())) > 1:
            sys.exit(f"benches: hashes differ, so no figure is valid: {hashes}")


def refuse_incomplete(rows: dict[str, Row]) -> None:
    """Ends the run if a row lacks what every figure carries."""
    if lacking := figures.missing(rows):
        sys.exit(f"benches: rows lack what every figure carries, so none is stored: {lacking}")


def show(rows: dict[str, Row]) -> None:
    """Prints one line per row."""
    for name, row in rows.items():
        shown = "  ".join(f"{column} {row[column]:>11,}" for column in _COLUMNS if column in row)
        rest = "  ".join(f"{key} {row[key]}" for key in _ALSO if key in row)
        print(f"{name:<18} {shown}  {rest}", flush=True)


def store(folder: Path, suite: str, scale: Scale, rows: dict[str, Row], targets: list[dict[str, Any]]) -> Path:
    """Writes `<date>-<suite>.json` into `folder`."""
    content = {
        "suite": suite,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"python -m benches {' '.join(sys.argv[1:])}".strip(),
        "machine": machine(),
        "scale": asdict(scale),
        "figures": rows,
        "targets": targets,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}-{suite}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def newest(folder: Path, suite: str) -> dict[str, Any] | None:
    """The newest stored report of a whole suite; one row alone is no picture."""
    for path in sorted(folder.glob(f"*-{suite}.json"), reverse=True):
        content: dict[str, Any] = json.loads(path.read_text())
        if "--only" not in content["command"].split():
            return content
    return None
