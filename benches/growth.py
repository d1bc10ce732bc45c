"""Growth: the rate at a large state against the rate at a small one, and what a snapshot and a restart of it cost.

One curve over positions, one over remembered keys. Each point fills an engine of its own, then measures the next
events, whose positions are uniform: a cache never helps. Then it is saved, restored, and goes on with the log.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benches import figures
from benches.meter import Meter, memory_available
from benches.process import Row
from benches.progress import Progress
from benches.rows import CONFIG, Rows
from benches.scale import Scale
from benches.turns import Measure, fresh, one_by_one
from tallystick import Engine, Reference

POSITIONS_OF_KEYS: Final = 100_000
"""Positions on the curve over keys."""
KEY_BYTES_MAX: Final = 90
POSITION_BYTES_MAX: Final = 500
"""What the engine may take while it grows. A point that has no room is left out before it takes the machine down."""
IMAGE_COPIES: Final = 2.5
"""Of the ledger's bytes, while a snapshot is made."""


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """One row per point: `positions-N` and `keys-N`."""
    del folder
    cases: dict[str, Measure] = {}
    points = [(f"positions-{count}", count, count) for count in scale.positions]
    points += [(f"keys-{count}", min(POSITIONS_OF_KEYS, count), count) for count in scale.keys]
    for name, positions, filled in points:
        if only not in ("", name):
            continue
        needed, free = filled * KEY_BYTES_MAX + positions * POSITION_BYTES_MAX, memory_available()
        if needed > free:
            print(f"{name:<18} not measured: it may need {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} are free")
            continue
        cases[name] = fresh(
            measure,
            positions=positions,
            filled_events=filled,
            measured_events=scale.measured_events,
            checked_events=scale.checked_events,
            seed=scale.seed,
            name=name,
        )
    return one_by_one("growth", cases)


def measure(
    positions: int, filled_events: int, measured_events: int, checked_events: int, seed: int, name: str = "growth"
) -> Row:
    """Fills, measures, saves, restores, goes on. Raises ValueError if any total or hash is not what it must be."""
    check_prefix(positions, min(checked_events, 20_000), seed)
    engine, rows = Engine(CONFIG), Rows(positions, seed)
    progress = Progress(name, filled_events)
    filling_s = _fill(engine, rows, max(positions, filled_events - measured_events), progress)
    filled = rows.events
    row = _apply(engine, rows, measured_events)
    check_totals(engine, rows)
    row |= figures.of_ledger(engine)
    row |= {"filled_events": filled, "filling_events_per_s": round(filled / filling_s), "seed": seed}
    needed, free = IMAGE_COPIES * sum(row["memory_bytes"].values()), memory_available()
    if needed > free:
        return row | {
            "recovery": f"not measured: it may need {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} are free"
        }
    progress.say("saving")
    before = time.perf_counter()
    image = engine.snapshot()
    saved_s = time.perf_counter() - before
    # What was saved makes room for what is restored: a restart has only one of them, too.
    del engine
    progress.say(f"restoring {len(image):,} bytes")
    before = time.perf_counter()
    restored = Engine.restore(image, CONFIG)
    restored_s = time.perf_counter() - before
    size = len(image)
    del image
    if restored.state_hash() != row["state_hash"]:
        raise ValueError("the restored ledger is not the one that was saved: no figure is valid")
    replayed = _apply(restored, rows, measured_events)
    check_totals(restored, rows)
    return row | {
        "snapshot_bytes": size,
        "snapshot_s": round(saved_s, 4),
        "snapshot_bytes_per_s": round(size / saved_s),
        "restore_s": round(restored_s, 4),
        "restore_bytes_per_s": round(size / restored_s),
        "replay_events_per_s": replayed["events_per_s"],
        "rss_mib_peak_with_recovery": replayed["rss_mib_peak"],
        "state_hash_after_replay": restored.state_hash(),
    }


def _fill(engine: Engine, rows: Rows, events: int, progress: Progress) -> float:
    """Brings the ledger to its size. Gives the seconds that the engine worked."""
    applied_s = 0.0
    for block in _one_ahead(rows.blocks(events)):
        before = time.perf_counter()
        engine.apply(block, engine.sequence + 1, event_times=True)
        applied_s += time.perf_counter() - before
        progress.at(engine.sequence)
    return applied_s


def _one_ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yields the blocks. The next is drawn on another core while one is applied; never more than one ahead."""
    with ThreadPoolExecutor(1) as drawer:
        ahead = drawer.submit(next, blocks, None)
        while (block := ahead.result()) is not None:
            ahead = drawer.submit(next, blocks, None)
            yield block


def _apply(engine: Engine, rows: Rows, events: int) -> Row:
    """The figures of the next events, all drawn before the clock starts."""
    blocks = list(rows.blocks(events))
    with Meter() as meter:
        for block in blocks:
            engine.apply(block, engine.sequence + 1, event_times=True)
    return dict(meter.figures(events))


def check_prefix(positions: int, events: int, seed: int) -> None:
    """Runs engine and reference over the first events. Raises ValueError if they differ."""
    block = b"".join(Rows(positions, seed).blocks(events))
    engine, reference = Engine(CONFIG), Reference(CONFIG)
    engine.apply(block, 1, event_times=True)
    reference.apply(block, 1, event_times=True)
    if engine.state_hash() != reference.state_hash():
        raise ValueError(f"engine and reference disagree after {events:,} events: no figure is valid")


def check_totals(engine: Engine, rows: Rows) -> None:
    """Raises ValueError unless outcomes, positions and the sums of all accounts are those of the drawn numbers."""
    totals, outcomes = engine.trial_balance_thousandths(), engine.outcome_totals()
    found = (totals["on_hand"], totals["reserved"], outcomes["applied"], outcomes.get("duplicate", 0), len(engine))
    fresh = rows.events - rows.duplicates
    expected = (rows.on_hand * 1_000, rows.reserved * 1_000, fresh, rows.duplicates, min(rows.positions, rows.events))
    if found != expected:
        raise ValueError(f"the ledger's totals are {found}, the input's are {expected}: no figure is valid")
