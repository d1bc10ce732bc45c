"""In process: NDJSON in memory through the engine on one core, and the reference's word that it came out right."""

from pathlib import Path
from typing import Any

from benches.meter import Meter
from tallystick import Engine, Reference
from tallystick.lines import line_blocks

BLOCK_BYTES = 1 << 20


def measure(path: Path, config: str, checked_events: int) -> dict[str, Any]:
    """Applies the whole file, then checks the first `checked_events` events against the reference."""
    with path.open("rb") as file:
        blocks = [block.data for block in line_blocks(file, BLOCK_BYTES)]
    engine = Engine(config)
    events = 0
    with Meter() as meter:
        for block in blocks:
            events += len(engine.apply(block, events + 1, None))
    keys = sum(engine.outcome_totals().get(name, 0) for name in ("applied", "absorbed"))
    memory = engine.memory()
    return {
        **meter.figures(events),
        "outcomes": {name: count for name, count in engine.outcome_totals().items() if count},
        "positions": len(engine),
        "keys": keys,
        "memory_bytes": memory,
        "bytes_per_key": round(memory["dedup"] / max(keys, 1), 1),
        "bytes_per_position": round(memory["positions"] / max(len(engine), 1), 1),
        "state_hash": engine.state_hash(),
        **check(path, config, checked_events),
    }


def check(path: Path, config: str, events: int) -> dict[str, Any]:
    """Runs engine and reference over the first `events` events of the file. Raises ValueError if they differ."""
    with path.open("rb") as file:
        lines = b"".join(line for line, _ in zip(file, range(events), strict=False))
    engine, reference = Engine(config), Reference(config)
    engine.apply(lines, 1, None)
    checked = len(reference.apply(lines, 1, None))
    if engine.state_hash() != reference.state_hash():
        raise ValueError(f"engine and reference disagree after {checked:,} events of {path.name}: no figure is valid")
    return {"checked_events": checked, "checked_state_hash": reference.state_hash()}
