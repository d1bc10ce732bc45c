"""The benchmarks run tiny here, so that they do not rot, and their hashes are checked."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_tiny_run_of_all_benchmarks(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benches", "--tiny", "--results", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (report,) = (json.loads(path.read_text()) for path in tmp_path.iterdir())
    figures = report["figures"]
    assert set(figures) == {"engine", "python", "bus-1", "bus-256"}
    hashes = {figures[name]["state_hash"] for name in ("engine", "bus-1", "bus-256")}
    assert hashes == {figures["engine"]["checked_state_hash"]}
    assert figures["engine"]["checked_events"] == report["workload"]["events"]
    assert figures["python"]["duplicates"] == figures["engine"]["outcomes"]["duplicate"]
    assert {"cpu", "python", "nats-py"} <= set(report["machine"])
