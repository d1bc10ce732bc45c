"""In process: NDJSON in memory through the engine on one core, on every workload, beside plain Python.

Decoding alone is not measured: the engine's interface has no door to it.
"""

from pathlib import Path

from benches import workloads
from benches.meter import Meter
from benches.peers import plain_python
from benches.process import Row, fastest
from benches.scale import Scale
from tallystick import Engine, Reference
from tallystick.lines import line_blocks

BLOCK_BYTES = 1 << 20
WORKLOADS = ("peak", "hot", "wide", "dup", "journey")


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """One row per workload, `engine-NAME`, and `python-peak`."""
    rows: dict[str, Row] = {}
    for name in WORKLOADS:
        if only and only not in (f"engine-{name}", f"python-{name}"):
            continue
        files = workloads.write(name, folder, scale)
        if files is None:
            print(f"{name:<16} not measured: its data is not installed")
            continue
        if only in ("", f"engine-{name}"):
            rows[f"engine-{name}"] = fastest(
                scale.repeat, measure, **files.arguments, checked_events=scale.checked_events
            ) | {"workload": files.title}
        if name == "peak" and only in ("", "python-peak"):
            rows["python-peak"] = fastest(scale.repeat, plain_python.measure, path=files.path)
        Path(files.path).unlink()
    return rows


def measure(path: str, config: str, expected: str, checked_events: int) -> Row:
    """Applies the whole file, then proves the balances: reference for a prefix, group-by for everything.

    Raises ValueError when either of them disagrees.
    """
    with Path(path).open("rb") as file:
        blocks = [block.data for block in line_blocks(file, BLOCK_BYTES)]
    Engine(config).apply(blocks[0], 1, None)  # The first call of a process imports NumPy; that is no work on events.
    engine = Engine(config)
    events = 0
    with Meter() as meter:
        for block in blocks:
            events += len(engine.apply(block, events + 1, None))
    figures = meter.figures(events)
    keys = sum(engine.outcome_totals().get(name, 0) for name in ("applied", "absorbed"))
    memory = engine.memory()
    check_balances(engine, expected)
    return {
        **figures,
        "bytes_per_event": round(sum(map(len, blocks)) / events, 1),
        "outcomes": {name: count for name, count in engine.outcome_totals().items() if count},
        "positions": len(engine),
        "keys": keys,
        "memory_bytes": memory,
        "bytes_per_key": round(memory["dedup"] / max(keys, 1), 1),
        "bytes_per_position": round(memory["positions"] / max(len(engine), 1), 1),
        "state_hash": engine.state_hash(),
        **check_prefix(Path(path), config, checked_events),
    }


def check_prefix(path: Path, config: str, events: int) -> Row:
    """Runs engine and reference over the first `events` events of the file. Raises ValueError if they differ."""
    with path.open("rb") as file:
        lines = b"".join(line for line, _ in zip(file, range(events), strict=False))
    engine, reference = Engine(config), Reference(config)
    engine.apply(lines, 1, None)
    checked = len(reference.apply(lines, 1, None))
    if engine.state_hash() != reference.state_hash():
        raise ValueError(f"engine and reference disagree after {checked:,} events of {path.name}: no figure is valid")
    return {"checked_events": checked, "checked_state_hash": reference.state_hash()}


def check_balances(engine: Engine, expected: str) -> None:
    """Compares every position with the group-by over the drawn numbers. Raises ValueError if one differs."""
    import polars as pl

    from tallystick.demo.proof import ledger_frame, positions_different

    different = positions_different(ledger_frame(engine), pl.read_parquet(expected)).height
    if different:
        raise ValueError(f"{different:,} positions differ from the group-by of the input: no figure is valid")
