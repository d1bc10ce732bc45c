"""Operations: one operation of the engine alone, by the small Rust program that `rust/engine/examples/operations` is.

It measures what the Python interface has no door to: decoding alone, the idempotency table alone, questions for 10,000
balances per call. It is built in release, with the same settings as the engine itself; in a test of the benchmarks
it is built as the tests in Rust are, which is there already.
"""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any, Final

from benches.process import Row, Unavailable
from benches.scale import Scale
from benches.turns import Measure
from benches.workloads import WorkloadFiles

ROOT: Final = Path(__file__).parents[1]
NAMES: Final = ("decode", "dedup", "apply", "query", "flush", "snapshot", "restore")
_BUILD: Final = (
    "cargo", "build", "--locked", "--quiet", "--package", "tallystick-engine", "--example", "operations",
    "--message-format", "json-render-diagnostics",
)  # fmt: skip


def build(profile: str) -> Path:
    """The program, built with a profile of cargo if it is not up to date.

    Raises Unavailable without cargo, or when it does not build.
    """
    if shutil.which("cargo") is None:
        raise Unavailable("there is no cargo to build the program that measures it")
    if not (ROOT / "Cargo.toml").is_file():
        raise Unavailable("there is no checkout to build the program that measures it from")
    done = subprocess.run((*_BUILD, "--profile", profile), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable("the program that measures it does not build, see above")
    for line in done.stdout.splitlines():
        message: dict[str, Any] = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "operations":
            return Path(message["executable"])
    raise Unavailable("cargo built no program")


def case(operation: str, files: WorkloadFiles, scale: Scale) -> Measure | str:
    """What is run for one operation over a workload, or why there is nothing."""
    try:
        program = build(scale.cargo_profile)
    except Unavailable as error:
        return str(error)
    return partial(measure, command(program, operation, files, Path(files.path).parent))


def command(program: Path, operation: str, files: WorkloadFiles, folder: Path) -> list[str]:
    """How to run one operation over a workload."""
    config = folder / f"{files.name}.toml"
    config.write_text(files.config, "utf-8")
    return [str(program), operation, files.path, str(config)]


def measure(arguments: list[str]) -> Row:
    """One run of the program as a row. Raises Unavailable when it refuses."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{arguments[1]} failed, see above")
    return _row(json.loads(done.stdout))


def _row(found: dict[str, Any]) -> Row:
    """The program's figures under the names that all rows have; `units` says what was counted."""
    count, seconds = found["count"], found["seconds"]
    cpu_seconds, rss_kib = found.pop("cpu_seconds") or seconds, found.pop("rss_kib_peak")
    per = found["units"].removesuffix("s")
    rate = {f"{per}s_per_s": round(count / seconds)}
    if per != "byte":
        rate[f"ns_per_{per}"] = round(seconds / count * 1e9, 1)
        rate[f"cpu_ns_per_{per}"] = round(cpu_seconds / count * 1e9, 1)
    return {**found, "seconds": round(seconds, 4), **rate, "rss_mib_peak": round((rss_kib or 0) / 1024, 1)}
