"""Suite: runs the cases of `test_engine` in a process of their own and turns pytest-benchmark's report into rows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benches.process import Row
from benches.progress import Steps
from benches.scale import Scale

CASES: Final = Path(__file__).with_name("test_engine.py")
_ROOT: Final = CASES.parents[2]


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """One row per case, named as the case. Ends the run if a case fails: its figures would be of nothing."""
    report = folder / "surface.json"
    command = [
        sys.executable, "-m", "pytest", str(CASES), "--quiet", "--no-header", "--benchmark-enable", "--benchmark-quiet",
        f"--benchmark-json={report}", "--benchmark-warmup=on", f"--benchmark-max-time={scale.surface_seconds}",
        "--benchmark-min-rounds=3",
    ]  # fmt: skip
    command += ["-k", only.replace("-", "_")] if only else []
    with Steps("surface", 1) as steps:
        steps.begin(only or "all cases")
        done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 5 and only:  # Nothing of that name.
        return {}
    if done.returncode != 0:
        sys.exit(f"benches: a case of the Python surface failed:\n{done.stdout}")
    found: dict[str, Any] = json.loads(report.read_text())
    return {_name(case["name"]): _row(case) for case in found["benchmarks"]}


def _name(case: str) -> str:
    """`test_apply[100]` → `apply-100`."""
    return case.removeprefix("test_").replace("_of_", "-").replace("[", "-").replace("_", "-").rstrip("]")


def _row(case: dict[str, Any]) -> Row:
    stats, info = case["stats"], case["extra_info"]
    of, count = info["of"], info["count"]
    per = {f"{of}s_per_s": round(count / stats["median"])}
    if of != "byte":
        per[f"ns_per_{of}"] = round(stats["median"] / count * 1e9, 1)
        per[f"cpu_ns_per_{of}"] = round(info["cpu_s"] / count * 1e9, 1)
    return {
        "units": f"{of}s",
        "count": count,
        "seconds": stats["median"],
        "fastest_seconds": stats["min"],
        "slowest_seconds": stats["max"],
        "stddev_seconds": stats["stddev"],
        "rounds": stats["rounds"],
        **per,
        "rss_mib_peak": info["rss_mib_peak"],
        "state_hash": info["state_hash"],
    }
