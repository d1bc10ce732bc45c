"""Report: what a suite measured, with the machine and the command, as a table and as a dated JSON file.

A figure of a debug build or with a wrong hash is refused here.
"""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benches.meter import machine
from benches.process import Row
from benches.scale import Scale

RESULTS: Final = Path(__file__).parent / "results"
_COLUMNS: Final = ("events", "events_per_s", "ns_per_event", "cpu_ns_per_event", "rss_mib_peak")
_ALSO: Final = (
    "bytes_per_key", "bytes_per_position", "p50_ms", "p99_ms", "p99.9_ms", "snapshot_bytes_per_s",
    "restore_bytes_per_s", "state_hash", "balance_hash",
)  # fmt: skip


def refuse_debug_build() -> None:
    """Ends the run unless the engine is a release build."""
    from tallystick import _engine

    if _engine.BUILD_PROFILE != "release":
        sys.exit(f"benches: this is a {_engine.BUILD_PROFILE} build; build with: maturin develop --release")


def refuse_wrong_hash(suite: str, rows: dict[str, Row]) -> None:
    """Ends the run if rows that did the same work ended in different states."""
    same_work = {"bus": "state_hash", "builds": "state_hash", "peers": "balance_hash"}.get(suite)
    hashes = {name: row[same_work] for name, row in rows.items() if same_work in row} if same_work else {}
    if len(set(hashes.values())) > 1:
        sys.exit(f"benches: hashes differ, so no figure is valid: {hashes}")


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
    """The newest stored report of a suite."""
    paths = sorted(folder.glob(f"*-{suite}.json"))
    if not paths:
        return None
    content: dict[str, Any] = json.loads(paths[-1].read_text())
    return content
