"""`python -m benches`: runs the benchmarks, prints the figures and stores them with the machine's description."""

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
NAMES = ("engine", "python", "bus-1", "bus-256")
TINY_EVENTS = 5_000
_COLUMNS = ("events", "events_per_s", "ns_per_event", "cpu_ns_per_event", "rss_mib_peak")


def main() -> None:
    """Measures each benchmark in a process of its own, so that peak memory is its own too."""
    options = _options()
    if options.measure:
        print(json.dumps(_measure(options.measure, options.file, options.config, options.checked_events)))
        return
    _refuse_debug_build()
    from benches.meter import machine
    from tallystick.demo.peak import peak

    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        workload = peak(Path(folder), events=options.events, seed=options.seed)
        config = Path(folder) / "engine.toml"
        config.write_text(workload.engine_config)
        figures: dict[str, dict[str, Any]] = {}
        for name in options.only or NAMES:
            runs = [_in_own_process(name, workload.path, config, options.checked_events) for _ in range(options.repeat)]
            figures[name] = min(runs, key=lambda run: float(run["seconds"]))
            print(_row(name, figures[name]), flush=True)
    _compare(figures)
    if options.tiny:
        print("a tiny run shows that the benchmarks work; its figures mean nothing")
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"python -m benches {' '.join(sys.argv[1:])}".strip(),
        "fastest_of": options.repeat,
        "machine": machine(),
        "workload": {"name": "peak", "events": workload.events, "seed": options.seed, "title": workload.title},
        "figures": figures,
    }
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"stored in {path}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the peak workload (%(default)s)")
    parser.add_argument("--tiny", action="store_true", help=f"{TINY_EVENTS:,} events, all checked: for tests")
    parser.add_argument("--seed", type=int, default=1, help="seed of the workload (%(default)s)")
    parser.add_argument("--only", action="append", choices=NAMES, help="one benchmark; may be given again (all)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the fastest counts (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the report (benches/results)")
    parser.add_argument("--checked-events", type=int, default=50_000, help="prefix for the reference (%(default)s)")
    parser.add_argument("--measure", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--config", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tiny:
        options.events = options.checked_events = TINY_EVENTS
        options.repeat = 1
    return options


def _refuse_debug_build() -> None:
    from tallystick import _engine

    if _engine.BUILD_PROFILE != "release":
        sys.exit(f"benches: this is a {_engine.BUILD_PROFILE} build; build with: maturin develop --release")


def _measure(name: str, path: Path, config: Path, checked_events: int) -> dict[str, Any]:
    from benches import bus, in_process, plain_python

    text = config.read_text()
    if name == "engine":
        return in_process.measure(path, text, checked_events)
    if name == "python":
        return plain_python.measure(path)
    return bus.measure(path, text, events_per_message=int(name.removeprefix("bus-")))


def _in_own_process(name: str, path: Path, config: Path, checked_events: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benches", "--measure", name, "--file", str(path), "--config", str(config)]
    done = subprocess.run(
        [*command, "--checked-events", str(checked_events)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"benches: {name} failed, see above")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _row(name: str, figures: dict[str, Any]) -> str:
    shown = "  ".join(f"{column} {figures[column]:>12,}" for column in _COLUMNS)
    rest = [f"{key} {figures[key]}" for key in ("bytes_per_key", "bytes_per_position", "state_hash") if key in figures]
    return f"{name:<8} {shown}  {'  '.join(rest)}"


def _compare(figures: dict[str, dict[str, Any]]) -> None:
    """Every way through must end in the same state; says how many times plain Python the engine is."""
    hashes = {name: row["state_hash"] for name, row in figures.items() if "state_hash" in row}
    if len(set(hashes.values())) > 1:
        sys.exit(f"benches: state hashes differ, so no figure is valid: {hashes}")
    if "engine" in figures and "python" in figures:
        ratio = figures["engine"]["events_per_s"] / figures["python"]["events_per_s"]
        print(f"engine / plain Python: {ratio:.1f} x")


if __name__ == "__main__":
    main()
