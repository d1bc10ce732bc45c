"""Figures: what every row says of a ledger, and which figures a row must have before it may be stored."""

from typing import Final

from benches.process import Row
from tallystick import Engine

OF_WORK: Final = ("events_per_s", "ns_per_event", "cpu_ns_per_event", "rss_mib_peak")
"""Every row that took events in has these."""
OF_LEDGER: Final = ("bytes_per_key", "bytes_per_position", "state_hash")
"""And every row of ours that ended with a whole ledger has these, too."""


def of_ledger(engine: Engine) -> Row:
    """What a ledger holds, what each key and position costs, and the hash of its state."""
    memory, outcomes = engine.memory(), engine.outcome_totals()
    keys = outcomes.get("applied", 0) + outcomes.get("absorbed", 0)
    return {
        "positions": len(engine),
        "keys": keys,
        "memory_bytes": memory,
        "bytes_per_key": round(memory["dedup"] / max(keys, 1), 1),
        "bytes_per_position": round(memory["positions"] / max(len(engine), 1), 1),
        "state_hash": engine.state_hash(),
    }


def missing(rows: dict[str, Row]) -> dict[str, list[str]]:
    """Which figures which rows lack, by row; nothing for rows that lack none.

    Rows whose `units` are not events (calls, positions, bytes) and rows without `seconds` (counts of instructions) have
    figures of their own.
    """
    lacking = {}
    for name, row in rows.items():
        takes_events = "seconds" in row and row.get("units", "events") == "events"
        needed = [*(OF_WORK if takes_events else ()), *(OF_LEDGER if "memory_bytes" in row else ())]
        absent = [figure for figure in needed if figure not in row]
        if absent:
            lacking[name] = absent
    return lacking
