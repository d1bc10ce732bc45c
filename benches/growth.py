"""Growth: the rate at a large state against the rate at a small one, and what a snapshot of it costs.

One curve over positions, one over remembered keys. Each point fills an engine of its own, then measures the next
events, whose positions are uniform: a cache never helps.
"""

import time
from pathlib import Path

from benches.meter import Meter
from benches.process import Row, in_own_process
from benches.rows import CONFIG, Rows
from benches.scale import Scale
from tallystick import Engine, Reference

POSITIONS_OF_KEYS = 100_000
"""Positions on the curve over keys."""


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """One row per point: `positions-N` and `keys-N`."""
    del folder
    rows: dict[str, Row] = {}
    points = [(f"positions-{count}", count, count) for count in scale.positions]
    points += [(f"keys-{count}", min(POSITIONS_OF_KEYS, count), count) for count in scale.keys]
    for name, positions, filled in points:
        if only in ("", name):
            rows[name] = in_own_process(
                measure,
                positions=positions,
                filled_events=filled,
                measured_events=scale.measured_events,
                checked_events=scale.checked_events,
                seed=scale.seed,
            )
    return rows


def measure(positions: int, filled_events: int, measured_events: int, checked_events: int, seed: int) -> Row:
    """Fills, measures, saves, restores. Raises ValueError if any total or hash is not what it must be."""
    check_prefix(positions, min(checked_events, 20_000), seed)
    engine, rows = Engine(CONFIG), Rows(positions, seed)
    applied_s = 0.0
    for block in rows.blocks(max(positions, filled_events - measured_events)):
        before = time.perf_counter()
        engine.apply(block, engine.sequence + 1, None)
        applied_s += time.perf_counter() - before
    filled = rows.events
    last = list(rows.blocks(measured_events))
    with Meter() as meter:
        for block in last:
            engine.apply(block, engine.sequence + 1, None)
    figures = meter.figures(measured_events)
    check_totals(engine, rows)
    memory = engine.memory()
    keys = engine.outcome_totals()["applied"]
    return {
        **figures,
        "filled_events": filled,
        "filling_events_per_s": round(filled / applied_s),
        "positions": len(engine),
        "keys": keys,
        "memory_bytes": memory,
        "bytes_per_key": round(memory["dedup"] / keys, 1),
        "bytes_per_position": round(memory["positions"] / len(engine), 1),
        "state_hash": engine.state_hash(),
        **_recovery(engine),
    }


def check_prefix(positions: int, events: int, seed: int) -> None:
    """Runs engine and reference over the first events. Raises ValueError if they differ."""
    block = b"".join(Rows(positions, seed).blocks(events))
    engine, reference = Engine(CONFIG), Reference(CONFIG)
    engine.apply(block, 1, None)
    reference.apply(block, 1, None)
    if engine.state_hash() != reference.state_hash():
        raise ValueError(f"engine and reference disagree after {events:,} events: no figure is valid")


def check_totals(engine: Engine, rows: Rows) -> None:
    """Raises ValueError unless outcomes, positions and the sums of all accounts are those of the drawn numbers."""
    totals, outcomes = engine.trial_balance(), engine.outcome_totals()
    found = (totals["on_hand"], totals["reserved"], outcomes["applied"], outcomes.get("duplicate", 0), len(engine))
    fresh = rows.events - rows.duplicates
    expected = (rows.on_hand * 1_000, rows.reserved * 1_000, fresh, rows.duplicates, min(rows.positions, rows.events))
    if found != expected:
        raise ValueError(f"the ledger's totals are {found}, the input's are {expected}: no figure is valid")


def _recovery(engine: Engine) -> Row:
    before = time.perf_counter()
    snapshot = engine.snapshot()
    saved_s = time.perf_counter() - before
    state_hash = engine.state_hash()
    before = time.perf_counter()
    restored = Engine.restore(snapshot, CONFIG)
    restored_s = time.perf_counter() - before
    if restored.state_hash() != state_hash:
        raise ValueError("the restored ledger is not the one that was saved: no figure is valid")
    return {
        "snapshot_bytes": len(snapshot),
        "snapshot_s": round(saved_s, 4),
        "snapshot_bytes_per_s": round(len(snapshot) / saved_s),
        "restore_s": round(restored_s, 4),
        "restore_bytes_per_s": round(len(snapshot) / restored_s),
    }
