"""Instructions: how many the engine needs for one event, operation by operation, counted by callgrind.

The count does not depend on the machine's mood: the same program on the same events executes the same instructions,
however busy the machine is. It is no time: a cache miss costs nothing here. Valgrind offers the program a processor
without AVX-512, so libraries that choose their code by the processor may run other code here than in earnest; each row
names the extensions that were there.
"""

import json
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any, Final

from benches import operations, workloads
from benches.process import Row, Unavailable
from benches.scale import Scale
from benches.turns import one_by_one

COUNTED: Final = "*measure*counted*"
"""The function inside which instructions count: `measure::counted` of the program, however its name is mangled."""
_KEPT: Final = ("events", "state_hash", "cpu_features", "keys", "positions")
_TOTALS: Final = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """One row per operation. Raises Unavailable when there is no valgrind or no program to count."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Unavailable("instructions are counted by valgrind, which is not installed (Debian: apt install valgrind)")
    files = workloads.write("peak", folder, scale, events=scale.counted_events)
    assert files is not None, "the peak workload needs no data"
    program = operations.build(scale.cargo_profile)
    names = [name for name in operations.NAMES if only in ("", name)]
    cases = {name: partial(measure, valgrind, program, name, files, folder) for name in names}
    return one_by_one("instructions", cases)


def measure(valgrind: str, program: Path, operation: str, files: workloads.WorkloadFiles, folder: Path) -> Row:
    """Counts one operation over a workload. Raises Unavailable if callgrind or the program fails."""
    counts = folder / f"{operation}.callgrind"
    callgrind = [
        valgrind, "--tool=callgrind", "--quiet", f"--toggle-collect={COUNTED}", f"--callgrind-out-file={counts}",
    ]  # fmt: skip
    done = subprocess.run(
        [*callgrind, *operations.command(program, operation, files, folder)],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Unavailable(f"{operation} failed under callgrind, see above")
    found: dict[str, Any] = json.loads(done.stdout)
    total = instructions(counts.read_text())
    if not total:
        raise Unavailable(f"{operation}: callgrind counted nothing; is the program built with its symbols?")
    row: Row = {name: found[name] for name in _KEPT if name in found}
    row |= {
        "instructions": total,
        f"instructions_per_{found['units'].removesuffix('s')}": round(total / found["count"], 2),
    }
    if operation != "query":  # How much is asked does not depend on the events.
        row["instructions_per_event"] = round(total / found["events"], 1)
    return row | {"counted": f"{found['count']:,} {found['units']}", "valgrind": _version(valgrind)}


def instructions(report: str) -> int:
    """The total of a callgrind report."""
    found = _TOTALS.search(report)
    return int(found[1]) if found else 0


def _version(valgrind: str) -> str:
    shown = subprocess.run([valgrind, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return shown.strip()
